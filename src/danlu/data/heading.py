"""Where a table begins: lines of words before it, its header, and headers of two rows."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from danlu.data.amounts import is_amount
from danlu.data.marks import NUMBER_MARKS, TEXT_MARKS

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-]?(inf|infinity)", re.IGNORECASE)
_DATE = re.compile(r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}([ T].*)?")
_COMMENT = ("#", "|", "%", "//")
_MOST_LINES = 30
"""Lines before a table that are looked for, and left out where they hold one cell or none."""


@dataclass(frozen=True)
class Heading:
    """Where a table begins, in rows: `comments` and other lines `before` it, and `depth` rows of header (0 to 2).

    `names` are the cells of the header; for two rows those of the first stand before those of the second.
    """

    comments: int
    before: int
    depth: int
    names: tuple[str, ...] = ()

    @property
    def first(self) -> int:
        """Number of rows before the header."""
        return self.comments + self.before


def find_heading(rows: Sequence[Sequence[str]], header: bool | None, *, look: bool = True) -> Heading:
    """Return where a table begins.

    Arguments:
        rows: its first rows that are not blank, at least one.
        header: whether there is one, where that is known.
        look: whether there may be lines before it.
    """
    comments = _comments(rows) if look else 0
    rows = rows[comments:]
    before = _before(rows) if look and header is not False else 0
    rows = rows[before:]
    first = [cell.strip() for cell in rows[0]]
    body = [row for row in rows[1:] if len(row) == len(first)]
    if header is None:
        if look and (names := _two_rows(rows)):
            return Heading(comments, before, 2, names)
        header = is_header(list(rows[0]), [list(row) for row in body])
    return Heading(comments, before, int(header), tuple(first) if header else ())


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
    if _is_data(first):
        return False
    if names_numbers(first, body):
        return True
    columns = list(zip(*body, strict=True)) if body else [()] * len(first)
    named = all(cell.strip() for cell in first)
    recurs = any(cell in column for cell, column in zip(first, columns, strict=True))
    return named and len(set(first)) == len(first) and not recurs


def names_numbers(first: Sequence[str], body: Sequence[Sequence[str]]) -> bool:
    """Return whether a row without a number stands above a column of nothing but numbers or dates: a sure header."""
    if _is_data(first):
        return False
    for column in zip(*body, strict=True):
        told = [cell for cell in column if cell.strip() not in NUMBER_MARKS]
        if told and all(typed(cell) for cell in told):
            return True
    return False


def typed(cell: str) -> bool:
    """Return whether a cell is a number or a date.

    >>> [typed(cell) for cell in ("3.5", "1.234,5", "$3", "2020-01-31", "red")]
    [True, True, True, True, False]
    """
    cell = cell.strip()
    return any(form.fullmatch(cell) for form in (_NUMBER, _DATE)) or is_amount(cell)


def _is_data(row: Sequence[str]) -> bool:
    return any(typed(cell) or cell.strip() in TEXT_MARKS[1:] for cell in row)


def _usual(rows: Sequence[Sequence[str]]) -> int:
    """Return how many cells most rows have."""
    return Counter(map(len, rows)).most_common(1)[0][0]


def _comments(rows: Sequence[Sequence[str]]) -> int:
    """Return how many rows of comment come first.

    One that has as many cells as the others may well be the header: it is none if a sure one comes after it.
    """
    usual, skip = _usual(rows), 0
    marked = next((i for i, row in enumerate(rows[: _MOST_LINES + 1]) if not row[0].startswith(_COMMENT)), 0)
    if marked and len(rows[marked]) == usual:
        below = [row for row in rows[marked + 1 :] if len(row) == usual]
        if names_numbers(rows[marked], below):
            return marked
    while skip < len(rows) - 1 and rows[skip][0].startswith(_COMMENT) and len(rows[skip]) != usual:
        skip += 1
    return skip


def _before(rows: Sequence[Sequence[str]]) -> int:
    """Return how many rows of at most one cell stand before a sure header; none where there is no such header."""
    usual = _usual(rows)
    if usual < 2:
        return 0
    for count, row in enumerate(rows[: _MOST_LINES + 1]):
        if sum(bool(cell.strip()) for cell in row) < 2:
            continue
        full = [other for other in rows[count:] if len(other) == usual]
        if count and len(row) == usual and (names_numbers(row, full[1:]) or _two_rows(rows[count:])):
            return count
        return 0
    return 0


def _two_rows(rows: Sequence[Sequence[str]]) -> tuple[str, ...]:
    """Return the names of a header whose first row names groups of columns, as merged cells do; else nothing."""
    if len(rows) < 3 or len({len(row) for row in rows[:3]}) > 1:
        return ()
    groups, names = ([cell.strip() for cell in row] for row in rows[:2])
    told = [place for place, cell in enumerate(groups) if cell]
    below = [row for row in rows[2:] if len(row) == len(names)]
    if not 2 <= len(told) < len(groups) or _is_data(groups) or not all(names) or not names_numbers(names, below):
        return ()
    group, joined = "", []
    for above, name in zip(groups, names, strict=True):
        group = above or group
        joined.append(f"{group} {name}".strip() if group != name else name)
    return tuple(joined)
