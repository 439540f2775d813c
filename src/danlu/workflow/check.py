"""Reading, typing and checking a table without training: what a fit would learn from, and what it would refuse."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from danlu.core.checked import Checked, CheckedColumn, Refusal, SkippedRow
from danlu.core.errors import DanluError, DataError, PlanError
from danlu.core.plan import Plan
from danlu.core.records import ColumnSchema, Note, Rows
from danlu.data import Examined, RawTable, ReadOptions, divide, examine, read
from danlu.data.examine import look
from danlu.data.images import is_images
from danlu.data.traps import find_traps
from danlu.data.words import counted


def check_table(data: Any, plan: Plan) -> Checked:
    """Return what is found in a table: rows, columns with their kinds, what was inferred, what may mislead.

    Without a target that is what can be known of the columns alone. Where a fit would refuse the table, `refused` says
    why, beside all that is known all the same: of a text with bad rows that is everything about the others, and each
    bad row.

    Raises:
        PlanError: images instead of a table, or a setting that makes no sense.
        DataError: nothing can be read at all.
    """
    if is_images(data, images=plan.images):
        raise PlanError("`danlu check` is for tables", "got images", "Use danlu fit, which says what it reads.")
    options = ReadOptions.from_plan(plan)
    refused: DanluError | None = None
    try:
        raw = read(data, options)
    except PlanError:
        raise
    except DataError as error:
        refused = error
        raw = _without_bad_rows(data, options, error)
    name = raw.source
    known: dict[str, Any] = {
        "data": name,
        "bad_rows": tuple(SkippedRow(line=row.line, why=row.why) for row in raw.bad),
        "inferred": tuple(note for note in raw.notes if refused is None or note.topic != "bad rows"),
    }
    try:
        if not plan.target:
            return _without_target(raw, plan, known, refused)
        examined = examine(raw, plan)
        folds = divide(examined, plan)
    except DataError as error:
        return Checked(**known, rows=None, target=plan.target, refused=_refusal(refused or error))
    known["inferred"] += (*examined.notes, *folds.notes, Note(topic="judged by", text=folds.words))
    target = examined.schema.target
    return Checked(
        **known,
        rows=examined.rows,
        target=target.names,
        task=target.task,
        classes=target.classes,
        class_rows=_class_rows(examined),
        columns=tuple(_column(column, len(examined.kept)) for column in examined.schema.columns),
        left_out=examined.schema.left_out,
        findings=find_traps(examined, plan),
        refused=None if refused is None else _refusal(refused),
    )


def _without_target(raw: RawTable, plan: Plan, known: dict[str, Any], refused: DanluError | None) -> Checked:
    """Return what is known of the columns where nobody says what to predict."""
    columns, left_out, notes = look(raw, plan)
    known["inferred"] += notes
    return Checked(
        **known,
        rows=Rows(read=raw.rows, used=raw.rows, skipped=raw.skipped, bad=len(raw.bad)),
        columns=tuple(_column(column, raw.rows) for column in columns),
        left_out=left_out,
        refused=None if refused is None else _refusal(refused),
    )


def write_check(found: Checked, path: Path) -> Path:
    """Write a check as one self-contained page, and return its path.

    Raises:
        OutputError: it cannot be written.
    """
    from danlu.report.checked import checked_page  # noqa: PLC0415  only those who want a page pay for it
    from danlu.report.document import write_whole  # noqa: PLC0415

    return write_whole(path, checked_page(found))


def _without_bad_rows(data: Any, options: ReadOptions, error: DataError) -> RawTable:
    """Read a text without its bad rows, to say how many there are; standard input is gone by then."""
    if options.skip_bad_rows or not isinstance(data, str | Path) or not Path(data).is_file():
        raise error
    try:
        raw = read(data, replace(options, skip_bad_rows=True))
    except DataError:
        raise error from None
    if not raw.bad:
        raise error
    return raw


def _refusal(error: DanluError) -> Refusal:
    return Refusal(
        type=type(error).__name__, rule=error.rule, fact=error.fact, remedy=error.remedy, exit_code=error.exit_code
    )


def _class_rows(examined: Examined) -> tuple[int, ...]:
    """Return the rows of each class; nothing for a regression."""
    classes = len(examined.schema.target.classes)
    return tuple(np.bincount(examined.target.values, minlength=classes).tolist()) if classes else ()


def _column(schema: ColumnSchema, rows: int) -> CheckedColumn:
    return CheckedColumn(
        name=schema.name,
        kind=schema.kind,
        why=why(schema, rows),
        missing=schema.missing,
        levels=len(schema.levels),
        low=schema.low,
        high=schema.high,
        example=schema.example,
    )


def why(schema: ColumnSchema, rows: int) -> str:
    """Say what makes a column one of its kind.

    >>> why(ColumnSchema(name="sold", kind="yes/no", levels=("no", "yes")), 9)
    'no or yes'
    """
    if schema.kind == "number":
        sign = f", written with {schema.sign}" if schema.sign else ", written for people" if schema.decimal else ""
        return f"numbers, {schema.low:.6g} to {schema.high:.6g}{sign}" if schema.low is not None else f"numbers{sign}"
    if schema.kind == "date":
        cycles = f"; {', '.join(schema.parts)} vary" if schema.parts else ""
        return f"every cell is a {'time of day' if schema.date_order == 'time of day' else 'date'}{cycles}"
    if schema.kind == "yes/no":
        return " or ".join(level[:30] for level in schema.levels)
    return f"{counted(len(schema.levels), 'different text')} in {counted(rows - schema.missing, 'cell')}"
