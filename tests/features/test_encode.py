from __future__ import annotations

import datetime as dt
from typing import Literal

import numpy as np
import pytest

from danlu.core.records import ColumnSchema, Schema, TargetSchema
from danlu.data.columns import Column, Table
from danlu.features import encode, layout

NAN = float("nan")
TARGET = TargetSchema(names=("y",), task="regression", outputs=1)


def schema(*columns: ColumnSchema) -> Schema:
    return Schema(columns=columns, target=TARGET)


def number(*values: float, shift: float = 0, unit: float = 1) -> tuple[Table, Schema]:
    expected = schema(ColumnSchema(name="a", kind="number", shift=shift, unit=unit))
    return Table((Column("a", "number", np.array(values)),), len(values)), expected


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_numbers_are_shifted_in_float64(dtype: Literal["float32", "float64"]) -> None:
    encoded = encode(*number(1600000037, NAN, 1600000038, shift=1600000037), dtype)
    assert encoded.x.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(encoded.x[:, 0], [0, NAN, 1])
    assert encoded.codes.shape == (3, 0)


def test_units_divide() -> None:
    np.testing.assert_array_equal(encode(*number(2.0**70, -(2.0**69), unit=2.0**69)).x[:, 0], [2, -1])


def test_absurd_numbers_stay_finite() -> None:
    values = encode(*number(1e300, -1e300, 5.0, NAN)).x[:, 0]
    assert values[:3].tolist() == [np.float32(1e18), np.float32(-1e18), 5.0]
    assert np.isnan(values[3])
    assert np.isfinite(np.float32(values[:3]) ** 2).all()
    assert np.isfinite(encode(*number(-1.7e308, shift=1.7e308)).x).all()


def test_yes_or_no_is_one_column() -> None:
    table = Table((Column("a", "yes/no", np.array([1, 0, -1, -2], dtype=np.int32)),), 4)
    encoded = encode(table, schema(ColumnSchema(name="a", kind="yes/no", levels=("no", "yes"))))
    np.testing.assert_array_equal(encoded.x[:, 0], [1, 0, NAN, NAN])


def test_codes_of_categories() -> None:
    columns = (
        Column("a", "category", np.array([0, 2, -1, -2], dtype=np.int32)),
        Column("b", "category", np.array([-1, 0, 0, 0], dtype=np.int32)),
    )
    expected = schema(
        ColumnSchema(name="a", kind="category", levels=("p", "q", "r")),
        ColumnSchema(name="b", kind="category", levels=("s",)),
    )
    encoded = encode(Table(columns, 4), expected)
    assert encoded.codes.dtype == np.int32
    assert encoded.codes.tolist() == [[2, 1], [4, 2], [1, 2], [0, 2]]
    assert encoded.x.shape == (4, 0)


def test_dates_elapse_and_turn() -> None:
    moments = [dt.datetime(2020, 1, 1, tzinfo=dt.UTC), dt.datetime(2020, 4, 1, 6, tzinfo=dt.UTC)]
    seconds = np.array([*(moment.timestamp() for moment in moments), NAN])
    expected = schema(
        ColumnSchema(name="a", kind="date", shift=seconds[0], unit=86400, parts=("month", "weekday", "hour"))
    )
    encoded = encode(Table((Column("a", "date", seconds),), 3), expected, "float64")
    # 1 January 2020 was a Wednesday, as was 1 April, 91 days later; April is a quarter of the year on.
    wednesday = 2 * np.pi * 2 / 7
    by_hand = [
        [0, 0, 1, np.sin(wednesday), np.cos(wednesday), 0, 1],
        [91.25, 1, 0, np.sin(wednesday), np.cos(wednesday), 1, 0],
        [NAN] * 7,
    ]
    np.testing.assert_allclose(encoded.x, by_hand, atol=1e-15)
    assert len(layout(expected, onehot_most=None).numbers) == 7


def test_the_matrix_has_the_columns_of_the_layout() -> None:
    columns = (
        Column("d", "date", np.zeros(2)),
        Column("n", "number", np.ones(2)),
        Column("c", "category", np.zeros(2, dtype=np.int32)),
        Column("b", "yes/no", np.ones(2, dtype=np.int32)),
    )
    expected = schema(
        ColumnSchema(name="d", kind="date", parts=("minute",)),
        ColumnSchema(name="n", kind="number"),
        ColumnSchema(name="c", kind="category", levels=("x",)),
        ColumnSchema(name="b", kind="yes/no", levels=("no", "yes")),
    )
    encoded = encode(Table(columns, 2), expected)
    assert layout(expected, onehot_most=None).numbers == ("d (elapsed)", "d (minute, sin)", "d (minute, cos)", "n", "b")
    assert encoded.x[0].tolist() == [0, 0, 1, 1, 1]


def test_no_rows_are_no_trouble() -> None:
    table = Table((Column("a", "date", np.empty(0)),), 0)
    expected = schema(ColumnSchema(name="a", kind="date", parts=("month", "hour")))
    assert encode(table, expected).x.shape == (0, 5)
