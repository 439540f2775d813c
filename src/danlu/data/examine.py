"""From a raw table to one that can be learnt from: target, task, kinds, special columns, and what is left out."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from danlu.core.errors import DataError, PlanError, nearest
from danlu.core.plan import KindName, Plan
from danlu.core.records import ColumnSchema, LeftOut, Note, Rows, Schema
from danlu.data import dates
from danlu.data.cells import Origin, as_text, compact, is_date, is_text, missing_cells, numbers, plain, text_codes
from danlu.data.columns import MISSING, Examined, Table
from danlu.data.conform import conform
from danlu.data.kinds import COUNTS_ROWS, Decision, decide
from danlu.data.lookup import find_column, find_columns
from danlu.data.table import RawTable
from danlu.data.targets import TargetCells, examine_target

_GIVES = {"group": "the groups", "time": "the order", "weight": "the weights", "fold": "the folds"}


@dataclass(frozen=True)
class _Roles:
    """Positions of the columns that the plan names: targets, special ones, and those to leave out."""

    targets: tuple[int, ...]
    special: dict[str, int]
    drop: frozenset[int]


def examine(raw: RawTable, plan: Plan) -> Examined:
    """Return what can be learnt from a table, or refuse it.

    Rows without a target or without a weight are left out and counted. `notes` say what was inferred;
    those of the reading (`raw.notes`) are not repeated.

    Raises:
        PlanError: no target is named.
        DataError: the table has fewer than two rows, a named column is not there, or the table cannot be
            learnt from.
    """
    names, roles = raw.names, _roles(raw, plan)  # of ten thousand columns names are not listed for each again
    kept, rows = _rows_kept(raw, roles)
    arrow = raw.arrow if len(kept) == raw.rows else raw.arrow.take(pa.array(kept))

    def origin(position: int) -> Origin:
        return Origin(names[position], kept, decimal=raw.decimal)

    cells = [TargetCells(plain(arrow.column(i)), origin(i)) for i in roles.targets]
    target, notes = examine_target(cells, plan)
    notes += _notes_on_rows(rows)
    special = {
        role: _special(arrow.column(i), origin(i), role, _kind(plan, names, i)) for role, i in roles.special.items()
    }
    others = [i for i in range(len(names)) if i not in roles.targets]

    def decided(i: int) -> Decision:
        return _decide(arrow.column(i), origin(i), roles, i, _kind(plan, names, i))

    # NumPy and Arrow leave the interpreter's lock while they work, so columns can be examined side by side.
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        decisions = dict(zip(others, pool.map(decided, others), strict=True))
    decisions, rescue = _rescued(decisions, arrow, origin)
    features = [pair for decision in decisions.values() for pair in decision.learnt]
    if not features:
        raise DataError("a table needs a column to learn from", _why_none(decisions, raw), "Add or keep a column.")
    named = [(names[i], decision) for i, decision in decisions.items()]
    return Examined(
        table=Table(tuple(column for column, _ in features), len(kept)),
        schema=Schema(
            columns=tuple(schema for _, schema in features),
            target=target.schema,
            left_out=tuple(LeftOut(name=name, reason=d.left_out) for name, d in named if d.left_out),
            header=raw.header,
        ),
        target=target,
        special=special,
        kept=kept,
        rows=rows,
        notes=notes + rescue + tuple(Note(topic=name, text=d.note) for name, d in named if d.note),
    )


def look(raw: RawTable, plan: Plan) -> tuple[tuple[ColumnSchema, ...], tuple[LeftOut, ...], tuple[Note, ...]]:
    """Return what the columns of a table are that nobody has named a target of: kinds, those left out, and why.

    Raises:
        DataError: the table has fewer than two rows, or a named column is not there or not what it is said to be.
    """
    names, roles = raw.names, _roles(raw, plan, needs_target=False)
    kept = np.arange(raw.rows)

    def decided(i: int) -> Decision:
        return _decide(
            raw.arrow.column(i), Origin(names[i], kept, decimal=raw.decimal), roles, i, _kind(plan, names, i)
        )

    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        decisions = list(zip(names, pool.map(decided, range(len(names))), strict=True))
    return (
        tuple(schema for _, decision in decisions for _, schema in decision.learnt),
        tuple(LeftOut(name=name, reason=decision.left_out) for name, decision in decisions if decision.left_out),
        tuple(Note(topic=name, text=decision.note) for name, decision in decisions if decision.note),
    )


def examine_again(raw: RawTable, plan: Plan, schema: Schema) -> Examined:
    """Return what can be learnt from a table by networks that have learnt from others: its columns become what the
    schema of those says.

    Raises:
        DataError: the table has fewer than two rows, or a named column is not there.
        SchemaError: it does not fit the schema.
    """
    roles = _roles(raw, plan)
    kept, rows = _rows_kept(raw, roles)
    taken = raw.take(kept)
    conformed = conform(replace(taken, notes=()), schema, with_target=True)
    assert conformed.target is not None
    special = {
        role: _special(taken.arrow.column(i), Origin(raw.names[i], kept), role, _kind(plan, raw.names, i))
        for role, i in roles.special.items()
    }
    notes = conformed.warnings + _notes_on_rows(rows)
    return Examined(conformed.table, schema, conformed.target, special, kept, rows, notes)


def _roles(raw: RawTable, plan: Plan, *, needs_target: bool = True) -> _Roles:
    """Find the columns that the plan names; refuse those that are not there, and tables too small to learn from."""
    if raw.rows < 2:
        fact = f"{raw.source} has only a header" if not raw.rows else f"{raw.source} has one"
        raise DataError("a table needs at least two rows to learn from", fact, "Give a table with more rows.")
    if needs_target and not plan.target:
        raise PlanError("`target` must name the column to predict", "got none", nearest("", raw.names))
    names = raw.names
    targets = find_columns(plan.target, names, "target")
    if len(set(targets)) < len(targets):
        raise PlanError("`target` must name each column once", f"got {', '.join(plan.target)}", "Leave one out.")
    asked = {"group": plan.group, "time": plan.time, "weight": plan.weight, "fold": plan.fold_column}
    settings = {"fold": "fold_column"}
    special = {r: find_column(name, names, settings.get(r, r)) for r, name in asked.items() if name is not None}
    drop = frozenset(find_column(name, names, "drop") for name in plan.drop)
    for name in plan.kinds:
        find_column(name, names, "kinds")
    for position in (*drop, *special.values()):
        if position in targets:
            raise PlanError(
                "a target cannot be dropped or have another role",
                f"column `{names[position]}` is one",
                "Leave it out of one of them.",
            )
    return _Roles(targets, special, drop)


def _rows_kept(raw: RawTable, roles: _Roles) -> tuple[np.ndarray, Rows]:
    """Return the numbers of the rows that have every target and a weight, and how many have not."""
    without = np.zeros(raw.rows, dtype=bool)
    for position in roles.targets:
        without |= missing_cells(raw.arrow.column(position))
    unweighted = np.zeros(raw.rows, dtype=bool)
    if "weight" in roles.special:
        unweighted = missing_cells(raw.arrow.column(roles.special["weight"])) & ~without
    kept = np.flatnonzero(~(without | unweighted))
    if len(kept) < 2:
        fact = f"{len(kept)} of {raw.rows:,} rows {'has' if len(kept) == 1 else 'have'} one"
        raise DataError("at least two rows must have a target", fact, "Choose another target.")
    counts = {"without_target": int(without.sum()), "without_weight": int(unweighted.sum())}
    return kept, Rows(read=raw.rows, used=len(kept), skipped=raw.skipped, bad=len(raw.bad), **counts)


def _notes_on_rows(rows: Rows) -> tuple[Note, ...]:
    """Say how many rows are left out for want of a target or of a weight."""
    lacks = (("target", rows.without_target), ("weight", rows.without_weight))
    return tuple(
        Note(topic="rows", text=f"{count:,} of {rows.read:,} rows {_lacking(count, what)} left out")
        for what, count in lacks
        if count
    )


def _lacking(count: int, what: str) -> str:
    return f"has no {what} and is" if count == 1 else f"have no {what} and are"


def _kind(plan: Plan, names: Sequence[str], position: int) -> KindName | None:
    """Return the kind that the plan asks for a column, by its name or its number."""
    return plan.kinds.get(names[position], plan.kinds.get(str(position + 1)))


def _decide(cells: pa.ChunkedArray, origin: Origin, roles: _Roles, position: int, wanted: KindName | None) -> Decision:
    """Decide on one column that is no target."""
    if position in roles.drop:
        return Decision(left_out="dropped, as asked")
    for role, column in roles.special.items():
        # The order of time is known for new rows as well, so its column may be learnt from.
        if column == position and role != "time":
            return Decision(left_out=f"gives {_GIVES[role]}")
    return decide(cells, origin, wanted)


def _rescued(
    decisions: dict[int, Decision], arrow: pa.Table, origin: Callable[[int], Origin]
) -> tuple[dict[int, Decision], tuple[Note, ...]]:
    """Keep columns that count the rows where nothing else is left to learn from: x = 1, 2, 3 may be all there is."""
    if any(decision.learnt for decision in decisions.values()):
        return decisions, ()
    counting = [i for i, decision in decisions.items() if decision.left_out == COUNTS_ROWS]
    rescued = {i: decide(arrow.column(i), origin(i), "number") for i in counting}
    note = "counts the rows by ones, but is kept: there is no other column to learn from"
    return decisions | rescued, tuple(Note(topic=origin(i).name, text=note) for i in counting)


def _why_none(decisions: dict[int, Decision], raw: RawTable) -> str:
    """Return why no column is left."""
    if not decisions:
        return "there is none beside the target"
    reasons = [f"`{raw.names[i]}`: {decision.left_out}" for i, decision in list(decisions.items())[:3]]
    more = f" and {len(decisions) - 3} more" if len(decisions) > 3 else ""
    return f"all are left out ({'; '.join(reasons)}{more})"


def _special(cells: pa.ChunkedArray, origin: Origin, role: str, wanted: str | None) -> np.ndarray:
    """Return a special column as codes (group, fold) or numbers (time, weight), or refuse it."""
    cells = plain(cells)
    if role == "weight":
        return _weights(cells, origin)
    if role == "time":
        return _moments(cells, origin, wanted)
    codes = text_codes(as_text(cells))[0].astype(np.int64)
    lacking = np.flatnonzero(codes == MISSING)
    if role == "fold" and len(lacking):
        raise origin.refusal("`fold_column` must give a fold in every row", lacking[0], None, "Fill it.")
    # A row without a group is a group of its own: nothing is known to tie it to others.
    codes[lacking] = codes.max(initial=0) + 1 + np.arange(len(lacking))
    return np.unique(codes, return_inverse=True)[1].astype(np.int64)


def _weights(cells: pa.ChunkedArray, origin: Origin) -> np.ndarray:
    """Return the weights of rows, or refuse negative ones and a column of zeros."""
    values = numbers(cells, origin)
    negative = np.flatnonzero(values < 0)
    if len(negative):
        cell = float(values[negative[0]])
        raise origin.refusal("`weight` must not be negative", negative[0], cell, "Correct it, or leave `weight` out.")
    if not values.any():
        raise DataError(
            "`weight` must be above 0 in some row", f"column `{origin.name}` is 0 in every row", "Leave `weight` out."
        )
    return values


def _moments(cells: pa.ChunkedArray, origin: Origin, wanted: str | None) -> np.ndarray:
    """Return the times of rows as float64, seconds for dates, or refuse those that are missing or ambiguous."""
    if is_text(cells.type):
        codes, texts = text_codes(cells)
        found = dates.orders_that_fit(texts.take(pa.array(compact(codes, len(texts))[1])))
        if len(found) > 1 and wanted != "date":
            raise DataError(
                "the dates of `time` must be readable in one way only",
                f"those of column `{origin.name}` may have the day or the month first",
                f"Use --kind {origin.name}=date for the day first, or write them as 2020-12-31.",
            )
        values = dates.seconds(cells, origin, next(iter(found))) if found else numbers(cells, origin)
    else:
        values = dates.seconds(cells, origin) if is_date(cells.type) else numbers(cells, origin)
    lacking = np.flatnonzero(np.isnan(values))
    if len(lacking):
        raise origin.refusal("`time` must be known in every row", lacking[0], None, "Fill it, or leave `time` out.")
    return values
