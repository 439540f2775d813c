"""What steps read and write besides the weights, in tables on the device with a counter that lies there too.

Between two steps the host then only asks for the next one: nothing is uploaded, read or decided, and on a GPU the whole
step is one captured graph.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from danlu.networks import Program
from danlu.population.augment import DRAWS
from danlu.population.batches import Batch, Order, Source

BLOCK = 256
"""Steps whose rows are laid out at once."""


@dataclass(frozen=True)
class Sizes:
    """How large tables are: members, rows a batch, steps of an epoch and of a stretch, coefficients, numbers noted."""

    members: int
    width: int
    steps: int
    stretch: int
    coefficients: int
    noted: int


class Feed:
    """Tables for the steps of a stretch (coefficients, seeds, and what steps note: losses, and of classes the shares of
    right rows) and for a block of an epoch's steps (rows).

    Arguments:
        source: where rows come from.
        sizes: of the tables.
        fixed: the batch of every step, where all epochs are the same single one.
    """

    def __init__(self, source: Source, sizes: Sizes, like: Tensor, fixed: Order | None = None) -> None:
        members, width, block = sizes.members, sizes.width, min(BLOCK, sizes.steps)
        self.source, self.block, self.fixed = source, block, fixed
        self.batch: Batch = source.batch(fixed, 0) if fixed is not None else source.tensors(width)
        whole = {"dtype": torch.int64, "device": like.device}
        self.t, self.s = torch.zeros(1, **whole), torch.zeros(1, **whole)
        self.coefficients_TQM1 = like.new_zeros(sizes.stretch, sizes.coefficients, members, 1)
        self.seeds_TM2 = torch.zeros(sizes.stretch, members, 2, dtype=torch.int32, device=like.device)
        self.noted_TQM = like.new_zeros(sizes.stretch, sizes.noted, members)
        self.order: Order | None = None
        if fixed is None:
            self.index_SMB = torch.zeros(block, members, width, **whole)
            self.share_SMB = like.new_zeros(block, members, width)
            self.count_SM11 = like.new_zeros(block, members, 1, 1)
            self.draws_SMBD = torch.zeros(block, members, width, DRAWS if source.augmented else 0, **whole)

    def begin(self, coefficients_TQM1: Tensor, seeds_TM2: Tensor | None) -> None:
        """Take what a stretch's steps need, from the first."""
        self.coefficients_TQM1[: len(coefficients_TQM1)] = coefficients_TQM1
        if seeds_TM2 is not None:
            self.seeds_TM2[: len(seeds_TM2)] = seeds_TM2
        self.t.zero_()

    def deal(self, order: Order) -> None:
        """Take the rows of an epoch."""
        self.order = order

    def lay(self, step: int) -> None:
        """Make ready for a step of the epoch: every so many steps the rows of a block are laid out."""
        if self.fixed is not None or step % self.block:
            return
        assert self.order is not None
        part, source = slice(step, step + self.block), self.source
        rows_SKB = self.order.rows_SKB[part]
        steps = len(rows_SKB)
        torch.add(source.spread(rows_SKB, 1), source.begin_M1, out=self.index_SMB[:steps])
        self.share_SMB[:steps] = source.spread(self.order.share_SKB[part], 1)
        self.count_SM11[:steps] = source.spread(self.order.count_SK11[part], 1)
        if self.order.draws_SKBD is not None:
            self.draws_SMBD[:steps] = source.spread(self.order.draws_SKBD[part], 1)
        self.s.zero_()

    def draw(self, do: Program, coefficients_QM1: Tensor, seeds_M2: Tensor | None, counted: bool) -> Batch:
        """Add the operations that take the next row of every table.

        Arguments:
            coefficients_QM1, seeds_M2: where they are taken to.
            counted: whether the step asks how many rows there are.
        """
        do(torch.index_select, self.coefficients_TQM1, 0, self.t, out=coefficients_QM1.unsqueeze(0))
        if seeds_M2 is not None:
            do(torch.index_select, self.seeds_TM2, 0, self.t, out=seeds_M2.unsqueeze(0))
        if self.fixed is None:
            index_1MB = torch.zeros_like(self.index_SMB[:1])
            do(torch.index_select, self.index_SMB, 0, self.s, out=index_1MB)
            draws = None
            if self.source.augmented:
                draws = torch.zeros_like(self.draws_SMBD[0])
                do(torch.index_select, self.draws_SMBD, 0, self.s, out=draws.unsqueeze(0))
            self.source.gather(index_1MB[0], self.batch, do, draws)
            do(torch.index_select, self.share_SMB, 0, self.s, out=self.batch.share.unsqueeze(0))
            if counted:
                do(torch.index_select, self.count_SM11, 0, self.s, out=self.batch.count.unsqueeze(0))
            do(self.s.add_, 1)
        return self.batch

    def note(self, do: Program, noted_QM: Tensor) -> None:
        """Add the operations that write a step's loss down, and what else it notes, and go on to the next step."""
        do(self.noted_TQM.index_copy_, 0, self.t, noted_QM.unsqueeze(0))
        do(self.t.add_, 1)


def stacked(parts: Sequence[Tensor | None]) -> Tensor | None:
    """Return the epochs' tables one behind the other; None where there are none."""
    given = [part for part in parts if part is not None]
    return torch.cat(given) if given else None
