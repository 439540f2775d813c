"""Honest scores: each row judged by members that never saw it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from danlu.core.records import Score
from danlu.data import Target
from danlu.judging import score
from danlu.networks import predict
from danlu.networks.build import both_classes
from danlu.population import Trained
from danlu.workflow.training import Shipped, Trial


@dataclass(frozen=True)
class Judged:
    """Predictions on rows that their members never saw. R repeats, C outputs."""

    rows_N: np.ndarray
    predicted_RNC: np.ndarray
    scores: dict[str, Score]

    @property
    def mean_NC(self) -> np.ndarray:
        """What the R unseen members of each row say together."""
        return np.nanmean(self.predicted_RNC, axis=0)

    def arrays(self, target: Target) -> dict[str, np.ndarray]:
        """Return what the page draws: row numbers, truth and predictions."""
        return {
            "rows_N": self.rows_N,
            "truth_NC": target.values[self.rows_N],
            "predicted_NC": self.mean_NC.astype(np.float32),
        }


def unseen_predictions(trial: Trial, trained: Trained) -> tuple[np.ndarray, np.ndarray]:
    """Return (rows_N, predicted_RNC): the prediction of each judged row by its member of each repeat.

    A member that ended non-finite or was never begun judges nothing; rows without any judge are left out.
    """
    folds, target, spec = trial.folds, trial.examined.target, trial.network.spec
    alive = [m for m in trained.members if m.usable]
    index = [m.index for m in alive]
    outputs = predict(
        trial.network,
        trial.preparation,
        trained.weights_MP[index],
        trained.state_MS[index],
        torch.tensor([m.fold for m in alive]),
        trial.matrices.x_NF,
        trial.matrices.codes_NQ,
        rows_per_member=[folds.judged[m.fold] for m in alive],
    )
    repeats = sorted(set(folds.repeat))
    predicted = np.full((len(repeats), len(target.values), target.schema.outputs), np.nan)
    for member, output in zip(alive, outputs, strict=True):
        values = both_classes(output.cpu().double().numpy(), spec, target.schema)
        predicted[repeats.index(folds.repeat[member.fold]), folds.judged[member.fold]] = values
    rows = np.flatnonzero(np.isfinite(predicted).all(axis=2).any(axis=0))
    return rows, predicted[:, rows]


def judge(trial: Trial, trained: Trained) -> Judged:
    """Score each row by the members that did not learn from it."""
    examined, folds = trial.examined, trial.folds
    if folds.kind == "none":
        return Judged(np.arange(0), np.zeros((1, 0, examined.target.schema.outputs)), {})
    rows, predicted = unseen_predictions(trial, trained)
    special = {name: values[rows] for name, values in examined.special.items()}
    scores = score(
        examined.target.values[rows],
        predicted,
        examined.target.schema,
        kind=folds.kind,
        weight_N=special.get("weight"),
        groups_N=special.get("group"),
        times_N=special.get("time"),
        seed=trial.plan.seed,
    )
    return Judged(rows, predicted, scores)


@dataclass(frozen=True)
class Tested:
    """What the shipped members predict of the test table, and its scores; nothing without one."""

    predicted_MNC: np.ndarray | None
    scores: dict[str, Score]


def judge_test(trial: Trial, shipped: Shipped) -> Tested:
    """Score the shipped members together on the test table, once."""
    target, rows = trial.test_target, trial.test_rows
    if target is None or rows is None:
        return Tested(None, {})
    predicted_MNC = predict(
        trial.network,
        shipped.preparation,
        shipped.weights_MP,
        shipped.state_MS,
        shipped.fold_M,
        trial.matrices.x_NF[rows],
        trial.matrices.codes_NQ[rows],
    )
    assert isinstance(predicted_MNC, torch.Tensor)
    values = both_classes(predicted_MNC.cpu().double().numpy(), trial.network.spec, target.schema)
    kind = "test (watched)" if trial.plan.watch_test else "test"
    return Tested(values, score(target.values, values, target.schema, kind=kind, seed=trial.plan.seed))
