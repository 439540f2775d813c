"""Rows of a delimited text that can be read, where some cannot: those are left out, and listed by their lines."""

from __future__ import annotations

import re

from danlu.core.errors import DataError
from danlu.core.records import Note
from danlu.data.scan import Form
from danlu.data.table import BAD_ROWS, BadRow
from danlu.data.words import counted

_LISTED = 5
"""Bad rows that a note names; `danlu check --json` names all of them."""


def good_rows(body: memoryview, form: Form, source: str, first_line: int) -> tuple[bytearray, tuple[BadRow, ...]]:
    """Return the rows with as many cells as there are columns and quotes that pair up, and what was left out.

    A line that begins no such row is left out alone, so an unclosed quote costs its own line and no other.

    Arguments:
        body: the rows, without the header.
        form: how cells are written.
        source: name of the table, for messages.
        first_line: number in the file of the first line of the body.

    Raises:
        DataError: more rows are bad than good: then rather the form is mistaken.
    """
    rows, row = _patterns(form)
    kept, bad = bytearray(), []
    place, line, good = 0, first_line, 0
    while place < len(body):
        run = rows.match(body, place)
        assert run is not None  # no row at all matches, too
        stop = run.end()
        if stop > place:
            kept += body[place:stop]
            if kept[-1] != 10:
                kept += b"\n"
            good += len(row.findall(body[place:stop]))
            line += bytes(body[place:stop]).count(b"\n")
            place = stop
            continue
        stop = _line_end(body, place)
        bad.append(BadRow(line, _why(bytes(body[place:stop]), form)))
        place, line = stop, line + 1
    if len(bad) > good:
        raise DataError(
            f"most rows of {source} must be readable",
            f"{counted(len(bad), 'row')} of {len(bad) + good:,} are not (line {bad[0].line} {bad[0].why})",
            "Name its delimiter and quote (delimiter=';', quote=none).",
        )
    while kept and kept[-1] in b"\r\n":
        kept.pop()
    return kept, tuple(bad)


def bad_note(bad: tuple[BadRow, ...]) -> list[Note]:
    """Say which rows were left out, if there are any."""
    if not bad:
        return []
    told = ", ".join(f"line {row.line:,} {row.why}" for row in bad[:_LISTED])
    more = f" and {len(bad) - _LISTED:,} more" if len(bad) > _LISTED else ""
    return [Note(topic=BAD_ROWS, text=f"{counted(len(bad), 'row')} left out, as asked: {told}{more}")]


def _patterns(form: Form) -> tuple[re.Pattern[bytes], re.Pattern[bytes]]:
    """Return patterns of as many good rows as there are, and of one; both never look back."""
    delimiter = re.escape(bytes([form.delimiter]))
    if form.quote < 0:
        cell = rb"[^\r\n\0%s]*+" % delimiter
    else:
        quote = re.escape(bytes([form.quote]))
        inside = rb"[^\0%s]*+" % quote
        whole = rb" *+%s%s(?:%s%s%s)*+%s *+(?=[%s\r\n]|\Z)" % (quote, inside, quote, quote, inside, quote, delimiter)
        cell = rb"(?>%s|[^\r\n\0%s%s]*+)" % (whole, delimiter, quote)
    more = rb"(?:%s%s){%d}" % (delimiter, cell, form.columns - 1)
    row = rb"(?>%s%s(?:\r?\n|\r?\Z))" % (cell, more)
    blank = rb"\r?\n"
    return re.compile(rb"(?>%s|(?!\Z)%s)*+" % (blank, row)), re.compile(rb"(?!\r?\n|\Z)%s" % row)


def _line_end(body: memoryview, place: int) -> int:
    """Return the offset after the line that a place is in."""
    width = 1 << 12
    while True:
        found = bytes(body[place : place + width]).find(b"\n")
        if found >= 0:
            return place + found + 1
        if place + width >= len(body):
            return len(body)
        width *= 4


def _why(line: bytes, form: Form) -> str:
    """Say what is wrong with a line."""
    if b"\0" in line:
        return "has a NUL byte"
    if form.quote >= 0 and form.quote in line:
        return "has a quote that does not open or close a whole cell"
    if b"\r" in line.rstrip(b"\r\n"):
        return "has a carriage return of its own"
    return f"has {counted(line.count(bytes([form.delimiter])) + 1, 'cell')} in place of {form.columns:,}"
