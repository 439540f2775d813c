"""Contract 1 over drawn architectures and settings: a member equals its solo run, bit for bit, wherever it stands."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from danlu.core.plan import make_plan
from danlu.core.records import CodeColumn, FeatureLayout, NetworkSpec
from danlu.networks import ACTIVATIONS, Network, Preparation, Prepared, Step, to_torch
from danlu.population import Matrices, Members, Rows, Shelf, Trained, train

FOLDS, ROWS = 3, 230
LAYOUT = FeatureLayout(numbers=("a", "b", "c"), codes=(CodeColumn(name="d", slots=5, width=2),))


@pytest.fixture(params=[1, 2], autouse=True)
def threads(request: pytest.FixtureRequest) -> Iterator[int]:
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


LAYERS = {
    "hidden": st.lists(st.sampled_from([1, 5, 16, 17, 33, 64]), max_size=3).map(tuple),
    "activation": st.sampled_from(sorted(ACTIVATIONS)),
    "batch_norm_input": st.booleans(),
    "batch_norm_hidden": st.booleans(),
    "layer_norm": st.booleans(),
}
plain_networks = st.fixed_dictionaries(LAYERS)
networks = st.fixed_dictionaries(LAYERS | {"copies": st.sampled_from([1, 1, 3]), "bins": st.sampled_from([0, 7])}).map(
    lambda drawn: drawn | {"copies": 1 if drawn["batch_norm_hidden"] else drawn["copies"]}
)
plans = st.fixed_dictionaries(
    {
        "optimizer": st.sampled_from(["sgd", "adam", "adamw", "rmsprop", "adagrad"]),
        "batch_size": st.sampled_from([32, 50, 64, "all"]),
        "loss": st.sampled_from(["mse", "huber:0.5", "cross-entropy"]),
        "precision": st.sampled_from(["float32", "bfloat16"]),
        "early_stopping": st.booleans(),
    }
)
numbers = st.fixed_dictionaries(
    {
        "lr": st.sampled_from([0.001, 0.01, 0.05]),
        "momentum": st.sampled_from([0.0, 0.9]),
        "weight_decay": st.sampled_from([0.0, 0.05]),
        "l1": st.sampled_from([0.0, 0.001]),
        "clip": st.sampled_from([torch.inf, 0.5]),
        "dropout": st.sampled_from([0.0, 0.2]),
        "label_smoothing": st.sampled_from([0.0, 0.1]),
        "loss_weight": st.sampled_from([1.0, 0.5]),
        **dict.fromkeys(("flip", "shift", "rotate", "cutout"), st.just(0.0)),  # of images
        "schedules": st.sampled_from(["constant", "one-cycle", "step:1:0.5", "cosine", "plateau:1:0.5"]),
        "warmups": st.sampled_from([0.0, 0.5]),
        "epochs": st.integers(1, 4),
        "keys": st.integers(0, 2**62),
        "fold_M": st.integers(0, FOLDS - 1),
    }
)


def build_members(drawn: list[dict[str, Any]]) -> Members:
    """Members whose numbers all differ."""
    columns: dict[str, Any] = {name: [one[name] for one in drawn] for name in drawn[0]}
    columns["repeats"] = [0] * len(drawn)
    tensors = {f.name for f in fields(Members) if f.type == "Tensor"}
    return Members(
        **{name: torch.tensor(column) if name in tensors else tuple(column) for name, column in sorted(columns.items())}
    )


class Case:
    """A small table in folds of unequal size with row weights, and a network on it."""

    def __init__(self, network: dict[str, Any], plan: dict[str, Any]) -> None:
        generator = np.random.default_rng(3)
        classes = plan["loss"] == "cross-entropy"
        x = torch.from_numpy(generator.normal(size=(ROWS, 3)).astype(np.float32))
        y = torch.from_numpy(generator.integers(0, 3, ROWS) if classes else generator.normal(size=(ROWS, 1)))
        codes = torch.from_numpy(generator.integers(0, 5, (ROWS, 1)).astype(np.int32))
        weight = torch.from_numpy(generator.uniform(0.5, 2.0, ROWS).astype(np.float32))
        fit = tuple(np.flatnonzero(np.arange(ROWS) % (k + 4) > 1) for k in range(FOLDS))
        watched = tuple(np.flatnonzero(np.arange(ROWS) % (k + 4) == 1) for k in range(FOLDS))
        self.plan = make_plan(lr=0.01, epochs=4, patience=1 if plan["early_stopping"] else None, **plan)
        layout = LAYOUT.model_copy(update={"bins": network["bins"]})
        network = {name: value for name, value in network.items() if name != "bins"}
        self.network = Network(NetworkSpec(layout=layout, outputs=3 if classes else 1, scale="standard", **network))
        matrices = Matrices(x, codes, y, weight)
        scale = "none" if classes else "standard"
        truth = None if classes else y
        preparation = Preparation.fit(x, codes, truth, fit, layout, "standard", scale, torch.float32, weight)
        self.shelf = Shelf(matrices, preparation, scaled=not classes)
        self.rows = Rows(fit, tuple(np.arange(k, 40) for k in range(FOLDS)), watched)

    def train(self, members: Members) -> Trained:
        metric = "accuracy" if self.plan.loss == "cross-entropy" else "rmse"
        return train(self.network, self.shelf, self.rows, members, self.plan, metric=metric)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True)
@given(network=networks, plan=plans, drawn=st.lists(numbers, min_size=5, max_size=5), size=st.sampled_from([5, 40]))
def test_a_member_equals_its_solo_run_whatever_is_asked(
    network: dict[str, Any], plan: dict[str, Any], drawn: list[dict[str, Any]], size: int
) -> None:
    """Populations of 5 and 40, members leaving one after another, at the first, a middle and the last place."""
    case = Case(network, plan)
    five = build_members(drawn)
    members = five.select([i % 5 for i in range(size)])
    whole = case.train(members)
    for place in (0, size // 2, size - 1):
        alone = case.train(members.select([place]))
        assert torch.equal(whole.weights_MP[place], alone.weights_MP[0])
        assert torch.equal(whole.state_MS[place], alone.state_MS[0])
        epochs = alone.members[0].epochs
        assert replace_index(whole.members[place]) == replace_index(alone.members[0])
        np.testing.assert_array_equal(whole.curves["loss_EM"][:epochs, place], alone.curves["loss_EM"][:epochs, 0])


def replace_index(record: Any) -> Any:
    """A record without the member's place."""
    breakdown = record.breakdown.model_copy(update={"member": 0}) if record.breakdown else None
    return record.model_copy(update={"index": 0, "breakdown": breakdown})


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True)
@given(network=networks, plan=plans, drawn=numbers)
def test_the_same_seed_gives_the_same_weights_run_after_run(
    network: dict[str, Any], plan: dict[str, Any], drawn: dict[str, Any]
) -> None:
    case, members = Case(network, plan), build_members([drawn])
    assert torch.equal(case.train(members).weights_MP, case.train(members).weights_MP)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True)
@given(network=plain_networks, seed=st.integers(0, 99))
def test_gradients_equal_autograd_in_float64(network: dict[str, Any], seed: int) -> None:
    """The exported torch.nn module in training mode, same weights and rows: within 1e-12."""
    net = Network(NetworkSpec(layout=LAYOUT, outputs=2, scale="none", **network))
    weights, state = net.initial([seed, seed + 1], torch.float64)
    preparation = Preparation.fit(
        torch.zeros(4, 3), torch.zeros(4, 1, dtype=torch.int32), None, [torch.arange(4)], LAYOUT, "none", "none",
        torch.float64,
    )  # fmt: skip
    modules = to_torch(net, preparation, weights, state, [0, 0]).members.train()
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(2, 32, 3, dtype=torch.float64, generator=generator)
    slots = torch.randint(0, 5, (2, 32, 1), generator=generator)
    slope = torch.randn(2, 32, 2, dtype=torch.float64, generator=generator)
    share, rows = torch.full((2, 32, 1), 1 / 32, dtype=torch.float64), torch.full((2, 1, 1), 32.0, dtype=torch.float64)
    run = net.bind(weights, state, gradient=True)
    outputs = run.forward(Prepared(x, slots), Step(True, share, rows))
    run.backward(slope)
    named = net.named(run.gradient_MP)
    for m, module in enumerate(modules):
        looked_up = [table(slots[m, :, i]) for i, table in enumerate(module.embeddings)]
        expected = module.network(torch.cat([x[m], *looked_up], 1))
        torch.testing.assert_close(outputs[m], expected, rtol=1e-12, atol=1e-12)
        (expected * slope[m]).sum().backward()
        ours = [
            part[m].T if slot.stored.role == "weight" else part[m]
            for slot, part in zip(net.parameters, named.values(), strict=True)
        ]
        theirs = sorted((p.grad for p in module.parameters()), key=lambda g: (g.numel(), float(g.abs().sum())))
        ours.sort(key=lambda g: (g.numel(), float(g.abs().sum())))
        assert len(ours) == len(theirs)
        # Norms of one unit, or of nearly equal values, multiply rounding by 1 / sqrt(1e-5).
        largest = max(1.0, *(float(gradient.abs().max()) for gradient in theirs))
        for a, b in zip(ours, theirs, strict=True):
            torch.testing.assert_close(a.reshape(b.shape), b, rtol=1e-9, atol=1e-11 * largest)
