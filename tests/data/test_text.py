"""Delimited text against Python's csv module, and one by one the things that readers get wrong."""

from __future__ import annotations

import csv
import io
import itertools
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from danlu.core.errors import DataError, PlanError
from danlu.data import scan as scanning
from danlu.data import text as text_module
from danlu.data.source import read
from danlu.data.table import RawTable, ReadOptions
from danlu.data.text import read_text


def text(words: str | bytes, **options: object) -> RawTable:
    data = words.encode() if isinstance(words, str) else words
    return read_text(data, "table.csv", ReadOptions(**options))  # type: ignore[arg-type]


def columns(raw: RawTable) -> dict[str, list[object]]:
    return raw.arrow.to_pydict()


def said(raw: RawTable, topic: str) -> str:
    return "; ".join(note.text for note in raw.notes if note.topic == topic)


def refused(words: str | bytes, *parts: str, **options: object) -> None:
    with pytest.raises(DataError) as caught:
        text(words, **options)
    assert caught.value.rule
    assert caught.value.fact
    assert caught.value.remedy
    for part in parts:
        assert part in str(caught.value)


CELL = st.text(
    st.characters(codec="utf-8", exclude_characters="\0\r", exclude_categories=["Cs", "Zs", "Zl", "Zp", "Cc"])
    | st.sampled_from(' ,;\t|"\n'),
    max_size=6,
).map(lambda cell: cell.strip(" "))


@settings(max_examples=80, deadline=None)
@given(
    rows=st.integers(1, 4).flatmap(lambda n: st.lists(st.lists(CELL, min_size=n, max_size=n), min_size=1, max_size=12)),
    delimiter=st.sampled_from([",", ";", "\t", "|"]),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]),
    end=st.sampled_from(["\n", "\r\n"]),
    piece=st.sampled_from([1, 7, 64]),
)
def test_cells_are_those_of_the_csv_module(
    rows: list[list[str]], delimiter: str, quoting: int, end: str, piece: int
) -> None:
    file = io.StringIO()
    writer = csv.writer(file, delimiter=delimiter, quoting=quoting, lineterminator=end)
    names = [f"name{i}" for i in range(len(rows[0]))]
    writer.writerows([names, *[[f"x{cell}" for cell in row] for row in rows]])
    expected = list(csv.reader(io.StringIO(file.getvalue(), newline=""), delimiter=delimiter))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scanning, "PIECE", piece)
        raw = text(file.getvalue(), delimiter=delimiter, quote='"', header=True, missing=("\0",))
    assert list(raw.names) == expected[0]
    assert [list(row) for row in zip(*columns(raw).values(), strict=True)] == expected[1:]


@settings(max_examples=40, deadline=None)
@given(
    rows=st.lists(
        st.tuples(st.integers(-99, 99), st.floats(-1e9, 1e9), st.sampled_from("abc")), min_size=2, max_size=30
    ),
    delimiter=st.sampled_from([",", ";", "\t", "|"]),
    header=st.booleans(),
)
def test_delimiter_and_header_are_detected(rows: list[tuple[int, float, str]], delimiter: str, header: bool) -> None:
    file = io.StringIO()
    writer = csv.writer(file, delimiter=delimiter)
    writer.writerows([("whole", "decimal", "letter")] * header + rows)
    raw = text(file.getvalue())
    assert raw.header == header
    assert raw.names == (("whole", "decimal", "letter") if header else ("c1", "c2", "c3"))
    assert list(zip(*columns(raw).values(), strict=True)) == rows


def test_what_was_detected_is_said_in_one_line() -> None:
    assert said(text("a;b\n1;x\n"), "format") == "semicolon-separated, UTF-8, first row is the header"
    assert said(text("1,x\n2,y\n"), "format") == "comma-separated, UTF-8, no header: columns are c1 to c2"


def test_options_overrule_detection() -> None:
    raw = text("a;b,c\n1;2,3\n", delimiter=",", header=False)
    assert columns(raw) == {"c1": ["a;b", "1;2"], "c2": ["c", "3"]}
    assert columns(text("a,b\n'x,y',1\n", quote="'"))["a"] == ["x,y"]
    assert columns(text('a,b\n5" pipe,1\n', quote="none"))["a"] == ['5" pipe']


@pytest.mark.parametrize("option", [{"delimiter": ";;"}, {"delimiter": "a"}, {"quote": "\n"}, {"encoding": "klingon"}])
def test_options_without_sense_are_refused(option: dict[str, str]) -> None:
    with pytest.raises(PlanError) as caught:
        text("a,b\n1,2\n", **option)
    assert caught.value.remedy


def test_columns_aligned_with_blanks() -> None:
    raw = text(" 0.5  10.0   3\n 12.25 9   44 \n")
    assert columns(raw) == {"c1": [0.5, 12.25], "c2": [10.0, 9.0], "c3": [3, 44]}


def test_blanks_around_cells_go_but_not_those_within_quotes() -> None:
    raw = text('a, b\nx y ,  "1, 2 "\n  z,"?"\n')
    assert columns(raw) == {"a": ["x y", "z"], "b": ["1, 2 ", None]}


def test_decimal_comma() -> None:
    raw = text("a;b\n1,5;x\n-2,25;y\n")
    assert columns(raw)["a"] == [1.5, -2.25]
    assert "decimal comma" in said(raw, "format")


# --- codes and numbers


@pytest.mark.parametrize("code", ["00037", "007", "-07", "0x1F", '"00037"', "00"])
def test_codes_anywhere_in_the_column_keep_it_text(code: str) -> None:
    raw = text("id,zip\n" + "1,9\n" * 5000 + f"2,{code}\n" + "3,8\n" * 5000)
    assert raw.arrow.schema.field("id").type == "int64"
    assert columns(raw)["zip"][5000] == code.strip('"')
    assert said(raw, "codes") == "`zip` kept as text: leading zeros make them codes"


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        (["0", "0.5", "00.5", "-0.25"], "double"),
        (["0", "10", "-3"], "int64"),
        (["01:30", "00:05"], "time32[s]"),
        (["2024-01-05", "0001-01-01"], "date32[day]"),
        (["2024-01-05 01:02:03", "2024-01-06 00:00:00"], "timestamp[s]"),
        (["true", "False"], "bool"),
        (["01/02/2024", "03/04/2024"], "string"),
        (["1e3", "+5"], "double"),
    ],
)
def test_what_is_no_code_is_typed(cells: list[str], kind: str) -> None:
    raw = text("key,cell\n" + "".join(f"k,{cell}\n" for cell in cells), header=True)
    assert str(raw.arrow.schema.field("cell").type) == kind
    assert not said(raw, "codes")


def test_whole_numbers_beyond_64_bits_are_not_rounded() -> None:
    raw = text("a,b\n9223372036854775807,99999999999999999999\n1,5\n")
    assert columns(raw) == {"a": [9223372036854775807, 1], "b": ["99999999999999999999", "5"]}
    assert "`b` kept as text" in said(raw, "codes")


def test_decimals_beyond_64_bits_stay_numbers() -> None:
    assert columns(text("a,b\n1e30,0.5\n123456789012345678901,1\n"))["a"] == [1e30, 123456789012345678901.0]


def test_infinities_and_overflow_stay_infinite_for_the_examination_to_refuse() -> None:
    assert columns(text("a,b\ninf,1e400\n-inf,1\n")) == {"a": [float("inf"), -float("inf")], "b": [float("inf"), 1.0]}


def test_types_are_those_of_the_whole_column_not_of_a_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scanning, "PIECE", 1 << 12)
    lines = ["1,2024-01-01,a"] * 20000
    assert str(text("\n".join(["n,d,t", *lines])).arrow.schema.field("n").type) == "int64"
    lines[7000] = "1.5,not a date,b"
    raw = text("\n".join(["n,d,t", *lines]))
    assert [str(field.type) for field in raw.arrow.schema] == ["double", "string", "string"]
    assert raw.rows == 20000


# --- missing


def test_marks_are_missing_among_numbers_and_only_the_sure_ones_in_text() -> None:
    raw = text("number,date,words\n1,2024-01-01,None\nNone,-,-\n-,NA,NA\n?,,\n#N/A,null,?\n2,2024-01-02,x\n")
    assert columns(raw)["number"] == [1, None, None, None, None, 2]
    assert raw.arrow["date"].null_count == 4
    assert columns(raw)["words"] == ["None", "-", None, None, None, "x"]
    assert "`number`, `date`, `words`" in said(raw, "missing")


def test_empty_cells_need_no_note() -> None:
    raw = text('a,b\n1,x\n,\n"",""\n')
    assert columns(raw) == {"a": [1, None, None], "b": ["x", None, None]}
    assert not said(raw, "missing")


def test_other_marks_instead_of_the_usual() -> None:
    raw = text("a,b\n-999,NA\n1,x\n2,\n", missing=("-999",))
    assert columns(raw) == {"a": [None, 1, 2], "b": ["NA", "x", None]}


def test_marks_of_one_column() -> None:
    raw = text("alley,price,zip\nNA,NA,05\nGrvl,-1,NA\n,3,06\n", missing=("alley=", "price=-1", "price=NA"))
    assert columns(raw) == {"alley": ["NA", "Grvl", None], "price": [None, None, 3], "zip": ["05", None, "06"]}
    wide = text("a,b\n99999999999999999999,1\nx1,2\n", missing=("a=x1",))
    assert columns(wide)["a"] == ["99999999999999999999", None]


def test_a_column_without_a_cell_has_the_null_type() -> None:
    assert str(text("a,b\n1,\n2,NA\n").arrow.schema.field("b").type) == "null"


# --- header and names


@pytest.mark.parametrize(
    ("words", "header"),
    [
        ("age,sex\n34,f\n27,m\n", True),
        ("name,colour\nann,red\nbob,blue\n", True),
        ("f,red\nm,blue\nf,red\n", False),
        ("34,f\n27,m\n", False),
        ("?,f\n27,m\n", False),
        ("2024-01-01,f\n2024-01-02,m\n", False),
    ],
)
def test_header_rule(words: str, header: bool) -> None:
    assert text(words).header == header


def test_comment_lines_before_the_table_are_left_out() -> None:
    raw = text("| a comment\n25, x\n38, y\n")
    assert columns(raw) == {"c1": [25, 38], "c2": ["x", "y"]}
    assert raw.skipped == 1
    assert text("#id,b\n1,2\n").names == ("#id", "b")


@pytest.mark.parametrize("name", ["", "Unnamed: 0"])
@pytest.mark.parametrize("first", [0, 1])
def test_a_data_frames_index_is_left_out(name: str, first: int) -> None:
    raw = text(f"{name},b\n{first},x\n{first + 1},y\n")
    assert raw.names == ("b",)
    assert "numbers the rows" in said(raw, "columns")


def test_empty_columns_at_the_right_are_left_out() -> None:
    raw = text("a,b,,\n1,2,,\n3,4,,\n")
    assert raw.names == ("a", "b")
    assert "2 empty columns" in said(raw, "columns")


def test_byte_order_mark_blank_lines_and_line_ends() -> None:
    raw = text("\ufeffa,b\r\n1,x\r\n\r\n2,y\r\n\r\n")
    assert columns(raw) == {"a": [1, 2], "b": ["x", "y"]}
    assert said(raw, "rows") == "1 blank line left out"
    assert columns(text("a,b\r1,x\r2,y\r")) == {"a": [1, 2], "b": ["x", "y"]}


def test_line_ends_in_cells() -> None:
    raw = text('"a\nb",c\n"x\r\ny",1\n"z",2\n')
    assert columns(raw) == {"a\nb": ["x\r\ny", "z"], "c": [1, 2]}


def test_one_row_is_read() -> None:
    assert columns(text("a,b\n1,2")) == {"a": [1], "b": [2]}


def test_a_row_longer_than_a_block() -> None:
    long = "w" * 3_000_000
    assert columns(text(f'a,b\n1,"{long}"\n2,x\n'))["b"] == [long, "x"]
    assert columns(text(long, header=False)) == {"c1": [long]}


# --- refused


def test_ragged_rows() -> None:
    refused("a,b\n1,2\n3\n4,5\n", "line 3 has 1", "must have 2 cells")
    refused("a,b\n1,2\n3,4,5\n", "line 3 has 3")
    refused('a,b\n"x\ny",2\n\n1,2,3\n', "line 5 has 3")
    refused("# made today\na,b\n1,2\n3,4,5\n", "line 4 has 3", header=True)


def test_unclosed_and_stray_quotes() -> None:
    refused('a,b\n1,"x\n2,y\n', "the one in line 2")
    refused('a,b\n1,"x\n2,"y"\n3,"z"\n', "the one in line 2")
    refused('a,b\n1,"x"\n2,5" pipe\n', "the one in line 3", "quote=none")
    refused('a,b\n1,"x"y\n', "the one in line 2")


@pytest.mark.parametrize("at", [0, 7000])
def test_mistakes_far_down_have_their_line(at: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scanning, "PIECE", 1 << 10)
    lines = ["a,b", *['"x, y",2'] * 9000]
    for wrong in ("1", "1,2,3", '1,"2'):
        lines[1 + at] = wrong
        refused("\n".join(lines), f"line {2 + at} ")


def test_nul_bytes() -> None:
    refused(b"a,b\n1,\x002\n", "line 2", "NUL")


def test_lone_carriage_returns() -> None:
    refused("a,b\n1,x\ry\n2,z\n", "line 2 has a carriage return")


def test_empty_and_header_only() -> None:
    refused(b"\xef\xbb\xbf \n\n", "empty")
    refused("a,b\n", "rows below its header")
    refused("a,b", "rows below its header")


def test_names_missing_or_double() -> None:
    refused("a,,b\n1,2,3\n", "column 2 has none in line 1")
    refused("a,b,a\n1,2,3\n", "`a` is the name of columns 1, 3")
    refused(",b\nx,1\ny,2\n", "column 1 has none")


def test_every_kind_of_table_in_every_dialect_has_as_many_rows_as_the_csv_module_finds(shared_data: Path) -> None:
    for path in itertools.islice(sorted((shared_data / "published").glob("*.csv")), 3):
        raw = read(path)
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.reader(file))
        assert (raw.rows, len(raw.names)) == (len(rows) - raw.header, len(rows[0]))


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_zeros_that_excel_keeps(delimiter: str) -> None:
    rows = [["zip", "n"], ['="00123"', "4"], ['="7"', "5"], ['=""', "6"]]
    bare = "\n".join(delimiter.join(row) for row in rows) + "\n"
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter).writerows(rows)
    assert '"=""00123"""' in out.getvalue()
    for written in (bare, bare.rstrip(), bare.replace("\n", "\r\n"), "\ufeff" + bare, out.getvalue()):
        raw = text(written)
        assert columns(raw) == {"zip": ["00123", "7", None], "n": [4, 5, 6]}
        assert "what stands in their quotes" in said(raw, "codes")


def test_what_only_looks_like_a_wrapped_cell_stays() -> None:
    rows = [["a", "n"], ['x,="y",z', "1"], ['<b c="d">', "2"], ['="p"q', "3"]]
    out = io.StringIO()
    csv.writer(out).writerows(rows)
    raw = text(out.getvalue())
    assert columns(raw) == {"a": [row[0] for row in rows[1:]], "n": [1, 2, 3]}
    assert said(raw, "codes") == ""


def test_arrow_has_let_go_of_a_text_that_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    held = []
    until_gone = text_module._until_gone
    monkeypatch.setattr(text_module, "_until_gone", lambda ref: (until_gone(ref), held.append(ref())))
    text("a,b\n1,x\n2,y\n")
    assert held == [None]


def test_types_that_do_not_hold_keep_nobody_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """What Arrow's error holds of the text is let go of before it is waited for."""
    slept: list[float] = []
    sleep = time.sleep
    monkeypatch.setattr(time, "sleep", lambda seconds: (slept.append(seconds), sleep(seconds)))
    rows = "".join(f"{'word' if i == 200_000 else i},x\n" for i in range(800_000))
    raw = read_text(f"a,b\n{rows}".encode(), "words.csv", ReadOptions())
    assert raw.rows == 800_000
    assert len(slept) < 1000, "five seconds would be 25,000"
