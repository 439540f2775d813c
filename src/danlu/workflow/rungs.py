"""Rungs of a search: many settings trained side by side, on the same folds and in the same order of rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np

from danlu.core.errors import DanluError, Interrupted
from danlu.core.searched import Attempt, RungScore
from danlu.judging import metric
from danlu.judging.metrics import GREATER_IS_BETTER
from danlu.networks.build import describe, make_network
from danlu.population import Job, Members, Rows, Shelves, Trained, choose_precision
from danlu.population.dealt import train_dealt
from danlu.population.spread import joined
from danlu.search.space import Setting
from danlu.workflow.judge import unseen_predictions
from danlu.workflow.training import Listener, Stop, Trial

STUDIED = 8 << 20
"""Bytes of predictions that are kept of one training; those of larger tables are trained again."""
POINTS = 12
"""Points of the curves that are kept of each setting."""

Part = tuple[int, int]
"""The first fold, and the one behind the last."""


How = Literal["start", "earlier", "spread", "model"]
Curve = tuple[tuple[int, float | None], ...]
"""Epochs, and a metric after them."""


@dataclass
class Course:
    """One setting's training so far: the folds that it has, in the order in which they were trained.

    Arguments:
        trial: of all folds.
        predicted_NC: of all rows of the table, out of fold; NaN of those not judged yet.
        parts: what was trained; None of what only the study knows.
    """

    trial: Trial
    predicted_NC: np.ndarray
    parts: dict[Part, Trained | None] = field(default_factory=dict)
    broken: bool = False

    @classmethod
    def begin(cls, trial: Trial) -> Course:
        """Return the course of a trial of which nothing was trained."""
        target = trial.examined.target
        return cls(trial, np.full((len(target.values), target.schema.outputs), np.nan))

    @property
    def folds(self) -> int:
        """How many folds are done."""
        return max((last for _, last in self.parts), default=0)

    def take(self, part: Part, given: Trained | DanluError) -> None:
        """Take what training of some folds gave."""
        if isinstance(given, DanluError) or not all(member.usable for member in given.members):
            self.broken, self.parts[part] = True, None
            return
        rows_N, predicted_RNC = unseen_predictions(self.trial, given)
        self.predicted_NC[rows_N], self.parts[part] = predicted_RNC[0], given

    def curve(self) -> Curve:
        """Return the metric after some epochs: the mean over the folds that were trained first."""
        first = next(iter(sorted(self.parts.items())), (None, None))[1]
        if first is None:
            return ()
        epochs_J, judged_JM = (first.curves[name] for name in ("judged_epochs_J", "judged_JM"))
        every = max(1, len(epochs_J) // POINTS)
        places = sorted({*range(every - 1, len(epochs_J), every), len(epochs_J) - 1})
        values = [float(judged_JM[j].mean()) for j in places]
        return tuple((int(epochs_J[j]), v if np.isfinite(v) else None) for j, v in zip(places, values, strict=True))

    def whole(self) -> Trained:
        """Return the members of all folds."""
        parts = [(range(*part), trained) for part, trained in sorted(self.parts.items()) if trained is not None]
        return parts[0][1] if len(parts) == 1 else joined(parts, seconds=sum(trained.seconds for _, trained in parts))

    def error(self, name: str, rows: np.ndarray) -> float:
        """Return a metric of some rows as an error: the lower the better; infinite where it is not defined."""
        return np.inf if self.broken else error_of(self.trial, rows, self.predicted_NC[rows], name)


@dataclass
class Candidate:
    """A setting on its way through the rungs."""

    number: int
    how: How
    setting: dict[str, Any]
    place_D: np.ndarray
    course: Course
    scores: list[RungScore] = field(default_factory=list)
    error: float = np.inf
    """In the last rung that it came to."""
    curve: Curve | None = None
    """Of its training on a part of the rows, where it had one."""
    part_NC: np.ndarray | None = None
    """What that predicted of the judged rows; None where it broke, or they are too many to be kept."""

    def record(self) -> Attempt:
        """Return what is kept of it."""
        return Attempt(
            number=self.number,
            how=self.how,
            setting=self.setting,
            place=tuple(self.place_D.tolist()),
            parameters=self.course.trial.network.count,
            scores=tuple(self.scores),
            curve=self.course.curve() if self.curve is None else self.curve,
        )


def trial_of(base: Trial, setting: Setting, *, free: bool = True) -> Trial:
    """Return the trial of a setting on the same inputs and folds.

    Arguments:
        base: the trial that the search begins with.
        setting: what is other than there.
        free: whether the precision follows from the width; else it is the user's.
    """
    resolved, spec = base.plan.model_copy(update=dict(setting)), base.network.spec
    told = spec if spec.module is not None else describe(resolved, spec.layout, base.examined.target.schema, None)
    if told != spec and resolved.dtype == "float32" and free:
        resolved = resolved.model_copy(update={"precision": choose_precision(told, base.matrices.x_NF.device)})
    network = base.network if told == spec else make_network(told, None, resolved.dtype)
    return replace(base, network=network, plan=resolved)


def train_folds(
    courses: Sequence[Course],
    part: Part,
    shelves: Shelves,
    metric_name: str,
    on_progress: Listener,
    stop: Stop,
) -> bool:
    """Train some folds of several settings of one base; False where the user or the budget stopped it: nothing of it
    is taken then.

    Arguments:
        courses: of trials that share folds, inputs and matrices.
        part: the folds.
        shelves: of these.
        metric_name: of the curves.
        on_progress: told how far it is.
        stop: ends it.
    """
    if not courses:
        return True
    base = courses[0].trial
    fit_rows, watch_rows = base.fitted()
    rows = Rows(fit=fit_rows, judged=base.folds.judged, watched=watch_rows, before=base.before, stop_on=base.stop_on)
    device, dtype = base.matrices.x_NF.device, base.dtype
    jobs = []
    for course in courses:
        plan, network = course.trial.plan, course.trial.network
        members = Members.make(plan, len(fit_rows), base.folds.repeat, device=device, dtype=dtype, before=base.before)
        jobs.append(Job(network, members.select(range(*part)), plan))
    given = train_dealt(jobs, shelves, rows, metric=metric_name, on_progress=on_progress, stop=stop)
    if any(isinstance(each, Interrupted) or (isinstance(each, Trained) and each.interrupted) for each in given):
        return False
    for course, each in zip(courses, given, strict=True):
        course.take(part, each)
    return True


def error_of(trial: Trial, rows_N: np.ndarray, predicted_NC: np.ndarray, name: str) -> float:
    """Return a metric of the predictions of some rows as an error; infinite where it is not defined."""
    target, weight = trial.examined.target, trial.examined.special.get("weight")
    own = None if weight is None else weight[rows_N]
    value = metric(name, target.values[rows_N], predicted_NC, own, target.schema.positive)
    return (1 - value if GREATER_IS_BETTER[name] else value) if np.isfinite(value) else np.inf
