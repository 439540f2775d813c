"""What a table was found to hold before anything is trained, as plain frozen records."""

from __future__ import annotations

from danlu.core.plan import Task
from danlu.core.record import Record
from danlu.core.records import Finding, LeftOut, Note, Rows


class CheckedColumn(Record):
    """One column that would be learnt from: its kind and why it is of that kind."""

    name: str
    kind: str
    why: str
    missing: int
    """Cells, of the rows that have a target."""
    levels: int = 0
    """Of a category or yes/no."""
    low: float | None = None
    high: float | None = None
    """Of numbers, and of dates in seconds since 1970 (UTC)."""
    example: str = ""


class SkippedRow(Record):
    """A row that cannot be read: the line where it begins, and why."""

    line: int
    why: str


class Refusal(Record):
    """Why a table would be refused, in the words of the error."""

    type: str
    rule: str
    fact: str
    remedy: str
    exit_code: int


class Checked(Record):
    """All that `danlu check` says of a table."""

    data: str
    rows: Rows | None
    target: tuple[str, ...] = ()
    task: Task | None = None
    classes: tuple[str, ...] = ()
    class_rows: tuple[int, ...] = ()
    """Rows of each class."""
    columns: tuple[CheckedColumn, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    inferred: tuple[Note, ...] = ()
    """What was decided; each can be overridden."""
    findings: tuple[Finding, ...] = ()
    """What may make a score look better than it is."""
    bad_rows: tuple[SkippedRow, ...] = ()
    refused: Refusal | None = None
    """None where a fit would begin."""
