"""Settings that compete on the same folds: the best one out of fold is kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from danlu.core.errors import Interrupted, TrainingError
from danlu.core.plan import Plan
from danlu.core.records import Note
from danlu.judging import GREATER_IS_BETTER, metric, metrics_for
from danlu.judging.metrics import DECIDED
from danlu.networks import Network
from danlu.population import Trained
from danlu.workflow.judge import unseen_predictions
from danlu.workflow.training import Listener, Stop, Trial


def contest(
    trial: Trial, rivals: Sequence[tuple[Network, Plan]], on_progress: Listener, stop: Stop
) -> tuple[Trial, Trained, tuple[Note, ...]]:
    """Train the trial's members and those of each rival, and return the best ones and what is to be said of it.

    Rivals share folds, order of rows and preparation, so that what they differ in is the setting alone. Of several
    repeats they are compared on the first, and a rival that wins is then trained on all. Where the user stops, what was
    complete is kept.
    """
    trained = trial.train(on_progress, stop)
    notes: list[Note] = []
    for network, plan in rivals:
        other = replace(trial, network=network, plan=plan.model_copy(update={"precision": trial.plan.precision}))
        first = other.first_repeat()
        again = _whole(first, on_progress, stop) if not trained.interrupted else None
        if again is None:
            break
        better, note = _compare(trial, trained, first, again)
        notes.append(note)
        if better and len(first.folds.repeat) < len(other.folds.repeat):
            again = _whole(other, on_progress, stop)
        if better and again is not None:
            trial, trained = other, again
    return trial, trained, tuple(notes)


def _whole(trial: Trial, on_progress: Listener, stop: Stop) -> Trained | None:
    """Return the trial's trained members; None where the user stopped, or none survived."""
    try:
        trained = trial.train(on_progress, stop)
    except (Interrupted, TrainingError):
        return None
    return None if trained.interrupted else trained


def _compare(trial: Trial, trained: Trained, other: Trial, again: Trained) -> tuple[bool, Note]:
    """Return whether the other one is better out of fold by the main metric, and the sentence that says so."""
    target = trial.examined.target
    name = metrics_for(target.schema, trial.plan.metric)[0]
    first, second = (_score(each, of, name) for each, of in ((trial, trained), (other, again)))
    # A share of rows must be greater by half of its rough standard error: of two settings a tenth of the rows differs.
    margin = 0.5 * np.sqrt(0.1 / max(1, len(target.values))) if name in DECIDED else 0.0
    better = bool(second > first + margin if GREATER_IS_BETTER[name] else second < first - margin)
    settings = [f"{t.plan.epochs} epochs, dropout {t.plan.dropout:g}" for t in (trial, other)]
    kept, lost = (settings[1], settings[0]) if better else (settings[0], settings[1])
    values = (second, first) if better else (first, second)
    text = f"{kept}, rather than {lost}: {name} out of fold {values[0]:.4f} against {values[1]:.4f}"
    return better, Note(topic="setting", text=text)


def _score(trial: Trial, trained: Trained, name: str) -> float:
    """Return the main metric of judged rows, each by the member of the first repeat that did not learn from it."""
    target, weight = trial.examined.target, trial.examined.special.get("weight")
    rows, predicted_RNC = unseen_predictions(trial, trained)
    said = np.isfinite(predicted_RNC[0]).all(1)
    rows = rows[said]
    own = None if weight is None else weight[rows]
    return metric(name, target.values[rows], predicted_RNC[0, said], own, target.schema.positive)
