"""Tables in memory: every library's data frame gives the same table."""

from __future__ import annotations

import datetime

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from danlu.core.errors import DataError
from danlu.data import read

DAY = datetime.datetime(2024, 1, 2, 3, 4)
CELLS = {"x": [1.5, None, 3.0], "n": [1, 2, 3], "s": ["a", None, "c"], "b": [True, False, None], "d": [DAY, DAY, None]}


def refused(source: object, *parts: str) -> None:
    with pytest.raises(DataError) as caught:
        read(source)
    assert caught.value.rule
    assert caught.value.fact
    assert caught.value.remedy
    for part in parts:
        assert part in str(caught.value)


@pytest.mark.parametrize(
    "source",
    [
        CELLS,
        pa.table(CELLS),
        pl.DataFrame(CELLS),
        pd.DataFrame(CELLS, index=[7, 8, 9]),
        pa.table(CELLS).to_reader(),
        pl.DataFrame(CELLS).with_columns(pl.col("s").cast(pl.Categorical)),
        pd.DataFrame(CELLS).astype({"s": "category", "n": "uint8", "x": "float32"}),
        {**CELLS, "x": np.array([1.5, np.nan, 3.0]), "n": np.array([1, 2, 3], dtype=np.int8)},
        pl.DataFrame({**CELLS, "x": [1.5, float("nan"), 3.0]}),
        {**CELLS, "s": pd.Series(["a", None, "c"]), "n": pl.Series([1, 2, 3])},
    ],
    ids=["dict", "arrow", "polars", "pandas", "reader", "polars-categories", "pandas-types", "numpy", "nan", "series"],
)
def test_same_table(source: object) -> None:
    raw = read(source)
    assert raw.arrow.to_pydict() == CELLS
    kinds = [str(field.type) for field in raw.arrow.schema]
    assert kinds[:4] == ["double", "int64", "string", "bool"]
    assert kinds[4].startswith("timestamp")
    assert raw.header


def test_names_are_text() -> None:
    assert read(pd.DataFrame({1: [1], "a": [2]})).names == ("1", "a")
    assert read({1: [1], 2.5: [2]}).names == ("1", "2.5")


def test_other_types_become_plain() -> None:
    raw = read(
        pa.table(
            {
                "decimal": pa.array([1, 2], pa.decimal128(5, 2)),
                "half": pa.array(np.array([1, 2], np.float16)),
                "big": pa.array([1, 2], pa.uint64()),
                "long": pa.array(["a", "b"], pa.large_string()),
                "day": pa.array([0, 86_400_000], pa.date64()),
                "took": pa.array([1500, 2500], pa.duration("ms")),
            }
        )
    )
    assert [str(field.type) for field in raw.arrow.schema] == ["double"] * 2 + [
        "int64",
        "string",
        "date32[day]",
        "double",
    ]
    assert raw.arrow["took"].to_pylist() == [1.5, 2.5]


def test_arrays() -> None:
    raw = read(np.array([[1.0, np.nan], [2.0, 3.0]]))
    assert raw.arrow.to_pydict() == {"c1": [1.0, 2.0], "c2": [None, 3.0]}
    assert not raw.header
    assert read(np.arange(3)).arrow.to_pydict() == {"c1": [0, 1, 2]}
    assert read(np.array([["a", "b"]])).arrow.to_pydict() == {"c1": ["a"], "c2": ["b"]}
    assert read(np.array([[1, "b"], [2, None]], dtype=object)).arrow.to_pydict() == {"c1": [1, 2], "c2": ["b", None]}
    structured = np.array([(1, 2.5)], dtype=[("n", "i4"), ("x", "f4")])
    assert read(structured).arrow.to_pydict() == {"n": [1], "x": [2.5]}
    assert read(structured).header
    months = read({"m": np.array(["2024-01", "2024-02"], dtype="datetime64[M]")})
    assert months.arrow["m"].to_pylist() == [datetime.datetime(2024, 1, 1), datetime.datetime(2024, 2, 1)]


def test_refusals() -> None:
    refused(5, "got int")
    refused([[1, 2]], "got list")
    refused({}, "it has none")
    refused(np.zeros((2, 2, 2)), "got 3 axes")
    refused({"a": [1, 2], "b": [1]}, "`a` has 2 and `b` has 1")
    refused({"a": [1, "x"]}, "column `a`")
    refused({"1": [1], 1: [2]}, "same text")
    refused({"a": [[1], [2]]}, "`a` is nested")
    refused(pa.table({"a": [{"x": 1}]}), "`a` is nested")
    refused(pa.table({"a": pa.array([b"\xff"], pa.binary())}), "`a` holds binary")
    refused(pa.table([[1], [2]], names=["a", "a"]), "`a` is the name of columns 1, 2")
    refused(pa.table({"a": pa.array([b"0" * 16], pa.uuid())}), "extension type (arrow.uuid)")
    refused(pd.DataFrame({"a": pd.period_range("2024-01", periods=2, freq="M")}), "`a` is an extension type")
    refused(pd.DataFrame({"a": [1, "x"]}), "must hold cells of one kind")


def test_whole_numbers_beyond_64_bits_become_text() -> None:
    raw = read(pa.table({"a": pa.array([2**64 - 1, None], pa.uint64()), "b": pa.array([2**63 - 1, 1], pa.uint64())}))
    assert raw.arrow.to_pydict() == {"a": [str(2**64 - 1), None], "b": [2**63 - 1, 1]}
    assert [note.text for note in raw.notes] == ["`a` kept as text: whole numbers above 2^63"]
