"""Files damaged at random: read, or refused by Danlu, and nothing else."""

from __future__ import annotations

import contextlib
import json
import random
import sqlite3
from collections.abc import Callable
from pathlib import Path

import openpyxl
import pandas as pd
import pyarrow as pa
import pytest
import xlwt

from danlu.core.errors import DanluError
from danlu.data import read

FRAME = pd.DataFrame({"a": [1, 2, 3] * 20, "x": [0.5, None, 2.5] * 20, "s": ["é", "yy", None] * 20})
ENDS = (b"\xff\xff\xff\x7f", b"\xff\xff\xff\xff", bytes(4), b"\0\0\0\x40")


def arrow(path: Path) -> None:
    table = pa.Table.from_pandas(FRAME)
    table = table.append_column("d", table["s"].dictionary_encode())
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table)


def sqlite(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("create table t (a, b text, c real)")
        connection.executemany("insert into t values (?, ?, ?)", [(i, "x" * i, i / 2) for i in range(100)])
        connection.commit()


def json_lines(path: Path) -> None:
    lines = [{"a": i, "b": "xé" * i, "c": {"d": [1, 2]}, "e": None if i % 2 else 1.5} for i in range(20)]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")


def old_workbook(path: Path) -> None:
    book = xlwt.Workbook()
    sheet = book.add_sheet("s")
    for row, cells in enumerate([["a", "b"], [1, "é"], [2.5, True]]):
        for column, cell in enumerate(cells):
            sheet.write(row, column, cell)
    book.save(str(path))


def workbook(path: Path) -> None:
    book = openpyxl.Workbook()
    for row in (["a", "b"], [1, "é"], [2.5, True]):
        book.worksheets[0].append(row)
    book.save(path)


def document(path: Path) -> None:
    FRAME.to_excel(path, index=False, engine="odf")


def damaged(whole: bytes, seed: int) -> bytes:
    """Return a file with a few bytes changed, taken away, doubled, or replaced by numbers that are far too large."""
    chance, content = random.Random(seed), bytearray(whole)
    for _ in range(chance.choice([1, 1, 2, 5, 20])):
        place = chance.randrange(len(content))
        match chance.randrange(5):
            case 0:
                content[place] = chance.randrange(256)
            case 1:
                content[place] ^= 1 << chance.randrange(8)
            case 2:
                del content[place : place + chance.choice([1, 4, 100])]
            case 3:
                content[place:place] = content[place : place + 50]
            case _:
                content[place : place + 4] = chance.choice(ENDS)
        content = content or bytearray(b"a")
    return bytes(content)


@pytest.mark.parametrize(
    ("ending", "write", "times"),
    [
        (".arrow", arrow, 100),
        (".db", sqlite, 100),
        (".jsonl", json_lines, 100),
        (".xlsx", workbook, 100),
        (".ods", document, 100),
        (".xls", old_workbook, 20),  # each is read in a process of its own
    ],
)
def test_no_other_error_leaves(
    ending: str, write: Callable[[Path], None], times: int, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / f"t{ending}"
    write(path)
    whole = path.read_bytes()
    assert read(path).rows
    refused = 0
    for seed in range(times):
        path.write_bytes(damaged(whole, seed))
        try:
            read(path)
        except DanluError:
            refused += 1
    assert refused >= times // 3
    assert capfd.readouterr().err == ""
