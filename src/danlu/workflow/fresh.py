"""What a search chose, judged on another repeat: other folds, other first weights, that it was not chosen on.

Errors of one repeat differ by the luck of first weights and batches as well as by the setting. The best of many
settings is the luckiest, too, which no drawing of rows tells: titanic's best of 115 had a log-loss of 0.401 out of
fold, the setting that the search began with 0.427, and with nine repeats each both had 0.406.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from danlu.data import Folds
from danlu.workflow.budget import ENDLESS, Budget
from danlu.workflow.judge import unseen_predictions
from danlu.workflow.racing import Told, whole
from danlu.workflow.rungs import error_of
from danlu.workflow.training import Trial


@dataclass(frozen=True)
class Fresh:
    """A second repeat of settings that were compared on the first one.

    Arguments:
        divide: into folds, of so many repeats.
        told: who is told of the trainings, and what ends them.
        one: seconds that one of them takes at most.
        budget: of the whole fit.
    """

    divide: Callable[[int], Folds]
    told: Told
    one: float
    budget: Budget = ENDLESS

    def trainings(self, trial: Trial) -> int:
        """Return how many trainings a look takes; 0 where rows are divided in one way only."""
        plan = trial.plan
        one_way = plan.fold_column is not None or plan.time is not None or bool(trial.given.pairs)
        return 0 if one_way else 2

    def doubt(self, first: Trial, chosen: Trial, metric: str) -> str:
        """Return why the chosen setting is not taken, or nothing."""
        if not self.trainings(first):
            return ""
        if self.budget.left_for_all < 2 * self.one:
            return "there is no time to see whether the best of the others is better on another repeat"
        errors = [self._error(trial, metric) for trial in (first, chosen)]
        if errors[1] < errors[0]:
            return ""
        return "the best of the others is not better on another repeat, of other folds and first weights"

    def _error(self, trial: Trial, metric: str) -> float:
        """Return the error of a setting on the second repeat alone; infinite where it was stopped."""
        plan = trial.plan.model_copy(update={"repeats": 2})
        one = replace(trial, plan=plan, folds=self.divide(2)).relearnt().repeats(1)
        trained = whole(one, *self.told)
        if trained is None:
            return np.inf
        rows_N, predicted_RNC = unseen_predictions(one, trained)
        return error_of(one, rows_N, predicted_RNC[0], metric)
