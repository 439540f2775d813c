"""Copies of one member's numbers at a few epochs: from them its layers are looked at once training is over.

A copy is all that training pays: the layers are run afterwards, on a few rows. So no random number is drawn, nothing
that training computes is touched, and the cost is bounded: at most 12 copies are held, of at most 16 million numbers
together, and however long a run is, fewer than 12 + 6 log2(judgings / 12) are ever made.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

MOST = 12
"""Epochs that are kept; even, so that every second one can be let go again and again."""
NUMBERS = 16 * 2**20
"""Weights and running moments of all copies together, at most: 64 MB of float32."""


@dataclass(frozen=True)
class Snapshot:
    """A member after an epoch: its weights `[P]` and running moments `[S]`, on the CPU."""

    epoch: int
    weights_P: Tensor
    state_S: Tensor


class Snapshots:
    """Copies of a member, at judgings evenly spread over a run whose end is not known.

    Arguments:
        size: numbers of one copy.

    >>> import torch
    >>> one = Snapshots(size=2)
    >>> for epoch in range(31):
    ...     one.offer(epoch, torch.ones(2), torch.ones(0))
    >>> [each.epoch for each in one.kept]
    [0, 4, 8, 12, 16, 20, 24, 28]
    """

    def __init__(self, size: int) -> None:
        self.most = min(MOST, NUMBERS // max(1, size)) // 2 * 2
        self.kept: list[Snapshot] = []
        self.every, self.offered = 1, 0

    def offer(self, epoch: int, weights_P: Tensor, state_S: Tensor) -> None:
        """Keep a copy, if this epoch is one of those kept; of many every second one is let go."""
        place, self.offered = self.offered, self.offered + 1
        if self.most < 2 or place % self.every:
            return
        if len(self.kept) == self.most:
            self.kept, self.every = self.kept[::2], 2 * self.every
            if place % self.every:
                return
        weights_P, state_S = (tensor.detach().to("cpu", copy=True) for tensor in (weights_P, state_S))
        self.kept.append(Snapshot(epoch, weights_P, state_S))
