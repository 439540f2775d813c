"""The sizes of a learning curve: which rows each has, and how the networks of a size are trained."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from danlu.core.errors import DataError
from danlu.core.parsing import split_setting
from danlu.core.plan import Plan
from danlu.core.records import Note
from danlu.data import Examined, Folds
from danlu.data.growing import growing

MOST_SIZES = 10
FEWEST_SIZES = 3
FEWEST_ROWS = 12
"""Rows of the smallest size, at least; and FOR_A_CLASS rows for each class, if that is more."""
FOR_A_CLASS = 4
HALVED = 6
"""Sizes that halving must give; where there are fewer rows, a size has 0.71 of the next one's rows."""


@dataclass(frozen=True)
class Sizes:
    """The sizes of a learning curve, from the smallest; the last one is the run itself.

    Arguments:
        shares: of each fold's rows to learn from.
        train: rows to learn from, for each size and fold.
        drawn: how, in words.
        notes: what is unusual about them.
    """

    shares: tuple[float, ...]
    train: tuple[tuple[np.ndarray, ...], ...]
    drawn: str
    notes: tuple[Note, ...] = ()

    @property
    def words(self) -> str:
        """Say how many sizes there are besides the run itself, and how large."""
        rows = [round(np.mean([len(part) for part in parts])) for parts in self.train[:-1]]
        return f"{len(rows)} sizes of {rows[0]:,} to {rows[-1]:,} rows"


def sizes(examined: Examined, folds: Folds, seed: int) -> Sizes:
    """Choose the sizes of a learning curve.

    Raises:
        DataError: there are too few rows, or groups, for three sizes.
    """
    special, target = examined.special, examined.target
    classes = target.values if target.schema.task == "classification" else None
    weight = special.get("weight")
    # Rows without weight teach nothing: they only come with the largest size.
    weighing = [rows if weight is None else rows[weight[rows] > 0] for rows in folds.train]
    fewest = max(FEWEST_ROWS, FOR_A_CLASS * len(target.schema.classes))
    shares = _shares(min(len(rows) for rows in weighing), fewest)
    parts = [
        growing(rows, shares, key=(seed, k), classes=classes, groups=special.get("group"), times=special.get("time"))
        for k, rows in enumerate(weighing)
    ]
    by_size = [tuple(own[s] for own in parts) for s in range(len(shares) - 1)] + [folds.train]
    kept = [s for s in range(len(shares)) if s == len(shares) - 1 or _smaller(by_size[s], by_size[s + 1])]
    if len(kept) < FEWEST_SIZES:
        few = "group" in special and len(shares) >= FEWEST_SIZES
        what = "groups to learn from of about equal size" if few else f"{2 * fewest:,} rows to learn from in every fold"
        fact = "got fewer" if few else f"got {min(len(rows) for rows in weighing):,}"
        raise DataError(f"`learning_curve` needs {'several ' if few else ''}{what}", fact, "Leave it out.")
    words = _drawn(special, classes is not None)
    text = f"only {len(kept)} sizes: there are too few {'groups' if 'group' in special else 'rows'} for more"
    notes = (Note(topic="learning curve", text=text),) if len(kept) < HALVED else ()
    return Sizes(tuple(shares[s] for s in kept), tuple(by_size[s] for s in kept), words, notes)


def _shares(rows: int, fewest: int) -> list[float]:
    """Return the shares of the sizes, rising to 1: each half of the next, or closer where there are few rows.

    >>> _shares(1600, 12)[-3:], len(_shares(100, 12)), len(_shares(10**6, 12))
    ([0.25, 0.5, 1.0], 7, 10)
    """
    step = 2.0 if rows >= fewest * 2 ** (HALVED - 1) else math.sqrt(2)
    count = min(MOST_SIZES, math.floor(math.log(max(1, rows / fewest), step) + 1e-9) + 1)
    return [step**-place for place in reversed(range(count))]


def _smaller(parts: Sequence[np.ndarray], others: Sequence[np.ndarray]) -> bool:
    """Return whether some rows together are less than 0.9 of others: whole groups may give the same part twice."""
    return sum(map(len, parts)) < 0.9 * sum(map(len, others))


def _drawn(special: dict[str, np.ndarray], classes: bool) -> str:
    if "time" in special:
        return "the latest rows before the judged ones"
    if "group" in special:
        return "whole groups, drawn at random"
    return "drawn at random, stratified by class" if classes else "drawn at random"


def stretched(plan: Plan, factor: float) -> Plan:
    """Return a resolved plan of `factor` times as many epochs, whose schedule, warm-up and judgings are as much longer.

    >>> plan = Plan(epochs=10, schedule="step:4:0.5", warmup=1.0)
    >>> longer = stretched(plan, 3.0)
    >>> longer.epochs, longer.schedule, longer.warmup, longer.judge_every
    (30, 'step:12:0.5', 3.0, 30)
    """
    epochs = max(1, round((plan.epochs or 1) * factor))
    factor = epochs / (plan.epochs or 1)
    name, numbers = split_setting(plan.schedule or "constant")
    schedule = plan.schedule
    if name == "step":
        after, share = (*numbers, *(30.0, 0.1)[len(numbers) :])
        schedule = f"step:{max(1, round(after * factor))}:{share!r}"
    elif name == "exponential":
        schedule = f"exponential:{(numbers or (0.99,))[0] ** (1 / factor)!r}"
    # Nobody looks at judgings on the way, unless something waits for them.
    waits = plan.early_stopping or name == "plateau"
    own = max(1, round((plan.judge_every or 1) * factor)) if plan.judge_every or (plan.epochs or 1) <= 500 else None
    changed = {
        "epochs": epochs,
        "schedule": schedule,
        "warmup": (plan.warmup or 0.0) * factor,
        "judge_every": own if waits else epochs,
        "watch_test": False,
    }
    return plan.model_copy(update=changed)
