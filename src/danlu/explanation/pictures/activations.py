"""Activations and their derivatives: the engine's own functions in float64, and facts about them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch

from danlu.core.errors import PlanError, nearest
from danlu.networks.activations import ACTIVATIONS

STEP = "step"
"""The first perceptron's activation (Rosenblatt 1958): 1 at 0 and above, else 0. No gradient gets through it."""
NAMES = (STEP, *ACTIVATIONS)
ALIVE_SHARE = 0.05
"""A unit is alive where its slope is at least this share of the steepest: outside it learns 20 times slower."""
REACH = 40.0
"""How far from 0 is looked for the end of the range in which an activation is alive."""

Function = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class ActivationCurve:
    """An activation on N points: value and derivative, NaN where there is none, and what is worth knowing of it.

    alive: the range outside which the slope stays below `ALIVE_SHARE` of the steepest, None for an end that is not
        found within 40 of 0; None as a whole where no gradient gets through at all.
    steepest: where |derivative| is largest, (x, derivative): the place nearest to 0 of several.
    at_zero: value and derivative at 0, as the engine takes them.
    odd: whether f(-x) = -f(x).
    """

    name: str
    x_N: np.ndarray
    value_N: np.ndarray
    derivative_N: np.ndarray
    alive: tuple[float | None, float | None] | None
    steepest: tuple[float, float]
    at_zero: tuple[float, float]
    odd: bool


def activation_curves(
    names: Sequence[str] = (), low: float = -8.0, high: float = 8.0, points: int = 641
) -> list[ActivationCurve]:
    """Return activations by name (all without one) on evenly spaced points from `low` to `high`.

    Raises:
        PlanError: a name is unknown, or the range is empty.

    >>> curve = activation_curves(["sigmoid"])[0]
    >>> curve.steepest, curve.odd, [round(end, 2) for end in curve.alive]
    ((0.0, 0.25), False, [-4.36, 4.36])
    """
    for name in names:
        if name not in NAMES:
            raise PlanError("`activations` must be ones that Danlu knows", f"got {name}", nearest(name, NAMES))
    if not (np.isfinite([low, high]).all() and low < high):
        raise PlanError("`low` must be below `high`", f"got {low:g} and {high:g}", "Use low=-8 and high=8.")
    x_N = np.linspace(low, high, points)
    return [_curve(name, x_N) for name in names or NAMES]


def _curve(name: str, x_N: np.ndarray) -> ActivationCurve:
    function = _function(name)
    value_N, derivative_N = function(x_N)
    wide = np.linspace(-REACH, REACH, 16_001)  # 0 and all multiples of 1/200 are among them
    value, slope = function(wide)
    steep = np.abs(np.nan_to_num(slope))
    peak = _steepest(function, wide, steep)
    (middle,), (tilt,) = function(np.zeros(1))
    return ActivationCurve(
        name,
        x_N,
        value_N,
        derivative_N,
        _alive(function, wide, steep, ALIVE_SHARE * abs(peak[1])),
        peak,
        (float(middle), float(tilt)),
        bool(np.allclose(value, -value[::-1], rtol=0, atol=1e-12)),
    )


def _function(name: str) -> Function:
    return _step if name == STEP else partial(_engine, name)


def _step(x_N: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return (x_N >= 0).astype(np.float64), np.where(x_N == 0, np.nan, 0.0)


def _engine(name: str, x_N: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return value and derivative by the functions that training runs."""
    activation = ACTIVATIONS[name]
    x = torch.from_numpy(np.ascontiguousarray(x_N, dtype=np.float64))
    y = activation.function(x)
    return y.numpy().copy(), activation.slope(torch.ones_like(x), x, y).numpy().copy()


def _steepest(function: Function, wide: np.ndarray, steep: np.ndarray) -> tuple[float, float]:
    """Return where the slope is largest; of a plateau the place nearest to 0, of a peak its very top."""
    best = np.flatnonzero(steep >= steep.max() * (1 - 1e-12))
    at = float(wide[best[np.abs(wide[best]).argmin()]])
    if 0 < abs(at) < REACH and len(best) <= 2:
        low, high = at - 0.005, at + 0.005
        for _ in range(60):  # golden section would do too; thirds are enough
            third = (high - low) / 3
            left, right = np.abs(function(np.array([low + third, high - third]))[1])
            low, high = (low + third, high) if left < right else (low, high - third)
        at = (low + high) / 2
    return at, float(np.nan_to_num(function(np.array([at]))[1])[0])


def _alive(
    function: Function, wide: np.ndarray, steep: np.ndarray, least: float
) -> tuple[float | None, float | None] | None:
    """Return the range outside which the slope stays below `least`."""
    inside = np.flatnonzero(steep >= least) if least > 0 else np.zeros(0, int)
    if not len(inside):
        return None

    def end(last: int, step: int) -> float | None:
        if not 0 <= last + step < len(wide):
            return None
        alive, dead = float(wide[last]), float(wide[last + step])
        for _ in range(50):
            middle = (alive + dead) / 2
            if abs(float(function(np.array([middle]))[1][0])) >= least:
                alive = middle
            else:
                dead = middle
        return round(alive, 12) + 0.0  # no -0

    return end(int(inside[0]), -1), end(int(inside[-1]), 1)
