"""Where a table begins: lines before it, comments, headers of two rows; and that no row of data is taken for one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import openpyxl
import pytest

from danlu.core.errors import DataError, PlanError
from danlu.data import RawTable, ReadOptions, read
from danlu.data.text import read_text

BODY = "".join(f"{i},{i * 2.5},{'ab'[i % 2]}\n" for i in range(12))


def text(words: str, **options: Any) -> RawTable:
    return read_text(words.encode(), "t.csv", ReadOptions(**options))


def said(raw: RawTable, topic: str) -> str:
    return "; ".join(note.text for note in raw.notes if note.topic == topic)


@pytest.mark.parametrize(
    "before",
    [
        "Report of sales\nMade 2020-01-01\n\n",
        "Report of sales,,\n,,\n",
        "# made by hand\n# with, as many, cells\n",
        "sep=,\n",
        '"sep=,"\r\n',
        "# first\nThen a title\n",
    ],
)
def test_lines_before_a_sure_header_are_left_out_and_said(before: str) -> None:
    raw = text(before + "x,y,z\n" + BODY)
    assert (raw.names, raw.rows) == (("x", "y", "z"), 12)
    assert raw.arrow["x"].to_pylist() == list(range(12))
    assert said(raw, "before") or said(raw, "rows")
    with pytest.raises(DataError, match=f"line {len(before.splitlines()) + 14} has 2"):
        text(before + "x,y,z\n" + BODY + "1,2\n")


def test_excels_own_line_names_the_delimiter() -> None:
    raw = text("sep=;\na;b,c\n1;2\n3;4\n")
    assert raw.names == ("a", "b,c")
    assert "'sep=;'" in said(raw, "before")


@pytest.mark.parametrize(
    ("words", "rows"),
    [
        ("#one,5\n#two,6\n#three,7\n", 3),  # tags in a column without a header
        ("only\n1,2\n3,4\n", None),  # a header that is too short
        (",5\n,6\nx,7\ny,8\n", 4),
    ],
)
def test_rows_of_data_are_never_taken_for_lines_before_the_table(words: str, rows: int | None) -> None:
    if rows is None:
        with pytest.raises(DataError, match="line 2 has 2"):
            text(words)
    else:
        assert text(words).rows == rows


def test_lines_can_be_named() -> None:
    words = "one title\nx,y\n1,2\n3,4\n"
    assert text(words, skip_lines=1).names == ("x", "y")
    assert text("x,y\np,q\n1,2\n", skip_lines=1).names == ("p", "q")
    assert "as" not in said(text("x,y\n1,2\n3,4\n", skip_lines=0), "before")
    with pytest.raises(PlanError, match="`skip_lines` must leave lines of the table, got 9 of 2"):
        text("x,y\n1,2\n", skip_lines=9)


def test_a_header_of_two_rows_is_joined(tmp_path: Path) -> None:
    raw = text("Size,,Place,\nx,y,x,y\n" + "".join(f"{i},{i},{i},{i}\n" for i in range(5)))
    assert raw.names == ("Size x", "Size y", "Place x", "Place y")
    assert raw.rows == 5
    assert said(raw, "header").startswith("two rows joined")
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.append(["A report"])
    sheet.append([])
    sheet.append(["Size", None, "Place", None])
    sheet.merge_cells("A3:B3")
    sheet.merge_cells("C3:D3")
    sheet.append(["x", "y", "x", "y"])
    for i in range(5):
        sheet.append([i, i * 2, str(i), "=1/0"])
    book.save(tmp_path / "t.xlsx")
    raw = read(tmp_path / "t.xlsx")
    assert raw.names == ("Size x", "Size y", "Place x", "Place y")
    assert raw.arrow["Size y"].to_pylist() == [0, 2, 4, 6, 8]
    assert raw.arrow["Place x"].to_pylist() == [0, 1, 2, 3, 4]
    assert "1 row before the table left out" in said(raw, "before")


def test_rows_that_end_in_a_delimiter_more_than_the_header() -> None:
    raw = text("x,y\n1,2,\n3,4,\n")
    assert (raw.names, raw.rows) == (("x", "y"), 2)
    with pytest.raises(DataError, match="column 3 has none"):
        text("x,y\n" + "1,2,\n" * 500 + "3,4,5\n")


@pytest.mark.parametrize("cell", ["#DIV/0!", "#N/A", "#VALUE!", "#REF!"])
def test_a_spreadsheets_errors_are_missing(cell: str) -> None:
    raw = text(f"x,y\n1,2\n{cell},4\n")
    assert raw.arrow["x"].to_pylist() == [1, None]
    assert "missing in `x`" in said(raw, "missing")
