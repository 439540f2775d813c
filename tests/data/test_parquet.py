"""Parquet files."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from danlu.core.errors import DataError
from danlu.data import read


def refused(path: Path, *parts: str) -> None:
    with pytest.raises(DataError) as caught:
        read(path)
    assert caught.value.fact
    assert caught.value.remedy
    for part in parts:
        assert part in str(caught.value)


def test_round_trip_without_the_index(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    pd.DataFrame({"a": [1.5, None], "c": pd.Categorical(["x", "y"])}, index=[5, 9]).to_parquet(path)
    assert read(path).arrow.to_pydict() == {"a": [1.5, None], "c": ["x", "y"]}
    assert str(read(path).arrow.schema.field("c").type) == "string"


def test_broken(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"a": list(range(10000))}), path)
    whole = path.read_bytes()
    for broken in (whole[: len(whole) // 2], whole[:-6], b"a,b\n1,2\n", whole[:100] + bytes(400) + whole[500:]):
        path.write_bytes(broken)
        refused(path, "must be a whole Parquet file")


def test_nested_and_extension_columns(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"a": [1], "tags": [["x"]]}), path)
    refused(path, "`tags` is nested")
    pq.write_table(pa.table({"a": [1], "key": pa.array([b"0" * 16], pa.uuid())}), path)
    refused(path, "`key` is an extension type")
