"""What is measured in Danlu's own interpreter: populations through `train`, and plain PyTorch on the same work.

Every measurement is built once and then called; it answers seconds a network and step unless it says otherwise.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor

from danlu.core.plan import Plan, make_plan
from danlu.core.records import FeatureLayout, ModuleSpec, NetworkSpec
from danlu.networks import Network, Preparation, Program
from danlu.networks.custom import from_python
from danlu.networks.modules import ModuleNetwork
from danlu.population import Matrices, Members, Rows, Shelf, train
from danlu.population.batches import Batch
from danlu.population.losses import make_loss
from danlu.population.optimizers import make_optimizer, start
from danlu.population.precision import can_bfloat16
from danlu.population.step import Flat, Step

ROWS, FEATURES, BATCH, LAYERS = 20_480, 16, 256, 3
IMAGES, PIXELS, CLASSES = 60_000, 784, 10
FOLDS = 5
"""So many orders of rows, as in cross-validation; each takes all rows, so all members have the same work."""
LOW = "bfloat16" if can_bfloat16(torch.device("cpu")) else "float32"
"""What products are in where many members are measured."""
Measurement = Callable[[], float]


class Population:
    """Members of one architecture on random rows, trained by `train`.

    Arguments:
        hidden: widths of the hidden layers.
        members: M; member i trains on fold i % 5.
        precision: of products.
        rows, features: of the table.
        classes: 0 for regression.
        scale: how numbers and targets are prepared, as in the plan; unless "none", that is part of the time.
        stored: False prepares each batch anew, as where the prepared rows do not fit.
        module: whether the same network comes as a user's own torch.nn.Module.
        epochs: of a training; making the engine is part of its time.
        settings: further ones of the plan.
    """

    def __init__(  # noqa: PLR0913  one row of the table of measurements
        self,
        hidden: tuple[int, ...],
        members: int,
        precision: str = LOW,
        *,
        rows: int = ROWS,
        features: int = FEATURES,
        classes: int = 0,
        scale: str = "none",
        stored: bool = True,
        module: bool = False,
        epochs: int = 1,
        **settings: Any,
    ) -> None:
        rng = np.random.default_rng(0)
        x = torch.from_numpy(rng.standard_normal((rows, features), dtype=np.float32))
        y = torch.from_numpy(rng.integers(0, classes, rows) if classes else rng.standard_normal((rows, 1)))
        self.matrices = Matrices(x, torch.zeros(rows, 0, dtype=torch.int32), y)
        number = np.arange(rows)
        self.rows = Rows((number,) * min(FOLDS, members), (number[:0],) * min(FOLDS, members))
        self.settings = {
            "hidden": hidden, "loss": "cross-entropy" if classes else "mse", "precision": precision, "scale": scale,
            "batch_size": BATCH, "schedule": "constant", "optimizer": "adamw", "lr": 0.001, "weight_decay": 0.01,
        } | settings  # fmt: skip
        self.epochs, self.steps, self.count = epochs, -(-rows // BATCH), members
        self.layout = FeatureLayout(numbers=tuple(f"x{i}" for i in range(features)))
        self.prepares, self.most = scale != "none", 1 << 40 if stored else 0
        target = "standard" if self.prepares and not classes else "none"
        # Without scaling a preparation holds what fills missing cells, and there are none: a few rows will do.
        seen = [rows if self.prepares else rows[:BATCH] for rows in self.rows.fit]
        self.preparation = Preparation.fit(
            x, self.matrices.codes_NQ, None if classes else y, seen, self.layout, scale, target
        )
        spec = self.describe(classes or 1)
        self.network = as_module(spec) if module else Network(spec)
        self.shelf = self.make_shelf()
        self.metric = "accuracy" if classes else "rmse"
        self.seconds()

    @property
    def plan(self) -> Plan:
        """The plan of so many epochs."""
        return make_plan(epochs=self.epochs, **self.settings)

    def describe(self, outputs: int) -> NetworkSpec:
        """Return the architecture."""
        plan, norms = self.plan, self.plan.batch_norm or ()
        spec = {
            "layout": self.layout, "outputs": outputs, "hidden": plan.hidden, "activation": "relu",
            "batch_norm_hidden": "hidden" in norms, "dropout": plan.dropout or 0.0,
            "scale": self.preparation.scale, "scale_target": self.preparation.scale_target,
        }  # fmt: skip
        return NetworkSpec.model_validate(spec)

    def make_shelf(self) -> Shelf:
        """Return the rows as the folds prepare them."""
        return Shelf(self.matrices, self.preparation, scaled=self.prepares, most=self.most)

    def members(self) -> Members:
        """Return the members."""
        return Members.make(self.plan, len(self.rows.fit)).select([i % len(self.rows.fit) for i in range(self.count)])

    def seconds(self) -> float:
        """Return the seconds of one training; of preparing the rows too, where they are prepared."""
        members, plan = self.members(), self.plan
        began = time.perf_counter()
        shelf = self.make_shelf() if self.prepares else self.shelf
        train(self.network, shelf, self.rows, members, plan, metric=self.metric)
        return time.perf_counter() - began

    def __call__(self) -> float:
        """Return seconds a member and step."""
        return self.seconds() / (self.epochs * self.steps * self.count)


class Hand:
    """The feed of a loop written by hand: its batch lies where the loop puts it, and losses are left alone."""

    def __init__(self, batch: Batch) -> None:
        self.batch = batch

    def draw(self, _do: Program, _coefficients: Tensor, _seeds: Tensor | None, _counted: bool) -> Batch:
        """Return the batch, which the loop fills before the step."""
        return self.batch

    def note(self, _do: Program, _loss_M: Tensor) -> None:
        """Leave the losses to the loop."""


class Inlined:
    """The same operations as `train` in a loop written out: the recorded calls of one `Step`, and gathering.

    No reporter, judgings, look for broken numbers, stretches or tables: what the engine may cost is what this costs.
    """

    def __init__(self, population: Population) -> None:
        self.population = population
        self()

    def __call__(self) -> float:
        """Return seconds a member and step."""
        p = self.population
        began = time.perf_counter()
        self._train(p)
        return (time.perf_counter() - began) / (p.epochs * p.steps * p.count)

    def _train(self, p: Population) -> None:
        members, plan, rows = p.members(), p.plan, len(p.matrices.x_NF)
        optimizer = make_optimizer(plan, members)
        weights_MP, state_MS = p.network.initial(members.keys)
        flat = Flat(weights_MP, state_MS, start(optimizer, weights_MP))
        low = plan.precision == "bfloat16"
        step = Step(p.network, make_loss("mse"), optimizer, members, flat, low)
        assert p.shelf.stored is not None
        (x, slots), target = p.shelf.stored
        x = p.shelf.stored_low if step.run.split else x
        x_MBD, target_MBC = x.new_empty(p.count, BATCH, x.shape[1]), target.new_empty(p.count, BATCH, 1)
        prepared = type(p.shelf.stored[0])(x_MBD, slots.new_empty(p.count, BATCH, 0))
        share_MB, count_M11 = torch.full((p.count, BATCH), 1 / BATCH), torch.full((p.count, 1, 1), float(BATCH))
        steps, folds = rows // BATCH, members.fold_M
        taken = np.arange(p.epochs * steps)[:, None].repeat(p.count, 1)
        rate = np.broadcast_to(members.lr.double().numpy(), taken.shape)
        numbers = optimizer.coefficients(rate, taken + 1.0, members)
        table_TQM1 = torch.from_numpy(np.stack([numbers[name] for name in optimizer.names], 1)[..., None]).float()
        loss_TM = torch.zeros(len(taken), p.count)
        next_step, t = None, 0
        hand = Hand(Batch(prepared, target_MBC, share_MB, count_M11))
        for _ in range(p.epochs):
            order_KSB = torch.stack([torch.randperm(rows).view(steps, BATCH) for _ in range(len(p.rows.fit))])
            index_SMB = (order_KSB[folds] + (folds * rows)[:, None, None]).transpose(0, 1).contiguous()
            for index_MB in index_SMB:
                index = index_MB.view(-1)
                torch.index_select(x, 0, index, out=x_MBD.view(-1, x.shape[1]))
                torch.index_select(target, 0, index, out=target_MBC.view(-1, 1))
                step.coefficients_QM1.copy_(table_TQM1[t])
                if next_step is None:
                    next_step = step.record(hand).run
                else:
                    next_step()
                loss_TM[t] = step.loss_M
                t += 1


def perceptron(inputs: int, hidden: tuple[int, ...], outputs: int) -> torch.nn.Sequential:
    """Return a plain network with ReLU."""
    layers: list[torch.nn.Module] = []
    for before, after in pairwise([inputs, *hidden, outputs]):
        layers += [torch.nn.Linear(before, after), torch.nn.ReLU()]
    return torch.nn.Sequential(*layers[:-1])


def as_module(spec: NetworkSpec) -> Network:
    """Return the network of a spec as the engine takes a user's own class."""
    bare = NetworkSpec(layout=spec.layout, outputs=spec.outputs, scale=spec.scale, scale_target=spec.scale_target)
    custom = from_python(lambda inputs, outputs: perceptron(inputs, spec.hidden, outputs))
    return ModuleNetwork(bare.model_copy(update={"module": ModuleSpec(name=custom.name)}), custom)


def plain_loop(hidden: int, steps: int = 60, repeat: int = 4) -> Measurement:
    """Return one network in an eager loop of PyTorch: fused AdamW, tensors in memory."""
    rng = np.random.default_rng(0)
    x = torch.from_numpy(rng.standard_normal((ROWS, FEATURES), dtype=np.float32))
    y = torch.from_numpy(rng.standard_normal((ROWS, 1), dtype=np.float32))
    net = perceptron(FEATURES, (hidden,) * LAYERS, 1)
    optimizer = torch.optim.AdamW(net.parameters(), 0.001, fused=True)

    def run() -> float:
        began = time.perf_counter()
        order = torch.randperm(ROWS)
        for s in range(steps):
            rows = order[s * BATCH : (s + 1) * BATCH]
            loss = torch.nn.functional.mse_loss(net(x[rows]), y[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        return (time.perf_counter() - began) / steps

    run()
    return lambda: min(run() for _ in range(repeat))


def product_rate(hidden: int, members: int = 20, calls: int = 10, repeat: int = 8) -> Measurement:
    """Return what a member's step would last if its products ran as fast as torch.bmm does `[M, B, H] x [M, H, H]`.

    A step has 6 B in out operations a layer: 2 in the forward pass and 2 for each of the two gradients.
    """
    kind = torch.bfloat16 if LOW == "bfloat16" else torch.float32
    left, right = torch.randn(members, BATCH, hidden).to(kind), torch.randn(members, hidden, hidden).to(kind)
    into = torch.empty(members, BATCH, hidden, dtype=kind)
    flops = 6 * BATCH * sum(i * o for i, o in pairwise([FEATURES, *[hidden] * LAYERS, 1]))

    def run() -> float:
        began = time.perf_counter()
        for _ in range(calls):
            torch.bmm(left, right, out=into)
        return (time.perf_counter() - began) / (calls * members * 2 * BATCH * hidden * hidden) * flops

    run()
    return lambda: min(run() for _ in range(repeat))


def images(precision: str) -> Measurement:
    """Return seconds an epoch of 60,000 rows: 784-256-10, plain SGD, cross-entropy, one member."""
    population = Population(
        (256,), 1, precision, rows=IMAGES, features=PIXELS, classes=CLASSES, epochs=2, optimizer="sgd", lr=0.1,
        weight_decay=None,
    )  # fmt: skip
    return lambda: population.seconds() / population.epochs
