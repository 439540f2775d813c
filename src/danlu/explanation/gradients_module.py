"""A user's module as a point whose gradient can be checked: a copy, run the same way at every call."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from danlu.core.errors import PlanError
from danlu.explanation.gradients_watch import tensors_in
from danlu.networks.custom import drawn_from

Measure = Callable[[Any], Tensor]
"""What a module returns -> terms whose sum the gradient is taken of, in its own type, `[T]`."""


class ModulePoint:
    """A module at some inputs: it can be moved, run again with the same random numbers, and differentiated.

    Its buffers are put back before every pass, and its parameters after one that writes to them.

    Arguments:
        module: a copy that may be changed.
        args: positional inputs.
        kwargs: inputs by name.
        measure: makes terms of what it returns.
        input_names: of the inputs that are moved: floats among the positional ones.
        epsilon: of the type it computes in.
        seed: of the random numbers in every pass.
    """

    def __init__(
        self,
        module: nn.Module,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        measure: Measure,
        *,
        input_names: Callable[[int], str],
        epsilon: float,
        seed: int,
    ) -> None:
        self.module, self.kwargs, self.measure, self.epsilon, self.seed = module, dict(kwargs), measure, epsilon, seed
        self.args = tuple(arg.detach().clone() if isinstance(arg, Tensor) else arg for arg in args)
        self.parameters = {
            name: p for name, p in module.named_parameters() if p.requires_grad and p.is_floating_point()
        }
        self.inputs = {
            input_names(i): arg
            for i, arg in enumerate(self.args)
            if isinstance(arg, Tensor) and arg.is_floating_point()
        }
        self.leaves: dict[str, Tensor] = {name: p.data for name, p in self.parameters.items()} | self.inputs
        self.buffers = [
            (part, key, value.detach().clone())
            for part in module.modules()
            for key, value in part._buffers.items()
            if value is not None
        ]
        self.with_graph = False
        self.restless = False

    def run(self, *, graph: bool = False, seed: int | None = None) -> tuple[Any, list[Tensor]]:
        """Return what the module returns, and the inputs that it was given: leaves of the graph where one is made."""
        for part, key, value in self.buffers:
            part._buffers[key] = value.clone()
        leaves = [value.detach().requires_grad_(graph) for value in self.inputs.values()]
        given = dict(zip(map(id, self.inputs.values()), leaves, strict=True))
        # It may write over its inputs: those it is given are copies.
        args = tuple(given.get(id(arg), arg).clone() if isinstance(arg, Tensor) else arg for arg in self.args)
        kwargs = {key: value.clone() if isinstance(value, Tensor) else value for key, value in self.kwargs.items()}
        device = next((leaf.device for leaf in self.leaves.values()), None)
        with seeded(self.seed if seed is None else seed, device), torch.set_grad_enabled(graph):
            return self.module(*args, **kwargs), leaves

    @torch.no_grad()
    def terms(self) -> Tensor:
        """Return the terms at the point as it stands, float64 `[T]`."""
        before = [leaf.clone() for leaf in self.leaves.values()] if self.restless else []
        terms = self.measure(self.run(graph=self.with_graph)[0]).detach().reshape(-1).to("cpu", torch.float64)
        for leaf, value in zip(self.leaves.values(), before, strict=False):
            leaf.copy_(value)
        return terms

    def gradients(self) -> dict[str, Tensor | None]:
        """Return the gradient by each leaf, by autograd; None where none reaches it."""
        before = [leaf.clone() for leaf in self.leaves.values()] if self.restless else []
        result, inputs = self.run(graph=True)
        found = self.backward(result, inputs)
        for leaf, value in zip(self.leaves.values(), before, strict=False):
            leaf.copy_(value)
        return found

    def backward(self, result: Any, inputs: list[Tensor]) -> dict[str, Tensor | None]:
        """Return the gradient by each leaf of a pass that was made with a graph."""
        with torch.enable_grad():
            total = self.measure(result).sum()
        wanted = [*self.parameters.values(), *inputs]
        names = [*self.parameters, *self.inputs]
        if not total.requires_grad or not wanted:
            return dict.fromkeys(names)
        found = torch.autograd.grad(total, wanted, allow_unused=True)
        return dict(zip(names, (None if g is None else g.detach().clone() for g in found), strict=True))

    def settle(self) -> bool:
        """See how passes must be run, and return whether the module writes to its own parameters.

        Some modules compute otherwise without a graph (fused kernels), or cannot (gradients inside).
        """
        before = {name: leaf.clone() for name, leaf in self.leaves.items()}
        plain = self.measure(self.run(graph=True)[0]).detach()
        self.restless = any(not torch.equal(leaf, before[name]) for name, leaf in self.leaves.items())
        for name, leaf in self.leaves.items():
            leaf.copy_(before[name])
        try:
            quick = self.measure(self.run()[0]).detach()
            self.with_graph = not torch.equal(plain, quick)
        except Exception:
            self.with_graph = True
        for name, leaf in self.leaves.items():
            leaf.copy_(before[name])
        return self.restless


def copy_in(module: nn.Module, dtype: torch.dtype) -> nn.Module:
    """Return a copy of a module in a type.

    Raises:
        PlanError: it cannot be copied.
    """
    try:
        return copy.deepcopy(module).to(dtype)
    except Exception as error:
        fact = f"{type(error).__name__}: {error}".splitlines()[0][:200]
        raise PlanError(f"{type(module).__name__} must be a module that can be copied", fact) from None


def projection(result: Any, seed: int) -> Measure:
    """Return a fixed random projection of what a module returns, standard normal numbers for its floats.

    Raises:
        PlanError: it returns no tensor of floats.
    """
    generator = torch.Generator().manual_seed(seed + 2)
    parts = [_real(part) for part in tensors_in(result)]
    if not any(part.is_floating_point() and part.numel() for part in parts):
        raise PlanError("a module must return a tensor of floats", f"it returned {type(result).__name__}")
    weights = [torch.randn(part.shape, generator=generator, dtype=torch.float64) for part in parts]

    def measure(result: Any) -> Tensor:
        pairs = zip((_real(part) for part in tensors_in(result)), weights, strict=True)
        return torch.cat([(part * w.to(part)).reshape(-1) for part, w in pairs if part.is_floating_point()])

    return measure


def _real(part: Tensor) -> Tensor:
    return torch.view_as_real(part) if part.is_complex() else part


@contextmanager
def seeded(seed: int, device: torch.device | None = None) -> Iterator[None]:
    """Let the generators of torch, Python and NumPy begin at a seed, and then go on as if nothing was drawn."""
    python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002  the global one is what a module may use
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002
    try:
        with drawn_from(seed, device):
            yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)  # noqa: NPY002


@contextmanager
def default_type(dtype: torch.dtype) -> Iterator[None]:
    """Let what a module makes in its forward pass (`torch.zeros(...)`) be of a type too."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)
