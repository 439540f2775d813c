"""Metrics of the user's own, as they are given, and what early stopping watches."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from danlu.core.errors import PlanError
from danlu.core.plan import Plan
from danlu.core.records import NetworkSpec
from danlu.data import Examined
from danlu.judging import GREATER_IS_BETTER, metric
from danlu.judging.functions import OwnMetric, own_metric, try_metric
from danlu.networks.build import both_classes
from danlu.population.stopping import StopOn
from danlu.workflow.given import Given

AT_ONCE = ("rmse", "mae", "rmsle", "accuracy", "log-loss")
"""Metrics that are means over rows, or roots of one: they are taken for all members at once."""


def take_metrics(given: Given, settings: dict[str, Any]) -> tuple[Given, dict[str, Any]]:
    """Return functions among the keyword settings `metric` and `stop_on` with what else was given, and other settings.

    Raises:
        PlanError: nothing says whether more is better.
    """
    asked = {name: settings.get(name) for name in ("metric", "stop_on")}
    own = {name: own_metric(f, name) for name, f in asked.items() if callable(f) or isinstance(f, OwnMetric)}
    given = replace(given, metric=own.get("metric", given.metric), stop_on=own.get("stop_on", given.stop_on))
    return given, {name: value for name, value in settings.items() if name not in own}


def check_metrics(given: Given, plan: Plan, examined: Examined) -> None:
    """Try functions on some targets, before any network is trained.

    Raises:
        PlanError: one raises an error or gives no number, or early stopping is off.
    """
    if given.stop_on is not None and not plan.early_stopping:
        raise PlanError(
            "`stop_on` belongs to early stopping, which is off",
            f"got {given.stop_on.name}",
            "Use early_stopping=True, or leave it out.",
        )
    target, weight_N = examined.target, examined.special.get("weight")
    for own in (given.metric, given.stop_on):
        if own is not None:
            try_metric(own, target.schema, np.asarray(target.values), weight_N)


def watch(plan: Plan, given: Given, examined: Examined, spec: NetworkSpec) -> StopOn | None:
    """Return the metric that early stopping watches; None: the loss."""
    name, own, target = plan.stop_on, given.stop_on, examined.target.schema
    if not plan.early_stopping or (own is None and name in (None, "loss")):
        return None

    def of(truth: np.ndarray, predicted_NC: np.ndarray, weight_N: np.ndarray) -> float:
        predicted_NC = both_classes(predicted_NC, spec, target)
        if own is not None:
            return own.value(target, truth, predicted_NC, weight_N)
        return metric(str(name), truth, predicted_NC, weight_N, target.positive)

    if own is not None:
        return StopOn(own.name, own.greater, of)
    return StopOn(str(name), GREATER_IS_BETTER[str(name)], None if name in AT_ONCE else of)


def watched_by(plan: Plan, given: Given) -> str:
    """Return what the curve of watched rows shows; "" for the loss."""
    if given.stop_on is not None or not plan.early_stopping:
        return "" if given.stop_on is None else given.stop_on.name
    return "" if plan.stop_on in (None, "loss") else str(plan.stop_on)
