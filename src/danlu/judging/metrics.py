"""Metrics of regression and classification, for one or many weightings of the same rows.

A bootstrap resample of rows is a weighting: how often each row was drawn, times its own weight. So one
implementation gives the score (one weighting) and its interval (hundreds), and nothing is copied per resample.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from danlu.core.errors import PlanError, nearest
from danlu.core.records import TargetSchema
from danlu.judging.ranks import ClassRanks

REGRESSION = ("rmse", "mae", "r2")
ON_REQUEST = ("rmsle",)
"""Metrics of numbers that are taken only where they are asked for: they do not suit every target."""
CLASSIFICATION = ("accuracy", "balanced-accuracy", "log-loss", "roc-auc", "f1", "brier", "ece")
DECIDED = ("accuracy", "balanced-accuracy", "f1")
"""Metrics of the class that is predicted; the others are of the probabilities."""
GREATER_IS_BETTER = {
    "rmse": False,
    "mae": False,
    "rmsle": False,
    "r2": True,
    "accuracy": True,
    "balanced-accuracy": True,
    "log-loss": False,
    "roc-auc": True,
    "f1": True,
    "brier": False,
    "ece": False,
}
BINS = 15
"""Equally wide bins of the calibration error, as Guo et al. (2017) took them."""


class Measured(NamedTuple):
    """A metric for R weightings, and its parts: targets in their own units, or classes. NaN: undefined."""

    value_R: np.ndarray
    parts_RP: np.ndarray | None = None


def metrics_for(target: TargetSchema, main: str | None = None, setting: str = "metric") -> tuple[str, ...]:
    """Return the names of the metrics of a task, the main one first: by default rmse or accuracy.

    Raises:
        PlanError: the main one does not fit the task.

    >>> price = TargetSchema(names=("price",), task="regression", outputs=1)
    >>> metrics_for(price), metrics_for(price, "rmsle")
    (('rmse', 'mae', 'r2'), ('rmsle', 'rmse', 'mae', 'r2'))
    """
    numeric = target.task == "regression"
    names = REGRESSION if numeric else CLASSIFICATION
    if main is None:
        return names
    known = (*names, *ON_REQUEST) if numeric else names
    if main not in known:
        raise PlanError(
            f"`{setting}` {main} needs {'classes' if numeric else 'a target of numbers'}",
            f"the task is {target.task}",
            f"Use --{setting.replace('_', '-')} {' or '.join(known[:2])}.",
        )
    return (main, *(name for name in names if name != main))


def curve_metric(target: TargetSchema, main: str | None = None) -> str:
    """Return the metric that members are judged by while they train: the main one, or the nearest that is a mean over
    rows.

    >>> kind = TargetSchema(names=("kind",), task="classification", classes=("a", "b"), outputs=2)
    >>> curve_metric(kind), curve_metric(kind, "roc-auc"), curve_metric(kind, "f1")
    ('accuracy', 'log-loss', 'accuracy')
    """
    name = metrics_for(target, main)[0]
    return {
        "r2": "rmse",
        "roc-auc": "log-loss",
        "brier": "log-loss",
        "balanced-accuracy": "accuracy",
        "f1": "accuracy",
    }.get(name, name)


def metric(
    name: str, truth: np.ndarray, predicted: np.ndarray, weight: np.ndarray | None = None, positive: int = 1
) -> float:
    """Return one metric; NaN where it is undefined.

    Arguments:
        name: one of `REGRESSION` or `CLASSIFICATION`.
        truth: [N] or [N, C] numbers, or [N] class codes.
        predicted: numbers of the truth's shape, or [N, C] probabilities.
        weight: [N] weights of rows.
        positive: of two classes, that which f1 is of.

    Raises:
        PlanError: there is no metric of that name.

    >>> metric("mae", np.array([1.0, 2.0]), np.array([1.0, 4.0]))
    1.0
    >>> metric("accuracy", np.array([0, 1]), np.array([[0.9, 0.1], [0.8, 0.2]]))
    0.5
    """
    if name not in GREATER_IS_BETTER:
        raise PlanError("a metric must be one that Danlu knows", f"got {name!r}", nearest(name, GREATER_IS_BETTER))
    weight_N = np.ones(len(truth)) if weight is None else np.asarray(weight, np.float64)
    measure = measures(truth, predicted, (name,), weight_N, positive=positive)
    return float(measure(weight_N[None])[name].value_R[0])


def measures(
    truth: np.ndarray,
    predicted: np.ndarray,
    names: tuple[str, ...],
    weight_N: np.ndarray,
    weightings: int = 1,
    *,
    positive: int = 1,
    guess_N: np.ndarray | None = None,
) -> Regression | Classification:
    """Return a callable that takes weightings [R, N] and gives the `Measured` of each of the names.

    Arguments:
        truth: [N] or [N, C] numbers, or [N] class codes.
        predicted: numbers of the truth's shape, or [N, C] probabilities.
        names: all of one task.
        weight_N: the rows' own weights, from which the units of several targets come.
        weightings: how many weightings will be asked for in all.
        positive: of two classes, that which f1 is of.
        guess_N: codes of the classes predicted; by default the likeliest.
    """
    if names[0] not in CLASSIFICATION:
        return Regression(truth, predicted, names, weight_N)
    return Classification(truth, predicted, names, weight_N, weightings, positive=positive, guess_N=guess_N)


def mean_defined(values: np.ndarray) -> np.ndarray:
    """Return the mean over the last axis of what is not NaN; NaN where nothing is left.

    >>> mean_defined(np.array([[1.0, np.nan, 3.0], [np.nan] * 3]))
    array([ 2., nan])
    """
    there = np.isfinite(values)
    count = there.sum(axis=-1)
    total = np.where(there, values, 0.0).sum(axis=-1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


class Regression:
    """rmse, mae, r2 and rmsle of one or several targets.

    Several targets in different units give the rmse (mae) of targets divided by the standard deviation of
    their truth; the unit stays the same in every resample. Targets whose truth is constant have no such
    unit and no r2: they are left out of the value, and the r2 is undefined where none is left.

    rmsle is the rmse of log(1 + y), the mean over all targets; predictions below 0 count as 0.

    Sums are taken of standardised values, so that neither 1e200 nor 1e-200 overflows.
    """

    def __init__(self, truth: np.ndarray, predicted: np.ndarray, names: tuple[str, ...], weight_N: np.ndarray) -> None:
        truth_NC = np.asarray(truth, np.float64).reshape(len(truth), -1)
        error_NC = truth_NC - np.asarray(predicted, np.float64).reshape(truth_NC.shape)
        self.names = names
        total = max(float(weight_N.sum()), np.finfo(float).tiny)
        counted_NC = truth_NC[weight_N > 0]
        self.varies_C = np.ptp(counted_NC, axis=0) > 0 if len(counted_NC) else np.zeros(truth_NC.shape[1], bool)
        centred_NC = truth_NC - (weight_N / total) @ truth_NC
        reach_C = np.where(self.varies_C, np.abs(centred_NC).max(axis=0, initial=0.0), 1.0)
        sd_C = np.sqrt((weight_N / total) @ np.square(centred_NC / reach_C)) * reach_C
        largest_C = np.abs(error_NC).max(axis=0, initial=0.0)
        self.unit_C = np.where(self.varies_C, sd_C, np.where(largest_C > 0, largest_C, 1.0))
        self.unit = float(self.unit_C[0]) if len(self.unit_C) == 1 else 1.0
        centred_NC, error_NC = centred_NC / self.unit_C, error_NC / self.unit_C
        with np.errstate(over="ignore"):  # a square of an absurd prediction may be infinite: undefined, then
            squares = np.square(error_NC)
        if "rmsle" in names:
            with np.errstate(invalid="ignore"):
                predicted_NC = np.maximum(np.asarray(predicted, np.float64).reshape(truth_NC.shape), 0.0)
                self.logs_NC = np.square(np.log1p(predicted_NC) - np.log1p(truth_NC))
        self.rows_N5C = np.stack(
            [np.ones_like(error_NC), squares, np.abs(error_NC), centred_NC, np.square(centred_NC)], axis=1
        )

    def __call__(self, weight_RN: np.ndarray, names: tuple[str, ...] | None = None) -> dict[str, Measured]:
        """Return the metrics for weightings [R, N]: all, or those of the names."""
        rows, five, width = self.rows_N5C.shape
        sums_R5C = (weight_RN @ self.rows_N5C.reshape(rows, -1)).reshape(-1, five, width)
        total_RC, squared_RC, absolute_RC, first_RC, second_RC = np.moveaxis(sums_R5C, 1, 0)
        with np.errstate(divide="ignore", invalid="ignore"):
            mse_RC, mae_RC = squared_RC / total_RC, absolute_RC / total_RC
            spread_RC = second_RC / total_RC - np.square(first_RC / total_RC)
            # Below 1e-12 (of 1, the standardised truth's own) lies rounding: all rows drawn have one value.
            r2_RC = np.where(self.varies_C & (spread_RC > 1e-12), 1 - mse_RC / spread_RC, np.nan)
        measured = {
            "rmse": Measured(np.sqrt(self._over_targets(mse_RC)) * self.unit, np.sqrt(mse_RC) * self.unit_C),
            "mae": Measured(self._over_targets(mae_RC) * self.unit, mae_RC * self.unit_C),
            "r2": Measured(mean_defined(r2_RC), r2_RC),
        }
        names = self.names if names is None else names
        if "rmsle" in names:
            with np.errstate(divide="ignore", invalid="ignore"):
                msle_RC = (weight_RN @ self.logs_NC) / weight_RN.sum(axis=1, keepdims=True)
            measured["rmsle"] = Measured(np.sqrt(msle_RC.mean(axis=1)), np.sqrt(msle_RC))
        return {name: measured[name] for name in names}

    def _over_targets(self, standardised_RC: np.ndarray) -> np.ndarray:
        """Return the one target's value, or the mean over those of several that vary."""
        if standardised_RC.shape[1] == 1:
            return standardised_RC[:, 0]
        return mean_defined(np.where(self.varies_C, standardised_RC, np.nan))


class Classification:
    """Accuracy, balanced accuracy, log-loss, ROC AUC, F1, Brier score and calibration error.

    - The class predicted is the likeliest, the first of equals, unless classes are given.
    - balanced-accuracy: the mean recall of the classes in the truth.
    - log-loss: natural logarithm; rows of probabilities are made to sum to 1 and kept 2.2e-16 from 0 and 1, as
      scikit-learn does for float64.
    - roc-auc: of the second of two classes; of more, the plain mean of each against the rest.
    - f1: of two classes that of the `positive` one; of more, the plain mean over classes that are in the truth or
      predicted; parts are those of every class.
    - brier: the mean squared error of the second of two probabilities; of more, the sum over classes.
    - ece: expected calibration error, how far the likeliest class's probability is from the share of rows that are
      of it, in 15 bins of equal width, each weighing as its rows do.
    """

    def __init__(
        self,
        truth: np.ndarray,
        predicted: np.ndarray,
        names: tuple[str, ...],
        weight_N: np.ndarray,
        weightings: int = 1,
        *,
        positive: int = 1,
        guess_N: np.ndarray | None = None,
    ) -> None:
        self.names, self.positive = names, positive
        self.truth_N = np.asarray(truth).astype(np.int64)
        predicted_NC = np.asarray(predicted, np.float64)
        self.width = predicted_NC.shape[1]
        likeliest_N = predicted_NC.argmax(axis=1)
        self.guess_N = likeliest_N if guess_N is None else guess_N
        self.hit_N = self.guess_N == self.truth_N
        if "brier" in names:
            self.square_N = squared_errors(self.truth_N, predicted_NC)
        if "ece" in names:
            sure_N = predicted_NC.max(axis=1)
            self.bin_N = np.minimum((sure_N * BINS).astype(np.int64), BINS - 1)
            self.gap_N = sure_N - (likeliest_N == self.truth_N)
        if "log-loss" in names:
            total_N = predicted_NC.sum(axis=1)
            chance_N = predicted_NC[np.arange(len(self.truth_N)), self.truth_N] / np.where(total_N > 0, total_N, 1.0)
            eps = np.finfo(np.float64).eps
            self.loss_N = -np.log(np.clip(chance_N, eps, 1 - eps))
        if "roc-auc" in names:
            self.ranks = ClassRanks(self.truth_N, predicted_NC, weight_N, weightings)

    def __call__(self, weight_RN: np.ndarray, names: tuple[str, ...] | None = None) -> dict[str, Measured]:
        """Return the metrics for weightings [R, N]: all, or those of the names."""
        names = self.names if names is None else names
        measured = self._counted(weight_RN) if set(DECIDED) & set(names) else {}
        if "log-loss" in names:
            with np.errstate(divide="ignore", invalid="ignore"):
                measured["log-loss"] = Measured((weight_RN @ self.loss_N) / weight_RN.sum(axis=1))
        if "roc-auc" in names:
            measured["roc-auc"] = Measured(mean_defined(self.ranks.areas(weight_RN)))
        if "brier" in names:
            with np.errstate(divide="ignore", invalid="ignore"):
                measured["brier"] = Measured((weight_RN @ self.square_N) / weight_RN.sum(axis=1))
        if "ece" in names:
            with np.errstate(divide="ignore", invalid="ignore"):
                gap_RB = np.stack([np.bincount(self.bin_N, w * self.gap_N, BINS) for w in weight_RN])
                measured["ece"] = Measured(np.abs(gap_RB).sum(axis=1) / weight_RN.sum(axis=1))
        return {name: measured[name] for name in names}

    def _counted(self, weight_RN: np.ndarray) -> dict[str, Measured]:
        """Return the metrics that need only the weights of hits, of true and of predicted classes."""
        key_N = 2 * self.truth_N + self.hit_N
        split_RC2 = np.stack([np.bincount(key_N, w, 2 * self.width) for w in weight_RN]).reshape(-1, self.width, 2)
        hits_RC, true_RC = split_RC2[..., 1], split_RC2.sum(axis=2)
        guessed_RC = np.stack([np.bincount(self.guess_N, w, self.width) for w in weight_RN])
        with np.errstate(divide="ignore", invalid="ignore"):
            # 0 / 0 is NaN, an absent class, which the means leave out.
            f1_RC = 2 * hits_RC / (true_RC + guessed_RC)
            f1_R = f1_RC[:, self.positive] if self.width == 2 else mean_defined(f1_RC)
            return {
                "accuracy": Measured(hits_RC.sum(axis=1) / true_RC.sum(axis=1)),
                "balanced-accuracy": Measured(mean_defined(hits_RC / true_RC)),
                "f1": Measured(f1_R, f1_RC),
            }


def squared_errors(truth_N: np.ndarray, predicted_NC: np.ndarray) -> np.ndarray:
    """Return the Brier score of each row: of two classes the squared error of one of both, else the sum over all.

    >>> squared_errors(np.array([1]), np.array([[0.4, 0.6]]))
    array([0.16])
    """
    own_N = predicted_NC[np.arange(len(truth_N)), truth_N]
    whole_N = np.square(predicted_NC).sum(axis=1) - np.square(own_N) + np.square(1 - own_N)
    return whole_N / 2 if predicted_NC.shape[1] == 2 else whole_N
