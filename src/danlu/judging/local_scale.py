"""How large an error is to be expected where: a few boosted trees that predict the size of errors from the columns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from danlu.core.seeds import stream

TREES, DEPTH, RATE = 60, 3, 0.15
PRIOR = 20.0
"""Rows' worth of "as large as on average" in each leaf, so that a leaf of few rows says little."""
BINS = 32
MOST_COLUMNS, TRIED = 48, 24
"""Columns that are looked at, those most correlated with the size of errors; and how many of them each tree tries."""
FEWEST_ROWS = 40
"""With fewer rows the scale is the same everywhere."""
LEAST = 1e-3
"""Of the mean size: no error is taken for smaller, so that a row hit by chance does not count as a sure one."""


@dataclass(frozen=True)
class LocalScale:
    """The expected size of an error, exp(base + sum of trees), each tree with one question a level.

    Missing cells are below every threshold, also one of minus infinity.

    base: the logarithm of the mean size.
    column_TD: the column that each of T trees asks for at each of D levels; behind the last, what was predicted.
    threshold_TD: whether it is above this.
    value_TL: what the tree adds in each of its L = 2**D leaves; the first level's answer is the highest bit.
    """

    base: float
    column_TD: np.ndarray
    threshold_TD: np.ndarray
    value_TL: np.ndarray

    def __call__(self, columns_NF: np.ndarray, predicted_N: np.ndarray) -> np.ndarray:
        """Return the scale of each row, [N] float64."""
        log_N = np.full(len(predicted_N), self.base)
        width = columns_NF.shape[1]
        used = np.unique(self.column_TD).tolist()
        own = {f: np.asarray(predicted_N if f == width else columns_NF[:, f], np.float64) for f in used}
        for column_D, threshold_D, value_L in zip(self.column_TD, self.threshold_TD, self.value_TL, strict=True):
            leaf_N = np.zeros(len(log_N), np.int64)
            for f, threshold in zip(column_D.tolist(), threshold_D, strict=True):
                leaf_N = 2 * leaf_N + (own[f] > threshold)
            log_N += value_L[leaf_N]
        return np.exp(log_N)


def constant_scale(size: float) -> LocalScale:
    """Return the scale that is the same everywhere, as large as one tree that asks nothing.

    >>> constant_scale(2.0)(np.zeros((3, 1)), np.zeros(3))
    array([2., 2., 2.])
    """
    asked = np.zeros((TREES, DEPTH), np.int64)
    return LocalScale(float(np.log(size)), asked, np.full(asked.shape, np.inf), np.zeros((TREES, 1 << DEPTH)))


def fit_scale(
    columns_NF: np.ndarray, predicted_N: np.ndarray, size_N: np.ndarray, weight_N: np.ndarray, seed: int = 0
) -> LocalScale:
    """Learn the size of errors from the columns, by boosting.

    The loss of a scale s is size / s + log s, that of a Laplace distribution, least at the mean size; a leaf's best
    step has a closed form. (Friedman 2001, "Greedy function approximation"; trees with one question a level as in
    Prokhorenkova et al. 2018, "CatBoost".)

    Arguments:
        columns_NF: numbers and codes; NaN where missing.
        predicted_N: what was predicted.
        size_N: absolute errors, in units of the target.
        weight_N: weights of rows, not all 0.
        seed: of the run; which columns are tried.

    >>> x = np.arange(4000.0)[:, None] % 2
    >>> scale = fit_scale(x, np.zeros(4000), np.where(x[:, 0] > 0, 5.0, 1.0), np.ones(4000))
    >>> scale(np.array([[0.0], [1.0]]), np.zeros(2)).round(1)
    array([1., 5.])
    """
    mean = float(np.average(size_N, weights=weight_N))
    if len(size_N) < FEWEST_ROWS or not mean > 0:
        return constant_scale(mean if mean > 0 else 1.0)
    columns_NF = np.concatenate([columns_NF, predicted_N[:, None]], axis=1)
    random = np.random.default_rng(stream(seed, "local scale"))
    # Weights are counted in rows, which the prior is in as well.
    weight_N = weight_N / max(float(weight_N.mean()), np.finfo(float).tiny)
    size_N = np.maximum(size_N / mean, LEAST)
    chosen = _promising(columns_NF, size_N)
    binned = [_bins(np.asarray(columns_NF[:, f], np.float64)) for f in chosen]
    usable = [f for f, (_, threshold_B) in enumerate(binned) if len(threshold_B)]
    if not usable:
        return constant_scale(mean)
    log_N = np.zeros(len(size_N))
    trees = []
    for _ in range(TREES):
        tried = random.permutation(usable)[:TRIED]
        ratio_N = weight_N * size_N * np.exp(-log_N)
        asked, leaf_N = _grow(binned, tried, ratio_N, weight_N)
        ratio_L, rows_L = (np.bincount(leaf_N, each_N, 1 << DEPTH) for each_N in (ratio_N, weight_N))
        value_L = RATE * np.log((ratio_L + PRIOR) / (rows_L + PRIOR))
        log_N += value_L[leaf_N]
        trees.append(([chosen[f] for f, _ in asked], [binned[f][1][place] for f, place in asked], value_L))
    column, threshold, value = zip(*trees, strict=True)
    return LocalScale(float(np.log(mean)), np.array(column), np.array(threshold), np.array(value))


def _promising(columns_NF: np.ndarray, size_N: np.ndarray) -> list[int]:
    """Return the columns most correlated with the logarithm of the size, by value or by distance from the middle."""
    width = columns_NF.shape[1]
    if width <= MOST_COLUMNS:
        return list(range(width))
    log_N = np.log(size_N) - np.log(size_N).mean()
    found_F = np.zeros(width)
    for f in range(width):
        value_N = np.asarray(columns_NF[:, f], np.float64)
        there_N = np.isfinite(value_N)
        middle = np.median(value_N[there_N]) if there_N.any() else 0.0
        centred_N = np.where(there_N, value_N - middle, 0.0)
        for each_N in (centred_N, np.abs(centred_N)):
            each_N = each_N - each_N.mean()
            spread = np.sqrt(np.square(each_N).sum())
            found_F[f] = max(found_F[f], abs(log_N @ (each_N / spread)) if 0 < spread < np.inf else 0.0)
    last = width - 1  # what was predicted stays: errors grow with it more often than with anything else
    best = [f for f in np.argsort(-found_F, kind="stable").tolist() if f != last][: MOST_COLUMNS - 1]
    return [*sorted(best), last]


def _bins(value_N: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the bin of each row, and the thresholds: row is in a bin above b where its value is above threshold b."""
    there = value_N[~np.isnan(value_N)]
    if not len(there):
        return np.zeros(len(value_N), np.int64), np.zeros(0)
    edges = np.unique(np.quantile(there, np.arange(1, BINS - 1) / (BINS - 1), method="lower"))
    edges = edges[edges < there.max()]
    thresholds = edges if len(there) == len(value_N) else np.concatenate([[-np.inf], edges])
    bin_N = np.searchsorted(thresholds, value_N, side="left")
    return np.where(np.isnan(value_N), 0, bin_N), thresholds


def _grow(
    binned: list[tuple[np.ndarray, np.ndarray]], tried: np.ndarray, ratio_N: np.ndarray, weight_N: np.ndarray
) -> tuple[list[tuple[int, int]], np.ndarray]:
    """Return the questions (column, threshold) of one tree, and the leaf of each row."""
    leaf_N = np.zeros(len(ratio_N), np.int64)
    asked = []
    for level in range(DEPTH):
        best = (-np.inf, 0, 0)
        for f in tried.tolist():
            bin_N, threshold_B = binned[f]
            bins = len(threshold_B) + 1
            key_N = leaf_N * bins + bin_N
            ratio_LB, rows_LB = (
                np.bincount(key_N, each_N, bins << level).reshape(-1, bins).cumsum(axis=1)
                for each_N in (ratio_N, weight_N)
            )
            below_LB = _gain(ratio_LB[:, :-1], rows_LB[:, :-1])
            above_LB = _gain(ratio_LB[:, -1:] - ratio_LB[:, :-1], rows_LB[:, -1:] - rows_LB[:, :-1])
            gain_B = (below_LB + above_LB).sum(axis=0)
            place = int(gain_B.argmax())
            if gain_B[place] > best[0]:
                best = (float(gain_B[place]), f, place)
        _, f, place = best
        asked.append((f, place))
        leaf_N = 2 * leaf_N + (binned[f][0] > place)
    return asked, leaf_N


def _gain(ratio: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return how much the loss falls where a leaf takes its own mean, up to what is the same for every question."""
    return -(rows + PRIOR) * np.log((np.maximum(ratio, 0.0) + PRIOR) / (np.maximum(rows, 0.0) + PRIOR))
