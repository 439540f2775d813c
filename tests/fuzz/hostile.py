"""Hostile tables and command lines, made from a number: the same number makes the same case every time."""

from __future__ import annotations

import csv
import gzip
import io
import random
import sqlite3
from pathlib import Path

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq

TOKENS = [
    *(
        b'"',
        b"'",
        b",",
        b";",
        b"\t",
        b"|",
        b"\r",
        b"\n",
        b"\r\n",
        b"\0",
        b"\x1a",
        b"\\",
        b'""',
        b'"\n"',
        b",,",
        b"\n\n",
    ),
    *(b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf", b"\x80", b"\xed\xa0\x80", b"\xe4\xb8\xad", b"\xc4\xe3", b"\x82\xa0"),
    *(
        b"1e400",
        b"-1e400",
        b"nan",
        b"inf",
        b"NA",
        b"?",
        b"-",
        b"0x1F",
        b"007",
        b"99999999999999999999",
        b"1,234",
        b"1.234,5",
    ),
    *(b"$5", b"5 %", b"(3)", b"2020-02-30", b"31/12/2020", b"12:61", b"Jan 5, 2020", b"2020-01-01T00:00:00+25:00"),
    *(b"#", b"//", b"%", b"sep=;\n", b"=1+1", b"<script>", b"../../etc/passwd", b"yes", b"No", b"TRUE", b" ", b"     "),
    *(
        b"\xc2\xa0",
        b"\xe2\x80\xa8",
        b"\xe2\x80\xae",
        b"\xf0\x9f\x98\x80",
        b"x" * 70_000,
        b"9" * 400,
        b"-0",
        b"+",
        b"e5",
    ),
]
ENCODINGS = ["utf-8"] * 6 + ["utf-8-sig", "utf-16", "utf-16-le", "utf-32", "gb18030", "big5", "shift_jis", "latin-1"]
WORDS = [
    "a",
    "b",
    "yes",
    "No",
    "y",
    "n",
    "Oslo",
    "Köln",
    "北京",
    "東京",
    "x y",
    "q,r",
    'say "hi"',
    "l1\nl2",
    "",
    "NA",
    "-",
    "1 kg",
]


def table(rng: random.Random) -> list[list[str]]:
    """Return a header and rows of cells of several kinds."""
    width, rows = rng.choice([1, 2, 2, 3, 3, 5, 9]), rng.choice([1, 2, 5, 12, 30, 80])
    makers = [rng.choice(COLUMNS) for _ in range(width)]
    names = [
        f"c{i}" if rng.random() < 0.9 else rng.choice(["", "c0", "=1+1", "<script>", "a/b", "日本", " x "])
        for i in range(width)
    ]
    return [names, *[[make(rng, i) for make in makers] for i in range(rows)]]


def _word(rng: random.Random, _: int) -> str:
    return rng.choice(WORDS)


def _amount(rng: random.Random, _: int) -> str:
    value = rng.choice([1, 12, 1234.5, 99999.25, -7])
    return rng.choice(["${:,}", "{:,} €", "{} %", "({:,})", "{:,}"]).format(value)


def _date(rng: random.Random, i: int) -> str:
    return rng.choice(
        ["2020-01-{:02d}", "{:02d}.03.2020", "{}/4/2021", "Mar {}, 2022", "2020-01-{:02d}T10:00:00+02:00"]
    ).format(i % 28 + 1)


def _cell(rng: random.Random, i: int) -> str:
    """Return one of the plain kinds of cells; the kind is that of the row's number, so columns mix them."""
    kinds = [
        str(i),
        f"{rng.gauss(0, 10):.{rng.randrange(4)}f}",
        rng.choice("01"),
        rng.choice(["", "5", "NA"]),
        f"{i:05d}",
    ]
    return rng.choice(kinds)


def _whole(rng: random.Random, i: int) -> str:
    return str(i * rng.choice([1, 1, 1, 2]))


def _share(rng: random.Random, _: int) -> str:
    return f"{rng.gauss(0, 10):.3f}"


def _comma(rng: random.Random, _: int) -> str:
    return f"{rng.random():.2f}".replace(".", ",")


def _flag(rng: random.Random, _: int) -> str:
    return rng.choice("01")


def _code(_: random.Random, i: int) -> str:
    return f"{i:05d}"


def _day(_: random.Random, i: int) -> str:
    return f"{i % 28 + 1:02d}.03.2020"


COLUMNS = [_whole, _share, _share, _comma, _flag, _cell, _word, _word, _amount, _date, _day, _code]


def as_csv(rng: random.Random, rows: list[list[str]]) -> str:
    """Write a table in one of the usual dialects."""
    out = io.StringIO()
    ways = {"delimiter": rng.choice(",,,;\t|"), "lineterminator": rng.choice(["\n", "\n", "\r\n"])}
    csv.writer(out, quoting=rng.choice([csv.QUOTE_MINIMAL, csv.QUOTE_MINIMAL, csv.QUOTE_ALL]), **ways).writerows(rows)
    before = rng.choice([""] * 8 + ["# made by hand\n", "A report\n\n", "sep=;\n"])
    return before + out.getvalue()


def mutated(rng: random.Random, data: bytes) -> bytes:
    """Return some bytes with a few mistakes in them."""
    out = bytearray(data)
    for _ in range(rng.choice([0, 1, 1, 2, 4, 10])):
        at = rng.randrange(len(out) + 1)
        end = min(len(out), at + rng.choice([1, 1, 3, 20]))
        kind = rng.randrange(6)
        if kind == 0:
            del out[at:end]
        elif kind <= 2:
            out[at:at] = rng.choice(TOKENS)
        elif kind == 3 and at < len(out):
            out[at] = rng.randrange(256)
        elif kind == 4:
            out[at:at] = out[at:end] * rng.choice([1, 2, 30])
        else:
            out[at:] = out[at:][: rng.randrange(len(out) + 1)]
    return bytes(out)


def text(number: int) -> bytes:
    """Return the bytes of a text table, mostly broken somewhere."""
    rng = random.Random(f"text {number}")
    words = as_csv(rng, table(rng))
    encoding = rng.choice(ENCODINGS)
    return mutated(rng, words.encode(encoding, errors="replace"))


def container(number: int, folder: Path) -> Path:
    """Write a file that is not plain text (or claims not to be), mostly broken somewhere; return its path."""
    rng = random.Random(f"container {number}")
    rows = table(rng)
    kind = rng.choice(["xlsx", "parquet", "csv.gz", "jsonl", "sqlite", "xls", "feather"])
    path = folder / f"t.{kind}"
    names = [f"{name}{i}" for i, name in enumerate(rows[0])]
    columns = dict(zip(names, [list(column) for column in zip(*rows[1:], strict=True)], strict=True))
    if kind == "xlsx":
        book = openpyxl.Workbook()
        for row in rows:
            book.active.append([cell if rng.random() < 0.7 else _number(cell) for cell in row])
        book.save(path)
    elif kind == "parquet":
        pq.write_table(pa.table(columns), path)
    elif kind == "feather":
        with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, pa.table(columns).schema) as writer:
            writer.write_table(pa.table(columns))
    elif kind == "csv.gz":
        path.write_bytes(gzip.compress(as_csv(rng, rows).encode()))
    elif kind == "jsonl":
        path.write_text("".join(f"{dict(zip(names, row, strict=True))}\n".replace("'", '"') for row in rows[1:]))
    elif kind == "sqlite":
        path.unlink(missing_ok=True)
        with sqlite3.connect(path) as base:
            base.execute("create table t (" + ",".join(f"c{i}" for i in range(len(names))) + ")")
            base.executemany(f"insert into t values ({','.join('?' * len(names))})", rows[1:])
        base.close()
    else:
        path.write_bytes(rng.randbytes(300))
    if rng.random() < 0.7:
        path.write_bytes(mutated(rng, path.read_bytes()))
    return path


def _number(cell: str) -> float | str:
    try:
        return float(cell)
    except ValueError:
        return cell


OPTIONS = [
    ["--target"],
    ["--target", "c0"],
    ["--target", "c1"],
    ["--target", "1"],
    ["--target", "0"],
    ["--target", "c0,c1"],
    ["--target", ""],
    ["-t", "=1+1"],
    ["--task", "regression"],
    ["--task", "classification"],
    ["--task", "x"],
    ["--kind", "c0=number"],
    ["--kind", "c1=date"],
    ["--kind", "c1=yes/no"],
    ["--kind", "c0"],
    ["--drop", "c1"],
    ["--drop", "zz"],
    ["--encoding", "gb18030"],
    ["--encoding", "utf-7"],
    ["--encoding", "rot13"],
    ["--encoding", "idna"],
    ["--encoding", "no-such"],
    ["--delimiter", ";"],
    ["--delimiter", "tab"],
    ["--delimiter", "ab"],
    ["--delimiter", ""],
    ["--quote", "none"],
    ["--quote", "'"],
    ["--header"],
    ["--no-header"],
    ["--missing", "-999,c0=7"],
    ["--decimal", "comma"],
    ["--skip-lines", "1"],
    ["--skip-lines", "-1"],
    ["--skip-bad-rows"],
    ["--sheet", "2"],
    ["--folds", "2"],
    ["--folds", "1000000"],
    ["--holdout", "0.5"],
    ["--holdout", "nan"],
    ["--group", "c0"],
    ["--time", "c1"],
    ["--weight", "c0"],
    ["--fold-column", "c1"],
    ["--loss", "poisson"],
    ["--loss", "kl"],
    ["--json"],
    ["--nonsense"],
    ["--"],
    ["\ud800"],
]


def command_line(number: int, folder: Path) -> list[str]:
    """Return the words of a `danlu check` of a hostile text."""
    rng = random.Random(f"command {number}")
    path = folder / rng.choice(["t.csv", "t.tsv", "t.txt", "t", "t.csv.gz", "t.parquet"])
    path.write_bytes(text(number + 1_000_000))
    words = ["check", str(path)]
    if rng.random() < 0.8:
        words += ["--target", rng.choice(["c0", "c1", "1", "2"])]
    for option in rng.sample(OPTIONS, rng.choice([0, 1, 1, 2, 3])):
        words += option
    return words
