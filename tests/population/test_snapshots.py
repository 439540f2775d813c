"""Copies of a member on its way: they are what a shorter training gives, and change nothing of the training."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from danlu.population import snapshots
from danlu.population.snapshots import Snapshots


@pytest.mark.parametrize("changes", [{}, {"dropout": 0.2, "batch_norm": ("hidden",)}])
def test_a_snapshot_is_the_member_of_a_shorter_training(world: Callable[..., Any], changes: dict[str, Any]) -> None:
    table = world()
    whole = table.train(table.plan(epochs=6, **changes))
    assert [each.epoch for each in whole.snapshots] == [0, 1, 2, 3, 4, 5, 6]
    for epochs in (2, 5):
        shorter = table.train(table.plan(epochs=epochs, **changes))
        kept = whole.snapshots[epochs]
        assert torch.equal(kept.weights_P, shorter.weights_MP[0])
        assert torch.equal(kept.state_S, shorter.state_MS[0])
    first, _ = table.network(table.plan(**changes)).initial(table.members(table.plan(**changes)).keys, table.dtype)
    assert torch.equal(whole.snapshots[0].weights_P, first[0])


def test_training_is_the_same_to_the_last_bit_without_them(world: Callable[..., Any], monkeypatch: Any) -> None:
    table = world()
    plan = table.plan(epochs=5, dropout=0.3, early_stopping=False)
    whole = table.train(plan)
    monkeypatch.setattr(snapshots, "MOST", 0)
    without = table.train(plan)
    assert without.snapshots == ()
    assert torch.equal(whole.weights_MP, without.weights_MP)


def test_of_a_long_run_at_most_twelve_are_kept_and_few_are_made(monkeypatch: Any) -> None:
    made: list[int] = []
    monkeypatch.setattr(snapshots, "Snapshot", _counting(made))
    one = Snapshots(size=2)
    for epoch in range(500):
        one.offer(epoch, torch.ones(2), torch.ones(0))
    assert [each.epoch for each in one.kept] == [*range(0, 500, 64)]
    assert len(made) <= 12 + 6 * 6


def test_a_network_too_large_for_copies_has_fewer_or_none() -> None:
    assert Snapshots(snapshots.NUMBERS // 5).most == 4
    assert Snapshots(snapshots.NUMBERS).most == 0


def _counting(made: list[int]) -> Callable[..., Any]:
    original = snapshots.Snapshot

    def make(*fields: Any) -> snapshots.Snapshot:
        made.append(1)
        return original(*fields)

    return make
