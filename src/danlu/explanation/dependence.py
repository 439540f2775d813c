"""Partial dependence and individual curves: what predictions do while one column goes through its values.

Partial dependence (Friedman 2001, "Greedy function approximation") is the mean over rows of the predictions after the
column is set to a value; a single row's curve is its individual conditional expectation (Goldstein et al. 2015).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor

from danlu.core.records import ColumnSchema, Schema
from danlu.data.columns import Column, Table
from danlu.explanation.unseen import Places, Unseen
from danlu.features import encode

STEPS = 20
"""Values of a number's grid, at most."""
LEVELS = 12
"""Levels of a category that are tried, at most: the commonest."""


@dataclass(frozen=True)
class Grid:
    """Values that a column goes through, as cells of the table, `[G]`: numbers, seconds since 1970, or codes."""

    cells_G: np.ndarray
    levels: tuple[str, ...] = ()


def grid(column: Column, schema: ColumnSchema, steps: int = STEPS) -> Grid | None:
    """Return the values to try: of a number or date quantiles from 1% to 99%, of a category its commonest levels.

    None where there are fewer than two.

    >>> ages = Column("age", "number", np.array([1.0, 2.0, 2.0, np.nan]))
    >>> grid(ages, ColumnSchema(name="age", kind="number")).cells_G.tolist()
    [1.0, 2.0]
    """
    if column.kind in ("category", "yes/no"):
        known = column.values[column.values >= 0]
        counts = np.bincount(known, minlength=len(schema.levels))
        chosen = np.sort(np.argsort(-counts, kind="stable")[:LEVELS])
        chosen = chosen[counts[chosen] > 0]
        levels = tuple(schema.levels[int(code)] for code in chosen)
        return Grid(chosen.astype(column.values.dtype), levels) if len(chosen) > 1 else None
    known = column.values[np.isfinite(column.values)]
    if not len(known):
        return None
    found = np.unique(known) if len(np.unique(known[: 50 * steps])) <= steps else np.zeros(steps + 1)
    if len(found) > steps:
        found = np.unique(np.quantile(known, np.linspace(0.01, 0.99, steps), method="nearest"))
    return Grid(found) if len(found) > 1 else None


def dependence(unseen: Unseen, place: Places, values: Grid, dtype: str = "float32") -> np.ndarray:
    """Return the predictions of every row with the column at each of its values, `[G, N, C]`.

    Arguments:
        unseen: the rows.
        place: the column, and where it stands.
        values: what it goes through.
        dtype: of the matrices, as they were encoded.
    """
    column = place.column
    table = Table((Column(column.name, column.kind, values.cells_G),), len(values.cells_G))
    encoded = encode(table, Schema.model_construct(columns=(column,)), "float64" if dtype == "float64" else "float32")
    x_GF, codes_GQ = torch.from_numpy(encoded.x), torch.from_numpy(encoded.codes)
    changes = [
        partial(_set, place=place, x_F=x_F, codes_Q=codes_Q) for x_F, codes_Q in zip(x_GF, codes_GQ, strict=True)
    ]
    return unseen.changed(changes)


def _set(x_NF: Tensor, codes_NQ: Tensor, *, place: Places, x_F: Tensor, codes_Q: Tensor) -> None:
    x_NF[:, list(place.numbers)] = x_F.to(x_NF)
    codes_NQ[:, list(place.codes)] = codes_Q.to(codes_NQ)
