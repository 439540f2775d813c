"""JSON lines: what becomes of keys, lists and mixed cells, and which line is wrong."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from danlu.core.errors import DataError
from danlu.data import RawTable, ReadOptions, json_lines, read


def lines(path: Path, *rows: object, name: str = "t.jsonl") -> RawTable:
    text = "\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows)
    (path / name).write_text(text + "\n", encoding="utf-8")
    return read(path / name)


def said(raw: RawTable, topic: str) -> str:
    return "; ".join(note.text for note in raw.notes if note.topic == topic)


def refused(path: Path, content: bytes, *parts: str) -> None:
    (path / "bad.jsonl").write_bytes(content)
    with pytest.raises(DataError) as caught:
        read(path / "bad.jsonl")
    assert caught.value.remedy
    for part in parts:
        assert part in str(caught.value)


def test_types_and_missing_keys(tmp_path: Path) -> None:
    raw = lines(tmp_path, {"n": 1, "x": 1.5, "s": "a", "b": True}, {"n": None, "x": 2, "day": "2024-01-02"}, {})
    assert raw.arrow.to_pydict() == {
        "n": [1, None, None],
        "x": [1.5, 2.0, None],
        "s": ["a", None, None],
        "b": [True, None, None],
        "day": [None, pd.Timestamp("2024-01-02").date(), None],
    }
    assert str(raw.arrow.schema.field("n").type) == "int64"
    assert said(raw, "format") == "JSON lines, UTF-8, 5 columns, 0 in all lines"


def test_gz_ndjson_bom_and_blank_lines(tmp_path: Path) -> None:
    path = tmp_path / "t.ndjson.gz"
    path.write_bytes(gzip.compress('﻿{"a": "é"}\r\n\r\n  \n{"a": "b"}'.encode()))
    raw = read(path)
    assert raw.arrow.to_pydict() == {"a": ["é", "b"]}
    assert said(raw, "rows") == "2 blank lines left out"


def test_utf_16_and_a_named_encoding(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text('{"城市": "北京"}\n', encoding="utf-16")
    assert read(path).arrow.to_pydict() == {"城市": ["北京"]}
    path.write_text('{"城市": "北京"}\n', encoding="gb18030")
    assert read(path, ReadOptions(encoding="gb18030")).arrow.to_pydict() == {"城市": ["北京"]}


def test_objects_become_columns_and_lists_stay_text(tmp_path: Path) -> None:
    raw = lines(tmp_path, {"a": {"b": 1, "c": {"d": "x"}}, "tags": ["é", 1]}, {"a": {"b": 2}, "tags": []})
    assert raw.arrow.to_pydict() == {"a.b": [1, 2], "a.c.d": ["x", None], "tags": ['["é", 1]', "[]"]}
    assert said(raw, "columns") == (
        "objects in objects became columns of their own: `a.b`, `a.c.d`; lists kept as their JSON text: `tags`"
    )


def test_one_name_for_two_columns(tmp_path: Path) -> None:
    refused(tmp_path, b'{"a.b": 1}\n{"a": {"b": 2}}\n', "`a.b` is the name of columns 1, 2 in the keys")


def test_mixed_cells_become_text_and_are_named(tmp_path: Path) -> None:
    raw = lines(tmp_path, {"m": 1, "t": "7", "y": True}, {"m": "x", "t": 8, "y": 0}, {"m": 2.5, "t": "9", "y": True})
    assert raw.arrow.to_pydict() == {"m": ["1", "x", "2.5"], "t": [7, 8, 9], "y": ["true", "0", "true"]}
    assert said(raw, "mixed") == (
        "`m` holds numbers and text: read as text; `y` holds numbers and true or false: read as text"
    )


def test_large_whole_numbers(tmp_path: Path) -> None:
    raw = lines(tmp_path, {"id": 2**53 + 1, "wide": 2**63, "mix": 2**53 + 1}, {"id": -(2**63), "wide": 1, "mix": 0.5})
    assert raw.arrow["id"].to_pylist() == [2**53 + 1, -(2**63)]
    assert raw.arrow["wide"].to_pylist() == [str(2**63), "1"]
    assert raw.arrow["mix"].to_pylist() == [2.0**53, 0.5]
    assert said(raw, "codes") == "`wide` kept as text: whole numbers above 2^63"
    assert said(raw, "numbers") == "whole numbers above 2^53 in `mix` are rounded, beside fractions"


def test_text_that_is_codes_or_missing(tmp_path: Path) -> None:
    raw = lines(tmp_path, {"zip": "05", "x": "1.5"}, {"zip": "NA", "x": "?"})
    assert raw.arrow.to_pydict() == {"zip": ["05", None], "x": [1.5, None]}
    assert "`zip`, `x`" in said(raw, "missing")


def test_constants_of_python(tmp_path: Path) -> None:
    raw = lines(tmp_path, '{"a": NaN, "b": 1e400}', '{"a": 1, "b": -Infinity}')
    assert raw.arrow.to_pydict() == {"a": [None, 1], "b": [np.inf, -np.inf]}


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        (b'{"a": 1}\n\n{"a": 2\n', ("line 3 is wrong", "it ends too early")),
        (b'{"a": 1}\n{"a": 2,}\n', ("line 2 is wrong", "it is no JSON at character 9")),
        (b'{"a": 1}\n[1, 2]\n', ("line 2 is wrong", "it is a list")),
        (b'[{"a": 1}]\n', ("line 1 is wrong", "it is a list", ".json")),
        (b'{\n  "a": 1\n}\n', ("line 1 is wrong", "it ends too early", ".json")),
        (b"null\n", ("line 1", "it is null")),
        (b"12\n", ("line 1", "it is a number")),
        (b'{"a": 1, "a": 2}\n', ("line 1", "the key `a` comes twice")),
        (b'{"x": {"b": 1, "b": 2}}\n', ("line 1", "the key `b` comes twice")),
        (b'{"a": "x\\u0000y"}\n', ("line 1", "`a` has a NUL character")),
        (b'{"a": "\\ud800"}\n', ("line 1", "`a` has half of a surrogate pair")),
        (b'{"\\ud800": 1}\n', ("line 1", "half of a surrogate pair")),
        (b'{"a": ' + b"[" * 100_000 + b"}\n", ("line 1", "nested too deeply")),
        (b'{"a": ' + b"1" * 5000 + b"}\n", ("line 1", "4,300 digits")),
        (b"{}\n{}\n", ("its objects are empty",)),
        (b"\n \n", ("it has no line",)),
        (b'{"": 1}\n', ("column 1 has none in the keys",)),
    ],
)
def test_refusals_name_the_line(tmp_path: Path, content: bytes, parts: tuple[str, ...]) -> None:
    refused(tmp_path, content, *parts)


def test_data_as_keys_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_lines, "_MOST_CELLS", 10_000)
    refused(tmp_path, b"".join(b'{"k%d": 1}\n' % i for i in range(200)), "line 101", "101 different keys")


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    frame = pd.DataFrame({"a": [1, 2], "b": [0.1, None], "c": ["x", 'q"\n']})
    frame.to_json(tmp_path / "t.jsonl", orient="records", lines=True)
    assert read(tmp_path / "t.jsonl").arrow.to_pydict() == {"a": [1, 2], "b": [0.1, None], "c": ["x", 'q"']}


CELLS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)


@settings(max_examples=60, deadline=None)
@given(rows=st.lists(st.dictionaries(st.text(max_size=3), CELLS, max_size=3), min_size=1, max_size=6))
def test_no_row_is_lost_and_no_other_error_leaves(rows: list[dict[str, object]]) -> None:
    data = "".join(json.dumps(row) + "\n" for row in rows).encode()
    try:
        raw = json_lines.read_json_lines(data, "t.jsonl", ReadOptions())
    except DataError:
        return
    assert raw.rows == len(rows)


def array(path: Path, text: str, name: str = "t.json") -> RawTable:
    (path / name).write_text(text, encoding="utf-8")
    return read(path / name)


def test_an_array_of_objects_is_the_same_table_as_lines(tmp_path: Path) -> None:
    rows = [{"n": 1, "x": 1.5, "s": "é"}, {"n": None, "deep": {"a": [1, 2], "b": True}}, {"n": 7, "s": "NA"}]
    alike = lines(tmp_path, *rows)
    for text in (
        json.dumps(rows),
        json.dumps(rows, indent=2, ensure_ascii=False),
        "\ufeff \n" + json.dumps(rows) + "\n",
    ):
        raw = array(tmp_path, text)
        assert raw.arrow.equals(alike.arrow)
        assert said(raw, "columns") == said(alike, "columns")
        assert said(raw, "format") == "JSON array, UTF-8, 5 columns, 0 in all objects"
    (tmp_path / "t.json.gz").write_bytes(gzip.compress(json.dumps(rows).encode()))
    assert read(tmp_path / "t.json.gz").arrow.equals(alike.arrow)


def test_what_pandas_writes_as_records(tmp_path: Path) -> None:
    frame = pd.DataFrame({"area": [70.5, np.nan], "town": ["Oslo", None], "rooms": [3, 4]})
    frame.to_json(tmp_path / "t.json", orient="records")
    assert read(tmp_path / "t.json").arrow.to_pydict() == {
        "area": [70.5, None],
        "town": ["Oslo", None],
        "rooms": [3, 4],
    }


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ('[{"a": 1}, 2]', ("element 2 is wrong: it is a number",)),
        ('[{"a": 1}, [2]]', ("element 2 is wrong: it is a list",)),
        ('[{"a": 1},\n {"a": }]', ("element 2", "line 2, character 8", "expecting value")),
        ('[{"a": 1} {"a": 2}]', ("element 1", "no comma follows it")),
        ('[{"a": 1}, {"a": 2}', ("element 2", "the file ends behind it")),
        ('[{"a": 1}, {"a"', ("element 2", "it ends too early")),
        ('[{"a": 1},]', ("element 2", "expecting value")),
        ('[{"a": 1, "a": 2}]', ("element 1", "the key `a` comes twice")),
        ('[{"a": 1}] [{"a": 2}]', ("something follows its end",)),
        ("[]", ("its array is empty",)),
        ("[{}, {}]", ("its objects are empty",)),
        ("[" * 100_000, ("element 1", "nested too deeply")),
        ('{"data": [{"a": 1}], "next": null}', ("it is one object", "`data`", "jq")),
    ],
)
def test_arrays_that_are_no_table(tmp_path: Path, text: str, parts: tuple[str, ...]) -> None:
    with pytest.raises(DataError) as caught:
        array(tmp_path, text)
    assert caught.value.remedy
    for part in parts:
        assert part in str(caught.value)


def test_json_may_hold_lines_one_object_or_a_text(tmp_path: Path) -> None:
    assert array(tmp_path, '{"a": 1}\n{"a": 2}\n').arrow.to_pydict() == {"a": [1, 2]}
    assert array(tmp_path, '{\n "a": 1,\n "b": "x"\n}\n').arrow.to_pydict() == {"a": [1], "b": ["x"]}
    assert array(tmp_path, "a,b\n1,2\n").arrow.to_pydict() == {"a": [1], "b": [2]}
