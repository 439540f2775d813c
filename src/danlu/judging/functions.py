"""Metrics of the user's own: functions of truth and predictions, or scorers of scikit-learn."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from math import isfinite
from typing import Any

import numpy as np

from danlu.core.errors import PlanError
from danlu.core.records import Score, TargetSchema
from danlu.judging.intervals import bootstrap
from danlu.judging.metrics import GREATER_IS_BETTER, Measured

RISING, FALLING = ("_score",), ("_error", "_loss", "_deviance")
"""Ends of names, as scikit-learn has them, of metrics of which more, or less, is better."""
MOST_ROWS = 20_000
"""Rows up to which an interval is drawn: a function is called for each resample."""
TRIED = 200
"""Rows that a function is tried on."""

Shown = Callable[[TargetSchema, np.ndarray, np.ndarray, np.ndarray | None], tuple[np.ndarray, np.ndarray]]
"""(target, truth, predicted_NC, codes of predicted classes, or None for probabilities) -> what a function is given."""


def as_named(
    target: TargetSchema, truth: np.ndarray, predicted_NC: np.ndarray, guess_N: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Return numbers `[N]` or `[N, C]`, or the names of classes; probabilities where there is no guess."""
    if target.task == "regression":
        truth_NC = np.asarray(truth).reshape(predicted_NC.shape)
        return (truth_NC[:, 0], predicted_NC[:, 0]) if predicted_NC.shape[1] == 1 else (truth_NC, predicted_NC)
    names = np.array(target.classes, dtype=object)
    if guess_N is not None:
        return names[truth], names[guess_N]
    return names[truth], predicted_NC[:, 1] if predicted_NC.shape[1] == 2 else predicted_NC


@dataclass(frozen=True)
class OwnMetric:
    """A metric that is a function of truth and predictions.

    Arguments:
        name: of the function.
        function: takes y_true and y_pred, and `sample_weight` by name where it has that argument; gives a number.
        greater: whether more is better.
        proba: whether y_pred are probabilities, of two classes those of the second one.
        shown: makes y_true and y_pred.
    """

    name: str
    function: Callable[..., Any]
    greater: bool
    proba: bool = False
    shown: Shown = as_named

    def value(
        self,
        target: TargetSchema,
        truth: np.ndarray,
        predicted_NC: np.ndarray,
        weight_N: np.ndarray | None = None,
        guess_N: np.ndarray | None = None,
    ) -> float:
        """Return the metric.

        Arguments:
            target: of the truth.
            truth: numbers `[N, C]` or class codes `[N]`.
            predicted_NC: numbers or probabilities.
            weight_N: weights of the rows; None, or where the function takes none: all count alike.
            guess_N: codes of the classes predicted; None: the likeliest.

        Raises:
            PlanError: the function raised an error, or gave no number.
        """
        if guess_N is None and target.task == "classification":
            guess_N = predicted_NC.argmax(axis=1)
        y_true, y_pred = self.shown(target, truth, predicted_NC, None if self.proba else guess_N)
        alike = weight_N is None or bool((weight_N == weight_N[:1]).all())
        weights = {} if alike or not _takes_weights(self.function) else {"sample_weight": weight_N}
        what = f"y_true {list(y_true.shape)} and y_pred {list(y_pred.shape)}"
        try:
            value = self.function(y_true, y_pred, **weights)
        except Exception as error:
            said = (str(error).splitlines() or [""])[0].rstrip(".")
            raise PlanError(
                f"the metric {self.name} must take {what}", f"it raised {type(error).__name__}: {said}"
            ) from error
        try:
            return float(value)
        except (TypeError, ValueError):
            fact = f"it gave {type(value).__name__} for {what}"
            raise PlanError(f"the metric {self.name} must give one number", fact, "Return a float.") from None


def own_metric(given: Any, setting: str = "metric", shown: Shown = as_named) -> OwnMetric:
    """Return the metric that a function, or a scorer made by `sklearn.metrics.make_scorer`, stands for.

    Arguments:
        given: the function; whether more is better says its attribute `greater_is_better`, or, as in scikit-learn, the
            end of its name: `_score`, or `_error`, `_loss` and `_deviance`.
        setting: what it was given for, for messages.
        shown: makes what the function is given.

    Raises:
        PlanError: nothing says whether more is better, or it has the name of another metric.

    >>> def within_one_score(y_true, y_pred):
    ...     return (abs(y_true - y_pred) <= 1).mean()
    >>> metric = own_metric(within_one_score)
    >>> target = TargetSchema(names=("y",), task="regression", outputs=1)
    >>> metric.greater, metric.value(target, np.array([[1.0], [2.0]]), np.array([[1.5], [5.0]]))
    (True, 0.5)
    """
    if isinstance(given, OwnMetric):
        return given
    function, greater, proba = given, getattr(given, "greater_is_better", None), False
    if hasattr(given, "_score_func") and hasattr(given, "_sign"):
        inner, response = given._score_func, getattr(given, "_response_method", "predict")
        function = functools.partial(inner, **given._kwargs) if given._kwargs else inner
        greater, proba = given._sign > 0, response != "predict"
    name = _name_of(function)
    if name in GREATER_IS_BETTER:
        raise PlanError(f"`{setting}` must have a name of its own", f"{name} is another metric", "Rename the function.")
    if greater is None and name.endswith((*RISING, *FALLING)):
        greater = name.endswith(RISING)
    if greater is None:
        raise PlanError(
            f"a function as `{setting}` must say whether more is better",
            f"{name} does not",
            f"Call it {name}_score or {name}_error, or use sklearn.metrics.make_scorer.",
        )
    return OwnMetric(name, function, bool(greater), proba, shown)


def try_metric(metric: OwnMetric, target: TargetSchema, truth: np.ndarray, weight_N: np.ndarray | None) -> None:
    """Call a metric on some rows, as if each was predicted to be like the row after it.

    Raises:
        PlanError: as of `OwnMetric.value`.
    """
    truth = truth[np.linspace(0, len(truth) - 1, min(TRIED, len(truth))).round().astype(int)]
    weight_N = None if weight_N is None else weight_N[: len(truth)]
    other = np.roll(truth, 1, axis=0)
    if target.task == "classification":
        said_NC = np.full((len(truth), len(target.classes)), 0.2 / len(target.classes))
        said_NC[np.arange(len(truth)), other] += 0.8
    else:
        said_NC = np.asarray(other, np.float64).reshape(len(truth), -1)
    metric.value(target, truth, said_NC, weight_N)


def own_score(  # noqa: PLR0913  what is scored, and how rows belong together
    metric: OwnMetric,
    target: TargetSchema,
    truth: np.ndarray,
    said_NC: np.ndarray,
    *,
    kind: str,
    weight_N: np.ndarray | None = None,
    guess_N: np.ndarray | None = None,
    unit_N: np.ndarray | None = None,
    seed: int = 0,
) -> Score:
    """Return a metric with its interval, by drawing rows anew; without one where there are more than 20,000 rows.

    Arguments:
        metric, target, truth, weight_N, guess_N: as of `OwnMetric.value`.
        said_NC: what the networks of each row say together.
        kind: of the rows.
        unit_N: what rows are drawn with, as `intervals.units` gives it.
        seed: of the run.
    """

    def of(rows: np.ndarray) -> float:
        weight, guess = (None if each is None else each[rows] for each in (weight_N, guess_N))
        return metric.value(target, truth[rows], said_NC[rows], weight, guess)

    def drawn(times_RN: np.ndarray) -> dict[str, Measured]:
        every = np.arange(len(truth))
        values = [of(np.repeat(every, times_N.astype(np.int64))) for times_N in times_RN]
        return {"own": Measured(np.array(values))}

    value, ends = of(np.arange(len(truth))), (None, None)
    if isfinite(value) and len(truth) <= MOST_ROWS:
        ends = bootstrap(drawn, np.ones(len(truth)), unit_N, seed, most=200).get("own", ends)
    low, high = ends
    return Score(value=value if isfinite(value) else None, low=low, high=high, rows=len(truth), kind=kind)


def _takes_weights(function: Callable[..., Any]) -> bool:
    try:
        return "sample_weight" in inspect.signature(function).parameters
    except (TypeError, ValueError):
        return False


def _name_of(function: Any) -> str:
    while isinstance(function, functools.partial):
        function = function.func
    return str(getattr(function, "__name__", type(function).__name__))
