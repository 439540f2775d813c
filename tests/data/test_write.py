"""Written tables: read back by others, whole or not at all."""

from __future__ import annotations

import csv
import datetime
import gzip
import io
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from danlu.core.errors import DataError, OutputError
from danlu.data import read, write

COLUMNS = {
    "prediction": np.array([1.5, np.nan, 0.1 + 0.2]),
    "label": ["a,b", 'q"u', "line\nend"],
    "class": np.array([1, 2, 3]),
}


@pytest.mark.parametrize(
    "name",
    [
        "t.csv",
        "t.tsv",
        "t.csv.gz",
        "t.tsv.gz",
        "t.parquet",
        "t.txt",
        "t.jsonl",
        "t.jsonl.gz",
        "t.ndjson",
        "t.feather",
        "t.arrow",
    ],
)
def test_read_back(name: str, tmp_path: Path) -> None:
    write(tmp_path / name, COLUMNS)
    assert read(tmp_path / name).arrow.to_pydict() == {
        "prediction": [1.5, None, 0.1 + 0.2],
        "label": ["a,b", 'q"u', "line\nend"],
        "class": [1, 2, 3],
    }
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_json_lines_hold_what_json_can(tmp_path: Path) -> None:
    day = np.array(["2024-01-02", "NaT"], dtype="datetime64[s]")
    write(tmp_path / "t.jsonl", {"x": np.array([np.nan, np.inf]), "s": ["=1+1", "北京"], "day": day})
    assert (tmp_path / "t.jsonl").read_text(encoding="utf-8") == (
        '{"x": null, "s": "=1+1", "day": "2024-01-02T00:00:00"}\n{"x": null, "s": "北京", "day": null}\n'
    )


def test_plain_words_are_not_quoted(tmp_path: Path) -> None:
    write(tmp_path / "t.csv", {"prediction": np.array([2.0, 1e-9]), "label": ["yes", "no"]})
    assert (tmp_path / "t.csv").read_text() == "prediction,label\n2,yes\n1e-9,no\n"
    write(tmp_path / "t.tsv", {"a": ["x\ty", "z,"]})
    assert (tmp_path / "t.tsv").read_text() == 'a\n"x\ty"\nz,\n'


CELL = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]) | st.sampled_from(' ,"\n\r'), max_size=6)


@settings(max_examples=60, deadline=None)
@given(rows=st.lists(st.tuples(CELL, CELL), max_size=8))
def test_texts_come_back_through_the_csv_module(
    rows: list[tuple[str, str]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("w") / "t.csv"
    cells = [(f"x{a}", f"x{b}") for a, b in rows]
    write(path, {"a": [a for a, _ in cells], "b": [b for _, b in cells]})
    with path.open(newline="", encoding="utf-8") as file:
        assert [tuple(row) for row in csv.reader(file)] == [("a", "b"), *cells]


def test_a_lone_empty_cell_keeps_its_row(tmp_path: Path) -> None:
    write(tmp_path / "t.csv", {"a": ["x", "", "y"]})
    assert read(tmp_path / "t.csv").arrow.to_pydict() == {"a": ["x", None, "y"]}


def test_formulas_become_text(tmp_path: Path) -> None:
    risky = ["=1+1", "+cmd", "-x", "@sum", "\tx", "\r=x"]
    numbers = ["-5", "+1.5e3", "-.5"]
    path = tmp_path / "t.csv"
    write(path, {"=name": risky + numbers, "n": -np.arange(9)})
    with path.open(newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["'=name", "n"]
    assert [row[0] for row in rows[1:]] == ["'" + cell for cell in risky] + numbers
    assert rows[-1][1] == "-8"
    write(tmp_path / "t.parquet", {"a": risky})
    assert read(tmp_path / "t.parquet").arrow["a"].to_pylist() == risky


def test_labels_of_classes_are_written_as_they_are(tmp_path: Path) -> None:
    labels = ["=1+1", "-", "+", "<script>", "@home", "a,b"]
    write(tmp_path / "t.csv", {"prediction": labels, "other": labels}, exact=("prediction",))
    with (tmp_path / "t.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["prediction"] for row in rows] == labels
    assert [row["other"] for row in rows] == ["'=1+1", "'-", "'+", "<script>", "'@home", "a,b"]


def test_kept_columns_come_first(tmp_path: Path) -> None:
    keep = read({"id": ["007", "008"], "when": [datetime.datetime(2024, 1, 2), None], "z": [1, 2]})
    write(tmp_path / "t.csv", {"p": np.array([1.0, 2.0])}, keep, ["id", "when"])
    assert (tmp_path / "t.csv").read_text().splitlines()[0] == "id,when,p"
    assert pd.read_csv(tmp_path / "t.csv", dtype={"id": str})["id"].tolist() == ["007", "008"]
    with pytest.raises(DataError, match="Did you mean `id`"):
        write(tmp_path / "u.csv", {"p": np.array([1.0, 2.0])}, keep, ["Id"])
    with pytest.raises(OutputError, match="`z` comes twice"):
        write(tmp_path / "u.csv", {"z": np.array([1.0, 2.0])}, keep, ["z"])


def test_standard_output(monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(out))
    write("-", {"a": np.array([1, 2])})
    assert out.getvalue() == b"a\n1\n2\n"


def test_gzip_does_not_depend_on_the_time(tmp_path: Path) -> None:
    for name in ("a.csv.gz", "b.csv.gz"):
        write(tmp_path / name, COLUMNS)
    assert (tmp_path / "a.csv.gz").read_bytes() == (tmp_path / "b.csv.gz").read_bytes()
    assert gzip.decompress((tmp_path / "a.csv.gz").read_bytes()).startswith(b"prediction,")


def test_permissions_follow_the_umask(tmp_path: Path) -> None:
    old = os.umask(0o027)
    try:
        write(tmp_path / "t.csv", COLUMNS)
    finally:
        os.umask(old)
    assert (tmp_path / "t.csv").stat().st_mode & 0o777 == 0o640


def refused(path: Path, part: str, *, force: bool = False) -> None:
    with pytest.raises(OutputError, match=part) as caught:
        write(path, COLUMNS, force=force)
    assert caught.value.exit_code == 5
    assert caught.value.remedy


def test_what_exists_stays(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("old")
    refused(path, "must not exist yet")
    assert path.read_text() == "old"
    write(path, COLUMNS, force=True)
    assert path.read_text().startswith("prediction")


def test_folders(tmp_path: Path) -> None:
    refused(tmp_path, "it is a folder", force=True)
    refused(tmp_path / "nowhere" / "t.csv", "there is no")


def test_full_disk_leaves_the_old_file_whole(tmp_path: Path) -> None:
    """A limit on the size of files stands for a disk that fills up while the table is written."""
    path = tmp_path / "t.csv"
    path.write_text("old")
    code = """
import resource, signal, sys
import numpy as np
from danlu.core.errors import OutputError
from danlu.data import write
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000))
for name in sys.argv[1:]:
    try:
        write(name, {"a": np.random.default_rng(0).random(100000)}, force=True)
    except OutputError as error:
        print(error)
"""

    targets = [str(path), str(tmp_path / "t.parquet"), str(tmp_path / "t.csv.gz")]
    done = subprocess.run([sys.executable, "-c", code, *targets], capture_output=True, text=True, check=True)
    assert done.stdout.count("file too large") == 3, done.stdout + done.stderr
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["t.csv"]
