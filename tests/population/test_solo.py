"""Contract 1: a member of a population equals the same member trained alone, bit for bit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

CASES: dict[str, dict[str, Any]] = {
    "adam": {},
    "sgd nesterov": {"optimizer": "sgd", "momentum": 0.9, "nesterov": True, "weight_decay": 0.01},
    "adamw, batch norm, dropout": {
        "optimizer": "adamw",
        "weight_decay": 0.05,
        "batch_norm": "input,hidden",
        "dropout": 0.2,
        "schedule": "one-cycle",
    },
    "rmsprop, clipped, l1": {
        "optimizer": "rmsprop",
        "clip": 0.5,
        "l1": 0.001,
        "schedule": "cosine",
        "activation": "tanh",
    },
    "adagrad, all rows": {"optimizer": "adagrad", "batch_size": "all", "epochs": 60, "batch_norm": "hidden"},
    "early stopping": {"early_stopping": True, "patience": 2, "epochs": 20, "lr": 0.05},
}


def the_same(whole: Any, alone: Any, index: int) -> bool:
    epochs, kept = alone.members[0].epochs, [name for name in alone.curves if name.endswith("_EM")]
    assert kept == [name for name in whole.curves if name.endswith("_EM")]
    return (
        torch.equal(whole.weights_MP[index], alone.weights_MP[0])
        and torch.equal(whole.state_MS[index], alone.state_MS[0])
        and all(np.array_equal(whole.curves[name][:epochs, index], alone.curves[name][:, 0]) for name in kept)
    )


@pytest.mark.parametrize("case", CASES)
def test_a_member_equals_its_solo_run(world: Callable[..., Any], threads: int, case: str) -> None:
    """Populations of 3 and 7, other members with other rates, folds and ends."""
    table = world(weighted=True)
    if CASES[case].get("early_stopping"):
        table.rows = replace(table.rows, watched=table.rows.judged)
    plan = table.plan(**({"epochs": 12} | CASES[case]))
    members = table.members(plan)
    faster = table.members(plan.model_copy(update={"lr": plan.lr * 3, "dropout": (plan.dropout or 0) / 2}))
    seven = members.join(faster.select([2, 0, 1]))
    three = members.select([3, 1, 0])
    whole_7, whole_3 = table.train(plan, seven), table.train(plan, three)
    for index in (1, 5):
        assert the_same(whole_7, table.train(plan, seven.select([index])), index)
    for index in (2,):
        assert the_same(whole_3, table.train(plan, three.select([index])), index)
    if case == "early stopping":
        assert len({record.epochs for record in whole_7.members}) > 1, "nothing was compacted"


@pytest.mark.parametrize("loss", ["cross-entropy", "binary-cross-entropy"])
def test_classes_equal_their_solo_run(world: Callable[..., Any], threads: int, loss: str) -> None:
    table = world(classes=2 if loss == "binary-cross-entropy" else 5)
    table.outputs = 1 if loss == "binary-cross-entropy" else 5
    plan = table.plan(loss=loss, epochs=12, label_smoothing=0.1 if loss == "cross-entropy" else None)
    members = table.members(plan)
    whole = table.train(plan, members)
    for index in range(members.count):
        assert the_same(whole, table.train(plan, members.select([index])), index)


def test_long_batches_and_wide_layers_equal_their_solo_run(world: Callable[..., Any], threads: int) -> None:
    """More than 32,768 rows or weights: a sum of so many is split among threads when it stands alone."""
    table = world(rows=44_001, folds=4)
    plan = table.plan(batch_size="all", epochs=3, hidden=(16, 16), clip=0.1, batch_norm="input")
    members = table.members(plan)
    whole = table.train(plan, members)
    assert the_same(whole, table.train(plan, members.select([1])), 1)
    small = world(rows=200)
    plan = small.plan(hidden=(200, 200), clip=0.1, optimizer="sgd", epochs=3)
    members = small.members(plan)
    whole = small.train(plan, members)
    assert the_same(whole, small.train(plan, members.select([2])), 2)


def test_the_same_seed_gives_the_same_result(world: Callable[..., Any]) -> None:
    table = world()
    plan = table.plan(dropout=0.3)
    first, second, other = table.train(plan), table.train(plan), table.train(plan.model_copy(update={"seed": 1}))
    assert torch.equal(first.weights_MP, second.weights_MP)
    assert not torch.equal(first.weights_MP, other.weights_MP)


def test_folds_of_unequal_size_each_take_their_own_steps(world: Callable[..., Any]) -> None:
    """180 and 225 rows in batches of 50: four steps and five; the shorter fold is alone what it is beside the longer."""
    table = world()
    fit = (table.rows.fit[0][:180], *table.rows.fit[1:])
    table.rows = replace(table.rows, fit=fit)
    plan = table.plan(optimizer="sgd", momentum=0.9, batch_norm="hidden", schedule="one-cycle")
    members = table.members(plan)
    whole = table.train(plan, members)
    for index in (0, 1):
        assert the_same(whole, table.train(plan, members.select([index])), index)
    assert whole.members[0].train_rows == 180
