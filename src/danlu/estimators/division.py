"""The argument `cv`: what scikit-learn takes, as settings of the plan or as pairs of rows."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.model_selection import check_cv

from danlu.core.errors import PlanError
from danlu.workflow.given import Pair

WAYS = ("folds", "holdout", "fold_column")
"""Settings of the plan that `cv` takes the place of."""


def division(cv: Any, X: Any, y: Any, groups: Any, *, classifier: bool) -> tuple[dict[str, Any], tuple[Pair, ...]]:
    """Return what `cv` asks for: settings, and pairs of row numbers where it divides the rows itself.

    Arguments:
        cv: None (as the plan has it), a number of folds, a share of rows to hold out (0: no row is judged), a splitter
            of scikit-learn, or pairs of row numbers (to learn from, to judge).
        X, y, groups: what a splitter divides.
        classifier: whether y are classes.

    Raises:
        PlanError: it is none of these.

    >>> division(3, None, None, None, classifier=False), division(0.2, None, None, None, classifier=False)
    (({'folds': 3}, ()), ({'holdout': 0.2}, ()))
    """
    if cv is None:
        return {}, ()
    number = not isinstance(cv, bool) and isinstance(cv, int | np.integer)
    if number and cv != 0:
        return {"folds": int(cv)}, ()
    if number or isinstance(cv, float | np.floating):
        return {"holdout": float(cv)}, ()
    if isinstance(cv, str | bool) or not (hasattr(cv, "split") or hasattr(cv, "__iter__")):
        raise PlanError(
            "`cv` must be folds, a share to hold out, a splitter of scikit-learn, or pairs of row numbers",
            f"got {cv!r}",
            "Use cv=5, or cv=0.2.",
        )
    splitter = check_cv(cv, y, classifier=classifier)
    pairs = tuple((_rows(train), _rows(judged)) for train, judged in splitter.split(X, y, groups))
    if not pairs:
        raise PlanError("`cv` must divide the rows at least once", "it gives no pair", "Use cv=5.")
    if len(pairs) == 1:
        train, judged = pairs[0]
        return {"holdout": len(judged) / max(1, len(train) + len(judged))}, pairs
    return {"folds": len(pairs)}, pairs


def going_on(cv: Any) -> int:
    """Return the division where training may go on: no row is judged, because it may have been learnt before.

    Raises:
        PlanError: `cv` is to judge rows.
    """
    if cv is not None and not is_none(cv):
        raise PlanError(
            "training that goes on judges no rows: it may have learnt them before",
            f"got cv={cv!r}",
            "Use cv=0, or X_val.",
        )
    return 0


def is_none(cv: Any) -> bool:
    """Return whether `cv` says that no row is judged.

    >>> is_none(0), is_none(0.2), is_none(None), is_none(False)
    (True, False, False, False)
    """
    return isinstance(cv, int | float) and not isinstance(cv, bool) and cv == 0


def _rows(rows: Any) -> np.ndarray:
    """Return row numbers; a mask is one, too."""
    rows = np.asarray(rows)
    return np.flatnonzero(rows) if rows.dtype == bool else rows.astype(np.int64)


def among(pairs: tuple[Pair, ...], kept: np.ndarray) -> tuple[Pair, ...]:
    """Return pairs of row numbers counted among the rows that are kept.

    >>> among(((np.array([0, 2]), np.array([1, 3])),), np.array([0, 1, 3]))
    ((array([0]), array([1, 2])),)
    """
    place = np.full(max([int(kept.max(initial=-1)), *(int(r.max(initial=-1)) for pair in pairs for r in pair)]) + 1, -1)
    place[kept] = np.arange(len(kept))
    return tuple((place[train][place[train] >= 0], place[judged][place[judged] >= 0]) for train, judged in pairs)
