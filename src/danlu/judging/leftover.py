"""What is left to learn: the share of a prediction's errors that a few trees predict from the columns."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from danlu.core.seeds import stream

MOST_ROWS = 2000
"""Rows that are looked at; 2,000 tell a share of 0.25 from one of 0.1 surely, and take less than 0.1 s."""
FEWEST_ROWS = 40
TREES = 20
LEAF = 5
"""Rows in a leaf: its mean is then a smooth enough guess of the error around it."""
MOST_COLUMNS = 32
"""Columns that a split is sought in: pixels are many, and alike."""


def left_over(
    columns_NF: np.ndarray | Callable[[np.ndarray], np.ndarray],
    truth: np.ndarray,
    predicted_NC: np.ndarray,
    fold_N: np.ndarray,
    weight_N: np.ndarray | None = None,
    seed: int = 0,
) -> float | None:
    """Return the share of the squared error of predictions that extremely randomised trees predict from the columns.

    Around 0 (or below) nothing is left to learn that these trees could learn: what remains is noise. Half of the rows
    teach the trees to predict the other half's errors, whole folds together, so that groups that the folds keep
    together stay so. It is a lower bound of what is left: 20 trees of 1,000 rows are no good model.
    (Geurts, Ernst & Wehenkel 2006, "Extremely randomized trees".)

    Arguments:
        columns_NF: numbers and codes of categories; NaN where missing. Or what gives those of some rows: of many
            images only the 2,000 that are looked at need be made floats.
        truth: [N, C] numbers, or [N] class codes.
        predicted_NC: numbers, or probabilities, of networks that did not learn from these rows.
        fold_N: the fold that judged each row.
        weight_N: weights of rows.
        seed: of the run.

    Returns:
        the share, at most 1; None where there are fewer than 40 rows or no errors.

    >>> x = np.linspace(-3, 3, 400)
    >>> left_over(x[:, None], np.sin(x), np.zeros((400, 1)), np.arange(400) % 4) > 0.9
    True
    """
    from sklearn.ensemble import ExtraTreesRegressor  # noqa: PLC0415  slow to import, and seldom needed

    if len(predicted_NC) < FEWEST_ROWS:
        return None
    random = np.random.default_rng(stream(seed, "left over"))
    chosen = random.permutation(len(predicted_NC))[:MOST_ROWS]
    error_NC = _errors(truth, predicted_NC)[chosen]
    weight = np.ones(len(chosen)) if weight_N is None else np.asarray(weight_N, np.float64)[chosen]
    size_C = np.sqrt(np.average(error_NC**2, axis=0, weights=weight)) if weight.sum() > 0 else np.zeros(1)
    if not np.isfinite(error_NC).all() or not size_C.max() > 0:
        return None
    # Several targets have several units: each error is divided by its own size. Probabilities have one.
    error_NC = error_NC / (np.where(size_C > 0, size_C, 1.0) if np.ndim(truth) > 1 else size_C.max())
    few = columns_NF(chosen) if callable(columns_NF) else columns_NF[chosen]
    columns = np.nan_to_num(np.asarray(few, np.float64), posinf=0.0, neginf=0.0)
    half_N = _halves(fold_N[chosen], random)
    guess_NC = np.zeros_like(error_NC)
    for half in (False, True):
        others = half_N != half
        if weight[others].sum() <= 0 or others.all():
            return None
        trees = ExtraTreesRegressor(
            TREES, min_samples_leaf=LEAF, max_features=min(MOST_COLUMNS, columns.shape[1]), random_state=seed % 2**32
        )
        wanted = error_NC[others] if error_NC.shape[1] > 1 else error_NC[others, 0]
        trees.fit(columns[others], wanted, sample_weight=weight[others])
        guess_NC[~others] = trees.predict(columns[~others]).reshape(-1, error_NC.shape[1])
    before, after = (float(weight @ (each**2).sum(axis=1)) for each in (error_NC, error_NC - guess_NC))
    return 1 - after / before if before > 0 else None


def _errors(truth: np.ndarray, predicted_NC: np.ndarray) -> np.ndarray:
    """Return what predictions lack, [N, C]: of classes, 1 or 0 minus the probability."""
    predicted_NC = np.asarray(predicted_NC, np.float64)
    if np.ndim(truth) == 1 and predicted_NC.shape[1] > 1:
        return np.eye(predicted_NC.shape[1])[np.asarray(truth, np.int64)] - predicted_NC
    return np.asarray(truth, np.float64).reshape(len(truth), -1) - predicted_NC


def _halves(fold_N: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Divide rows into two halves: by fold, and rows of a single fold by chance."""
    folds = np.unique(fold_N)
    if len(folds) == 1:
        return random.permutation(len(fold_N)) % 2 == 0
    return np.isin(fold_N, folds[::2])
