"""Rounded numbers of members (on the CPU too), and captured graphs where there is a GPU."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from danlu.population import engine
from danlu.population.captured import bucket

on_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device: graphs exist only there")


def test_populations_are_rounded_up_on_a_gpu_only() -> None:
    assert [bucket(m, torch.device("cpu")) for m in (1, 7, 33)] == [1, 7, 33]
    assert [bucket(m, torch.device("cuda")) for m in (1, 8, 9, 17, 33, 64, 65)] == [8, 8, 16, 32, 64, 64, 128]


def test_dead_places_change_nothing(world: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Eight places for 5 members, then 8 for fewer, as early stopping ends them one by one, and one that breaks."""
    table = world()
    table.rows = replace(table.rows, watched=table.rows.judged)
    plan = table.plan(early_stopping=True, patience=2, epochs=20, lr=0.05, batch_norm="hidden", dropout=0.1)
    wild = table.members(plan.model_copy(update={"lr": 1e30})).select([1])
    shorter = table.members(plan.model_copy(update={"epochs": 3})).select([2])
    members = table.members(plan).join(wild, shorter)
    expected = table.train(plan, members)
    assert len({record.epochs for record in expected.members}) > 2
    assert {record.ended for record in expected.members} >= {"non-finite", "finished", "stopped early"}
    for size in (8, 4):
        monkeypatch.setattr(engine, "bucket", lambda count, _, size=size: -(-count // size) * size)
        padded = table.train(plan, members)
        assert padded.members == expected.members
        assert torch.equal(padded.weights_MP, expected.weights_MP)
        assert torch.equal(padded.state_MS, expected.state_MS)
        for name, curve in expected.curves.items():
            np.testing.assert_array_equal(padded.curves[name], curve)


@on_gpu
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_captured_step_equals_the_same_operations_one_by_one(
    world: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, precision: str
) -> None:
    table = world(device="cuda")
    plan = table.plan(hidden=(64, 64), dropout=0.1, precision=precision, epochs=3)
    captured = table.train(plan)
    monkeypatch.setattr(engine, "capture", lambda program, *_: program.run)
    assert torch.equal(captured.weights_MP, table.train(plan).weights_MP)


@on_gpu
def test_a_member_equals_its_solo_run_in_the_same_bucket(world: Callable[..., Any]) -> None:
    table = world(device="cuda")
    plan = table.plan(hidden=(64, 64), dropout=0.1, epochs=3)
    members = table.members(plan)
    whole = table.train(plan, members)
    assert torch.equal(whole.weights_MP[2], table.train(plan, members.select([2])).weights_MP[0])


@on_gpu
def test_a_gpu_learns_what_the_cpu_learns(world: Callable[..., Any]) -> None:
    """Float64, 4 epochs: losses within 1e-9."""
    there, here = world(double=True, device="cuda"), world(double=True)
    plan = here.plan(dtype="float64", dropout=0.1)
    np.testing.assert_allclose(
        there.train(plan).curves["loss_EM"], here.train(plan).curves["loss_EM"], rtol=0, atol=1e-9
    )
