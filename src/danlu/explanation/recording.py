"""One pass of a module, kept as a graph: every leaf module and every function called between them is a node.

Modules of torch's own are nodes as a whole; of a user's own classes the functions that their `forward` calls are. Each
node can be run again on other tensors, which is all that local derivatives need.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import get_gradient_edge
from torch.overrides import TorchFunctionMode

from danlu.core.errors import PlanError
from danlu.networks.custom import said

LOW = (torch.float32, torch.float16, torch.bfloat16)
_MOVES = """view reshape flatten unflatten contiguous squeeze unsqueeze permute transpose T mT t clone to double type
type_as movedim swapaxes expand view_as reshape_as ravel"""
SHAPE_ONLY = frozenset(_MOVES.split())
"""Functions that move numbers and change none."""


@dataclass(eq=False)
class Value:
    """A tensor that a pass made, as it was then, with the place in autograd's graph where its gradient is had."""

    number: int
    tensor: Tensor
    edge: Any
    node: Node | None
    place: int = 0
    gradient: Tensor | None = None


@dataclass(frozen=True)
class Ref:
    """Stands for a value among a node's arguments."""

    value: Value


@dataclass(frozen=True)
class ParameterRef:
    """Stands for a parameter, by its name in the module."""

    path: str


@dataclass(eq=False)
class Node:
    """One call: of a module, or of a function.

    Attributes:
        path: the module's name, or that of the one whose forward made the call.
        kind: class of the module, or name of the function.
        own: parameters by their last names, each with its full one.
    """

    number: int
    path: str
    kind: str
    call: Callable[..., Any]
    module: nn.Module | None
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    random: Tensor | None
    own: dict[str, str] = field(default_factory=dict)
    outputs: list[Value] = field(default_factory=list)
    name: str = ""

    @property
    def inputs(self) -> list[Value]:
        """The values that it reads, each once."""
        return list(
            {id(ref.value): ref.value for ref in _leaves((self.args, self.kwargs)) if isinstance(ref, Ref)}.values()
        )

    @property
    def moves(self) -> bool:
        """Whether it only moves numbers."""
        return (self.module is None and self.kind in SHAPE_ONLY) or self.kind in ("Flatten", "Unflatten", "Identity")

    def again(self, parameters: Mapping[str, Tensor], instead: Mapping[int | str, Tensor]) -> list[Tensor]:
        """Run it once more, with tensors instead of values (by number) or parameters (by full name)."""

        def given(part: Any) -> Any:
            if isinstance(part, Ref):
                return instead.get(part.value.number, part.value.tensor).clone()
            if isinstance(part, ParameterRef):
                return instead.get(part.path, parameters[part.path].detach())
            return part.clone() if isinstance(part, Tensor) else part

        args, kwargs = _mapped(self.args, given), _mapped(self.kwargs, given)
        with torch.random.fork_rng([]):
            if self.random is not None:
                torch.set_rng_state(self.random)
            if self.module is None:
                result = self.call(*args, **kwargs)
            else:
                own = {key: instead.get(path, parameters[path].detach()) for key, path in self.own.items()}
                result = torch.func.functional_call(self.module, own, args, kwargs)
        written = self.call in _WRITING or self.kind == "__setitem__"
        return [part for part in _leaves(args[0] if written and result is None else result) if isinstance(part, Tensor)]


_WRITING = (torch.Tensor.__setitem__,)


class Recorder(TorchFunctionMode):
    """Keeps what happens between entering and leaving it.

    Arguments:
        module: in float64; what is called of it becomes the graph.
    """

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module
        self.parameters = dict(module.named_parameters())
        self.nodes: list[Node] = []
        self.values: list[Value] = []
        self.consumers: dict[int, list[Node]] = {}
        self.where: list[str] = []
        self._made: dict[int, Value] = {}
        self._paths = {id(parameter): path for path, parameter in self.parameters.items()}
        self._alive: list[Any] = []
        self._inside = 0

    def source(self, tensor: Tensor) -> Value:
        """Take a tensor that comes from outside as the first of a graph."""
        return self._value(tensor, None, 0)

    def value_of(self, tensor: Tensor) -> Value | None:
        """Return the value that a tensor is."""
        return self._made.get(id(tensor))

    def call(self, kind: str, function: Callable[..., Any], *args: Any) -> Any:
        """Call a function as a node of its own: the loss."""
        node = self._node("", kind, function, None, self._kept(args, {}))
        with self.apart():
            return self._note(node, function(*args), args)

    @contextmanager
    def apart(self) -> Iterator[None]:
        """Keep nothing of what happens meanwhile."""
        self._inside += 1
        try:
            yield
        finally:
            self._inside -= 1

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Call a function, and keep the call unless a module does that."""
        kwargs = kwargs or {}
        if self._inside:
            return func(*args, **kwargs)
        kind = _name(func)
        func, args, kwargs = _in_double(func, kind, args, kwargs)
        if kind in ("__get__", "__set__", "requires_grad_", "size", "dim", "backward", "register_hook"):
            return func(*args, **kwargs)
        kept, random, versions = self._kept(args, kwargs), torch.get_rng_state(), _versions((args, kwargs))
        try:
            result = func(*args, **kwargs)
        except RuntimeError as error:
            shapes = [list(part.shape) for part in _leaves((args, kwargs)) if isinstance(part, Tensor)]
            place = f"`{kind}` in {self.where[-1] if self.where else type(self.module).__name__}"
            raise PlanError(
                f"{place} must get tensors that fit", f"given {_listed(shapes)} it raised {said(error)}"
            ) from error
        node = self._node(self.where[-1] if self.where else "", kind, func, None, kept)
        node.random = random if not torch.equal(random, torch.get_rng_state()) else None
        written = args[0] if kind == "__setitem__" else result
        self._note(node, written, (args, kwargs), versions)
        return result

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Watch the modules, the functions that a user's classes call, and their own `autograd.Function`s."""
        hooks = []
        apply = torch.autograd.Function.__dict__["apply"]
        torch.autograd.Function.apply = classmethod(self._applied(apply.__func__))  # pyrefly: ignore
        for path, part in self.module.named_modules():
            leaf = is_leaf(part)
            hooks.append(part.register_forward_pre_hook(self._before(path, leaf), with_kwargs=True))
            hooks.append(part.register_forward_hook(self._after(leaf), with_kwargs=True))
        try:
            with self:
                yield
        finally:
            torch.autograd.Function.apply = apply
            for hook in hooks:
                hook.remove()

    def _applied(self, apply: Callable[..., Any]) -> Callable[..., Any]:
        """Return what stands for `Function.apply`, which does not pass through `__torch_function__`."""

        def applied(cls: Any, *args: Any, **kwargs: Any) -> Any:
            if self._inside:
                return apply(cls, *args, **kwargs)
            where = self.where[-1] if self.where else ""
            node = self._node(where, cls.__name__, partial(apply, cls), None, self._kept(args, kwargs))
            with self.apart():
                return self._note(node, apply(cls, *args, **kwargs), (args, kwargs), _versions((args, kwargs)))

        return applied

    def _before(self, path: str, leaf: bool) -> Callable[..., None]:
        def hook(part: nn.Module, args: Any, kwargs: Any) -> None:
            self.where.append(path or type(part).__name__)
            if leaf:
                if not self._inside:
                    kept = self._kept(args, kwargs)
                    self._pending = (path, kept, torch.get_rng_state(), _versions((args, kwargs)))
                self._inside += 1

        return hook

    def _after(self, leaf: bool) -> Callable[..., None]:
        def hook(part: nn.Module, args: Any, kwargs: Any, result: Any) -> None:
            self.where.pop()
            if not leaf:
                return
            self._inside -= 1
            if not self._inside:
                path, kept, random, versions = self._pending
                node = self._node(path, type(part).__name__, part, part, kept)
                node.random = random if not torch.equal(random, torch.get_rng_state()) else None
                prefix = f"{path}." if path else ""
                node.own = {
                    key: self._paths[id(own)] for key, own in part.named_parameters() if id(own) in self._paths
                } or {key: f"{prefix}{key}" for key, _ in part.named_parameters()}
                with self.apart():
                    self._note(node, result, (args, kwargs), versions)

        return hook

    def _node(self, path: str, kind: str, call: Any, module: nn.Module | None, kept: Any) -> Node:
        node = Node(len(self.nodes), path, kind, call, module, kept[0], kept[1], None)
        if module is None:
            refs = [part.path for part in _leaves(kept) if isinstance(part, ParameterRef)]
            node.own = {ref.rpartition(".")[2]: ref for ref in refs}
        return node

    def _note(self, node: Node, result: Any, given: Any, versions: Mapping[int, int] | None = None) -> Any:
        """Keep a node whose result autograd follows; nothing of one that hands on what it was given."""
        tensors = [part for part in _leaves(result) if isinstance(part, Tensor)]
        before = versions or {}
        new = [t for t in tensors if t.requires_grad and before.get(id(t), -1) != t._version]
        if not new:
            return result
        node.number = len(self.nodes)
        self.nodes.append(node)
        for place, tensor in enumerate(tensors):
            if any(tensor is each for each in new):
                node.outputs.append(self._value(tensor, node, place))
        for value in node.inputs:
            self.consumers.setdefault(value.number, []).append(node)
        self._alive.append(given)
        return result

    def _value(self, tensor: Tensor, node: Node | None, place: int) -> Value:
        with self.apart():
            kept, edge = tensor.detach().clone(), get_gradient_edge(tensor) if tensor.requires_grad else None
        value = Value(len(self.values), kept, edge, node, place)
        self.values.append(value)
        self._made[id(tensor)] = value
        self._alive.append(tensor)
        return value

    def _unseen(self, tensor: Tensor) -> Value:
        """Keep a tensor that came about in a way that cannot be seen: its gradient is known, what it is made of not."""
        kind = tensor.grad_fn.name() if tensor.grad_fn is not None else "unseen"
        node = Node(len(self.nodes), self.where[-1] if self.where else "", kind, _lost, None, (), {}, None)
        self.nodes.append(node)
        node.outputs.append(self._value(tensor, node, 0))
        return node.outputs[0]

    def _kept(self, args: Any, kwargs: Any) -> Any:
        """Return arguments with references in the place of what is known, and copies of other tensors."""

        def keep(part: Any) -> Any:
            if not isinstance(part, Tensor):
                return part
            if id(part) in self._paths:
                return ParameterRef(self._paths[id(part)])
            known = self._made.get(id(part))
            if known is not None:
                return Ref(known)
            if part.requires_grad and part.grad_fn is not None:
                return Ref(self._unseen(part))
            with self.apart():
                return part.detach().clone()

        return _mapped(tuple(args), keep), _mapped(dict(kwargs), keep)


class Wide(TorchFunctionMode):
    """Lets a forward pass that asks for fewer digits than float64 have them all the same."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Call a function."""
        func, args, kwargs = _in_double(func, _name(func), args, kwargs or {})
        return func(*args, **kwargs)


def _lost(*_: Any) -> None:
    return None


def is_leaf(part: nn.Module) -> bool:
    """Return whether a module is a node as a whole: torch's own, but for its containers."""
    own = type(part).__module__.startswith("torch.nn.modules.")
    containers = (nn.Sequential, nn.ModuleList, nn.ModuleDict, nn.ParameterList, nn.ParameterDict)
    stacks = (nn.Transformer, nn.TransformerEncoder, nn.TransformerDecoder)
    return own and not isinstance(part, (*containers, *stacks))


def _in_double(func: Any, kind: str, args: Any, kwargs: Any) -> tuple[Any, Any, dict[str, Any]]:
    """Turn what asks for fewer digits than float64 into float64."""
    if kind in ("float", "half", "bfloat16") and args and isinstance(args[0], Tensor):
        return torch.Tensor.double, args[:1], {}

    def wide(part: Any) -> Any:
        return torch.float64 if isinstance(part, torch.dtype) and part in LOW else part

    return func, _mapped(args, wide), _mapped(dict(kwargs), wide)


def _name(func: Any) -> str:
    name = getattr(func, "__name__", type(func).__name__)
    if name == "__get__":
        attribute = getattr(getattr(func, "__self__", None), "__name__", "")
        return attribute if attribute in ("T", "mT", "H", "mH", "real") else name
    operators = {"__rsub__": "sub", "__rpow__": "pow", "__rdiv__": "div", "__getitem__": "index", "rsub": "sub"}
    return operators.get(name, name)


def _versions(given: Any) -> dict[int, int]:
    return {id(part): part._version for part in _leaves(given) if isinstance(part, Tensor)}


def _leaves(tree: Any) -> Iterator[Any]:
    if isinstance(tree, list | tuple):
        for part in tree:
            yield from _leaves(part)
    elif isinstance(tree, dict):
        for part in tree.values():
            yield from _leaves(part)
    else:
        yield tree


def _mapped(tree: Any, of: Callable[[Any], Any]) -> Any:
    if isinstance(tree, list | tuple):
        parts = [_mapped(part, of) for part in tree]
        return type(tree)(*parts) if hasattr(tree, "_fields") else type(tree)(parts)
    if isinstance(tree, dict):
        return {key: _mapped(part, of) for key, part in tree.items()}
    return of(tree)


def _listed(shapes: list[list[int]]) -> str:
    return " and ".join(map(str, shapes)) or "no tensors"
