"""A function written as an expression: parsed into a graph of known operations, never evaluated as Python."""

from __future__ import annotations

import ast
import math
import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

from danlu.core.errors import PlanError, nearest
from danlu.explanation.descent_graph import FUNCTIONS, Graph

MOST_CHARACTERS, MOST_VARIABLES, MOST_POWER = 2_000, 100, 100
CONSTANTS = {"pi": math.pi, "e": math.e}
LISTS = ("sum", "mean")
"""Functions of a list."""
_BINARY: dict[type[ast.operator], str] = {
    ast.Add: "add",
    ast.Sub: "sub",
    ast.Mult: "mul",
    ast.Div: "div",
    ast.Pow: "pow",
}


@dataclass(frozen=True)
class Expression:
    """A parsed expression.

    `variables` are single numbers in their order, or, where the expression takes sums or parts of one list, that list's
    name alone; `least` is how many entries it must have at least.
    """

    text: str
    tree: ast.expr
    variables: tuple[str, ...]
    is_list: bool = False
    least: int = 1

    def graph(self, size: int) -> tuple[Graph, int]:
        """Return the expression of `size` variables as a graph, and the node of its value.

        Raises:
            PlanError: it is not one number, or a part of it has none.
        """
        return _Builder(self, size).build()


def parse(text: str) -> Expression:
    """Read an expression; nothing but arithmetic, known functions, pi, e and variables is taken.

    Variables are the names that are no function or constant, in alphabetical order, x2 before x10. In
    "sum(x**2)" and "x[0]**2 + x[1]" the one variable is a list, of which `x[1:]` and `x[:-1]` are parts.

    Raises:
        PlanError: anything else is there; says what and where.

    >>> parse("(x**2 + y - 11)**2 + (x + y**2 - 7)**2").variables
    ('x', 'y')
    >>> parse("sum(100*(x[1:] - x[:-1]**2)**2 + (1 - x[:-1])**2)").is_list
    True
    >>> parse("x^2 + y")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    danlu.core.errors.PlanError: an expression ... got ^, which is no power, at character 1: `x^2 + y`. Write ** ...
    """
    text = " ".join(text.split())
    tree = _tree(text)
    try:
        names = _names(text, tree)
    except RecursionError:
        raise _nested() from None
    called = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
    lists = any(isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name) for node in ast.walk(tree))
    lists = lists or any(isinstance(name, ast.Name) and name.id in LISTS for name in called)
    if lists and len(names) > 1:
        raise PlanError(
            "an expression with sums or parts must have one variable, a list",
            f"got {', '.join(names)}",
            "Write x[0], x[1], ... for its entries.",
        )
    least = max((_least(node) for node in ast.walk(tree) if isinstance(node, ast.Subscript)), default=1)
    found = Expression(text, tree, names, lists, least)
    if not lists:
        found.graph(len(names))  # refuses what is no arithmetic
    if not names:
        raise PlanError("an expression must have a variable", f"got {text[:60]!r}", 'Write "x**2 + y**2".')
    return found


def _tree(text: str) -> ast.expr:
    """Return Python's own tree of the text."""
    if not text:
        raise PlanError("an expression must have something in it", "got an empty text", 'Write "x**2 + y**2".')
    if len(text) > MOST_CHARACTERS:
        fact = f"got {len(text):,}"
        raise PlanError(f"an expression has at most {MOST_CHARACTERS:,} characters", fact, "Use a Python function.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Python warns of "2 (x)", which is refused below
            return ast.parse(text, mode="eval").body
    except SyntaxError as error:
        if error.msg and "too complex" in error.msg:
            raise _nested() from None
        raise _unreadable(text, error) from None
    except (RecursionError, MemoryError, ValueError):
        raise _nested() from None


def _nested() -> PlanError:
    fact, remedy = "it is a chain of too many operations", "Write sum(...) over a list, or use a Python function."
    return PlanError("an expression must not be nested so deep", fact, remedy)


def _unreadable(text: str, error: SyntaxError) -> PlanError:
    place = max(0, min((error.offset or 1) - 1, len(text)))
    rest = text[place : place + 20]
    fact = f"Python's grammar ends at character {place + 1}" + (f": `{rest}`" if rest else ", its end")
    remedy = "Write * for products (2*x) and ** for powers (x**2)."
    return PlanError("an expression must be arithmetic", fact, remedy)


def _names(text: str, tree: ast.expr) -> tuple[str, ...]:
    """Return the variables; refuse what no expression may hold."""
    names: set[str] = set()
    calls = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and id(node) not in calls and node.id not in CONSTANTS:
            if node.id in FUNCTIONS or node.id in LISTS:
                raise _refusal(text, node, f"the function {node.id} without its argument", f"Write {node.id}(x).")
            if len(node.id) > 40 or node.id.startswith("_"):
                raise _refusal(text, node, "a name that no variable can have", "Use letters and numbers: x, y, x1.")
            names.add(node.id)
    if len(names) > MOST_VARIABLES:
        fact, remedy = f"got {len(names)}", "Write the function of a list: sum(x**2)."
        raise PlanError(f"an expression has at most {MOST_VARIABLES} variables", fact, remedy)
    return tuple(sorted(names, key=_order))


def _order(name: str) -> tuple[object, ...]:
    """Return what names are sorted by: numbers in them count as numbers."""
    return tuple((0, int(part), "") if part.isdecimal() else (1, 0, part) for part in re.split(r"(\d+)", name) if part)


def _least(node: ast.Subscript) -> int:
    """Return how many entries a list must have for this part of it to be there."""
    ends = [node.slice.lower, node.slice.upper] if isinstance(node.slice, ast.Slice) else [node.slice]
    found = [_whole(end) for end in ends if end is not None]
    single = not isinstance(node.slice, ast.Slice)
    return max((-at if at < 0 else at + single for at in found if at is not None), default=1) + (not single)


def _whole(node: ast.expr) -> int | None:
    """Return a whole number that stands in brackets, else None."""
    sign = 1
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        sign, node = -1, node.operand
    if isinstance(node, ast.Constant) and type(node.value) is int and node.value < 10**6:
        return sign * node.value
    return None


def _refusal(text: str, node: ast.AST, what: str, remedy: str = "") -> PlanError:
    """Return the error that refuses a piece of the text, and says where it stands."""
    piece = ast.get_source_segment(text, node) or ""
    shown = piece if len(piece) <= 40 else f"{piece[:39]}…"
    place = len(text.encode()[: getattr(node, "col_offset", 0)].decode(errors="replace")) + 1
    known = ", ".join(["+ - * / **", *FUNCTIONS, *LISTS, *CONSTANTS])
    return PlanError(
        "an expression must be arithmetic and known functions",
        f"got {what} at character {place}: `{shown}`",
        remedy or f"Known: {known}.",
    )


_WHAT: dict[type[ast.AST], str] = {
    ast.IfExp: "a condition",
    ast.Compare: "a comparison",
    ast.BoolOp: "a condition",
    ast.Attribute: "a dot",
    ast.Lambda: "a lambda",
    ast.List: "a list",
    ast.Tuple: "a comma",
    ast.JoinedStr: "a text",
    ast.ListComp: "a loop",
    ast.GeneratorExp: "a loop",
    ast.Call: "a call of what is no function",
    ast.Subscript: "brackets",
    ast.Starred: "a star",
    ast.NamedExpr: "an assignment",
    ast.Await: "await",
}


class _Builder:
    """Turns the tree into a graph of so many variables."""

    def __init__(self, expression: Expression, size: int) -> None:
        self.expression, self.size = expression, size
        self.graph = Graph(size)

    def build(self) -> tuple[Graph, int]:
        try:
            place = self.visit(self.expression.tree)
        except RecursionError:
            raise _nested() from None
        if self.graph.nodes[place].width != 1:
            raise PlanError(
                "an expression must be one number", f"it is a list of {self.size}", "Use sum(...) or mean(...)."
            )
        return self.graph, place

    def visit(self, node: ast.expr) -> int:
        """Return the node of a piece of the text."""
        match node:
            case ast.Constant():
                return self.number(node)
            case ast.Name():
                return self.name(node)
            case ast.UnaryOp(op=ast.UAdd() | ast.USub()):
                inner = self.visit(node.operand)
                negative = isinstance(node.op, ast.USub)
                return self.apply(node, "mul", self.graph.const(-1), inner) if negative else inner
            case ast.BinOp() if type(node.op) in _BINARY:
                return self.binary(node, _BINARY[type(node.op)])
            case ast.BinOp(op=ast.BitXor()):
                raise self.refusal(node, "^, which is no power,", "Write ** for a power: x**2.")
            case ast.BinOp():
                raise self.refusal(node, "an operator that has no derivative here")
            case ast.Call(func=ast.Name()):
                return self.call(node, node.func.id)
            case ast.Subscript(value=ast.Name()):
                return self.part(node)
            case _:
                raise self.refusal(node, _WHAT.get(type(node), "something else"))

    def refusal(self, node: ast.AST, what: str, remedy: str = "") -> PlanError:
        """Return the error that refuses a piece of the text."""
        return _refusal(self.expression.text, node, what, remedy)

    def apply(self, node: ast.AST, op: str, *args: int) -> int:
        """Return an operation; refuse one on constants that gives no number."""
        place = self.graph.apply(op, *args)
        value = self.graph.constant(place)
        if value is not None and not math.isfinite(value):
            raise self.refusal(node, "a constant that is no finite number", "Use a smaller one.")
        return place

    def number(self, node: ast.Constant) -> int:
        """Return a constant; a whole number of any length becomes a float or is refused."""
        if type(node.value) not in (int, float):
            raise self.refusal(node, "an imaginary number" if isinstance(node.value, complex) else "what is no number")
        try:
            value = float(node.value)  # pyrefly: ignore[bad-argument-type]
        except OverflowError:
            value = math.inf
        if not math.isfinite(value):
            raise self.refusal(node, "a number beyond 1.8e308", "Use a smaller one.")
        return self.graph.const(value)

    def name(self, node: ast.Name) -> int:
        """Return a constant, a variable, or the whole list."""
        if node.id in CONSTANTS:
            return self.graph.const(CONSTANTS[node.id])
        if self.expression.is_list:
            return self.graph.part(0, self.size)
        row = self.expression.variables.index(node.id)
        return self.graph.part(row, row + 1)

    def binary(self, node: ast.BinOp, op: str) -> int:
        """Return arithmetic of two; lists must be of equal length."""
        a, b = self.visit(node.left), self.visit(node.right)
        power = self.graph.constant(b)
        if op == "pow" and power is not None and abs(power) > MOST_POWER:
            raise self.refusal(node, f"a power of {power:g}", f"Powers go from -{MOST_POWER} to {MOST_POWER}.")
        if op == "div" and power == 0:
            raise self.refusal(node, "a division by 0", "Divide by something else.")
        self.check_lengths(node, a, b)
        return self.apply(node, op, a, b)

    def check_lengths(self, node: ast.AST, *args: int) -> None:
        """Refuse lists of different length in one operation."""
        widths = sorted({self.graph.nodes[arg].width for arg in args} - {1})
        if len(widths) > 1:
            raise self.refusal(node, f"lists of {widths[0]} and {widths[1]} entries", "Take parts of equal length.")

    def call(self, node: ast.Call, name: str) -> int:
        """Return a known function of its arguments."""
        if name not in FUNCTIONS and name not in LISTS:
            raise self.refusal(node, f"the unknown function {name}", _near(name))
        amount = 1 if name in LISTS else FUNCTIONS[name][0]
        if len(node.args) != amount or node.keywords:
            raise self.refusal(node, f"{len(node.args) + len(node.keywords)} argument(s)", f"{name} takes {amount}.")
        args = [self.visit(arg) for arg in node.args]
        if name not in LISTS:
            self.check_lengths(node, *args)
            return self.apply(node, FUNCTIONS[name][1], *args)
        width = self.graph.nodes[args[0]].width
        total = args[0] if width == 1 else self.apply(node, "sum", args[0])
        return self.apply(node, "mul", self.graph.const(1 / width), total) if name == "mean" else total

    def part(self, node: ast.Subscript) -> int:
        """Return an entry of the list, or the part between two of its entries."""
        where = node.slice
        if isinstance(where, ast.Slice):
            ends = [None if end is None else _whole(end) for end in (where.lower, where.upper)]
            known = all(end is None or at is not None for end, at in zip((where.lower, where.upper), ends, strict=True))
            if where.step is not None or not known:
                raise self.refusal(node, "brackets without whole numbers", "Write x[0], x[1:] or x[:-1].")
            first, stop, _ = slice(*ends).indices(self.size)
        else:
            at = _whole(where)
            if at is None:
                raise self.refusal(node, "brackets without a whole number", "Write x[0], x[1:] or x[:-1].")
            first = at + self.size if at < 0 else at
            stop = first + 1
        if not 0 <= first < stop <= self.size:
            raise self.refusal(node, f"a part that a list of {self.size} does not have", "Give more variables.")
        return self.graph.part(first, stop)


def _near(name: str) -> str:
    """Return the nearest known function, where one is near."""
    return nearest(name, [*FUNCTIONS, *LISTS])


def variable_names(expression: Expression, size: int) -> Sequence[str]:
    """Return the names of all numbers: x[0], x[1], ... for a list.

    >>> variable_names(parse("sum(x**2)"), 2), variable_names(parse("b - a"), 2)
    (('x[0]', 'x[1]'), ('a', 'b'))
    """
    if not expression.is_list:
        return expression.variables
    return tuple(f"{expression.variables[0]}[{i}]" for i in range(size))
