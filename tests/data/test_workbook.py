"""Excel workbooks, written by openpyxl."""

from __future__ import annotations

import datetime
import struct
import zipfile
from pathlib import Path
from typing import Any

import openpyxl
import pandas as pd
import pytest
import xlwt

from danlu.core.errors import DataError
from danlu.data import RawTable, ReadOptions, read, workbook_size

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
    refused(path, "must be a whole old Excel workbook")
    path.write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600) + "EncryptedPackage".encode("utf-16-le"))
    refused(path, "must not have a password")
    path.write_bytes(b"<html><table><tr><td>1</td></tr></table></html>")
    refused(path, "it is a web page")


def old(path: Path) -> Path:
    """Write a workbook of Excel 97 with two sheets."""
    book = xlwt.Workbook()
    sheet = book.add_sheet("first")
    for row, cells in enumerate(
        [["n", "x", "s", "b", "day", "m"], [1, 0.5, "é", True, DAY, 7], [2, None, "b", False, DAY, "q"]]
    ):
        for column, cell in enumerate(cells):
            style = (
                xlwt.easyxf(num_format_str="YYYY-MM-DD")
                if isinstance(cell, datetime.date)
                else xlwt.Style.default_style
            )
            sheet.write(row, column, cell, style)
    book.add_sheet("second").write(0, 0, "only a header")
    book.save(str(path))
    return path


def test_old_workbooks(tmp_path: Path) -> None:
    raw = read(old(tmp_path / "t.xls"))
    assert raw.arrow.drop_columns("day").to_pydict() == {
        "n": [1, 2],
        "x": [0.5, None],
        "s": ["é", "b"],
        "b": [True, False],
        "m": ["7", "q"],
    }
    assert [moment.isoformat()[:10] for moment in raw.arrow["day"].to_pylist()] == ["2024-01-02", "2024-01-02"]
    assert said(raw, "format") == "old Excel workbook, first row is the header"
    assert said(raw, "mixed") == "`m` holds numbers and text: read as text"
    assert "`second` not read" in said(raw, "sheet")
    refused(tmp_path / "t.xls", "rows below its header", sheet="second")
    (tmp_path / "t.csv").write_bytes((tmp_path / "t.xls").read_bytes())
    refused(tmp_path / "t.csv", "it looks like an old Excel workbook", "end in .xls")


def test_broken_old_workbooks(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = old(tmp_path / "t.xls")
    whole = path.read_bytes()
    for share in (0.05, 0.3, 0.6, 0.9, 0.95):
        path.write_bytes(whole[: int(share * len(whole))])
        refused(path, "must be a whole old Excel workbook")
    # The directory's chain of sectors leads back into itself: read without a limit it takes all memory.
    directory, table = (struct.unpack_from("<I", whole, place)[0] for place in (48, 76))
    endless = bytearray(whole)
    struct.pack_into("<I", endless, 512 * (1 + table) + 4 * directory, directory)
    path.write_bytes(endless)
    refused(path, "must be a whole old Excel workbook", "it is damaged")
    # The library panics on some of these, and would write a trace of Rust to standard error.
    assert capfd.readouterr().err == ""


def test_a_workbook_under_another_ending(tmp_path: Path) -> None:
    save(tmp_path / "t.xlsx", s=[["a"], [1]]).rename(tmp_path / "t.xls")
    assert read(tmp_path / "t.xls").arrow.to_pydict() == {"a": [1]}
    old(tmp_path / "o.xls").rename(tmp_path / "o.xlsx")
    assert read(tmp_path / "o.xlsx").rows == 2


def test_open_documents(tmp_path: Path) -> None:
    frame = pd.DataFrame({"n": [1, 2], "x": [0.5, None], "s": ["é", "b"], "b": [True, False], "day": [DAY, DAY]})
    frame["moment"] = [MOMENT, MOMENT]
    with pd.ExcelWriter(tmp_path / "t.ods", engine="odf") as writer:
        frame.to_excel(writer, sheet_name="first", index=False)
        frame[["x"]].to_excel(writer, sheet_name="second", index=False)
    raw = read(tmp_path / "t.ods")
    assert raw.arrow.to_pydict() == {
        "n": [1, 2],
        "x": [0.5, None],
        "s": ["é", "b"],
        "b": [True, False],
        "day": [DAY, DAY],
        "moment": [MOMENT, MOMENT],
    }
    assert said(raw, "format") == "OpenDocument spreadsheet, first row is the header"
    assert read(tmp_path / "t.ods", ReadOptions(sheet="second", header=True)).names == ("x",)
    whole = (tmp_path / "t.ods").read_bytes()
    (tmp_path / "t.ods").write_bytes(whole[: len(whole) // 2])
    refused(tmp_path / "t.ods", "must be a whole Excel workbook")


def repeated(path: Path, row: str) -> Path:
    """Write an OpenDocument spreadsheet whose only table has these rows."""
    pd.DataFrame({"a": [1]}).to_excel(path, index=False, engine="odf")
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    text = parts["content.xml"].decode()
    begin, end = text.index("<table:table-row"), text.rindex("</table:table-row>") + len("</table:table-row>")
    parts["content.xml"] = (text[:begin] + row + text[end:]).encode()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return path


CELL = '<table:table-cell office:value-type="float" office:value="1" table:number-columns-repeated="{}"/>'
ROWS = '<table:table-row table:number-rows-repeated="{}">{}</table:table-row>'
NOTHING = '<table:table-cell table:number-columns-repeated="16000"/>'


def test_few_cells_that_span_more_than_memory_holds(tmp_path: Path) -> None:
    few = repeated(tmp_path / "few.ods", ROWS.format(3, CELL.format(2)) + ROWS.format(1_000_000, NOTHING))
    assert read(few, ReadOptions(header=False)).arrow.to_pydict() == {"c1": [1, 1, 1], "c2": [1, 1, 1]}
    many = repeated(tmp_path / "many.ods", ROWS.format(1_000_000, CELL.format(1000)))
    refused(many, "a few of them span 1,000,000,000 cells")
    apart = ROWS.format(1, CELL.format(16_000)) + ROWS.format(1_000_000, NOTHING) + ROWS.format(1, CELL.format(1))
    refused(repeated(tmp_path / "apart.ods", apart), "a few of them span 16,000,032,000 cells")
    book = openpyxl.Workbook()
    book.worksheets[0]["A1"], book.worksheets[0]["XFD1048576"] = 1, 2
    book.save(tmp_path / "sparse.xlsx")
    refused(tmp_path / "sparse.xlsx", "a few of them span 17,179,869,184 cells")
    with zipfile.ZipFile(tmp_path / "sparse.xlsx") as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    # What a row is called does not bind its cells; nor need a cell's place be its first attribute.
    sheet = parts["xl/worksheets/sheet1.xml"].replace(b'<row r="1048576">', b'<row r="2">')
    parts["xl/worksheets/sheet1.xml"] = sheet.replace(b'<c r="XFD1048576" t="n">', b"<c t='n' r = 'XFD1048576'>")
    with zipfile.ZipFile(tmp_path / "hidden.xlsx", "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    refused(tmp_path / "hidden.xlsx", "a few of them span 17,179,869,184 cells")


def test_zip_bomb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workbook_size, "_MOST_BYTES", 1 << 10)
    refused(save(tmp_path / "t.xlsx", s=[["a"], [1]]), "must unpack to at most")
