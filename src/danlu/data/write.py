"""Writing tables: whole or not at all, and safe to open in a spreadsheet."""

from __future__ import annotations

import contextlib
import gzip
import json
import math
import os
import re
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa

from danlu.core.errors import DataError, OutputError, nearest
from danlu.core.paths import check_new_file
from danlu.core.records import Note
from danlu.data.arrow import plain_column
from danlu.data.compute import pc
from danlu.data.table import RawTable

_FORMULA = r"^[=+\-@\t\r]"
_BATCH = 1 << 16
_NUMBER = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$"


def write(
    path: str | os.PathLike[str],
    columns: Mapping[str, np.ndarray | Sequence[str]],
    keep: RawTable | None = None,
    keep_names: Sequence[str] = (),
    force: bool = False,
    exact: Sequence[str] = (),
) -> None:
    """Write columns as CSV (.csv, .tsv, other text endings), JSON lines (.jsonl), .gz of these, .parquet or .feather.

    "-" is standard output, as CSV. Missing cells (NaN, None) are empty, in JSON null. In CSV a cell of text that a
    spreadsheet would take for a formula (it begins with = + - @) gets a ' before it, unless it is a number. The file
    appears under its name only when it is whole.

    Arguments:
        path: where to.
        columns: what to write, by name; all of one length.
        keep: a table whose columns come first.
        keep_names: which of its columns.
        force: replace a file that exists.
        exact: columns whose cells are written as they are, formulas as well: labels of classes.

    Raises:
        OutputError: the file exists (without `force`), its folder does not, the disk is full, or two columns
            have the same name.
        DataError: a name in `keep_names` is not a column of `keep`.
    """
    table = _table(columns, keep, keep_names)
    if os.fspath(path) == "-":
        try:
            _write_csv(table, sys.stdout.buffer, ",", exact)
            sys.stdout.buffer.flush()
        except OSError as error:
            raise _failed("standard output", error) from None
        return
    path = Path(path)
    check_new_file(path, force=force)
    handle, name = -1, ""
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        with os.fdopen(handle, "wb") as file:
            _write(table, file, path, exact)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(0o666 & ~_umask())
        Path(name).replace(path)
        name = ""
    except OSError as error:
        raise _failed(str(path), error) from None
    finally:
        if name:
            with contextlib.suppress(OSError):
                Path(name).unlink()


def formula_notes(classes: Sequence[str], output: str | None) -> list[Note]:
    """Say which labels of classes a spreadsheet would run as a formula, where they are written as text.

    >>> [note.text for note in formula_notes(["=1+1", "no", "-1"], "p.csv")]
    ["a spreadsheet would run '=1+1' as a formula; labels are never changed: .parquet is safe"]
    """
    if output is not None and output.lower().endswith((".parquet", ".pq", ".feather", ".arrow", ".ipc", ".jsonl")):
        return []
    risky = [
        label for label in classes if re.match(_FORMULA, label) and not re.match(_NUMBER, label) and len(label) > 1
    ]
    text = (
        f"a spreadsheet would run {risky[0]!r} as a formula; labels are never changed: .parquet is safe"
        if risky
        else ""
    )
    return [Note(topic="prediction", text=text)] if risky else []


def _failed(name: str, error: OSError) -> OutputError:
    reason = (error.strerror or str(error)).lower().rstrip(".")
    remedy = "Free some space or choose another place; nothing was replaced."
    return OutputError(f"{name} must be writable", reason, remedy)


def _umask() -> int:
    """Return the process's mask of permissions; reading it means setting it."""
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _table(columns: Mapping[str, Any], keep: RawTable | None, keep_names: Sequence[str]) -> pa.Table:
    """Put the columns to keep and the new ones side by side."""
    names, arrays = list(keep_names), []
    for name in keep_names:
        if keep is None or name not in keep.names:
            raise DataError(
                "columns to keep must be in the table", f"`{name}` is not", nearest(name, keep.names if keep else ())
            )
        arrays.append(keep.arrow[name])
    for name, values in columns.items():
        if name in names:
            raise OutputError("columns must have different names", f"`{name}` comes twice", "Do not keep that column.")
        values = values if isinstance(values, np.ndarray) and values.dtype.kind not in "US" else list(values)
        arrays.append(plain_column(pa.chunked_array([pa.array(values, from_pandas=True)]), name, "the result"))
        names.append(name)
    lengths = {len(array) for array in arrays}
    assert len(lengths) <= 1, f"columns of different lengths: {lengths}"
    return pa.table(arrays, names=names)


def _write(table: pa.Table, file: BinaryIO, path: Path, exact: Sequence[str]) -> None:
    """Write a table in the format that the path's ending names."""
    endings = [ending.lower() for ending in path.suffixes[-2:]]
    if endings[-1:] in ([".parquet"], [".pq"]):
        import pyarrow.parquet as pq  # noqa: PLC0415 - only those who write Parquet pay for it

        pq.write_table(table, file)
    elif endings[-1:] in ([".feather"], [".arrow"], [".ipc"]):
        with pa.ipc.new_file(file, table.schema) as writer:
            writer.write_table(table)
    elif endings[-1:] == [".gz"]:
        with gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0) as packed:
            _write_text(table, packed, endings[:-1], exact)
    else:
        _write_text(table, file, endings[-1:], exact)


def _write_text(table: pa.Table, file: Any, endings: list[str], exact: Sequence[str]) -> None:
    if endings in ([".jsonl"], [".ndjson"]):
        _write_json_lines(table, file)
    else:
        _write_csv(table, file, "\t" if endings == [".tsv"] else ",", exact)


def _write_json_lines(table: pa.Table, file: Any) -> None:
    """Write an object a row; JSON has no infinity, so that becomes null as NaN did."""
    for start in range(0, table.num_rows, _BATCH):
        for row in table.slice(start, _BATCH).to_pylist():
            cells = {name: None if cell in (math.inf, -math.inf) else cell for name, cell in row.items()}
            file.write(json.dumps(cells, ensure_ascii=False, allow_nan=False, default=_as_json).encode() + b"\n")


def _as_json(cell: Any) -> str:
    """Return a date or time as ISO 8601."""
    return cell.isoformat() if hasattr(cell, "isoformat") else str(cell)


def _write_csv(table: pa.Table, file: Any, delimiter: str, exact: Sequence[str]) -> None:
    """Write delimited text; pyarrow's own writer would quote every text and every name."""
    lone = table.num_columns == 1
    header = pa.table(
        [pa.array([name]) for name in table.column_names], names=[str(i) for i in range(table.num_columns)]
    )
    file.write(_lines(header, delimiter, lone, ()))
    for start in range(0, table.num_rows, _BATCH):
        file.write(_lines(table.slice(start, _BATCH), delimiter, lone, exact))


def _lines(table: pa.Table, delimiter: str, lone: bool, exact: Sequence[str]) -> bytes:
    """Return the rows of a table as UTF-8 lines; in a lone column an empty cell is quoted, so that its row is seen."""
    cells = [
        _cells(column.combine_chunks(), delimiter, exact=name in exact)
        for name, column in zip(table.column_names, table.columns, strict=True)
    ]
    if lone:
        cells = [pc.if_else(pc.equal(cells[0], ""), '""', cells[0])]
    lines = pc.binary_join_element_wise(*cells, delimiter)
    return "".join(f"{line}\n" for line in lines.to_pylist()).encode()


def _cells(column: pa.Array, delimiter: str, *, exact: bool) -> pa.Array:
    """Return cells as text: quoted where a reader needs it, with a ' where a spreadsheet would run them."""
    texts = column.cast(pa.string()).fill_null("")
    if not pa.types.is_string(column.type):
        return texts
    if not exact:
        risky = pc.and_not(pc.match_substring_regex(texts, _FORMULA), pc.match_substring_regex(texts, _NUMBER))
        texts = pc.if_else(risky, pc.binary_join_element_wise("'", texts, ""), texts)
    special = pc.match_substring_regex(texts, f'["\r\n{delimiter}]|^ | $')
    doubled = pc.replace_substring(texts, '"', '""')
    return pc.if_else(special, pc.binary_join_element_wise('"', doubled, '"', ""), texts)
