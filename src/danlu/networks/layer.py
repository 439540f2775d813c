"""What a layer is: what it stores for each member, and its two passes over tensors bound to it.

Backward passes are written out, and a pass is recorded once as a list of operations on fixed tensors: a step then
allocates nothing and leaves Python next to nothing to do (docs/decisions/2026-11-21-written-out-steps.md). All passes
are tested against autograd in float64.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor

Role = Literal["weight", "bias", "scale", "shift", "embedding", "sign", "mean", "variance"]


@dataclass(frozen=True)
class Shape:
    """A tensor that a layer stores for each member: its last name, its shape, and how it starts."""

    name: str
    shape: tuple[int, ...]
    role: Role
    fan_in: int = 1


class Program:
    """Operations on fixed tensors, in their order: run as they are added, and recorded to be run again.

    `capturable` says whether a GPU can run them by itself, as one graph.

    >>> x, y = torch.tensor([1.0]), torch.empty(1)
    >>> program = Program()
    >>> _ = program(torch.mul, x, 2, out=y)
    >>> _ = x.fill_(4)
    >>> program.run(), y.item()
    (None, 8.0)
    """

    def __init__(self, *, record: bool = True) -> None:
        self.record = record
        self.capturable = True
        self.calls: list[Callable[[], Any]] = []

    def __call__(self, operation: Callable[..., Any], *args: Any, **named: Any) -> Any:
        """Run an operation, which writes to a tensor that stays, and return what it returns."""
        if self.record:
            self.calls.append(partial(operation, *args, **named))
        return operation(*args, **named)

    def run(self) -> None:
        """Run all recorded operations."""
        for call in self.calls:
            call()


@dataclass(frozen=True)
class Step:
    """What a pass has besides values, all in tensors that stay: their numbers change from step to step.

    `share_MB1` are the weights of rows divided by their sum, `rows_M11` how many rows have a weight above 0 (both None
    where no layer has moments). Of dropout (None: there is none) `seeds_M2` are two int32 seeds a member, `dropped_M`
    how many of 256 values are dropped, uint8, and `kept_M11` what is kept is multiplied by; `masks` are then set by the
    pass, int16 `[M, B, H]` for each layer that drops. Of moments the pass adds `enough_M11`, whether there are rows
    enough, `unbiased_M11`, n / (n - 1) there, and `moved_MB1`, the shares there and else 0.
    """

    training: bool
    share_MB1: Tensor | None = None
    rows_M11: Tensor | None = None
    seeds_M2: Tensor | None = None
    dropped_M: Tensor | None = None
    kept_M11: Tensor | None = None
    masks: tuple[Tensor, ...] = ()
    enough_M11: Tensor | None = None
    unbiased_M11: Tensor | None = None
    moved_MB1: Tensor | None = None


class Space:
    """Tensors that are filled anew in every step, by name: nothing is allocated twice for the same shape."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.kept: dict[str, Tensor] = {}

    def __call__(self, name: str, shape: Sequence[int], dtype: torch.dtype) -> Tensor:
        """Return the tensor of that name; where it is new, it holds zeros."""
        kept = self.kept.get(name)
        if kept is None or kept.shape != shape or kept.dtype != dtype:
            kept = self.kept[name] = torch.zeros(tuple(shape), dtype=dtype, device=self.device)
        return kept

    def aligned(self, name: str, shape: Sequence[int], dtype: torch.dtype) -> Tensor:
        """Return the tensor of that name, in which each member begins at a multiple of 64 bytes.

        MKL peels its loops by the address: members at other addresses would be rounded otherwise.
        """
        kept = self.kept.get(name)
        if kept is None or kept.shape != shape or kept.dtype != dtype:
            members, rows, columns = shape
            whole = torch.zeros(members, -(-rows * columns // 32) * 32, dtype=dtype, device=self.device)
            kept = self.kept[name] = whole[:, : rows * columns].view(members, rows, columns)
        return kept

    @property
    def bytes(self) -> int:
        """Bytes that the tensors take, views of one counted once."""
        storages = {t.untyped_storage().data_ptr(): t.untyped_storage().nbytes() for t in self.kept.values()}
        return sum(storages.values())


@dataclass
class Own:
    """What one layer works on, bound once for many steps.

    Arguments:
        views: its slots of `weights_MP`.
        moments: its slots of `state_MS`.
        gradients: its slots of the gradient, which backward fills; empty in evaluation.
        space: its own tensors between the passes, and for the next step.
        scratch: tensors of all layers, for what nobody reads once the layer's pass, or the next layer's, is over. What
            is written again soon is still in the processor's cache: batch norm alone took half as long again without.
        do: runs and records operations.
        step: what the step has besides values.
        low: whether its products are in bfloat16.
        first: whether nothing before it needs a gradient.
        made: what else a forward pass leaves for the backward one.
    """

    views: Sequence[Tensor]
    moments: Sequence[Tensor]
    gradients: Sequence[Tensor]
    space: Space
    scratch: Space
    do: Program
    step: Step
    low: bool = False
    first: bool = False
    made: object = None

    def passing(self, name: str, shape: Sequence[int], dtype: torch.dtype) -> Tensor:
        """Return a tensor of `scratch`; layers that ask for the same name, shape and type share it."""
        return self.scratch(f"{name} {tuple(shape)} {dtype}", shape, dtype)

    def cast(self, name: str, values: Tensor, dtype: torch.dtype, *, passing: bool = False) -> Tensor:
        """Return the values in a type: themselves where they have it, else in a tensor that may be a passing one."""
        if values.dtype == dtype:
            return values
        into = (self.passing if passing else self.space)(name, values.shape, dtype)
        self.do(into.copy_, values)
        return into

    def store(self, name: str, values: Tensor, function: Callable[..., Tensor], *args: Any) -> Tensor:
        """Return the result of a function that has no place to write to, copied into a tensor like `values`."""
        into = self.space(name, values.shape, values.dtype)

        def call() -> None:
            into.copy_(function(*args))

        self.do(call)
        return into


class Layer(ABC):
    """One layer: `name` as in the list of parameters, what it stores, and its passes.

    A layer holds no tensors: what it computes with comes as `Own`, and every operation goes through `own.do` and
    writes to a tensor that stays. It may write over its input where it says so; the layer before it must then not need
    its output in `backward`.
    """

    name: str
    parameters: tuple[Shape, ...] = ()
    state: tuple[Shape, ...] = ()
    autocast: bool = False
    """Whether it takes numbers of the weights' type also where its products are in bfloat16."""

    @abstractmethod
    def forward(self, x_MBF: Tensor, own: Own, /) -> Tensor:
        """Compute the layer's output `[M, B, H]` for all members: a tensor that stays the same in every step."""

    @abstractmethod
    def backward(self, grad_MBH: Tensor, own: Own, /) -> Tensor:
        """Fill `own.gradients`, and return the gradient by the input of the last forward pass.

        Both gradients are tensors that are written over later.
        """


def bits(values: Tensor) -> Tensor:
    """Return floats as the integers of their bits.

    Floats above 0 are integers above 0, and those below 0 are below 0: comparing and masking integers is 4 to 30 times
    faster than the same on bfloat16 on a CPU.
    """
    return values.view({2: torch.int16, 4: torch.int32, 8: torch.int64}[values.element_size()])
