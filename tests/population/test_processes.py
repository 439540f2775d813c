"""Shares of members, results put together again, and processes that agree: bit for bit, and without waiting in vain."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from danlu.core import devices
from danlu.core.errors import PlanError, TrainingError
from danlu.core.launch import Launch, launched
from danlu.population.processes import agreed
from danlu.population.spread import joined, share, train_spread
from danlu.population.train import survived, train_unchecked
from support.torchrun import torchrun

ENVIRONMENT = {"RANK": "3", "WORLD_SIZE": "8", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "2"}
MASTER = {"MASTER_ADDR": "localhost", "MASTER_PORT": "29500"}


# Who trains what


@given(st.lists(st.integers(1, 1000), min_size=1, max_size=30), st.integers(1, 8))
def test_every_member_has_one_process_and_no_process_has_much_more_than_another(sizes: list[int], world: int) -> None:
    shares = [share(sizes, rank, world) for rank in range(world)]
    assert sorted(index for indices in shares for index in indices) == list(range(len(sizes)))
    loads = [sum(sizes[index] for index in indices) for indices in shares]
    assert max(loads) - min(loads) <= max(sizes)


@given(st.integers(1, 30), st.integers(1, 8))
def test_members_of_one_size_are_shared_evenly(members: int, world: int) -> None:
    counts = [len(share([100] * members, rank, world)) for rank in range(world)]
    assert max(counts) - min(counts) <= 1


def test_only_all_of_the_variables_make_a_process_one_of_several() -> None:
    assert launched(ENVIRONMENT | MASTER) == Launch(3, 8, 1, 2)
    for name in ("RANK", "WORLD_SIZE", *MASTER):
        assert launched({key: value for key, value in (ENVIRONMENT | MASTER).items() if key != name}).alone
    assert launched(ENVIRONMENT | MASTER | {"RANK": "three"}).alone
    assert launched(ENVIRONMENT | MASTER | {"WORLD_SIZE": "1", "RANK": "0"}) == Launch()


def test_processes_of_one_machine_share_its_cores_and_its_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    with devices.arithmetic() as alone:
        pass
    for name, value in (ENVIRONMENT | MASTER).items():
        monkeypatch.setenv(name, value)
    with devices.arithmetic() as beside:
        assert beside == max(1, alone // 2) or alone == 8
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "1000")
    with devices.arithmetic() as crowded:
        assert crowded == 1
    with devices.arithmetic(2) as asked:
        assert asked == 2
    assert devices.facts(torch.device("cpu"), 1)["processes"] == "8"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert devices.resolve("auto") == devices.resolve("cuda") == torch.device("cuda:1")
    assert devices.resolve("cuda:0") == torch.device("cuda:0")
    monkeypatch.setenv("LOCAL_RANK", "4")
    assert devices.resolve("auto") == torch.device("cuda:0")


# Results put together again


def the_same(one: Any, other: Any) -> None:
    """Check that two results are equal to the last bit, all but the time they took."""
    assert torch.equal(one.weights_MP, other.weights_MP)
    assert torch.equal(one.state_MS, other.state_MS)
    assert one.members == other.members
    assert one.interrupted == other.interrupted
    assert one.curves.keys() == other.curves.keys()
    for name in one.curves:
        np.testing.assert_array_equal(one.curves[name], other.curves[name], err_msg=name, strict=True)


def apart(table: Any, plan: Any, members: Any, shares: list[list[int]]) -> Any:
    """Train shares of the members one by one, and join the results."""
    metric = "rmse" if table.matrices.y.is_floating_point() else "accuracy"
    options = {"metric": metric, "on_progress": None, "stop": None}
    parts = [
        (
            indices,
            train_unchecked(
                table.network(plan), table.shelf(plan), table.rows, members.select(indices), plan, **options
            ),
        )
        for indices in shares
    ]
    return joined(parts, seconds=1.0)


@pytest.mark.parametrize("shares", [[[0, 2], [1, 3]], [[3], [0, 1, 2]], [[2], [0], [3], [1]]])
@pytest.mark.parametrize("case", ["plain", "early stopping", "batch norm", "classes"])
def test_shares_joined_are_the_whole(world: Callable[..., Any], case: str, shares: list[list[int]]) -> None:
    table = world(weighted=True, classes=3 if case == "classes" else 0)
    changes: dict[str, Any] = {"epochs": 9, "schedule": "one-cycle"}
    if case == "early stopping":
        table.rows = replace(table.rows, watched=table.rows.judged)
        changes = {"early_stopping": True, "patience": 2, "epochs": 30, "lr": 0.05, "judge_every": 2}
    if case == "batch norm":
        changes |= {"batch_norm": "input,hidden", "dropout": 0.2}
    plan = table.plan(**changes)
    whole = table.train(plan)
    if case == "early stopping":
        assert len({record.epochs for record in whole.members}) > 1, "all ended at once"
    the_same(apart(table, plan, table.members(plan), shares), whole)


def test_a_share_that_breaks_leaves_the_others_and_keeps_its_numbers(world: Callable[..., Any]) -> None:
    table = world()
    plan = table.plan(optimizer="sgd", epochs=6)
    members = table.members(plan)
    members = replace(members, lr=torch.tensor([1e-3, 1e30, 1e-3, 1e30]))
    whole = table.train(plan, members)
    parts = apart(table, plan, members, [[1, 3], [0, 2]])
    assert [record.ended for record in parts.members] == ["finished", "non-finite"] * 2
    assert [record.breakdown.member for record in parts.members if record.breakdown] == [1, 3]
    assert parts.members == whole.members
    assert torch.equal(parts.weights_MP, whole.weights_MP)
    assert survived(parts) is parts
    all_broken = replace(members, lr=torch.full((4,), 1e30))
    with pytest.raises(TrainingError, match="all 4 became NaN or infinite"):
        survived(apart(table, plan, all_broken, [[1, 3], [0, 2]]))


def test_one_process_trains_as_ever(world: Callable[..., Any]) -> None:
    table = world()
    plan = table.plan()
    alone = train_spread(table.network(plan), table.shelf(plan), table.rows, table.members(plan), plan, metric="rmse")
    the_same(alone, table.train(plan))
    with agreed():
        pass
    with pytest.raises(PlanError, match="a is b"), agreed():
        raise PlanError("a is b")


LATE = """
import os, sys
import danlu

def stop():
    calls.append(1)
    return os.environ["RANK"] in sys.argv[1] or len(calls) > 40

calls = []
rows = {"x": [i / 10 for i in range(60)], "y": [i / 5 + 1 for i in range(60)]}
try:
    model = danlu.fit(rows, "y", folds=3, repeats=1, epochs=9, stop=stop)
except danlu.core.errors.Interrupted as error:
    sys.stdout.write(f"nothing: {error}\\n")  # at once, since the other process writes there too
else:
    begun = [(m.ended, m.epochs > 0) for m in model.run.members]
    sys.stdout.write(f"{begun} {model.run.shipped} {model.run.interrupted}\\n")
"""


def test_a_process_that_is_stopped_before_its_first_step_leaves_what_others_have(tmp_path: Path) -> None:
    (tmp_path / "late.py").write_text(LATE, encoding="utf-8")
    ended = torchrun(2, ["0"], tmp_path, ["late.py"])
    assert ended.returncode == 0, ended.stderr
    begun = [("interrupted", False), ("finished", True), ("interrupted", False)]
    assert ended.stdout.splitlines() == [f"{begun} (1,) True"] * 2
    ended = torchrun(2, ["01"], tmp_path, ["late.py"])
    assert ended.stdout.count("nothing: a network needs at least one step") == 2


# Processes that talk

TALK = """
import atexit, json, os, sys
import torch
from pathlib import Path
from danlu.core.errors import DataError, PlanError
from danlu.core.launch import launched
from danlu.population.processes import agree, agreed, broadcast, settle, tell_all

rank, said = launched().rank, {}

def threads():
    tasks = Path("/proc/self/task")  # of Linux
    return [(task / "comm").read_text().strip() for task in tasks.iterdir()] if tasks.is_dir() else []

@atexit.register  # before that of the group, so it is called after it
def last():
    said["gloo left"] = [name for name in threads() if "gloo" in name]
    Path(sys.argv[1], f"{rank}.json").write_text(json.dumps(said))

def caught(act):
    try:
        act()
    except Exception as error:
        return [type(error).__name__, str(error)]
def fail(*errors):
    with agreed():
        if rank < len(errors) and errors[rank] is not None:
            raise errors[rank]

said["all"] = tell_all({"rank": rank, "text": "丹炉" * rank, "number": 0.1 + rank})
own = torch.tensor([[0.1, float("nan")], [-0.0, 1e-40]], dtype=torch.float64)
got = broadcast(own if rank == 1 else torch.empty(2, 2, dtype=torch.float64), 1)
said["bits"] = torch.equal(got.view(torch.int64), own.view(torch.int64))
said["none"] = caught(lambda: fail())
said["second"] = caught(lambda: fail(None, DataError("a", "b", "C.")))
said["both"] = caught(lambda: fail(PlanError("zero"), DataError("one")))
said["unforeseen"] = caught(lambda: fail(None, ValueError("oh")))
def late():
    if rank == 1:
        raise settle(DataError("before anything began"))
    fail()
said["late"] = caught(late)
said["gloo"] = [name for name in threads() if "gloo" in name]
"""


def test_processes_tell_each_other_and_agree_on_errors(tmp_path: Path) -> None:
    (tmp_path / "talk.py").write_text(TALK, encoding="utf-8")
    ended = torchrun(2, [str(tmp_path)], tmp_path, ["talk.py"])
    assert ended.returncode == 0, ended.stderr
    first, second = (json.loads((tmp_path / f"{rank}.json").read_text(encoding="utf-8")) for rank in range(2))
    assert first["unforeseen"] == ["RuntimeError", "process 1: ValueError: oh"]
    assert second["unforeseen"] == ["ValueError", "oh"]
    del first["unforeseen"], second["unforeseen"]
    # How many threads gloo has at that moment is its own affair.
    threads = first.pop("gloo"), second.pop("gloo")
    assert first == second
    assert first["all"] == [{"rank": 0, "text": "", "number": 0.1}, {"rank": 1, "text": "丹炉", "number": 1.1}]
    assert first["bits"]
    # A thread of gloo that outlives the interpreter ends the process with SIGABRT, now and then.
    assert all(threads) or sys.platform != "linux"
    assert not first["gloo left"]
    assert first["none"] is None
    assert first["second"] == ["DataError", "a, b. C."]
    assert first["both"] == ["PlanError", "zero."]
    assert first["late"] == ["DataError", "before anything began."]
