"""What a search learnt: which settings made the difference."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

LEAST = 12
"""Settings that must have been tried before anything is said."""
TREES = 200


def importance(place_ND: np.ndarray, value_N: Sequence[float | None], names: Sequence[str]) -> dict[str, float]:
    """Return the share of the differences that each setting explains, the largest first; nothing of few attempts.

    A forest of trees learns the ranks of the values from the settings; the importance of one is how much worse the
    forest is where that one is shuffled (Breiman, 2001), as a share of all.

    Arguments:
        place_ND: where each attempt lies in the space.
        value_N: what it gave, trained alike; None where it broke.
        names: of the D settings.
    """
    if len(value_N) < LEAST or not names:
        return {}
    from sklearn.ensemble import ExtraTreesRegressor  # noqa: PLC0415  a second to import
    from sklearn.inspection import permutation_importance  # noqa: PLC0415

    known = np.array([np.nan if value is None else value for value in value_N], np.float64)
    rank_N = np.argsort(np.argsort(np.where(np.isfinite(known), known, np.inf))).astype(np.float64)
    forest = ExtraTreesRegressor(TREES, min_samples_leaf=2, random_state=0).fit(place_ND, rank_N)
    shuffled: Any = permutation_importance(forest, place_ND, rank_N, n_repeats=10, random_state=0)
    found = np.maximum(shuffled.importances_mean, 0.0)
    if not found.sum() > 0:
        return {}
    order = np.argsort(-found)
    return {names[i]: float(found[i] / found.sum()) for i in order}


def outcome(
    count: int,
    metric: str,
    before: float | None,
    best: float | None,
    chosen: tuple[int, ...],
    flattered: float,
    doubt: str = "",
) -> str:
    """Say what came of a search.

    Arguments:
        count: of settings.
        metric: that they were compared by.
        before: its value for the first setting.
        best: for the best one.
        chosen: numbers of those that are kept; 0 is the first.
        flattered: what choosing adds to it.
        doubt: why the first setting stays although another one seemed better.

    >>> outcome(16, "rmse", 10.0, 9.9, (0,), 0.0, "the others are not better on another repeat")
    'the first of 16 settings stays, rmse out of fold 10: the others are not better on another repeat'
    """
    if chosen == (0,):
        why = "none is better" if best == before else f"the best of the others, {best:,.5g}, gains too little"
        return f"the first of {count} settings stays, {metric} out of fold {before:,.5g}: {doubt or why}"
    several = f"networks of {len(chosen)} of {count} settings" if len(chosen) > 1 else f"one of {count} settings"
    return (
        f"{several}: {metric} out of fold {best:,.5g} of the best one, {before:,.5g} before the search; "
        f"choosing flatters it by about {flattered:.2g}, which is taken off"
    )
