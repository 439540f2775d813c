"""Where tables come from, and what is refused at the door."""

from __future__ import annotations

import gzip
import io
import os
import sys
import tempfile
from pathlib import Path

import pyarrow as pa
import pytest

from danlu.core.errors import DataError
from danlu.core.plan import make_plan
from danlu.data import RawTable, ReadOptions, read
from danlu.data import source as sources


def refused(source: object, *parts: str) -> None:
    with pytest.raises(DataError) as caught:
        read(source)
    assert caught.value.rule
    assert caught.value.fact
    assert caught.value.remedy
    for part in parts:
        assert part in str(caught.value)


# rows x columns of shared/data/MANIFEST.md
TABLES = {
    "california_housing.csv.gz": (20640, 10),
    "ames_housing.csv.gz": (2930, 82),
    "diamonds.csv.gz": (53940, 10),
    "bike_sharing_hour.csv.gz": (17379, 17),
    "nyc_flights_100k.parquet": (100000, 19),
    "adult.data.gz": (32561, 15),
    "adult.test.gz": (16281, 15),
    "bank_marketing_full.csv.gz": (45211, 17),
    "bank_marketing_additional_full.csv.gz": (41188, 21),
    "telco_churn.csv.gz": (7043, 21),
    "titanic.csv.gz": (891, 12),
    "diabetes130_hospital.csv.gz": (101766, 50),
    "wine_quality_white.csv.gz": (4898, 12),
    "kddcup99_10_percent.data.gz": (494021, 42),
    "derived/beijing_air_quality.parquet": (420768, 19),
}


@pytest.mark.parametrize("name", TABLES)
def test_real_tables_have_the_rows_and_columns_of_the_manifest(name: str, shared_data: Path) -> None:
    raw = read(shared_data / "tables" / name)
    assert (raw.rows, len(raw.names)) == TABLES[name]
    assert raw.header == (not name.startswith(("adult", "kdd")))


def test_beijing_stations(shared_data: Path) -> None:
    shapes = [(raw.rows, len(raw.names)) for raw in map(read, sorted((shared_data / "tables").glob("beijing*/*.gz")))]
    assert shapes == [(35064, 18)] * 12


def test_missing_cells_of_real_tables(shared_data: Path) -> None:
    tables = shared_data / "tables"
    adult = read(tables / "adult.data.gz").arrow
    assert sum(column.null_count for column in adult.columns) == 4262
    assert sum(column.null_count for column in read(tables / "adult.test.gz").arrow.columns) == 2203
    assert read(tables / "telco_churn.csv.gz").arrow["TotalCharges"].null_count == 11
    assert read(tables / "california_housing.csv.gz").arrow["total_bedrooms"].null_count == 207
    ames = read(tables / "ames_housing.csv.gz").arrow
    assert ames["PID"][0].as_py() == "0526301100"
    assert "None" in ames["Mas Vnr Type"].to_pylist()


def test_uci_tables_aligned_with_blanks(shared_data: Path) -> None:
    shapes = {path.parent.name: read(path) for path in (shared_data / "uci-regression").glob("*/data.txt")}
    assert {name: (raw.rows, len(raw.names)) for name, raw in shapes.items()} == {
        "bostonHousing": (506, 14),
        "concrete": (1030, 9),
        "energy": (768, 9),
        "protein-tertiary-structure": (45730, 10),
        "wine-quality-red": (1599, 12),
        "yacht": (308, 7),
    }


@pytest.mark.parametrize("name", ["california", "danlu:california"])
def test_the_embedded_table(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    raw = read(name)
    assert (raw.rows, len(raw.names), raw.source) == (20640, 10, "danlu:california")
    Path("california").write_text("a,b\n1,2\n")
    assert read("california").rows == 1


@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz", "t.data", "t"])
def test_gzip_is_known_by_its_content(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(gzip.compress(b"a,b\n1,2\n"))
    assert read(path).arrow.to_pydict() == {"a": [1], "b": [2]}
    path.write_bytes(b"a,b\n1,2\n")
    assert read(str(path)).rows == 1


def test_tsv_promises_tabs(tmp_path: Path) -> None:
    for name in ("t.tsv", "t.tsv.gz"):
        data = b"a\tb\n1,5\t2,5\n"
        (tmp_path / name).write_bytes(gzip.compress(data) if name.endswith("gz") else data)
        assert read(tmp_path / name).arrow.to_pydict() == {"a": [1.5], "b": [2.5]}


def test_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(gzip.compress(b"a;b\n1;2\n"))))
    raw = read("-")
    assert (raw.names, raw.source) == (("a", "b"), "standard input")


def test_options_come_from_the_plan(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("1\t2\n-1\t3\n")
    options = ReadOptions.from_plan(make_plan(delimiter="tab", header=False, missing="-1"))
    assert read(tmp_path / "t.csv", options).arrow.to_pydict() == {"c1": [1, None], "c2": [2, 3]}


def test_take() -> None:
    raw = RawTable(pa.table({"a": [1, 2, 3]}), "t")
    assert raw.take([2, 0]).arrow.to_pydict() == {"a": [3, 1]}  # type: ignore[arg-type]


def test_no_such_file(tmp_path: Path) -> None:
    (tmp_path / "houses.csv").write_text("a\n1\n")
    refused(tmp_path / "house.csv", "no such file", "Did you mean `houses.csv`?")
    refused(tmp_path / "nowhere" / "house.csv", "no folder")
    (tmp_path / "houses.csv").unlink()
    refused(tmp_path / "house.csv", "The folder is empty.")


def test_folder_and_empty_file(tmp_path: Path) -> None:
    refused(tmp_path, "it is a folder")
    for name in ("t.csv", "t.parquet", "t.xlsx"):
        (tmp_path / name).touch()
        refused(tmp_path / name, "it is empty")
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress(b""))
    refused(tmp_path / "t.csv.gz", "it is empty")


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
def test_permission_denied() -> None:
    """Root may read everything, so it becomes nobody for a moment."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        paths = [Path(folder) / name for name in ("t.csv", "t.parquet", "t.xlsx")]
        for path in paths:
            path.write_text("a,b\n1,2\n")
            path.chmod(0)
        user = os.geteuid()
        os.seteuid(user or 65534)
        try:
            for path in paths:
                refused(path, "permission denied")
        finally:
            os.seteuid(user)


def test_names_that_no_system_takes() -> None:
    refused("x" * 5000, "file name too long")


@pytest.mark.parametrize("magic", sources._MAGIC)
def test_binary_called_csv(magic: bytes, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(magic + b"\0\1\2,\n" * 9)
    refused(path, "it looks like " + sources._MAGIC[magic][0])
    path.write_bytes(gzip.compress(path.read_bytes()))
    refused(path, "it looks like")


def test_unknown_binary(tmp_path: Path) -> None:
    path = tmp_path / "t.bin"
    path.write_bytes(bytes(range(256)) * 8)
    refused(path, "must be text")


def test_broken_gzip(tmp_path: Path) -> None:
    path = tmp_path / "t.csv.gz"
    whole = gzip.compress(b"a,b\n" + b"1,2\n" * 10000)
    for broken in (whole[:-20], whole[:60] + b"xxxx" + whole[64:], b"\x1f\x8bnothing at all"):
        path.write_bytes(broken)
        refused(path, "must be a whole gzip file")


def test_gzip_bomb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "_BOMB_BYTES", 1 << 20)
    path = tmp_path / "t.csv.gz"
    path.write_bytes(gzip.compress(b"0" * (1 << 25)))
    refused(path, "200 times its size")
