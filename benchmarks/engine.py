"""Danlu's step beside a plain PyTorch loop: 5 members, interleaved in one run.

    PYTHONPATH=src python benchmarks/engine.py [--threads 2] [--rounds 7] [--steps 200]

The plain loop trains the same five networks one after the other, with torch.nn.Sequential and torch.optim.AdamW,
on batches gathered by index from tensors in memory (no DataLoader). Printed: microseconds a network and step,
median and range over the rounds. The engine's time is that of `train`, orders, curves and all; judgings are off.
"""

from __future__ import annotations

import argparse
import time
from itertools import pairwise
from statistics import median

import numpy as np
import torch

from danlu.core.plan import make_plan
from danlu.core.records import FeatureLayout, NetworkSpec
from danlu.networks import Network, Preparation
from danlu.population import Matrices, Members, Rows, Shelf, train

ROWS, FEATURES, BATCH, FOLDS = 20_480, 13, 256, 5
NETWORKS = ((64, 64, 64), (256, 256))


class Case:
    """One architecture on one random table."""

    def __init__(self, hidden: tuple[int, ...], steps: int, dropout: float = 0.0) -> None:
        generator = torch.Generator().manual_seed(0)
        self.x = torch.randn(ROWS, FEATURES, generator=generator)
        self.y = self.x[:, :1].square() + self.x[:, 1:2]
        number = np.arange(ROWS)
        self.fit = tuple(number[number % FOLDS != k] for k in range(FOLDS))
        self.epochs = max(1, round(steps * BATCH / len(self.fit[0])))
        self.steps = self.epochs * -(-len(self.fit[0]) // BATCH)
        self.hidden, self.dropout = hidden, dropout
        self.plan = make_plan(
            lr=0.001, optimizer="adamw", weight_decay=0.01, epochs=self.epochs, batch_size=BATCH, loss="mse",
            judge_every=self.epochs, dropout=dropout,
        )  # fmt: skip
        layout = FeatureLayout(numbers=tuple(f"x{i}" for i in range(FEATURES)))
        self.network = Network(NetworkSpec(layout=layout, outputs=1, hidden=hidden, activation="relu", dropout=dropout))
        self.matrices = Matrices(self.x, torch.zeros(ROWS, 0, dtype=torch.int32), self.y.double())
        self.preparation = Preparation.fit(
            self.x, self.matrices.codes_NQ, self.y, self.fit, layout, "standard", "standard"
        )

    def danlu(self) -> float:
        """Return seconds a network and step."""
        members = Members.make(self.plan, FOLDS)
        rows = Rows(self.fit, tuple(np.arange(0) for _ in self.fit))
        began = time.perf_counter()
        shelf = Shelf(self.matrices, self.preparation, scaled=True)
        train(self.network, shelf, rows, members, self.plan, metric="rmse")
        return (time.perf_counter() - began) / self.steps / FOLDS

    def plain(self) -> float:
        """Return seconds a network and step of a plain loop."""
        began = time.perf_counter()
        for fold in self.fit:
            sizes = (FEATURES, *self.hidden)
            layers: list[torch.nn.Module] = []
            for inputs, outputs in pairwise(sizes):
                layers += [torch.nn.Linear(inputs, outputs), torch.nn.ReLU()]
                layers += [torch.nn.Dropout(self.dropout)] if self.dropout else []
            net = torch.nn.Sequential(*layers, torch.nn.Linear(sizes[-1], 1))
            optimizer = torch.optim.AdamW(net.parameters(), lr=0.001, weight_decay=0.01)
            loss_of = torch.nn.MSELoss()
            rows = torch.from_numpy(fold)
            for _ in range(self.epochs):
                for batch in rows[torch.randperm(len(rows))].split(BATCH):
                    optimizer.zero_grad()
                    loss_of(net(self.x[batch]), self.y[batch]).backward()
                    optimizer.step()
        return (time.perf_counter() - began) / self.steps / FOLDS


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--steps", type=int, default=200)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.set_flush_denormal(True)
    print(f"torch {torch.__version__}, {arguments.threads} threads, batch {BATCH}, {FOLDS} members, AdamW, float32")
    print("hidden        danlu us (range)      plain us (range)      plain / danlu")
    for hidden in NETWORKS:
        case = Case(hidden, arguments.steps)
        case.danlu(), case.plain()
        ours, theirs = [], []
        for _ in range(arguments.rounds):
            ours.append(case.danlu() * 1e6)
            theirs.append(case.plain() * 1e6)
        shown = "   ".join(f"{median(t):7.0f} ({min(t):.0f}-{max(t):.0f})" for t in (ours, theirs))
        ratio = median(b / a for a, b in zip(ours, theirs, strict=True))
        print(f"{'x'.join(map(str, hidden)):12s}  {shown}   {ratio:.2f}", flush=True)


if __name__ == "__main__":
    main()
