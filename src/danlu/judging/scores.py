"""Scores of predictions, with their intervals, as records."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite

import numpy as np

from danlu.core.records import Score, TargetSchema
from danlu.judging.intervals import bootstrap, resamples, units
from danlu.judging.metrics import Measured, measures, metrics_for


@dataclass(frozen=True)
class Reading:
    """What is made of predictions before they are scored.

    Arguments:
        main: the main metric; None for that of the task.
        together_NC: what the R together say, where that is not their mean: calibrated probabilities. Finite where any
            of the R is.
        decision: weights of the classes, `[C]` or `[N, C]`: the class predicted is the greatest of weight times
            probability; None for the likeliest.
    """

    main: str | None = None
    together_NC: np.ndarray | None = None
    decision: np.ndarray | None = None


PLAIN = Reading()


def score(  # noqa: PLR0913  what is scored, and how rows belong together
    truth: np.ndarray,
    predicted_RNC: np.ndarray,
    target: TargetSchema,
    *,
    kind: str,
    weight_N: np.ndarray | None = None,
    groups_N: np.ndarray | None = None,
    times_N: np.ndarray | None = None,
    seed: int = 0,
    reading: Reading = PLAIN,
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
        reading: the main metric, and what is made of the predictions.

    Raises:
        PlanError: the main metric does not fit the task.
    """
    names = metrics_for(target, reading.main)
    predicted_RNC = np.asarray(predicted_RNC)
    said_NC, decision = reading.together_NC, reading.decision
    there_RN = np.asarray(np.isfinite(predicted_RNC).all(axis=2))
    kept = np.flatnonzero(there_RN.any(axis=0))
    weight_N = np.ones(len(truth)) if weight_N is None else np.asarray(weight_N, np.float64)
    if len(kept) == 0 or not weight_N[kept].sum() > 0:
        return {name: Score(value=None, rows=0, kind=kind) for name in names}
    single = _one_member(truth, predicted_RNC, names, weight_N, there_RN, target.positive, decision)
    if len(kept) < len(truth):
        truth, predicted_RNC, there_RN, weight_N = (
            truth[kept],
            predicted_RNC[:, kept],
            there_RN[:, kept],
            weight_N[kept],
        )
        groups_N, times_N = (None if codes is None else codes[kept] for codes in (groups_N, times_N))
        said_NC = None if said_NC is None else said_NC[kept]
        decision = decision[kept] if decision is not None and decision.ndim == 2 else decision
    together_NC = _together(predicted_RNC, there_RN) if said_NC is None else said_NC
    chosen = {"positive": target.positive, "guess_N": decided(together_NC, decision)}
    measure = measures(truth, together_NC, names, weight_N, resamples(len(truth)), **chosen)
    point = measure(weight_N[None])
    # Of calibration errors, resampled rows have larger ones than the rows themselves: no interval.
    drawn = tuple(name for name in names if name != "ece")
    bounds = bootstrap(lambda w_RN: measure(w_RN, drawn), weight_N, units(len(truth), groups_N, times_N), seed)
    return {
        name: _record(name, point[name], target, bounds.get(name, (None, None)), len(truth), kind, single.get(name))
        for name in names
    }


def decided(predicted_NC: np.ndarray, decision: np.ndarray | None) -> np.ndarray | None:
    """Return the codes of the classes that a decision predicts; None where there is none.

    >>> decided(np.array([[0.7, 0.3], [0.9, 0.1]]), np.array([0.2, 0.8]))
    array([1, 0])
    """
    return None if decision is None else (predicted_NC * decision).argmax(axis=1)


def _together(predicted_RNC: np.ndarray, there_RN: np.ndarray) -> np.ndarray:
    """Return the mean over the R that predicted, [N, C] float64."""
    if len(predicted_RNC) == 1:
        return np.asarray(predicted_RNC[0], np.float64)
    total_NC = np.where(there_RN[..., None], predicted_RNC, 0.0).sum(axis=0, dtype=np.float64)
    return total_NC / there_RN.sum(axis=0)[:, None]


def _one_member(
    truth: np.ndarray,
    predicted_RNC: np.ndarray,
    names: tuple[str, ...],
    weight_N: np.ndarray,
    there_RN: np.ndarray,
    positive: int,
    decision: np.ndarray | None,
) -> dict[str, float | None]:
    """Return the mean over R of each one's own metrics; empty where R is 1."""
    if len(predicted_RNC) == 1:
        return {}
    own: dict[str, list[float]] = {name: [] for name in names}
    for predicted_NC, there_N in zip(predicted_RNC, there_RN, strict=True):
        if not weight_N[there_N].sum() > 0:
            continue
        weight = weight_N[there_N]
        weights = decision[there_N] if decision is not None and decision.ndim == 2 else decision
        guess_N = decided(predicted_NC[there_N], weights)
        measure = measures(truth[there_N], predicted_NC[there_N], names, weight, positive=positive, guess_N=guess_N)
        measured = measure(weight[None])
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
        of=target.classes[target.positive] if name == "f1" and len(target.classes) == 2 else None,
    )
