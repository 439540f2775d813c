"""Other settings than the recipe's, where no fact about a table tells which is better: they are tried on the folds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from danlu.core.plan import Plan
from danlu.search.defaults import Facts, epochs_of, is_plain, recipe

LONG_STEPS, LONG_DROPOUT = 2500, 0.15
MOST_ROWS = 150_000
"""Where there are more rows, the recipe's least number of epochs is a long training already."""

BEST_EPOCHS, BEST_DROPOUT = 1.75, 0.2
"""Where the best is asked for, regression is also trained so many times longer, with this dropout: california 45,604 to
45,326 on held-out rows, at a smaller rate."""
SHORT, SHORT_DROPOUT, SIMPLE_ROWS = 0.15, 0.3, 5000
"""Of few rows much may be noise: below `SIMPLE_ROWS` numbers are also learnt in this part of the epochs with this
dropout, and by networks without hidden layers. Two splits of scikit-learn's diabetes, rmse over deviation of held-out
rows: 0.834 and 0.850, short 0.775 and 0.756, ridge 0.791 and 0.764."""
SKEWED = 1.0
"""With this skewness every other repeat learns the logarithm of a target: ames 19,145 to 18,543 on held-out rows, out
of fold 22,072 to 21,442 beside as many networks that all learn the target itself."""
BEST_REPEATS = 3
"""Times as many networks at most where the best is asked for: california 42,567 to 42,382 on held-out rows."""


@dataclass(frozen=True)
class Ladder:
    """What a fit climbs, as far as its effort and its budget go: the recipe's own setting, a contest with others, and
    then so many repeats."""

    normal: Plan
    contested: bool
    repeats: tuple[int, ...]
    mixed: bool = False
    """Whether every other repeat may learn the logarithm of a skewed target."""
    twice: bool = False
    """Whether there may be a second repeat for that."""


def ladder(plan: Plan, facts: Facts) -> Ladder:
    """Return what an effort means; with a budget alone it is the best that there is time for.

    >>> facts = Facts(rows=20_000, task="regression", numbers=8)
    >>> ladder(Plan(), facts).repeats, ladder(Plan(effort="best"), facts).repeats
    ((1,), (1, 3))
    """
    effort = plan.effort or ("best" if plan.budget is not None and not is_plain(plan) else "normal")
    first = plan.model_copy(update={"budget": None})
    normal = recipe(first if effort == "quick" or is_plain(plan) else first.model_copy(update={"effort": None}), facts)
    own = normal.repeats or 1
    ordered = plan.fold_column is not None or plan.time is not None or plan.repeats is not None or is_plain(plan)
    more = (BEST_REPEATS * own,) if effort == "best" and not ordered else ()
    free = facts.task == "regression" and plan.scale_target is None and plan.loss is None and not is_plain(plan)
    return Ladder(normal, effort != "quick" and plan.holdout != 0, (own, *more), free, free and not ordered)


def shorter(plan: Plan, resolved: Plan, facts: Facts) -> Plan | None:
    """Return the resolved plan of a short training, where there are few rows of a numeric target.

    >>> facts = Facts(rows=400, task="regression", numbers=10)
    >>> short = shorter(Plan(), recipe(Plan(), facts), facts)
    >>> short.epochs, short.dropout
    (15, 0.3)
    """
    if facts.task != "regression" or not may_be_simpler(plan, facts):
        return None
    epochs = max(5, round(SHORT * (resolved.epochs or 1)))
    return resolved.model_copy(update={"epochs": epochs, "dropout": SHORT_DROPOUT})


def may_be_simpler(plan: Plan, facts: Facts) -> bool:
    """Return whether simpler networks are tried: there are few rows, and the user has settled nothing of it."""
    open_ = facts.image is None and not is_plain(plan) and (plan.copies or 1) == 1 and plan.holdout != 0
    return open_ and facts.rows < SIMPLE_ROWS and not _settled(plan)


def _settled(plan: Plan) -> bool:
    settled = (plan.epochs, plan.dropout, plan.early_stopping, plan.lr, plan.optimizer, plan.schedule)
    return any(value is not None for value in settled)


def skewed(target_NC: np.ndarray) -> bool:
    """Return whether all targets are positive and skewed to the right, and their logarithms much less.

    >>> rng = np.random.default_rng(0)
    >>> skewed(rng.lognormal(size=(500, 1))), skewed(rng.normal(9, 1, size=(500, 1)))
    (True, False)
    """
    if not len(target_NC) or target_NC.min() <= 0:
        return False
    plain, logs = _skewness(target_NC), _skewness(np.log(target_NC))
    return bool((plain > SKEWED).all() and (np.abs(logs) < plain / 2).all())


def _skewness(value_NC: np.ndarray) -> np.ndarray:
    centred = value_NC - value_NC.mean(axis=0)
    return (centred**3).mean(axis=0) / np.maximum(centred.std(axis=0) ** 3, 1e-300)


def rivals(plan: Plan, resolved: Plan, facts: Facts) -> tuple[Plan, ...]:
    """Return resolved plans to be tried beside the recipe's; none where the user has settled what they change.

    Of classes, a longer training with less dropout. Noisy labels are learnt by heart then (accuracy of diabetes130
    0.530 against 0.557 out of fold, telco 0.800 and 0.809), sharp ones are learnt better (wine 0.596 and 0.576, cut of
    diamonds 0.760 and 0.741): docs/decisions/2026-11-21-bins.md.

    >>> facts = Facts(rows=8000, task="classification", classes=7)
    >>> from danlu.search.defaults import recipe
    >>> [(r.epochs, r.dropout) for r in rivals(Plan(), recipe(Plan(), facts), facts)]
    [(100, 0.15)]
    """
    best = plan.effort == "best" or (plan.budget is not None and plan.effort is None)
    numeric = facts.task == "regression"
    open_ = (best or not numeric) and facts.image is None and not is_plain(plan)
    if not open_ or _settled(plan) or plan.holdout == 0 or facts.rows > MOST_ROWS:
        return ()
    if numeric:
        epochs = round(BEST_EPOCHS * (resolved.epochs or 1))
        return (resolved.model_copy(update={"epochs": epochs, "dropout": BEST_DROPOUT}),)
    assert isinstance(resolved.batch_size, int)
    epochs = epochs_of(LONG_STEPS, resolved.batch_size, facts.rows)
    if epochs <= 1.5 * (resolved.epochs or 1):
        return ()
    return (resolved.model_copy(update={"epochs": epochs, "dropout": LONG_DROPOUT}),)
