"""One training step of all members, and the tensors it changes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from danlu.networks import Drop, Network, Program, Watch
from danlu.networks import Step as NetworkStep
from danlu.networks.copies import pool_copies
from danlu.population.batches import Batch
from danlu.population.feed import Feed
from danlu.population.losses import Loss, note_hits, of_copies, weighted, weighted_mean
from danlu.population.members import Members
from danlu.population.optimizers import Optimizer, State, clip, penalise


@dataclass
class Flat:
    """All that training changes: flat weights, running moments, and the optimizer's tensors; M leads in each."""

    weights_MP: Tensor
    state_MS: Tensor
    slots: State

    def clone(self) -> Flat:
        """Return a copy."""
        return self._each(lambda tensor: tensor.clone())

    def select(self, index: Sequence[int]) -> Flat:
        """Return a copy of some members."""
        chosen = torch.tensor(list(index), device=self.weights_MP.device)
        return self._each(lambda tensor: tensor.index_select(0, chosen))

    def restore(self, before: Flat, took_M: Tensor) -> None:
        """Take back the last step of members that had no rows in it."""
        took_M1 = took_M[:, None]
        for now, then in zip(self.tensors(), before.tensors(), strict=True):
            now.copy_(torch.where(took_M1, now, then))

    def finite(self) -> Tensor:
        """Return which members have finite weights and running moments, bool `[M]`."""
        return self.weights_MP.isfinite().all(1) & self.state_MS.isfinite().all(1)

    def tensors(self) -> list[Tensor]:
        """Return all of them."""
        return [self.weights_MP, self.state_MS, *self.slots.values()]

    def _each(self, change: Callable[[Tensor], Tensor]) -> Flat:
        slots = {name: change(tensor) for name, tensor in self.slots.items()}
        return Flat(change(self.weights_MP), change(self.state_MS), slots)


class Step:
    """A training step of all members: a fixed list of tensor operations, whatever M is, on tensors that stay.

    What no member uses (dropout, smoothing, L1, clipping, loss weights) is left out; where some members use it, it is
    an exact identity for the others.

    Arguments:
        flat: what training changes.
        low: whether hidden layers' products are in bfloat16.
        classes: whether targets are classes: the share of rows that get the right one is then noted beside the loss.
    """

    def __init__(
        self,
        network: Network,
        loss: Loss,
        optimizer: Optimizer,
        members: Members,
        flat: Flat,
        *,
        low: bool = False,
        classes: bool = False,
    ) -> None:
        self.network, self.optimizer, self.members = network, optimizer, members
        self.raw, self.loss = loss, of_copies(loss, network.copies)
        self.flat, self.low, self.classes = flat, low, classes
        self.run = network.bind(flat.weights_MP, flat.state_MS, gradient=True, low=low)
        like = flat.weights_MP
        self.spare_MP = torch.empty_like(like)
        self.noted_QM = like.new_zeros(1 + classes, members.count)
        self.loss_M = self.noted_QM[0]
        penalised_P = torch.zeros(network.size, dtype=members.lr.dtype)
        for slot in network.parameters:
            penalised_P[slot.offset : slot.offset + slot.numel] = float(slot.penalised)
        self.penalised_P = penalised_P.to(like.device)
        self.drop = Drop(members.dropout, members.keys_M) if bool((members.dropout > 0).any()) else None
        self.seeds_M2 = torch.zeros(members.count, 2, dtype=torch.int32, device=like.device)
        self.smoothing_M = members.label_smoothing if bool((members.label_smoothing > 0).any()) else None
        self.l1_M1 = members.l1[:, None] if bool((members.l1 > 0).any()) else None
        self.clip_M1 = members.clip[:, None] if bool(members.clip.isfinite().any()) else None
        self.weight_M1 = members.loss_weight[:, None] if bool((members.loss_weight != 1).any()) else None
        self.names = optimizer.names
        self.coefficients_QM1 = like.new_zeros(len(self.names), members.count, 1)

    def select(self, index: Sequence[int], flat: Flat) -> Step:
        """Return the step of some members on tensors of theirs, with the same operations."""
        fewer = Step(self.network, self.raw, self.optimizer, self.members.select(index), flat, **self._ways)
        chosen = torch.tensor(list(index), device=self.loss_M.device)
        if self.drop is not None:
            fewer.drop = Drop(fewer.members.dropout, fewer.members.keys_M)
        for name in ("smoothing_M", "l1_M1", "clip_M1", "weight_M1"):
            whole = getattr(self, name)
            setattr(fewer, name, None if whole is None else whole[chosen])
        return fewer

    @property
    def _ways(self) -> dict[str, bool]:
        return {"low": self.low, "classes": self.classes}

    def seeds(self, epoch: int, steps: int) -> Tensor | None:
        """Return dropout's seeds for all steps of an epoch, `[S, M, 2]`; None without dropout."""
        return None if self.drop is None else self.drop.seeds(epoch, range(steps))

    def __call__(
        self, batch: Batch, coefficients_QM1: Tensor, seeds_M2: Tensor | None, watch: Watch | None = None
    ) -> Tensor:
        """Take one step by itself; return the loss, `[M]`, which the next step writes over.

        Arguments:
            coefficients_QM1: the optimizer's, in the order of its names.
            seeds_M2: dropout's.
            watch: called with the name and output of each layer.
        """
        self.coefficients_QM1.copy_(coefficients_QM1)
        if seeds_M2 is not None:
            self.seeds_M2.copy_(seeds_M2)
        self._take(batch, Program(record=False), watch)
        return self.loss_M

    def record(self, feed: Feed) -> Program:
        """Take the next step of a feed, and return the program that takes the ones after it."""
        do, seeds = Program(), None if self.drop is None else self.seeds_M2
        batch = feed.draw(do, self.coefficients_QM1, seeds, bool(self.network.state))
        self._take(batch, do)
        feed.note(do, self.noted_QM)
        return do

    def _take(self, batch: Batch, do: Program, watch: Watch | None = None) -> None:
        """Run every operation of the step, and record it."""
        flat, moments = self.flat, bool(self.network.state)
        now = NetworkStep(
            training=True,
            share_MB1=batch.share.unsqueeze(2) if moments else None,
            rows_M11=batch.count if moments else None,
            seeds_M2=None if self.drop is None else self.seeds_M2,
            dropped_M=None if self.drop is None else self.drop.dropped(),
            kept_M11=None if self.drop is None else self.drop.kept(),
        )
        outputs = self.run.forward(batch.prepared, now, do, watch)
        slope_MBC = torch.empty_like(outputs)
        do.capturable &= self.raw.capturable
        do(self._lose, outputs, batch, slope_MBC)
        if self.classes:
            together = self._together(outputs, len(batch.share), do)
            note_hits(together, batch.target, batch.share, self.noted_QM[1], do)
        gradient_MP = self.run.backward(slope_MBC)
        if self.l1_M1 is not None:
            do(penalise, gradient_MP, flat.weights_MP, self.l1_M1, self.penalised_P)
        if self.clip_M1 is not None:
            do(clip, gradient_MP, self.clip_M1)
        coefficients = dict(zip(self.names, self.coefficients_QM1.unbind(0), strict=True))
        state = flat.slots | {"spare": self.spare_MP}
        self.optimizer.step(flat.weights_MP, gradient_MP, state, coefficients, do)

    def _together(self, outputs: Tensor, members: int, do: Program) -> Tensor:
        """Return what the copies of each member say together, `[M, B, C]`."""
        if self.network.copies == 1:
            return outputs
        pooled = outputs.new_zeros(members, *outputs.shape[1:])

        def pool() -> None:
            pooled.copy_(pool_copies(outputs.unflatten(0, (members, -1)), self.network.spec.link))

        do(pool)
        return pooled

    def _lose(self, outputs: Tensor, batch: Batch, slope_MBC: Tensor) -> None:
        """Compute each member's loss, and its slope by the outputs."""
        loss_MB, slope = self.loss.of(outputs, batch.target, self.smoothing_M)
        weighted_mean(loss_MB, batch.share, out=self.loss_M)
        share_MB = batch.share if self.weight_M1 is None else batch.share * self.weight_M1
        weighted(slope(), share_MB, slope_MBC)
