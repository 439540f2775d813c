"""Excel workbooks: cells come with their types, so only mixed columns need a decision."""

from __future__ import annotations

import datetime
import zipfile
from pathlib import Path
from typing import Any

import pyarrow as pa

from danlu.core.errors import DataError, nearest
from danlu.core.records import Note
from danlu.data.dialect import is_header
from danlu.data.header import missing_note, name_columns, quoted
from danlu.data.marks import Marks, settle
from danlu.data.table import RawTable, ReadOptions

_MOST_BYTES = 2 << 30
"""Largest workbook once unpacked. Excel's own limit of rows with 12 columns of numbers is about 1 GB."""

_EXACT = 2**53
"""Largest whole number that a spreadsheet, whose numbers are floats, holds exactly."""


def read_workbook(path: Path, source: str, options: ReadOptions) -> RawTable:
    """Read one sheet of a workbook (.xlsx, .xlsm).

    Raises:
        DataError: the file is broken or locked, the sheet is not there or holds no table.
    """
    import python_calamine as calamine  # noqa: PLC0415 - only those who read workbooks pay for it

    _check_archive(path, source)
    try:
        with calamine.CalamineWorkbook.from_path(path) as book:
            sheet, notes = _choose(book.sheet_names, options.sheet, source)
            rows = book.get_sheet_by_name(sheet).to_python(skip_empty_area=False)
    except calamine.CalamineError as error:
        raise _broken(source, str(error)) from None
    first_row, rows = _trim(rows)
    where = f"sheet `{sheet}` of {source}"
    if not rows:
        raise DataError(f"{where} must hold a table", "it is empty", "Use sheet=... to name another.")
    return _build(rows, options, source, where, notes, first_row)


def _check_archive(path: Path, source: str) -> None:
    """Refuse what is no workbook, and one that unpacks to an absurd size."""
    with path.open("rb") as file:
        magic = file.read(8)
    if magic.startswith(b"\xd0\xcf\x11\xe0"):
        raise DataError(
            f"{source} must be an .xlsx workbook without a password",
            "it is an old .xls or a locked one",
            "Open it in a spreadsheet and save it as .xlsx.",
        )
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(entry.file_size for entry in archive.infolist())
    except zipfile.BadZipFile as error:
        raise _broken(source, str(error)) from None
    if size > _MOST_BYTES:
        raise DataError(
            f"{source} must unpack to at most {_MOST_BYTES >> 30} GB",
            f"it says {size / (1 << 30):.1f} GB",
            "Save the sheet as CSV or Parquet.",
        )


def _broken(source: str, error: str) -> DataError:
    return DataError(f"{source} must be a whole Excel workbook", error.rstrip("."), "Save or copy it again.")


def _choose(names: list[str], asked: str | int | None, source: str) -> tuple[str, list[Note]]:
    """Return the sheet to read: by name, by number from 1, or the first."""
    if asked is None:
        others = f"{quoted(names[1:])} not read; sheet=... names another"
        return names[0], [Note(topic="sheet", text=f"first sheet `{names[0]}`; {others}")] if len(names) > 1 else []
    if asked in names:
        return str(asked), []
    if str(asked).isdigit() and 1 <= int(asked) <= len(names):
        return names[int(asked) - 1], []
    raise DataError(f"`sheet` must be one of {source}", f"got {asked!r}", nearest(str(asked), names))


def _trim(rows: list[list[Any]]) -> tuple[int, list[list[Any]]]:
    """Return the number of the first row that is not empty, and the rows without empty ones and empty margins."""
    kept = [(number, row) for number, row in enumerate(rows, 1) if any(cell != "" for cell in row)]
    if not kept:
        return 0, []
    used = [i for i in range(len(rows[0])) if any(row[i] != "" for _, row in kept)]
    return kept[0][0], [row[used[0] : used[-1] + 1] for _, row in kept]


def _build(
    rows: list[list[Any]], options: ReadOptions, source: str, where: str, notes: list[Note], first_row: int
) -> RawTable:
    """Turn rows of cells into a table."""
    first = [_text(cell) for cell in rows[0]]
    header = options.header
    if header is None:
        header = is_header(first, [[_text(cell) for cell in row] for row in rows[1:1001]])
    body = rows[1:] if header else rows
    if not body:
        remedy = "If its first row is data, use header=false."
        raise DataError(f"{where} must have rows below its header", "it has none", remedy)
    names = [name.strip() for name in first] if header else [f"c{i + 1}" for i in range(len(first))]
    marks = Marks.of(options.missing, names)
    cells = [list(column) for column in zip(*body, strict=True)]
    columns = [_column(column, name, marks) for name, column in zip(names, cells, strict=True)]
    marked = [
        name
        for name, column, told in zip(names, columns, cells, strict=True)
        if column.null_count > sum(cell == "" for cell in told)
    ]
    table = pa.table(columns, names=[str(i) for i in range(len(names))])
    table, named = name_columns(table, names, where, place=f"row {first_row}")
    text = "first row is the header" if header else f"no header: columns are c1 to c{len(names)}"
    said = [Note(topic="format", text=f"Excel workbook, {text}"), *notes, *named, *missing_note(marked)]
    return RawTable(table, source, tuple(said), header)


def _column(cells: list[Any], name: str, marks: Marks) -> pa.ChunkedArray:
    """Return one column: of one type where all cells that are not missing have it, else text that may be numbers."""
    absent = {"", *marks.own.get(name, marks.numbers)}
    told = [None if isinstance(cell, str) and cell.strip() in absent else cell for cell in cells]
    typed = _typed(told, {type(cell) for cell in told if cell is not None})
    if typed is not None:
        return pa.chunked_array([typed])
    texts = pa.chunked_array([pa.array([_text(cell) for cell in cells], pa.string())])
    own = marks.own.get(name)
    return settle(texts, own or marks.numbers, own or marks.texts)


def _typed(cells: list[Any], kinds: set[type]) -> pa.Array | None:
    """Return cells of these kinds (None: missing) as an array, or None where they do not go together."""
    if kinds == {bool}:
        return pa.array(cells, pa.bool_())
    if kinds and kinds <= {int, float}:
        whole = all(cell is None or (float(cell).is_integer() and abs(cell) <= _EXACT) for cell in cells)
        return pa.array([cell if cell is None or not whole else int(cell) for cell in cells])
    if kinds and kinds <= {datetime.date, datetime.datetime}:
        midnight = datetime.time()
        combine = datetime.datetime.combine
        whole_days = kinds == {datetime.date}
        told = cells if whole_days else [combine(c, midnight) if type(c) is datetime.date else c for c in cells]
        return pa.array(told, pa.date32() if whole_days else pa.timestamp("us"))
    if kinds == {datetime.time}:
        return pa.array(cells, pa.time64("us"))
    if kinds == {datetime.timedelta}:
        return pa.array([cell if cell is None else cell.total_seconds() for cell in cells], pa.float64())
    return None


def _text(cell: Any) -> str:
    """Return a cell as a text file would hold it."""
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, float) and cell.is_integer() and abs(cell) <= _EXACT:
        return str(int(cell))
    return cell.strip() if isinstance(cell, str) else str(cell)
