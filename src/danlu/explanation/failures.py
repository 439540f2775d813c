"""Where predictions fail: slices of rows with the largest errors, and the worst rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from statistics import NormalDist

import numpy as np

from danlu.core.explained import Slice, Slices
from danlu.core.records import ColumnSchema
from danlu.data.columns import MISSING, Column

FEWEST = 20
"""Rows of a slice, at least: of fewer nothing can be said."""
PARTS = 5
"""Slices of a number, with equally many rows."""
LEVELS = 30
"""Levels of a category that are looked at, at most: the commonest."""
LISTED = 12

Write = Callable[[float, float, str], str]
"""(low, high, kind) -> an interval in words."""


def slices(
    columns: list[tuple[Column, ColumnSchema]],
    error_N: np.ndarray,
    of: str,
    write: Write,
    *,
    share: bool,
) -> Slices | None:
    """Return the slices with the largest errors; None where there is none of enough rows.

    Intervals are Bonferroni's: with k slices each holds in 1 - 0.05 / k of cases, so that all hold together in 95%. Of
    shares they are Wilson's, of mean errors normal ones. Slices are ordered by the low end: a slice of few rows must be
    much worse to come first.

    Arguments:
        columns: cells of the rows, and what is known of each column.
        error_N: how wrong each row is; of shares 0 or 1.
        of: what `error_N` is, in words.
        write: a part of a number's or date's values in words.
        share: whether the mean of the errors is a share.
    """
    found = [
        (column.name, what, mask_N)
        for column, schema in columns
        for what, mask_N in _parts(column, schema, write)
        if FEWEST <= mask_N.sum() < len(error_N)
    ]
    if not found:
        return None
    z = NormalDist().inv_cdf(1 - 0.025 / len(found))
    made = []
    for name, what, mask_N in found:
        own = error_N[mask_N]
        low, high = wilson(float(own.mean()), len(own), z) if share else mean_interval(own, z)
        made.append(Slice(column=name, what=what, rows=len(own), error=float(own.mean()), low=low, high=high))
    whole = float(error_N.mean())
    above = sorted((each for each in made if each.error > whole), key=lambda each: -each.low)
    return Slices(of=of, error=whole, rows=len(error_N), looks=len(found), worst=tuple(above[:LISTED]))


def _parts(column: Column, schema: ColumnSchema, write: Write) -> Iterator[tuple[str, np.ndarray]]:
    """Yield parts of a column's rows, with what they are."""
    if column.kind in ("category", "yes/no"):
        counts = np.bincount(column.values[column.values >= 0], minlength=len(schema.levels))
        for code in np.argsort(-counts, kind="stable")[:LEVELS].tolist():
            yield schema.levels[code], column.values == code
        yield "missing", column.values == MISSING
        return
    known_N = np.isfinite(column.values)
    yield "missing", ~known_N
    if not known_N.any():
        return
    edges = np.unique(np.quantile(column.values[known_N], np.linspace(0, 1, PARTS + 1), method="nearest"))
    if len(edges) == 1:
        return
    place_N = np.searchsorted(edges[1:-1], column.values, side="right")
    for part in range(len(edges) - 1):
        mask_N = known_N & (place_N == part)
        if mask_N.any():
            own = column.values[mask_N]
            yield write(float(own.min()), float(own.max()), column.kind), mask_N


def wilson(share: float, rows: int, z: float) -> tuple[float, float]:
    """Return Wilson's interval of a share (1927).

    >>> [round(end, 4) for end in wilson(0.5, 100, 1.959964)]
    [0.4038, 0.5962]
    """
    middle = share + z * z / (2 * rows)
    half = z * np.sqrt(share * (1 - share) / rows + z * z / (4 * rows * rows))
    whole = 1 + z * z / rows
    return max(0.0, float((middle - half) / whole)), min(1.0, float((middle + half) / whole))


def mean_interval(values: np.ndarray, z: float) -> tuple[float, float]:
    """Return the normal interval of a mean, of sizes that cannot be below 0.

    >>> mean_interval(np.array([1.0, 3.0]), 2.0)
    (0.0, 4.0)
    """
    half = z * float(values.std(ddof=1)) / np.sqrt(len(values)) if len(values) > 1 else 0.0
    return max(0.0, float(values.mean() - half)), float(values.mean() + half)


def worst(error_N: np.ndarray, most: int) -> np.ndarray:
    """Return the places of the largest errors above 0, the largest first.

    >>> worst(np.array([0.0, 2.0, 5.0, 2.0]), 3).tolist()
    [2, 1, 3]
    """
    order = np.argsort(-error_N, kind="stable")[:most]
    return order[error_N[order] > 0]
