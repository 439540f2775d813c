"""Points in the plane that belong to classes: the sets on which decision boundaries are shown."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from danlu.core.errors import PlanError, nearest
from danlu.core.seeds import stream

Points = tuple[np.ndarray, np.ndarray]
"""x_N2 float64, class_N int64 of 0 and 1."""


def moons(class_N: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Two half circles, each reaching into the other."""
    angle_N = np.pi * random.random(len(class_N))
    first = np.stack([np.cos(angle_N), np.sin(angle_N)], axis=1)
    return np.where(class_N[:, None] == 0, first, [1.0, 0.5] - first)


def circles(class_N: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """A circle within a circle of twice its radius."""
    angle_N = 2 * np.pi * random.random(len(class_N))
    radius_N = np.where(class_N == 0, 1.0, 0.5)
    return radius_N[:, None] * np.stack([np.cos(angle_N), np.sin(angle_N)], axis=1)


def xor(class_N: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Four heaps at the corners of a square: opposite ones belong together."""
    side_N = random.integers(0, 2, len(class_N))
    return np.stack([side_N, side_N ^ class_N], axis=1) * 2.0 - 1.0


def spirals(class_N: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Two arms that wind around each other, one and a half times."""
    turn_N = np.sqrt(random.random(len(class_N))) * 3 * np.pi
    angle_N = turn_N + np.pi * class_N
    return (turn_N / (3 * np.pi))[:, None] * np.stack([np.cos(angle_N), np.sin(angle_N)], axis=1)


SETS: dict[str, tuple[Callable[[np.ndarray, np.random.Generator], np.ndarray], float]] = {
    "moons": (moons, 0.3),
    "circles": (circles, 0.2),
    "xor": (xor, 0.6),
    "spirals": (spirals, 0.06),
}
"""Each set with the noise that makes it overlap: the standard deviation of what is added to either coordinate."""


def point_set(name: str, rows: int, noise: float | None = None, *, seed: int = 0, part: str = "train") -> Points:
    """Return points of two classes, as many of either.

    Arguments:
        name: moons, circles, xor or spirals.
        rows: how many.
        noise: standard deviation of normal noise; None for the set's own.
        seed: decides all of them.
        part: another word gives other points of the same kind.

    Raises:
        PlanError: there is no such set, or the numbers are out of range.

    >>> x_N2, class_N = point_set("xor", 6, 0.0)
    >>> x_N2.shape, int(class_N.sum()), bool(((x_N2.prod(1) < 0) == (class_N == 1)).all())
    ((6, 2), 3, True)
    """
    if name not in SETS:
        raise PlanError("`points` must be a set that Danlu knows", f"got {name!r}", nearest(name, SETS))
    if rows < 4:
        raise PlanError("`rows` must be at least 4", f"got {rows}", "Use rows=100.")
    make, usual = SETS[name]
    noise = usual if noise is None else noise
    if not (np.isfinite(noise) and noise >= 0):
        raise PlanError("`noise` must be a number of at least 0", f"got {noise}", f"Use noise={usual}.")
    random = np.random.Generator(np.random.PCG64(stream(seed, "points", name, part)))
    class_N = random.permutation(np.arange(rows) % 2)
    return make(class_N, random) + noise * random.standard_normal((rows, 2)), class_N
