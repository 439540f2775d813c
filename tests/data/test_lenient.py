"""Rows that cannot be read: refused by their line, or left out, counted and listed."""

from __future__ import annotations

import csv
import io
import json
import random
from pathlib import Path
from typing import Any

import pytest

from danlu.core.errors import DataError
from danlu.core.plan import make_plan
from danlu.data import RawTable, ReadOptions, conform, examine, read
from danlu.data.table import BadRow
from danlu.data.text import read_text

LENIENT = ReadOptions(skip_bad_rows=True)


def text(words: str | bytes, **options: Any) -> RawTable:
    data = words.encode() if isinstance(words, str) else words
    return read_text(data, "t.csv", ReadOptions(**{"skip_bad_rows": True, **options}))


def rows(raw: RawTable) -> list[tuple[Any, ...]]:
    return list(zip(*raw.arrow.to_pydict().values(), strict=True))


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ("1", "has 1 cell in place of 3"),
        ("1,2,3,4", "has 4 cells in place of 3"),
        ('1,"2,3', "has a quote that does not open or close a whole cell"),
        ('1,2" pipe,3', "has a quote that does not open or close a whole cell"),
        ("1,2\0,3", "has a NUL byte"),
        ("1,2\r9,3", "has a carriage return of its own"),
    ],
)
@pytest.mark.parametrize("at", [0, 7, 20])
def test_a_bad_row_costs_its_own_line_and_no_other(wrong: str, why: str, at: int) -> None:
    lines = [f'{i},{i * 2},"x{i}"' for i in range(20)]
    table = "\n".join(["a,b,c", *lines[:at], wrong, *lines[at:]]) + "\n"
    raw = text(table)
    assert rows(raw) == [(i, i * 2, f"x{i}") for i in range(20)]
    assert raw.bad == (BadRow(at + 2, why),)
    note = next(note.text for note in raw.notes if note.topic == "bad rows")
    assert note == f"1 row left out, as asked: line {at + 2} {why}"
    with pytest.raises(DataError, match=f"line {at + 2} "):
        text(table, skip_bad_rows=False)


def test_cells_over_several_lines_stay_and_count_their_lines() -> None:
    raw = text('# made today\na,b\n1,"x\ny"\n2\n\n3,"say ""hi"""\n4,z,9\n5, "padded" \n6,last')
    assert rows(raw) == [(1, "x\ny"), (3, 'say "hi"'), (5, "padded"), (6, "last")]
    assert [row.line for row in raw.bad] == [5, 8]
    assert any(note.text == "1 blank line left out" for note in raw.notes)


def test_one_column_tabs_and_aligned_columns() -> None:
    assert text("a\n1\n2,3\n4\n", delimiter=",").bad == (BadRow(3, "has 2 cells in place of 1"),)
    assert rows(text("a\tb\n1\t2\n3\n4\t5\n")) == [(1, 2), (4, 5)]
    aligned = text("1.0 2.0\n3.0  4.0\n 5.0 6.0\n7.0\n8.0 9.0\n", delimiter="space")
    assert rows(aligned) == [(1.0, 2.0), (3.0, 4.0), (5.0, 6.0), (8.0, 9.0)]
    assert [row.line for row in aligned.bad] == [4]


def test_a_sound_table_is_read_as_it_is() -> None:
    sound = "a,b\n" + "".join(f'{i},"x, {i}"\n' for i in range(50))
    assert text(sound).arrow.equals(text(sound, skip_bad_rows=False).arrow)
    assert text(sound).bad == ()


def test_most_rows_bad_means_another_form() -> None:
    with pytest.raises(DataError, match=r"most rows of t\.csv must be readable, 2 rows of 3 are not"):
        text("a,b\n1,2\n1\n2,3,4\n")
    with pytest.raises(DataError, match="NUL"):
        text("a\0,b\n1,2\n3,4\n")


def test_rows_and_bad_rows_are_all_the_lines_that_the_csv_module_sees() -> None:
    random.seed(5)
    good = [[str(i), random.choice(["x", "a,b", 'q"q', "two\nlines", ""]), str(i / 7)] for i in range(3000)]
    out, bad = io.StringIO(), 0
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["n", "word", "share"])
    for row in good:
        if random.random() < 0.05:
            out.write(random.choice(["1,2\n", '9,"open,3\n', "a,b,c,d,e\n"]))
            bad += 1
        writer.writerow(row)
    raw = text(out.getvalue())
    assert (raw.rows, len(raw.bad)) == (3000, bad)
    assert raw.arrow["word"].to_pylist() == [row[1] or None for row in good]


def test_what_is_left_out_is_counted_in_a_fit_and_said_in_a_prediction(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("x,y\n" + "".join(f"{i},{i * i}\n" for i in range(30)) + "5\n")
    with pytest.raises(DataError, match="line 32 has 1"):
        read(path)
    raw = read(path, LENIENT)
    examined = examine(raw, make_plan(target="y", kinds="x=number"))
    assert (examined.rows.read, examined.rows.bad) == (30, 1)
    conformed = conform(raw, examined.schema, with_target=False)
    assert [note.text for note in conformed.warnings] == ["1 row left out, as asked: line 32 has 1 cell in place of 2"]
    assert json.dumps([row.line for row in raw.bad]) == "[32]"
