"""A rival of the best setting so far: trained on one fold, and on the others only where it is not worse there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from danlu.core.errors import Interrupted, TrainingError
from danlu.core.records import Note
from danlu.judging import GREATER_IS_BETTER, metric, metrics_for
from danlu.judging.metrics import DECIDED
from danlu.population import Trained
from danlu.workflow.judge import unseen_predictions
from danlu.workflow.training import Listener, Stop, Trial

FOLDS, ROWS = 3, 400
"""A race has a first fold where there are so many of them, and it judges so many rows. One of five, trained whole,
ranks settings as all do, with a correlation of 0.58 to 0.89 (docs/decisions/2026-11-21-search.md)."""

Told = tuple[Listener, Stop]
"""Who is told of a training, and what ends it."""


@dataclass(frozen=True)
class Rival:
    """A trial that competes: how it is made, what it is called beside the one that it competes with, and how much it
    trains, in rows times epochs; one that is `expected` to be better stays unless it is surely not."""

    make: Callable[[], Trial]
    name: str
    other: str
    work: float
    expected: bool = False


def race(trial: Trial, trained: Trained, rival: Rival, told: Told) -> tuple[Trial, Trained, Note] | None:
    """Train a rival, and return the better of both and the sentence that says so; None where that was stopped.

    Arguments:
        trial: the best one so far.
        trained: its members.
        rival: what competes with it, on the same folds.
        told: who is told, and what ends it.
    """
    other = rival.make()
    judged, name = other.folds.judged, metrics_for(trial.examined.target.schema, trial.plan.metric)[0]
    first = trial.part(0, 1), trained.first(1)
    alive = all(member.usable for member in first[1].members)
    if rival.expected or not alive or len(judged) < FOLDS or len(judged[0]) < ROWS:
        again = whole(other, *told)
    else:
        begun = other.part(0, 1)
        try:
            again = begun.train(*told)
        except TrainingError:
            lost = f"{rival.other}, rather than {rival.name}, whose network did not survive on the first fold"
            return trial, trained, Note(topic="setting", text=lost)
        except Interrupted:
            return None
        if again.interrupted:
            return None
        values = _score(*first, name), _score(begun, again, name)
        if _better(*values, name) < 0:
            return trial, trained, _said(rival.other, rival.name, values, f"{name} on the first fold")
        rest = whole(other.part(1), *told)
        again = None if rest is None else again.joined(rest)
    if again is None:
        return None
    values = _score(trial, trained, name), _score(other, again, name)
    # A share of rows must be greater by its rough standard error: of two settings a tenth of the rows differs.
    margin = np.sqrt(0.1 / max(1, len(trial.examined.target.values))) if name in DECIDED else 0.0
    if _better(*values, name) > (-margin if rival.expected else margin):
        return other, again, _said(rival.name, rival.other, values[::-1], f"{name} out of fold")
    return trial, trained, _said(rival.other, rival.name, values, f"{name} out of fold")


def work_of(trial: Trial) -> float:
    """Return how much a trial trains: rows times epochs, over all members."""
    return float(sum(len(rows) for rows in trial.folds.train)) * (trial.plan.epochs or 1)


def whole(trial: Trial, on_progress: Listener, stop: Stop) -> Trained | None:
    """Return the trial's trained members; None where the user stopped, or none survived."""
    try:
        trained = trial.train(on_progress, stop)
    except (Interrupted, TrainingError):
        return None
    return None if trained.interrupted else trained


def _better(first: float, second: float, name: str) -> float:
    """Return by how much the second of two values of a metric is better; minus infinity where it is none."""
    gain = second - first if GREATER_IS_BETTER[name] else first - second
    return gain if np.isfinite(second) else -np.inf


def _said(kept: str, lost: str, values: tuple[float, float], where: str) -> Note:
    return Note(topic="setting", text=f"{kept}, rather than {lost}: {where} {values[0]:,.6g} against {values[1]:,.6g}")


def _score(trial: Trial, trained: Trained, name: str) -> float:
    """Return the main metric of judged rows, each by the member that did not learn from it."""
    target, weight = trial.examined.target, trial.examined.special.get("weight")
    rows, predicted_RNC = unseen_predictions(trial, trained)
    said = np.isfinite(predicted_RNC[0]).all(1)
    rows = rows[said]
    own = None if weight is None else weight[rows]
    return metric(name, target.values[rows], predicted_RNC[0, said], own, target.schema.positive)
