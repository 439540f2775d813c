"""One training step of all members, and the tensors it changes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from danlu.networks import Drop, Network
from danlu.population.batches import Batch
from danlu.population.losses import Loss, weighted_mean
from danlu.population.members import Members
from danlu.population.optimizers import Coefficients, Optimizer, State, clip, penalise


@dataclass
class Flat:
    """All that training changes: flat weights, running moments, and the optimizer's tensors; M leads in each."""

    weights_MP: Tensor
    state_MS: Tensor
    slots: State

    def clone(self) -> Flat:
        """Return a copy."""
        return self._each(lambda tensor: tensor.detach().clone())

    def select(self, index: Sequence[int]) -> Flat:
        """Return a copy of some members."""
        chosen = torch.tensor(list(index), device=self.weights_MP.device)
        return self._each(lambda tensor: tensor.detach().index_select(0, chosen))

    def restore(self, before: Flat, took_M: Tensor) -> None:
        """Take back the last step of members that had no rows in it."""
        took_M1 = took_M[:, None]
        with torch.no_grad():
            for now, then in zip(self._tensors(), before._tensors(), strict=True):
                now.copy_(torch.where(took_M1, now, then))

    def finite(self) -> Tensor:
        """Return which members have finite weights and running moments, bool `[M]`."""
        return self.weights_MP.detach().isfinite().all(1) & self.state_MS.isfinite().all(1)

    def _tensors(self) -> list[Tensor]:
        return [self.weights_MP, self.state_MS, *self.slots.values()]

    def _each(self, change: Callable[[Tensor], Tensor]) -> Flat:
        slots = {name: change(tensor) for name, tensor in self.slots.items()}
        return Flat(change(self.weights_MP).requires_grad_(), change(self.state_MS), slots)


class Step:
    """The fixed number of tensor operations that a step is, whatever M is.

    What no member uses (dropout, smoothing, L1, clipping) is left out; where some members use it, it is an
    exact identity for the others.
    """

    def __init__(self, network: Network, loss: Loss, optimizer: Optimizer, members: Members) -> None:
        self.network, self.loss, self.optimizer, self.members = network, loss, optimizer, members
        self.keys_M = members.keys_M
        penalised_P = torch.zeros(network.size, dtype=members.lr.dtype)
        for slot in network.parameters:
            penalised_P[slot.offset : slot.offset + slot.numel] = float(slot.penalised)
        self.penalised_P = penalised_P.to(members.lr.device)
        self.drops = bool((members.dropout > 0).any())
        self.smoothing_M = members.label_smoothing if bool((members.label_smoothing > 0).any()) else None
        self.l1_M1 = members.l1[:, None] if bool((members.l1 > 0).any()) else None
        self.clip_M1 = members.clip[:, None] if bool(members.clip.isfinite().any()) else None

    def select(self, index: Sequence[int]) -> Step:
        """Return the step of some members, with the same operations."""
        fewer = Step(self.network, self.loss, self.optimizer, self.members.select(index))
        chosen = torch.tensor(list(index), device=self.keys_M.device)
        fewer.drops = self.drops
        for name in ("smoothing_M", "l1_M1", "clip_M1"):
            whole = getattr(self, name)
            setattr(fewer, name, None if whole is None else whole[chosen])
        return fewer

    def __call__(
        self,
        flat: Flat,
        batch: Batch,
        c: Coefficients,
        at: tuple[int, int],
        watch: Callable[[str, Tensor], None] | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Change `flat` in place; return loss and gradient, `[M]` and `[M, P]`.

        Arguments:
            at: epoch and step within it, both from 0: dropout's masks are keyed by them.
            watch: called with the name and output of each layer.
        """
        weights_MP = flat.weights_MP
        drop = Drop(self.members.dropout, self.keys_M, *at) if self.drops else None
        outputs = self.network(
            weights_MP, flat.state_MS, batch.prepared, training=True, weight_MB=batch.weight, drop=drop, watch=watch
        )
        loss_M = weighted_mean(self.loss.rows(outputs, batch.target, self.smoothing_M), batch.share)
        (gradient_MP,) = torch.autograd.grad(loss_M.sum(), weights_MP)
        with torch.no_grad():
            if self.l1_M1 is not None:
                penalise(gradient_MP, weights_MP, self.l1_M1, self.penalised_P)
            if self.clip_M1 is not None:
                clip(gradient_MP, self.clip_M1)
            self.optimizer.step(weights_MP, gradient_MP, flat.slots, c)
        return loss_M.detach(), gradient_MP
