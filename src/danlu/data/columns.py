"""Columns of a table once their cells are numbers: what the rest of Danlu sees instead of Arrow."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from danlu.core.records import Finding, Kind, Note, Rows, Schema, TargetSchema

MISSING, UNSEEN = -1, -2
"""Codes of a category's cell that is missing, and of one that is not among the levels."""


@dataclass(frozen=True)
class Column:
    """One column that a network can learn from.

    `values` depend on the kind. number: float64, NaN missing. date: float64 seconds since 1970 UTC, NaN
    missing. category and yes/no: int32 positions in the schema's levels, -1 missing, -2 not among the levels.
    """

    name: str
    kind: Kind
    values: np.ndarray


@dataclass(frozen=True)
class Table:
    """The feature columns of a table, in its order; or images, `pixels_NKHW`, and no columns."""

    columns: tuple[Column, ...]
    rows: int
    pixels_NKHW: np.ndarray | None = None


@dataclass(frozen=True)
class Target:
    """What is to be predicted: float64 `[N, C]` for a regression, int64 class numbers `[N]` for a classification."""

    schema: TargetSchema
    values: np.ndarray


@dataclass(frozen=True)
class Examined:
    """A table to learn from: its features, target and special columns, for the rows that have a target.

    `special` may hold "group" (int64 codes), "time" (float64), "weight" (float64) and "fold" (int64 codes).
    `kept` are the row numbers in the raw table, int64, from 0.
    """

    table: Table
    schema: Schema
    target: Target
    special: dict[str, np.ndarray]
    kept: np.ndarray
    rows: Rows
    notes: tuple[Note, ...]
    traps: tuple[Finding, ...] = ()
    """What may make a score look better than it is, where it was looked for."""


@dataclass(frozen=True)
class Conformed:
    """Another table, brought into the shape that a schema expects.

    `kept` are the row numbers in the raw table, int64, from 0: all of them in order for a prediction.
    """

    table: Table
    target: Target | None
    kept: np.ndarray
    warnings: tuple[Note, ...]
    without_target: int
