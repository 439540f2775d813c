"""Settings that compete on the same folds: the best one out of fold is kept."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from danlu.core.errors import Interrupted, TrainingError
from danlu.core.progress import Progress
from danlu.core.records import Note
from danlu.judging import GREATER_IS_BETTER, metric, metrics_for
from danlu.judging.metrics import DECIDED
from danlu.population import Trained
from danlu.workflow.budget import ENDLESS, Budget
from danlu.workflow.judge import unseen_predictions
from danlu.workflow.stages import staged
from danlu.workflow.training import Listener, Stop, Trial

PROBED = 0.15
"""Share of the time left after which a first training that would not end in time is begun anew, with fewer epochs."""
FITTED = 0.7
"""Share of the time left that it is then given."""


@dataclass(frozen=True)
class Rival:
    """A trial that competes: how it is made, what it is called beside the one that it competes with, and how much it
    trains, in rows times epochs. A `sure` one is better without a contest: the same, and more of it. A `whole` one is
    compared with all its repeats, which are not alike."""

    make: Callable[[], Trial]
    name: str
    other: str
    work: float
    sure: bool = False
    whole: bool = False


Challenge = Callable[[Trial, Trained, float], Rival | None]
"""From the best trial so far, what it trained, and how much there is time to train, to one that may be better, if there
is one."""


def contest(
    trial: Trial, challenges: Sequence[Challenge], on_progress: Listener, stop: Stop, budget: Budget = ENDLESS
) -> tuple[Trial, Trained, tuple[Note, ...]]:
    """Train the trial's members and those of each rival, and return the best ones and what is to be said of it.

    Rivals share folds and order of rows, so that what they differ in is the setting alone. Of several repeats they are
    compared on the first, and a rival that wins is then trained on all. Where the user stops, what was complete is
    kept. A rival is begun only where the budget is thought to suffice, by how long the first training took.
    """
    trial, trained, pace, notes = _begin(trial, on_progress, stop, budget)
    stop = budget.until(stop)
    for place, challenge in enumerate(challenges):
        most = budget.left / 1.1 / pace
        rival = challenge(trial, trained, most) if not trained.interrupted and most > 0 else None
        if rival is None:
            continue
        if rival.work > most:
            notes.append(Note(topic="budget", text=f"no time for {rival.name}: {_lasts(pace * rival.work, budget)}"))
            continue
        tell = staged(on_progress, f"train setting {place + 2} of {len(challenges) + 1}")
        other = rival.make()
        first = other if rival.sure or rival.whole else other.first_repeat()
        again = _whole(first, tell, stop)
        if again is None:
            break
        better, note = (True, _more(rival)) if rival.sure else _compare(trial, trained, first, again, rival)
        notes.append(note)
        if better and len(first.folds.repeat) < len(other.folds.repeat):
            again = _whole(other, tell, stop)
        if better and again is not None:
            trial, trained = other, again
    return trial, trained, tuple(notes)


def work_of(trial: Trial) -> float:
    """Return how much a trial trains: rows times epochs, over all members."""
    return float(sum(len(rows) for rows in trial.folds.train)) * (trial.plan.epochs or 1)


def _begin(trial: Trial, on_progress: Listener, stop: Stop, budget: Budget) -> tuple[Trial, Trained, float, list[Note]]:
    """Train the first trial, and return it, seconds of a unit of work, and notes; with fewer epochs where the budget
    asks for it."""
    clock, given, share = time.perf_counter(), budget.left, [0.0]

    def tell(progress: Progress) -> None:
        if progress.epochs:
            share[0] = ((progress.wave - 1) + progress.epoch / progress.epochs) / progress.waves
        if on_progress:
            on_progress(progress)

    def hopeless() -> bool:
        spent = time.perf_counter() - clock
        return spent > PROBED * given and share[0] > 0 and spent / share[0] > given

    bounded = budget.until(stop)
    probing = bounded if budget is ENDLESS else lambda: bool(bounded and bounded()) or hopeless()
    trained = trial.train(tell if budget is not ENDLESS else on_progress, probing)
    notes: list[Note] = []
    if trained.interrupted and not (stop and stop()) and budget.left > 0 and share[0]:
        pace = (time.perf_counter() - clock) / share[0]
        epochs = max(1, int((trial.plan.epochs or 1) * FITTED * budget.left / pace))
        notes.append(Note(topic="budget", text=f"{epochs} epochs instead of {trial.plan.epochs}, to end in time"))
        trial = replace(trial, plan=trial.plan.model_copy(update={"epochs": epochs}))
        clock = time.perf_counter()
        trained = trial.train(on_progress, bounded)
    return trial, trained, (time.perf_counter() - clock) / max(work_of(trial), 1.0), notes


def _lasts(seconds: float, budget: Budget) -> str:
    return f"about {seconds:.3g} s, {max(0.0, budget.left):.3g} s are left to train"


def _more(rival: Rival) -> Note:
    return Note(topic="setting", text=f"{rival.name}, rather than {rival.other}")


def _whole(trial: Trial, on_progress: Listener, stop: Stop) -> Trained | None:
    """Return the trial's trained members; None where the user stopped, or none survived."""
    try:
        trained = trial.train(on_progress, stop)
    except (Interrupted, TrainingError):
        return None
    return None if trained.interrupted else trained


def _compare(trial: Trial, trained: Trained, other: Trial, again: Trained, rival: Rival) -> tuple[bool, Note]:
    """Return whether the other one is better out of fold by the main metric, and the sentence that says so."""
    target = trial.examined.target
    name = metrics_for(target.schema, trial.plan.metric)[0]
    first, second = (_score(each, of, name, whole=rival.whole) for each, of in ((trial, trained), (other, again)))
    # A share of rows must be greater by half of its rough standard error: of two settings a tenth of the rows differs.
    margin = 0.5 * np.sqrt(0.1 / max(1, len(target.values))) if name in DECIDED else 0.0
    better = bool(second > first + margin if GREATER_IS_BETTER[name] else second < first - margin)
    kept, lost = (rival.name, rival.other) if better else (rival.other, rival.name)
    values = (second, first) if better else (first, second)
    text = f"{kept}, rather than {lost}: {name} out of fold {values[0]:,.6g} against {values[1]:,.6g}"
    return better, Note(topic="setting", text=text)


def _score(trial: Trial, trained: Trained, name: str, *, whole: bool) -> float:
    """Return the main metric of judged rows, each by the member of the first repeat that did not learn from it, or,
    `whole`, by those of all repeats together."""
    target, weight = trial.examined.target, trial.examined.special.get("weight")
    rows, predicted_RNC = unseen_predictions(trial, trained)
    predicted_NC = np.nanmean(predicted_RNC, axis=0) if whole else predicted_RNC[0]
    said = np.isfinite(predicted_NC).all(1)
    rows = rows[said]
    own = None if weight is None else weight[rows]
    return metric(name, target.values[rows], predicted_NC[said], own, target.schema.positive)
