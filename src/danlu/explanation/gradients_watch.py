"""A watched pass through a user's module: which part did what, call by call.

Hooks know the module that runs; a `TorchFunctionMode` sees every operation in it, above autograd: what it wrote over,
what came out in fewer bits or no longer finite, and on the way back where a gradient stops being finite.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_flatten, tree_map_only

_OURS = (str(Path(__file__).resolve().parents[1]), str(Path(torch.__file__).parent), "<")


@dataclass(frozen=True)
class Place:
    """A place in a pass: the module that ran, the operation, and the line of the user's code."""

    module: str
    operation: str = ""
    line: str = ""

    def __str__(self) -> str:
        said = f"`{self.operation}` in {self.module}" if self.operation else self.module
        return f"{said} ({self.line})" if self.line else said


@dataclass
class Call:
    """One call of a module or operation: its inputs and outputs, and for modules what they were."""

    place: Place
    inputs: list[Tensor]
    outputs: list[Tensor] = field(default_factory=list)
    name: str = ""
    given: tuple[Any, Any] | None = None
    """Copies of a module's arguments, positional and by name."""
    gave: Any = None
    """A copy of a module's result."""


@dataclass(frozen=True)
class Mutation:
    """A tensor that an operation wrote over: its shape, version before, and the operations that it came from."""

    place: Place
    shape: tuple[int, ...]
    version: int
    makers: frozenset[str]


def titles(module: nn.Module) -> dict[nn.Module, str]:
    """Return what each part of a module is called: "body.2 (ReLU)", or for the whole its class."""
    return {
        part: f"{name} ({type(part).__name__})" if name else type(part).__name__
        for name, part in module.named_modules()
    }


class Watch(TorchFunctionMode):
    """Watches a pass of a module, as a context around it.

    Attributes:
        calls: of modules and operations, in the order in which they ended.
        stack: names of the modules that run; after an error the last one is where it was raised.
        infinite, not_a_number: where the first value of each kind came out of finite ones.
        coarse: where the first value of fewer bits than `dtype` came out.
        mutations: what was written over.
    """

    def __init__(self, module: nn.Module, dtype: torch.dtype, *, operations: bool = True) -> None:
        super().__init__()
        self.module, self.dtype, self.operations = module, dtype, operations
        self.titles = titles(module)
        self.names = {part: name for name, part in module.named_modules()}
        self.stack: list[Call] = []
        self.calls: list[Call] = []
        self.mutations: list[Mutation] = []
        self.infinite: Place | None = None
        self.not_a_number: Place | None = None
        self.coarse: Place | None = None
        self.finite: dict[int, bool] = {}
        self._hooks: list[Any] = []
        self._kept: list[Tensor] = []

    def __enter__(self) -> Watch:
        for part in self.module.modules():
            self._hooks.append(part.register_forward_pre_hook(self._begin, with_kwargs=True, prepend=True))
            self._hooks.append(part.register_forward_hook(self._end))
        super().__enter__()
        return self

    def __exit__(self, exc_type: Any, exc_val: Any, exc_tb: Any) -> None:
        super().__exit__(exc_type, exc_val, exc_tb)
        for hook in self._hooks:
            hook.remove()

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run an operation, and look at what it did."""
        kwargs = kwargs or {}
        if not self.operations or not self.stack or getattr(func, "__name__", "") in ("__get__", "__set__"):
            return func(*args, **kwargs)
        inputs = list(tensors_in((args, kwargs)))
        before = [(each._version, _maker(each)) for each in inputs]
        finite = all(map(_is_finite, inputs))
        result = func(*args, **kwargs)
        outputs = list(tensors_in(result))
        name = getattr(func, "__name__", str(func)).strip("_")
        written = [i for i, each in enumerate(inputs) if each._version > before[i][0]]
        if not outputs and not written:
            return result
        call = Call(Place(self.stack[-1].place.module, name, _line()), inputs, outputs)
        for i in written:
            makers = frozenset({before[i][1], _maker(inputs[i])})
            self.mutations.append(Mutation(call.place, tuple(inputs[i].shape), before[i][0], makers))
        self._look(call, finite, inputs)
        self.calls.append(call)
        return result

    def _begin(self, module: nn.Module, args: Any, kwargs: Any) -> None:
        given = _copied((args, kwargs))
        place = Place(self.titles[module])
        self.stack.append(Call(place, list(tensors_in((args, kwargs))), [], self.names[module], given))

    def _end(self, module: nn.Module, args: Any, result: Any) -> None:  # noqa: ARG002
        call = self.stack.pop()
        call.outputs, call.gave = list(tensors_in(result)), _copied(result)
        self._look(call, all(map(_is_finite, call.inputs)), [])
        self.calls.append(call)

    def _look(self, call: Call, finite: bool, inputs: list[Tensor]) -> None:
        """Note the first values that are not finite or coarse, and listen to the gradients that come back."""
        for output in call.outputs:
            if not output.is_floating_point():
                continue
            if self.not_a_number is None and bool(output.isnan().any()):
                self.not_a_number = call.place
            if finite and self.infinite is None and bool(output.isinf().any()):
                self.infinite = call.place
            carries = output.requires_grad or any(each.requires_grad for each in inputs)
            if carries and self.coarse is None and output.dtype.itemsize < self.dtype.itemsize:
                self.coarse = call.place
        for each in (*call.inputs, *call.outputs):
            if each.requires_grad and id(each) not in self.finite:
                self.finite[id(each)] = True
                self._kept.append(each)  # Its id stays its own.
                each.register_hook(partial(self._heard, id(each)))

    def _heard(self, key: int, gradient: Tensor | None) -> None:
        self.finite[key] = gradient is None or bool(gradient.isfinite().all())

    def first_lost(self) -> Call | None:
        """Return where, on the way back, a gradient that is not finite first came out of finite ones."""
        lost: list[Call] = []
        for call in reversed(self.calls):
            back_in = [self.finite.get(id(each), True) for each in call.outputs if each.requires_grad]
            back_out = [self.finite.get(id(each), True) for each in call.inputs if each.requires_grad]
            if back_in and all(back_in) and not all(back_out):
                lost.append(call)
        # An operation says more than the module that it is in, and that more than those around it.
        return min(lost, key=lambda call: (call.given is not None, -len(call.name)), default=None)

    def writer(self, error: str) -> Place | None:
        """Return what wrote over a tensor that autograd still needed, from autograd's message."""
        found = re.search(r"\[\S+Tensor \[([\d, ]*)\]\](?:, which is output \d+ of (\w+?)(?:Backward\d*)?,)?", error)
        version = re.search(r"expected version (\d+)", error)
        if not self.mutations:
            return None
        if found is None:
            return self.mutations[-1].place
        shape = tuple(int(part) for part in found[1].split(",") if part.strip())
        maker, expected = found[2] or "", int(version[1]) if version else 0

        def likeness(mutation: Mutation) -> tuple[bool, bool, bool]:
            return mutation.shape == shape, maker in mutation.makers, mutation.version == expected

        return max(self.mutations, key=likeness).place

    def maker_of(self, function: str) -> Place | None:
        """Return the module whose result came from an autograd function of that name."""
        for call in self.calls:
            if call.name and any(_maker(output) == function for output in call.outputs):
                return call.place
        return None

    def modules(self) -> Iterator[Call]:
        """Yield the calls of modules, inner ones before outer ones."""
        return (call for call in self.calls if call.given is not None)


def differing(first: Watch, second: Watch) -> Place | None:
    """Return the first part of two passes that made different results of the same inputs."""
    for one, other in zip(first.modules(), second.modules(), strict=False):
        if one.place == other.place and _same(one.given, other.given) and not _same(one.gave, other.gave):
            return one.place
    return None


def tensors_in(content: Any) -> Iterator[Tensor]:
    """Yield the tensors in arguments or results, however nested."""
    return (leaf for leaf in tree_flatten(content)[0] if isinstance(leaf, Tensor))


def _same(one: Any, other: Any) -> bool:
    pairs = list(zip(tensors_in(one), tensors_in(other), strict=False))
    return all(a.shape == b.shape and torch.equal(a.nan_to_num(), b.nan_to_num()) for a, b in pairs)


def _copied(content: Any) -> Any:
    return tree_map_only(Tensor, lambda each: each.detach().clone(), content)


def _is_finite(values: Tensor) -> bool:
    return not values.is_floating_point() or bool(values.isfinite().all())


def _maker(values: Tensor) -> str:
    """Return the name of the operation that made a tensor, as autograd says it: "Sigmoid"; empty of a leaf."""
    return re.sub(r"Backward\d*$", "", type(values.grad_fn).__name__) if values.grad_fn is not None else ""


def _line() -> str:
    """Return the line of the user's code that runs: "net.py, line 12"; empty where torch calls itself."""
    frame = sys._getframe(2)
    while frame is not None:
        file = frame.f_code.co_filename
        if file.endswith(("modules/module.py",)):
            return ""  # A layer of torch's own: its name says enough.
        if not file.startswith(_OURS):
            return f"{Path(file).name}, line {frame.f_lineno}"
        frame = frame.f_back
    return ""
