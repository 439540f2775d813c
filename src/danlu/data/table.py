"""What reading gives, and what may be said about how to read."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pyarrow as pa

from danlu.core.errors import PlanError
from danlu.core.plan import Plan
from danlu.core.records import Note

_DELIMITERS = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";", "pipe": "|", "space": " "}


@dataclass(frozen=True)
class ReadOptions:
    """How to read a table; None lets Danlu detect it.

    Arguments:
        sheet: sheet of a workbook, a name or a number from 1.
        encoding: a codec that Python knows.
        delimiter: one character, or tab, comma, semicolon, pipe, space (columns aligned with blanks).
        quote: one character, or none.
        header: whether the first row names the columns.
        missing: marks of a missing cell, instead of the usual ones. `COLUMN=MARK` is for one column only
            (`COLUMN=` alone: only its empty cells are missing).
        decimal: point or comma, the decimal mark of numbers.
        skip_lines: lines before the table.
        skip_bad_rows: leave out rows that cannot be read, instead of refusing the table.
        query: one select, of a database.
        table: of a database, by its name; instead of a query.
        inherited: these are how the table of a model was read, so a query is left aside where there is no database.

    Raises:
        PlanError: delimiter or quote is not one character; query and table are both given.

    >>> ReadOptions(delimiter="tab").delimiter
    '\\t'
    """

    sheet: str | int | None = None
    encoding: str | None = None
    delimiter: str | None = None
    quote: str | None = None
    header: bool | None = None
    missing: tuple[str, ...] | None = None
    decimal: Literal["point", "comma"] | None = None
    skip_lines: int | None = None
    skip_bad_rows: bool = False
    query: str | None = None
    table: str | None = None
    inherited: bool = False

    def __post_init__(self) -> None:
        if self.delimiter is not None:
            object.__setattr__(self, "delimiter", _DELIMITERS.get(self.delimiter.lower(), self.delimiter))
            _one_character("delimiter", self.delimiter, "Use delimiter=';', or delimiter=tab.")
        if self.quote is not None and self.quote != "none":
            _one_character("quote", self.quote, "Use quote='\"', or quote=none.")
        if self.query is not None and self.table is not None:
            raise PlanError("`query` and `table` name the same thing", "got both", "Leave one of them out.")

    @classmethod
    def from_plan(cls, plan: Plan, *, inherited: bool = False) -> ReadOptions:
        """Take the fields that concern reading out of a plan; `inherited`: of the plan of a model, for other tables."""
        return cls(
            sheet=plan.sheet,
            encoding=plan.encoding,
            delimiter=plan.delimiter,
            quote=plan.quote,
            header=plan.header,
            missing=plan.missing,
            decimal=plan.decimal,
            skip_lines=plan.skip_lines,
            skip_bad_rows=plan.skip_bad_rows,
            query=plan.query,
            table=plan.table,
            inherited=inherited,
        )


BAD_ROWS = "bad rows"
"""Topic of the note about rows that were left out because they cannot be read."""


def _one_character(name: str, value: str, remedy: str) -> None:
    if len(value) != 1 or not value.isascii() or value.isalnum() or value in "\r\n\0":
        raise PlanError(f"`{name}` must be one punctuation character", f"got {value!r}", remedy)


@dataclass(frozen=True)
class BadRow:
    """A row that was left out because it cannot be read: the line where it begins, and why."""

    line: int
    why: str


@dataclass(frozen=True)
class RawTable:
    """A table as it was read, cells typed but not yet examined.

    `arrow` holds only these types: int64, double, bool, date32, time32/time64, timestamp, string, and null
    for a column without one cell. NaN is null already. `skipped` counts the lines before the table (comments),
    `bad` are the rows that were left out, `decimal` is the mark of its numbers where they are text.
    """

    arrow: pa.Table
    source: str
    notes: tuple[Note, ...] = ()
    header: bool = True
    skipped: int = 0
    bad: tuple[BadRow, ...] = ()
    decimal: Literal[".", ","] = "."

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns, in order."""
        return tuple(self.arrow.column_names)

    @property
    def losses(self) -> tuple[Note, ...]:
        """What to say of the rows left out, wherever the table is used."""
        return tuple(note for note in self.notes if note.topic == BAD_ROWS)

    @property
    def rows(self) -> int:
        """Number of rows."""
        return self.arrow.num_rows

    def take(self, rows_N: np.ndarray) -> RawTable:
        """Return the rows with these numbers, in this order."""
        taken = self.arrow.take(pa.array(np.asarray(rows_N, dtype=np.int64)))
        return replace(self, arrow=taken)
