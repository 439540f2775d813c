"""From a database to a model and back: the commands, and where a password must not be."""

from __future__ import annotations

import csv
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

import danlu as package
from danlu import fit
from danlu.core.errors import PlanError
from support.postgres import PASSWORD, WRITTEN, NoServer, Server, server

QUICK = ("--folds", "3", "--repeats", "1", "--epochs", "10", "--hidden", "8", "--threads", "1", "--lr", "0.01", "-q")


@pytest.fixture
def database(houses: Path) -> Path:
    """Return houses.db: table `houses` of 120 rows, and `later` of the last 20 of them."""
    with houses.open(encoding="utf-8") as file:
        _, *rows = csv.reader(file)
    path = houses.with_name("houses.db")
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("create table houses (area real, sea text, price real)")
        connection.executemany("insert into houses values (?, ?, ?)", rows)
        connection.execute("create table later as select * from houses where rowid > 100")
        connection.commit()
    return path


@pytest.fixture(scope="module")
def postgres(houses_text: str) -> Iterator[Server]:
    pytest.importorskip("adbc_driver_postgresql", reason="the extra `sql` is not installed")
    try:
        with server() as started:
            started.run("create table houses (area numeric, sea text, price float8)")
            (started.folder / "houses.csv").write_text(houses_text, encoding="utf-8")
            started.run(f"\\copy houses from '{started.folder / 'houses.csv'}' csv header")
            yield started
    except NoServer as reason:
        pytest.skip(f"no PostgreSQL server: {reason}")


def test_train_and_test_may_be_two_tables_of_one_database(danlu, database: Path, houses: Path) -> None:
    words = ("fit", "houses.db", "-t", "price", "--no-page", "--json", "--force", "-o", "two.danlu", *QUICK)
    both = ("--table", "houses", "--test", "houses.db")
    ended = danlu(*words, *both, "--test-table", "later")
    assert ended.code == 0, ended.err
    answer = json.loads(ended.out)
    alone = danlu("score", "two.danlu", "houses.db", "--table", "later", "--json")
    assert json.loads(alone.out)["score"]["rmse"]["value"] == pytest.approx(answer["test"]["rmse"], rel=1e-5)
    assert package.load("two.danlu").run.test["rmse"].rows == 20
    assert danlu(*words, "--query", "select * from houses", *both[2:], "--test-table", "later").code == 0
    for wrong, code, said in (
        (both, 3, "another table than the one learnt from"),
        ((*both, "--test-table", "houses"), 3, "another table than the one learnt from"),
        ((*both[:2], "--test-table", "later"), 2, "`--test-table` is a table of the database of `--test`"),
        ((*both[:2], "--test", "houses.csv", "--test-table", "later"), 2, "belongs to a database"),
        ((*both, "--test-table", "late"), 3, "later"),
    ):
        ended = danlu(*words, *wrong)
        assert (ended.code, said in ended.err) == (code, True), ended.err


def test_fit_predict_and_score(danlu, database: Path, houses: Path) -> None:
    query = "select area, sea, price from houses where price > 0"
    ended = danlu("fit", "houses.db", "--query", query, "-t", "price", "--no-page", "--json", *QUICK)
    assert ended.code == 0, ended.err
    answer = json.loads(ended.out)
    assert (answer["model"], answer["rows"]) == ("houses.danlu", 120)
    assert answer["inferred"]["query"] == query
    assert answer["inferred"]["database"].startswith("SQLite, the query: 120 rows, SHA-256 ")
    # The same query serves for other databases; a table, or a file, takes its place.
    for source, words, rows in (
        ("houses.db", (), 120),
        ("houses.db", ("--table", "later"), 20),
        ("houses.csv", (), 120),
    ):
        ended = danlu("predict", "houses.danlu", source, *words, "-o", "p.jsonl", "--force", "--keep", "price")
        assert ended.code == 0, ended.err
        written = [json.loads(line) for line in Path("p.jsonl").read_text(encoding="utf-8").splitlines()]
        assert len(written) == rows
        assert set(written[0]) == {"price", "prediction"}
    ended = danlu("score", "houses.danlu", "sqlite:///houses.db", "--table", "later", "--json")
    assert json.loads(ended.out)["rows"] == 20


def test_a_table_names_the_model_and_tests_may_be_files(danlu, database: Path, houses: Path) -> None:
    words = ("-t", "price", "--table", "houses", "--test", "houses.csv", "--no-page")
    ended = danlu("fit", "sqlite:///houses.db", *words, *QUICK)
    assert ended.code == 0, ended.err
    assert Path("houses.danlu").is_dir()


def test_plan_files(danlu, database: Path, tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    plan = tmp_path / "sub" / "plan.toml"
    plan.write_text('data = "sqlite:///../houses.db"\ntable = "later"\ntarget = "price"\nholdout = 0.2\n')
    ended = danlu("fit", str(plan), "--no-page", "--json", *[word for word in QUICK if word not in ("--folds", "3")])
    assert ended.code == 0, ended.err
    assert json.loads(ended.out)["rows"] == 20


def test_refusals(danlu, database: Path, houses: Path) -> None:
    for words, code, part in (
        (("houses.db",), 3, "there are 2: `houses`, `later`"),
        (("houses.db", "--table", "house"), 3, "Did you mean `houses`?"),
        (("houses.db", "--query", "delete from houses"), 2, "`--query` must be one select"),
        (("houses.db", "--query", "select 1", "--table", "houses"), 2, "got both"),
        (("houses.csv", "--table", "houses"), 2, "`--table` belongs to a database"),
        (("sqlite:///no.db",), 3, "there is no such file"),
        (("mysql://ann:secret@db/houses",), 3, "mysql://ann:***@db/houses"),
    ):
        ended = danlu("fit", *words, "-t", "price", *QUICK)
        assert ended.code == code, (words, ended.err)
        assert part in " ".join(ended.err.split())
        assert "secret" not in ended.err
    with pytest.raises(PlanError, match="belongs to a database"):
        fit({"x": [1, 2], "y": [1, 2]}, "y", query="select 1")


def test_the_password_is_nowhere(danlu, postgres: Server, tmp_path: Path) -> None:
    address = postgres.address()
    train, test = "select * from houses where area < 150", postgres.address() + "?application_name=test"
    ended = danlu("fit", address, "--query", train, "-t", "price", "--test", test, "--json", *QUICK)
    assert ended.code == 0, ended.err
    assert json.loads(ended.out)["model"] == "postgres.danlu"
    shown = [ended.out, ended.err]
    for words in (
        ("check", address, "--table", "houses", "-t", "price", "-o", "check.html"),
        ("check", address, "--table", "houses", "-t", "price", "--json"),
        ("show", "postgres.danlu"),
        ("show", "postgres.danlu", "--plan"),
        ("show", "postgres.danlu", "--json"),
        ("predict", "postgres.danlu", address, "--table", "houses", "--json"),
        ("score", "postgres.danlu", address, "--table", "houses", "--json"),
        ("fit", address, "--query", train, "-t", "price", "--test", address, *QUICK),
        ("fit", address, "-t", "nothing", "--table", "houses", *QUICK),
        ("fit", address.replace(WRITTEN, "wrong-one"), "--table", "houses", "-t", "price", *QUICK),
    ):
        ended = danlu(*words)
        shown += [ended.out, ended.err]
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {path.suffix for path in files} >= {".json", ".safetensors", ".html"}
    shown += [path.read_bytes().decode("utf-8", "replace") + path.name for path in files]
    everything = "\n".join(shown)
    assert "danlu:***@127.0.0.1" in everything
    for secret in (PASSWORD, WRITTEN, "wrong-one"):
        assert secret not in everything
    model = fit(address, "price", table="houses", epochs=2, repeats=1, folds=2, hidden=(4,), threads=1)
    assert model.predict(address).shape == (120,)
    assert WRITTEN not in model.run.model_dump_json()
    assert model.run.source == address.replace(WRITTEN, "***")
