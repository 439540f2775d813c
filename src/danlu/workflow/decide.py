"""What is made of the networks' probabilities: calibrated ones, and the class that is predicted.

All of it is fitted on judged rows: for their scores each row gets what the other rows give, and what is shipped is
fitted on all of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from danlu.core.records import Calibration, Decision, Note, TargetSchema
from danlu.core.seeds import stream
from danlu.judging import GREATER_IS_BETTER, Reading, metric
from danlu.judging.calibration import calibrate, disagreement, for_more, spread, temperature_of
from danlu.judging.crossfit import cross_fitted, parts_of
from danlu.judging.metrics import DECIDED, measures
from danlu.judging.scores import decided
from danlu.judging.thresholds import chosen_weights
from danlu.networks import predict
from danlu.networks.build import both_classes
from danlu.population import Trained
from danlu.workflow.training import Trial
from danlu.workflow.weighting import class_weights, shift_of

LOOKED_AT, ASKED = 2000, 8
"""Judged rows on which networks are compared with each other, and how many networks."""


@dataclass(frozen=True)
class Settled:
    """What was settled: how judged rows are read, and what is shipped."""

    reading: Reading
    calibration: Calibration | None = None
    decision: Decision | None = None
    notes: tuple[Note, ...] = ()

    def shipped(self) -> Reading:
        """Return how predictions of the shipped networks are read, but for the calibration."""
        weights = None if self.decision is None else np.array(self.decision.weights)
        return Reading(self.reading.main, None, weights)


@dataclass(frozen=True)
class Fitted:
    """Judged rows of a classification: truth, weights and parts, `[N]`; probabilities of each repeat, `[R, N, C]`."""

    truth_N: np.ndarray
    weight_N: np.ndarray
    part_N: np.ndarray
    predicted_RNC: np.ndarray
    shift: tuple[float, ...]

    @property
    def mean_NC(self) -> np.ndarray:
        """What the networks that judge a row say together."""
        return np.nanmean(self.predicted_RNC, axis=0)


def settle(
    trial: Trial, trained: Trained, rows_N: np.ndarray, predicted_RNC: np.ndarray, shipped: int
) -> tuple[np.ndarray, Settled]:
    """Return the probabilities of each repeat, without the class weights that were in the loss, and what was settled.

    Arguments:
        trial: of the run.
        trained: its members.
        rows_N: judged rows.
        predicted_RNC: what their unseen members say, of each repeat.
        shipped: how many networks will predict.
    """
    target, plan = trial.examined.target.schema, trial.plan
    if target.task != "classification":
        return predicted_RNC, Settled(Reading(plan.metric))
    weights = class_weights(trial.examined, plan)
    shift = shift_of(weights)
    special = {name: values[rows_N] for name, values in trial.examined.special.items()}
    truth_N = trial.examined.target.values[rows_N]
    if not len(rows_N) or not special.get("weight", np.ones(1)).sum() > 0:
        decision = _by_class_weights(weights, target)
        calibration = Calibration(shift=shift) if shift else None
        return predicted_RNC, Settled(Reading(plan.metric), calibration, decision)
    judged = Fitted(
        truth_N,
        special.get("weight", np.ones(len(rows_N))),
        parts_of(truth_N, seed=plan.seed, groups_N=special.get("group"), times_N=special.get("time")),
        predicted_RNC,
        shift,
    )
    calibration, said_NC = _calibration(trial, trained, rows_N, judged, shipped)
    decision, weights_NC, notes = _decision(trial, judged, said_NC, weights)
    reading = Reading(plan.metric, said_NC, weights_NC)
    plain_RNC = predicted_RNC
    if shift:
        plain_RNC = np.stack([calibrate(predicted_NC, 1.0, shift) for predicted_NC in predicted_RNC])
        plain_RNC[~np.isfinite(predicted_RNC)] = np.nan
    return plain_RNC, Settled(reading, calibration, decision, notes)


def _calibration(
    trial: Trial, trained: Trained, rows_N: np.ndarray, judged: Fitted, shipped: int
) -> tuple[Calibration, np.ndarray]:
    """Return the temperature, and the probabilities of judged rows: each row's by the temperature of other rows."""
    truth_N, weight_N, mean_NC = judged.truth_N, judged.weight_N, judged.mean_NC

    def fit(rows: np.ndarray) -> np.ndarray:
        return np.array(temperature_of(truth_N[rows], mean_NC[rows], weight_N[rows], judged.shift))

    own = float(fit(np.arange(len(truth_N))))
    before_NC = calibrate(mean_NC, 1.0, judged.shift) if judged.shift else mean_NC / mean_NC.sum(axis=1, keepdims=True)
    after_NC = calibrate(mean_NC, cross_fitted(judged.part_N, fit), judged.shift)
    before, after = (metric("log-loss", truth_N, values_NC, weight_N) for values_NC in (before_NC, after_NC))
    kept = own != 1.0 and after < before
    networks = float(np.isfinite(judged.predicted_RNC[:, :, 0]).sum(axis=0).mean())
    temperature = own
    if kept and shipped > networks:
        variance = _disagreement(trial, trained, rows_N, judged.predicted_RNC)
        temperature = for_more(own, networks, shipped, variance, spread(mean_NC))
        if own > 1 and len(judged.predicted_RNC) == 1:
            # One that learnt from a row disagrees with its judge by more than two that did not: the middle of both.
            temperature = float(np.sqrt(own * temperature))
    record = Calibration(
        temperature=temperature if kept else 1.0,
        judged_temperature=own if kept else 1.0,
        shift=judged.shift,
        kept=kept,
        log_loss_before=before,
        log_loss=after if kept else before,
        rows=len(truth_N),
    )
    return record, after_NC if kept else before_NC


def _disagreement(trial: Trial, trained: Trained, rows_N: np.ndarray, predicted_RNC: np.ndarray) -> float:
    """Return how far networks disagree on a row: those of two repeats, else one that learnt from it with its judge."""
    if len(predicted_RNC) > 1:
        both_N = np.isfinite(predicted_RNC[:2]).all(axis=(0, 2))
        return disagreement(predicted_RNC[0, both_N], predicted_RNC[1, both_N])
    places = np.arange(0, len(rows_N), -(-len(rows_N) // LOOKED_AT))
    alive = [member for member in trained.members if member.usable][:ASKED]
    index, rows = [member.index for member in alive], rows_N[places]
    outputs = predict(
        trial.network,
        trial.preparation,
        trained.weights_MP[index],
        trained.state_MS[index],
        torch.tensor([member.fold for member in alive]),
        trial.matrices.x_NF[rows],
        trial.matrices.codes_NQ[rows],
    )
    assert isinstance(outputs, torch.Tensor)
    values_MNC = both_classes(outputs.cpu().double().numpy(), trial.network.spec, trial.examined.target.schema)
    total, count = 0.0, 0
    for member, values_NC in zip(alive, values_MNC, strict=True):
        other_N = ~np.isin(rows, trial.folds.judged[member.fold])
        total += disagreement(values_NC[other_N], predicted_RNC[0, places[other_N]]) * int(other_N.sum())
        count += int(other_N.sum())
    return total / max(count, 1)


def _decision(
    trial: Trial, judged: Fitted, said_NC: np.ndarray, class_weights_C: np.ndarray | None
) -> tuple[Decision | None, np.ndarray | None, tuple[Note, ...]]:
    """Return the weights that classes are chosen by, those of each judged row by other rows, and what is to be said."""
    target, name = trial.examined.target.schema, trial.plan.metric
    if name not in DECIDED:
        decision = _by_class_weights(class_weights_C, target)
        return decision, None if decision is None else np.array(decision.weights), ()
    assert name is not None
    truth_N, weight_N = judged.truth_N, judged.weight_N
    fit = chooser(trial, truth_N, said_NC, weight_N)
    weights_NC = cross_fitted(judged.part_N, fit)
    values = []
    for weights in (None, weights_NC):
        guess_N = decided(said_NC, weights)
        measure = measures(truth_N, said_NC, (name,), weight_N, positive=target.positive, guess_N=guess_N)
        values.append(float(measure(weight_N[None])[name].value_R[0]))
    before, after = values
    assert GREATER_IS_BETTER[name]
    if not after > before:
        text = f"the likeliest class: other thresholds would not raise {name} ({after:.4g}, not {before:.4g})"
        return None, None, (Note(topic="class", text=text),)
    known = {"metric": name, "value_before": before, "value": after, "rows": len(truth_N)}
    return _record(fit(np.arange(len(truth_N))), target, **known), weights_NC, ()


def chooser(
    trial: Trial, truth_N: np.ndarray, said_NC: np.ndarray, weight_N: np.ndarray
) -> Callable[[np.ndarray], np.ndarray]:
    """Return what chooses the weights of classes for the plan's metric on some of the rows."""
    name, positive = trial.plan.metric or "", trial.examined.target.schema.positive
    seed = stream(trial.plan.seed, "thresholds")

    def fit(rows: np.ndarray) -> np.ndarray:
        chosen = (truth_N[rows], said_NC[rows], weight_N[rows])
        return chosen_weights(name, *chosen, positive=positive, seed=seed)

    return fit


def opponent(trial: Trial, truth_N: np.ndarray, said_NC: np.ndarray, weight_N: np.ndarray) -> np.ndarray | None:
    """Return the classes that a baseline predicts with the means that the networks have; None for the likeliest.

    Class weights, or thresholds that other rows gave: a baseline without them would be beaten by the threshold alone.
    """
    if trial.plan.metric in DECIDED:
        part_N = parts_of(truth_N, seed=trial.plan.seed)
        return decided(said_NC, cross_fitted(part_N, chooser(trial, truth_N, said_NC, weight_N)))
    return decided(said_NC, class_weights(trial.examined, trial.plan))


def _by_class_weights(weights_C: np.ndarray | None, target: TargetSchema) -> Decision | None:
    """Return the decision that the class weights of the loss are: mistakes on a class cost its weight."""
    return None if weights_C is None else _record(weights_C / weights_C.sum(), target)


def _record(weights_C: np.ndarray, target: TargetSchema, **known: object) -> Decision:
    """Return the record of weights; of two classes with their threshold."""
    threshold = None
    if len(weights_C) == 2:
        threshold = float(weights_C[1 - target.positive] / weights_C.sum())
    positive = target.classes[target.positive] if threshold is not None else ""
    own = {"weights": tuple(weights_C.tolist()), "threshold": threshold, "positive": positive}
    return Decision.model_validate(own | known)
