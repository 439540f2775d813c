"""Cells of an Arrow column as NumPy numbers, codes and texts, chunk by chunk and without Python objects per row."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute
import pyarrow.types as pat

from danlu.core.errors import DataError
from danlu.data.amounts import amounts
from danlu.data.columns import MISSING
from danlu.data.marks import NUMBER_MARKS

pc: Any = pyarrow.compute
"""Arrow's functions. They are made when it is imported, so that no type checker knows them."""

MARKS = frozenset(mark.lower() for mark in NUMBER_MARKS)
"""Texts, in lower case, that stand for a missing cell in a column that is known to hold numbers or dates."""

_NUMBER = r"^[+-]?(\d+\.?\d*([eE][+-]?\d+)?|\.\d+([eE][+-]?\d+)?|[iI]nf(inity)?)$"


def is_text(kind: Any) -> bool:
    """Return whether an Arrow type holds text, directly or in a dictionary."""
    if pat.is_dictionary(kind):
        return is_text(kind.value_type)
    return pat.is_string(kind) or pat.is_large_string(kind) or kind == pa.string_view()


def is_number(kind: Any) -> bool:
    """Return whether an Arrow type holds numbers: whole, floating or decimal."""
    return pat.is_integer(kind) or pat.is_floating(kind) or pat.is_decimal(kind)


def is_date(kind: Any) -> bool:
    """Return whether an Arrow type holds dates, times of day, or both."""
    return pat.is_date(kind) or pat.is_timestamp(kind) or pat.is_time(kind)


def is_known(kind: Any) -> bool:
    """Return whether Danlu reads cells of an Arrow type at all; lists, structures and raw bytes it does not."""
    value = kind.value_type if pat.is_dictionary(kind) else kind
    return is_text(value) or is_number(value) or is_date(value) or pat.is_boolean(value) or pat.is_null(value)


def plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return a column without a dictionary of anything but text, so that its cells have a plain type."""
    if pat.is_dictionary(column.type) and not is_text(column.type):
        return column.cast(column.type.value_type)
    return column


def missing_cells(column: pa.ChunkedArray) -> np.ndarray:
    """Return a boolean `[N]`, true where a cell is null, NaN or blank text."""
    if is_text(column.type):
        codes, _ = text_codes(column)
        return codes == MISSING
    out = np.empty(len(column), dtype=bool)
    place = 0
    for chunk in column.chunks:
        out[place : place + len(chunk)] = pc.is_null(chunk, nan_is_null=True).to_numpy(zero_copy_only=False)
        place += len(chunk)
    return out


def floats(column: pa.ChunkedArray) -> np.ndarray:
    """Return a numeric, boolean or all-null column as float64 `[N]`, NaN where missing.

    A single chunk of doubles without nulls is returned as a view of Arrow's memory, read-only.
    """
    chunks = [_float_chunk(chunk) for chunk in column.chunks]
    if len(chunks) == 1:
        return np.asarray(chunks[0], dtype=np.float64)
    out = np.empty(len(column), dtype=np.float64)
    place = 0
    for chunk in chunks:
        out[place : place + len(chunk)] = chunk
        place += len(chunk)
    return out


def _float_chunk(chunk: pa.Array) -> np.ndarray:
    """Return one chunk as any numeric NumPy type, NaN where null."""
    kind = chunk.type
    if pat.is_decimal(kind) or pat.is_boolean(kind) or pat.is_null(kind):
        chunk = chunk.cast(pa.int8() if pat.is_boolean(kind) else pa.float64())
    return chunk.to_numpy(zero_copy_only=False)


@dataclass(frozen=True)
class Origin:
    """Where cells come from, for a message: column, number of each row in the raw table, and class of error."""

    name: str
    kept: np.ndarray | None = None
    error: type[DataError] = DataError
    decimal: str = "."
    """Mark that is tried first where numbers are written for people."""
    sign: str = ""
    """Sign that they had in the table learnt from: $, %."""

    def refusal(self, rule: str, row: int, cell: object, remedy: str) -> DataError:
        """Return the error that says which cell breaks the rule; rows count from 1, the header not included."""
        number = row if self.kept is None else int(self.kept[row])
        found = "nothing" if cell is None else repr(cell)
        where = "" if f"`{self.name}`" in rule else f" of column `{self.name}`"
        return self.error(rule, f"row {number + 1}{where} has {found}", remedy)


def numbers(column: pa.ChunkedArray, origin: Origin) -> np.ndarray:
    """Return a column as float64 `[N]`, NaN missing, whether Arrow holds it as numbers, booleans or text.

    Raises:
        DataError: a date, or the first cell that is no number or is infinite.
    """
    column = plain(column)
    if is_text(column.type):
        values = _parsed(column, origin)
    elif is_number(column.type) or pat.is_boolean(column.type) or pat.is_null(column.type):
        values = floats(column)
    else:
        raise origin.error(
            f"column `{origin.name}` must hold numbers",
            f"it holds {column.type}",
            f"Use --kind {origin.name}=date." if is_date(column.type) else f"Use --drop {origin.name}.",
        )
    _refuse_infinite(values, origin)
    return values


def _parsed(column: pa.ChunkedArray, origin: Origin) -> np.ndarray:
    """Return a text column as float64 `[N]`; blank cells and marks such as NA are missing."""
    codes, values = text_codes(column)
    trimmed = pc.utf8_trim_whitespace(values)
    marks = pc.is_in(pc.utf8_lower(trimmed), value_set=pa.array(sorted(MARKS)))
    good = pc.or_(pc.match_substring_regex(trimmed, _NUMBER), marks)
    wrong = np.flatnonzero(~good.to_numpy(zero_copy_only=False))
    if len(wrong):
        used = np.unique(codes[codes >= 0])
        read = amounts(values.take(pa.array(used)), origin.decimal)
        if read is not None and (read.unit == origin.sign or not (read.unit and origin.sign)):
            out = np.full(len(values) + 1, np.nan)
            out[used] = read.values
            return out[codes]
        rows = np.flatnonzero(np.isin(codes, wrong))
        if len(rows):
            cell = values[int(codes[rows[0]])].as_py()
            raise origin.refusal(
                f"column `{origin.name}` must hold numbers", rows[0], cell, "Correct the cell, or leave it empty."
            )
    known = pc.if_else(pc.and_(good, pc.invert(marks)), trimmed, None)
    return np.append(known.cast(pa.float64()).to_numpy(zero_copy_only=False), np.nan)[codes]


def _refuse_infinite(values: np.ndarray, origin: Origin) -> None:
    """Refuse a column in which a number is infinite, with its first row."""
    if np.isfinite(np.fmax.reduce(values, initial=-1.0)) and np.isfinite(np.fmin.reduce(values, initial=1.0)):
        return
    row = int(np.flatnonzero(np.isinf(values))[0])
    raise origin.refusal("numbers must be finite", row, float(values[row]), "Correct the cell, or leave it empty.")


def text_codes(column: pa.ChunkedArray) -> tuple[np.ndarray, pa.Array]:
    """Return a text column as int32 codes `[N]` into its distinct texts; -1 where null or blank.

    The texts stand in the order of their first row (or of the column's own dictionary), may include some
    that no row has, and blank ones are not among those that codes point to.
    """
    if not pat.is_dictionary(column.type):
        column = (column if pat.is_string(column.type) else column.cast(pa.string())).dictionary_encode()
    column = column.unify_dictionaries()
    if not column.num_chunks:
        return np.empty(0, dtype=np.int32), pa.array([], pa.string())
    texts = column.chunk(0).dictionary.cast(pa.string())
    codes = np.empty(len(column), dtype=np.int32)
    place = 0
    for chunk in column.chunks:
        indices = chunk.indices.fill_null(MISSING) if chunk.indices.null_count else chunk.indices
        codes[place : place + len(chunk)] = indices.to_numpy(zero_copy_only=False)
        place += len(chunk)
    blank = pc.or_kleene(pc.is_null(texts), pc.equal(pc.utf8_length(pc.utf8_trim_whitespace(texts)), 0))
    blank_M = blank.to_numpy(zero_copy_only=False)
    if blank_M.any():
        codes[np.append(blank_M, False)[codes]] = MISSING
    return codes, texts


def as_text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return any known column as text: whole floats as "3", booleans as "true", missing cells null."""
    if is_text(column.type):
        return column
    column = plain(column)
    if pat.is_decimal(column.type):
        column = column.cast(pa.float64())
    if pat.is_floating(column.type):
        column = pc.if_else(pc.is_nan(column), None, column)
    return column.cast(pa.string())


def compact(codes: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return (counts of each code, int64 `[count]`; codes that some row has, ascending)."""
    counts = np.bincount(codes[codes >= 0] if (codes < 0).any() else codes, minlength=count)
    return counts, np.flatnonzero(counts)


def sorted_texts(texts: list[str]) -> np.ndarray:
    """Return the order that sorts texts: as numbers where all are numbers, else by their characters.

    >>> [["10", "9"][i] for i in sorted_texts(["10", "9"])]
    ['9', '10']
    """
    if texts and all(re.match(_NUMBER, text) for text in texts):
        return np.lexsort((np.array(texts), np.array([float(text) for text in texts])))
    return np.argsort(np.array(texts, dtype=object), kind="stable")
