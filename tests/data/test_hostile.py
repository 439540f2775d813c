"""Files that no reader should be given: each is read right, or refused with a reason."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import numpy as np
import pytest

from danlu.core.errors import DataError, PlanError
from danlu.core.plan import make_plan
from danlu.data import ReadOptions, examine, read
from danlu.data.traps import find_traps


def refused(source: object, *parts: str, **options: object) -> None:
    with pytest.raises(DataError) as caught:
        read(source, ReadOptions(**options))  # type: ignore[arg-type]
    assert caught.value.remedy
    for part in parts:
        assert part in str(caught.value)


@pytest.mark.parametrize("width", [1000, pytest.param(10_000, marks=pytest.mark.slow)])
def test_ten_thousand_columns(tmp_path: Path, width: int) -> None:
    path = tmp_path / "t.csv"
    rows = [[f"c{i}" for i in range(width)], *[[str(j * i % 101) for i in range(width)] for j in range(20)]]
    path.write_text("\n".join(",".join(row) for row in rows) + "\n")
    raw = read(path)
    plan = make_plan(target="c7")
    examined = examine(raw, plan)
    assert (raw.rows, len(raw.names)) == (20, width)
    assert len(examined.schema.columns) + len(examined.schema.left_out) == width - 1
    assert find_traps(examined, plan) == ()


def test_a_hundred_thousand_categories(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("key,y\n" + "".join(f"k{i % 100_000},{i % 7}\n" for i in range(250_000)))
    examined = examine(read(path), make_plan(target="y", task="regression"))
    assert len(examined.schema.columns[0].levels) == 100_000


@pytest.mark.parametrize("quoted", [False, True])
def test_a_cell_of_ten_megabytes(tmp_path: Path, quoted: bool) -> None:
    path = tmp_path / "t.csv"
    cell = '"' + "x,\n" * 3_400_000 + '"' if quoted else "x" * 10_200_000
    path.write_text("a,y\n1,2\n" + cell + ",3\n4,5\n")
    raw = read(path)
    assert raw.rows == 3
    assert len(raw.arrow["a"][1].as_py()) == 10_200_000
    assert raw.arrow["y"].to_pylist() == [2, 3, 5]


def test_numbers_beyond_all_floats_are_refused_by_their_row(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("x,y\n1,2\n1e400,3\n5,7\n")
    for target in ("x", "y"):
        with pytest.raises(DataError, match="numbers must be finite, row 2 of column `x` has inf"):
            examine(read(path), make_plan(target=target))


def test_names_like_paths_formulas_and_markup_stay(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    names = ["../../etc/passwd", "a\\b", "=1+1", "<script>alert(1)</script>", "@SUM(A1)", "y"]
    path.write_text(
        ",".join(names) + "\n" + "".join(f"{i % 3},{i % 5},{i % 7},{i % 4},{i % 11},{i}\n" for i in range(40))
    )
    examined = examine(read(path), make_plan(target="y"))
    assert [column.name for column in examined.schema.columns] == names[:-1]


def test_folders_devices_and_paths_that_are_none(tmp_path: Path) -> None:
    refused(tmp_path, "it is a folder")
    refused(tmp_path / "no" / "t.csv", "there is no folder")
    refused("/dev/zero", "it is a device")
    refused("x" * 5000, "must be")
    refused("a\0b.csv", "must be a file")
    (tmp_path / "loop.csv").symlink_to(tmp_path / "loop.csv")
    refused(tmp_path / "loop.csv", "loop.csv must be")


def test_a_named_pipe_is_read_to_its_end(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "t.csv")
    writer = threading.Thread(target=lambda: (tmp_path / "t.csv").write_text("a,b\n" + "1,2\n" * 50_000))
    writer.start()
    assert read(tmp_path / "t.csv").rows == 50_000
    writer.join()
    os.mkfifo(tmp_path / "t.parquet")
    refused(tmp_path / "t.parquet", "it is a pipe", "Save it to a file")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission(tmp_path: Path) -> None:
    for name in ("t.csv", "t.parquet", "t.xlsx"):
        (tmp_path / name).write_text("a,b\n1,2\n")
        (tmp_path / name).chmod(0)
        refused(tmp_path / name, "permission denied")


def test_a_file_that_grows_while_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(b"a,b\n" + b"1,2\n" * 8_000_000)
    over = threading.Event()

    def grow() -> None:
        with path.open("ab", buffering=0) as file:
            while not over.is_set():
                file.write(b"3,4\n")

    def tried() -> str:
        try:
            read(path)
        except DataError as error:
            return str(error)
        return ""

    writer = threading.Thread(target=grow)
    writer.start()
    try:  # the writer may not get its turn while the file is read: then nothing changed, and all is well
        said = next((said for said in (tried() for _ in range(30)) if said), "never refused")
        assert "must not change while it is read" in said
        assert "copy it first" in said
    finally:
        over.set()
        writer.join()
    assert read(path).rows > 8_000_000


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_wide_encodings_with_and_without_a_mark(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes("城市,price\n北京,1.5\nKöln,2.5\n".encode(encoding))
    raw = read(path)
    assert raw.arrow.to_pydict() == {"城市": ["北京", "Köln"], "price": [1.5, 2.5]}
    assert any(note.topic == "encoding" for note in raw.notes)


def test_one_line_that_is_no_utf8_does_not_turn_the_others_into_rubbish(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    lines = [f"Köln {i},{i}".encode() for i in range(40)]
    lines[20] = "Köln,20".encode("latin-1")
    path.write_bytes(b"city,n\n" + b"\n".join(lines))
    refused(path, "must be text in UTF-8", "line 22", "latin-1")
    assert read(path, ReadOptions(encoding="latin-1")).rows == 40


@pytest.mark.parametrize("encoding", ["rot13", "base64", "zip", "no-such", "undefined"])
def test_encodings_that_are_none(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "t.csv").write_text("a,b\n1,2\n3,4\n")
    with pytest.raises(PlanError, match="`encoding` must be one that Python knows"):
        read(tmp_path / "t.csv", ReadOptions(encoding=encoding))


@pytest.mark.parametrize(
    ("cells", "first", "note"),
    [
        (["Jan 5, 2020", "Mar 7, 2021"], "2020-01-05", "dates written as Jan 5, 2020"),
        (["05-Mar-2020", "17-Apr-2020"], "2020-03-05", "dates written as"),
        (["3/25/20", "4/1/20"], "2020-03-25", "read with month first"),
        (["25.03.20", "26.03.20"], "2020-03-25", "read with day first"),
        (["2020-01-05", "25.01.2020"], "2020-01-05", "read with day first"),
        (["3/25/2020 1:05 PM", "3/26/2020 12:00 AM"], "2020-03-25T13:05", "read with month first"),
        (
            ["2020-01-05T10:00:00+02:00", "2020-01-06 10:00:00"],
            "2020-01-05T08:00",
            "those without a zone are taken for UTC",
        ),
        (["Mon, 06 Jan 2020 10:00:00 GMT", "Tue, 07 Jan 2020 10:00:00 GMT"], "2020-01-06T10:00", "turned to UTC"),
    ],
)
def test_dates_in_many_forms(cells: list[str], first: str, note: str) -> None:
    examined = examine(read({"when": cells * 10, "y": list(range(20))}), make_plan(target="y"))
    (column,) = examined.table.columns
    assert column.kind == "date"
    assert column.values[0] == np.datetime64(first, "s").astype(np.int64)
    assert any(note in said.text for said in examined.notes)


@pytest.mark.parametrize(
    "cells", [["1.2.3", "1.10.4"], ["01/02/2020", "03/04/2020"], ["Apple 5, 2020", "Pear 6, 2020"]]
)
def test_what_may_be_no_date_stays_a_category(cells: list[str]) -> None:
    examined = examine(read({"when": cells * 10, "y": list(range(20))}), make_plan(target="y"))
    assert examined.table.columns[0].kind == "category"
