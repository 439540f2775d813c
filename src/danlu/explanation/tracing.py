"""One step of one network, number by number: values forward, gradients backward, the update."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from danlu.core.errors import DataError, PlanError
from danlu.explanation.formulas import short
from danlu.explanation.gradients_inputs import as_target, random_target
from danlu.explanation.gradients_loss import make_measure
from danlu.explanation.gradients_module import default_type, seeded
from danlu.explanation.recording import Node, ParameterRef, Recorder, Value, Wide
from danlu.networks.custom import said

_SUMS = """linear conv convtranspose bilinear matmul mm bmm addmm einsum lstm gru rnn rnncell lstmcell grucell
multiheadattention"""
SUMS = frozenset(_SUMS.split())
"""Kinds that sum up inputs with weights: they are called layer1, layer2, ..."""


@dataclass(eq=False)
class Pass:
    """One pass of a module forward and backward, with all that it takes to run parts of it again.

    Attributes:
        module: a copy in float64, in the mode it ran in.
        inputs: what it was given; `leaf` is the one that carries rows.
        target: as the loss takes it; None where the loss takes none.
        loss_name: name of the loss.
        measure: outputs -> the loss, a number.
        pooled: rows that the loss is a mean of; 1 where it is no mean.
        gradients: of the loss by each parameter, by full name.
        sources: names of the inputs, by the numbers of their values.
        titles: what modules are called outside, by their paths.
        numbers: what rows are called.
    """

    module: nn.Module
    inputs: tuple[Tensor, ...]
    seed: int
    recorder: Recorder
    leaf: Value
    output: Value
    target: Tensor | None
    loss_name: str
    measure: Callable[[Tensor], Tensor]
    loss: float
    pooled: int
    gradients: dict[str, Tensor]
    sources: dict[int, str] = field(default_factory=dict)
    titles: Mapping[str, str] = field(default_factory=dict)
    numbers: tuple[int, ...] = ()

    @property
    def rows(self) -> int:
        """Rows that went in."""
        return len(self.leaf.tensor)

    @property
    def nodes(self) -> list[Node]:
        """All calls, in order, the loss last."""
        return self.recorder.nodes

    @property
    def parameters(self) -> dict[str, Tensor]:
        """Parameters by full name."""
        return {path: parameter.detach() for path, parameter in self.recorder.parameters.items()}

    def has_rows(self, value: Value) -> bool:
        """Whether a value is led by rows."""
        return value.tensor.ndim > 0 and len(value.tensor) == self.rows

    def loss_now(self) -> float:
        """Return the loss of the module as its parameters stand now."""
        with torch.no_grad():
            return float(self.run_again()[1])

    def run_again(self) -> tuple[Tensor, Tensor]:
        """Return outputs and loss of the module as its parameters stand now."""
        with default_type(torch.float64), seeded(self.seed), Wide():
            output = _first(self.module(*(part.detach().clone() for part in self.inputs)), self.module)
            return output, self.measure(output)

    def title(self, path: str) -> str:
        """Return what a module or parameter is called outside."""
        for prefix, name in self.titles.items():
            if path == prefix or path.startswith(f"{prefix}."):
                return (name + path[len(prefix) :]).strip(".")
        return path


def run_pass(
    module: nn.Module,
    inputs: tuple[Tensor, ...],
    y: Any,
    loss: Any,
    *,
    seed: int = 0,
    sources: tuple[str, ...] = ("input",),
    titles: Mapping[str, str] | None = None,
    rows: Sequence[int] | None = None,
) -> Pass:
    """Run a module forward and backward, and return the pass with every value and gradient.

    Arguments:
        module: in float64, in the mode that is wanted; it is used as it is, so give a copy.
        inputs: what it takes; the first float tensor carries rows.
        y: targets; None draws random ones.
        loss: name of one of Danlu's, a function of outputs and targets, or None: by the targets.
        seed: of all that is random.
        sources: what the inputs are called.
        titles: what modules are called outside, by their paths.
        rows: what rows are called; by default numbers from 0.

    Raises:
        PlanError: shapes do not fit, or the module cannot be run.
        DataError: a value is not finite.
    """
    recorder = Recorder(module)
    leaves = [part.detach().clone().requires_grad_(part.is_floating_point()) for part in inputs]
    with default_type(torch.float64), seeded(seed), recorder.watching():
        values = [recorder.source(part) for part in leaves]
        output = _forward(recorder, module, leaves)
        result = recorder.value_of(output)
        if result is None:
            raise PlanError(
                "a network's outputs must depend on its weights or inputs",
                "no gradient reaches them",
                "Leave detach out.",
            )
        with recorder.apart():
            target, name, measure, pooled = _loss(output, y, loss, seed)
        total = recorder.call("loss", measure, output)
    names = [sources[i] if i < len(sources) else f"{sources[0]}{i + 1}" for i in range(len(values))]
    leaf = next((value for value in values if value.tensor.is_floating_point()), values[0])
    _check_inputs(values, names, leaf)
    gradients = _backward(recorder, total)
    found = Pass(
        module,
        inputs,
        seed,
        recorder,
        leaf,
        result,
        target,
        name,
        measure,
        float(total.detach()),
        pooled,
        gradients,
        dict(zip((value.number for value in values), names, strict=True)),
        dict(titles or {}),
        tuple(range(len(leaf.tensor)) if rows is None else rows),
    )
    name_nodes(found)
    _check_finite(found)
    return found


def _forward(recorder: Recorder, module: nn.Module, leaves: list[Tensor]) -> Tensor:
    try:
        output = module(*leaves)
    except PlanError:
        raise
    except Exception as error:
        path = recorder.where[-1] if recorder.where else type(module).__name__
        part = dict(module.named_modules()).get(path, module)
        raise _unfit(path, part, recorder, leaves, error) from None
    return _first(output, module)


def _first(output: Any, module: nn.Module) -> Tensor:
    """Return what a module returned, the first of several.

    Raises:
        PlanError: it is no tensor.
    """
    first = output[0] if isinstance(output, tuple | list) and output else output
    if not isinstance(first, Tensor):
        raise PlanError(f"{type(module).__name__} must return a tensor", f"it returned {type(output).__name__}")
    return first


def _unfit(path: str, part: nn.Module, recorder: Recorder, leaves: list[Tensor], error: Exception) -> PlanError:
    """Say which layer could not take what it was given, with both shapes."""
    given = leaves[0]
    if getattr(recorder, "_pending", None) is not None and recorder._inside:
        refs = [p for p in recorder._pending[1][0] if p is not None]
        given = next(
            (getattr(getattr(r, "value", None), "tensor", r) for r in refs if not isinstance(r, ParameterRef)), given
        )
    shape = list(given.shape) if isinstance(given, Tensor) else "?"
    kind = type(part).__name__
    weight = getattr(part, "weight", None)
    takes = f"a weight of {list(weight.shape)}" if isinstance(weight, Tensor) else "its own rules"
    if isinstance(part, nn.Linear):
        takes = f"a weight of {list(part.weight.shape)}, so {part.in_features} inputs a row"
    if "more than 1 value per channel" in str(error):
        remedy = "Trace more rows, or in evaluation mode."
        return PlanError(f"`{path}` ({kind}) needs two rows or more in training", f"got {shape}", remedy)
    return PlanError(
        f"`{path}` ({kind}, {takes}) must be able to take its input", f"given {shape} it raised {said(error)}"
    )


def _loss(output: Tensor, y: Any, loss: Any, seed: int) -> tuple[Tensor | None, str, Callable[[Tensor], Tensor], int]:
    """Return the target, the loss's name, the loss as a function of outputs, and how many rows it is a mean of."""
    target = None if y is None else as_target(y, torch.float64, output.device)
    if loss is None:
        whole = target is not None and not target.is_floating_point() and target.shape != output.shape
        loss = "cross-entropy" if whole and output.ndim > 1 and output.shape[1] > 1 else "mse"
    if not callable(loss) and target is None:
        flat = output.detach().reshape(len(output), -1)
        target = random_target(str(loss).partition(":")[0], flat, seed)
    if isinstance(loss, str) and loss in ("mse", "l1", "huber", "poisson", "kl") and target is not None:
        target = target.to(torch.float64)
    terms, _ = make_measure(output, target, loss, seed)
    name = loss if isinstance(loss, str) else getattr(loss, "__name__", type(loss).__name__)
    mean = isinstance(loss, str) or getattr(loss, "reduction", "mean" if hasattr(loss, "forward") else "") == "mean"
    mean = mean or getattr(loss, "__module__", "") == "torch.nn.functional"
    return target, name, lambda out: terms(out).sum(), len(output) if mean and output.ndim else 1


def _backward(recorder: Recorder, total: Tensor) -> dict[str, Tensor]:
    """Fill the gradient of every value, and return those of the parameters."""
    values = [value for value in recorder.values if value.edge is not None]
    own = {path: parameter for path, parameter in recorder.parameters.items() if parameter.requires_grad}
    try:
        found = torch.autograd.grad(total, [*(value.edge for value in values), *own.values()], allow_unused=True)
    except RuntimeError as error:
        raise PlanError("a network must let gradients through", said(error), "`danlu gradients` says where.") from None
    for value, gradient in zip(values, found, strict=False):
        value.gradient = None if gradient is None else gradient.detach().clone()
    gradients = dict(zip(own, found[len(values) :], strict=True))
    return {
        path: torch.zeros_like(parameter) if (g := gradients.get(path)) is None else g.detach().clone()
        for path, parameter in recorder.parameters.items()
    }


def name_nodes(found: Pass) -> None:
    """Name every call: layer1, layer2, ... what sums up with weights, and after it what follows."""
    taken: set[str] = set()
    bases: dict[int, str] = dict(found.sources)
    weights = _of_weights(found)
    count = 0
    for node in found.nodes:
        kind = short(node.kind)
        sums = bool(node.own) or any(value.number in weights for value in node.inputs)
        rows = [value for value in node.inputs if value.number not in weights]
        # What joins a table's parts belongs to the first of them; a shortcut to what it is added to.
        chosen = min if kind in ("cat", "concat", "stack", "hstack") else max
        after = chosen((value.number for value in rows), default=-1)
        base = bases[after] if rows else found.title(node.path) or "weights"
        if node.kind == "loss":
            name = base = "loss"
        elif sums and kind in SUMS:
            count += 1
            name = base = f"layer{count}"
        elif kind == "embedding":
            name = base = found.title(node.path) if found.title(node.path) != node.path else "embedding"
        else:
            name = f"{base}.{kind}"
        if name in taken:
            name = next(f"{name}{i}" for i in range(2, len(found.nodes) + 3) if f"{name}{i}" not in taken)
        taken.add(name)
        node.name = name
        for value in node.outputs:
            bases[value.number] = base


def _of_weights(found: Pass) -> set[int]:
    """Return the values that are made of parameters alone: a transposed weight."""
    known: set[int] = set()
    for node in found.nodes:
        read = [*node.own, *node.inputs]
        if node.moves and read and all(value.number in known for value in node.inputs):
            known |= {value.number for value in node.outputs}
    return known


def label(found: Pass, value: Value, index: tuple[int, ...] = ()) -> str:
    """Return what an element of a value is called: `layer1[2]`; the row is left out."""
    name = found.sources.get(value.number, "") if value.node is None else value.node.name
    if value.place:
        name += f".out{value.place + 1}"
    inner = index[1:] if found.has_rows(value) else index
    return f"{name}[{','.join(map(str, inner))}]" if inner else name


def push(found: Pass, node: Node, value: Value | str, tangent: Tensor) -> list[Tensor]:
    """Return how a node's outputs change along a tangent of one input, a value or (by name) a parameter.

    A derivative of the backward pass by its own input, twice: it is what the node's backward pass says, be it right or
    wrong.
    """
    key: int | str = value if isinstance(value, str) else value.number
    start = found.parameters[value].detach() if isinstance(value, str) else value.tensor
    with default_type(torch.float64), torch.enable_grad(), nn.attention.sdpa_kernel(nn.attention.SDPBackend.MATH):
        point = start.clone().requires_grad_()
        all_outputs = node.again(found.parameters, {key: point})
        outputs = [
            all_outputs[each.place] if each.place < len(all_outputs) else all_outputs[0] for each in node.outputs
        ]
        weights = [torch.zeros_like(out, requires_grad=True) for out in outputs]
        try:
            (back,) = torch.autograd.grad(outputs, point, weights, create_graph=True, allow_unused=True)
            if back is None or not back.requires_grad:
                return [torch.zeros_like(out) for out in outputs]
            changes = torch.autograd.grad(back, weights, tangent, allow_unused=True)
        except RuntimeError:
            return _push_slowly(node, found, key, start, tangent)
    return [torch.zeros_like(w) if c is None else c.detach() for c, w in zip(changes, weights, strict=True)]


def _push_slowly(node: Node, found: Pass, key: int | str, start: Tensor, tangent: Tensor) -> list[Tensor]:
    """Return the same by one backward pass for each output: where a backward pass has no derivative of its own."""
    point = start.clone().requires_grad_()
    changes = []
    for out in node.again(found.parameters, {key: point})[: len(node.outputs)]:
        flat = [torch.autograd.grad(each, point, retain_graph=True, allow_unused=True)[0] for each in out.reshape(-1)]
        column = [0.0 if g is None else float((g * tangent).sum()) for g in flat]
        changes.append(torch.tensor(column, dtype=torch.float64).reshape(out.shape))
    return changes


def _check_inputs(values: list[Value], names: list[str], leaf: Value) -> None:
    """Refuse inputs that are not finite."""
    for value, name in zip(values, names, strict=True):
        if value.tensor.is_floating_point() and not bool(value.tensor.isfinite().all()):
            raise _not_finite(name, value.tensor, "", led=value is leaf)


def _check_finite(found: Pass) -> None:
    """Refuse a pass with a value that is not finite, naming the first place: forward, then backward.

    Raises:
        DataError: there is one.
    """
    for path, parameter in found.parameters.items():
        if not bool(parameter.isfinite().all()):
            raise _not_finite(f"parameter {found.title(path)}", parameter, "", led=False)
    values = [value for value in found.recorder.values if value.node is not None]
    for value in values:
        if value.tensor.is_floating_point() and not bool(value.tensor.isfinite().all()):
            assert value.node is not None
            name = label(found, value)
            why = f"the output of {value.node.kind}, what goes into it is finite"
            raise _not_finite(name, value.tensor, why, led=found.has_rows(value))
    for value in reversed(found.recorder.values):
        if value.gradient is not None and not bool(value.gradient.isfinite().all()):
            name = f"the gradient by {label(found, value)}"
            raise _not_finite(name, value.gradient, "the first on the way back", led=found.has_rows(value))


def _not_finite(name: str, tensor: Tensor, why: str, *, led: bool) -> DataError:
    index = tuple((~tensor.isfinite()).nonzero()[0].tolist())
    row, inner = (f" in row {index[0]}" if led else ""), (index[1:] if led else index)
    place = f"{name}[{','.join(map(str, inner))}]" if inner else name
    fact = f"{place} is {tensor[index].item():g}{row}" + (f": {why}" if why else "")
    return DataError(
        "every value must be finite", fact, "Look at the inputs and weights before it, or lower the learning rate."
    )


def elementwise(node: Node) -> bool:
    """Whether a node works on each number alone, so that its Jacobian is a diagonal."""
    kinds = "sigmoid tanh relu leakyrelu elu selu gelu silu mish softplus exp log sqrt neg abs sin cos dropout"
    name = short(node.kind)
    if name == "batchnorm":
        return node.module is not None and not node.module.training
    return name in kinds.split() and len(node.inputs) == 1 and len(node.outputs) == 1
