"""SQLite databases, opened so that nothing can be written to them."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow as pa

from danlu.core.errors import DataError, nearest
from danlu.data.database import check_names, chosen_table, database_notes, no_rows, plain_name, what_is_read
from danlu.data.encoding import to_utf8
from danlu.data.header import missing_note, name_columns
from danlu.data.loose import loose_columns
from danlu.data.marks import Marks
from danlu.data.table import RawTable, ReadOptions

_MAGIC = b"SQLite format 3\0"
_READS = (sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE)


def read_sqlite(path: Path, source: str, options: ReadOptions) -> RawTable:
    """Read one table, or the rows of a query, of a SQLite database.

    Cells of SQLite have each a type of their own: a column of several becomes text, and it is said.

    Arguments:
        path: of the file; it is opened for reading only.
        source: its name, for messages.
        options: table or query; marks of missing cells; the encoding of texts that are not UTF-8.

    Raises:
        DataError: the file is no database, or locked; the table is not there; the query is wrong, or gives no rows;
            a cell holds raw bytes, or text that is not UTF-8, by its row and column.
    """
    with path.open("rb") as file:
        if file.read(len(_MAGIC)) != _MAGIC:
            raise DataError(f"{source} must be an SQLite database", "it is none, or is encrypted", "Check the file.")
    to_utf8(b"", options.encoding, source)  # refuses an encoding that there is none of
    codec = options.encoding or "utf-8"
    address = f"{path.resolve().as_uri()}?mode=ro"
    tables: list[str] = []
    try:
        with closing(sqlite3.connect(address, uri=True, isolation_level=None)) as connection:
            connection.text_factory = lambda text: text.decode(codec, "surrogateescape")
            tables += _tables(connection)
            table = None if options.query is not None else chosen_table(options.table, tables, source)
            query = options.query if table is None else f"select * from {plain_name(table)}"
            connection.set_authorizer(_allowed)
            names, rows = _rows(connection, str(query))
    except sqlite3.Error as error:
        raise _refusal(str(error), source, tables) from None
    what = what_is_read(table)
    check_names(names, source, what)
    if not rows:
        raise no_rows(source, what)
    return _built(names, rows, source, what, options)


def _tables(connection: sqlite3.Connection) -> list[str]:
    """Return the names of all tables and views, but for those that SQLite keeps for itself."""
    query = "select name from sqlite_master where type in ('table', 'view') and name not like 'sqlite~_%' escape '~'"
    return [name for (name,) in connection.execute(f"{query} order by name")]


def _allowed(action: int, *_: str | None) -> int:
    """Allow a statement only what reads."""
    return sqlite3.SQLITE_OK if action in _READS else sqlite3.SQLITE_DENY


def _rows(connection: sqlite3.Connection, query: str) -> tuple[list[str], list[tuple[Any, ...]]]:
    with closing(connection.execute(query)) as cursor:
        return [column[0] for column in cursor.description or ()], cursor.fetchall()


def _refusal(fact: str, source: str, tables: Sequence[str]) -> DataError:
    """Return the error that says what SQLite found wrong."""
    absent = re.fullmatch(r"no such table: (?:main\.)?(.*)", fact)
    if absent:
        return DataError(f"a query must name tables of {source}", fact, nearest(absent[1], tables))
    if fact == "not authorized" or fact.startswith("attempt to write"):
        return DataError(f"a query may only read {source}", "this one would do more", "Use one select.")
    if "only execute one statement" in fact:
        return DataError("`query` must be one select", "it is several statements", "Leave out what follows the first.")
    if "malformed" in fact or "not a database" in fact or "disk I/O" in fact:
        return DataError(f"{source} must be a whole SQLite database", fact, "Copy it again.")
    if "locked" in fact or "unable to open" in fact:
        return DataError(f"{source} must be free to read", fact, "Close the program that writes to it, or copy it.")
    return DataError(f"a query of {source} must be one that SQLite understands", fact, "Correct it.")


def _built(names: list[str], rows: list[tuple[Any, ...]], source: str, what: str, options: ReadOptions) -> RawTable:
    """Turn rows of cells into a table."""
    cells = [list(column) for column in zip(*rows, strict=True)]
    rows.clear()
    for name, column in zip(names, cells, strict=True):
        _check_cells(column, name, source, options.encoding)
    made = loose_columns(cells, names, Marks.of(options.missing, names))
    table, named = name_columns(
        pa.table(made.columns, names=[str(i) for i in range(len(names))]), names, source, place=what
    )
    said = database_notes("SQLite", table, what, options, ordered=True)
    return RawTable(table, source, (*said, *named, *made.notes(), *missing_note(made.marked)))


def _check_cells(cells: list[Any], name: str, source: str, encoding: str | None) -> None:
    """Refuse raw bytes, and text that is not text, by row and column."""
    if not {bytes, str} & set(map(type, cells)):
        return
    for row, cell in enumerate(cells, 1):
        if isinstance(cell, bytes):
            fact, remedy = "raw bytes", "Leave the column out: --query 'select a, b from ...'."
        elif isinstance(cell, str) and "\0" in cell:
            fact, remedy = "text with a NUL character", "Correct the cell, or leave the column out with --query."
        elif isinstance(cell, str) and not cell.isascii() and not _encodes(cell):
            fact = f"text that is not {encoding or 'UTF-8'}"
            remedy = "Name its encoding, e.g. encoding=gb18030 or latin-1."
        else:
            continue
        raise DataError(f"cells of {source} must be numbers or text", f"row {row} of `{name}` has {fact}", remedy)


def _encodes(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
