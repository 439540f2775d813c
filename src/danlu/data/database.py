"""Tables of databases: which table or query is read, and what is said about rows that come from no file."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa

from danlu.core.addresses import POSTGRESQL, SQLITE, is_address, masked
from danlu.core.errors import DataError, PlanError, nearest
from danlu.core.records import Note
from danlu.data.contents import content_hash
from danlu.data.header import quoted
from danlu.data.table import ReadOptions
from danlu.data.words import counted

SQLITE_ENDINGS = (".sqlite", ".sqlite3", ".db", ".db3")

_BEGIN = re.compile(r"(?is)(?:\s+|--[^\n]*\n|/\*.*?\*/|\()*([a-z]+)?")
_ORDER = re.compile(r"(?i)\border\s+by\b")


def is_database(source: object) -> bool:
    """Return whether a source is a database: an address, or a file whose ending says so.

    >>> is_database("postgresql://db.example/houses"), is_database("houses.DB"), is_database("houses.csv")
    (True, True, False)
    """
    if not isinstance(source, str | os.PathLike):
        return False
    return is_address(source) or Path(os.fspath(source)).suffix.lower() in SQLITE_ENDINGS


def check_asked(source: object, options: ReadOptions) -> None:
    """Refuse a query or a table's name for what is no database, and a query that is no select.

    Raises:
        PlanError: as above.
    """
    asked = "query" if options.query is not None else "table"
    if (options.query is not None or options.table is not None) and not is_database(source) and not options.inherited:
        name = masked(os.fspath(source)) if isinstance(source, str | os.PathLike) else "a table in memory"
        raise PlanError(
            f"`{asked}` belongs to a database",
            f"got {name}",
            f"Leave it out, or give a file ending in {SQLITE_ENDINGS[0]}, or an address: postgresql://...",
        )
    if options.query is not None:
        word = _BEGIN.match(options.query)
        if word is None or (word[1] or "").lower() not in ("select", "with", "values", "table"):
            found = "it is empty" if word is None or not word[1] else f"it begins with {word[1]!r}"
            raise PlanError(
                "`query` must be one select", found, "Use --query 'select * from NAME'; nothing is ever written."
            )


def other_address(address: str) -> DataError:
    """Return the refusal of an address that leads to neither kind of database."""
    remedy = "Download the file first." if address.lower().startswith(("http", "ftp", "s3")) else "Export it to a file."
    return DataError(f"an address must begin with {POSTGRESQL[0]} or {SQLITE}", f"got {masked(address)}", remedy)


def chosen_table(asked: str | None, tables: Sequence[str], source: str) -> str:
    """Return the table to read: the one asked for, or the only one.

    Raises:
        DataError: it is not there, there is none, or there are several and none is named.
    """
    if not tables:
        raise DataError(f"{source} must hold a table", "it has none that can be read", "Check its address and rights.")
    if asked is None:
        if len(tables) == 1:
            return tables[0]
        raise DataError(
            f"a table of {source} must be named",
            f"there are {len(tables):,}: {quoted(tables, 12)}",
            "Use --table NAME, or --query 'select ...'.",
        )
    if asked in tables:
        return asked
    ends = [name for name in tables if name.casefold() == asked.casefold() or name.endswith(f".{asked}")]
    if len(ends) == 1:
        return ends[0]
    raise DataError(
        f"`table` must be one of {source}", f"got {asked!r}; there are {quoted(tables, 12)}", nearest(asked, tables)
    )


def what_is_read(table: str | None) -> str:
    """Return what is read, in words: "table `houses`" or "the query"."""
    return "the query" if table is None else f"table `{table}`"


def no_rows(source: str, what: str) -> DataError:
    """Return the refusal of a query or table without a row."""
    remedy = "Name another with --table." if what != "the query" else "Check its conditions (where ...)."
    return DataError(f"{what} of {source} must give rows", "it gives none", remedy)


def check_names(names: Sequence[str], source: str, what: str) -> None:
    """Refuse columns without a name, and two of one name.

    Raises:
        DataError: as above.

    >>> check_names(["area", "price"], "houses.db", "the query")
    """
    if not names:
        raise DataError(f"{what} of {source} must have columns", "it has none", "Name some: select a, b from ...")
    for place, name in enumerate(names, 1):
        if name in ("", "?column?"):
            fact = f"column {place} has none"
        elif name in names[place:]:
            fact = f"`{name}` comes twice"
        else:
            continue
        raise DataError(f"columns of {what} must have names of their own", fact, "Give it one: select a + b as total")


def plain_name(name: str) -> str:
    """Return an identifier in double quotes, as SQL writes names that may be anything."""
    return '"' + name.replace('"', '""') + '"'


def database_notes(kind: str, table: pa.Table, what: str, options: ReadOptions, *, ordered: bool) -> list[Note]:
    """Say what was read, with a hash of it: there is no file that could be looked up later.

    Arguments:
        kind: name of the kind of database.
        table: the rows, plain.
        what: what was read, in words.
        options: the query.
        ordered: whether rows come in the same order each time even without `order by`.
    """
    read = f"{kind}, {what}: {counted(table.num_rows, 'row')}, SHA-256 {content_hash(table)[:16]}"
    notes = [Note(topic="database", text=read)]
    if options.query is not None:
        short = " ".join(options.query.split())
        notes.append(Note(topic="query", text=short if len(short) <= 300 else f"{short[:297]}..."))
    if not ordered and not _ORDER.search(options.query or ""):
        text = "the database decides the order of the rows; a query with `order by` fixes it, and with it the folds"
        notes.append(Note(topic="rows", text=text))
    return notes
