"""Student's t distribution with a place and a scale of its own: fitted by maximum likelihood, and its density."""

from __future__ import annotations

from math import lgamma, log, pi
from typing import NamedTuple

import numpy as np

DEGREES = (1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 7.0, 10.0, 15.0, 30.0, 100.0)
"""Degrees of freedom that are tried; 100 is a Gaussian for all that data can say."""
STEPS = 60
MOST = 20_000
"""Values that are looked at: 20,000 know the degrees and the scale to a percent."""


class Student(NamedTuple):
    """A t distribution: degrees of freedom, place and scale."""

    degrees: float
    place: float
    scale: float

    def log_density(self, value_N: np.ndarray) -> np.ndarray:
        """Return the logarithm of the density at each value.

        >>> Student(1.0, 0.0, 1.0).log_density(np.array([0.0])).round(4)
        array([-1.1447])
        """
        d = self.degrees
        constant = lgamma((d + 1) / 2) - lgamma(d / 2) - 0.5 * log(d * pi) - log(self.scale)
        return constant - (d + 1) / 2 * np.log1p(np.square((value_N - self.place) / self.scale) / d)


def fit_student(value_N: np.ndarray, weight_N: np.ndarray) -> Student | None:
    """Return the likeliest t distribution; None where the values do not vary.

    Each number of degrees has its own place and scale by the EM algorithm (Liu and Rubin 1995).

    >>> fit_student(np.array([1.0, 1.0]), np.ones(2)) is None
    True
    """
    keep = np.isfinite(value_N) & (weight_N > 0)
    value_N, weight_N = value_N[keep], weight_N[keep]
    if len(value_N) > MOST:
        every = np.linspace(0, len(value_N) - 1, MOST).astype(int)
        order = np.argsort(value_N, kind="stable")[every]
        value_N, weight_N = value_N[order], weight_N[order]
    if len(value_N) < 2 or not np.ptp(value_N) > 0:
        return None
    weight_N = weight_N / weight_N.sum()
    best: tuple[float, Student] | None = None
    first = max(float(weight_N @ np.abs(value_N - np.median(value_N))), float(np.ptp(value_N)) * 1e-9)
    found = Student(DEGREES[-1], float(np.median(value_N)), first)
    for degrees in reversed(DEGREES):
        found = _with_degrees(value_N, weight_N, found._replace(degrees=degrees), first)
        likelihood = float(weight_N @ found.log_density(value_N))
        if best is None or likelihood > best[0]:
            best = (likelihood, found)
    return best[1] if best else None


def _with_degrees(value_N: np.ndarray, weight_N: np.ndarray, start: Student, spread: float) -> Student:
    """Return the likeliest place and scale of given degrees of freedom."""
    d, place, scale = start
    for _ in range(STEPS):
        pull_N = weight_N * (d + 1) / (d + np.square((value_N - place) / scale))
        place_new = float(pull_N @ value_N / pull_N.sum())
        scale_new = max(float(np.sqrt(pull_N @ np.square(value_N - place_new))), spread * 1e-6)
        done = abs(scale_new - scale) < 1e-5 * scale and abs(place_new - place) < 1e-5 * scale
        place, scale = place_new, scale_new
        if done:
            break
    return Student(d, place, scale)
