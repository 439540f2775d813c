"""Which class to predict: weights of the classes, chosen for accuracy, balanced accuracy or f1.

The class predicted is the one whose probability times its weight is greatest. Of two classes that is a threshold:
the second class from probability w1 / (w1 + w2) on. Weights are moved one class at a time, to the best of all places
where the metric changes; for two classes that is the best threshold there is.
"""

from __future__ import annotations

import numpy as np

from danlu.judging.calibration import LEAST

MOST_ROWS = 20_000
"""Rows that the weights of more than two classes are chosen on at most."""
MOST_CLASSES = 20
"""Of more classes only the weights by their shares are tried: moving each would take too long and fit noise."""
SWEEPS = 3
BAGS, BAGGED_ROWS = 20, 400_000
"""Resamples whose best thresholds are averaged (Breiman 1996), fewer of many rows: that of one sample alone jumps."""
LEAST_SHARE = 1e-6


def shares_weights(truth_N: np.ndarray, classes: int, weight_N: np.ndarray) -> np.ndarray:
    """Return one over the share of each class: with true probabilities the best weights for balanced accuracy.

    >>> shares_weights(np.array([0, 0, 0, 1]), 2, np.ones(4)).round(2)
    array([0.25, 0.75])
    """
    share_C = np.bincount(truth_N, weight_N, classes)
    share_C = share_C / share_C.sum()
    inverse_C = np.where(share_C > 0, 1 / np.maximum(share_C, LEAST_SHARE), 0.0)
    # A class that no row has keeps the mean weight of the others.
    inverse_C[share_C == 0] = inverse_C[share_C > 0].mean()
    return inverse_C / inverse_C.sum()


def chosen_weights(
    name: str, truth_N: np.ndarray, predicted_NC: np.ndarray, weight_N: np.ndarray, *, positive: int, seed: int
) -> np.ndarray:
    """Return the weights of the classes that make a metric greatest, `[C]`, of sum 1.

    Arguments:
        name: accuracy, balanced-accuracy or f1.
        truth_N: class codes.
        predicted_NC: probabilities.
        weight_N: weights of rows.
        positive: of two classes, that which f1 is of.
        seed: of the resamples.
    """
    logits_NC = np.log(np.maximum(predicted_NC, LEAST))
    classes = logits_NC.shape[1]
    start_C = np.full(classes, 1 / classes)
    if name == "balanced-accuracy":
        start_C = shares_weights(truth_N, classes, weight_N)
    if classes > MOST_CLASSES:
        return start_C
    random = np.random.default_rng(seed)
    if classes > 2:
        if len(truth_N) > MOST_ROWS:
            rows = np.sort(random.choice(len(truth_N), MOST_ROWS, replace=False))
            truth_N, logits_NC, weight_N = truth_N[rows], logits_NC[rows], weight_N[rows]
        found_C = np.log(start_C)
        for _ in range(SWEEPS):
            for moved in range(classes):
                found_C[moved] = _moved(name, truth_N, logits_NC, found_C, moved, weight_N, positive)
        found_C = np.exp(found_C - found_C.max())
        return found_C / found_C.sum()
    found = []
    for _ in range(max(1, min(BAGS, BAGGED_ROWS // len(truth_N)))):
        drawn_N = weight_N * np.bincount(random.integers(0, len(truth_N), len(truth_N)), minlength=len(truth_N))
        kept = np.flatnonzero(drawn_N > 0)
        found.append(_moved(name, truth_N[kept], logits_NC[kept], np.log(start_C), 1, drawn_N[kept], positive))
    odds = np.exp(np.mean(found) - np.log(start_C[0]))
    return np.array([1, odds]) / (1 + odds)


def _moved(
    name: str,
    truth_N: np.ndarray,
    logits_NC: np.ndarray,
    log_C: np.ndarray,
    moved: int,
    weight_N: np.ndarray,
    positive: int,
) -> float:
    """Return the best logarithm of one class's weight, the others as they are: every place is looked at.

    From a weight of 0 on, rows join the class one by one, and leave the best of the others.
    """
    classes = logits_NC.shape[1]
    others_NC = logits_NC + log_C
    others_NC[:, moved] = -np.inf
    best_N = others_NC.argmax(axis=1)
    # The row joins where the logarithm of the weight is above this.
    joins_N = others_NC[np.arange(len(truth_N)), best_N] - logits_NC[:, moved]
    order = np.argsort(joins_N, kind="stable")
    joins_N, best_N, truth_N, weight_N = joins_N[order], best_N[order], truth_N[order], weight_N[order]
    leaves_NC = np.zeros((len(order) + 1, classes))
    lost_NC = np.zeros_like(leaves_NC)
    place = np.arange(1, len(order) + 1)
    leaves_NC[place, best_N] = weight_N
    lost_NC[place, best_N] = weight_N * (best_N == truth_N)
    guessed_NC = np.bincount(best_N, weight_N, classes) - np.cumsum(leaves_NC, axis=0)
    hits_NC = np.bincount(best_N, weight_N * (best_N == truth_N), classes) - np.cumsum(lost_NC, axis=0)
    guessed_NC[1:, moved] += np.cumsum(weight_N)
    hits_NC[1:, moved] += np.cumsum(weight_N * (truth_N == moved))
    value_N = _metric(name, hits_NC, guessed_NC, np.bincount(truth_N, weight_N, classes), positive)
    # Between rows that join at the same place there is no place.
    value_N[1:-1][joins_N[1:] <= joins_N[:-1]] = -np.inf
    best = int(np.nanargmax(value_N))
    below = joins_N[best - 1] if best else joins_N[0] - 1.0
    above = joins_N[best] if best < len(order) else joins_N[-1] + 1.0
    return float((below + above) / 2)


def _metric(name: str, hits_NC: np.ndarray, guessed_NC: np.ndarray, true_C: np.ndarray, positive: int) -> np.ndarray:
    """Return the metric at every place, from weights of hits, of rows predicted and of true rows by class."""
    if name == "accuracy":
        return hits_NC.sum(axis=1) / true_C.sum()
    there = true_C > 0
    if name == "balanced-accuracy":
        return (hits_NC[:, there] / true_C[there]).mean(axis=1)
    f1_NC = 2 * hits_NC / np.maximum(true_C + guessed_NC, LEAST)
    if len(true_C) == 2:
        return f1_NC[:, positive]
    counted_NC = (true_C + guessed_NC) > 1e-9 * true_C.sum()
    return np.where(counted_NC, f1_NC, 0.0).sum(axis=1) / counted_NC.sum(axis=1)
