"""How many settings a search trains, and on how many folds: a first fold, or a part of the rows, chooses those that are
trained on all."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from danlu.core.nets import is_own
from danlu.core.parsing import LEAST_SEARCHED, MOST_SEARCHED
from danlu.core.plan import Plan
from danlu.search.defaults import Facts, is_plain
from danlu.search.space import Choice, Range, Space

AUTO = 32
"""Settings that a search without a number and a budget tries."""
FEW_ROWS = 2000
"""Below so many rows one fold of five is too few to choose by: the first rung has two."""
NARROW, WIDE = ((64, 64), (128, 128), (128, 128, 128)), ((128, 128), (256, 256), (256, 256, 256))
"""Hidden widths of the default space: few, so that many settings are one population and may predict together."""
PART = 0.25
"""Share of the training rows that the first rung learns from where there is one fold only, as with a holdout."""
PARTED = 5000
"""Below so many rows a part of them is too few to choose by: all settings of a holdout are trained whole."""
LARGE = 64
"""A search of so many settings has three rungs."""
KEPT = 4
"""One of so many settings goes on from a rung; twice as few where there are two rungs."""
LEAST, MOST = LEAST_SEARCHED, MOST_SEARCHED


@dataclass(frozen=True)
class Step:
    """A rung as it is planned: how many settings are trained on the first so many folds, on which share of the rows."""

    folds: int
    settings: int
    share: float = 1.0


def rungs(settings: int, folds: int, rows: int = 10_000) -> tuple[Step, ...]:
    """Return the rungs of a search: all settings on one fold, and the best of them, on and on, on all.

    Where there is one fold only, all settings are trained on a part of its rows, and the best quarter on all of them.

    Each training is whole. Fewer epochs would tell less (docs/decisions/2026-11-21-search.md), and what was trained
    stays: a setting that goes on trains the folds that it has not yet.

    >>> [(step.folds, step.settings) for step in rungs(32, 5)]
    [(1, 32), (5, 4)]
    >>> [(step.folds, step.settings) for step in rungs(128, 5)]
    [(1, 128), (2, 32), (5, 8)]
    >>> [(step.share, step.settings) for step in rungs(32, 1)]
    [(0.25, 32), (1.0, 8)]
    """
    if folds == 1 and rows >= PARTED:
        return Step(1, settings, PART), Step(1, max(2, settings // KEPT))
    first = min(2 if rows < FEW_ROWS else 1, folds)
    if first == folds:
        return (Step(folds, settings),)
    if settings < LARGE or first + 1 >= folds:
        return Step(first, settings), Step(folds, max(2, settings // (2 * KEPT)))
    return Step(first, settings), Step(first + 1, settings // KEPT), Step(folds, settings // KEPT**2)


def trainings(settings: int, folds: int, rows: int = 10_000) -> float:
    """Return to how many trainings of all folds a search amounts.

    >>> trainings(32, 5), trainings(128, 5), trainings(32, 1)
    (9.6, 36.8, 16.0)
    """
    total, before = 0.0, 0
    for step in rungs(settings, folds, rows):
        total += (step.folds - before) * step.settings * step.share
        before = step.folds if step.share == 1 else 0
    return total / folds


def settings_for(whole: float, folds: int, rows: int = 10_000) -> int:
    """Return how many settings there is time for, in trainings of all folds; 0 where it is not worth beginning.

    >>> settings_for(9.6, 5), settings_for(1.0, 5)
    (32, 0)
    """
    return max((n for n in range(LEAST, MOST + 1) if trainings(n, folds, rows) <= whole), default=0)


def batches(settings: int) -> tuple[int, ...]:
    """Return in which parts the settings of the first rung are proposed: a half spread evenly, then what a model says.

    >>> batches(32), batches(8)
    ((16, 8, 8), (8,))
    """
    if settings < LEAST + LEAST // 2:
        return (settings,)
    first = (settings + 1) // 2
    second = (settings - first + 1) // 2
    return first, second, settings - first - second


def default_space(plan: Plan, resolved: Plan, facts: Facts) -> Space:
    """Return what varies by default, around the setting that a search begins with; not what the user has settled.

    >>> space = default_space(Plan(lr=0.01), Plan(epochs=20), Facts(rows=9000, task="regression"))
    >>> space.names
    ('dropout', 'weight_decay', 'epochs', 'hidden', 'activation')
    """
    lr, epochs = resolved.lr or 0.001, resolved.epochs or 1
    numeric, plain = facts.task == "regression", is_plain(plan)
    wide = 10.0 if plain else 2.5
    space: dict[str, Range | Choice] = {"lr": Range(lr / (10.0 if plain else 4.0), lr * wide, log=True)}
    if not is_own(plan.net):
        space["dropout"] = Range(0.0, 0.5)
    space["weight_decay"] = (
        Range(0.002, 0.2, log=True) if resolved.optimizer == "adamw" else Range(1e-6, 1e-2, log=True)
    )
    if not numeric:
        space["label_smoothing"] = Range(0.0, 0.1)
    longest = 1.5 if numeric or plain else 3.0
    if epochs > 1:
        space["epochs"] = Range(max(1, epochs // 2), max(3, round(longest * epochs)), log=True, whole=True)
    if not is_own(plan.net) and plan.net not in ("linear", "cnn") and facts.image is None:
        widths = NARROW if facts.rows < 1000 else WIDE
        space["hidden"] = Choice(tuple(dict.fromkeys((*widths, resolved.hidden or widths[0]))))
        space["activation"] = Choice(("relu", "silu"))
    return Space(space).without([name for name in plan.model_fields_set if getattr(plan, name) is not None])


def likely(space: Space, resolved: Plan) -> float:
    """Return how long a training of the space is in the mean, of one of the setting that a search begins with."""
    cost = 1.0
    for name, p in space.parameters.items():
        if name == "epochs" and resolved.epochs:
            cost *= sum(p.at(u / 8) for u in range(9)) / 9 / resolved.epochs
        if name == "hidden" and isinstance(p, Choice) and resolved.hidden:
            cost *= sum(_size(hidden) for hidden in p.values) / len(p.values) / max(_size(resolved.hidden), 1)
    return cost


def _size(hidden: tuple[int, ...]) -> float:
    return 64.0 * 64 + sum(a * b for a, b in pairwise(hidden)) + 64.0 * sum(hidden)
