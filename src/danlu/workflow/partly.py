"""The first rung of a search with one fold: settings are trained on a part of the rows, and judged on the same ones."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from danlu.core.seeds import stream
from danlu.data.fold_ways import hold_out
from danlu.population import Shelves
from danlu.search.study import Known, Study
from danlu.workflow.rungs import STUDIED, Candidate, Course, train_folds
from danlu.workflow.studying import of_part
from danlu.workflow.training import Listener, Stop, Trial


class Partly:
    """Settings that learn from a part of the training rows: the same rows, in the same order, for all of them.

    Nothing of these trainings is kept but what they predict: who goes on is trained anew on all rows. The scores do not
    compare with those of whole trainings, so that they have a study of their own.

    Arguments:
        base: the trial that the search begins with, of one fold.
        share: of its training rows.
        study: of the whole trainings.
        rows: that are judged.
    """

    def __init__(self, base: Trial, share: float, study: Study, rows: np.ndarray) -> None:
        part = part_of(base, share)
        self.trial = base.on_rows((part,), base.plan)
        self.shelves = Shelves(base.matrices, self.trial.preparation)
        self.study = of_part(study, share, hashlib.sha256(part.tobytes()).hexdigest())
        self.rows = rows

    def train(
        self,
        going: Sequence[Candidate],
        trial_of: Callable[[dict[str, Any], Trial], Trial],
        names: tuple[str, str],
        on_progress: Listener,
        stop: Stop,
    ) -> list[Candidate] | None:
        """Give settings their error and curve on the part; return those that the study did not have: they were trained.

        None where that was stopped: nothing of it is taken then.

        Arguments:
            going: settings.
            trial_of: from a setting and a trial to the setting's trial on the same rows.
            names: the metric of the error, and that of the curve.
            on_progress: told how far it is.
            stop: ends it.
        """
        new = [candidate for candidate in going if not self._known(candidate)]
        courses = [Course.begin(trial_of(candidate.setting, self.trial)) for candidate in new]
        if not train_folds(courses, (0, 1), self.shelves, names[1], on_progress, stop):
            return None
        for candidate, course in zip(new, courses, strict=True):
            candidate.error, candidate.curve = course.error(names[0], self.rows), course.curve()
            said_NC = course.predicted_NC[self.rows]
            few = said_NC.nbytes <= STUDIED and np.isfinite(candidate.error)
            candidate.part_NC = said_NC if few else None
        return new

    def keep(self, candidate: Candidate, seconds: float) -> None:
        """Write what a setting gave into the study."""
        known = Known(candidate.error, seconds, candidate.part_NC)
        self.study.add(candidate.setting, 1, known, candidate.how, candidate.course.trial.plan.epochs or 1)

    def _known(self, candidate: Candidate) -> bool:
        """Take what the study has of a setting; False where it has nothing."""
        known = self.study.find(candidate.setting, 1)
        if known is None:
            return False
        candidate.error, candidate.part_NC, candidate.curve = known.error, known.predicted_NC, ()
        return True


def part_of(base: Trial, share: float) -> np.ndarray:
    """Return a share of the rows that a trial of one fold learns from, drawn by its seed: every class alike."""
    (train,), target = base.folds.train, base.examined.target
    classes = target.values[train] if target.schema.task == "classification" else None
    random = np.random.Generator(np.random.PCG64(stream(base.plan.seed, "part")))
    return train[hold_out(classes, len(train), share, random)]
