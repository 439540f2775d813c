"""Convolutional members at once, as grouped convolutions, beside one after another: ms a member and step.

What comes out of it stands in `danlu/networks/together.py`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from danlu.core.plan import make_plan
from danlu.core.records import FeatureLayout, TargetSchema
from danlu.networks import Preparation
from danlu.networks.build import describe, make_network
from danlu.networks.modules import ModuleNetwork
from danlu.population import Matrices, Members, Rows, Shelf, train

SIZES: dict[str, dict[str, Any]] = {
    "12 x 12, 4-6": {"side": 12, "conv": (4, 6), "hidden": (16,), "pool": "max"},
    "28 x 28, 6-16": {"side": 28, "conv": (6, 16), "hidden": (120, 84), "pool": "max"},
    "28 x 28, residual 16-32-64-64": {
        "side": 28, "conv": (16, 32, 64, 64), "hidden": (), "pool": "max", "residual": True,
    },
}  # fmt: skip
CLASSES = 10


class Convolutions:
    """So many members of one size; a call trains them and answers seconds a member and step.

    Arguments:
        size: one of `SIZES`.
        members: M; all on the same rows.
        at_once: whether their convolutions are grouped.
        steps: of a training; making the engine is part of its time.
        batch: rows a step.
        precision: of products.
        device: cpu or cuda.
    """

    def __init__(
        self, size: dict[str, Any], members: int, *, at_once: bool, steps: int, batch: int, precision: str, device: str
    ) -> None:
        settings = {name: value for name, value in size.items() if name != "side"}
        self.plan = make_plan(
            net="cnn", **settings, kernel=3, padding="same" if size.get("residual") else 0, optimizer="adamw", lr=0.001,
            scale="unit", loss="cross-entropy", epochs=1, batch_size=batch, precision=precision,
        )  # fmt: skip
        rows, side, random = steps * batch, size["side"], np.random.default_rng(0)
        layout = FeatureLayout(numbers=(), image=(1, side, side))
        x = torch.from_numpy(random.integers(0, 256, (rows, side * side), dtype=np.uint8)).to(device)
        codes = torch.zeros(rows, 0, dtype=torch.int32)
        y = torch.from_numpy(random.integers(0, CLASSES, rows)).to(device)
        number = np.arange(rows)
        preparation = Preparation.fit(x.cpu(), codes, None, [number], layout, "unit", "none", torch.float32)
        self.shelf = Shelf(Matrices(x, codes.to(device), y), preparation.to(torch.device(device)), scaled=False)
        self.rows = Rows((number,), (number[:0],))
        target = _target()
        network = make_network(describe(self.plan, layout, target))
        assert isinstance(network, ModuleNetwork)
        network.layer.rule = lambda _device, _members: at_once
        self.network = network
        one = Members.make(self.plan, 1, device=device)
        self.members = one.join(*(Members.make(self.plan, 1, device=device) for _ in range(members - 1)))
        self.work = members * steps
        self.device = device

    def __call__(self) -> float:
        began = time.perf_counter()
        train(self.network, self.shelf, self.rows, self.members, self.plan, metric="accuracy")
        if self.device == "cuda":
            torch.cuda.synchronize()
        return (time.perf_counter() - began) / self.work


def _target() -> TargetSchema:
    names = tuple(str(k) for k in range(CLASSES))
    return TargetSchema(names=("class",), task="classification", classes=names, outputs=CLASSES)


def measure_members(
    counts: list[int], rounds: int, *, steps: int, batch: int, precisions: list[str], device: str,
    say: Callable[[str], None],
) -> list[dict[str, Any]]:  # fmt: skip
    """Return a row for each size, precision and number of members: least ms a member and step, both ways in turn."""
    found = []
    for name, size in SIZES.items():
        for precision in precisions:
            for members in counts:
                say(f"measuring {name}, {precision}, {members} members")
                shape = {"steps": steps, "batch": batch, "precision": precision, "device": device}
                both = {way: Convolutions(size, members, at_once=way, **shape) for way in (True, False)}
                runs: dict[bool, list[float]] = {True: [], False: []}
                for _ in range(rounds + 1):
                    for way, trained in both.items():
                        runs[way].append(trained())
                least = {way: min(seconds[1:]) * 1000 for way, seconds in runs.items()}  # the first warms up
                found.append(
                    {"size": name, "precision": precision, "members": members, "at_once_ms": least[True],
                     "one_after_another_ms": least[False], "ratio": least[True] / least[False]}
                )  # fmt: skip
    return found
