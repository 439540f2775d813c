"""Batches: which rows each fold sees at each step, and their gathering from the matrices.

Data lies on the device once. The order of rows is keyed by fold, so all members of a fold share batches:
one gather a fold. Batches are padded with rows of weight 0 to a multiple of 32 and to a number of steps
that all folds share.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from danlu.core.seeds import stream
from danlu.networks import Preparation, Prepared, Program, split_numbers
from danlu.population.augment import DRAWS, RANGE, Mover, Moves
from danlu.population.losses import LANES, Loss
from danlu.population.pixels import Pixels
from danlu.population.stopping import StopOn

FITS = 256 << 20
"""Bytes that the prepared rows of all folds may take on the device."""

RowNumbers = np.ndarray | Tensor
"""int64 numbers of rows of the matrices."""


@dataclass(frozen=True)
class Rows:
    """Which rows of the matrices each fold trains on, is judged on and watches.

    Arguments:
        fit: rows to train on, one array a fold.
        judged: rows to judge on, for display only; empty arrays where there are none.
        watched: a member's own rows that early stopping watches, or None.
        test: rows of the test table in the same matrices, or None.
        before: how many folds of the same run come before these: orders are drawn by a fold's number in the whole.
        stop_on: the metric that early stopping watches on them; None: the loss.
    """

    fit: tuple[RowNumbers, ...]
    judged: tuple[RowNumbers, ...]
    watched: tuple[RowNumbers, ...] | None = None
    test: RowNumbers | None = None
    before: int = 0
    stop_on: StopOn | None = None

    @property
    def sign(self) -> float:
        """What the watched number is multiplied by, so that less is better."""
        return -1.0 if self.stop_on is not None and self.stop_on.greater else 1.0


@dataclass(frozen=True)
class Matrices:
    """The encoded table or images on the device.

    Shape: x_NF float, or uint8 of pixels, codes_NQ int32, y float `[N, C]` in the user's units or int64 classes `[N]`,
        weight_N float or None; class_weight_N likewise: what the loss counts each row, but for its own weight.
    """

    x_NF: Tensor
    codes_NQ: Tensor
    y: Tensor
    weight_N: Tensor | None = None
    class_weight_N: Tensor | None = None
    loss: Loss | None = None
    """One of the user's own, in the place of the plan's."""

    @property
    def loss_weight_N(self) -> Tensor | None:
        """What each row counts in the loss: its weight times that of its class."""
        if self.weight_N is None or self.class_weight_N is None:
            return self.class_weight_N if self.weight_N is None else self.weight_N
        return self.weight_N * self.class_weight_N


@dataclass(frozen=True)
class Batch:
    """Rows of one step as the members see them, in tensors that stay: the next step fills them anew."""

    prepared: Prepared
    target: Tensor
    """`[M, B, C]` in the loss's units, or classes `[M, B]`."""
    share: Tensor
    """The weight of each row as a share of the batch's, `[M, B]`: 0 for padding, and for a member without rows."""
    count: Tensor
    """How many rows have a weight above 0, `[M, 1, 1]` as floats."""


@dataclass(frozen=True)
class Order:
    """Rows of all steps of an epoch, on the device, and what the host must know of them.

    Shape: rows_SKB int64; weight_SKB, share_SKB float; count_SK11 float: rows with a weight above 0; total_SK float64
        on the host: sums of weights; draws_SKBD int64: numbers drawn for each row, where images are augmented.
    """

    rows_SKB: Tensor
    weight_SKB: Tensor
    share_SKB: Tensor
    count_SK11: Tensor
    total_SK: np.ndarray
    draws_SKBD: Tensor | None = None


class Deck:
    """Deals the rows of each fold into batches.

    A fold with at most B rows takes all of them in one step, in order; else an epoch's order is drawn from
    `stream(seed, "order", repeat, fold, epoch)`. The last batch of an epoch is kept, however small, except
    that under batch norm a batch of one row, which has no variance, is left out.

    Arguments:
        rows_K: rows of every fold, also of those that no member trains on: they decide the width.
        weight_N: row weights, or None.
        batch: rows a step, or "all".
        single: whether a batch of one row may be a step.
        augmented: whether numbers are drawn for the rows as well.
        before: number of the first fold in the whole run.
    """

    def __init__(
        self,
        rows_K: Sequence[RowNumbers],
        weight_N: Tensor | None,
        batch: int | str,
        *,
        like: Tensor,
        single: bool = True,
        augmented: bool = False,
        before: int = 0,
    ) -> None:
        self.before = before
        self.rows_K = [torch.as_tensor(rows).cpu().long() for rows in rows_K]
        most = max((len(rows) for rows in self.rows_K), default=0)
        self.batch = max(1, most if batch == "all" else min(int(batch), most))
        self.width = math.ceil(self.batch / LANES) * LANES
        self.weight_N = None if weight_N is None else weight_N.cpu()
        self.like, self.augmented = like, augmented
        lonely = [not single and len(rows) > 1 and len(rows) % self.batch == 1 for rows in self.rows_K]
        self.steps_K = np.array(
            [math.ceil(len(rows) / self.batch) - one for rows, one in zip(self.rows_K, lonely, strict=True)]
        )

    def constant(self, folds: Sequence[int]) -> bool:
        """Return whether every epoch of these folds is the same single step."""
        return not self.augmented and all(len(self.rows_K[k]) <= self.batch for k in folds)

    def deal(self, folds: Sequence[int], key: tuple[int, Sequence[int], int] | None = None) -> Order:
        """Return the rows of all steps for some folds.

        Arguments:
            folds: which of the K folds, in the order of the axis K of the result.
            key: seed, repeat of each of these folds, and epoch; None leaves all rows in order.
        """
        steps = int(max(self.steps_K[k] for k in folds))
        index = torch.zeros(len(folds), steps, self.width, dtype=torch.int64)
        weight = torch.zeros(len(folds), steps, self.width, dtype=self.like.dtype)
        draws = torch.zeros(len(folds), steps, self.width, DRAWS if self.augmented else 0, dtype=torch.int64)
        for place, fold in enumerate(folds):
            rows, own = self.rows_K[fold], int(self.steps_K[fold])
            if not own:
                continue
            if key is not None and (len(rows) > self.batch or self.augmented):
                seed, repeats, epoch = key
                generator = torch.Generator().manual_seed(
                    stream(seed, "order", repeats[place], fold + self.before, epoch)
                )
                if len(rows) > self.batch:
                    rows = rows[torch.randperm(len(rows), generator=generator)]
                if self.augmented:
                    drawn = torch.randint(RANGE, (own, self.batch, DRAWS), generator=generator)
                    draws[place, :own, : self.batch] = drawn
            rows = rows[: own * self.batch]
            # Padding repeats one of the fold's own rows, so that its values are as harmless as any.
            padded = rows.new_full((own * self.batch,), int(rows[0]))
            padded[: len(rows)] = rows
            kept = torch.zeros(own * self.batch, dtype=self.like.dtype)
            kept[: len(rows)] = 1 if self.weight_N is None else self.weight_N[rows].to(kept.dtype)
            index[place] = rows[0]
            index[place, :own, : self.batch] = padded.view(own, self.batch)
            weight[place, :own, : self.batch] = kept.view(own, self.batch)
        return self._order(index, weight, draws)

    def _order(self, index_KSB: Tensor, weight_KSB: Tensor, draws_KSBD: Tensor) -> Order:
        total = weight_KSB.double().sum(2)
        share = weight_KSB / torch.where(total > 0, total, 1.0).to(weight_KSB.dtype)[:, :, None]
        count = (weight_KSB > 0).sum(2).to(weight_KSB.dtype)[:, :, None, None]
        parts = (index_KSB, weight_KSB, share, count)
        rows, weight, share, count = (t.transpose(0, 1).contiguous().to(self.like.device) for t in parts)
        drawn = draws_KSBD.transpose(0, 1).contiguous().to(self.like.device) if self.augmented else None
        return Order(rows, weight, share, count, total.T.numpy(), drawn)


class Shelf:
    """All rows as every fold prepares them: made once where they fit, else for each batch anew, as images always are.

    Arguments:
        scaled: whether the loss wants targets in the preparation's scale.
        most: bytes that the prepared rows of all folds may take.
    """

    def __init__(self, matrices: Matrices, preparation: Preparation, *, scaled: bool, most: int = FITS) -> None:
        self.matrices, self.preparation, self.dtype = matrices, preparation, preparation.fill_KF.dtype
        self.images = preparation.layout.image is not None
        self.numeric = matrices.y.is_floating_point()
        self.scaled = scaled and self.numeric
        self.rows = len(matrices.x_NF)
        width = preparation.input_width + sum(1 for c in preparation.layout.codes if c.width)
        folds = len(preparation.fill_KF)
        fits = folds * self.rows * width * preparation.fill_KF.element_size() <= most
        self.stored = self._prepare_all(folds) if fits and self.rows and not self.images else None
        self.movers: dict[tuple[bool, int], Mover] = {}

    def mover(self, moves_M: Moves) -> Mover:
        """Return what moves the images; made once for all populations that need no wider border."""
        image = self.preparation.layout.image
        assert image is not None
        flip, border = bool(moves_M.flip.any()), int(moves_M.shift.max())
        found = next((mover for made, mover in self.movers.items() if made[0] >= flip and made[1] >= border), None)
        if found is None:
            found = self.movers[flip, border] = Mover(self.matrices.x_NF, image, flip, border)
        return found

    def _prepare_all(self, folds: int) -> tuple[Prepared, Tensor]:
        """Return the prepared rows and targets of all folds, one fold behind the other."""
        chunks = []
        for start in range(0, self.rows, 65536):
            rows = torch.arange(start, min(start + 65536, self.rows), device=self.matrices.x_NF.device)
            chunks.append(self.prepare(self.preparation, rows.expand(folds, -1)))
        x, slots, target = (torch.cat(parts, 1).flatten(0, 1) for parts in zip(*chunks, strict=True))
        return Prepared(x, slots), target

    def prepare(self, preparation: Preparation, rows_KB: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return numbers, slots and targets of some rows, prepared now for the folds of a preparation."""
        prepared = preparation.prepare(self.matrices.x_NF[rows_KB], self.matrices.codes_NQ[rows_KB], rows_KB)
        return prepared.x_KBD, prepared.slots_KBE, self.aim(preparation, rows_KB)

    def aim(self, preparation: Preparation, rows_KB: Tensor) -> Tensor:
        """Return the targets of some rows, in the loss's units."""
        target = self.matrices.y[rows_KB]
        if self.scaled:
            target = preparation.scaled(target)
        return target.to(self.dtype) if self.numeric else target

    @cached_property
    def stored_low(self) -> Tensor:
        """The stored numbers, split for products in bfloat16."""
        assert self.stored is not None
        return split_numbers(self.stored[0].x_KBD, len(self.preparation.layout.numbers))

    def take(self, index_MB: Tensor, into: Batch, do: Program) -> None:
        """Fill a batch with stored rows: places among those of all folds, one fold behind the other."""
        assert self.stored is not None
        (x, slots), target = self.stored
        x = x if into.prepared.x_KBD.dtype == x.dtype else self.stored_low
        for stored, wanted in ((x, into.prepared.x_KBD), (slots, into.prepared.slots_KBE), (target, into.target)):
            if wanted.numel():
                # A single column is taken as a vector: a third of the time.
                rest = () if wanted.shape[2:] == (1,) else wanted.shape[2:]
                do(torch.index_select, stored.view(-1, *rest), 0, index_MB.view(-1), out=wanted.view(-1, *rest))


class Source:
    """Gathers batches for some members: rows are dealt once a fold, then taken for all members of the fold.

    Arguments:
        folds: the folds that members train on, in order; the axis K of orders.
        place_M: for each member, the place of its fold among `folds`.
        split: whether numbers are split for products in bfloat16.
        moves: how far images are moved, for each member; None where none are.
    """

    def __init__(
        self,
        shelf: Shelf,
        folds: Sequence[int],
        place_M: Sequence[int],
        *,
        split: bool = False,
        moves: Moves | None = None,
    ) -> None:
        self.shelf, self.split, self.augmented = shelf, split, moves is not None
        device = shelf.matrices.x_NF.device
        self.fold_M = torch.tensor([folds[place] for place in place_M], device=device)
        stored = shelf.stored is not None
        self.preparation = None if stored else shelf.preparation.pick(self.fold_M)
        mover = None if moves is None else (shelf.mover(moves), moves)
        own, images = self.preparation, shelf.images
        self.pixels = Pixels(shelf.matrices.x_NF, own, mover) if own is not None and images else None
        same = list(place_M) == list(range(len(folds)))
        self.place_M = None if same else torch.tensor(list(place_M), device=device)
        self.begin_M1 = (self.fold_M * shelf.rows)[:, None]
        self.kept: dict[int, Batch] = {}

    def batch(self, order: Order, step: int) -> Batch:
        """Return the batch of one step for all members: the same tensors for every step of as many rows."""
        rows_KB = order.rows_SKB[step]
        batch = self.tensors(rows_KB.shape[1])
        draws = None if order.draws_SKBD is None else self.spread(order.draws_SKBD[step])
        self.gather(self.spread(rows_KB) + self.begin_M1, batch, Program(record=False), draws)
        self._fill(order.share_SKB[step], batch.share)
        self._fill(order.count_SK11[step], batch.count)
        return batch

    def gather(self, index_MB: Tensor, batch: Batch, do: Program, draws_MBD: Tensor | None = None) -> None:
        """Fill numbers, slots and targets of a batch.

        Arguments:
            index_MB: rows, those of fold k counted from k times the number of rows.
            do: runs and records the operations.
            draws_MBD: numbers drawn for each row, where images are augmented.
        """
        if self.preparation is None:
            self.shelf.take(index_MB, batch, do)
        elif self.pixels is not None:
            rows_MB = do(torch.sub, index_MB, self.begin_M1, out=torch.empty_like(index_MB))
            self.pixels.take(rows_MB, batch.prepared.x_KBD, do, draws_MBD)
            do(self._aim, rows_MB, batch)
        else:
            do(self._prepare, index_MB, batch)

    def _aim(self, rows_MB: Tensor, batch: Batch) -> None:
        """Fill the targets of a batch."""
        assert self.preparation is not None
        batch.target.copy_(self.shelf.aim(self.preparation, rows_MB))

    def _prepare(self, index_MB: Tensor, batch: Batch) -> None:
        """Prepare rows now, for each member."""
        assert self.preparation is not None
        x, *rest = self.shelf.prepare(self.preparation, index_MB - self.begin_M1)
        x = split_numbers(x, len(self.preparation.layout.numbers)) if self.split else x
        for wanted, made in zip((*batch.prepared, batch.target), (x, *rest), strict=True):
            wanted.copy_(made)

    def tensors(self, width: int) -> Batch:
        """Return the tensors of a batch of so many rows."""
        if width not in self.kept:
            members, shelf = len(self.fold_M), self.shelf
            like, truth, layout = shelf.preparation.fill_KF, shelf.matrices.y, shelf.preparation.layout
            columns = sum(1 for column in layout.codes if column.width)
            x = like.new_zeros(members, width, shelf.preparation.input_width)
            x = split_numbers(x, len(layout.numbers)) if self.split else x
            kind = shelf.dtype if shelf.numeric else truth.dtype
            target = torch.zeros(members, width, *truth.shape[1:], dtype=kind, device=like.device)
            slots = torch.zeros(members, width, columns, dtype=torch.int64, device=like.device)
            share, count = like.new_zeros(members, width), like.new_zeros(members, 1, 1)
            self.kept[width] = Batch(Prepared(x, slots), target, share, count)
        return self.kept[width]

    def _fill(self, values_K: Tensor, into_M: Tensor) -> None:
        if self.place_M is None:
            into_M.copy_(values_K)
        else:
            torch.index_select(values_K, 0, self.place_M, out=into_M)

    def spread(self, tensor_K: Tensor, axis: int = 0) -> Tensor:
        """Return each member's fold's entry: the tensor itself where members are the folds in order."""
        return tensor_K if self.place_M is None else tensor_K.index_select(axis, self.place_M)
