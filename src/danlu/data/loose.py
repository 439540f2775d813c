"""Cells that each have a type of their own, as spreadsheets, JSON and SQLite hold them, into columns of one type."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from danlu.core.records import Note
from danlu.data.compute import pc
from danlu.data.header import quoted
from danlu.data.marks import Marks, settle

EXACT = 2**53
"""Largest whole number up to which a float holds each one exactly."""

_MOST = 2**63

_WORDS = {bool: "true or false", int: "numbers", float: "numbers", str: "text"}


@dataclass(frozen=True)
class Loose:
    """Columns made of loose cells, and in which of them what happened.

    `marked`: cells that are not empty were taken as missing. `mixed`: cells of several kinds became text, by name what
    kinds. `wide`: whole numbers beyond 64 bits became text. `rounded`: whole numbers above 2^53 stand beside fractions.
    """

    columns: list[pa.ChunkedArray]
    marked: list[str]
    mixed: dict[str, str]
    wide: list[str]
    rounded: list[str]

    def notes(self) -> list[Note]:
        """Say what was not taken as it stands, but for marks of missing cells."""
        notes = []
        for name, kinds in list(self.mixed.items())[:3]:
            notes.append(Note(topic="mixed", text=f"`{name}` holds {kinds}: read as text"))
        if self.mixed.keys() - set(list(self.mixed)[:3]):
            notes.append(Note(topic="mixed", text=f"read as text, too: {quoted(list(self.mixed)[3:])}"))
        if self.wide:
            notes.append(Note(topic="codes", text=f"{quoted(self.wide)} kept as text: whole numbers above 2^63"))
        if self.rounded:
            text = f"whole numbers above 2^53 in {quoted(self.rounded)} are rounded, beside fractions"
            notes.append(Note(topic="numbers", text=text))
        return notes


def loose_columns(cells: Sequence[Sequence[Any]], names: Sequence[str], marks: Marks) -> Loose:
    """Make columns of cells that are None or "" (missing), booleans, numbers, texts, dates, times or durations.

    A column whose cells are of one kind keeps it, but for text that holds only numbers or dates: it becomes these, as
    in a CSV file. Cells of several kinds become text.

    >>> made = loose_columns([[1, None, 2.5], ["1", "x", 2]], ["a", "b"], Marks())
    >>> made.columns[0].to_pylist(), made.columns[1].to_pylist(), made.mixed
    ([1.0, None, 2.5], ['1', 'x', '2'], {'b': 'numbers and text'})
    """
    made = Loose([], [], {}, [], [])
    for name, column in zip(names, cells, strict=True):
        made.columns.append(_column(column, name, marks, made))
        if made.columns[-1].null_count > sum(cell is None or cell == "" for cell in column):
            made.marked.append(name)
    return made


def as_text(cell: Any) -> str:
    """Return a cell as a text file would hold it."""
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, float) and cell.is_integer() and abs(cell) <= EXACT:
        return str(int(cell))
    return cell.strip() if isinstance(cell, str) else str(cell)


def _column(cells: Sequence[Any], name: str, marks: Marks, made: Loose) -> pa.ChunkedArray:
    """Return one column: of one type where all cells that are not missing have it, else text that may be numbers."""
    own = marks.own.get(name)
    alone = set(map(type, cells)) - {type(None)}
    if alone == {float}:  # the two most usual cases, without a look at each cell
        return pa.chunked_array([_floats(cells)])
    if alone == {str}:
        texts = pc.utf8_trim_whitespace(pa.chunked_array([pa.array(cells, pa.string())]))
        return settle(texts, own or marks.numbers, own or marks.texts)
    absent = {"", *marks.own.get(name, marks.numbers)}
    told = [None if isinstance(cell, str) and cell.strip() in absent else cell for cell in cells]
    kinds = {type(cell) for cell in told if cell is not None}
    typed = _typed(told, kinds, name, made)
    if typed is not None:
        return pa.chunked_array([typed])
    texts = pa.array([None if cell is None else as_text(cell) for cell in cells], pa.string())
    settled = settle(pa.chunked_array([texts]), own or marks.numbers, own or marks.texts)
    if len(kinds) > 1 and pa.types.is_string(settled.type):
        words = sorted({_WORDS.get(kind, "dates or times") for kind in kinds})
        if len(words) > 1:
            made.mixed[name] = " and ".join(words)
    elif kinds == {int}:
        made.wide.append(name)
    return settled


def _floats(cells: Sequence[Any]) -> pa.Array:
    """Return floats as int64 where all are whole and exact, else as doubles; NaN is missing."""
    floats = pa.array(cells, pa.float64(), from_pandas=True)
    known = floats.drop_null().to_numpy()
    whole = len(known) > 0 and bool((np.abs(known) <= EXACT).all() and (known == np.floor(known)).all())
    return floats.cast(pa.int64()) if whole else floats


def _typed(cells: list[Any], kinds: set[type], name: str, made: Loose) -> pa.Array | None:
    """Return cells of these kinds (None: missing) as an array, or None where they do not go together."""
    if kinds == {bool}:
        return pa.array(cells, pa.bool_())
    if kinds and kinds <= {int, float}:
        return _numbers(cells, kinds, name, made)
    if kinds and kinds <= {datetime.date, datetime.datetime}:
        midnight = datetime.time()
        combine = datetime.datetime.combine
        whole_days = kinds == {datetime.date}
        told = cells if whole_days else [combine(c, midnight) if type(c) is datetime.date else c for c in cells]
        return pa.array(told, pa.date32() if whole_days else pa.timestamp("us"))
    if kinds == {datetime.time}:
        return pa.array(cells, pa.time64("us"))
    if kinds == {datetime.timedelta}:
        return pa.array([cell if cell is None else cell.total_seconds() for cell in cells], pa.float64())
    return None


def _numbers(cells: list[Any], kinds: set[type], name: str, made: Loose) -> pa.Array | None:
    """Return numbers as int64 where all are whole and exact, else as doubles; None where int64 is too small."""
    if kinds == {int}:
        fits = all(cell is None or -_MOST <= cell < _MOST for cell in cells)
        return pa.array(cells, pa.int64()) if fits else None
    if all(cell is None or (abs(cell) <= EXACT and float(cell).is_integer()) for cell in cells):
        return pa.array([cell if cell is None else int(cell) for cell in cells], pa.int64())
    try:
        floats = [cell if cell is None else float(cell) for cell in cells]
    except OverflowError:  # a whole number beyond all floats
        return None
    if any(type(cell) is int and abs(cell) > EXACT for cell in cells):
        made.rounded.append(name)
    return pa.array(floats, pa.float64(), from_pandas=True)
