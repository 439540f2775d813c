"""Workbooks (.xlsx, .xls, .ods): cells come with their types, so only mixed columns need a decision."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.parsers.expat import ExpatError

import pyarrow as pa

from danlu.core.errors import DataError, PlanError, nearest
from danlu.core.records import Note
from danlu.data import xls_process
from danlu.data.header import missing_note, name_columns, quoted, unnamed
from danlu.data.heading import Heading, find_heading
from danlu.data.loose import as_text, loose_columns
from danlu.data.marks import Marks
from danlu.data.table import RawTable, ReadOptions
from danlu.data.words import counted
from danlu.data.workbook_size import check_size

_LOOKED_AT = 1000
"""Rows that decide where the table begins."""

_OLD = "old Excel workbook"

_MOST_SECONDS = 120
"""For an .xls, of which the largest take about 20."""

_Sheet = tuple[str, list[Note], list[list[Any]]]
"""The name of a sheet, what is said about the choice, and its rows."""


def read_workbook(path: Path, source: str, options: ReadOptions) -> RawTable:
    """Read one sheet of a workbook (.xlsx, .xlsm, .xls, .ods).

    Raises:
        DataError: the file is broken or locked, the sheet is not there or holds no table.
    """
    form = _form(path, source)
    take = _from_old if form == _OLD else _from_zip
    sheet, notes, rows = take(path, source, form, options.sheet)
    first_row, rows = _trim(rows)
    where = f"sheet `{sheet}` of {source}"
    if not rows:
        raise DataError(f"{where} must hold a table", "it is empty", "Use sheet=... to name another.")
    return _build(rows, options, source, where, [Note(topic="format", text=form), *notes], first_row)


def _from_zip(path: Path, source: str, form: str, asked: str | int | None) -> _Sheet:
    """Read a sheet of an .xlsx or .ods, whatever the file is called."""
    import python_calamine as calamine  # noqa: PLC0415 - only those who read workbooks pay for it

    try:
        with _silent(), path.open("rb") as file, calamine.CalamineWorkbook.from_filelike(file) as book:
            sheet, notes = _choose(book.sheet_names, asked, source)
            return sheet, notes, book.get_sheet_by_name(sheet).to_python(skip_empty_area=False)
    except calamine.PasswordError:
        raise _locked(source) from None
    except calamine.CalamineError as error:
        raise _broken(source, form, str(error)) from None
    except BaseException as error:
        # What Rust calls a panic is no Exception, so that nothing catches it by chance.
        if type(error).__name__ != "PanicException":
            raise
        raise _broken(source, form, "it is damaged") from None


def _from_old(path: Path, source: str, form: str, asked: str | int | None) -> _Sheet:
    """Read a sheet of an .xls, in a process of its own: a damaged one can take all memory."""

    def answer(index: int) -> dict[str, Any]:
        words = [sys.executable, "-P", str(Path(xls_process.__file__)), str(path), str(index)]
        try:
            done = subprocess.run(words, capture_output=True, check=False, timeout=_MOST_SECONDS)
            found = json.loads(done.stdout, object_hook=xls_process.untagged)
        except (subprocess.TimeoutExpired, ValueError):
            raise _broken(source, form, "it is damaged, or spans far more cells than it has") from None
        if "error" in found:
            raise _locked(source) if "password" in found["error"].lower() else _broken(source, form, found["error"])
        return found

    found = answer(0 if asked is None else -1)
    sheet, notes = _choose(found["names"], asked, source)
    if asked is not None:
        found = answer(found["names"].index(sheet))
    return sheet, notes, found["rows"]


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """Keep off standard error what Rust itself writes there about a damaged file; the error is said once, by Danlu."""
    try:
        sys.stderr.flush()
        kept = os.dup(2)
    except (OSError, ValueError, AttributeError):  # there is no standard error
        yield
        return
    try:
        with open(os.devnull, "wb") as nowhere:  # noqa: PTH123
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _form(path: Path, source: str) -> str:
    """Return what kind of workbook it is; refuse what is none, and one that unpacks to an absurd size."""
    with path.open("rb") as file:
        magic = file.read(64)
        if magic.startswith(b"\xd0\xcf\x11\xe0"):
            if "EncryptedPackage".encode("utf-16-le") in file.read():
                raise _locked(source)
            return _OLD
    if not magic.startswith(b"PK"):
        page = magic.lstrip().lower().startswith((b"<html", b"<!doc", b"<table"))
        raise DataError(
            f"{source} must be a whole Excel workbook or OpenDocument spreadsheet",
            "it is a web page" if page else "it is none",
            "Open it in a spreadsheet and save it as .xlsx; if it is text, rename it to end in .csv.",
        )
    form = "Excel workbook"
    try:
        with zipfile.ZipFile(path) as archive:
            if "content.xml" in archive.namelist():
                form = "OpenDocument spreadsheet"
            check_size(archive, source)
    except (
        zipfile.BadZipFile,
        zlib.error,
        EOFError,
        NotImplementedError,
        RuntimeError,
        ExpatError,
        ValueError,
    ) as error:
        raise _broken(source, form, str(error) or "it ends too early") from None
    return form


def _locked(source: str) -> DataError:
    return DataError(f"{source} must not have a password", "it has one", "Open it and save it without a password.")


def _broken(source: str, form: str, error: str) -> DataError:
    return DataError(f"{source} must be a whole {form}", error.rstrip("."), "Save or copy it again.")


def _choose(names: list[str], asked: str | int | None, source: str) -> tuple[str, list[Note]]:
    """Return the sheet to read: by name, by number from 1, or the first."""
    if not names:
        raise DataError(f"{source} must have a sheet", "it has none", "Save or copy it again.")
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
    skip = options.skip_lines or 0
    if skip >= len(rows):
        raise PlanError("`skip_lines` must leave rows of the table", f"got {skip} of {len(rows)}", "Use fewer.")
    top = [[as_text(cell) for cell in row] for row in rows[skip : skip + _LOOKED_AT]]
    found = find_heading(top, options.header, look=options.skip_lines is None)
    start = skip + found.first + found.depth
    body = rows[start:]
    if not body:
        remedy = "If its first row is data, use header=false."
        raise DataError(f"{where} must have rows below its header", "it has none", remedy)
    names = list(found.names) if found.depth else [f"c{i + 1}" for i in range(len(rows[0]))]
    marks = Marks.of(options.missing, names)
    made = loose_columns([list(column) for column in zip(*body, strict=True)], names, marks)
    table = pa.table(made.columns, names=[str(i) for i in range(len(names))])
    table, named = name_columns(table, names, where, place=f"row {first_row + start - 1}")
    said = [*_format(notes[0].text, found, skip, names), *notes[1:], *named, *made.notes(), *missing_note(made.marked)]
    return RawTable(table, source, tuple(said), found.depth > 0, start - found.depth)


def _format(form: str, found: Heading, skip: int, names: list[str]) -> list[Note]:
    """Say where the table begins, and what its header is."""
    header = "first row is the header" if found.depth else unnamed(len(names))
    said = [Note(topic="format", text=f"{form}, {header}")]
    if before := skip + found.first:
        text = f"{counted(before, 'row')} before the table left out; skip_lines=... decides"
        said.append(Note(topic="before", text=text))
    if found.depth > 1:
        said.append(Note(topic="header", text=f"two rows joined: {quoted(names, 3)}; skip_lines=... reads one"))
    return said
