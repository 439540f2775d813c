"""How a delimited text is written: delimiter, quotes, header, decimal comma; guessed from its first lines."""

from __future__ import annotations

import csv
import io
import itertools
import re
from collections import Counter
from dataclasses import dataclass

from danlu.data.marks import NUMBER_MARKS, TEXT_MARKS
from danlu.data.table import ReadOptions

_ROWS = 400
"""Rows that are looked at. Whatever the rest of the file contradicts is refused later, by its line number."""

_SCORED = 200
"""Lines that decide the delimiter."""

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-]?(inf|infinity)", re.IGNORECASE)
_COMMA_NUMBER = re.compile(r"[+-]?\d+,\d+")
_POINT_NUMBER = re.compile(r"[+-]?\d+\.\d+")
_DATE = re.compile(r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}([ T].*)?")
_COMMENT = ("#", "|", "%", "//")


@dataclass(frozen=True)
class Dialect:
    """How a text is written.

    `delimiter` " " stands for columns aligned with any number of blanks. `names` are the cells of the
    header, or c1, c2, ... `comments` lines stand before the table, and `lines` in all before its first row.
    """

    delimiter: str
    quote: str | None
    header: bool
    names: tuple[str, ...]
    comments: int
    lines: int
    decimal: str = "."


def detect(sample: str, options: ReadOptions, *, tabs: bool) -> Dialect:
    """Guess how a text is written from its first lines.

    Arguments:
        sample: whole lines from the start of the text, at least one.
        options: what is known already.
        tabs: whether the file's name promises tabs.
    """
    lines = list(itertools.islice(io.StringIO(sample, newline=""), _ROWS))
    quote = _quote("".join(lines), options.quote)
    delimiter = options.delimiter or _delimiter(lines, quote, tabs=tabs)
    comments, rows = _without_comments(_split(lines, delimiter, quote))
    first, body = rows[0][1], [row for _, row in rows[1:] if len(row) == len(rows[0][1])]
    header = options.header if options.header is not None else is_header(first, body)
    names = tuple(cell.strip() for cell in first) if header else tuple(f"c{i + 1}" for i in range(len(first)))
    before = comments if not header else rows[0][0]
    return Dialect(delimiter, quote, header, names, comments, before, _decimal(delimiter, body or [first]))


def is_header(first: list[str], body: list[list[str]]) -> bool:
    """Return whether the first row names the columns.

    It does not if one of its cells is a number, a date or a sure mark of a missing one such as ?. It does
    if the cells below one of its texts are numbers or dates; else if its cells are distinct, none is empty,
    and none comes again in its own column.

    >>> is_header(["age", "sex"], [["34", "f"], ["27", "m"]])
    True
    >>> is_header(["f", "red"], [["m", "blue"], ["f", "red"]])
    False
    """
    if any(_typed(cell) or cell.strip() in TEXT_MARKS[1:] for cell in first):
        return False
    columns = list(zip(*body, strict=True)) if body else [()] * len(first)
    for column in columns:
        told = [cell for cell in column if cell.strip() not in NUMBER_MARKS]
        if told and all(_typed(cell) for cell in told):
            return True
    named = all(cell.strip() for cell in first)
    recurs = any(cell in column for cell, column in zip(first, columns, strict=True))
    return named and len(set(first)) == len(first) and not recurs


def _typed(cell: str) -> bool:
    """Return whether a cell is a number or a date."""
    cell = cell.strip()
    return any(form.fullmatch(cell) for form in (_NUMBER, _COMMA_NUMBER, _DATE))


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


def _without_comments(rows: list[tuple[int, list[str]]]) -> tuple[int, list[tuple[int, list[str]]]]:
    """Return how many lines of comment come first, and the rows after them."""
    usual = Counter(len(row) for _, row in rows).most_common(1)[0][0]
    skip = 0
    while skip < len(rows) - 1 and rows[skip][1][0].startswith(_COMMENT) and len(rows[skip][1]) != usual:
        skip += 1
    return (rows[skip - 1][0] if skip else 0), rows[skip:]


def _delimiter(lines: list[str], quote: str | None, *, tabs: bool) -> str:
    """Return the delimiter under which most rows have the same number of cells, and most cells are numbers or dates."""
    scores = {}
    lines = lines[:_SCORED]
    for delimiter in ",;\t|":
        _, rows = _without_comments(_split(lines, delimiter, quote))
        width, count = Counter(len(row) for _, row in rows).most_common(1)[0]
        if width > 1 and 2 * count >= len(rows):
            cells = [cell for _, row in rows for cell in row]
            typed = sum(_typed(cell) or cell.strip() in NUMBER_MARKS for cell in cells) / len(cells)
            scores[delimiter] = (tabs and delimiter == "\t", round(count / len(rows), 1), round(typed, 1), width)
    if scores:
        return max(scores, key=lambda delimiter: scores[delimiter])
    aligned = [row for _, row in _split(lines, " ", quote)]
    cells = [cell for row in aligned for cell in row]
    numbers = sum(_NUMBER.fullmatch(cell) is not None for cell in cells)
    if len({len(row) for row in aligned}) == 1 and len(aligned[0]) > 1 and 2 * numbers > len(cells):
        return " "
    return "," if not tabs else "\t"


def _decimal(delimiter: str, rows: list[list[str]]) -> str:
    """Return the decimal mark: a comma where it cannot part cells and no number has a point."""
    if delimiter == ",":
        return "."
    cells = [cell.strip() for row in rows for cell in row]
    commas = any(_COMMA_NUMBER.fullmatch(cell) for cell in cells)
    return "," if commas and not any(_POINT_NUMBER.fullmatch(cell) for cell in cells) else "."
