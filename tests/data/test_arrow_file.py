"""Feather and Arrow IPC files."""

from __future__ import annotations

import datetime
import decimal
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.feather
import pytest

from danlu.core.errors import DataError
from danlu.data import RawTable, read


def refused(path: Path, *parts: str) -> None:
    with pytest.raises(DataError) as caught:
        read(path)
    assert caught.value.fact
    assert caught.value.remedy
    for part in parts:
        assert part in str(caught.value)


def said(raw: RawTable, topic: str) -> str:
    return "; ".join(note.text for note in raw.notes if note.topic == topic)


def written(path: Path, table: pa.Table, *, stream: bool = False) -> Path:
    make = pa.ipc.new_stream if stream else pa.ipc.new_file
    with pa.OSFile(str(path), "wb") as file, make(file, table.schema) as writer:
        writer.write_table(table)
    return path


def test_pandas_and_polars(tmp_path: Path) -> None:
    frame = pd.DataFrame({"a": [1.5, None], "c": pd.Categorical(["x", "y"])}, index=[5, 9])
    frame.reset_index(drop=True).to_feather(tmp_path / "t.feather")
    assert read(tmp_path / "t.feather").arrow.to_pydict() == {"a": [1.5, None], "c": ["x", "y"]}
    pl.DataFrame({"a": [1, 2], "s": pl.Series(["x", "y"], dtype=pl.Categorical)}).write_ipc(tmp_path / "t.arrow")
    assert read(tmp_path / "t.arrow").arrow.to_pydict() == {"a": [1, 2], "s": ["x", "y"]}


@pytest.mark.parametrize("packed", ["lz4", "zstd", "uncompressed"])
def test_packed(tmp_path: Path, packed: str) -> None:
    pyarrow.feather.write_feather(pa.table({"a": [1] * 1000}), str(tmp_path / "t.feather"), compression=packed)
    assert read(tmp_path / "t.feather").rows == 1000


def test_the_stream_form(tmp_path: Path) -> None:
    assert read(written(tmp_path / "t.arrow", pa.table({"a": [1, 2]}), stream=True)).arrow.to_pydict() == {"a": [1, 2]}


def test_types(tmp_path: Path) -> None:
    moment = datetime.datetime(2024, 1, 2, 3, 4, tzinfo=datetime.UTC)
    table = pa.table(
        {
            "dictionary": pa.array(["u", "v"]).dictionary_encode(),
            "numbers": pa.array([7, 8]).dictionary_encode(),
            "decimal": pa.array([decimal.Decimal("1.25"), None], pa.decimal128(38, 2)),
            "zoned": pa.array([moment, None], pa.timestamp("ms", "Europe/Berlin")),
            "null": pa.nulls(2),
            "large": pa.array([2**63 - 1, -(2**63)]),
            "wide": pa.array([2**64 - 1, 1], pa.uint64()),
            "unsigned": pa.array([2**63 - 1, 1], pa.uint64()),
            "half": pa.array([0.5, float("nan")], pa.float16()),
        }
    )
    raw = read(written(tmp_path / "t.arrow", table))
    assert raw.arrow["dictionary"].to_pylist() == ["u", "v"]
    assert raw.arrow["numbers"].to_pylist() == [7, 8]
    assert raw.arrow["decimal"].to_pylist() == [1.25, None]
    assert raw.arrow["zoned"].to_pylist() == [moment, None]
    assert str(raw.arrow["null"].type) == "null"
    assert raw.arrow["large"].to_pylist() == [2**63 - 1, -(2**63)]
    assert raw.arrow["wide"].to_pylist() == [str(2**64 - 1), "1"]
    assert raw.arrow["unsigned"].to_pylist() == [2**63 - 1, 1]
    assert raw.arrow["half"].to_pylist() == [0.5, None]
    assert said(raw, "codes") == "`wide` kept as text: whole numbers above 2^63"


def test_broken(tmp_path: Path) -> None:
    path = written(tmp_path / "t.arrow", pa.table({"a": list(range(1000)), "s": ["x"] * 1000}))
    whole = path.read_bytes()
    for broken in (whole[: len(whole) // 2], whole[:-6], b"a,b\n1,2\n", whole[:9], b"ARROW1"):
        path.write_bytes(broken)
        refused(path, "must be a whole Arrow file")


def test_offsets_that_lead_out_of_the_file_are_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "t.arrow", pa.table({"s": ["a", "b", "c"]}))
    offsets, wrong = (np.array([0, 1, 2, end], "<i4").tobytes() for end in (3, 2**30))
    whole = path.read_bytes()
    assert whole.count(offsets) == 1
    path.write_bytes(whole.replace(offsets, wrong))
    refused(path, "must be a whole Arrow file")


def test_nested_extension_and_old(tmp_path: Path) -> None:
    refused(written(tmp_path / "t.arrow", pa.table({"a": [1], "tags": [["x"]]})), "`tags` is nested")
    key = pa.array([b"0" * 16], pa.uuid())
    refused(written(tmp_path / "t.arrow", pa.table({"a": [1], "key": key})), "`key` is an extension type")
    (tmp_path / "old.feather").write_bytes(b"FEA1" + bytes(100))
    refused(tmp_path / "old.feather", "it is of version 1")
    (tmp_path / "t.csv").write_bytes((tmp_path / "t.arrow").read_bytes())
    refused(tmp_path / "t.csv", "it looks like an Arrow file", "end in .arrow")
