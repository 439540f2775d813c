"""A small table in folds, a network on it, and the call that trains some of its members."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
import torch

from danlu.core.plan import Plan, make_plan
from danlu.core.records import CodeColumn, FeatureLayout, NetworkSpec
from danlu.networks import Network, Preparation
from danlu.networks.build import LINKS
from danlu.population import Matrices, Members, Rows, Shelf, Trained, train
from danlu.population.losses import make_loss

SETTING: dict[str, Any] = {
    "hidden": (24, 17),
    "activation": "silu",
    "optimizer": "adam",
    "lr": 0.01,
    "epochs": 4,
    "batch_size": 50,
    "loss": "mse",
    "schedule": "constant",
    "scale": "standard",
    "scale_target": "standard",
}


@dataclass
class World:
    """One table, its folds and matrices, and how to train on it."""

    rows: Rows
    matrices: Matrices
    layout: FeatureLayout
    setting: dict[str, Any] = field(default_factory=lambda: dict(SETTING))
    outputs: int = 1

    @property
    def folds(self) -> int:
        return len(self.rows.fit)

    @property
    def dtype(self) -> torch.dtype:
        return self.matrices.x_NF.dtype

    def plan(self, **changes: Any) -> Plan:
        return make_plan(**(self.setting | changes))

    def network(self, plan: Plan) -> Network:
        norms = plan.batch_norm or ()
        return Network(
            NetworkSpec(
                layout=self.layout,
                outputs=self.outputs,
                hidden=plan.hidden or (),
                activation=plan.activation or "relu",
                batch_norm_input="input" in norms,
                batch_norm_hidden="hidden" in norms,
                dropout=plan.dropout or 0.0,
                link=LINKS[(plan.loss or "mse").split(":")[0]],
                scale_target=plan.scale_target or "none",
            )
        )

    def preparation(self, plan: Plan) -> Preparation:
        y = self.matrices.y if self.matrices.y.is_floating_point() else None
        return Preparation.fit(
            self.matrices.x_NF.cpu(),
            self.matrices.codes_NQ.cpu(),
            None if y is None else y.cpu(),
            [torch.as_tensor(rows) for rows in self.rows.fit],
            self.layout,
            plan.scale or "standard",
            plan.scale_target or "none",
            self.dtype,
            None if self.matrices.weight_N is None else self.matrices.weight_N.cpu(),
        ).to(self.matrices.x_NF.device)

    def members(self, plan: Plan, repeat: Sequence[int] | None = None) -> Members:
        return Members.make(plan, self.folds, repeat, dtype=self.dtype, device=self.matrices.x_NF.device)

    def shelf(self, plan: Plan) -> Shelf:
        return Shelf(self.matrices, self.preparation(plan), scaled=make_loss(plan.loss or "mse").scaled)

    def train(self, plan: Plan, members: Members | None = None, **options: Any) -> Trained:
        members = self.members(plan) if members is None else members
        options = {"metric": "rmse" if self.matrices.y.is_floating_point() else "accuracy"} | options
        return train(self.network(plan), self.shelf(plan), self.rows, members, plan, **options)


def build(
    rows: int = 300,
    folds: int = 4,
    *,
    classes: int = 0,
    weighted: bool = False,
    double: bool = False,
    outputs: int = 1,
    device: str = "cpu",
) -> World:
    """A table of 5 numbers and one category of 4 levels, its target made by a formula with noise."""
    generator = np.random.default_rng(7)
    x = generator.normal(size=(rows, 5))
    codes = generator.integers(2, 6, size=(rows, 1))
    signal = 3 * x[:, :1] + np.square(x[:, 1:2]) + codes + 0.3 * generator.normal(size=(rows, outputs))
    signal = signal * np.arange(1, outputs + 1)
    cuts = np.quantile(signal[:, 0], np.linspace(0, 1, classes + 1)[1:-1]) if classes else None
    y = torch.from_numpy(signal if cuts is None else np.digitize(signal[:, 0], cuts))
    dtype = torch.float64 if double else torch.float32
    weight = torch.from_numpy(generator.uniform(0.2, 3.0, rows)).to(dtype) if weighted else None
    number = np.arange(rows)
    fit = tuple(number[number % folds != k] for k in range(folds))
    judged = tuple(number[number % folds == k] for k in range(folds))
    layout = FeatureLayout(numbers=tuple("abcde"), codes=(CodeColumn(name="level", slots=6, width=3),))
    x_NF, codes_NQ = torch.from_numpy(x).to(device, dtype), torch.from_numpy(codes.astype(np.int32)).to(device)
    matrices = Matrices(x_NF, codes_NQ, y.to(device), None if weight is None else weight.to(device))
    world = World(Rows(fit, judged), matrices, layout, outputs=classes or outputs)
    if classes:
        world.setting |= {"loss": "cross-entropy", "scale_target": "none"}
    return world


@pytest.fixture
def world() -> Callable[..., World]:
    """The builder of small tables."""
    return build


@pytest.fixture(params=[1, 2])
def threads(request: pytest.FixtureRequest) -> Any:
    """One and two threads: ENGINE.md promises the same bits with each."""
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)
