"""Batches of images: pixels stay whole numbers in memory, and become floats as they are gathered."""

from __future__ import annotations

import torch
from torch import Tensor

from danlu.networks import Preparation, Program
from danlu.population.augment import Mover, Moves


class Pixels:
    """Gathers prepared pixels of images, by operations that can be recorded.

    Values are those of `Preparation.prepare`, bit for bit: (pixel - centre) / scale.

    Arguments:
        images_NP: pixels as encoded, uint8 or floats.
        preparation: led by members.
        mover: takes images as they are augmented, where they are; and how far for each member.

    >>> from danlu.core.records import FeatureLayout
    >>> layout = FeatureLayout(numbers=(), image=(1, 1, 2))
    >>> images = torch.tensor([[0, 255], [51, 102]], dtype=torch.uint8)
    >>> codes = torch.zeros(2, 0, dtype=torch.int32)
    >>> preparation = Preparation.fit(images, codes, None, [torch.arange(2)], layout, "unit")
    >>> batch = torch.zeros(1, 1, 2)
    >>> Pixels(images, preparation).take(torch.tensor([[1]]), batch, Program(record=False))
    >>> batch
    tensor([[[0.2000, 0.4000]]])
    """

    def __init__(self, images_NP: Tensor, preparation: Preparation, mover: tuple[Mover, Moves] | None = None) -> None:
        self.images_NP = images_NP
        self.mover, self.moves_M = mover or (None, None)
        self.centre_M1P = preparation.centre_KF.unsqueeze(1) if bool((preparation.centre_KF != 0).any()) else None
        self.scale_M1P = preparation.scale_KF.unsqueeze(1) if bool((preparation.scale_KF != 1).any()) else None
        self.dtype = preparation.fill_KF.dtype
        self.kept: dict[tuple[int, ...], tuple[Tensor, Tensor]] = {}
        self.moves: dict[int, Moves] = {}

    def take(self, rows_MB: Tensor, into_MBP: Tensor, do: Program, draws_MBD: Tensor | None = None) -> None:
        """Fill a batch: rows are numbers of images, and draws decide how they are moved."""
        moved = None if draws_MBD is None else draws_MBD.view(-1, draws_MBD.shape[2])
        shape = tuple(into_MBP.shape)
        key = (into_MBP.data_ptr(), *shape)
        if key not in self.kept:
            raw = torch.empty(shape, dtype=self.images_NP.dtype, device=into_MBP.device)
            plain = into_MBP.dtype == self.dtype
            self.kept[key] = raw, into_MBP if plain else torch.empty(shape, dtype=self.dtype, device=into_MBP.device)
        raw, x = self.kept[key]
        flat = raw.view(-1, shape[2])
        moves_R = None if moved is None else self._moves(shape[1])
        if self.mover is None or moved is None or moves_R is None:
            do(torch.index_select, self.images_NP, 0, rows_MB.view(-1), out=flat)
        else:
            do(self.mover.take, rows_MB.view(-1), moved, moves_R, flat)
        do(x.copy_, raw)
        if self.centre_M1P is not None:
            do(x.sub_, self.centre_M1P)
        if self.scale_M1P is not None:
            do(x.div_, self.scale_M1P)
        if self.mover is not None and moves_R is not None and moves_R.turns:
            do(self.mover.turn, x.view(-1, shape[2]), moved, moves_R)
        if x is not into_MBP:
            do(into_MBP.copy_, x)

    def _moves(self, width: int) -> Moves | None:
        """Return how far each row of a batch is moved; the same tensors for every batch of as many rows."""
        if self.moves_M is not None and width not in self.moves:
            self.moves[width] = self.moves_M.rows(width)
        return self.moves.get(width)
