"""How a delimited text is written: delimiter, quotes, header, decimal comma; guessed from its first lines."""

from __future__ import annotations

import csv
import io
import itertools
import re
from collections import Counter
from dataclasses import dataclass
from typing import Literal

from danlu.core.errors import PlanError
from danlu.data.heading import Heading, find_heading, typed
from danlu.data.marks import NUMBER_MARKS
from danlu.data.table import ReadOptions

_ROWS = 400
"""Rows that are looked at. Whatever the rest of the file contradicts is refused later, by its line number."""

_SCORED = 200
"""Lines that decide the delimiter."""

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.IGNORECASE)
_COMMA_NUMBER = re.compile(r"[+-]?(\d+|\d{1,3}([. ]\d{3})+),\d+")
_POINT_NUMBER = re.compile(r"[+-]?\d+\.\d+")
_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}(\.\d{3})+")
_MARK: dict[str, Literal[".", ","]] = {"comma": ",", "point": "."}
_EXCEL = re.compile(r"\s*\"?sep=([!#-/:-@\[-`{-~\t ])\"?\s*")
"""What Excel writes before a table, to say how its cells are parted."""


@dataclass(frozen=True)
class Dialect:
    """How a text is written.

    `delimiter` " " stands for columns aligned with any number of blanks. `names` are the cells of the
    header, or c1, c2, ... `comments` lines and those of `before` stand before the table, and `lines` in all
    before its first row; its header has `depth` rows.
    """

    delimiter: str
    quote: str | None
    header: bool
    names: tuple[str, ...]
    comments: int
    lines: int
    decimal: Literal[".", ","] = "."
    before: tuple[str, ...] = ()
    depth: int = 0


def detect(sample: str, options: ReadOptions, *, tabs: bool) -> Dialect:
    """Guess how a text is written from its first lines.

    Arguments:
        sample: whole lines from the start of the text, at least one.
        options: what is known already.
        tabs: whether the file's name promises tabs.

    Raises:
        PlanError: no line is left of those to be skipped.
    """
    lines = list(itertools.islice(io.StringIO(sample, newline=""), (options.skip_lines or 0) + _ROWS))
    skip = options.skip_lines or 0
    if skip >= len(lines):
        raise PlanError("`skip_lines` must leave lines of the table", f"got {skip} of {len(lines)}", "Use fewer.")
    asked = _EXCEL.fullmatch(lines[skip]) if len(lines) > skip + 1 and options.delimiter is None else None
    skip += asked is not None
    before, lines = lines[:skip], lines[skip:]
    quote = _quote("".join(lines), options.quote)
    look = options.skip_lines is None
    delimiter = options.delimiter or (asked[1] if asked else _delimiter(lines, quote, tabs=tabs))
    rows = _split(lines, delimiter, quote)
    cells = [row for _, row in rows]
    found = find_heading(cells, options.header, look=look)
    first, body = cells[found.first], cells[found.first + 1 :]
    names = found.names if found.depth else tuple(f"c{i + 1}" for i in range(len(first)))
    if found.depth and _trailing(names, body):
        names = (*names, "")
    body = [row for row in body if len(row) == len(names)]
    comments = rows[found.comments - 1][0] if found.comments else 0
    last = found.first + found.depth
    before += _lines_before(lines, rows, found)
    return Dialect(
        delimiter=delimiter,
        quote=quote,
        header=found.depth > 0,
        names=names,
        comments=comments,
        lines=skip + (rows[last - 1][0] if last else 0),
        decimal=_MARK[options.decimal] if options.decimal else _decimal(delimiter, body or [first]),
        before=tuple(before),
        depth=found.depth,
    )


def _lines_before(lines: list[str], rows: list[tuple[int, list[str]]], found: Heading) -> list[str]:
    """Return the lines that stand before the header and are no comments."""
    if not found.before:
        return []
    start = rows[found.comments - 1][0] if found.comments else 0
    return lines[start : rows[found.first - 1][0]]


def _trailing(names: tuple[str, ...], body: list[list[str]]) -> bool:
    """Return whether every row ends in a delimiter more than the header."""
    return bool(body) and all(len(row) == len(names) + 1 and not row[-1].strip() for row in body)


def _quote(text: str, asked: str | None) -> str | None:
    """Return the quote character: the double one, unless only single ones enclose cells, or it never opens a cell."""
    if asked is not None:
        return None if asked == "none" else asked
    if re.search(r"(^|[,;\t|])[ ]*\"", text, re.MULTILINE):
        return '"'
    if '"' in text:
        return None
    single = re.findall(r"(?:^|[,;\t|])[ ]*'[^'\n]*'[ ]*(?=[,;\t|\r\n]|$)", text, re.MULTILINE)
    return "'" if len(single) >= max(2, text.count("\n")) and 2 * len(single) == text.count("'") else '"'


def _split(lines: list[str], delimiter: str, quote: str | None) -> list[tuple[int, list[str]]]:
    """Return (number of lines read so far, cells) for each row that is not blank."""
    if delimiter == " ":
        return [(number, line.split()) for number, line in enumerate(lines, 1) if line.strip()]
    quoting = csv.QUOTE_NONE if quote is None else csv.QUOTE_MINIMAL
    reader = csv.reader(lines, delimiter=delimiter, quotechar=quote or '"', quoting=quoting, skipinitialspace=True)
    rows = []
    try:
        for row in reader:
            if row:
                rows.append((reader.line_num, row))
    except csv.Error:  # an endless quoted cell: the scan will say where
        pass
    return rows or [(1, lines[0].rstrip("\r\n").split(delimiter))]


def _delimiter(lines: list[str], quote: str | None, *, tabs: bool) -> str:
    """Return the delimiter under which most rows have the same number of cells, and most cells are numbers or dates."""
    scores = {}
    lines = lines[:_SCORED]
    for delimiter in ",;\t|":
        rows = _split(lines, delimiter, quote)
        width, count = Counter(len(row) for _, row in rows).most_common(1)[0]
        if width > 1 and 2 * count >= len(rows):
            cells = [cell for _, row in rows for cell in row]
            known = sum(typed(cell) or cell.strip() in NUMBER_MARKS for cell in cells) / len(cells)
            scores[delimiter] = (tabs and delimiter == "\t", round(count / len(rows), 1), round(known, 1), width)
    if scores:
        return max(scores, key=lambda delimiter: scores[delimiter])
    aligned = [row for _, row in _split(lines, " ", quote)]
    cells = [cell for row in aligned for cell in row]
    numbers = sum(_NUMBER.fullmatch(cell) is not None for cell in cells)
    if len({len(row) for row in aligned}) == 1 and len(aligned[0]) > 1 and 2 * numbers > len(cells):
        return " "
    return "," if not tabs else "\t"


def _decimal(delimiter: str, rows: list[list[str]]) -> Literal[".", ","]:
    """Return the decimal mark: a comma where it cannot part cells and no number has a point but between thousands."""
    if delimiter == ",":
        return "."
    cells = [cell.strip() for row in rows for cell in row]
    commas = any(_COMMA_NUMBER.fullmatch(cell) for cell in cells)
    points = any(_POINT_NUMBER.fullmatch(cell) and not _THOUSANDS.fullmatch(cell) for cell in cells)
    return "," if commas and not points else "."
