"""What a check of gradients found, as records: one of each parameter, of its worst entry, and of what lies at fault."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from danlu.core.records import Record

Verdict = Literal["right", "kink", "unsure", "wrong"]
VERDICTS: tuple[Verdict, ...] = ("right", "kink", "unsure", "wrong")
"""From the best to the worst: a whole is as bad as its worst part."""

FORMULA = (
    "relative error = |analytic - numeric| / max(|analytic|, |numeric|, floor); "
    "floor = rounding error of the numeric value / tolerance (in float32 at least the parameter's largest gradient)"
)


class Entry(Record):
    """One number of a gradient, both ways.

    `numeric` is the finite difference, `numeric_error` how far it may be off, `error` the relative error (`FORMULA`),
    `step` what the entry was moved by. `left` and `right` are the one-sided differences, where they were needed. The
    `index` is that of the entry in its parameter; empty for a single number, None where all entries were moved at
    once, along one random direction.
    """

    index: tuple[int, ...] | None
    analytic: float
    numeric: float
    numeric_error: float
    error: float
    step: float
    verdict: Verdict
    left: float | None = None
    right: float | None = None


class ParameterCheck(Record):
    """The gradient by one parameter, or by one input.

    `checked` of its `size` entries were moved one by one (all of them, or a sample drawn with the seed); of a sampled
    one `direction` tells of all entries moved at once. `error` is the largest relative error, `worst` its entry, and
    `counts` says how many entries had each verdict.
    """

    name: str
    kind: Literal["parameter", "input"]
    shape: tuple[int, ...]
    size: int
    checked: int
    verdict: Verdict
    error: float | None
    worst: Entry | None
    direction: Entry | None = None
    counts: dict[str, int]
    text: str = ""
    """What is wrong with it, in words; empty where nothing is."""


class Fault(Record):
    """Something at fault, or that the reader must know, and the place of it."""

    kind: Literal[
        "backward",
        "in-place",
        "non-finite",
        "non-deterministic",
        "writes-parameters",
        "random",
        "precision",
        "unused",
        "frozen",
        "not-checked",
    ]
    """`backward`: a module whose own backward pass disagrees with its forward pass."""
    where: str
    """Name of the module or parameter, as in `named_modules()` or `named_parameters()`, and its class."""
    text: str
    severity: Literal["note", "error"] = "note"


class GradientCheck(Record):
    """Analytic gradients against central finite differences.

    `verdict` is the worst of the parameters' and of the faults': "right"; "kink", where a function has no derivative
    (a ReLU at 0) and the gradient is that of one of its sides; "unsure"; or "wrong".

    >>> import torch, danlu
    >>> check = danlu.check_gradients(torch.nn.Linear(3, 2))
    >>> check.verdict, [(p.name, p.checked, p.verdict) for p in check.parameters]
    ('right', [('weight', 6, 'right'), ('bias', 2, 'right'), ('x', 12, 'right')])
    """

    name: str
    verdict: Verdict
    parameters: tuple[ParameterCheck, ...]
    faults: tuple[Fault, ...] = ()
    of: str
    """What the gradient is taken of, in words: a loss, or a random projection of the outputs."""
    inputs: str
    """What it is taken at, in words."""
    dtype: str
    tolerance: float
    formula: str = FORMULA
    most: int
    seed: int

    @property
    def right(self) -> bool:
        """Whether no mistake was found, and everything could be told."""
        return self.verdict in ("right", "kink")

    def __str__(self) -> str:
        lines = [f"{self.name}: gradients are {self.verdict}"]
        for each in self.parameters:
            error = "-" if each.error is None else f"{each.error:.1e}"
            lines.append(f"  {each.name} {list(each.shape)}: {each.verdict}, {each.checked} of {each.size}, {error}")
        lines += [f"  {each.name}: {each.text}" for each in self.parameters if each.text]
        return "\n".join([*lines, *(f"  {fault.where}: {fault.text}" for fault in self.faults)])


def worst_of(verdicts: Iterable[Verdict]) -> Verdict:
    """Return the worst verdict, "right" of none.

    >>> worst_of(["right", "wrong", "kink"])
    'wrong'
    """
    return max(verdicts, key=VERDICTS.index, default="right")
