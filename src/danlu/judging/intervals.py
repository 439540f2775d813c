"""95% percentile bootstrap intervals (Efron and Tibshirani 1993, chapter 13) of all metrics at once.

The rows judged are drawn anew, the predictions stay: the interval says how far the score would move with
other rows, not how far it would move with networks trained again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from math import isqrt

import numpy as np

from danlu.core.seeds import stream
from danlu.judging.metrics import Measured

FEWEST, MOST = 200, 1000
WORK = 2e7
"""Rows x resamples that are aimed at: about 0.2 s. With 200 resamples a limit is itself uncertain by about
a tenth of the interval's width."""
CHUNK = 4_000_000
"""Rows x resamples held in memory at once, 32 MB."""


def resamples(rows: int) -> int:
    """Return how many resamples are drawn of so many rows.

    >>> resamples(150), resamples(40_000), resamples(500_000)
    (1000, 500, 200)
    """
    return int(np.clip(WORK / max(rows, 1), FEWEST, MOST))


def units(rows: int, groups_N: np.ndarray | None = None, times_N: np.ndarray | None = None) -> np.ndarray | None:
    """Return the unit each row is drawn with, [N] codes from 0, or None where rows are drawn alone.

    Groups are drawn whole. In time order it is about sqrt(N) contiguous blocks of equally many rows (a block
    bootstrap, Carlstein 1986), rows of one time together.

    >>> units(5, times_N=np.array([3.0, 1.0, 2.0, 2.0, 9.0]))
    array([1, 0, 0, 0, 1])
    """
    if groups_N is not None:
        return np.unique(groups_N, return_inverse=True)[1]
    if times_N is not None:
        first_N = np.searchsorted(np.sort(times_N), times_N)
        return np.unique(first_N * isqrt(rows) // rows, return_inverse=True)[1]
    return None


def draws(rows: int, count: int, seed: int, unit_N: np.ndarray | None = None) -> Iterator[np.ndarray]:
    """Yield, in chunks, how often each row is drawn: [R, N] counts, `count` resamples in all."""
    generator = np.random.default_rng(stream(seed, "bootstrap"))
    drawn = rows if unit_N is None else int(unit_N.max()) + 1
    step = max(1, CHUNK // rows)
    for start in range(0, count, step):
        size = min(step, count - start)
        picked_RU = generator.integers(0, drawn, (size, drawn))
        if drawn < 4096:  # one count of all resamples beats many short ones
            picked_RU += drawn * np.arange(size)[:, None]
            times_RU = np.bincount(picked_RU.ravel(), minlength=size * drawn).reshape(size, drawn)
        else:
            times_RU = np.stack([np.bincount(picked_U, minlength=drawn) for picked_U in picked_RU])
        yield times_RU if unit_N is None else times_RU[:, unit_N]


def limits(value_R: np.ndarray) -> tuple[float | None, float | None]:
    """Return the 2.5% and 97.5% points of the resamples' values; None where half of them are undefined."""
    defined = value_R[np.isfinite(value_R)]
    if len(defined) < max(1, len(value_R) / 2):
        return None, None
    low, high = np.percentile(defined, [2.5, 97.5])
    return float(low), float(high)


def bootstrap(
    measure: Callable[[np.ndarray], Mapping[str, Measured]],
    weight_N: np.ndarray,
    unit_N: np.ndarray | None,
    seed: int,
    most: int = MOST,
) -> dict[str, tuple[float | None, float | None]]:
    """Return the interval of each metric that `measure` gives; empty where there is only one unit to draw.

    Arguments:
        measure: takes weightings [R, N], gives each metric's values.
        weight_N: the rows' own weights.
        unit_N: what `units` gave.
        seed: of the run; the same seed draws the same rows.
        most: resamples.
    """
    rows = len(weight_N)
    if rows < 2 or (unit_N is not None and unit_N.max() == 0):
        return {}
    chunks = [measure(times_RN * weight_N) for times_RN in draws(rows, min(most, resamples(rows)), seed, unit_N)]
    return {name: limits(np.concatenate([chunk[name].value_R for chunk in chunks])) for name in chunks[0]}
