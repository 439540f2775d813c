"""What more rows bring: the law that errors follow as training sets grow, fitted with a doubt of its own.

Errors of many learners fall towards a floor as a power of the number of rows (Hestness et al. 2017, "Deep learning
scaling is predictable, empirically"): error(n) = floor + factor * n**-exponent. A curve that does not follow it gets
no law, and nothing is said about rows that nobody has.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from danlu.core.seeds import stream
from danlu.judging.intervals import limits

EXPONENTS = np.geomspace(0.05, 3.0, 400)
"""Exponents tried. Below 0.05 a doubling brings less than 3.5% of what is above the floor, above 3 all but 12%."""
FEWEST_POINTS = 5
"""The law has three numbers: fewer points would always lie near it."""
STUDENT = (4.303, 3.182, 2.776, 2.571, 2.447, 2.365)
"""97.5% points of Student's t with 2 to 7 degrees of freedom; with very many it is 1.96."""
LEAST_FIT = 0.97
"""Least R² of a curve that is said to follow the law."""


@dataclass(frozen=True)
class Law:
    """error(n) = floor + factor * (n / rows)**-exponent, fitted to the last `points` of a curve.

    Arguments:
        rows: the last of the sizes.
        r2: share of the points' variance that the law explains, each point weighing by its own relative error.
    """

    floor: float
    factor: float
    exponent: float
    rows: float
    points: int
    r2: float

    def at(self, rows: float) -> float:
        """Return the error that the law expects of so many rows.

        >>> Law(floor=1.0, factor=2.0, exponent=1.0, rows=100, points=6, r2=1.0).at(200)
        2.0
        """
        return self.floor + self.factor * (rows / self.rows) ** -self.exponent


def fit_law(rows_S: np.ndarray, error_S: np.ndarray) -> Law | None:
    """Fit the law to a curve: to all its points, or to as many of the last ones (5 at least) as follow it.

    The smallest sizes may lie where networks learn next to nothing, before the law begins.

    Arguments:
        rows_S: sizes, rising.
        error_S: errors, positive: mean squared errors or shares of wrong answers, which add up, not their roots.

    Returns:
        the law, or None: too few points, an error of 0, a curve that does not fall or falls otherwise.

    >>> rows = np.array([10, 20, 40, 80, 160, 320])
    >>> law = fit_law(rows, 0.5 + 10 / rows)
    >>> round(law.floor, 2), round(law.exponent, 1), round(law.at(640), 3)
    (0.5, 1.0, 0.516)
    """
    if not (np.isfinite(error_S).all() and (error_S > 0).all()):
        return None
    for first in range(len(rows_S) - FEWEST_POINTS + 1):
        rows, error = rows_S[first:], error_S[first:]
        (floor,), (factor,), (exponent,), (sse,) = _least_squares(rows, error[None], error)
        weight = error**-2
        total = float((weight * (error - (weight @ error) / weight.sum()) ** 2).sum())
        r2 = 1 - float(sse) / total if total > 0 else 0.0
        if r2 >= LEAST_FIT and factor > 0:
            return Law(float(floor), float(factor), float(exponent), float(rows[-1]), len(rows), r2)
    return None


def doubled(law: Law, rows_S: np.ndarray, error_S: np.ndarray, error_RS: np.ndarray, seed: int) -> np.ndarray:
    """Return what the law expects of the last size and of twice its rows, `[R, 2]`, as far as chance could move it.

    Each of R draws takes other rows to judge on (as `error_RS` does, the same ones for all sizes) and scatters the
    points about the law as they lie about it; the law is fitted again to each.

    Arguments:
        rows_S: sizes.
        error_S: errors.
        error_RS: errors on R resamples of the judged rows.
        seed: of the run.
    """
    kept = slice(len(rows_S) - law.points, None)
    rows, error = rows_S[kept], error_S[kept]
    expected = np.array([law.at(n) for n in rows])
    # Three numbers were fitted: what is left is smaller than chance was, and says little about how large that was.
    freedom = len(rows) - 3
    wider = np.sqrt(len(rows) / freedom) * STUDENT[min(freedom, len(STUDENT) + 1) - 2] / 1.96
    residual = (error / expected - 1) * wider
    random = np.random.default_rng(stream(seed, "growth"))
    scattered_RS = expected * (1 + random.choice(residual, (len(error_RS), len(rows)))) + error_RS[:, kept] - error
    floor_R, factor_R, exponent_R, _ = _least_squares(rows, scattered_RS, error)
    return np.stack([floor_R + factor_R, floor_R + factor_R * 2.0**-exponent_R], axis=1)


def _least_squares(
    rows_S: np.ndarray, error_RS: np.ndarray, size_S: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return floor, factor, exponent and squared error of the best law for each of R curves; neither is below 0.

    Points weigh by the inverse square of `size_S`. For a given exponent the law is a straight line; of all the
    exponents tried the best is taken.
    """
    weight = size_S**-2.0
    power_ES = (rows_S / rows_S[-1]) ** -EXPONENTS[:, None]
    w, wx_E, wxx_E = weight.sum(), power_ES @ weight, (power_ES**2) @ weight
    wy_R1, wxy_RE = (error_RS @ weight)[:, None], (error_RS * weight) @ power_ES.T
    factor_RE = (w * wxy_RE - wx_E * wy_R1) / (w * wxx_E - wx_E**2)
    floor_RE = (wy_R1 - factor_RE * wx_E) / w
    below = floor_RE < 0
    factor_RE = np.where(below, wxy_RE / wxx_E, factor_RE)
    rising = factor_RE < 0
    factor_RE, floor_RE = np.where(rising, 0.0, factor_RE), np.where(rising, wy_R1 / w, np.where(below, 0.0, floor_RE))
    law_RES = floor_RE[..., None] + factor_RE[..., None] * power_ES
    sse_RE = ((error_RS[:, None] - law_RES) ** 2) @ weight
    best_R = sse_RE.argmin(axis=1)
    each = np.arange(len(error_RS))
    return floor_RE[each, best_R], factor_RE[each, best_R], EXPONENTS[best_R], sse_RE[each, best_R]


def saved(before_R: np.ndarray, after_R: np.ndarray) -> tuple[float | None, float | None]:
    """Return the 95% interval of the share of an error that is saved, from draws of both.

    >>> saved(np.full(100, 4.0), np.full(100, 3.0))
    (0.25, 0.25)
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        return limits(np.where(before_R > 0, 1 - after_R / before_R, np.nan))
