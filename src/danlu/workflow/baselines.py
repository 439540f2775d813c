"""What the networks must beat, on the same rows and columns: a constant, and a linear model."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from danlu.core.records import CodeColumn, FeatureLayout
from danlu.judging import constant_baseline, linear_baseline, metrics_for, pixel_baseline
from danlu.judging.metrics import measures
from danlu.networks import Preparation
from danlu.workflow.decide import opponent
from danlu.workflow.training import Trial

CONSTANT = {"regression": "mean", "classification": "majority"}
"""What the constant baseline is called."""

MOST_LEVELS = 200
"""One-hot columns of a category: a column of 100,000 of them would not fit in memory."""

Pairs = list[tuple[np.ndarray, np.ndarray]]
"""Row numbers to learn from and to judge."""

Baselines = dict[str, dict[str, float | None]]
"""Metrics by name, of each baseline by name."""


def fold_baselines(trial: Trial) -> Baselines:
    """Score the baselines on the folds of the first repeat; each learns from the rows its members learnt from."""
    folds = trial.folds
    if folds.kind == "none":
        return {}
    first = [k for k, repeat in enumerate(folds.repeat) if repeat == folds.repeat[0]]
    return _score(trial, [(folds.train[k], folds.judged[k]) for k in first])


def tested_baselines(trial: Trial) -> Baselines:
    """Score the baselines on the test table; they learn from all rows of the other one."""
    if trial.test_rows is None:
        return {}
    return _score(trial, [(np.arange(len(trial.examined.kept)), trial.test_rows)])


def _score(trial: Trial, pairs: Pairs) -> Baselines:
    matrices, target = trial.matrices, trial.examined.target.schema
    truth = matrices.y.cpu().numpy()
    weight = None if matrices.weight_N is None else matrices.weight_N.cpu().double().numpy()
    x_NF = matrices.x_NF.cpu()
    codes_NQ, layout = _few_levels(matrices.codes_NQ.cpu().numpy(), trial.network.spec.layout)
    seed = trial.plan.seed
    constant, linear = [], []
    for train, judged in pairs:
        own = None if weight is None else weight[train]
        constant.append(constant_baseline(truth[train], len(judged), target, own))
        if layout.image is not None:
            images, parts = x_NF.numpy(), len(pairs)
            linear.append(pixel_baseline(images, truth, train, judged, target, seed=seed, parts=parts))
            continue
        inputs = _inputs(x_NF, codes_NQ, layout, trial.network.spec.scale, train)
        linear.append(linear_baseline(inputs(train), truth[train], inputs(judged), target, own, seed=seed))
    rows = np.concatenate([judged for _, judged in pairs])
    own = None if weight is None else weight[rows]
    weight_J = np.ones(len(rows)) if own is None else own
    return {
        name: _measured(trial, truth[rows], np.concatenate([part.predicted_NC for part in parts]), weight_J, name)
        for name, parts in ((CONSTANT[target.task], constant), ("linear", linear))
    }


def _measured(
    trial: Trial, truth: np.ndarray, predicted_NC: np.ndarray, weight_N: np.ndarray, baseline: str
) -> dict[str, float | None]:
    """Return the metrics of a baseline; a linear model chooses classes as the networks do."""
    target = trial.examined.target.schema
    names = metrics_for(target, trial.plan.metric)
    chooses = target.task == "classification" and baseline == "linear"
    guess_N = opponent(trial, truth, predicted_NC, weight_N) if chooses else None
    measure = measures(truth, predicted_NC, names, weight_N, positive=target.positive, guess_N=guess_N)
    return {name: _finite(float(measured.value_R[0])) for name, measured in measure(weight_N[None]).items()}


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _few_levels(codes_NQ: np.ndarray, layout: FeatureLayout) -> tuple[torch.Tensor, FeatureLayout]:
    """Make numbers one input each and all categories one-hot.

    Of a category with many levels the most frequent stay, the others become unseen.
    """
    codes, columns = codes_NQ.copy(), []
    for position, column in enumerate(layout.codes):
        slots = min(column.slots, MOST_LEVELS + 2)
        if slots < column.slots:
            counts = np.bincount(codes[:, position], minlength=column.slots)[2:]
            place = np.zeros(column.slots, codes.dtype)
            place[1] = 1
            place[2 + np.argsort(-counts, kind="stable")[:MOST_LEVELS]] = np.arange(2, slots)
            codes[:, position] = place[codes[:, position]]
        columns.append(CodeColumn(name=column.name, slots=slots))
    return torch.from_numpy(codes), layout.plain().model_copy(update={"codes": tuple(columns)})


def _inputs(
    x_NF: torch.Tensor, codes_NQ: torch.Tensor, layout: FeatureLayout, scale: str, train: np.ndarray
) -> Callable[[np.ndarray], np.ndarray]:
    """Return a function from row numbers to prepared inputs, by the statistics of the training rows."""
    preparation = Preparation.fit(x_NF, codes_NQ, None, [torch.from_numpy(train)], layout, scale, "none", x_NF.dtype)
    return lambda rows: preparation.prepare(x_NF[rows][None], codes_NQ[rows][None]).x_KBD[0].numpy()
