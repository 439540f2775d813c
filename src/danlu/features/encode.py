"""A table's cells as numbers: shifted in float64 by constants of the schema, then stored as floats; codes apart."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from danlu.core.records import ColumnSchema, Schema
from danlu.data.columns import Column, Table
from danlu.data.dates import PERIODS, cycle
from danlu.features.layout import RESERVED, number_names

LARGEST = 1e18
"""Shifted numbers are held within this: float32 can still square them, and no column learnt from comes near."""


@dataclass(frozen=True)
class Encoded:
    """Both matrices: `x` floats `[N, F]`, NaN missing; `codes` int32 `[N, Q]`, 0 unseen, 1 missing, 2 and up levels.

    Of images `x` holds the pixels, one channel behind the other, row by row, as uint8 where they are whole numbers.
    """

    x: np.ndarray
    codes: np.ndarray


def encode(table: Table, schema: Schema, dtype: Literal["float32", "float64"] = "float32") -> Encoded:
    """Return a table as a float matrix and a code matrix; its columns are those of the schema, in order.

    A number becomes `(cell - shift) / unit`; yes/no becomes 0 or 1, NaN where missing or unseen; a date becomes days
    since the first date seen, and sine and cosine of each of its parts; a category becomes its code.

    Shape:
        x [N, F], codes [N, Q]: as `layout` names them.
    """
    if table.pixels_NKHW is not None:
        return Encoded(table.pixels_NKHW.reshape(table.rows, -1), np.zeros((table.rows, 0), np.int32))
    width = sum(len(number_names(column)) for column in schema.columns)
    x_NF = np.empty((table.rows, width), dtype=dtype)
    codes_NQ = np.empty((table.rows, sum(c.kind == "category" for c in schema.columns)), dtype=np.int32)
    place, code_place = 0, 0
    for column, expected in zip(table.columns, schema.columns, strict=True):
        if expected.kind == "category":
            # -2 unseen, -1 missing, 0 and up levels: the same order, two lower.
            np.add(column.values, RESERVED, out=codes_NQ[:, code_place])
            code_place += 1
            continue
        for values in _floats(column, expected):
            x_NF[:, place] = values
            place += 1
    return Encoded(x_NF, codes_NQ)


def _floats(column: Column, expected: ColumnSchema) -> Iterator[np.ndarray]:
    """Yield the float columns of one column, float64 `[N]` each, in the order of `number_names`."""
    if expected.kind == "yes/no":
        yield np.where(column.values < 0, np.nan, column.values)
        return
    yield _shifted(column.values, expected)
    for part in expected.parts:
        # A part takes few values: sine and cosine are looked up, NaN (missing) behind the last.
        place = np.nan_to_num(cycle(column.values, part), nan=PERIODS[part]).astype(np.int8)
        angle = np.append(np.arange(PERIODS[part]), np.nan) * (2 * np.pi / PERIODS[part])
        yield np.sin(angle)[place]
        yield np.cos(angle)[place]


def _shifted(values: np.ndarray, expected: ColumnSchema) -> np.ndarray:
    """Return `(cell - shift) / unit`, held within `LARGEST`."""
    if expected.shift:
        with np.errstate(over="ignore"):
            values = values - expected.shift
    if expected.unit != 1:
        with np.errstate(over="ignore"):
            values = values / expected.unit
    low, high = np.fmin.reduce(values, initial=0.0), np.fmax.reduce(values, initial=0.0)
    return np.clip(values, -LARGEST, LARGEST) if high > LARGEST or low < -LARGEST else values
