"""Jobs of several shapes, trained together, against each of them alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from danlu.core.errors import DanluError, Interrupted, TrainingError
from danlu.core.records import Progress
from danlu.population import Job, Shelf, Shelves, Trained, train_together
from danlu.population.memory import Meter

SETTINGS: list[dict[str, Any]] = [
    {"hidden": (24, 17)},
    {"hidden": (64,), "activation": "relu", "lr": 0.003},
    {"hidden": (24, 17), "lr": 0.05, "dropout": 0.2, "epochs": 7},
    {"hidden": (8, 8, 8), "activation": "tanh", "optimizer": "sgd", "momentum": 0.9},
    {"hidden": (24, 17), "weight_decay": 0.01, "schedule": "cosine", "clip": 1.0},
]


def job(table: Any, **changes: Any) -> Job:
    plan = table.plan(**changes)
    return Job(table.network(plan), table.members(plan), plan)


def shelves(table: Any) -> Shelves:
    return Shelves(table.matrices, table.preparation(table.plan()))


def same(alone: Trained, together: Any) -> None:
    assert isinstance(together, Trained)
    assert torch.equal(alone.weights_MP, together.weights_MP)
    assert torch.equal(alone.state_MS, together.state_MS)
    assert alone.members == together.members
    assert alone.curves.keys() == together.curves.keys()
    for name in alone.curves:
        np.testing.assert_array_equal(alone.curves[name], together.curves[name], err_msg=name)


@pytest.mark.parametrize("early", [False, True], ids=["all epochs", "early stopping"])
def test_jobs_of_several_shapes_give_what_each_gives_alone(
    world: Callable[..., Any], threads: int, early: bool
) -> None:
    """Weights, records and curves, bit for bit; one population after the other, and two side by side."""
    table = world(rows=160, weighted=True)
    more: dict[str, Any] = {}
    if early:
        table.rows = replace(table.rows, watched=table.rows.judged)
        more = {"early_stopping": True, "patience": 1, "epochs": 12}
    jobs = [job(table, **(setting | more)) for setting in SETTINGS]
    alone = [table.train(one.plan, one.members) for one in jobs]
    for at_once in (1, 2):
        found = train_together(jobs, shelves(table), table.rows, metric="rmse", at_once=at_once)
        for one, together in zip(alone, found, strict=True):
            same(one, together)
    assert torch.get_num_threads() == threads


def test_the_table_is_prepared_once_for_each_scaling(
    world: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[bool] = []
    first = Shelf._prepare_all

    def counted(self: Shelf, folds: int) -> Any:
        made.append(self.scaled)
        return first(self, folds)

    monkeypatch.setattr(Shelf, "_prepare_all", counted)
    table = world()
    stored = shelves(table)
    train_together([job(table, **setting) for setting in SETTINGS], stored, table.rows, metric="rmse")
    assert made == [True]
    train_together([job(table, **setting) for setting in SETTINGS[:2]], stored, table.rows, metric="rmse")
    train_together([job(table, loss="l1")], stored, table.rows, metric="rmse")
    assert made == [True]


def test_equal_networks_are_one_population(world: Callable[..., Any]) -> None:
    table = world()
    seen: list[Progress] = []
    jobs = [job(table, **setting) for setting in SETTINGS]
    train_together(jobs, shelves(table), table.rows, metric="rmse", on_progress=seen.append)
    assert {p.waves for p in seen} == {3}
    first = [next(p for p in seen if p.wave == wave) for wave in (1, 2, 3)]
    # The largest is first: 12 networks with 24 and 17 units, then 64, then 8, 8 and 8.
    assert [(p.members, p.epochs) for p in first] == [(12, 7), (4, 4), (4, 4)]
    assert seen[-1].seconds_left == 0.0


def test_jobs_that_are_judged_at_other_epochs_are_apart(world: Callable[..., Any]) -> None:
    """Judged after 3, 6 and 9 beside 3, 6, 7: early stopping would count another judging."""
    table = world()
    seen: list[Progress] = []
    jobs = [
        job(table, epochs=9, judge_every=3),
        job(table, epochs=7, judge_every=3),
        job(table, epochs=6, judge_every=3),
    ]
    found = train_together(jobs, shelves(table), table.rows, metric="rmse", on_progress=seen.append)
    assert {p.waves for p in seen} == {2}
    assert [each.curves["judged_epochs_J"].tolist() for each in found if isinstance(each, Trained)] == [
        [3, 6, 9],
        [3, 6, 7],
        [3, 6],
    ]


@pytest.mark.parametrize("at_once", [1, 2])
def test_a_broken_job_does_not_lose_the_others(world: Callable[..., Any], at_once: int) -> None:
    """One breaks in a population of its own, another beside a sound one."""
    table = world()
    wild = {"optimizer": "sgd", "activation": "relu", "lr": 1e9}
    jobs = [
        job(table, **wild, hidden=(9,)),
        job(table, **wild),
        job(table, **(wild | {"lr": 0.01})),
        job(table, hidden=(33,)),
    ]
    found = train_together(jobs, shelves(table), table.rows, metric="rmse", at_once=at_once)
    assert [type(each) for each in found] == [TrainingError, TrainingError, Trained, Trained]
    assert "all 4 became NaN or infinite" in str(found[0])
    same(table.train(jobs[2].plan, jobs[2].members), found[2])
    same(table.train(jobs[3].plan, jobs[3].members), found[3])
    with pytest.raises(TrainingError, match="all 4 became"):
        train_together(jobs[:2], shelves(table), table.rows, metric="rmse")


def test_a_job_that_memory_cannot_hold_does_not_lose_the_others(
    world: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    table = world()
    monkeypatch.setenv("DANLU_MEMORY", "1GB")
    jobs = [job(table, hidden=(30_000, 30_000)), job(table)]
    refused, kept = train_together(jobs, shelves(table), table.rows, metric="rmse")
    assert isinstance(refused, TrainingError)
    assert "DANLU_MEMORY allows 1.0 GB" in str(refused)
    same(table.train(jobs[1].plan, jobs[1].members), kept)


def test_what_is_stopped_keeps_what_was_begun(world: Callable[..., Any]) -> None:
    table = world()
    jobs = [job(table, hidden=(8,)), job(table, hidden=(40,)), job(table, hidden=(20,))]
    asked = iter([False] * (1 + 4 * 5 + 1 + 6) + [True] * 9)
    last, first, second = train_together(jobs, shelves(table), table.rows, metric="rmse", stop=lambda: next(asked))
    same(table.train(jobs[1].plan, jobs[1].members), first)
    assert isinstance(second, Trained)
    assert second.interrupted
    assert [record.epochs for record in second.members] == [2] * 4
    assert isinstance(last, Interrupted)
    with pytest.raises(Interrupted):
        train_together(jobs, shelves(table), table.rows, metric="rmse", stop=lambda: True)


def test_jobs_are_trained_in_waves_where_memory_is_short(
    world: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wave may hold members of two jobs; each gets its own back."""
    table = world()
    jobs = [job(table, lr=0.01), job(table, lr=0.02), job(table, hidden=(12,))]
    alone = [table.train(each.plan, each.members) for each in jobs]
    both = jobs[0].members.join(jobs[1].members)
    meter = Meter(jobs[0].network, table.shelf(jobs[0].plan), table.rows, both, jobs[0].plan)
    monkeypatch.setenv("DANLU_MEMORY", str(meter(range(3)).total))
    found: list[Trained | DanluError] = train_together(jobs, shelves(table), table.rows, metric="rmse")
    for one, together in zip(alone, found, strict=True):
        same(one, together)
    assert "8 networks in 3 waves of 3" in found[1].notes[0].text  # type: ignore[union-attr]
