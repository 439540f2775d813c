"""SQLite databases."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from danlu.core.errors import DataError, PlanError
from danlu.data import RawTable, ReadOptions, read


def database(path: Path, *statements: str, **tables: list[tuple[Any, ...]]) -> Path:
    """Make a database whose tables have columns a, b, c ... without types."""
    with closing(sqlite3.connect(path)) as connection:
        for name, rows in tables.items():
            width = len(rows[0])
            quoted = '"' + name.replace('"', '""') + '"'
            connection.execute(f"create table {quoted} ({', '.join('abcdefgh'[:width])})")
            connection.executemany(f"insert into {quoted} values ({', '.join('?' * width)})", rows)
        for statement in statements:
            connection.execute(statement)
        connection.commit()
    return path


def said(raw: RawTable, topic: str) -> str:
    return "; ".join(note.text for note in raw.notes if note.topic == topic)


def refused(source: Any, *parts: str, kind: type[DataError] | type[PlanError] = DataError, **options: Any) -> None:
    with pytest.raises(kind) as caught:
        read(source, ReadOptions(**options))
    assert caught.value.fact
    assert caught.value.remedy
    for part in parts:
        assert part in str(caught.value)


def test_the_only_table(tmp_path: Path) -> None:
    path = database(tmp_path / "t.db", houses=[(1, 1.5, "x", "2024-01-02"), (2**53 + 1, None, "y", None)])
    raw = read(path)
    assert raw.arrow.slice(0, 2).select(["a", "b", "c"]).to_pydict() == {
        "a": [1, 2**53 + 1],
        "b": [1.5, None],
        "c": ["x", "y"],
    }
    assert str(raw.arrow["d"].type) == "date32[day]"
    assert said(raw, "database").startswith("SQLite, table `houses`: 2 rows, SHA-256 ")
    assert read(f"sqlite:///{path}").arrow == raw.arrow
    assert read(f"sqlite:///{path}").source == f"sqlite:///{path}"


def test_a_table_a_view_and_a_query(tmp_path: Path) -> None:
    path = database(
        tmp_path / "t.sqlite3",
        "create view tall as select a from one where a > 1",
        one=[(1, 2), (3, 4)],
        **{'two"; drop table one; --': [(5,)]},
    )
    refused(path, "there are 3", "`one`", "`tall`", "--table")
    assert read(path, ReadOptions(table="tall")).arrow.to_pydict() == {"a": [3]}
    assert read(path, ReadOptions(table="ONE")).rows == 2
    assert read(path, ReadOptions(table='two"; drop table one; --')).arrow.to_pydict() == {"a": [5]}
    raw = read(path, ReadOptions(query="-- all\nwith t as (select * from one) select a + b as total from t"))
    assert raw.arrow.to_pydict() == {"total": [3, 7]}
    assert said(raw, "query") == "-- all with t as (select * from one) select a + b as total from t"
    refused(path, "there are `one`, `tall`", "Did you mean `tall`?", table="tal")
    refused(path, "no such table: on", "Did you mean `one`?", query="select * from on_")
    refused(path, "no such column: zzz", query="select zzz from one")
    refused(path, "must give rows", "it gives none", query="select * from one where a > 9")
    refused(path, "`a` comes twice", query="select a, b as a from one")
    refused(path, "got both", kind=PlanError, table="one", query="select 1 as x")


@pytest.mark.parametrize(
    "query",
    [
        "delete from one",
        "insert into one values (1, 2)",
        "drop table one",
        "pragma writable_schema=1",
        "attach 'other.db' as other",
        "vacuum into 'other.db'",
        "",
        "-- nothing",
    ],
)
def test_a_query_must_be_a_select(tmp_path: Path, query: str) -> None:
    path = database(tmp_path / "t.db", one=[(1, 2)])
    before = path.read_bytes()
    refused(path, "`query` must be one select", kind=PlanError, query=query)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("query", "fact"),
    [
        ("with x as (select 1) delete from one", "this one would do more"),
        ("with x as (select 1) insert into one select 1, 2 from x", "this one would do more"),
        ("select 1 as a; delete from one", "it is several statements"),
        ("select load_extension('x')", ""),
        ("select * from pragma_table_info('one')", "this one would do more"),
    ],
)
def test_a_query_that_would_do_more_than_read(tmp_path: Path, query: str, fact: str) -> None:
    path = database(tmp_path / "t.db", one=[(1, 2)])
    before = path.read_bytes()
    refused(path, fact, query=query)
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["t.db"]


def test_a_column_of_several_types(tmp_path: Path) -> None:
    raw = read(database(tmp_path / "t.db", t=[(1, 1, "7"), ("x", 2.5, 8), (2.0, None, "NA")]))
    assert raw.arrow.to_pydict() == {"a": ["1", "x", "2"], "b": [1.0, 2.5, None], "c": [7, 8, None]}
    assert said(raw, "mixed") == "`a` holds numbers and text: read as text"
    assert "`c`" in said(raw, "missing")


def test_bytes_nul_and_other_encodings(tmp_path: Path) -> None:
    path = database(tmp_path / "t.db", t=[(1, "x"), (2, b"\x00\xff")])
    refused(path, "row 2 of `b` has raw bytes", "--query")
    assert read(path, ReadOptions(query="select a from t")).rows == 2
    refused(database(tmp_path / "nul.db", t=[("x",), ("y\0z",)]), "row 2 of `a` has text with a NUL character")
    latin = database(tmp_path / "latin.db", "insert into t values (cast(x'C5726875730A' as text))", t=[("Oslo",)])
    refused(latin, "row 2 of `a` has text that is not UTF-8", "encoding=")
    assert read(latin, ReadOptions(encoding="latin-1")).arrow.to_pydict() == {"a": ["Oslo", "Århus"]}
    refused(latin, "must be one that Python knows", kind=PlanError, encoding="klingon")


def test_no_database_and_broken_ones(tmp_path: Path) -> None:
    path = tmp_path / "t.db"
    path.write_text("a,b\n1,2\n")
    refused(path, "must be an SQLite database", "it is none, or is encrypted")
    refused(tmp_path / "no.db", "there is no such file")
    refused(f"sqlite:///{tmp_path}", "it is a folder")
    whole = database(tmp_path / "w.db", t=[(i, "x" * 50) for i in range(2000)]).read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    refused(path, "must be a whole SQLite database")
    path.write_bytes(whole[:4096] + b"\xff" * 4096 + whole[8192:])
    refused(path, "must be a whole SQLite database")
    refused(database(tmp_path / "empty.db", "create table t (a)"), "table `t`", "it gives none")
    refused(database(tmp_path / "none.db", "create table t (a)", "drop table t"), "it has none that can be read")
    (tmp_path / "t.csv").write_bytes(whole)
    refused(tmp_path / "t.csv", "it looks like an SQLite database", "end in .sqlite")


def test_a_locked_database_is_read_and_the_file_stays(tmp_path: Path) -> None:
    path = database(tmp_path / "t.db", "pragma user_version = 1", t=[(1,), (2,)])
    with closing(sqlite3.connect(path)) as writer:
        writer.execute("pragma journal_mode = wal")
        writer.execute("insert into t values (3)")  # not committed: not to be seen
        assert read(path).arrow.to_pydict() == {"a": [1, 2]}
        writer.commit()
        assert read(path).arrow.to_pydict() == {"a": [1, 2, 3]}


def test_a_query_for_what_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,b\n1,2\n")
    refused(tmp_path / "t.csv", "`query` belongs to a database", kind=PlanError, query="select 1")
    refused({"a": [1]}, "`table` belongs to a database", "in memory", kind=PlanError, table="t")
    inherited = ReadOptions(query="select 1", inherited=True)
    assert read(tmp_path / "t.csv", inherited).rows == 1


def test_the_hash_is_of_the_rows(tmp_path: Path) -> None:
    one = said(read(database(tmp_path / "1.db", t=[(1, "x"), (None, "y")])), "database")
    same = said(read(database(tmp_path / "2.db", t=[(1, "x"), (None, "y")])), "database")
    other = said(read(database(tmp_path / "3.db", t=[(1, "x"), (0, "y")])), "database")
    assert one == same != other
