"""Class weights in the loss: what a row of each class counts, and what that does to probabilities."""

from __future__ import annotations

import numpy as np

from danlu.core.errors import PlanError, nearest
from danlu.core.plan import Plan
from danlu.data import Examined
from danlu.judging import metrics_for


def check_target(examined: Examined, plan: Plan) -> None:
    """Refuse a metric, class weights or a logarithm that the target cannot have.

    Raises:
        PlanError: they do not fit the task, a class is unknown, or a target is below 0 for rmsle or
            not above 0 for its logarithm.
    """
    target = examined.schema.target
    metrics_for(target, plan.metric)
    if plan.stop_on not in (None, "loss"):
        metrics_for(target, plan.stop_on, "stop_on")
    class_weights(examined, plan)
    logged = plan.scale_target in ("log", "mixed") and target.task == "regression"
    if "rmsle" in (plan.metric, plan.stop_on) or logged:
        least_C = np.asarray(examined.target.values).min(axis=0)
        place = int(least_C.argmin())
        has = f"`{target.names[place]}` has {least_C[place]:g}"
        if logged and least_C[place] <= 0:
            raise PlanError(
                f"`scale_target` {plan.scale_target} needs targets above 0", has, "Use --scale-target standard."
            )
        if least_C[place] < 0:
            setting = "metric" if plan.metric == "rmsle" else "stop_on"
            raise PlanError(f"`{setting}` rmsle needs targets of at least 0", has, "Use rmse or mae.")


def class_weights(examined: Examined, plan: Plan) -> np.ndarray | None:
    """Return the weight of each class, `[C]`, of mean 1 over rows; None where all classes weigh alike.

    Raises:
        PlanError: there are no classes, or none of a name.
    """
    asked, target = plan.class_weight, examined.schema.target
    if asked is None or asked == "none":
        return None
    if target.task != "classification":
        raise PlanError(
            "`class_weight` needs a target of classes", f"the task is {target.task}", "Leave it out, or use `weight`."
        )
    own_N = examined.special.get("weight", np.ones(len(examined.target.values)))
    rows_C = np.bincount(examined.target.values, own_N, len(target.classes))
    if asked == "balanced":
        weights_C = 1 / np.where(rows_C > 0, rows_C, rows_C.sum())
    else:
        assert isinstance(asked, dict)
        unknown = next((name for name in asked if name not in target.classes), None)
        if unknown is not None:
            raise PlanError(
                "`class_weight` must name classes of the target",
                f"there is no class {unknown!r}",
                nearest(unknown, target.classes) or f"The classes are {', '.join(target.classes[:10])}.",
            )
        weights_C = np.array([float(asked.get(name, 1.0)) for name in target.classes])
    weights_C = weights_C * rows_C.sum() / (weights_C @ rows_C)
    return None if np.allclose(weights_C, 1.0, rtol=1e-9) else weights_C


def shift_of(weights_C: np.ndarray | None) -> tuple[float, ...]:
    """Return what takes the weights out of the logarithms of probabilities; nothing without weights.

    A network whose loss counts class c w_c times learns probabilities in proportion to w_c p_c (Elkan 2001): divided
    by w_c they are those of the rows again.

    >>> [round(shift, 3) for shift in shift_of(np.array([0.5, 2.0]))]
    [0.693, -0.693]
    """
    return () if weights_C is None else tuple((-np.log(weights_C)).tolist())
