"""What reading gives, and what may be said about how to read."""

from __future__ import annotations

from dataclasses import dataclass

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

    Raises:
        PlanError: delimiter or quote is not one character.

    >>> ReadOptions(delimiter="tab").delimiter
    '\\t'
    """

    sheet: str | int | None = None
    encoding: str | None = None
    delimiter: str | None = None
    quote: str | None = None
    header: bool | None = None
    missing: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        if self.delimiter is not None:
            object.__setattr__(self, "delimiter", _DELIMITERS.get(self.delimiter.lower(), self.delimiter))
            _one_character("delimiter", self.delimiter, "Use delimiter=';', or delimiter=tab.")
        if self.quote is not None and self.quote != "none":
            _one_character("quote", self.quote, "Use quote='\"', or quote=none.")

    @classmethod
    def from_plan(cls, plan: Plan) -> ReadOptions:
        """Take the fields that concern reading out of a plan."""
        return cls(
            sheet=plan.sheet,
            encoding=plan.encoding,
            delimiter=plan.delimiter,
            quote=plan.quote,
            header=plan.header,
            missing=plan.missing,
        )


def _one_character(name: str, value: str, remedy: str) -> None:
    if len(value) != 1 or not value.isascii() or value.isalnum() or value in "\r\n\0":
        raise PlanError(f"`{name}` must be one punctuation character", f"got {value!r}", remedy)


@dataclass(frozen=True)
class RawTable:
    """A table as it was read, cells typed but not yet examined.

    `arrow` holds only these types: int64, double, bool, date32, time32/time64, timestamp, string, and null
    for a column without one cell. NaN is null already. `skipped` counts the lines before the table (comments).
    """

    arrow: pa.Table
    source: str
    notes: tuple[Note, ...] = ()
    header: bool = True
    skipped: int = 0

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns, in order."""
        return tuple(self.arrow.column_names)

    @property
    def rows(self) -> int:
        """Number of rows."""
        return self.arrow.num_rows

    def take(self, rows_N: np.ndarray) -> RawTable:
        """Return the rows with these numbers, in this order."""
        taken = self.arrow.take(pa.array(np.asarray(rows_N, dtype=np.int64)))
        return RawTable(taken, self.source, self.notes, self.header, self.skipped)
