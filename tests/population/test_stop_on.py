"""Early stopping that watches a metric, and not the loss."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score

from danlu.population.stopping import EarlyStopping, StopOn


def area(truth: np.ndarray, said_NC: np.ndarray, weight_N: np.ndarray) -> float:
    return float(roc_auc_score(truth, said_NC[:, -1], sample_weight=weight_N))


def root(truth: np.ndarray, said_NC: np.ndarray, weight_N: np.ndarray) -> float:
    return float(np.sqrt(np.average(np.square(truth - said_NC)[:, 0], weights=weight_N)))


def watching(table: Any, stop_on: StopOn) -> Any:
    """The table with the rows judged watched as well, those of the last fold fewer."""
    watched = (*table.rows.judged[:-1], table.rows.judged[-1][:31])
    table.rows = replace(table.rows, watched=watched, stop_on=stop_on)
    return table


@pytest.mark.parametrize(
    "stop_on", [StopOn("roc-auc", True, area), StopOn("accuracy", True), StopOn("log-loss", False)]
)
@pytest.mark.parametrize("loss", ["cross-entropy", "binary-cross-entropy"])
def test_a_member_equals_its_solo_run(world: Callable[..., Any], stop_on: StopOn, loss: str) -> None:
    table = watching(world(classes=2, weighted=True), stop_on)
    table.outputs = 1 if loss == "binary-cross-entropy" else 2
    plan = table.plan(loss=loss, early_stopping=True, patience=2, epochs=20, lr=0.05)
    members = table.members(plan).select([3, 0, 2, 1, 3])
    whole = table.train(plan, members)
    assert len({record.epochs for record in whole.members}) > 1, "nothing was compacted"
    for index in range(members.count):
        alone = table.train(plan, members.select([index]))
        assert torch.equal(whole.weights_MP[index], alone.weights_MP[0])
        epochs = len(alone.curves["watched_JM"])
        own_J = whole.curves["watched_JM"][:, index]
        assert np.array_equal(own_J[:epochs], alone.curves["watched_JM"][:, 0])
        assert np.isnan(own_J[epochs:]).all()
        best = own_J[:epochs].argmax() if stop_on.greater else own_J[:epochs].argmin()
        assert whole.members[index].best_epoch == best + 1


@pytest.mark.parametrize("rows", [300, 12_000])
def test_a_call_a_member_gives_what_all_at_once_gives(world: Callable[..., Any], rows: int) -> None:
    """Of 12,000 rows a fold is judged in several chunks."""
    found = []
    for of in (None, root):
        table = watching(world(rows=rows, folds=2, weighted=True), StopOn("rmse", False, of))
        plan = table.plan(early_stopping=True, epochs=3, batch_size=500)
        found.append(table.train(plan))
    at_once, each = found
    assert np.allclose(at_once.curves["watched_JM"], each.curves["watched_JM"], rtol=1e-6)
    assert np.allclose(at_once.curves["watched_JM"][:, 0], at_once.curves["judged_JM"][:, 0])
    assert torch.equal(at_once.weights_MP, each.weights_MP)


@pytest.mark.parametrize(("greater", "rises"), [(True, True), (True, False), (False, True), (False, False)])
def test_a_plateau_is_one_of_what_is_watched(world: Callable[..., Any], greater: bool, rises: bool) -> None:
    calls = [0]

    def count(*_: np.ndarray) -> float:
        calls[0] += 1
        return float(calls[0] if rises else -calls[0])

    table = watching(world(folds=2), StopOn("count", greater, count))
    plan = table.plan(early_stopping=True, patience=50, schedule="plateau:1:0.5", epochs=8)
    trained = table.train(plan, table.members(plan).select([0]))
    better = greater == rises
    lr_E = trained.curves["lr_E"]
    assert (lr_E == lr_E[0]).all() == better
    assert trained.members[0].best_epoch == (8 if better else 1)


def test_an_undefined_metric_neither_gains_nor_waits() -> None:
    stopping = EarlyStopping(torch.zeros(1, 1), torch.zeros(1, 0), patience=2)
    stops = [
        bool(stopping.judge(np.array([value]), epoch, torch.zeros(1, 1), torch.zeros(1, 0))[0])
        for epoch, value in enumerate([1.0, np.nan, np.nan, np.nan, 2.0, np.nan, 2.0], start=1)
    ]
    assert stops == [False] * 6 + [True]
    assert stopping.best_epoch_M.tolist() == [1]
