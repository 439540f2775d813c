"""Honest scores: each row judged by members that never saw it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch

from danlu.core.records import Score
from danlu.data import Target
from danlu.judging import Reading, score
from danlu.judging.calibration import calibrate
from danlu.judging.scores import decided
from danlu.networks import predict
from danlu.networks.build import both_classes
from danlu.population import Trained
from danlu.workflow.decide import Settled, settle
from danlu.workflow.training import Shipped, Trial

PLAIN = Settled(Reading())


@dataclass(frozen=True)
class Judged:
    """Predictions on rows that their members never saw, and what was made of them. R repeats, C outputs."""

    rows_N: np.ndarray
    predicted_RNC: np.ndarray
    scores: dict[str, Score]
    settled: Settled = PLAIN

    @property
    def mean_NC(self) -> np.ndarray:
        """What the R unseen members of each row say together, as it is."""
        return np.nanmean(self.predicted_RNC, axis=0)

    @property
    def said_NC(self) -> np.ndarray:
        """The same as calibrated probabilities, each row's by what the other rows gave."""
        said_NC = self.settled.reading.together_NC
        return self.mean_NC if said_NC is None else said_NC

    def arrays(self, target: Target) -> dict[str, np.ndarray]:
        """Return what the page draws: row numbers, truth, predictions, and where there is a decision classes."""
        guessed_N = decided(self.said_NC, self.settled.reading.decision)
        return {
            "rows_N": self.rows_N,
            "truth_NC": target.values[self.rows_N],
            "predicted_NC": self.said_NC.astype(np.float32),
        } | ({} if guessed_N is None else {"guessed_N": guessed_N})


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


def judge(trial: Trial, trained: Trained, shipped: int) -> Judged:
    """Score each row by the members that did not learn from it; `shipped` networks will predict."""
    examined, folds = trial.examined, trial.folds
    if folds.kind == "none":
        none = np.arange(0)
        nothing = np.zeros((1, 0, examined.target.schema.outputs))
        return Judged(none, nothing, {}, settle(trial, trained, none, nothing, shipped)[1])
    rows, predicted = unseen_predictions(trial, trained)
    plain, settled = settle(trial, trained, rows, predicted, shipped)
    special = {name: values[rows] for name, values in examined.special.items()}
    scores = score(
        examined.target.values[rows],
        plain,
        examined.target.schema,
        kind=folds.kind,
        weight_N=special.get("weight"),
        groups_N=special.get("group"),
        times_N=special.get("time"),
        seed=trial.plan.seed,
        reading=settled.reading,
    )
    return Judged(rows, predicted, scores, settled)


@dataclass(frozen=True)
class Tested:
    """What the shipped members predict of the test table, each and calibrated together, and its scores; nothing
    without one."""

    predicted_MNC: np.ndarray | None
    scores: dict[str, Score]
    together_NC: np.ndarray | None = None

    def arrays(self, target: Target | None, judged: Judged) -> dict[str, np.ndarray]:
        """Return truth and predictions for the page to draw, where no other rows were judged."""
        if target is None or self.together_NC is None or len(judged.rows_N):
            return {}
        return {"test_truth_NC": target.values, "test_predicted_NC": self.together_NC.astype(np.float32)}


def judge_test(trial: Trial, shipped: Shipped, settled: Settled) -> Tested:
    """Score the shipped members together on the test table, once, as they will predict."""
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
    together, reading, calibration = values.mean(axis=0), settled.shipped(), settled.calibration
    if calibration is not None:
        together = calibrate(together, calibration.temperature, calibration.shift)
        if calibration.shift:
            values = np.stack([calibrate(own, 1.0, calibration.shift) for own in values])
        reading = replace(reading, together_NC=together)
    scores = score(target.values, values, target.schema, kind=kind, seed=trial.plan.seed, reading=reading)
    return Tested(values, scores, together)
