"""Other settings than the recipe's, where no fact about a table tells which is better: they are tried on the folds."""

from __future__ import annotations

from danlu.core.plan import Plan
from danlu.search.defaults import Facts, epochs_of, is_plain

LONG_STEPS, LONG_DROPOUT = 2500, 0.15
MOST_ROWS = 150_000
"""Where there are more rows, the recipe's least number of epochs is a long training already."""


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
    settled = (plan.epochs, plan.dropout, plan.early_stopping, plan.lr, plan.optimizer, plan.schedule)
    open_ = facts.task == "classification" and facts.image is None and not is_plain(plan)
    if not open_ or any(value is not None for value in settled) or plan.holdout == 0 or facts.rows > MOST_ROWS:
        return ()
    assert isinstance(resolved.batch_size, int)
    epochs = epochs_of(LONG_STEPS, resolved.batch_size, facts.rows)
    if epochs <= 1.5 * (resolved.epochs or 1):
        return ()
    return (resolved.model_copy(update={"epochs": epochs, "dropout": LONG_DROPOUT}),)
