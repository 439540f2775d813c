"""PostgreSQL, by a real server; skipped where none can be started."""

from __future__ import annotations

import datetime
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from danlu.core.errors import DanluError, DataError, PlanError
from danlu.data import RawTable, ReadOptions, read
from support.postgres import PASSWORD, WRITTEN, NoServer, Server, server

pytest.importorskip("adbc_driver_postgresql", reason="the extra `sql` is not installed")

TABLES = """
create type mood as enum ('sad', 'ok', 'happy');
create domain positive as int check (value > 0);
create type pair as (a int, b text);
create table houses (id bigint primary key, price numeric(12, 2), sold timestamptz, city text, new boolean);
insert into houses values
    (9007199254740993, 12.50, '2024-01-02 03:04:05+02', 'Oslo', true),
    (2, null, null, 'Århus', false),
    (3, 7, '2024-06-01 00:00:00+00', null, null);
create table "Weird ""Name" (a int);
insert into "Weird ""Name" values (1), (2);
create schema other;
create table other.sold (a int);
insert into other.sold values (5);
create table other.empty (a int);
create view dear as select id from houses where price > 10;
create table photos (id int, raw bytea);
insert into photos values (1, '\\x00ff');
create sequence counter;
create role guest login password 'guest';
"""


@pytest.fixture(scope="module")
def postgres() -> Iterator[Server]:
    try:
        with server() as started:
            started.run(TABLES)
            yield started
    except NoServer as reason:
        pytest.skip(f"no PostgreSQL server: {reason}")


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PGHOST", "PGPORT", "PGUSER", "PGPASSWORD", "PGDATABASE", "PGPASSFILE", "PGSERVICE", "PGOPTIONS"):
        monkeypatch.delenv(name, raising=False)


def rows(postgres: Server, query: str, **options: Any) -> dict[str, list[Any]]:
    return read(postgres.address(), ReadOptions(query=query, **options)).arrow.to_pydict()


def said(raw: RawTable, topic: str) -> str:
    return "; ".join(note.text for note in raw.notes if note.topic == topic)


def refused(address: str, *parts: str, kind: type[DanluError] = DataError, **options: Any) -> None:
    with pytest.raises(kind) as caught:
        read(address, ReadOptions(**options))
    assert caught.value.fact
    assert caught.value.remedy
    for part in parts:
        assert part in str(caught.value)
    assert PASSWORD not in str(caught.value)
    assert WRITTEN not in str(caught.value)


def test_a_table(postgres: Server) -> None:
    raw = read(postgres.address(), ReadOptions(table="houses"))
    sold = datetime.datetime(2024, 1, 2, 1, 4, 5, tzinfo=datetime.UTC)
    assert raw.arrow.to_pydict() == {
        "id": [9007199254740993, 2, 3],
        "price": [12.5, None, 7.0],
        "sold": [sold, None, datetime.datetime(2024, 6, 1, tzinfo=datetime.UTC)],
        "city": ["Oslo", "Århus", None],
        "new": [True, False, None],
    }
    assert raw.source == f"postgresql://danlu:***@127.0.0.1:{postgres.port}/postgres"
    assert said(raw, "database").startswith("PostgreSQL, table `houses`: 3 rows, SHA-256 ")
    assert "`order by` fixes it" in said(raw, "rows")


def test_which_table(postgres: Server) -> None:
    address = postgres.address()
    refused(address, "a table of", "must be named", "there are 6", "`houses`", "`other.sold`", "--table")
    assert read(address, ReadOptions(table='Weird "Name')).arrow.to_pydict() == {"a": [1, 2]}
    assert read(address, ReadOptions(table="other.sold")).arrow.to_pydict() == {"a": [5]}
    assert read(address, ReadOptions(table="sold")).arrow.to_pydict() == {"a": [5]}
    assert read(address, ReadOptions(table="dear")).arrow.to_pydict() == {"id": [9007199254740993]}
    refused(address, "there are", "`houses`", "Did you mean `houses`?", table="hosues")
    refused(address, "it gives none", "--table", table="other.empty")
    refused(address, "`raw` holds raw bytes (bytea)", "--query", table="photos")


def test_the_only_table_needs_no_name(postgres: Server) -> None:
    postgres.run("create database single")
    refused(postgres.address("single"), "it has none that can be read")
    postgres.run("create table t (a int); insert into t values (7)", "single")
    assert read(postgres.address("single")).arrow.to_pydict() == {"a": [7]}


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        ("12345678901234567.25::numeric", 12345678901234567.25),
        ("7::numeric", 7),
        ("99999999999999999999::numeric", "99999999999999999999"),
        ("'NaN'::numeric", None),
        ("'NaN'::float8", None),
        ("1.5::real", 1.5),
        ("(-32768)::smallint", -32768),
        ("12.5::money", 12.5),
        ("'ok'::mood", "ok"),
        ("5::positive", 5),
        ("'ab'::char(5)", "ab"),
        ("'2024-01-02'::date", datetime.date(2024, 1, 2)),
        ("'2024-01-02 03:04'::timestamp", datetime.datetime(2024, 1, 2, 3, 4)),
        ("'03:04'::time", datetime.time(3, 4)),
        ("'03:04+01'::timetz", "03:04:00+01"),
        ("'1 day 2 hours'::interval", 93600.0),
        ("'{\"a\": 1}'::json", '{"a": 1}'),
        ("'{\"a\":1}'::jsonb", '{"a": 1}'),
        ("'{1,2,null}'::int[]", "[1,2,null]"),
        ("'{{a},{b}}'::text[]", '[["a"],["b"]]'),
        ("row(1, 'x')::pair", '{"a":1,"b":"x"}'),
        ("array[row(1, 'x')::pair]", '[{"a":1,"b":"x"}]'),
        ("'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
        ("'10.0.0.0/8'::cidr", "10.0.0.0/8"),
        ("'(1,2)'::point", "(1,2)"),
        ("'[1,5)'::int4range", "[1,5)"),
        ("b'101'", "101"),
        ("'<a/>'::xml", "<a/>"),
        ("null", None),
        ("'北京'", "北京"),
    ],
)
def test_types(postgres: Server, value: str, cell: Any) -> None:
    found = rows(postgres, f"select {value} as v")
    assert found == {"v": [cell]}
    assert type(found["v"][0]) is type(cell)


def test_what_is_not_taken_as_it_stands_is_said(postgres: Server) -> None:
    raw = read(
        postgres.address(),
        ReadOptions(query="select 10::numeric ^ 30 as wide, '{1}'::int[] as list, 'infinity'::timestamptz as until"),
    )
    assert raw.arrow["until"].to_pylist() == [None]
    assert said(raw, "until") == "1 cell beyond the years 1 to 9999, such as infinity, taken as missing"
    assert "`list`" in said(raw, "columns")
    low = read(postgres.address(), ReadOptions(query="select '-infinity'::date as d, '0001-01-01'::date as e"))
    assert low.arrow.to_pydict() == {"d": [None], "e": [datetime.date(1, 1, 1)]}
    assert "`w` kept as text" in said(read(postgres.address(), ReadOptions(query="select 1e30::numeric as w")), "codes")


def test_queries(postgres: Server) -> None:
    assert rows(postgres, "select id from houses order by id desc -- the newest first;") == {
        "id": [9007199254740993, 3, 2]
    }
    assert rows(postgres, "with t as (select 1 as a) select * from t;") == {"a": [1]}
    assert rows(postgres, "values (1, 'x'), (2, 'y')") == {"column1": [1, 2], "column2": ["x", "y"]}
    raw = read(postgres.address(), ReadOptions(query="select id from houses order by id"))
    assert said(raw, "query") == "select id from houses order by id"
    assert not said(raw, "rows")
    address = postgres.address()
    refused(address, "must give rows", "it gives none", query="select * from houses where id < 0")
    refused(address, 'relation "hous" does not exist', "Did you mean `houses`?", query="select * from hous")
    refused(address, 'column "zzz" does not exist', query="select zzz from houses")
    refused(address, "syntax error", query="select from where")
    refused(address, "division by zero", query="select 1 / (id - id) as x from houses")
    refused(address, "`a` comes twice", query="select 1 as a, 2 as a")
    refused(address, "column 2 has none", query="select 1 as a, 2")
    refused(address, "it has none", query="select")
    refused(address, "got both", kind=PlanError, query="select 1 as a", table="houses")


@pytest.mark.parametrize(
    "query",
    [
        "with gone as (delete from houses returning id) select * from gone",
        "select nextval('counter') as n",
        "select 1 as a; delete from houses",
        "select 1) as a; delete from houses; select (1",
        "select 1 as a) to program 'touch danlu-was-here' -- ",
    ],
)
def test_nothing_is_written(postgres: Server, query: str) -> None:
    refused(postgres.address(), query=query)
    assert postgres.run("select count(*) from houses") == "3"
    assert postgres.run("select is_called from counter") == "f"


def test_what_a_function_does_is_rolled_back(postgres: Server) -> None:
    assert rows(postgres, "select lo_create(4242)::int as made, set_config('work_mem', '1MB', false) as m")["m"] == [
        "1MB"
    ]
    assert postgres.run("select count(*) from pg_largeobject_metadata") == "0"


@pytest.mark.parametrize(
    "query", ["delete from houses", "set transaction read write", "copy houses to stdout", "call x()"]
)
def test_a_query_is_a_select(postgres: Server, query: str) -> None:
    refused(postgres.address(), "`query` must be one select", kind=PlanError, query=query)


def test_passwords_and_servers(postgres: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    refused(postgres.address(password="falsch"), "password authentication failed", "PGPASSWORD", table="houses")
    refused(postgres.address("nowhere"), 'database "nowhere" does not exist', table="houses")
    nobody = f"postgresql://danlu@127.0.0.1:{postgres.port}/postgres"
    refused(nobody, "no password supplied", table="houses")
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    assert read(nobody, ReadOptions(table="houses")).rows == 3
    monkeypatch.delenv("PGPASSWORD")
    assert read(f"{nobody}?password={WRITTEN}", ReadOptions(table="houses")).source == f"{nobody}?password=***"
    refused(postgres.address(password=PASSWORD), "percent-encoded", "%40", kind=PlanError, table="houses")
    refused(postgres.address(password="g%zzheim"), "***", table="houses")
    guest = f"postgresql://guest:guest@127.0.0.1:{postgres.port}/postgres"
    refused(guest, "permission denied", "select", table="houses")


def test_no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    refused("postgresql://danlu:g%40heim%2F42@127.0.0.1:1/x", "that can be reached", "refused", table="t")
    refused("mysql://danlu:g%40heim%2F42@127.0.0.1/x", "postgresql://", table="t")
    for name in ("adbc_driver_postgresql.dbapi", "adbc_driver_postgresql"):
        monkeypatch.setitem(sys.modules, name, None)
    refused("postgresql://127.0.0.1/x", "extra `sql`", "pip install 'danlu[sql]'", kind=PlanError, table="t")


def test_databases_in_other_encodings(postgres: Server) -> None:
    postgres.run("create database latin encoding 'LATIN1' template template0")
    postgres.run("create table t (a text); insert into t values (U&'\\00C5rhus')", "latin")
    assert read(postgres.address("latin")).arrow.to_pydict() == {"a": ["Århus"]}
    postgres.run("create database bytes encoding 'SQL_ASCII' template template0")
    postgres.run("create table t (a text); insert into t values (E'\\xC5rhus')", "bytes")
    refused(postgres.address("bytes"), "must be UTF-8")


def test_the_hash_follows_the_rows(postgres: Server) -> None:
    postgres.run("create table changing (a int); insert into changing values (1)")
    options = ReadOptions(table="changing")
    first = said(read(postgres.address(), options), "database")
    assert said(read(postgres.address(), options), "database") == first
    postgres.run("update changing set a = 2")
    assert said(read(postgres.address(), options), "database") != first
    postgres.run("drop table changing")
