"""What is to be minimised, and from where: function, box and starts as they were asked for, checked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from danlu.core.errors import DataError, PlanError
from danlu.core.seeds import stream
from danlu.explanation.descent_function import ExpressionFunction, Function, PythonFunction, at, kink_at, parameters
from danlu.explanation.expression import Expression, parse
from danlu.explanation.functions import KNOWN, Known, known

STARTS = 100
"""Starts where none is named."""
BOX = (-5.0, 5.0)
MOST_STARTS, MOST_LOOKED_AT = 1_000_000, 64
"""Starts, and named ones that are looked at for kinks."""


@dataclass(frozen=True)
class Problem:
    """A function with its name, formula, usual box, known minima, and what was decided about it."""

    name: str
    formula: str
    function: Function
    box_N2: np.ndarray
    start_SN: np.ndarray
    minima: tuple[tuple[float, ...], ...]
    notes: tuple[str, ...]
    named: bool
    """Whether the starts were named, not spread."""


@dataclass(frozen=True)
class Asked:
    """Starts, box and number of variables as they were given."""

    start: Any
    starts: int | None
    box: Any
    variables: int | None
    seed: int

    def rows(self, names: Sequence[str] | None = None) -> np.ndarray | None:
        """Return the named starts, `[S, N]`; None where there are none."""
        if self.start is None:
            return None
        start = self.start
        listed = [start] if isinstance(start, dict) else start
        if isinstance(listed, Sequence) and any(isinstance(each, dict) for each in listed):
            start = [_by_name(each, names) if isinstance(each, dict) else each for each in listed]
        try:
            rows = np.asarray(start, np.float64)
        except (TypeError, ValueError):
            rows = np.full(1, np.nan)
        rows = rows.reshape(1, -1) if rows.ndim < 2 else rows
        if rows.ndim != 2 or not rows.size or not np.isfinite(rows).all():
            fact = f"got {str(self.start)[:60]}"
            raise PlanError("`start` must be finite numbers, one for each variable", fact, "Use start=(0, 0).")
        return rows

    def size(self, default: int | None, names: Sequence[str] | None = None) -> int | None:
        """Return the number of variables as far as it was given: by a start, by name, or by the box."""
        rows = self.rows(names)
        if self.variables is not None:
            check_whole("variables", self.variables, 100_000)
        if rows is not None:
            return rows.shape[1]
        box = None if self.box is None else np.asarray(self.box)
        return self.variables or (len(box) if box is not None and box.ndim == 2 else default)


def _by_name(start: dict[str, float], names: Sequence[str] | None) -> list[float]:
    """Return a start given by names in the order of the variables."""
    if names is None or set(start) != set(names):
        fact = f"got {', '.join(map(str, start))}"
        remedy = f"The variables are {', '.join(names)}." if names else "Give numbers in their order."
        raise PlanError("`start` must name every variable once", fact, remedy)
    return [start[name] for name in names]


def check_whole(name: str, value: Any, most: int) -> int:
    """Return a whole number from 1 to `most`.

    Raises:
        PlanError: it is none.
    """
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
        example = min(most, {"starts": STARTS, "steps": 1000, "variables": 2}.get(name, 1))
        rule = f"`{name}` must be a whole number from 1 to {most:,}"
        raise PlanError(rule, f"got {value!r}", f"Use {name}={example}.")
    return value


def expression_problem(text: str, asked: Asked) -> Problem:
    """Return the function of a name or an expression."""
    text = text.strip()
    bare = text.isidentifier() and len(text) > 1
    named: Known | None = known(text.lower()) if text.lower() in KNOWN or bare else None
    expression: Expression = parse(named.text if named else text)
    notes: tuple[str, ...] = ()
    if expression.is_list:
        size = asked.size(max(2, expression.least)) or 2
    else:
        size = len(expression.variables)
        given = asked.size(size, expression.variables)
        if given != size or (asked.variables or size) != size:
            fact = f"got {given if given != size else asked.variables} for {', '.join(expression.variables)}"
            rule = "a start must have one number for each variable"
            raise PlanError(rule, fact, f"Give {size}, in this order.")
        notes += () if named else (f"variables in this order: {', '.join(expression.variables)}",)
    box_N2, said = _box(asked, size, named.box if named else None)
    start_SN = _starts(asked, box_N2, None if expression.is_list else expression.variables)
    return Problem(
        name=named.name if named else "expression",
        formula=expression.text,
        function=ExpressionFunction(expression, size),
        box_N2=_around(box_N2, start_SN),
        start_SN=start_SN,
        minima=named.minima(size) if named else (),
        notes=notes + said,
        named=asked.start is not None,
    )


def python_problem(f: Callable[..., Any], asked: Asked) -> Problem:
    """Return the problem of a Python function."""
    if not callable(f):
        fact = f"got {type(f).__name__}"
        raise PlanError(
            "the function must be a name, an expression or a Python function", fact, f"Known: {', '.join(KNOWN)}."
        )
    taken = parameters(f)
    size = asked.size(len(taken) if taken is not None and len(taken) > 1 else None, taken)
    if size is None:
        fact = "got neither `start` nor `variables`"
        raise PlanError("the number of variables must be known", fact, "Give start=(0, 0), or variables=2.")
    box_N2, notes = _box(asked, size, None)
    start_SN = _starts(asked, box_N2, taken)
    function = PythonFunction(f, size, torch.from_numpy(start_SN[:3]))
    if function.alone:
        why = f"torch.func.vmap cannot run it ({function.alone})"
        notes += (f"starts are computed one after another, which is slow: {why}",)
    return Problem(
        name=getattr(f, "__name__", type(f).__name__),
        formula="",
        function=function,
        box_N2=_around(box_N2, start_SN),
        start_SN=start_SN,
        minima=(),
        notes=notes,
        named=asked.start is not None,
    )


def _box(asked: Asked, size: int, usual: tuple[float, float] | None) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return lowest and highest value of each variable, and what is to be said of them."""
    given = asked.box if asked.box is not None else usual or BOX
    try:
        box = np.asarray(given, np.float64)
    except (TypeError, ValueError):
        box = np.full(1, np.nan)
    box = np.tile(box, (size, 1)) if box.shape == (2,) else box.reshape(-1, 2) if box.size == 2 * size else box
    if box.shape != (size, 2) or not np.isfinite(box).all() or (box[:, 0] >= box[:, 1]).any():
        rule = "`box` must be a lowest and a higher value, for all variables or for each"
        raise PlanError(rule, f"got {str(given)[:60]}", "Use box=(-5, 5), or box=(-5, 5, 0, 10).")
    spread = asked.start is None
    said = (f"starts are spread over the box from {BOX[0]:g} to {BOX[1]:g}; `box` names another",)
    return box, said if spread and asked.box is None and usual is None else ()


def _starts(asked: Asked, box_N2: np.ndarray, names: Sequence[str] | None) -> np.ndarray:
    """Return the named starts, or starts spread over the box by a scrambled Sobol sequence (Owen 1998)."""
    rows = asked.rows(names)
    if rows is not None:
        if asked.starts is not None:
            rule = "`starts` spreads starts and `start` names them"
            raise PlanError(rule, "got both", "Leave one of them out.")
        return rows
    amount = check_whole("starts", STARTS if asked.starts is None else asked.starts, MOST_STARTS)
    low_N, high_N = box_N2.T
    size, key = len(box_N2), stream(asked.seed, "starts")
    if size <= torch.quasirandom.SobolEngine.MAXDIM:
        sobol = torch.quasirandom.SobolEngine(size, scramble=True, seed=key)
        unit_SN = sobol.draw(amount, dtype=torch.float64).numpy()
    else:
        unit_SN = np.random.default_rng(key).random((amount, size))
    return low_N + unit_SN * (high_N - low_N)


def _around(box_N2: np.ndarray, start_SN: np.ndarray) -> np.ndarray:
    """Return the box, made wide enough for all starts."""
    return np.stack([np.minimum(box_N2[:, 0], start_SN.min(0)), np.maximum(box_N2[:, 1], start_SN.max(0))], 1)


def check_starts(problem: Problem, dtype: torch.dtype) -> None:
    """Refuse named starts where the function has no derivative, and any where it has none at every start.

    Raises:
        DataError: says where, by which variable, and what the function does there.
    """
    function, start_SN = problem.function, problem.start_SN
    f_CS, gradient_CNS = at(function, torch.from_numpy(start_SN.T.copy()).to(dtype)[None])
    fine_S = (f_CS[0].isfinite() & gradient_CNS[0].isfinite().all(0)).numpy()
    if not fine_S.any():
        s = 0
        x_N, f = start_SN[s], float(f_CS[0, s])
        if not np.isfinite(f):
            raise DataError(
                f"f must be finite where it starts, at {_place(function, x_N)}", f"it is {f:g}", "Start elsewhere."
            )
        i = int((~gradient_CNS[0, :, s].isfinite()).to(torch.int8).argmax())
        fact = f"its gradient by {function.variables[i]} is {float(gradient_CNS[0, i, s]):g}{_why(function, x_N)}"
        raise DataError(
            f"f must be differentiable where it starts, at {_place(function, x_N)}", fact, "Start elsewhere."
        )
    if not problem.named:
        return
    for s in np.flatnonzero(fine_S)[:MOST_LOOKED_AT]:
        kink = kink_at(function, torch.from_numpy(start_SN[s]))
        if kink is not None:
            name = function.variables[kink.variable]
            slopes = f"its slope by {name} is {kink.left:.4g} before and {kink.right:.4g} behind"
            rule = f"f must be differentiable where it starts, at {_place(function, start_SN[s])}"
            raise DataError(rule, slopes + _why(function, start_SN[s]), "Start elsewhere.")


def _place(function: Function, x_N: np.ndarray) -> str:
    """Write a point with the names of its variables."""
    shown = [f"{name} = {value:g}" for name, value in zip(function.variables, x_N.tolist(), strict=True)]
    return ", ".join(shown[:8]) + (", ..." if len(shown) > 8 else "")


def _why(function: Function, x_N: np.ndarray) -> str:
    """Name the operations that have no derivative at a point, where the function is an expression."""
    found = function.kinks_at(torch.from_numpy(x_N)) if isinstance(function, ExpressionFunction) else []
    return f" ({' and '.join(found)} at 0)" if found else ""
