"""Scores of predictions, with their intervals, as records."""

from __future__ import annotations

from math import isfinite

import numpy as np

from danlu.core.records import Score, TargetSchema
from danlu.judging.intervals import bootstrap, resamples, units
from danlu.judging.metrics import Measured, measures, metrics_for


def score(
    truth: np.ndarray,
    predicted_RNC: np.ndarray,
    target: TargetSchema,
    *,
    kind: str,
    weight_N: np.ndarray | None = None,
    groups_N: np.ndarray | None = None,
    times_N: np.ndarray | None = None,
    seed: int = 0,
) -> dict[str, Score]:
    """Return every metric of the task, the main one first, on the mean of R predictions of each row.

    Rows that one of the R did not predict (NaN) are judged by the others; rows that none predicted are left
    out and not counted. `one_member` is the mean over R of each one's own metric; None where R is 1.

    Arguments:
        truth: [N, C] numbers in the user's units, or [N] class codes.
        predicted_RNC: numbers, or probabilities.
        target: the truth's schema.
        kind: out-of-fold, holdout, test or test (watched).
        weight_N: weights of rows.
        groups_N: codes of groups, which the interval draws whole.
        times_N: times, whose contiguous blocks the interval draws whole.
        seed: of the run.
    """
    names = metrics_for(target)
    predicted_RNC = np.asarray(predicted_RNC)
    there_RN = np.asarray(np.isfinite(predicted_RNC).all(axis=2))
    kept = np.flatnonzero(there_RN.any(axis=0))
    weight_N = np.ones(len(truth)) if weight_N is None else np.asarray(weight_N, np.float64)
    if len(kept) == 0 or not weight_N[kept].sum() > 0:
        return {name: Score(value=None, rows=0, kind=kind) for name in names}
    single = _one_member(truth, predicted_RNC, names, weight_N, there_RN)
    if len(kept) < len(truth):
        truth, predicted_RNC, there_RN, weight_N = (
            truth[kept],
            predicted_RNC[:, kept],
            there_RN[:, kept],
            weight_N[kept],
        )
        groups_N, times_N = (None if codes is None else codes[kept] for codes in (groups_N, times_N))
    together_NC = _together(predicted_RNC, there_RN)
    measure = measures(truth, together_NC, names, weight_N, resamples(len(truth)))
    point = measure(weight_N[None])
    bounds = bootstrap(measure, weight_N, units(len(truth), groups_N, times_N), seed)
    return {
        name: _record(name, point[name], target, bounds.get(name, (None, None)), len(truth), kind, single.get(name))
        for name in names
    }


def _together(predicted_RNC: np.ndarray, there_RN: np.ndarray) -> np.ndarray:
    """Return the mean over the R that predicted, [N, C] float64."""
    if len(predicted_RNC) == 1:
        return np.asarray(predicted_RNC[0], np.float64)
    total_NC = np.where(there_RN[..., None], predicted_RNC, 0.0).sum(axis=0, dtype=np.float64)
    return total_NC / there_RN.sum(axis=0)[:, None]


def _one_member(
    truth: np.ndarray, predicted_RNC: np.ndarray, names: tuple[str, ...], weight_N: np.ndarray, there_RN: np.ndarray
) -> dict[str, float | None]:
    """Return the mean over R of each one's own metrics; empty where R is 1."""
    if len(predicted_RNC) == 1:
        return {}
    own: dict[str, list[float]] = {name: [] for name in names}
    for predicted_NC, there_N in zip(predicted_RNC, there_RN, strict=True):
        if not weight_N[there_N].sum() > 0:
            continue
        weight = weight_N[there_N]
        measured = measures(truth[there_N], predicted_NC[there_N], names, weight)(weight[None])
        for name in names:
            own[name].append(float(measured[name].value_R[0]))
    return {name: _number(float(np.mean(values))) for name, values in own.items()}


def _number(value: float) -> float | None:
    """Return None for what is undefined."""
    return value if isfinite(value) else None


def _record(
    name: str,
    measured: Measured,
    target: TargetSchema,
    bounds: tuple[float | None, float | None],
    rows: int,
    kind: str,
    one_member: float | None,
) -> Score:
    """Return the record of one metric: parts are named by target where there are several, and by class for f1."""
    parts = None if measured.parts_RP is None else [_number(float(part)) for part in measured.parts_RP[0]]
    value = _number(float(measured.value_R[0]))
    low, high = bounds if value is not None else (None, None)
    several = target.task == "regression" and len(target.names) > 1
    return Score(
        value=value,
        low=low,
        high=high,
        rows=rows,
        kind=kind,
        per_target=dict(zip(target.names, parts, strict=True)) if parts and several else None,
        per_class=dict(zip(target.classes, parts, strict=True)) if parts and name == "f1" else None,
        one_member=one_member,
    )
