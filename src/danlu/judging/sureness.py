"""Scores of what a model says of its own errors: density, and coverage and width of its intervals."""

from __future__ import annotations

from math import isfinite

import numpy as np

from danlu.core.errors import PlanError
from danlu.core.records import Score, TargetSchema
from danlu.judging.conformal import Errors, Judgement
from danlu.judging.intervals import bootstrap, units
from danlu.judging.metrics import Measured

LEVEL = 0.9
"""Of the intervals that are judged."""
SURENESS = ("nll", "coverage", "width")
"""nll: mean of minus the logarithm of the density at the truth, in the target's unit. coverage: share of truths inside
their 90% interval. width: the mean width of these intervals. Of several targets nll and width are means over targets
divided by the standard deviation of their truth, and each target's own stands beside them."""


def judged_by(errors: Errors, truth_NC: np.ndarray, predicted_NC: np.ndarray, scale_NC: np.ndarray) -> Judgement:
    """Return what rows that nothing was learnt from say of the intervals and of the density."""
    surprise_NC = errors.surprise(truth_NC, predicted_NC, scale_NC)
    try:
        low_NC, high_NC = errors.interval(predicted_NC, scale_NC, LEVEL)
    except PlanError:
        low_NC = high_NC = np.full(truth_NC.shape, np.nan)
    return Judgement(low_NC, high_NC, surprise_NC)


def sureness(
    judged: Judgement,
    truth_NC: np.ndarray,
    target: TargetSchema,
    *,
    kind: str,
    weight_N: np.ndarray | None = None,
    groups_N: np.ndarray | None = None,
    times_N: np.ndarray | None = None,
    seed: int = 0,
) -> dict[str, Score]:
    """Return `SURENESS` as scores, with intervals by the same resamples of rows as the other metrics.

    Arguments:
        judged: of each row, by what the row had no part in.
        truth_NC: in the user's units.
        target: its schema.
        kind: as in `Score`.
        weight_N: weights of rows.
        groups_N: codes of groups.
        times_N: times.
        seed: of the run.
    """
    weight_N = np.ones(len(truth_NC)) if weight_N is None else np.asarray(weight_N, np.float64)
    counted = (weight_N > 0) & np.isfinite(judged.surprise_NC).all(axis=1)
    inside_NC = ((truth_NC >= judged.low_NC) & (truth_NC <= judged.high_NC)).astype(np.float64)
    inside_NC[~(np.isfinite(judged.low_NC) & np.isfinite(judged.high_NC))] = np.nan
    parts = {"nll": judged.surprise_NC, "coverage": inside_NC, "width": judged.high_NC - judged.low_NC}
    if not counted.any():
        return {name: Score(value=None, rows=0, kind=kind) for name in parts}
    weight_N, truth_NC = weight_N[counted], truth_NC[counted]
    parts = {name: value_NC[counted] for name, value_NC in parts.items()}
    groups_N, times_N = (None if each is None else each[counted] for each in (groups_N, times_N))
    several = truth_NC.shape[1] > 1
    spread_C = np.sqrt(np.average((truth_NC - np.average(truth_NC, 0, weight_N)) ** 2, 0, weight_N))
    unit_C = np.where(spread_C > 0, spread_C, 1.0) if several else np.ones(1)
    whole = {
        "nll": (parts["nll"] - np.log(unit_C)).mean(axis=1),
        "coverage": parts["coverage"].mean(axis=1),
        "width": (parts["width"] / unit_C).mean(axis=1),
    }

    def measure(weight_RN: np.ndarray) -> dict[str, Measured]:
        total_R = weight_RN.sum(axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            return {name: Measured((weight_RN @ value_N) / total_R) for name, value_N in whole.items()}

    bounds = bootstrap(measure, weight_N, units(len(weight_N), groups_N, times_N), seed)
    scores = {}
    for name, value_N in whole.items():
        value = float(np.average(value_N, weights=weight_N))
        low, high = bounds.get(name, (None, None)) if isfinite(value) else (None, None)
        own = [float(part) for part in np.average(parts[name], 0, weight_N)]
        each = {t: v if isfinite(v) else None for t, v in zip(target.names, own, strict=True)} if several else None
        value = value if isfinite(value) else None
        scores[name] = Score(value=value, low=low, high=high, rows=len(weight_N), kind=kind, per_target=each)
    return scores
