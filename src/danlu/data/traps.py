"""What in a table may make a score look better than it is, found before anything is trained."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from danlu.core.plan import Plan
from danlu.core.records import Finding
from danlu.data import dates
from danlu.data.columns import Column, Examined
from danlu.data.leaks import alone, formula
from danlu.data.words import counted

_FEWEST = 50
"""Rows below which chance makes any of these."""

_TWINS = 0.05
"""Share of rows with a twin from which it is said; above four times this it is a warning."""

_REPEATS = (1.1, 100.0)
"""Rows a value of an identifier, from and to: below it hardly repeats, above it is rather a category."""

_IDENTIFIER = re.compile(
    r"(?i:(^|[\W_])(id|ids|uuid|guid|identifier|nbr)$)|[a-z](ID|Id|No|Nr)$|编号$|序号$|号$"
    r"|(?i:(patient|customer|client|user|subject|person|participant|member|account|household|employee|student|player)"
    r"([\W_]?(key|code|no|nr|num|number|name))?$)"
)
_TIME = re.compile(
    r"(?i:^(time|date|datetime|timestamp|day|epoch|when|year|yr)$|(^|_)(time|date|timestamp)$)|日期$|时间$"
)


@dataclass(frozen=True)
class _Look:
    """A table as these tells look at it."""

    examined: Examined
    plan: Plan

    @property
    def columns(self) -> tuple[Column, ...]:
        return self.examined.table.columns

    @property
    def rows(self) -> int:
        return len(self.examined.kept)

    @property
    def divided(self) -> bool:
        """Whether the plan says already which rows belong together."""
        return bool(self.plan.group or self.plan.time or self.plan.fold_column)


def find_traps(examined: Examined, plan: Plan) -> tuple[Finding, ...]:
    """Return what may make a score look better than it is: warnings first.

    A column that predicts the target alone, or columns that make it by arithmetic; rows that stand in the table more
    than once; an identifier whose rows are in several folds; rows in the order of time.

    Arguments:
        examined: the table.
        plan: what is asked of it; tells that it answers already are not given.
    """
    look = _Look(examined, plan)
    if look.rows < _FEWEST or examined.table.pixels_NKHW is not None:
        return ()
    found = [*formula(examined), *alone(examined), *_twins(look), *_repeating(look), *_time(look)]
    known: dict[str, Finding] = {}
    for finding in found:
        known.setdefault(f"{finding.name} {finding.fault}", finding)
    return tuple(sorted(known.values(), key=lambda finding: finding.severity == "note"))


def _twins(look: _Look) -> list[Finding]:
    """Say how many rows have a twin, where they are many and not forced by a few coarse columns."""
    if look.divided or not look.columns or look.plan.holdout == 0:
        return []
    rows_N = hashed(look.examined)
    _, count_U = np.unique(rows_N, return_counts=True)
    extra = look.rows - len(count_U)
    twins = int(count_U[count_U > 1].sum())
    if twins < _TWINS * look.rows or _coarse(look):
        return []
    share, folds = twins / look.rows, look.plan.folds or 5
    learnt = 1 - look.plan.holdout if look.plan.holdout else 1 - 1 / folds
    # A row with c - 1 others has none of them among those learnt from with a chance of (1 - learnt)^(c - 1).
    seen = float((count_U * (1 - (1 - learnt) ** (count_U - 1))).sum()) / look.rows
    return [
        Finding(
            name="duplicate-rows",
            fault="Rows are equal to others in all columns used and the target.",
            evidence=f"{twins:,} of {look.rows:,} rows ({share:.0%}) have a twin, "
            f"{extra:,} are copies; about {seen:.0%} of judged rows would be learnt from as well",
            cure="Drop the copies, or give --group COL, a column that is equal in them, so that they stay in one fold.",
            severity="warning" if share >= 4 * _TWINS else "note",
        )
    ]


def _coarse(look: _Look) -> bool:
    """Return whether twins are no wonder: the columns have fewer combinations than ten times the rows."""
    combinations = float(len(np.unique(look.examined.target.values, axis=0)))
    for column in look.columns:
        combinations *= len(np.unique(column.values[:5000]))
        if combinations > 10.0 * look.rows:
            return False
    return True


def hashed(examined: Examined) -> np.ndarray:
    """Return a hash of each row, its columns and its target, uint64 `[N]`; equal rows have equal ones.

    Two different rows of a million share one with a chance of about 1 in 40 million.
    """
    target = examined.target.values
    parts = [column.values for column in examined.table.columns]
    parts += list(target.T) if target.ndim > 1 else [target]
    mixed = np.full(len(examined.kept), 0x9E3779B97F4A7C15, dtype=np.uint64)
    for part in parts:
        values = np.nan_to_num(part + 0.0, nan=1e308) if part.dtype.kind == "f" else part.astype(np.int64)
        mixed ^= values.view(np.uint64)
        mixed *= np.uint64(0xBF58476D1CE4E5B9)
        mixed ^= mixed >> np.uint64(31)
        mixed *= np.uint64(0x94D049BB133111EB)
        mixed ^= mixed >> np.uint64(29)
    return mixed


def _repeating(look: _Look) -> list[Finding]:
    """Say which identifiers have several rows, which would be in several folds."""
    if look.divided:
        return []
    found = []
    for column in look.columns:
        if column.kind not in ("number", "category") or not _IDENTIFIER.search(column.name.strip()):
            continue
        values = (
            column.values[~np.isnan(column.values)] if column.kind == "number" else column.values[column.values >= 0]
        )
        if column.kind == "number" and not np.array_equal(values, np.floor(values)):
            continue
        different, name = len(np.unique(values)), _quoted(column.name)
        if different < 20 or not _REPEATS[0] <= len(values) / different <= _REPEATS[1]:
            continue
        found.append(
            Finding(
                name="repeated-identifier",
                fault=f"`{column.name}` looks like an identifier with several rows each.",
                evidence=f"{different:,} different in {len(values):,} rows: of one, some are learnt from, some judged",
                cure=f"Use --group {name}, so that they stay in one fold, or --drop {name}.",
            )
        )
    return found


def _time(look: _Look) -> list[Finding]:
    """Say that rows are in the order of a time, or that they have one."""
    if look.divided:
        return []
    best: tuple[bool, Column] | None = None
    for column in look.columns:
        named = bool(_TIME.search(column.name.strip()))
        if column.kind != "date" and not (column.kind == "number" and named):
            continue
        values = column.values
        if np.isnan(values).any() or (column.kind == "date" and values.max() <= dates.DAY):
            continue
        ordered = bool((np.diff(values) >= 0).all()) or bool((np.diff(values) <= 0).all())
        if (ordered or column.kind == "date") and (best is None or (ordered and not best[0])):
            best = ordered, column
    if best is None:
        return []
    ordered, column = best
    show = dates.shown if column.kind == "date" else "{:.15g}".format
    span = f"{show(float(column.values.min()))} to {show(float(column.values.max()))}"
    fault = f"The rows are in the order of `{column.name}`." if ordered else f"`{column.name}` gives each row a time."
    return [
        Finding(
            name="time-order",
            fault=fault,
            evidence=f"{span}, {counted(len(np.unique(column.values)), 'different moment')}; folds at random learn "
            "from rows that come after those they judge",
            cure=f"If later rows are to be predicted from earlier ones, use --time {_quoted(column.name)}.",
            severity="note",
        )
    ]


def _quoted(name: str) -> str:
    """Return a name as a shell takes it.

    >>> _quoted("patient_nbr"), _quoted("patient no")
    ('patient_nbr', "'patient no'")
    """
    return name if re.fullmatch(r"[\w.+-]+", name) else "'" + name.replace("'", "'\\''") + "'"
