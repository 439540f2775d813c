"""What is minimised: an expression or a Python function, computed for all settings and starts at once.

Shape: x_CNS -> f_CS. C settings of optimizers, N variables, S starts.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from danlu.core.errors import DataError, PlanError
from danlu.explanation.descent_graph import Graph
from danlu.explanation.expression import Expression, variable_names
from danlu.networks import Program


class Function(Protocol):
    """What a descent needs of a function."""

    @property
    def variables(self) -> tuple[str, ...]:
        """Names of the N variables."""
        ...

    @property
    def lanes(self) -> int:
        """Starts are computed in multiples of so many, so that each has the same bits among any others."""
        ...

    def value(self, x_CNS: Tensor) -> Tensor:
        """Return the function's values, which autograd can follow."""
        ...

    def bind(self, x_CNS: Tensor, f_CS: Tensor, gradient_CNS: Tensor, do: Program) -> None:
        """Run and record what computes values and gradients from x, in tensors that stay."""
        ...


class ExpressionFunction:
    """A function given by an expression: its gradient is derived from it, once."""

    lanes = 16

    def __init__(self, expression: Expression, size: int) -> None:
        self.graph: Graph
        self.graph, self.output = expression.graph(size)
        self.variables = tuple(variable_names(expression, size))

    def value(self, x_CNS: Tensor) -> Tensor:
        """Return the function's values."""
        return self.graph.evaluate([self.output], x_CNS)[0].squeeze(1)

    def bind(self, x_CNS: Tensor, f_CS: Tensor, gradient_CNS: Tensor, do: Program) -> None:
        """Run and record values and gradients."""
        self.graph.bind(self.output, x_CNS, f_CS, gradient_CNS, do)

    def kinks_at(self, x_N: Tensor) -> list[str]:
        """Return the operations whose argument is 0 (or whose two are equal) at a point, by name."""
        found: list[str] = []
        places = list(self.graph.kinks(self.output))
        values = self.graph.values([self.output], x_N[None, :, None])
        for place in places:
            node = self.graph.nodes[place]
            args = [values[arg] for arg in node.args]
            gap = args[0] - args[1] if node.op in ("maximum", "minimum") else args[0]
            if bool((gap == 0).any()):
                name = {"maximum": "max", "minimum": "min", "pow": "**"}.get(node.op, node.op)
                found += [] if name in found else [name]
        return found


class PythonFunction:
    """A Python function of one tensor `[N]`, or of N numbers, made of torch operations.

    All points are computed at once by `torch.func.vmap`; where that fails, one after another, and `alone` says why.

    Raises:
        DataError: the function fails, gives no single number, is not made of torch operations, or gives another value
            each time.
    """

    def __init__(self, function: Callable[..., Any], size: int, probe_SN: Tensor) -> None:
        self.function, self.size = function, size
        self.separate, self.variables = _arguments(function, size)
        self.alone: str | None = None
        self.twice: bool | None = None
        """Whether autograd has its second derivatives; None before it was tried."""
        alone_S = self._each(probe_SN)
        try:
            with torch.no_grad():
                together_S = torch.func.vmap(self._one)(probe_SN)
            if not torch.allclose(together_S, alone_S, rtol=1e-3, atol=1e-6, equal_nan=True):
                self.alone = "torch.func.vmap gives other values"
        except Exception as error:
            self.alone = str(error).strip().splitlines()[0][:200] or type(error).__name__
        if not torch.equal(self._each(probe_SN).nan_to_num(), alone_S.nan_to_num()):
            raise DataError(
                "the function must give the same value for the same x", "it did not", "Take random numbers out of it."
            )

    @property
    def lanes(self) -> int:
        """Where all are computed at once: a full vector of the processor."""
        return 1 if self.alone else 16

    def _one(self, x_N: Tensor) -> Tensor:
        """Return the function's value at one point, as a tensor without a shape."""
        found = self.function(*x_N.unbind()) if self.separate else self.function(x_N)
        if not isinstance(found, Tensor):
            remedy = "Compute with torch: torch.sin(x), x**2, ..."
            raise DataError("the function must return a tensor", f"it returned {type(found).__name__}", remedy)
        if found.numel() != 1:
            raise DataError("the function must return one number", f"it returned shape {list(found.shape)}", "Sum it.")
        return found.reshape(()).to(x_N.dtype)

    def _each(self, x_SN: Tensor) -> Tensor:
        """Return values computed one after another; what goes wrong is said with the place."""
        values = []
        for x_N in x_SN:
            try:
                values.append(self._one(x_N.clone().requires_grad_()))
            except DataError:
                raise
            except Exception as error:
                place = ", ".join(f"{v:g}" for v in x_N.tolist())
                fact = f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error).strip() else ''}"
                raise DataError(f"the function must be computable at ({place})", fact, "Try it there alone.") from error
            if not values[-1].requires_grad:
                fact = "its value does not depend on x through torch operations"
                raise DataError("the function must be differentiable", fact, "Do not use .item(), numpy or .detach().")
        return torch.stack(values).detach()

    def value(self, x_CNS: Tensor) -> Tensor:
        """Return the function's values."""
        points = x_CNS.transpose(1, 2).reshape(-1, self.size)
        values = torch.stack([self._one(x) for x in points]) if self.alone else torch.func.vmap(self._one)(points)
        return values.reshape(x_CNS.shape[0], x_CNS.shape[2])

    def bind(self, x_CNS: Tensor, f_CS: Tensor, gradient_CNS: Tensor, do: Program) -> None:
        """Run and record values and gradients; the gradient of the sum holds that of each."""

        def compute() -> None:
            x = x_CNS.detach().requires_grad_()
            value_CS = self.value(x)
            (slope,) = torch.autograd.grad(value_CS.sum(), x)
            f_CS.copy_(value_CS.detach())
            gradient_CNS.copy_(slope)

        do(compute)


def _arguments(function: Callable[..., Any], size: int) -> tuple[bool, tuple[str, ...]]:
    """Return whether the variables are separate arguments, and their names.

    Raises:
        PlanError: the function takes another number of them.
    """
    plain = tuple(f"x[{i}]" for i in range(size)) if size > 1 else ("x",)
    taken = parameters(function)
    if taken is None or len(taken) == 1:
        return False, plain
    if not taken:
        return True, plain
    if len(taken) != size:
        fact = f"got {size} for {', '.join(taken)}"
        raise PlanError("a start must have one number for each argument of the function", fact, "Give as many.")
    return True, taken


def parameters(function: Callable[..., Any]) -> tuple[str, ...] | None:
    """Return the names of a function's arguments; empty for *args, None where Python does not tell.

    >>> parameters(lambda x, y, scale=2: x), parameters(lambda *x: 0), parameters(print.__call__)
    (('x', 'y'), (), ())
    """
    try:
        found = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return None
    if any(p.kind is p.VAR_POSITIONAL for p in found):
        return ()
    positional = [p for p in found if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    return tuple(p.name for p in positional if p.default is p.empty) or None


def at(function: Function, x_CNS: Tensor) -> tuple[Tensor, Tensor]:
    """Return values and gradients at some points, computed as in a descent.

    Shape: [C, N, S] -> [C, S], [C, N, S].
    """
    f_CS, gradient_CNS = x_CNS.new_empty(x_CNS.shape[0], x_CNS.shape[2]), torch.zeros_like(x_CNS)
    function.bind(x_CNS, f_CS, gradient_CNS, Program(record=False))
    return f_CS, gradient_CNS


def hessian(function: Function, x_SN: Tensor) -> Tensor:
    """Return the second derivatives at some points: autograd twice, or where that fails central differences.

    Shape: [S, N] -> [S, N, N], symmetric.
    """
    if isinstance(function, PythonFunction) and function.twice is None:
        function.twice = _has_second(function, x_SN[:1])
    twice = not isinstance(function, PythonFunction) or function.twice
    rows = _rows(function, x_SN) if twice else _differences(function, x_SN)
    return (rows + rows.transpose(1, 2)) / 2


def _has_second(function: Function, x_1N: Tensor) -> bool:
    """Return whether autograd's second derivatives are those of differences.

    A part that has none in torch raises, or is silently taken for constant (`once_differentiable` on a slope of 1).
    """
    try:
        found = _rows(function, x_1N)
    except RuntimeError:
        return False
    expected = _differences(function, x_1N)
    return torch.allclose(found, expected, rtol=1e-3, atol=1e-3 * (1 + float(expected.abs().max())), equal_nan=True)


def _rows(function: Function, x_SN: Tensor) -> Tensor:
    x_1NS = x_SN.T[None].clone().requires_grad_()
    (gradient_1NS,) = torch.autograd.grad(function.value(x_1NS).sum(), x_1NS, create_graph=True)
    rows: list[Tensor] = []
    for i in range(x_SN.shape[1]):
        slope = gradient_1NS[0, i].sum()
        if not slope.requires_grad:
            rows.append(torch.zeros_like(x_SN))
            continue
        (row,) = torch.autograd.grad(slope, x_1NS, retain_graph=True, allow_unused=True)
        rows.append(torch.zeros_like(x_SN) if row is None else row[0].T)
    return torch.stack(rows, 1).detach()


def _differences(function: Function, x_SN: Tensor) -> Tensor:
    rows: list[Tensor] = []
    for i in range(x_SN.shape[1]):
        step_S = 6e-6 * x_SN[:, i].abs().clamp(min=1.0)
        slopes: Sequence[Tensor] = [
            at(function, (x_SN + sign * torch.eye(x_SN.shape[1], dtype=x_SN.dtype)[i] * step_S[:, None]).T[None])[1][
                0
            ].T
            for sign in (1, -1)
        ]
        rows.append((slopes[0] - slopes[1]) / (2 * step_S[:, None]))
    return torch.stack(rows, 1)


@dataclass(frozen=True)
class Kink:
    """Where a function has no derivative: the variable, and the slopes to both sides of it."""

    variable: int
    left: float
    right: float


def kink_at(function: Function, x_N: Tensor) -> Kink | None:
    """Return a variable along which the slopes to both sides differ at a point, else None.

    They differ where the difference of one-sided quotients does not shrink with their step (1e-5, 1e-7).
    """
    size = min(len(x_N), 64)
    scale_N = x_N.abs().clamp(min=1.0)[:size]
    moved = []
    for h in (1e-5, -1e-5, 1e-7, -1e-7):
        points_NN = x_N.repeat(size, 1)
        points_NN.diagonal().add_(h * scale_N)
        moved.append(points_NN)
    points_PN = torch.cat([x_N[None], *moved])
    with torch.no_grad():
        values = function.value(points_PN.T[None])[0]
    f, (wide_up, wide_down, up, down) = values[0], values[1:].view(4, size)
    wide_N = (wide_up - f) / (1e-5 * scale_N) - (f - wide_down) / (1e-5 * scale_N)
    right_N, left_N = (up - f) / (1e-7 * scale_N), (f - down) / (1e-7 * scale_N)
    jump_N = (right_N - left_N).abs()
    noise_N = 1e-4 * torch.maximum(right_N.abs(), left_N.abs()) + 32 * 2.2e-16 * values.abs().max() / (1e-7 * scale_N)
    found = (jump_N > noise_N) & (jump_N > 0.8 * wide_N.abs())
    if not bool(found.any()):
        return None
    place = int(found.to(torch.int8).argmax())
    return Kink(place, float(left_N[place]), float(right_N[place]))
