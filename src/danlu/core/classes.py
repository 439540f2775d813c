"""What can be asked of a metric and of classes, and what was settled about classes and their probabilities."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import Field

from danlu.core.errors import nearest
from danlu.core.record import Record

METRICS = ("rmse", "mae", "rmsle", "r2", "accuracy", "balanced-accuracy", "log-loss", "roc-auc", "f1", "brier")
"""What can be the main metric."""


ALIASES = {
    "auc": "roc-auc",
    "logloss": "log-loss",
    "root-mean-squared-error": "rmse",
    "mean-absolute-error": "mae",
    "root-mean-squared-log-error": "rmsle",
    "brier-score": "brier",
}


def check_metric(value: Any) -> Any:
    """Read the name of a metric; `auc` is `roc-auc`, and names of scikit-learn's scorers are known, too.

    >>> check_metric("auc"), check_metric("balanced accuracy"), check_metric("neg_log_loss")
    ('roc-auc', 'balanced-accuracy', 'log-loss')
    """
    return _one_of(METRICS, value)


def check_stop_on(value: Any) -> Any:
    """Read what early stopping watches: "loss", or the name of a metric.

    >>> check_stop_on("Loss"), check_stop_on("auc")
    ('loss', 'roc-auc')
    """
    return _one_of(("loss", *METRICS), value)


def _one_of(known: tuple[str, ...], value: Any) -> Any:
    if not isinstance(value, str):
        return value
    name = re.sub(r"[\s_]+", "-", value.strip().lower()).removeprefix("neg-")
    name = ALIASES.get(name, name)
    if name not in known:
        raise ValueError(f"must be one of {', '.join(known)}, got {value!r}. {nearest(name, known)}")
    return name


ClassWeight = Annotated[float, Field(gt=0, allow_inf_nan=False)]


def parse_class_weight(value: Any) -> Any:
    """Read class weights: "balanced", "none", "yes=5,no=1", or a mapping.

    >>> parse_class_weight("balanced"), parse_class_weight("yes=5,no=0.5")
    ('balanced', {'yes': 5.0, 'no': 0.5})
    """
    if isinstance(value, dict):
        return {str(name): weight for name, weight in value.items()}
    if not isinstance(value, str) or value in ("balanced", "none"):
        return value
    weights: dict[str, float] = {}
    for part in filter(None, (part.strip() for part in value.split(","))):
        name, _, number = part.rpartition("=")
        try:
            weights[name.strip()] = float(number)
        except ValueError:
            name = ""
        if not name.strip() or not 0 < weights[name.strip()] < float("inf"):
            raise ValueError(f"must be balanced, none, or CLASS=WEIGHT with weights above 0, got {part!r}")
    if not weights:
        raise ValueError(f"must be balanced, none, or CLASS=WEIGHT, got {value!r}")
    return weights


class Calibration(Record):
    """What makes probabilities of the networks' mean p: softmax(log p / temperature + shift).

    `log_loss` and `log_loss_before` are those of judged rows with and without the temperature, each row by a
    temperature that other rows gave; None where nothing was judged.
    """

    temperature: float = 1.0
    """Of the networks that predict; 1 where none was kept."""
    judged_temperature: float = 1.0
    """Of the networks that judge a row: these are fewer, and fewer networks are surer of themselves."""
    shift: tuple[float, ...] = ()
    """One number a class, minus the logarithm of its weight in the loss; empty without class weights."""
    kept: bool = False
    """Whether there is a temperature."""
    log_loss_before: float | None = None
    log_loss: float | None = None
    rows: int = 0


class Decision(Record):
    """Which class is predicted: the one whose probability times its weight is greatest.

    `value` and `value_before` are the metric of judged rows with these weights and with the likeliest class, each
    row by weights that other rows gave.
    """

    metric: str = ""
    """That the weights were chosen for; empty where they are the class weights of the loss."""
    weights: tuple[float, ...]
    threshold: float | None = None
    """Of two classes: the probability from which on the `positive` one is predicted."""
    positive: str = ""
    value_before: float | None = None
    value: float | None = None
    rows: int = 0
