"""Excel workbooks, written by openpyxl."""

from __future__ import annotations

import datetime
import zipfile
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from danlu.core.errors import DataError
from danlu.data import RawTable, ReadOptions, read, workbook

DAY, MOMENT = datetime.date(2024, 1, 2), datetime.datetime(2024, 1, 2, 3, 4)


def save(path: Path, **sheets: list[list[Any]]) -> Path:
    book = openpyxl.Workbook()
    book.remove(book.worksheets[0])
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
    book.save(path)
    return path


def refused(path: Path, *parts: str, **options: Any) -> None:
    with pytest.raises(DataError) as caught:
        read(path, ReadOptions(**options))
    assert caught.value.fact
    assert caught.value.remedy
    for part in parts:
        assert part in str(caught.value)


def said(raw: RawTable, topic: str) -> str:
    return "; ".join(note.text for note in raw.notes if note.topic == topic)


def test_cells_keep_their_types(tmp_path: Path) -> None:
    rows = [
        ["n", "x", "s", "b", "day", "moment", "time", "took"],
        [1, 1.5, "a", True, DAY, MOMENT, datetime.time(3, 4), datetime.timedelta(hours=30)],
        [None, 2, None, False, None, DAY, None, None],
        [3, None, "c", None, DAY, None, datetime.time(5), datetime.timedelta(seconds=1.5)],
    ]
    raw = read(save(tmp_path / "t.xlsx", s=rows))
    midnight = datetime.datetime(2024, 1, 2)
    assert raw.arrow.to_pydict() == {
        "n": [1, None, 3],
        "x": [1.5, 2.0, None],
        "s": ["a", None, "c"],
        "b": [True, False, None],
        "day": raw.arrow["day"].to_pylist(),
        "moment": [MOMENT, midnight, None],
        "time": [datetime.time(3, 4), None, datetime.time(5)],
        "took": [108000.0, None, 1.5],
    }
    assert raw.arrow["day"].to_pylist() in ([DAY, None, DAY], [midnight, None, midnight])
    assert str(raw.arrow.schema.field("n").type) == "int64"
    assert said(raw, "format") == "Excel workbook, first row is the header"


def test_text_that_is_numbers_codes_and_marks(tmp_path: Path) -> None:
    rows = [["a", "zip", "m", "mixed"], ["1", "05", 1, 1], ["2.5", "12", "NA", "x"], [None, "7", "-", 2.5]]
    raw = read(save(tmp_path / "t.xlsx", s=rows))
    assert raw.arrow.to_pydict() == {
        "a": [1.0, 2.5, None],
        "zip": ["05", "12", "7"],
        "m": [1, None, None],
        "mixed": ["1", "x", "2.5"],
    }
    assert "`m`" in said(raw, "missing")


def test_margins_are_trimmed_and_no_header_is_needed(tmp_path: Path) -> None:
    rows = [[], [None, None, None], [None, 1, "x"], [], [None, 2, "y"]]
    raw = read(save(tmp_path / "t.xlsx", s=rows))
    assert raw.arrow.to_pydict() == {"c1": [1, 2], "c2": ["x", "y"]}
    assert not raw.header


def test_sheets(tmp_path: Path) -> None:
    path = save(tmp_path / "t.xlsx", first=[["a"], [1]], second=[["b"], [2]], third=[[]])
    raw = read(path)
    assert raw.names == ("a",)
    assert "`second`, `third` not read" in said(raw, "sheet")
    assert read(path, ReadOptions(sheet="second")).names == ("b",)
    assert read(path, ReadOptions(sheet="2")).names == ("b",)
    assert read(path, ReadOptions(sheet=2)).names == ("b",)
    refused(path, "Did you mean `second`?", sheet="secnd")
    refused(path, "`sheet` must be one of", sheet=4)
    refused(path, "it is empty", sheet="third")


def test_error_cells_are_missing(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    sheet = book.worksheets[0]
    for row in (["a", "b"], [1, 2], [2, None]):
        sheet.append(row)
    sheet["B3"].value, sheet["B3"].data_type = "#DIV/0!", "e"
    book.save(tmp_path / "t.xlsx")
    assert read(tmp_path / "t.xlsx").arrow.to_pydict() == {"a": [1, 2], "b": [2, None]}


def test_names_and_rows(tmp_path: Path) -> None:
    refused(save(tmp_path / "t.xlsx", s=[["a", "a"], [1, 2]]), "`a` is the name of columns 1, 2 in row 1")
    refused(save(tmp_path / "t.xlsx", s=[["a", None, "b"], [1, 2, 3]]), "column 2 has none")
    refused(save(tmp_path / "t.xlsx", s=[["a", "b"]]), "rows below its header")


def test_broken_locked_and_old(tmp_path: Path) -> None:
    path = save(tmp_path / "t.xlsx", s=[["a"], [1]])
    whole = path.read_bytes()
    for broken in (whole[: len(whole) // 2], b"a,b\n1,2\n"):
        path.write_bytes(broken)
        refused(path, "must be a whole Excel workbook")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("hello.txt", "not a workbook")
    refused(path, "must be a whole Excel workbook")
    path.write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600))
    refused(path, "an old .xls or a locked one")


def test_zip_bomb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workbook, "_MOST_BYTES", 1 << 10)
    refused(save(tmp_path / "t.xlsx", s=[["a"], [1]]), "must unpack to at most")
