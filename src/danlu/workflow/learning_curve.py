"""Learning curve over training size: what more rows would bring, measured on nested parts of each fold's rows.

Every size is a population of its own: one network for each of the folds, from the same first weights, prepared from
its own rows, with the settings of the run and as many steps as on all rows, so that only the rows differ. Fewer rows
are seen more often: schedules, warm-up and judgings are stretched alike. All are judged on the judged rows of their
fold. The last size is the run itself, which nothing here touches.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from danlu.core.errors import Interrupted, TrainingError
from danlu.core.plan import Plan
from danlu.core.records import LearningCurve, LearningPoint, Note, Progress
from danlu.judging import metrics_for
from danlu.judging.intervals import draws, limits, resamples, units
from danlu.judging.metrics import measures
from danlu.population import Trained
from danlu.workflow.checks import on_training_rows
from danlu.workflow.doubling import doublings
from danlu.workflow.judge import Judged, unseen_predictions
from danlu.workflow.sizes import Sizes, sizes, stretched
from danlu.workflow.training import Listener, Stop, Trial

A_STEP = 512
"""Rows whose passes cost as much as the rest of a step: the optimizer goes over all weights, however few the rows."""


class Course:
    """The sizes to train, and what is said of them on the way.

    Arguments:
        trial: of the run.
        sizes: all of them.
        seconds: that training took on all rows.
    """

    def __init__(self, trial: Trial, sizes: Sizes, seconds: float, on_progress: Listener) -> None:
        self.on_progress, self.sizes = on_progress, sizes
        whole = _steps(trial.plan, sizes.train[-1])
        self.plans = [stretched(trial.plan, whole / _steps(trial.plan, train)) for train in sizes.train[:-1]]
        of_all = _work(trial.plan, sizes.train[-1])
        self.work = [_work(plan, train) / of_all for plan, train in zip(self.plans, sizes.train, strict=False)]
        self.left, self.began = seconds * sum(self.work), time.perf_counter()

    def announce(self) -> None:
        """Say what it will cost, by what training on all rows took."""
        if self.on_progress is not None:
            self.on_progress(Progress(stage=f"learning curve, {self.sizes.words}", seconds_left=self.left))

    def told(self, place: int) -> Listener:
        """Return what tells the progress of one size."""
        tell = self.on_progress
        if tell is None:
            return None

        def say(progress: Progress) -> None:
            share = min(1.0, progress.epoch / max(1, progress.epochs))
            done, all_of_it = sum(self.work[:place]) + share * self.work[place], sum(self.work)
            spent = time.perf_counter() - self.began
            left = spent * (all_of_it - done) / done if place else self.left
            stage = f"learning curve, size {place + 1}/{len(self.work)}"
            tell(progress.model_copy(update={"stage": stage, "seconds_left": left, "wave": 1, "waves": 1}))

        return say


def _steps(plan: Plan, train: Sequence[np.ndarray]) -> int:
    """Return the steps of an epoch, of the fold that has most of them."""
    most = max(map(len, train))
    fitted = math.ceil(0.9 * most) if plan.early_stopping else most
    return 1 if plan.batch_size == "all" else math.ceil(fitted / (plan.batch_size or fitted))


def _work(plan: Plan, train: Sequence[np.ndarray]) -> float:
    """Return what training costs, in rows: a step costs its rows, and what it costs whatever they are."""
    steps = (plan.epochs or 1) * _steps(plan, train)
    rows = max(map(len, train))
    return steps * (A_STEP + (rows if plan.batch_size == "all" else min(rows, plan.batch_size or rows)))


@dataclass(frozen=True)
class Size:
    """One size, trained: its members, what they say of the judged rows, and their error on the rows learnt from."""

    plan: Plan
    trial: Trial
    trained: Trained
    judged: Judged


def learning_curve(
    trial: Trial, trained: Trained, judged: Judged, chosen: Sizes | None, on_progress: Listener, stop: Stop
) -> tuple[LearningCurve | None, tuple[Note, ...]]:
    """Train and judge all sizes; return the curve, and what is to be said of it.

    Arguments:
        trial: of the run.
        trained: its members, the curve's last point.
        judged: what they said of the rows that they are judged on.
        chosen: what `sizes` gave; None where no learning curve was asked for.
        on_progress: is told.
        stop: once true, only the sizes done so far are kept.
    """
    if chosen is None:
        return None, ()
    if trained.interrupted or not len(judged.rows_N):
        return None, (Note(topic="learning curve", text="left out: training was stopped before"),)
    chosen = sizes(trial.examined, trial.folds, trial.plan.seed)  # of the folds that the contest has come to
    course, notes = Course(trial, chosen, trained.seconds, on_progress), list(chosen.notes)
    course.announce()
    done: list[Size] = []
    for place, plan in enumerate(course.plans):
        own = trial.on_rows(chosen.train[place], plan)
        # All processes leave here together: none asks by itself whether to stop.
        try:
            again = own.train(course.told(place), stop)
        except TrainingError:
            continue
        except Interrupted:
            break
        if again.interrupted:
            break
        rows, predicted = unseen_predictions(own, again)
        if np.array_equal(rows, judged.rows_N):
            done.append(Size(plan, own, again, Judged(rows, predicted, {})))
    missing = len(course.plans) - len(done)
    if missing:
        text = f"{missing} of {len(course.plans)} sizes are missing: stopped, or numbers became NaN or infinite"
        notes.append(Note(topic="learning curve", text=text))
    if not done:
        return None, tuple(notes)
    # As the other sizes: without what was fitted on judged rows.
    done.append(Size(trial.plan, trial, trained, Judged(judged.rows_N, judged.predicted_RNC, {})))
    return _curve(trial, done, chosen.drawn), tuple(notes)


def _curve(trial: Trial, done: Sequence[Size], drawn: str) -> LearningCurve:
    """Judge all sizes on the same rows and the same resamples of them."""
    examined, rows = trial.examined, done[0].judged.rows_N
    name = metrics_for(examined.target.schema, trial.plan.metric)[0]
    special = {k: v[rows] for k, v in examined.special.items()}
    truth, weight = examined.target.values[rows], special.get("weight", np.ones(len(rows)))
    positive = examined.target.schema.positive
    measured = [measures(truth, size.judged.mean_NC, (name,), weight, positive=positive) for size in done]
    value_S = np.array([measure(weight[None])[name].value_R[0] for measure in measured])
    value_SR = np.empty((len(done), 0))
    unit = units(len(rows), special.get("group"), special.get("time"))
    if len(rows) > 1 and (unit is None or unit.max() > 0):
        chunks = [
            [measure(times * weight)[name].value_R for measure in measured]
            for times in draws(len(rows), resamples(len(rows)), trial.plan.seed, unit)
        ]
        value_SR = np.concatenate([np.stack(chunk) for chunk in chunks], axis=1)
    every = float(np.mean([len(own) for own in trial.folds.train]))
    points = tuple(_point(size, name, value_S[s], value_SR[s], every) for s, size in enumerate(done))
    last, expected, words = doublings(name, points, value_SR, trial.plan.seed, later="time" in special)
    return LearningCurve(
        metric=name, kind=trial.folds.kind, drawn=drawn, points=points, last=last, next=expected, words=words
    )


def _point(size: Size, name: str, value: float, value_R: np.ndarray, all_rows: float) -> LearningPoint:
    """Return what is known of one size.

    Arguments:
        value: of the networks of a row together.
        value_R: the same on resamples of the rows.
        all_rows: that a network learns from in the largest size, on average.
    """
    own_M, alive = _each_judged(size, name), [member for member in size.trained.members if member.usable]
    train, _ = on_training_rows(size.trial, size.trained, alive)
    rows = float(np.mean([len(own) for own in size.trial.folds.train]))
    low, high = limits(value_R) if value_R.size else (None, None)
    return LearningPoint(
        rows=round(rows),
        share=rows / all_rows,
        epochs=size.plan.epochs or 1,
        networks=len(alive),
        value=_finite(value),
        low=low,
        high=high,
        mean=_finite(np.mean(own_M)),
        spread=_finite(np.std(own_M, ddof=1)) if len(own_M) > 1 else None,
        train=train.get(name),
    )


def _each_judged(size: Size, name: str) -> np.ndarray:
    """Return the metric of each usable network on the rows that it is judged on."""
    folds, judged = size.trial.folds, size.judged
    repeats, values = sorted(set(folds.repeat)), []
    for member in size.trained.members:
        if member.usable:
            rows = folds.judged[member.fold]
            place = np.searchsorted(judged.rows_N, rows)
            said_NC = judged.predicted_RNC[repeats.index(folds.repeat[member.fold]), place]
            values.append(_metric(size.trial, name, rows, said_NC))
    return np.array(values)


def _metric(trial: Trial, name: str, rows: np.ndarray, said_NC: np.ndarray) -> float:
    """Return one metric of predictions of some rows, by their weights."""
    examined = trial.examined
    weight = examined.special.get("weight")
    own = np.ones(len(rows)) if weight is None else weight[rows]
    positive = examined.target.schema.positive
    measure = measures(examined.target.values[rows], said_NC, (name,), own, positive=positive)
    return float(measure(own[None])[name].value_R[0])


def _finite(value: float | np.floating) -> float | None:
    return float(value) if np.isfinite(value) else None
