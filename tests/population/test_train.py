"""The engine against a plain PyTorch loop, and how training ends."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from danlu.core.errors import Interrupted, TrainingError
from danlu.core.records import Progress
from danlu.networks import predict, to_torch
from danlu.population.batches import Deck


def plain_losses(table: Any, plan: Any, fold: int) -> list[float]:
    """Train one fold with torch.nn and torch.optim on the same batches; return the mean loss of each epoch."""
    network, members = table.network(plan), table.members(plan).select([fold])
    weights, state = network.initial(members.keys, table.dtype)
    preparation = table.preparation(plan)
    # The exported module holds the first weights; its one network is a plain nn.Sequential.
    module = to_torch(network, preparation, weights, state, [fold]).members[0].network
    module.train()
    optimizer = {
        "sgd": lambda p: torch.optim.SGD(p, plan.lr, momentum=plan.momentum or 0, weight_decay=plan.weight_decay or 0),
        "adam": lambda p: torch.optim.Adam(p, plan.lr, weight_decay=plan.weight_decay or 0),
        "adamw": lambda p: torch.optim.AdamW(p, plan.lr, weight_decay=plan.weight_decay or 0),
    }[plan.optimizer](module.parameters())
    deck = Deck(table.rows.fit, None, plan.batch_size, like=members.lr)
    own = preparation.pick([fold])
    result = []
    for epoch in range(plan.epochs):
        order, losses, sizes = deck.deal([fold], (plan.seed, [0], epoch)), [], []
        for s in range(len(order.rows_SKB)):
            rows = order.rows_SKB[s, 0][order.weight_SKB[s, 0] > 0]
            prepared = own.prepare(table.matrices.x_NF[rows][None], table.matrices.codes_NQ[rows][None])
            out = module(prepared.x_KBD[0])
            target = table.matrices.y[rows]
            if target.is_floating_point():
                loss = torch.nn.functional.mse_loss(out, own.scaled(target[None])[0])
            else:
                loss = torch.nn.functional.cross_entropy(out, target)
            optimizer.zero_grad()
            loss.backward()
            if plan.clip:
                torch.nn.utils.clip_grad_norm_(module.parameters(), plan.clip)
            optimizer.step()
            losses.append(loss.item())
            sizes.append(len(rows))
        result.append(float(np.average(losses, weights=sizes)))
    return result


@pytest.mark.parametrize(
    ("shape", "changes"),
    [
        ({}, {"optimizer": "adam"}),
        ({"outputs": 3}, {"optimizer": "sgd", "momentum": 0.9, "weight_decay": 0.01, "clip": 1.0}),
        ({"classes": 3}, {"optimizer": "adamw", "weight_decay": 0.05, "activation": "tanh"}),
        ({"outputs": 2}, {"optimizer": "adam", "batch_norm": "input,hidden", "batch_size": "all", "epochs": 30}),
    ],
    ids=["adam", "sgd", "classes", "batch norm, all rows"],
)
def test_losses_equal_a_plain_torch_loop(
    world: Callable[..., Any], shape: dict[str, Any], changes: dict[str, Any]
) -> None:
    """Float64, the same batches: within 1e-9 over all epochs, for every member of a population."""
    table = world(rows=160, double=True, **shape)
    column = table.layout.codes[0].model_copy(update={"width": 0})
    table.layout = table.layout.model_copy(update={"codes": (column,)})
    plan = table.plan(dtype="float64", **({"epochs": 12} | changes))
    trained = table.train(plan)
    for fold in (0, 3):
        expected = plain_losses(table, plan, fold)
        np.testing.assert_allclose(trained.curves["loss_EM"][:, fold], expected, rtol=0, atol=1e-9)


def test_curves_of_a_run(world: Callable[..., Any]) -> None:
    table = world()
    table.rows = replace(table.rows, test=np.arange(20))
    plan = table.plan(epochs=7, judge_every=3, schedule="step:2:0.5")
    trained = table.train(plan)
    curves = trained.curves
    assert curves["loss_EM"].shape == (7, 4)
    assert curves["judged_epochs_J"].tolist() == [3, 6, 7]
    assert curves["judged_JM"].shape == curves["test_JM"].shape == (3, 4)
    assert np.isnan(curves["watched_JM"]).all()
    np.testing.assert_allclose(curves["lr_E"], 0.01 * np.array([1, 1, 0.5, 0.5, 0.25, 0.25, 0.125]), rtol=1e-6)
    assert [record.ended for record in trained.members] == ["finished"] * 4
    assert [(r.index, r.fold, r.train_rows, r.judged_rows, r.epochs) for r in trained.members][1] == (1, 1, 225, 75, 7)
    truth, network = table.matrices.y, table.network(plan)
    predicted = predict(
        network, table.preparation(plan), trained.weights_MP, trained.state_MS, range(4), *_matrices(table)
    )
    for fold, rows in enumerate(table.rows.judged):
        rmse = (predicted[fold][rows] - truth[rows]).square().mean().sqrt()
        assert curves["judged_JM"][-1, fold] == pytest.approx(rmse.item(), rel=1e-5)
    assert curves["judged_JM"][-1].mean() < curves["judged_JM"][0].mean()


def _matrices(table: Any) -> tuple[torch.Tensor, torch.Tensor]:
    return table.matrices.x_NF, table.matrices.codes_NQ


@pytest.mark.parametrize("metric", ["accuracy", "log-loss"])
@pytest.mark.parametrize("loss", ["cross-entropy", "binary-cross-entropy"])
def test_judged_classes_are_what_predictions_give(world: Callable[..., Any], loss: str, metric: str) -> None:
    table = world(classes=2, weighted=True)
    table.outputs = 2 if loss == "cross-entropy" else 1
    plan = table.plan(loss=loss, epochs=3)
    trained = table.train(plan, metric=metric)
    p = predict(
        table.network(plan), table.preparation(plan), trained.weights_MP, trained.state_MS, range(4), *_matrices(table)
    )
    p = p if loss == "cross-entropy" else torch.cat([1 - p, p], 2)
    for fold, rows in enumerate(table.rows.judged):
        truth, weight = table.matrices.y[rows], table.matrices.weight_N[rows].double()
        value = p[fold][rows].argmax(1) == truth if metric == "accuracy" else -p[fold][rows, truth].log()
        expected = (value * weight).sum() / weight.sum()
        assert trained.curves["judged_JM"][-1, fold] == pytest.approx(expected.item(), rel=1e-4)


def test_members_without_judged_rows_are_not_judged(world: Callable[..., Any]) -> None:
    table = world(folds=2)
    table.rows = replace(table.rows, judged=(np.arange(0), np.arange(0)))
    trained = table.train(table.plan())
    assert np.isnan(trained.curves["judged_JM"]).all()
    assert len(trained.curves["judged_epochs_J"]) == 4


def test_early_stopping_returns_the_best_weights_not_the_last(world: Callable[..., Any]) -> None:
    table = world(rows=120)
    table.rows = replace(table.rows, watched=table.rows.judged)
    # Rates that no network survives unharmed late in the run: the best epoch is an early one.
    plan = table.plan(early_stopping=True, patience=4, epochs=60, lr=0.05, optimizer="adam")
    trained = table.train(plan)
    watched = trained.curves["watched_JM"]
    for member, record in enumerate(trained.members):
        own = watched[:, member][np.isfinite(watched[:, member])]
        assert record.best_epoch == int(own.argmin()) + 1
        assert record.ended == "stopped early"
        assert record.epochs == record.best_epoch + 4 == len(own)
        shorter = plan.model_copy(update={"epochs": record.best_epoch, "early_stopping": False, "patience": None})
        again = table.train(shorter, table.members(shorter).select([member]))
        assert torch.equal(again.weights_MP[0], trained.weights_MP[member])
    assert np.isnan(trained.curves["loss_EM"][-1]).sum() >= 3


def test_stopping_at_once_raises_and_later_keeps_what_there_is(world: Callable[..., Any]) -> None:
    table = world()
    plan = table.plan(epochs=1000)
    with pytest.raises(Interrupted):
        table.train(plan, stop=lambda: True)
    asked = iter(range(10_000))
    trained = table.train(plan, stop=lambda: next(asked) >= 23)
    assert trained.interrupted
    assert [(r.ended, r.epochs) for r in trained.members] == [("interrupted", 5)] * 4
    assert trained.curves["loss_EM"].shape == (5, 4)
    assert np.isfinite(trained.curves["loss_EM"]).all()
    # Four epochs of five steps and three steps more.
    four = table.train(table.plan(epochs=4))
    np.testing.assert_array_equal(trained.curves["loss_EM"][:4], four.curves["loss_EM"])
    assert not torch.equal(trained.weights_MP, four.weights_MP)


def test_a_member_that_breaks_is_named_and_harms_no_other(world: Callable[..., Any]) -> None:
    table = world()
    plan = table.plan(optimizer="sgd", lr=0.01, activation="relu", epochs=6)
    good = table.members(plan)
    wild = table.members(plan.model_copy(update={"lr": 1e6})).select([2])
    trained = table.train(plan, good.join(wild))
    alone = table.train(plan, good)
    assert torch.equal(trained.weights_MP[:4], alone.weights_MP)
    np.testing.assert_array_equal(trained.curves["loss_EM"][:, :4], alone.curves["loss_EM"])
    assert [r.ended for r in trained.members] == ["finished"] * 4 + ["non-finite"]
    breakdown = trained.members[4].breakdown
    assert breakdown is not None
    assert (breakdown.member, breakdown.epoch, breakdown.lr) == (4, 1, pytest.approx(1e6))
    assert breakdown.layer.startswith(("hidden", "output", "loss", "gradient"))
    assert breakdown.value in ("NaN", "infinite")
    assert breakdown.gradient_norm is not None
    assert trained.weights_MP[4].isfinite().all()
    assert np.isnan(trained.curves["loss_EM"][1:, 4]).all()


def test_a_layer_that_overflows_is_named(world: Callable[..., Any]) -> None:
    """A column of 1e10 times weights of 1e37: the first layer's product is infinite in float32."""
    table = world(folds=2)
    table.matrices.x_NF[:, 0] = 1e10
    plan = table.plan(scale="none", init="constant:1e37", activation="identity")
    network = table.network(plan)
    network.spec = network.spec.model_copy(update={"init": "constant:1e37"})
    table.network = lambda _: network
    with pytest.raises(TrainingError, match=r"all 2 became NaN or infinite, .*epoch 1, step 1: hidden\.0 is infinite"):
        table.train(plan)


def test_progress_says_where_training_is(world: Callable[..., Any]) -> None:
    table, seen, times = world(), [], []

    def on_progress(progress: Progress) -> None:
        seen.append(progress)
        times.append(time.perf_counter())

    table.train(table.plan(epochs=40), on_progress=on_progress)
    last = seen[-1]
    assert (last.epoch, last.epochs, last.members, last.active) == (40, 40, 4, 4)
    assert last.seconds_left == 0
    assert last.loss_low <= last.loss <= last.loss_high
    assert last.metric_name == "rmse"
    assert last.metric_low <= last.metric <= last.metric_high
    # At most ten a second; the last one is always sent.
    assert (np.diff(times)[:-1] > 0.099).all()


def test_many_short_epochs_give_the_curve_of_as_many_long_runs(world: Callable[..., Any]) -> None:
    """Epochs of one step are taken in stretches between judgings; judging more often changes nothing."""
    table = world(rows=80)
    plan = table.plan(batch_size="all", epochs=90, judge_every=40, schedule="cosine", dropout=0.1)
    often = table.train(plan.model_copy(update={"judge_every": 1}))
    seldom = table.train(plan)
    np.testing.assert_array_equal(often.curves["loss_EM"], seldom.curves["loss_EM"])
    assert torch.equal(often.weights_MP, seldom.weights_MP)
    assert len(seldom.curves["judged_JM"]) == 3


def test_plateau_lowers_the_rate_of_each_member_by_its_own_loss(world: Callable[..., Any]) -> None:
    table = world()
    trained = table.train(table.plan(schedule="plateau:1:0.5", lr=0.2, optimizer="sgd", epochs=40, momentum=0.9))
    rates = trained.curves["lr_E"]
    assert rates[0] == pytest.approx(0.2)
    assert (np.diff(rates) <= 0).all()
    assert rates[-1] < 0.1
