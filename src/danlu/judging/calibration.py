"""Temperature scaling (Guo et al. 2017): one number that makes probabilities less, or more, sure.

It is fitted on predictions of rows by networks that did not learn from them, and never changes which class is
likeliest. The networks that predict are more than those that judge a row, and a mean of more networks is less sure of
itself by two effects: their mistakes average out, and so does their confidence. `for_more` corrects the temperature
by how far networks disagree; docs/decisions/2026-11-21-calibration.md has what that is worth.
"""

from __future__ import annotations

import numpy as np

LEAST = float(np.finfo(np.float32).tiny)
"""Probabilities below this count as this: their logarithm stays finite."""
WIDEST = 20.0
"""Temperatures lie between 1 / 20 and 20."""
MOST_ROWS = 200_000
"""Rows that a temperature is fitted on at most: it is known to a thousandth by then."""
ENOUGH = 2.0
"""Gain in log-likelihood that a temperature must bring: twice it is beyond chance in 1 of 22 cases (chi-squared)."""


def calibrate(predicted_NC: np.ndarray, temperature: float | np.ndarray, shift: tuple[float, ...] = ()) -> np.ndarray:
    """Return probabilities softmax(log p / temperature + shift), `[N, C]` float64.

    Arguments:
        predicted_NC: probabilities.
        temperature: one number, or one a row, `[N]`.
        shift: one number a class, or none.

    >>> calibrate(np.array([[0.8, 0.2]]), 2.0).round(3)
    array([[0.667, 0.333]])
    """
    logits_NC = np.log(np.maximum(np.asarray(predicted_NC, np.float64), LEAST))
    logits_NC /= np.reshape(temperature, (-1, 1))
    if shift:
        logits_NC += np.asarray(shift)
    logits_NC -= logits_NC.max(axis=1, keepdims=True)
    np.exp(logits_NC, out=logits_NC)
    return logits_NC / logits_NC.sum(axis=1, keepdims=True)


def temperature_of(
    truth_N: np.ndarray,
    predicted_NC: np.ndarray,
    weight_N: np.ndarray | None = None,
    shift: tuple[float, ...] = (),
) -> float:
    """Return the temperature that makes the truth likeliest; 1 where the gain could be chance.

    The loss is convex in 1 / temperature: Newton's method, in bounds. To be surer, each row counts as another class
    with probability 1 / (N + 2), spread over all (Platt 1999): few rows that are all right are no proof of certainty.

    Arguments:
        truth_N: class codes.
        predicted_NC: probabilities.
        weight_N: weights of rows; their mean does not count.
        shift: what `calibrate` will add, one number a class.

    >>> round(temperature_of(np.arange(200) % 4 // 3, np.tile([0.9, 0.1], (200, 1))), 2)
    2.0
    """
    step = -(-len(truth_N) // MOST_ROWS) or 1
    truth_N, predicted_NC = np.asarray(truth_N)[::step], np.asarray(predicted_NC)[::step]
    weight_N = np.ones(len(truth_N)) if weight_N is None else np.asarray(weight_N, np.float64)[::step]
    if not weight_N.sum() > 0:
        return 1.0
    weight_N = weight_N / weight_N.mean()
    logits_NC = np.log(np.maximum(np.asarray(predicted_NC, np.float64), LEAST))
    # The true class lies at 0: then the loss of a row is the logarithm of a sum of exponentials.
    logits_NC = logits_NC - logits_NC[np.arange(len(truth_N)), truth_N][:, None]
    shift_C = np.asarray(shift) if shift else np.zeros(logits_NC.shape[1])
    shift_NC = shift_C - shift_C[truth_N][:, None]
    logit_N = logits_NC.mean(axis=1)

    def at(inverse: float, doubt: float) -> tuple[float, float, float]:
        scaled_NC = inverse * logits_NC + shift_NC
        top_N = scaled_NC.max(axis=1)
        power_NC = np.exp(scaled_NC - top_N[:, None])
        total_N = power_NC.sum(axis=1)
        mean_N = (power_NC * logits_NC).sum(axis=1) / total_N
        square_N = (power_NC * np.square(logits_NC)).sum(axis=1) / total_N
        loss = float(weight_N @ (np.log(total_N) + top_N - doubt * inverse * logit_N))
        return loss, float(weight_N @ (mean_N - doubt * logit_N)), float(weight_N @ (square_N - np.square(mean_N)))

    def best(doubt: float) -> float:
        low, high, inverse = 1 / WIDEST, WIDEST, 1.0
        _, slope, curvature = at(1.0, doubt)
        for _ in range(60):
            if slope > 0:
                high = inverse
            else:
                low = inverse
            proposed = inverse - slope / curvature if curvature > 0 else inverse
            proposed = proposed if low < proposed < high else float(np.sqrt(low * high))
            done = abs(proposed - inverse) <= 1e-9 * inverse
            inverse = proposed
            _, slope, curvature = at(inverse, doubt)
            if done:
                break
        return inverse

    inverse = best(0.0)
    gain = at(1.0, 0.0)[0] - at(inverse, 0.0)[0]
    if inverse > 1:
        inverse = max(1.0, best(1 / (np.count_nonzero(weight_N) + 2)))
    return 1 / inverse if gain > ENOUGH else 1.0


def disagreement(first_NC: np.ndarray, second_NC: np.ndarray) -> float:
    """Return the variance among networks of the log-odds of a row's two likeliest classes: half the mean square of the
    difference between two of them.

    >>> disagreement(np.array([[0.5, 0.5]]), np.array([[0.25, 0.75]])).__round__(4)
    0.6035
    """
    pair_N2 = np.argsort(-(first_NC + second_NC), axis=1, kind="stable")[:, :2]
    return float(np.mean(np.square(_odds(first_NC, pair_N2) - _odds(second_NC, pair_N2)))) / 2 if len(pair_N2) else 0.0


def spread(predicted_NC: np.ndarray) -> float:
    """Return the mean square of the log-odds of the two likeliest classes."""
    pair_N2 = np.argsort(-predicted_NC, axis=1, kind="stable")[:, :2]
    return float(np.mean(np.square(_odds(predicted_NC, pair_N2)))) if len(pair_N2) else 0.0


def _odds(predicted_NC: np.ndarray, pair_N2: np.ndarray) -> np.ndarray:
    logits_N2 = np.log(np.maximum(np.take_along_axis(np.asarray(predicted_NC, np.float64), pair_N2, 1), LEAST))
    return logits_N2[:, 0] - logits_N2[:, 1]


def for_more(temperature: float, judged: float, shipped: float, variance: float, square: float) -> float:
    """Return the temperature of the mean of `shipped` networks, from that of the mean of `judged` networks.

    It moves towards 1, and where probabilities were too sure not beyond: networks that know a row by heart disagree
    with those that never saw it by more than two that never did.

    Log-odds z of a network are taken as m + e, with e of variance s^2 its own. Of r networks, m is best guessed by
    z q / (q + s^2 / r), where q is the mean square of m; and the mean of r probabilities has log-odds divided by
    sqrt(1 + pi s^2 (1 - 1 / r) / 8) (MacKay 1992).

    Arguments:
        temperature: fitted on means of `judged` networks.
        judged: networks that judged a row.
        shipped: networks that predict.
        variance: s^2, what `disagreement` gave.
        square: what `spread` gave, of means of `judged` networks.

    >>> for_more(1.2, 1, 1, 0.3, 5.0), round(for_more(1.2, 1, 10, 0.3, 5.0), 4)
    (1.2, 1.0794)
    """
    own = max(square - variance / judged, variance, LEAST)

    def factor(networks: float) -> float:
        return (1 + variance / networks / own) / np.sqrt(1 + np.pi * variance * (1 - 1 / networks) / 8)

    foreseen = float(temperature * factor(shipped) / factor(judged))
    return max(foreseen, 1.0) if temperature > 1 else foreseen
