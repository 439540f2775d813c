"""Members: the numbers of every network's setting, with one entry a member: tensors where a step needs them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

import torch
from torch import Tensor

from danlu.core.plan import Plan
from danlu.core.seeds import stream
from danlu.population.augment import Moves, strengths


@dataclass(frozen=True)
class Begun:
    """Where members go on from: weights, moments and the optimizer's tensors, `[M, ...]`, after so many epochs."""

    epochs: int = 0
    weights_MP: Tensor | None = None
    state_MS: Tensor | None = None
    slots: Mapping[str, Tensor] = field(default_factory=dict)

    def select(self, index: Sequence[int]) -> Begun:
        """Return some members."""
        if self.weights_MP is None or self.state_MS is None:
            return self
        chosen = list(index)
        slots = {name: slot[chosen] for name, slot in self.slots.items()}
        return Begun(self.epochs, self.weights_MP[chosen], self.state_MS[chosen], slots)


@dataclass(frozen=True)
class Members:
    """The members of a population: which fold each one trains on, its random key, and its numbers.

    Shape: all tensors are `[M]`. `clip` is infinite where the gradient is not clipped. Schedules, warm-ups (in
        epochs) and epochs may differ among members too; one that has taken its epochs leaves the population.

    >>> from danlu.core.plan import make_plan
    >>> members = Members.make(make_plan(lr=0.01, epochs=9, optimizer="sgd"), 3)
    >>> members.count, members.lr.shape, members.fold_M.tolist()
    (3, torch.Size([3]), [0, 1, 2])
    """

    fold_M: Tensor
    keys: tuple[int, ...]
    """One 63-bit key a member, hashed from seed, repeat and fold: never from a place in the population."""
    repeats: tuple[int, ...]
    lr: Tensor
    momentum: Tensor
    weight_decay: Tensor
    l1: Tensor
    clip: Tensor
    dropout: Tensor
    label_smoothing: Tensor
    loss_weight: Tensor
    """What the gradient of the loss is multiplied by; 1 by default. The loss in the history is without it."""
    flip: Tensor
    """1 where images are mirrored at random, else 0; this and the next three are 0 for tables."""
    shift: Tensor
    """Pixels that images are shifted by at most."""
    rotate: Tensor
    """Degrees that they are turned by at most."""
    cutout: Tensor
    """Pixels a side of the square that is covered in them."""
    schedules: tuple[str, ...]
    warmups: tuple[float, ...]
    epochs: tuple[int, ...]
    begun: Begun | None = None
    """Where they go on from; then the last optimizer's tensors are kept, too."""

    @classmethod
    def make(
        cls,
        plan: Plan,
        folds: int,
        repeat: Sequence[int] | None = None,
        *,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
        before: int = 0,
    ) -> Members:
        """Return one member a fold, all with the setting of a resolved plan.

        Arguments:
            plan: its lr is needed; epochs count as 1, schedule as constant, momentum, weight_decay, l1, dropout,
                label_smoothing and warmup as 0, and clip and augment as off, where they are None.
            folds: number of folds K, repeats included.
            repeat: repeat that each of the K folds belongs to; all 0 by default.
            before: how many folds of the same run come before these: the keys are theirs in the whole.
        """
        assert plan.lr is not None, "the plan must be resolved"
        repeats = tuple(repeat) if repeat is not None else (0,) * folds
        assert len(repeats) == folds, (len(repeats), folds)

        def filled(value: float | None) -> Tensor:
            return torch.full((folds,), value or 0.0, dtype=dtype, device=device)

        moves: dict[str, Any] = {name: filled(strength) for name, strength in strengths(plan.augment or ()).items()}
        return cls(
            fold_M=torch.arange(folds, device=device),
            keys=tuple(stream(plan.seed, "member", r, k) for k, r in enumerate(repeats, before)),
            repeats=repeats,
            lr=filled(plan.lr),
            momentum=filled(plan.momentum),
            weight_decay=filled(plan.weight_decay),
            l1=filled(plan.l1),
            clip=filled(plan.clip if plan.clip is not None else torch.inf),
            dropout=filled(plan.dropout),
            label_smoothing=filled(plan.label_smoothing),
            loss_weight=filled(1.0),
            **moves,
            schedules=(plan.schedule or "constant",) * folds,
            warmups=(plan.warmup or 0.0,) * folds,
            epochs=(plan.epochs or 1,) * folds,
        )

    def after(self, begun: Begun) -> Members:
        """Return the members that go on from somewhere: their epochs are counted on."""
        return replace(self, begun=begun, epochs=tuple(begun.epochs + epochs for epochs in self.epochs))

    @property
    def count(self) -> int:
        """Number of members M."""
        return len(self.keys)

    @property
    def keys_M(self) -> Tensor:
        """The keys as an int64 tensor."""
        return torch.tensor(self.keys, dtype=torch.int64, device=self.fold_M.device)

    @property
    def moves(self) -> Moves | None:
        """How far each member's images are moved; None where none are."""
        return Moves.of(self.flip, self.shift, self.rotate, self.cutout)

    def select(self, index: Sequence[int]) -> Members:
        """Return some members, in the order of `index`."""
        chosen = torch.tensor(list(index), dtype=torch.int64, device=self.fold_M.device)
        picked: dict[str, Any] = {}
        for f in fields(self):
            value = getattr(self, f.name)
            if isinstance(value, Begun | None):
                picked[f.name] = None if value is None else value.select(index)
                continue
            picked[f.name] = value[chosen] if isinstance(value, Tensor) else tuple(value[i] for i in index)
        return Members(**picked)

    def join(self, *others: Members) -> Members:
        """Return one population of these members followed by those of other settings."""
        joined: dict[str, Any] = {}
        for f in fields(self):
            parts = [getattr(members, f.name) for members in (self, *others)]
            if f.name == "begun":
                assert parts == [None] * len(parts), "members that go on cannot join others"
                continue
            joined[f.name] = torch.cat(parts) if isinstance(parts[0], Tensor) else sum(parts, ())
        return Members(**joined)
