"""Derivatives along lines: central and one-sided differences at many step sizes, and how far they may be off.

Quotients are taken at steps from 0.05 down to where rounding drowns them, each a quarter of the last, extrapolated to
step 0 (Richardson 1911), and the one with the smallest estimated error is taken (as Ridders 1982 does), for both sides
together and for each alone.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

LIFT = 4.0
"""Rounding errors of a sum of terms, in units of epsilon times their absolute values: the least that is allowed."""
WIDEST, SHRINK = 0.05, 4.0


class Point(Protocol):
    """A scalar function at a point that can be moved.

    Attributes:
        leaves: what can be moved, by name: writing to them moves the point.
        epsilon: of the type it computes in.
    """

    @property
    def leaves(self) -> Mapping[str, Tensor]:
        """What can be moved."""
        ...

    @property
    def epsilon(self) -> float:
        """The spacing of numbers at 1."""
        ...

    def terms(self) -> Tensor:
        """Return the function's value as terms to be summed up, float64 `[T]`; the same at every call."""
        ...

    def gradients(self) -> dict[str, Tensor | None]:
        """Return the analytic gradient by each leaf; None where none reaches it."""
        ...


@dataclass(eq=False)
class Line:
    """A line through the point: along one entry of a leaf, or along `towards`, a direction of the whole leaf."""

    name: str
    index: tuple[int, ...] | None
    towards: Tensor | None = None

    def slope(self, gradient: Tensor | None) -> float:
        """Return the analytic derivative along the line; 0 without a gradient."""
        if gradient is None:
            return 0.0
        if self.towards is not None:
            return float((gradient.double() * self.towards.double()).sum())
        assert self.index is not None
        return float(gradient[self.index]) + 0.0  # never -0

    def at(self, point: Point, step: float) -> tuple[Tensor, float]:
        """Return the terms a step along the line, and the step as it was rounded; the point ends where it was."""
        leaf = point.leaves[self.name]
        if self.towards is not None:
            before = leaf.clone()
            leaf.add_(self.towards, alpha=step)
            try:
                return point.terms(), step
            finally:
                leaf.copy_(before)
        assert self.index is not None
        value = leaf[self.index].item()
        leaf[self.index] = value + step
        try:
            return point.terms(), leaf[self.index].item() - value
        finally:
            leaf[self.index] = value

    def scale(self, point: Point) -> float:
        """Return what steps are measured in: 1, or the size of the entry where that is larger."""
        return 1.0 if self.index is None else max(1.0, abs(point.leaves[self.name][self.index].item()))


@dataclass(frozen=True)
class Slope:
    """A derivative by differences: its value, how far that may be off, and the step it comes from."""

    value: float
    error: float
    step: float


NONE = Slope(float("nan"), float("inf"), 0.0)


@dataclass(frozen=True)
class Sides:
    """Derivatives by central differences, and by those of each side."""

    central: Slope
    left: Slope
    right: Slope

    def smooth(self, tolerance: float) -> bool:
        """Whether both sides have the same derivative, as far as can be told."""
        left, right = self.left, self.right
        apart = abs(left.value - right.value)
        return apart <= 3 * (left.error + right.error) + tolerance * max(abs(left.value), abs(right.value))

    def between(self, value: float, tolerance: float) -> bool:
        """Whether a value lies between the sides, or is made of some of them: ReLU's at 0 is taken as 0."""
        left, right = self.left.value, self.right.value
        ends = (0.0, left, right, left + right)
        room = self.left.error + self.right.error + tolerance * max(map(abs, ends))
        return min(ends) - room <= value <= max(ends) + room


def differences(point: Point, line: Line, rounding: float) -> Sides:
    """Return the derivatives along a line, of both sides together and of each, from steps of many sizes.

    Arguments:
        rounding: what they may be off by in any case.
    """
    here, _ = line.at(point, 0.0)
    scale = line.scale(point)
    noise = _noise(point, line, here)
    step, steps = WIDEST * scale, []
    central, left, right, moved = [], [], [], torch.zeros_like(here, dtype=torch.bool)
    while step > point.epsilon**0.5 / 20 * scale:
        (after, forth), (before, back) = line.at(point, step), line.at(point, -step)
        step /= SHRINK
        if not (after.isfinite().all() and before.isfinite().all()):
            continue
        steps.append((forth - back) / 2)
        central.append(float((after - before).sum()) / (forth - back))
        right.append(float((after - here).sum()) / forth)
        left.append(float((before - here).sum()) / back)
        moved |= after != before
    if len(steps) < 4:
        return Sides(NONE, NONE, NONE)
    noise = max(noise, LIFT * point.epsilon * float(here[moved].abs().sum()))
    found = (_limit(values, steps, noise, order) for values, order in ((central, 2), (left, 1), (right, 1)))
    return Sides(*(replace(slope, error=slope.error + rounding) for slope in found))


def _noise(point: Point, line: Line, here: Tensor) -> float:
    """Return how far rounding moves the value, from steps too small for anything else to show.

    Differences of order k of the values at equal steps are what rounding leaves, multiplied by a known factor
    (Moré & Wild 2011, "Estimating computational noise", equation 2.4).
    """
    step = 0.01 * point.epsilon**0.5 * line.scale(point)
    values = [here if k == 0 else line.at(point, k * step)[0] for k in range(-3, 4)]
    table = torch.tensor([float((value - here).sum()) for value in values], dtype=torch.float64)
    deviations = []
    for order in range(1, 6):
        table = table.diff()
        if order > 2:
            factor = math.factorial(order) ** 2 / math.factorial(2 * order)
            deviations.append(float((factor * table.square().mean()).sqrt()))
    return 3 * max(deviations)


def _limit(values: Sequence[float], steps: Sequence[float], noise: float, order: int) -> Slope:
    """Return the quotients' limit at step 0: extrapolated from the two of them where that seems best.

    What finer steps contradict, beyond their rounding, is no limit.
    """
    best = NONE
    for k in range(1, len(values)):
        guess = values[k] + (values[k] - values[k - 1]) / (SHRINK**order - 1)
        finer = zip(values[k + 1 :], steps[k + 1 :], strict=True)
        apart = max([abs(guess - values[k]), *(abs(guess - value) - 2 * noise / step for value, step in finer)])
        error = apart + 2 * noise / steps[k]
        if error < best.error:
            best = Slope(guess, error, steps[k])
    return best


def lines_of(name: str, leaf: Tensor, most: int, generator: torch.Generator) -> list[Line]:
    """Return a line for each entry of a leaf; of a large one `most` of them, drawn, and one random direction."""
    size = leaf.numel()
    if size <= most:
        return [Line(name, index) for index in _indices(range(size), leaf)]
    drawn = torch.randperm(size, generator=generator)[:most].sort().values.tolist()
    return [*(Line(name, index) for index in _indices(drawn, leaf)), direction(name, leaf, generator)]


def direction(name: str, leaf: Tensor, generator: torch.Generator) -> Line:
    """Return a line that moves all entries of a leaf at once, along a random direction of length 1."""
    towards = torch.randn(leaf.shape, generator=generator, dtype=torch.float64)
    return Line(name, None, (towards / towards.norm()).to(leaf))


def _indices(flat: Sequence[int], leaf: Tensor) -> list[tuple[int, ...]]:
    columns = np.unravel_index(np.array(flat, dtype=np.int64), tuple(leaf.shape)) if leaf.ndim else ()
    return list(zip(*(column.tolist() for column in columns), strict=True)) if leaf.ndim else [()] * len(flat)
