"""Scores by a function of the user's own, beside those that have a name."""

from __future__ import annotations

import numpy as np

from danlu.core.records import Score
from danlu.data import Target
from danlu.judging.functions import OwnMetric, own_score
from danlu.judging.intervals import units
from danlu.judging.scores import decided
from danlu.workflow.judge import Judged, Tested
from danlu.workflow.training import Trial


def with_own(trial: Trial, judged: Judged, tested: Tested) -> tuple[dict[str, Score], dict[str, Score]]:
    """Return the scores of judged rows and of the test table, those by a function of the user's own behind them."""
    own, scores, test = trial.given.metric, judged.scores, tested.scores
    if own is None:
        return scores, test
    target, rows = trial.examined.target, judged.rows_N
    if len(rows):
        special = {name: values[rows] for name, values in trial.examined.special.items()}
        truth, decision = np.asarray(target.values)[rows], judged.settled.reading.decision
        unit_N = units(len(rows), special.get("group"), special.get("time"))
        found = _scored(own, target, truth, judged.said_NC, decision, trial.folds.kind, special.get("weight"), unit_N)
        scores = scores | {own.name: found}
    if trial.test_target is not None and tested.together_NC is not None:
        kind = "test (watched)" if trial.plan.watch_test else "test"
        decision = judged.settled.shipped().decision
        truth = np.asarray(trial.test_target.values)
        test = test | {own.name: _scored(own, trial.test_target, truth, tested.together_NC, decision, kind)}
    return scores, test


def _scored(
    own: OwnMetric,
    target: Target,
    truth: np.ndarray,
    said_NC: np.ndarray,
    decision: np.ndarray | None,
    kind: str,
    weight_N: np.ndarray | None = None,
    unit_N: np.ndarray | None = None,
) -> Score:
    guess_N = decided(said_NC, decision)
    return own_score(own, target.schema, truth, said_NC, kind=kind, weight_N=weight_N, guess_N=guess_N, unit_N=unit_N)
