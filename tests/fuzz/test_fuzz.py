"""No table, file or command line brings out an exception but Danlu's own, hangs, or loses a row without a word.

`make fuzz` tries 10,000 cases; DANLU_FUZZ names another number. A case that fails is written beside the test's folder,
and its bytes belong into tests/fuzz/found, where they are tried every time.
"""

from __future__ import annotations

import contextlib
import csv
import io
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from danlu.cli.app import app
from danlu.cli.ending import INTERNAL, run
from danlu.core.errors import DanluError, DataError
from danlu.core.plan import make_plan
from danlu.data import RawTable, ReadOptions, conform, examine, read, write
from danlu.data.dialect import detect
from danlu.data.encoding import to_utf8
from danlu.data.traps import find_traps
from fuzz import hostile

CASES = int(os.environ.get("DANLU_FUZZ", "300"))
SECONDS = 10.0
FOUND = sorted(path for path in (Path(__file__).parent / "found").iterdir() if path.suffix != ".md")


@contextlib.contextmanager
def in_time(what: str) -> Iterator[None]:
    begun = time.monotonic()
    yield
    assert time.monotonic() - begun < SECONDS, f"{what} took too long"


def walked(path: Path, options: ReadOptions) -> RawTable | None:
    """Read, examine, conform, look for traps, write, and read again; return the table where it could be read."""
    try:
        raw = read(path, options)
    except DanluError as error:
        check_words(error)
        return None
    for target in raw.names[:2]:
        with contextlib.suppress(DanluError):
            plan = make_plan(target=(target,))
            examined = examine(raw, plan)
            find_traps(examined, plan)
            again = conform(raw, examined.schema, with_target=True)
            assert len(again.kept) == len(examined.kept)
            assert not any("not learnt" in note.text for note in again.warnings if "columns" not in note.topic)
    return raw


def check_words(error: DanluError) -> None:
    assert error.rule
    assert "\n" not in error.rule + error.remedy, repr(str(error))


def counted_by_csv(data: bytes, options: ReadOptions, *, tabs: bool = False) -> int | None:
    """Return the rows that Python's csv module finds below the header; None where it reads in another way."""
    utf8, _ = to_utf8(data, options.encoding, "t")
    words = bytes(utf8).decode().removeprefix("\ufeff")
    if "\r" in words and "\n" not in words:
        words = words.replace("\r", "\n")
    dialect = detect(words[: 1 << 20], options, tabs=tabs)
    words = words.rstrip("\r\n\x1a") + "\n"
    body = io.StringIO(words, newline="")
    for _ in range(dialect.lines):
        line = ""
        while not line.endswith("\n"):
            line += body.readline()
    rest = body.read()
    if dialect.delimiter == " ":
        return sum(bool(line.split()) for line in rest.split("\n"))
    quoting = csv.QUOTE_NONE if dialect.quote is None else csv.QUOTE_MINIMAL
    lines = io.StringIO(rest, newline="")
    reader = csv.reader(
        lines, delimiter=dialect.delimiter, quotechar=dialect.quote or '"', quoting=quoting, skipinitialspace=True
    )
    csv.field_size_limit(1 << 30)
    # The module ends lines where splitlines does not; a row is what it gives for a line end outside quotes.
    return sum(bool(row) for row in reader)


def check_text(data: bytes, folder: Path) -> None:
    path = folder / "t.csv"
    path.write_bytes(data)
    for options in (ReadOptions(), ReadOptions(skip_bad_rows=True)):
        raw = walked(path, options)
        if raw is not None and not raw.bad:
            assert raw.rows == counted_by_csv(data, options), f"rows of {data[:200]!r}"


def every(check: Callable[[int], Any], folder: Path, of: Callable[[int], bytes] | None = None) -> None:
    """Check a share of all cases, and say which failed."""
    failed = []
    for number in range(CASES // 3 or 1):
        try:
            with in_time(f"case {number}"):
                check(number)
        except Exception as error:
            failed.append(f"case {number}: {type(error).__name__}: {error}")
            if of is not None:
                (folder / f"failed-{number}").write_bytes(of(number))
    assert not failed, f"{len(failed)} failed; see {folder}\n" + "\n".join(failed[:20])


def test_texts(tmp_path: Path) -> None:
    every(lambda number: check_text(hostile.text(number), tmp_path), tmp_path, hostile.text)


def test_other_tables_for_a_model(tmp_path: Path) -> None:
    """What was learnt from one table meets another: it fits, or Danlu says why not."""

    def check(number: int) -> None:
        tables = []
        for part in (2 * number, 2 * number + 1):
            (tmp_path / "t.csv").write_bytes(hostile.text(part))
            with contextlib.suppress(DanluError):
                tables.append(read(tmp_path / "t.csv"))
        if len(tables) == 2:
            with contextlib.suppress(DanluError):
                examined = examine(tables[0], make_plan(target=(tables[0].names[-1],)))
                assert len(conform(tables[1], examined.schema, with_target=False).kept) == tables[1].rows

    every(check, tmp_path)


def test_containers(tmp_path: Path) -> None:
    every(lambda number: walked(hostile.container(number, tmp_path), ReadOptions()), tmp_path)


def test_command_lines(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from typer.main import get_command

    command = get_command(app)

    def check(number: int) -> None:
        words = hostile.command_line(number, tmp_path)
        code = run(command, words)
        said = capsys.readouterr()
        assert code != INTERNAL, f"{words}: {said.err}"
        assert code in (0, 2, 3, 4, 5), f"{words}: {code}"
        if "--json" in words[: words.index("--")] if "--" in words else "--json" in words:
            assert said.out.count("\n") == 1, words

    every(check, tmp_path)


@pytest.mark.parametrize("path", FOUND, ids=lambda path: path.name)
def test_what_was_found_before(path: Path, tmp_path: Path) -> None:
    with in_time(path.name):
        if path.suffix in (".csv", ".txt", ".tsv"):
            check_text(path.read_bytes(), tmp_path)
        else:
            walked(path, ReadOptions())


CELL = st.text(st.characters(codec="utf-8", exclude_characters="\0\r"), max_size=8)


@settings(max_examples=max(30, CASES // 10), deadline=None)
@given(
    rows=st.integers(1, 4).flatmap(
        lambda width: st.lists(st.lists(CELL, min_size=width, max_size=width), min_size=1, max_size=12)
    )
)
def test_a_table_that_csv_writes_comes_back_with_every_row(rows: list[list[str]]) -> None:
    out = io.StringIO()
    names = [f"name {i}" for i in range(len(rows[0]))]
    csv.writer(out, lineterminator="\n", quoting=csv.QUOTE_ALL).writerows([names, *rows])
    from danlu.data.text import read_text

    raw = read_text(
        out.getvalue().encode(),
        "t.csv",
        ReadOptions(header=True, delimiter=",", quote='"', encoding="utf-8", skip_lines=0),
    )
    assert (raw.rows, raw.names) == (len(rows), tuple(names))


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    for number in range(CASES // 10):
        (tmp_path / "t.csv").write_bytes(hostile.text(number))
        try:
            raw = read(tmp_path / "t.csv")
        except DataError:
            continue
        texts = {name: raw.arrow[name].to_pylist() for name in raw.names if str(raw.arrow[name].type) == "string"}
        if texts:
            write(tmp_path / "u.csv", texts, force=True)
            assert (
                read(tmp_path / "u.csv", ReadOptions(header=True, skip_lines=0, delimiter=",", quote='"')).rows
                == raw.rows
            )
