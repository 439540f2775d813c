"""What a network must beat: a constant, and a linear model on the same features."""

from __future__ import annotations

import warnings
from typing import Any, NamedTuple

import numpy as np

from danlu.core.records import TargetSchema
from danlu.core.seeds import stream

MOST_ROWS = 50_000
"""Rows a linear baseline is trained on at most; beyond them its score hardly moves and its time does."""
MOST_ITERATIONS = 300


class Baseline(NamedTuple):
    """Predictions of a baseline, [N, C] in the user's units or probabilities, and the rows it learnt from."""

    predicted_NC: np.ndarray
    train_rows: int
    sampled: bool = False
    """Whether `train_rows` are a random part of those given."""


def constant_baseline(
    y_train: np.ndarray, judged_rows: int, target: TargetSchema, weight: np.ndarray | None = None
) -> Baseline:
    """Predict the mean of each target, or each class's share, for every judged row.

    Arguments:
        y_train: [N, C] numbers, or [N] class codes.
        judged_rows: how many rows to predict.
        target: the schema of the target.
        weight: [N] weights of the training rows.

    >>> target = TargetSchema(names=("kind",), task="classification", classes=("a", "b"), outputs=2)
    >>> constant_baseline(np.array([0, 0, 0, 1]), 1, target).predicted_NC
    array([[0.75, 0.25]])
    """
    weight_N = np.ones(len(y_train)) if weight is None else np.asarray(weight, np.float64)
    if target.task == "classification":
        share_C = np.bincount(y_train, weight_N, len(target.classes))
    else:
        share_C = weight_N @ np.asarray(y_train, np.float64).reshape(len(y_train), -1)
    return Baseline(np.tile(share_C / weight_N.sum(), (judged_rows, 1)), len(y_train))


def linear_baseline(
    x_train: np.ndarray,
    y_train: np.ndarray,
    x_judged: np.ndarray,
    target: TargetSchema,
    weight: np.ndarray | None = None,
    seed: int = 0,
) -> Baseline:
    """Predict with ridge regression or logistic regression of scikit-learn (penalties as it sets them).

    Inputs are standardised by the training rows. At most 50,000 training rows are used, drawn by the seed.
    A class without training rows gets probability 0. Logistic regression computes in the type of the inputs
    (float32 takes about half the time), ridge regression in float64.

    Arguments:
        x_train: [N, F] finite inputs, categories already one-hot.
        y_train: [N, C] numbers, or [N] class codes.
        x_judged: [J, F] inputs of the rows to predict.
        target: the schema of the target.
        weight: [N] weights of the training rows.
        seed: of the run.
    """
    rows, dtype = len(x_train), np.result_type(x_train, np.float32)
    if x_train.shape[1] == 0:
        return constant_baseline(y_train, len(x_judged), target, weight)
    weight_N = None if weight is None else np.asarray(weight, np.float64)
    if rows > MOST_ROWS:
        generator = np.random.default_rng(stream(seed, "linear baseline"))
        picked = np.sort(generator.choice(rows, MOST_ROWS, replace=False))
        x_train, y_train = x_train[picked], y_train[picked]
        weight_N = None if weight_N is None else weight_N[picked]
    x_train, x_judged = _standardised(x_train, x_judged)
    with warnings.catch_warnings():
        # Not converged after 300 iterations, or two columns alike: still a fair line to beat.
        warnings.simplefilter("ignore")
        if target.task == "classification":
            predicted = _logistic(x_train, y_train, x_judged, len(target.classes), weight_N, dtype)
        else:
            predicted = _ridge(x_train, y_train, x_judged, weight_N)
    return Baseline(predicted, len(x_train), rows > MOST_ROWS)


def _standardised(x_train: np.ndarray, x_judged: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return both with the training rows' means taken away and their standard deviations divided by."""
    x_train, x_judged = np.asarray(x_train, np.float64), np.asarray(x_judged, np.float64)
    mean_F, sd_F = x_train.mean(axis=0), x_train.std(axis=0)
    # A column that is constant but for rounding must not be blown up.
    sd_F = np.where(sd_F > 1e-10 * (1 + np.abs(mean_F)), sd_F, 1.0)
    return (x_train - mean_F) / sd_F, (x_judged - mean_F) / sd_F


def _ridge(x_train: np.ndarray, y_train: np.ndarray, x_judged: np.ndarray, weight_N: np.ndarray | None) -> np.ndarray:
    """Return ridge predictions [J, C] in the user's units."""
    from sklearn.linear_model import Ridge  # noqa: PLC0415  0.6 s that only a fit pays

    y_train = np.asarray(y_train, np.float64).reshape(len(y_train), -1)
    model: Any = Ridge()  # the stubs of scikit-learn refuse numpy's arrays
    model.fit(x_train, y_train, sample_weight=weight_N)
    return np.asarray(model.predict(x_judged)).reshape(len(x_judged), -1)


def _logistic(
    x_train: np.ndarray,
    y_train: np.ndarray,
    x_judged: np.ndarray,
    width: int,
    weight_N: np.ndarray | None,
    dtype: np.dtype,
) -> np.ndarray:
    """Return probabilities [J, width] of logistic regression in `dtype`, columns of unseen classes 0."""
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415  0.6 s that only a fit pays

    predicted_JC = np.zeros((len(x_judged), width))
    seen = np.unique(y_train)
    if len(seen) == 1:
        predicted_JC[:, seen[0]] = 1.0
        return predicted_JC
    model: Any = LogisticRegression(max_iter=MOST_ITERATIONS)
    x_train, x_judged = x_train.astype(dtype), x_judged.astype(dtype)
    from threadpoolctl import threadpool_limits  # noqa: PLC0415  time that only a fit pays

    # Its products are small: two threads of BLAS that wait for each other take 4 times as long.
    with threadpool_limits(1, "blas"):
        model.fit(x_train, y_train, sample_weight=weight_N)
    predicted_JC[:, model.classes_] = model.predict_proba(x_judged)
    return predicted_JC
