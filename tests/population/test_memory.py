"""What training needs of memory against the tensors there are, and waves that change no bit."""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import danlu
from danlu.core.errors import TrainingError
from danlu.core.records import ModuleSpec, Progress
from danlu.networks.custom import Custom
from danlu.networks.modules import ModuleNetwork
from danlu.population.engine import Engine
from danlu.population.memory import Meter, need, ran_out, waves
from danlu.population.progress import Course, Reporter
from danlu.population.room import Room
from danlu.population.train import Trained

SHAPES: dict[str, dict[str, Any]] = {
    "mlp": {"hidden": (256, 128), "activation": "relu"},
    "narrow": {"hidden": (20, 20, 20, 20)},
    "odd width, tanh": {"hidden": (131, 77), "activation": "tanh"},
    "batch norm, dropout": {"hidden": (96, 96), "batch_norm": "input,hidden", "dropout": 0.2},
    "bfloat16": {"hidden": (256, 256), "activation": "relu", "precision": "bfloat16", "dropout": 0.1},
    "sgd, large batches": {"hidden": (64,), "optimizer": "sgd", "momentum": 0.9, "batch_size": 1024},
    "all rows": {"hidden": (64, 64), "batch_size": "all"},
    "linear": {"hidden": ()},
    "early stopping": {"hidden": (128,), "early_stopping": True},
}


def storages() -> dict[int, int]:
    """Return the bytes of all tensors that are alive, by address: views of one counted once."""
    gc.collect()
    alive = [thing for thing in gc.get_objects() if issubclass(type(thing), torch.Tensor)]
    storages = [t.untyped_storage() for t in alive if t.device.type == "cpu"]
    return {each.data_ptr(): each.nbytes() for each in storages if each.nbytes()}


def prepared(table: Any, plan: Any, count: int) -> tuple[Any, ...]:
    """Return what training takes, for some members on the table's folds in turn."""
    one = table.members(plan)
    members = one.select([i % one.count for i in range(count)])
    return table.network(plan), table.shelf(plan), table.rows, members, plan


@pytest.mark.parametrize("shape", SHAPES)
def test_the_need_is_what_a_real_engine_takes(world: Callable[..., Any], shape: str) -> None:
    """All tensors that are there after a stretch and a judging, against what was foretold: within 15%."""
    table = world(rows=5000)
    plan = table.plan(**({"epochs": 2, "batch_size": 256, "judge_every": 1} | SHAPES[shape]))
    if plan.early_stopping:
        table.rows = replace(table.rows, watched=table.rows.judged)
    parts = prepared(table, plan, 6)
    foretold = need(*parts)
    before = storages()
    engine = Engine(*parts, Reporter(Course(metric="rmse"), epochs=2, members=6))
    stretch = engine.advance()
    engine.close(stretch)
    engine.judge()
    assert engine.judges["judged_JM"].run is not None
    taken = sum(size for place, size in storages().items() if place not in before)
    lasting = foretold.total - foretold.passing - foretold.curves
    assert lasting == pytest.approx(taken, rel=0.15), foretold


@pytest.mark.parametrize("shape", SHAPES)
def test_a_pass_is_measured_exactly(world: Callable[..., Any], shape: str) -> None:
    """What a pass keeps is foretold without computing: 3% apart, as padding and the small numbers of a step make it."""
    table = world(rows=1000)
    plan = table.plan(**({"epochs": 1, "batch_size": 256} | SHAPES[shape] | {"early_stopping": False}))
    parts = prepared(table, plan, 4)
    foretold = need(*parts)
    engine = Engine(*parts, Reporter(Course(metric="rmse"), epochs=1, members=4))
    engine.advance()
    run, batch = engine.step.run, engine.feed.batch
    given = {t.untyped_storage().data_ptr() for t in (run.weights_MP, *batch.prepared)}
    kept = {t.untyped_storage() for space in run.spaces for t in space.kept.values()}
    taken = {each.data_ptr(): each.nbytes() for each in kept if each.data_ptr() not in given}
    assert foretold.passes == pytest.approx(sum(taken.values()) + 4 * 4 * run.network.size, rel=0.03, abs=10_000)


def test_a_pass_is_laid_out_without_memory(world: Callable[..., Any]) -> None:
    """A network of 40,000 x 40,000 weights, 6.4 GB each time it is stored, is measured in a moment."""
    table = world()
    plan = table.plan(hidden=(40_000, 40_000))
    parts = (table.network(plan), table.shelf(plan), table.rows, table.members(plan), plan)
    assert need(*parts).total > 4 * 7 * 6.4e9


def test_what_autograd_keeps_of_a_users_module_is_counted(world: Callable[..., Any]) -> None:
    """Two layers of 200 and 100 units and their ReLU: for the way back torch keeps the inputs of the products at least."""
    table = world()
    plan = table.plan(batch_size=128)
    column = table.layout.codes[0].model_copy(update={"width": 0})
    table.layout = table.layout.model_copy(update={"codes": (column,)})

    def make(inputs: int, outputs: int) -> nn.Module:
        layers = nn.Linear(inputs, 200), nn.ReLU(), nn.Linear(200, 100), nn.ReLU(), nn.Linear(100, outputs)
        return nn.Sequential(*layers)

    spec = table.network(plan).spec.model_copy(update={"module": ModuleSpec(name="make")})
    network = ModuleNetwork(spec, Custom("make", make))
    parts = (network, table.shelf(plan), table.rows, table.members(plan), plan)
    meter, saved = Meter(*parts), 128 * (200 + 100) * 4
    assert saved < meter._by_autograd(128) < 3 * saved + 4 * 2 * network.size
    assert meter().passes > 4 * (saved + 4 * network.size)


# Waves


def test_where_nothing_is_known_there_are_no_waves(world: Callable[..., Any]) -> None:
    table = world()
    meter = Meter(*prepared(table, table.plan(), 9))
    assert waves(meter, None) == [list(range(9))]


@pytest.mark.parametrize("share", [1.0, 0.7, 0.4, 0.21, 0.16])
def test_waves_fit_are_few_and_even(world: Callable[..., Any], share: float) -> None:
    table = world()
    meter = Meter(*prepared(table, table.plan(hidden=(64, 64)), 23))
    most = int(share * meter().total)
    parts = waves(meter, Room(most, ""))
    assert [i for part in parts for i in part] == list(range(23))
    sizes = [len(part) for part in parts]
    assert max(sizes) - min(sizes) <= 1
    assert all(meter(part).total <= most for part in parts)
    # One wave fewer would not fit.
    fewer = np.array_split(np.arange(23), max(1, len(parts) - 1))
    assert len(parts) == 1 or meter(fewer[0].tolist()).total > most


def test_one_network_that_does_not_fit_is_refused(world: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    table = world()
    plan = table.plan(hidden=(40_000, 40_000))
    monkeypatch.setenv("DANLU_MEMORY", "8GB")
    with pytest.raises(TrainingError, match=r"it needs \d+ GB; DANLU_MEMORY allows 8.0 GB") as refused:
        table.train(plan)
    assert "--hidden" in refused.value.remedy


def same(a: Trained, b: Trained) -> None:
    """Assert that two results are the same in every bit."""
    assert torch.equal(a.weights_MP, b.weights_MP)
    assert torch.equal(a.state_MS, b.state_MS)
    assert a.members == b.members
    assert a.curves.keys() == b.curves.keys()
    for name in a.curves:
        np.testing.assert_array_equal(a.curves[name], b.curves[name], err_msg=name)


def in_waves(monkeypatch: pytest.MonkeyPatch, table: Any, plan: Any, members: Any, count: int) -> int:
    """Let memory hold so many members; return the bytes."""
    meter = Meter(table.network(plan), table.shelf(plan), table.rows, members, plan)
    most = meter(range(count)).total
    monkeypatch.setenv("DANLU_MEMORY", str(most))
    return most


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"batch_norm": "input,hidden", "dropout": 0.2, "optimizer": "adamw", "weight_decay": 0.01},
        {"early_stopping": True, "patience": 2, "epochs": 15, "lr": 0.05, "schedule": "plateau"},
        {"loss": "cross-entropy", "scale_target": "none"},
    ],
    ids=["adam", "batch norm and dropout", "early stopping", "classes"],
)
def test_waves_change_no_bit(
    world: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any]
) -> None:
    """Members with other rates and numbers of epochs, which are judged at other ones too: waves of the shorter, of the
    longer, and of both. Curves and records are the same as well."""
    table = world(weighted=True, classes=3 if "loss" in changes else 0)
    plan = table.plan(**({"epochs": 9, "judge_every": 4} | changes))
    if plan.early_stopping:
        table.rows = replace(table.rows, watched=table.rows.judged)
    longer = table.members(plan.model_copy(update={"epochs": plan.epochs + 5, "lr": plan.lr / 2}))
    members = table.members(plan).join(longer).select([0, 2, 1, 5, 6, 7, 3])
    monkeypatch.delenv("DANLU_MEMORY", raising=False)
    whole = table.train(plan, members)
    assert whole.notes == ()
    in_waves(monkeypatch, table, plan, members, 3)
    seen: list[Progress] = []
    parts = table.train(plan, members, on_progress=seen.append)
    same(whole, parts)
    assert [note.topic for note in parts.notes] == ["memory"]
    assert parts.notes[0].text.startswith("7 networks in 3 waves of 3: at once they need ")
    assert {progress.wave for progress in seen} == {1, 2, 3}
    assert {progress.waves for progress in seen} == {3}
    at = [(p.wave - 1 + p.epoch / p.epochs) for p in seen]
    assert at == sorted(at)
    assert plan.early_stopping or seen[-1].seconds_left == 0.0


def test_a_broken_wave_does_not_end_the_others(world: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    table = world()
    plan = table.plan(optimizer="sgd", activation="relu", epochs=4)
    broken = table.members(plan.model_copy(update={"lr": 1e9}))
    members = broken.join(table.members(plan))
    in_waves(monkeypatch, table, plan, members, 4)
    trained = table.train(plan, members)
    assert [record.ended for record in trained.members] == ["non-finite"] * 4 + ["finished"] * 4
    assert [record.breakdown.member for record in trained.members[:4]] == [0, 1, 2, 3]
    with pytest.raises(TrainingError, match="all 8 became NaN or infinite"):
        table.train(plan, broken.join(broken))


def test_what_is_stopped_in_the_second_wave(world: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """The first wave is complete, the second as far as it got, the third was never begun and is of no use."""
    table = world()
    plan = table.plan(epochs=6)
    members = table.members(plan).join(table.members(plan.model_copy(update={"lr": 0.003}))).select(range(6))
    whole = table.train(plan, members)
    in_waves(monkeypatch, table, plan, members, 2)
    asked = iter([False] * (1 + 6 * 5 + 1 + 7) + [True] * 9)
    cut = table.train(plan, members, stop=lambda: next(asked))
    assert [record.ended for record in cut.members] == ["finished"] * 2 + ["interrupted"] * 4
    assert [record.epochs for record in cut.members] == [6, 6, 2, 2, 0, 0]
    assert [record.usable for record in cut.members] == [True] * 4 + [False] * 2
    assert cut.interrupted
    assert torch.equal(cut.weights_MP[:2], whole.weights_MP[:2])
    first_MP, _ = table.network(plan).initial(members.keys)
    assert torch.equal(cut.weights_MP[4:], first_MP[4:])
    assert np.isnan(cut.curves["loss_EM"][:, 4:]).all()
    assert "stopped before 2 of 6 networks were begun" in cut.notes[-1].text


def test_the_user_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 2))
    data = {"a": x[:, 0], "b": x[:, 1], "y": x[:, 0] + 0.1 * x[:, 1]}
    settings: dict[str, Any] = {"epochs": 3, "folds": 5, "repeats": 1, "hidden": (160, 160), "batch_size": 32}
    whole = danlu.fit(data, "y", **settings)
    monkeypatch.setenv("DANLU_MEMORY", "5MB")
    model = danlu.fit(data, "y", **settings)
    note = next(note for note in model.run.inferred if note.topic == "memory")
    assert "5 networks in " in note.text
    assert "DANLU_MEMORY allows 5.0 MB" in note.text
    np.testing.assert_array_equal(model.predict(data), whole.predict(data))


def test_a_model_of_a_run_that_was_stopped_in_its_second_wave(monkeypatch: pytest.MonkeyPatch) -> None:
    """Networks that were never begun are neither shipped nor judged: their folds' rows have no prediction."""
    x = np.random.default_rng(0).normal(size=(100, 2))
    data = {"a": x[:, 0], "b": x[:, 1], "y": x[:, 0] + 0.1 * x[:, 1]}
    monkeypatch.setenv("DANLU_MEMORY", "5MB")
    waves: list[Progress] = []
    settings: dict[str, Any] = {"epochs": 40, "folds": 5, "repeats": 1, "hidden": (160, 160), "batch_size": 16}
    stop = lambda: bool(waves) and waves[-1].wave == 2 and waves[-1].epoch > 1  # noqa: E731
    run = danlu.fit(data, "y", on_progress=waves.append, stop=stop, **settings).run
    begun = [member for member in run.members if member.epochs]
    assert 0 < len(begun) < 5
    assert run.shipped == tuple(member.index for member in begun)
    assert run.scores["rmse"].rows == 20 * len(begun)
    assert run.interrupted
    assert any(f"stopped before {5 - len(begun)} of 5 networks were begun" in note.text for note in run.inferred)


# Where memory runs out


def test_what_says_that_memory_ran_out() -> None:
    with pytest.raises(RuntimeError) as failed:
        torch.empty(1 << 55)
    assert ran_out(failed.value)
    assert ran_out(MemoryError())
    assert ran_out(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"))
    assert not ran_out(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
    assert not ran_out(ValueError("out of memory"))


LIMITED = """
import hashlib, json, os, resource
import torch
torch.set_num_threads(1)
from population.conftest import build
table = build(rows=300, folds=8)
plan = table.plan(hidden=(700, 700), batch_size=64, epochs=2)

def train(megabytes, memory=None):
    os.environ.pop("DANLU_MEMORY", None)
    if memory:
        os.environ["DANLU_MEMORY"] = memory
    most = resource.RLIM_INFINITY
    if megabytes:
        pages = int(open("/proc/self/statm").read().split()[0])
        most = pages * resource.getpagesize() + megabytes * 1000000
    resource.setrlimit(resource.RLIMIT_AS, (most, resource.RLIM_INFINITY))
    try:
        trained = table.train(plan)
    except Exception as error:
        return {"error": type(error).__name__, "said": str(error)}
    digest = hashlib.sha256(trained.weights_MP.numpy().tobytes()).hexdigest()
    return {"weights": digest, "notes": [note.text for note in trained.notes]}

print(json.dumps([train(0), train(150), train(100, "64GB"), train(8, "64GB")]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="limits of addresses are kept there")
def test_a_process_with_little_memory_trains_in_waves_with_the_same_bits() -> None:
    """8 networks of 2 MB of weights. Planned by what the limit leaves; and where more is promised than there is, begun
    again in smaller waves, until one network alone does not fit."""
    tests = Path(__file__).parent.parent
    # Large tensors are mapped one by one, and given back at once: what the limit leaves is then what can be had.
    malloc = {"MALLOC_ARENA_MAX": "1", "MALLOC_MMAP_THRESHOLD_": "65536"}
    env = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(tests)} | malloc
    done = subprocess.run([sys.executable, "-c", LIMITED], capture_output=True, text=True, timeout=240, env=env)
    assert done.returncode == 0, done.stderr
    whole, planned, promised, refused = json.loads(done.stdout.splitlines()[-1])
    assert whole["notes"] == []
    assert planned["weights"] == whole["weights"]
    assert "8 networks in " in planned["notes"][0]
    assert len(planned["notes"]) == 1
    assert promised["weights"] == whole["weights"]
    assert promised["notes"][0].startswith("memory ran out: waves of 8 networks became waves of 4")
    assert refused["error"] == "TrainingError"
    assert "memory ran out with one network alone" in refused["said"]
    assert "DANLU_MEMORY" in refused["said"]
