"""What a delimited text holds, counted from its bytes, independent of the reader that parses the cells.

No CSV reader can be trusted alone, so rows, cells and quotes are checked here first, by line. The text is cut
into pieces at row ends; in each, the ends of all cells are found at once with NumPy.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np

from danlu.core.errors import DataError
from danlu.data.encoding import line_of

PIECE = 1 << 19
"""Bytes of a piece: its arrays stay in the cache, and calls cost nothing beside the work."""

_TAB, _NEWLINE, _RETURN, _BLANK, _PLUS, _MINUS, _ZERO, _X = 9, 10, 13, 32, 43, 45, 48, 120


@dataclass(frozen=True)
class Form:
    """How cells are written: delimiter, quote (-1: none), cells in a row, and whether there are carriage returns."""

    delimiter: int
    quote: int
    columns: int
    returns: bool = False


@dataclass
class Scan:
    """What was counted, over C columns.

    `codes_C` says which columns have a cell such as 007 or 0x1F, which is a code and no number; `padded` that
    some cell has blanks around it; `longest` is the length of the longest row in bytes.
    """

    empty_C: np.ndarray
    codes_C: np.ndarray
    rows: int = 0
    blank_lines: int = 0
    longest: int = 0
    padded: bool = False
    lines_in_cells: bool = False
    cuts: list[int] = field(default_factory=list)
    """Offsets of pieces of whole rows, from 0 to the length."""

    def add(self, part: Scan) -> None:
        """Add what was counted in the next piece."""
        self.empty_C += part.empty_C
        self.codes_C |= part.codes_C
        self.rows += part.rows
        self.blank_lines += part.blank_lines
        self.longest = max(self.longest, part.longest)
        self.padded |= part.padded
        self.lines_in_cells |= part.lines_in_cells


@dataclass(frozen=True)
class _Mistake:
    """A mistake in a piece: its offset there, and the words of the error, `{line}` to be filled in."""

    offset: int
    rule: str
    fact: str
    remedy: str


def scan(data: memoryview, form: Form, source: str, first_line: int = 1) -> Scan:
    """Count rows, and check that each has as many cells as there are columns and that quotes pair up.

    Arguments:
        data: the rows: no header, at least one byte, no line end after the last row.
        form: how cells are written.
        source: name of the table, for messages.
        first_line: number in the file of the first line of the data.

    Raises:
        DataError: the first row with too few or too many cells, or mistaken quotes, by its line number.
    """
    text = np.frombuffer(data, dtype=np.uint8)
    cuts = list(_cuts(text, form.quote))
    total = Scan(np.zeros(form.columns, dtype=np.int64), np.zeros(form.columns, dtype=bool), cuts=cuts)
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        parts = pool.map(lambda ends: _scan_piece(text[ends[0] : ends[1]], form), itertools.pairwise(cuts))
        for start, part in zip(cuts, parts, strict=False):
            if isinstance(part, _Mistake):
                line = line_of(data, start + part.offset) + first_line - 1
                raise DataError(part.rule.format(source=source), part.fact.format(line=line), part.remedy)
            total.add(part)
    return total


def squeeze(data: memoryview, form: Form, *, aligned: bool) -> bytearray:
    """Return the text without the blanks around cells; quoted text stays as it is.

    With `aligned`, cells are parted by runs of blanks, which become one tab each.
    """
    text = np.frombuffer(data, dtype=np.uint8)
    out = bytearray()
    for start, stop in itertools.pairwise(_cuts(text, form.quote)):
        out += _squeeze_piece(text[start:stop], form, aligned).tobytes()
    return out


def _cuts(text: np.ndarray, quote: int) -> Iterator[int]:
    """Yield 0, then offsets just after the end of a row, about a piece apart, then the length."""
    yield 0
    last, inside = 0, False
    for start in range(0, len(text) - PIECE, PIECE):
        if quote >= 0:
            inside ^= bool(np.count_nonzero(text[start : start + PIECE] == quote) & 1)
        cut = _row_end(text, start + PIECE, quote, inside)
        if last < cut < len(text):
            yield cut
            last = cut
    yield len(text)


def _row_end(text: np.ndarray, start: int, quote: int, inside: bool) -> int:
    """Return the offset after the first row end at or after `start`, which is inside a quoted cell or not."""
    width = 1 << 14
    while True:
        window = text[start : start + width]
        newline = window == _NEWLINE
        if quote >= 0:
            newline &= ~(np.logical_xor.accumulate(window == quote) ^ inside)
        found = int(newline.argmax())
        if newline[found]:
            return start + found + 1
        if start + width >= len(text):
            return len(text)
        width *= 4


def _scan_piece(piece: np.ndarray, form: Form) -> Scan | _Mistake:
    """Scan whole rows; the last of them may lack its line end."""
    if piece[-1] != _NEWLINE:
        piece = np.append(piece, np.uint8(_NEWLINE))
    part = Scan(np.zeros(form.columns, dtype=np.int64), np.zeros(form.columns, dtype=bool))
    wanted = piece == form.delimiter
    wanted |= piece == _NEWLINE
    if form.quote < 0:
        ends, quotes = np.flatnonzero(wanted), np.empty(0, dtype=np.int64)
    else:
        wanted |= piece == form.quote
        places = np.flatnonzero(wanted)
        found = piece[places]
        quote = found == form.quote
        inside = np.logical_xor.accumulate(quote)
        part.lines_in_cells = bool((inside & (found == _NEWLINE)).any())
        ends, quotes = places[~(inside | quote)], places[quote]
    mistake = _quote_mistake(piece, quotes, form) if quotes.size % 2 else None
    if form.returns and mistake is None:
        returns = np.flatnonzero(piece == _RETURN)
        alone = returns[piece[returns + 1] != _NEWLINE]
        quoted = np.searchsorted(quotes, alone) % 2 == 1
        part.lines_in_cells |= bool(quoted.any())
        mistake = _lone_return(alone[~quoted])
    return mistake or _count(piece, ends, quotes, form, part)


def _count(piece: np.ndarray, ends: np.ndarray, quotes: np.ndarray, form: Form, part: Scan) -> Scan | _Mistake:
    """Count the cells that end at `ends`."""
    starts = np.empty_like(ends)
    starts[0] = 0
    np.add(ends[:-1], 1, out=starts[1:])
    last = piece[ends] == _NEWLINE
    stops = ends - (last & (piece[ends - 1] == _RETURN)) if form.returns else ends
    width = form.columns
    regular = ends.size % width == 0 and bool(last[width - 1 :: width].all())
    if width == 1 or not regular or np.count_nonzero(last) * width != ends.size:
        first_of_row = np.append(True, last[:-1])
        blank = first_of_row & last & (starts == stops)
        part.blank_lines = int(np.count_nonzero(blank))
        starts, stops, last = starts[~blank], stops[~blank], last[~blank]
        if (mistake := _ragged(starts, last, width)) is not None:
            return mistake
    if not starts.size:
        return part
    part.rows = starts.size // width
    part.longest = int((stops[width - 1 :: width] - starts[::width]).max())
    first = piece[starts]
    if (piece == _BLANK).any():
        part.padded = bool((first == _BLANK).any() or (piece[stops - 1] == _BLANK).any())
    if quotes.size and not part.padded and (mistake := _quote_mistake(piece, quotes, form)):
        return mistake
    empty = starts == stops
    if quotes.size:
        empty |= (first == form.quote) & (stops - starts == 2)
        starts = starts + (first == form.quote)
        first = piece[starts]
    part.empty_C += np.bincount(np.flatnonzero(empty) % width, minlength=width)
    part.codes_C[_codes(piece, starts, first, form) % width] = True
    return part


def _codes(piece: np.ndarray, at: np.ndarray, lead: np.ndarray, form: Form) -> np.ndarray:
    """Return which of the cells, beginning `at` with the bytes `lead`, are digits after a leading zero, or 0x..."""
    cells = np.flatnonzero(lead == _ZERO)
    signed = np.flatnonzero((lead == _MINUS) | (lead == _PLUS))
    signed = signed[piece[at[signed] + 1] == _ZERO]
    places = np.concatenate([at[cells], at[signed] + 1]) + 1
    cells = np.concatenate([cells, signed])
    following = piece[places]
    found = [cells[(following | 32) == _X]]
    digit = (following - _ZERO) < 10  # uint8 wraps, so this is one comparison
    while digit.any():
        places, cells = places[digit] + 1, cells[digit]
        following = piece[places]
        digit = (following - _ZERO) < 10
        ended = np.isin(following, (form.delimiter, _NEWLINE, _RETURN, form.quote))
        found.append(cells[ended])
    return np.concatenate(found)


def _ragged(starts: np.ndarray, last: np.ndarray, width: int) -> _Mistake | None:
    """Return the first row whose number of cells is not `width`."""
    row_ends = np.flatnonzero(last)
    cells = np.diff(row_ends, prepend=-1)
    wrong = np.flatnonzero(cells != width)
    if not wrong.size:
        return None
    row = int(wrong[0])
    count = int(cells[row])
    return _Mistake(
        int(starts[row_ends[row] - count + 1]),
        f"every row of {{source}} must have {width} cell{'s' * (width != 1)}, one for each column",
        f"line {{line}} has {count}",
        "Correct that line, or name another delimiter or quote (delimiter=tab, quote=none).",
    )


def _quote_mistake(piece: np.ndarray, quotes: np.ndarray, form: Form) -> _Mistake | None:
    """Return the first quote that neither opens nor closes a whole cell, or that is never closed."""
    odd = bool(quotes.size % 2)
    beside = (form.delimiter, _NEWLINE, _RETURN, form.quote, *([_BLANK] if odd else []))  # odd: not yet squeezed
    opening, closing = quotes[0::2], quotes[1::2]
    before = np.where(opening == 0, _NEWLINE, piece[opening - 1])
    after = piece[closing + 1]
    wrong = np.append(
        opening[~np.isin(before, beside)],
        opening[: closing.size][~np.isin(after, beside)],
    )
    if odd:
        wrong = np.append(wrong, opening[-1])
    if not wrong.size:
        return None
    return _Mistake(
        int(wrong.min()),
        "a quote in {source} must open or close a whole cell",
        "the one in line {line} does not, or is never closed",
        "Close it, or double a quote that belongs to the text; quote=none takes all quotes as text.",
    )


def _lone_return(returns: np.ndarray) -> _Mistake | None:
    """Return the first carriage return outside quotes that no line feed follows."""
    if not returns.size:
        return None
    return _Mistake(
        int(returns[0]),
        "lines of {source} must all end alike",
        "line {line} has a carriage return of its own",
        "Save the table again with one kind of line end.",
    )


def _squeeze_piece(piece: np.ndarray, form: Form, aligned: bool) -> np.ndarray:
    blank = piece == _BLANK
    if aligned:
        blank |= piece == _TAB
    elif form.quote >= 0:
        blank &= ~np.logical_xor.accumulate(piece == form.quote)
    edges = np.flatnonzero(np.diff(blank, prepend=False, append=False))
    starts, stops = edges[::2], edges[1::2]
    before = np.where(starts == 0, _NEWLINE, piece[starts - 1])
    after = np.append(piece, np.uint8(_NEWLINE))[stops]
    outer = (before == _NEWLINE) | np.isin(after, (_NEWLINE, _RETURN))
    if aligned:
        piece = piece.copy()
        piece[starts[~outer]] = _TAB
        starts = starts + ~outer
    else:
        outer |= (before == form.delimiter) | (after == form.delimiter)
        starts, stops = starts[outer], stops[outer]
    steps = np.zeros(piece.size + 1, dtype=np.int8)
    np.add.at(steps, starts, 1)
    np.add.at(steps, stops, -1)
    return piece[np.cumsum(steps[:-1], dtype=np.int8) == 0]
