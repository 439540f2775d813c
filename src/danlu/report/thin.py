"""Fewer points of what is too much to draw, chosen without looking at their values."""

from __future__ import annotations

import numpy as np

MOST_POINTS = 3_000
"""Points of a scatter plot: more lie on top of each other at its size."""
MOST_OF_A_CURVE = 300
"""Points of one curve: about one for every two pixels of its width."""
MOST_OF_ALL_CURVES = 6_000
MOST_CURVES = 40


def some(total: int, most: int, seed: int = 0) -> np.ndarray:
    """Return at most `most` of the positions 0 to total - 1, in order, drawn by a seeded generator.

    >>> len(some(50_000, 3_000)), some(3, 3_000).tolist()
    (3000, [0, 1, 2])
    """
    if total <= most:
        return np.arange(total)
    return np.sort(np.random.default_rng(seed).choice(total, most, replace=False))


def along(axis: np.ndarray, most: int, *, logarithmic: bool = False) -> np.ndarray:
    """Return at most `most` positions of a rising axis, even along it (or its logarithm), both ends among them.

    >>> along(np.arange(1, 1001), 4).tolist()
    [0, 333, 666, 999]
    """
    if len(axis) <= most:
        return np.arange(len(axis))
    place = np.log(np.maximum(axis, 1)) if logarithmic else np.asarray(axis, np.float64)
    wanted = np.linspace(place[0], place[-1], most)
    found = np.unique(np.clip(np.searchsorted(place, wanted - 1e-9), 0, len(axis) - 1))
    return np.union1d(found, [0, len(axis) - 1])[:most] if len(found) < most else found


def points_each(curves: int) -> int:
    """Return how many points each of so many curves may have.

    >>> points_each(5), points_each(40), points_each(200)
    (300, 150, 150)
    """
    return min(MOST_OF_A_CURVE, MOST_OF_ALL_CURVES // max(1, min(curves, MOST_CURVES)))


def even(total: int, most: int) -> np.ndarray:
    """Return at most `most` positions spread evenly over 0 to total - 1.

    >>> even(5, 40).tolist(), even(100, 3).tolist()
    ([0, 1, 2, 3, 4], [0, 50, 99])
    """
    return np.unique(np.round(np.linspace(0, total - 1, min(total, most))).astype(int))
