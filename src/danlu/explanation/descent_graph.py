"""A function of several variables as a graph of operations on whole populations, and its derivative as more of it.

Values are `[C, w, S]`: C settings of optimizers, S starts of each; w rows, 1 for a number and n for a list of n
variables. Equal operations on equal values are one node, and the derivative is built backwards, node by node, from the
rules below; so a step of the descent is a short list of tensor operations, without autograd.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from danlu.networks import Program


@dataclass(frozen=True)
class Node:
    """One operation on earlier nodes: `value` is that of a constant, `first` and `stop` the rows of a part of x."""

    op: str
    args: tuple[int, ...] = ()
    width: int = 1
    value: float = 0.0
    first: int = 0
    stop: int = 0


Rule = Callable[["Graph", int, int, tuple[int, ...]], tuple[int | None, ...]]
"""(graph, derivative by the node, the node, its arguments) -> derivatives by the arguments, None for 0."""


@dataclass(frozen=True)
class Operation:
    """How torch computes it, with `out=`; and its derivative."""

    compute: Callable[..., Tensor]
    slope: Rule
    kink: bool = False
    """Whether its slope jumps, or is infinite, where its argument (or the difference of both) is 0."""


class Graph:
    """Nodes, each after its arguments.

    >>> graph = Graph(2)
    >>> x, y = graph.part(0, 1), graph.part(1, 2)
    >>> f = graph.apply("mul", graph.apply("mul", x, x), y)
    >>> found = graph.evaluate([f, *graph.slopes(f).values()], torch.tensor([[[3.0], [2.0]]]))
    >>> [value.item() for value in found]  # x² y, and its derivatives 2 x y and x²
    [18.0, 12.0, 9.0]
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self.nodes: list[Node] = []
        self.index: dict[Node, int] = {}

    # Building

    def add(self, node: Node) -> int:
        """Return the place of a node, new or known."""
        if node not in self.index:
            self.index[node] = len(self.nodes)
            self.nodes.append(node)
        return self.index[node]

    def const(self, value: float) -> int:
        """Return a constant."""
        return self.add(Node("const", value=float(value)))

    def part(self, first: int, stop: int) -> int:
        """Return rows of x."""
        return self.add(Node("part", width=stop - first, first=first, stop=stop))

    def apply(self, op: str, *args: int) -> int:
        """Return an operation on nodes, folded where all are constants, left out where it changes nothing."""
        values = [self.constant(arg) for arg in args]
        if all(value is not None for value in values) and op != "spread":
            return self.const(_folded(op, [value for value in values if value is not None]))
        if op in ("add", "mul"):  # constants first, so that equal sums and products are one node
            args = tuple(sorted(args, key=lambda arg: (self.constant(arg) is None, arg)))
            values = [self.constant(arg) for arg in args]
        simple = self._simple(op, args, values)
        if simple is not None:
            return simple
        width = 1 if op == "sum" else max(self.nodes[arg].width for arg in args)
        return self.add(Node(op, args, width))

    def spread(self, arg: int, width: int) -> int:
        """Return a number as a list of equal numbers."""
        return arg if self.nodes[arg].width == width else self.add(Node("spread", (arg,), width))

    def constant(self, place: int) -> float | None:
        """Return the value of a constant, else None."""
        node = self.nodes[place]
        return node.value if node.op == "const" else None

    def _simple(self, op: str, args: tuple[int, ...], values: list[float | None]) -> int | None:
        """Return what an operation with 0 or 1 comes to."""
        a, b = args[0], args[-1]
        match op:
            case "add" if values[0] == 0:
                return b
            case "sub" if values[1] == 0:
                return a
            case "mul" if values[0] == 1:
                return b
            case "div" | "pow" if values[1] == 1:
                return a
            case "pow" if values[1] == 0:
                return self.spread(self.const(1), self.nodes[a].width)
            case "minimum" | "maximum" if a == b:
                return a
        return None

    # Derivatives

    def slopes(self, output: int) -> dict[int, int]:
        """Return the derivative of a node by each part of x, as nodes: {part: derivative}."""
        parts = [place for place, node in enumerate(self.nodes) if node.op == "part"]
        reached = self.needed([output])
        by: dict[int, int] = {output: self.const(1.0)}
        for place in range(output, -1, -1):
            node = self.nodes[place]
            if place not in by or place not in reached or node.op in ("const", "part"):
                continue
            slopes = OPERATIONS[node.op].slope(self, by[place], place, node.args)
            for arg, slope in zip(node.args, slopes, strict=True):
                if slope is None or self.nodes[arg].op == "const":
                    continue
                if self.nodes[slope].width > self.nodes[arg].width:
                    slope = self.apply("sum", slope)
                by[arg] = self.apply("add", by[arg], slope) if arg in by else slope
        return {part: by[part] for part in parts if part in by}

    def needed(self, wanted: Sequence[int]) -> set[int]:
        """Return the places of all nodes that these are made of, themselves among them."""
        found: set[int] = set()
        waiting = list(wanted)
        while waiting:
            place = waiting.pop()
            if place not in found:
                found.add(place)
                waiting += self.nodes[place].args
        return found

    # Computing

    def evaluate(self, wanted: Sequence[int], x_CNS: Tensor) -> list[Tensor]:
        """Return the values of nodes; autograd can follow them.

        Shape: [C, n, S] -> [C, w, S] each.
        """
        values = self.values(wanted, x_CNS)
        return [values[place].expand(x_CNS.shape[0], self.nodes[place].width, x_CNS.shape[2]) for place in wanted]

    def values(self, wanted: Sequence[int], x_CNS: Tensor) -> dict[int, Tensor]:
        """Return the values of these nodes and of all that they are made of."""
        values: dict[int, Tensor] = {}
        for place in sorted(self.needed(wanted)):
            node = self.nodes[place]
            if node.op == "const":
                values[place] = torch.tensor(node.value, dtype=x_CNS.dtype)
            elif node.op == "part":
                values[place] = x_CNS[:, node.first : node.stop]
            elif node.op == "spread":
                values[place] = values[node.args[0]].expand(x_CNS.shape[0], node.width, x_CNS.shape[2])
            else:
                values[place] = OPERATIONS[node.op].compute(*self._operands(node, values))
        return values

    def bind(self, output: int, x_CNS: Tensor, f_CS: Tensor, gradient_CNS: Tensor, do: Program) -> None:
        """Run and record what computes the function and its gradient from x, in tensors that stay."""
        slopes = self.slopes(output)
        targets = {output: f_CS.unsqueeze(1)}
        rows = [row for part in slopes for row in range(self.nodes[part].first, self.nodes[part].stop)]
        apart = sorted(rows) == list(range(self.size))
        if apart:
            for part, slope in slopes.items():
                targets.setdefault(slope, gradient_CNS[:, self.nodes[part].first : self.nodes[part].stop])
        values = self._record([output, *slopes.values()], x_CNS, targets, do)
        if values[output] is not targets[output]:
            do(targets[output].copy_, values[output])
        if not apart:
            do(gradient_CNS.zero_)
        for part, slope in slopes.items():
            into = gradient_CNS[:, self.nodes[part].first : self.nodes[part].stop]
            if not apart:
                do(into.add_, values[slope])
            elif values[slope].data_ptr() != into.data_ptr():
                do(into.copy_, values[slope])

    def _record(
        self, wanted: Sequence[int], x_CNS: Tensor, targets: dict[int, Tensor], do: Program
    ) -> dict[int, Tensor]:
        """Record the operations that these nodes need; each has a tensor of its own, or the one in `targets`."""
        settings, _, starts = x_CNS.shape
        values: dict[int, Tensor] = {}
        for place in sorted(self.needed(wanted)):
            node = self.nodes[place]
            if node.op == "const":
                values[place] = torch.tensor(node.value, dtype=x_CNS.dtype)
            elif node.op == "part":
                values[place] = x_CNS[:, node.first : node.stop]
            elif node.op == "spread":
                values[place] = values[node.args[0]].expand(settings, node.width, starts)
            else:
                shape = (settings, node.width, starts)
                target = targets.get(place)
                out = target if target is not None and target.shape == shape else x_CNS.new_empty(shape)
                do(OPERATIONS[node.op].compute, *self._operands(node, values), out=out)
                values[place] = out
        return values

    def _operands(self, node: Node, values: dict[int, Tensor]) -> list[Tensor | float]:
        """Return what an operation works on; torch squares and takes roots fast where a power is a plain number."""
        operands: list[Tensor | float] = [values[arg] for arg in node.args]
        if node.op == "pow" and (power := self.constant(node.args[1])) is not None:
            operands[1] = power
        return operands

    def kinks(self, output: int) -> Iterator[int]:
        """Yield the nodes whose slope may jump."""
        for place in sorted(self.needed([output])):
            node = self.nodes[place]
            operation = OPERATIONS.get(node.op)
            fractional = node.op == "pow" and not float(self.constant(node.args[1]) or 0.5).is_integer()
            if operation is not None and (operation.kink or fractional):
                yield place


def _folded(op: str, values: list[float]) -> float:
    """Return the value of an operation on constants; infinite or NaN where there is none."""
    return float(OPERATIONS[op].compute(*[torch.tensor(value, dtype=torch.float64) for value in values]))


# The operations

_LN2, _LN10 = math.log(2), math.log(10)


def _by(*outer: Callable[[Graph, int, int], int]) -> Rule:
    """Return the rule of a function of one argument: the slope times what `outer` makes of (graph, node, argument)."""
    return lambda g, slope, node, args: (g.apply("mul", slope, outer[0](g, node, args[0])),)


def _one(op: str) -> Callable[[Graph, int, int], int]:
    """Return a function of the argument."""
    return lambda g, _node, a: g.apply(op, a)


def _over(g: Graph, top: float, below: int) -> int:
    return g.apply("div", g.const(top), below)


def _square(g: Graph, a: int) -> int:
    return g.apply("mul", a, a)


def _negative(g: Graph, a: int) -> int:
    return g.apply("mul", g.const(-1), a)


def _less(g: Graph, from_: float, a: int) -> int:
    return g.apply("sub", g.const(from_), a)


def _div(g: Graph, slope: int, node: int, args: tuple[int, ...]) -> tuple[int, int]:
    each = g.apply("div", slope, args[1])
    return each, _negative(g, g.apply("mul", each, node))


def _pow(g: Graph, slope: int, node: int, args: tuple[int, ...]) -> tuple[int, int | None]:
    base, exponent = args
    lower = g.apply("pow", base, g.apply("sub", exponent, g.const(1)))
    by_base = g.apply("mul", slope, g.apply("mul", exponent, lower))
    if g.constant(exponent) is not None:
        return by_base, None
    return by_base, g.apply("mul", slope, g.apply("mul", node, g.apply("log", base)))


def _extreme(first_above: bool) -> Rule:
    """Return the rule of the larger (smaller) of two: the slope goes to it, and half to each where both are equal."""

    def rule(g: Graph, slope: int, node: int, args: tuple[int, ...]) -> tuple[int, int]:  # noqa: ARG001
        above, below = args if first_above else args[::-1]
        chosen = g.apply("half_step", g.apply("sub", above, below))
        return g.apply("mul", slope, chosen), g.apply("mul", slope, _less(g, 1, chosen))

    return rule


def _sum(value: Tensor, *, out: Tensor | None = None) -> Tensor:
    return value.sum(-2, keepdim=True) if out is None else torch.sum(value, -2, keepdim=True, out=out)


def _step(value: Tensor, *, at_zero: float, out: Tensor | None = None) -> Tensor:
    return torch.heaviside(value, torch.tensor(at_zero, dtype=value.dtype), out=out)


def _relu(value: Tensor, *, out: Tensor | None = None) -> Tensor:
    return torch.clamp(value, min=0, out=out)


def _softplus(value: Tensor, *, out: Tensor | None = None) -> Tensor:
    return torch.logaddexp(value, torch.zeros((), dtype=value.dtype), out=out)


def _flat(g: Graph, slope: int, node: int, args: tuple[int, ...]) -> tuple[None, ...]:  # noqa: ARG001
    """Return no slope: the function is constant but for its jumps."""
    return (None,) * len(args)


OPERATIONS: dict[str, Operation] = {
    "add": Operation(torch.add, lambda _g, s, _n, _a: (s, s)),
    "sub": Operation(torch.sub, lambda g, s, _n, _a: (s, _negative(g, s))),
    "mul": Operation(torch.mul, lambda g, s, _n, a: (g.apply("mul", s, a[1]), g.apply("mul", s, a[0]))),
    "div": Operation(torch.div, _div),
    "pow": Operation(torch.pow, _pow),
    "maximum": Operation(torch.maximum, _extreme(True), kink=True),
    "minimum": Operation(torch.minimum, _extreme(False), kink=True),
    "sum": Operation(_sum, lambda g, s, _n, a: (g.spread(s, g.nodes[a[0]].width),)),
    "spread": Operation(torch.clone, lambda g, s, _n, _a: (g.apply("sum", s),)),
    "sin": Operation(torch.sin, _by(_one("cos"))),
    "cos": Operation(torch.cos, _by(lambda g, _n, a: _negative(g, g.apply("sin", a)))),
    "tan": Operation(torch.tan, _by(lambda g, n, _a: g.apply("add", g.const(1), _square(g, n)))),
    "asin": Operation(torch.asin, _by(lambda g, _n, a: _over(g, 1, g.apply("sqrt", _less(g, 1, _square(g, a)))))),
    "acos": Operation(torch.acos, _by(lambda g, _n, a: _over(g, -1, g.apply("sqrt", _less(g, 1, _square(g, a)))))),
    "atan": Operation(torch.atan, _by(lambda g, _n, a: _over(g, 1, g.apply("add", g.const(1), _square(g, a))))),
    "sinh": Operation(torch.sinh, _by(_one("cosh"))),
    "cosh": Operation(torch.cosh, _by(_one("sinh"))),
    "tanh": Operation(torch.tanh, _by(lambda g, n, _a: _less(g, 1, _square(g, n)))),
    "exp": Operation(torch.exp, _by(lambda _g, n, _a: n)),
    "log": Operation(torch.log, _by(lambda g, _n, a: _over(g, 1, a))),
    "log2": Operation(torch.log2, _by(lambda g, _n, a: _over(g, 1 / _LN2, a))),
    "log10": Operation(torch.log10, _by(lambda g, _n, a: _over(g, 1 / _LN10, a))),
    "sqrt": Operation(torch.sqrt, _by(lambda g, n, _a: _over(g, 0.5, n)), kink=True),
    "abs": Operation(torch.abs, _by(_one("sign")), kink=True),
    "sigmoid": Operation(torch.sigmoid, _by(lambda g, n, _a: g.apply("mul", n, _less(g, 1, n)))),
    "softplus": Operation(_softplus, _by(_one("sigmoid"))),
    "relu": Operation(_relu, _by(_one("zero_step")), kink=True),
    "sign": Operation(torch.sign, _flat),
    "zero_step": Operation(lambda value, **out: _step(value, at_zero=0.0, **out), _flat),
    "half_step": Operation(lambda value, **out: _step(value, at_zero=0.5, **out), _flat),
}
"""ReLU's derivative at 0 is taken as 0, that of an absolute value too, as torch does."""

FUNCTIONS: dict[str, tuple[int, str]] = {
    name: (1, name)
    for name in (
        *("sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh", "exp", "log", "log2", "log10"),
        *("sqrt", "abs", "sigmoid", "softplus", "relu"),
    )
} | {"min": (2, "minimum"), "max": (2, "maximum")}
"""Functions that an expression may call: how many arguments, and the operation."""
