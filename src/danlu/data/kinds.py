"""What kind a column is, or why it is left out: one decision a column, with its schema and its numbers."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.types as pat

from danlu.core.plan import KindName
from danlu.core.records import ColumnSchema
from danlu.data import dates
from danlu.data.amounts import Amounts, amounts
from danlu.data.answers import no_yes, sides
from danlu.data.cells import (
    Origin,
    as_text,
    compact,
    is_date,
    is_known,
    is_number,
    is_text,
    numbers,
    pc,
    plain,
    sorted_texts,
    text_codes,
)
from danlu.data.columns import MISSING, UNSEEN, Column
from danlu.data.spellings import amount_note, case_note, nearly_numbers
from danlu.data.text_words import shared_words

LEVELS_MOST = 100_000
"""Levels that a category keeps, the most frequent ones; more would only be seen a few times each."""

FEW_TEXTS = 20
"""Numbers that are stored as text, as data frames and Parquet can, stay a category where so few of them differ."""

SHIFT_FROM = 4096
"""A column is shifted where its largest number is this many times its range: float32 would keep 12 bits of 24."""

COUNTS_ROWS = "row identifier: counts the rows by ones"
"""Why a column is left out that may be the only one there is; then it stays."""

_IDENTIFIER = re.compile(
    r"(?i:^(key|index|rowid)$|(^|[\W_\d])(id|ids|uuid|guid|identifier)$)|[a-z](ID|Id)$"
    r"|^__index_level_\d+__$|^Unnamed: 0$|编号$|序号$"
)


@dataclass(frozen=True)
class Decision:
    """What became of one column: `column` and `schema`, or several of them that say which `words` its text has, or the
    reason why it is `left_out`; `note` may be empty."""

    column: Column | None = None
    schema: ColumnSchema | None = None
    left_out: str = ""
    note: str = ""
    words: tuple[tuple[Column, ColumnSchema], ...] = ()

    @property
    def learnt(self) -> tuple[tuple[Column, ColumnSchema], ...]:
        """The columns that networks see."""
        return ((self.column, self.schema),) if self.column and self.schema else self.words


def decide(cells: pa.ChunkedArray, origin: Origin, wanted: KindName | None = None) -> Decision:
    """Return what kind a column is, or why it is left out.

    Arguments:
        cells: the column, for the rows that are learnt from.
        origin: its name, for messages.
        wanted: the kind that the user asked for, if any.

    Raises:
        DataError: an infinite number, or a cell that is not of the wanted kind.

    >>> decide(pa.chunked_array([["no", "yes", None]]), Origin("paid")).schema.levels
    ('no', 'yes')
    """
    if wanted in ("id", "drop"):
        return Decision(left_out={"id": "identifier, as asked", "drop": "as asked"}[wanted])
    if not is_known(cells.type):
        return Decision(left_out=f"cells of type {cells.type} are not read")
    cells = plain(cells)
    if pat.is_null(cells.type) or cells.null_count == len(cells):
        return Decision(left_out="all cells are missing")
    if wanted == "text":
        return _by_words(as_text(cells), origin.name, "text without words that many rows share")
    if wanted == "number" or (wanted is None and is_number(cells.type)):
        return _number(cells, origin, asked=wanted is not None)
    if wanted == "date" or (wanted is None and is_date(cells.type)):
        order = _date_order(cells)
        zoned = pat.is_timestamp(cells.type) and cells.type.tz not in (None, "")
        return _date(dates.seconds(cells, origin, order), origin.name, order, dates.UTC if zoned else "")
    return _text(as_text(cells), origin, wanted)


def _number(cells: pa.ChunkedArray, origin: Origin, *, asked: bool) -> Decision:
    """Decide on a column of numbers."""
    return _number_of(numbers(cells, origin), origin, identify=not asked and pat.is_integer(cells.type))


def _number_of(values: np.ndarray, origin: Origin, *, identify: bool, found: Amounts | None = None) -> Decision:
    """Decide on numbers, float64 `[N]`, that may `identify` their rows; `found` is how they were written as text."""
    missing = int(np.isnan(values).sum())
    if missing == len(values):
        return Decision(left_out="all cells are missing")
    low, high = float(np.fmin.reduce(values)), float(np.fmax.reduce(values))
    if low == high and not missing:
        return Decision(left_out=f"constant: every cell is {_short(low)}")
    if identify and not missing:
        reason = _identifier(values, origin.name, low, high)
        if reason:
            return Decision(left_out=reason)
    first = float(values[0]) if not math.isnan(values[0]) else float(values[np.flatnonzero(~np.isnan(values))[0]])
    shift, unit = _shift_and_unit(values, low, high, first)
    schema = ColumnSchema(
        name=origin.name,
        kind="number",
        shift=shift,
        unit=unit,
        missing=missing,
        low=low,
        high=high,
        example=_short(first),
        decimal=found.decimal if found else "",
        sign=found.unit if found else "",
    )
    return Decision(Column(origin.name, "number", values), schema)


def _date_order(cells: pa.ChunkedArray) -> str:
    """Return how to read a column that holds dates for sure: day first where the month may be, too."""
    if not is_text(cells.type):
        return ""
    _, texts = text_codes(cells)
    found = dates.orders_that_fit(texts, ("day first", "month first"))
    return next(iter(found), "day first")


def _short(value: float) -> str:
    """Return a number without a needless ".0"."""
    return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)


def _identifier(values: np.ndarray, name: str, low: float, high: float) -> str:
    """Return why whole numbers identify rows, or nothing.

    They do where they rise by one from row to row (at least 95 times in 100, in at least 20 rows; years are
    spared), or are distinct under a name such as id or customerID.
    """
    year = low >= 1500 and high <= 2200
    steps = np.diff(values[:1000])
    if len(values) >= 20 and not year and (steps >= 1).all():
        steps = np.diff(values)
        if (steps >= 1).all() and (steps == 1).mean() >= 0.95:
            return COUNTS_ROWS
    if _IDENTIFIER.search(name.strip()) and len(np.unique(values)) == len(values):
        return "row identifier: distinct numbers under the name of an identifier"
    return ""


def _shift_and_unit(values: np.ndarray, low: float, high: float, first: float) -> tuple[float, float]:
    """Return constants that keep a column exact, and finite, in float32: (0, 1) wherever plain float32 does.

    The shift is the first number where the largest is `SHIFT_FROM` times the range, or where whole numbers
    beyond 2^24, of which float32 skips some, span less than half of the largest. The unit is a power of two where
    numbers are beyond 1e15 or below 1e-15, whose squares float32 could not hold.
    """
    # Halves, because the range of all float64 numbers is none.
    largest, spread = max(abs(low), abs(high)) / 2, high / 2 - low / 2
    narrow = 0 < spread < largest / SHIFT_FROM
    skipped = largest * 2 > 2**24 and 0 < 2 * spread < largest
    whole = skipped and not narrow and np.array_equal(values, np.floor(values), equal_nan=True)
    shift = first if narrow or whole else 0.0
    largest = max(abs(low - shift), abs(high - shift))
    outside = largest > 1e15 or 0 < largest < 1e-15
    return shift, 2.0 ** math.floor(math.log2(largest)) if outside else 1.0


def _date(values: np.ndarray, name: str, order: str, note: str = "") -> Decision:
    """Decide on a column of moments, in seconds; days count from the first one."""
    known = values[~np.isnan(values)]
    if not len(known):
        return Decision(left_out="all cells are missing")
    low, high = float(known.min()), float(known.max())
    if low == high and len(known) == len(values):
        return Decision(left_out=f"constant: every cell is {dates.shown(low)}")
    first = float(known[0])
    schema = ColumnSchema.model_validate(
        {
            "name": name,
            "kind": "date",
            "shift": first,
            "unit": dates.DAY,
            "parts": dates.varying(known),
            "date_order": order,
            "missing": len(values) - len(known),
            "low": low,
            "high": high,
            "example": dates.shown(first),
        }
    )
    return Decision(Column(name, "date", values), schema, note=note)


def _text(cells: pa.ChunkedArray, origin: Origin, wanted: KindName | None) -> Decision:
    """Decide on a column of text, or of anything that the user wants as a category or as yes/no."""
    codes, texts = text_codes(cells)
    counts, used = compact(codes, len(texts))
    known, missing = int(counts.sum()), int(len(codes) - counts.sum())
    if not known:
        return Decision(left_out="all cells are missing")
    if len(used) < len(texts):
        place = np.full(len(texts) + 1, MISSING, dtype=np.int32)
        place[used] = np.arange(len(used), dtype=np.int32)
        codes, texts, counts = place[codes], texts.take(pa.array(used)), counts[used]
    if len(used) == 1 and not missing:
        return Decision(left_out=f"constant: every cell is {texts[0].as_py()[:60]}")
    if wanted == "yes/no" and len(used) != 2:
        raise origin.error(
            f"column `{origin.name}` must have two different cells to be yes/no",
            f"it has {len(used):,}",
            f"Use --kind {origin.name}=category.",
        )
    note = ""
    if wanted is None:
        found, note = _as_dates(codes, texts, origin.name)
        if found is not None:
            return found
        if (read := amounts(texts, origin.decimal)) is not None:
            if not read.plain or len(texts) > FEW_TEXTS:
                values = np.append(read.values, np.nan)[codes]
                whole = bool((values == np.floor(values)).all())
                said = amount_note(read, texts, origin.name)
                found = _number_of(values, origin, identify=whole, found=read)
                return replace(found, note=said) if found.column else found
            note = (
                "" if len(texts) < 3 else f"numbers stored as text: a category; --kind {origin.name}=number reads them"
            )
        unclear = nearly_numbers(codes, texts, counts, origin)
        reason = _not_a_category(texts, known)
        if reason:
            return Decision(left_out=unclear) if unclear else _by_words(cells, origin.name, reason)
        note = note or unclear
    return _levels(origin.name, codes, texts.to_pylist(), counts, wanted, note)


def _by_words(cells: pa.ChunkedArray, name: str, reason: str) -> Decision:
    """Return yes/no columns of the words that many texts share, or the reason why the column is left out."""
    found = shared_words(cells)
    if not found:
        return Decision(left_out=reason)
    words = tuple(
        (
            Column(f"{name}: {word}", "yes/no", has_N.astype(np.int32)),
            ColumnSchema(
                name=f"{name}: {word}", kind="yes/no", levels=("no", "yes"), example="yes", source=name, word=word
            ),
        )
        for word, has_N in found.items()
    )
    said = f"{reason}; learnt from are the words that many rows share: {', '.join(found)}"
    return Decision(words=words, note=said)


def _as_dates(codes: np.ndarray, texts: pa.Array, name: str) -> tuple[Decision | None, str]:
    """Return the decision for a text column that holds dates, or None and what to say about an ambiguous one."""
    found = dates.orders_that_fit(texts)
    if not found:
        return None, ""
    order, *others = found
    if others and any(not np.array_equal(found[order], found[other]) for other in others):
        return None, (
            f"dates such as {texts[0].as_py()} may have the day or the month first, so they stay a category; "
            f"--kind {name}=date reads them with the day first"
        )
    example = texts[0].as_py()
    named = order == "year first" and not example.strip()[:4].isdigit()
    note = f"dates written as {example}" + ("" if named else f", read with {order}") if order.endswith("first") else ""
    note = "; ".join(part for part in (note, dates.zones(texts)) if part)
    return _date(np.append(found[order], np.nan)[codes], name, order, note), ""


def class_order(texts: list[str]) -> np.ndarray:
    """Return the order of levels or classes: no before yes, numbers by value, other texts by their characters.

    >>> class_order(["yes", "no"]).tolist(), class_order(["10", "9"]).tolist(), class_order(["b", "a"]).tolist()
    ([1, 0], [1, 0], [1, 0])
    """
    pair = no_yes(texts)
    return np.array([texts.index(text) for text in pair]) if pair else sorted_texts(texts)


def _not_a_category(texts: pa.Array, known: int) -> str:
    """Return why a text column says nothing as a category, or nothing: nearly each row has its own text."""
    distinct = len(texts)
    if distinct < 0.5 * known or known < 10:
        return ""
    words = float(np.mean(pc.count_substring_regex(texts, r"\S+").to_numpy(zero_copy_only=False)))
    length = float(np.mean(pc.utf8_length(texts).to_numpy(zero_copy_only=False)))
    if words >= 4 and length >= 25:
        return f"free text: {words:.0f} words a cell, {distinct:,} different texts in {known:,} rows"
    if bool(pc.all(pc.match_substring_regex(texts, r"(?i)\.(png|jpe?g|bmp)$")).as_py()):
        return "paths of images: --images with its name learns from them"
    if distinct >= 0.95 * known:
        return f"row identifier: {distinct:,} different texts in {known:,} rows"
    return ""


def _levels(
    name: str, codes: np.ndarray, texts: list[str], counts: np.ndarray, wanted: KindName | None, note: str
) -> Decision:
    """Return a category or yes/no column whose codes are positions among sorted levels."""
    pair = no_yes(texts) if wanted != "category" else None
    side_M = sides(texts) if wanted is None else None
    if side_M is not None:
        return _answers(name, codes, texts, counts, side_M)
    order = class_order(texts)
    if len(order) > LEVELS_MOST:
        frequent = np.zeros(len(order), dtype=bool)
        frequent[np.argsort(-counts, kind="stable")[:LEVELS_MOST]] = True
        order = order[frequent[order]]
        note = f"{len(texts):,} levels; the {LEVELS_MOST:,} most frequent are kept, the others count as unseen"
    elif not pair and not note:
        note = case_note(texts)
    place = np.full(len(texts) + 1, UNSEEN, dtype=np.int32)
    place[order] = np.arange(len(order), dtype=np.int32)
    place[-1] = MISSING
    known = codes >= 0
    schema = ColumnSchema(
        name=name,
        kind="yes/no" if pair or wanted == "yes/no" else "category",
        levels=tuple(texts[i] for i in order),
        missing=len(codes) - int(known.sum()),
        example=texts[int(codes[known.argmax()])],
    )
    return Decision(Column(name, schema.kind, place[codes]), schema, note=note)


def _answers(name: str, codes: np.ndarray, texts: list[str], counts: np.ndarray, side_M: np.ndarray) -> Decision:
    """Return a yes/no column of answers in several spellings, the commonest of which become its levels."""
    commonest = [texts[int(np.where(side_M == side, counts, -1).argmax())] for side in (0, 1)]
    values = np.append(side_M, np.int32(MISSING))[codes]
    shown = [", ".join(text for text, each in zip(texts, side_M, strict=True) if each == side) for side in (0, 1)]
    known = codes >= 0
    schema = ColumnSchema(
        name=name,
        kind="yes/no",
        levels=tuple(commonest),
        missing=len(codes) - int(known.sum()),
        example=texts[int(codes[known.argmax()])],
    )
    note = f"{shown[1]} taken for yes, {shown[0]} for no; --kind {name}=category keeps them apart"
    return Decision(Column(name, "yes/no", values), schema, note=note)
