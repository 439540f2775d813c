"""JSON lines: one object a line, each a row, its keys the names of the columns."""

from __future__ import annotations

import codecs
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from danlu.core.errors import DataError
from danlu.core.records import Note
from danlu.data.encoding import to_utf8
from danlu.data.header import missing_note, name_columns, quoted
from danlu.data.loose import loose_columns
from danlu.data.marks import Marks
from danlu.data.table import RawTable, ReadOptions
from danlu.data.words import counted

_MOST_CELLS, _MOST_EMPTY = 200_000_000, 50
"""A table of more cells, of which fewer than one in 50 is there, has data for keys; it would fill the memory."""

_KINDS = {list: "a list", str: "a text", bool: "true or false", int: "a number", float: "a number"}

_PLAIN = frozenset((int, float, bool, type(None)))

Path = tuple[str, ...]


class _Mistake(ValueError):
    """What is wrong with a line: a fact for the error."""


@dataclass
class _Rows:
    """What has been read: cells by column, which is their key, or the path of keys to them."""

    cells: dict[str | Path, list[Any]] = field(default_factory=dict)
    rows: int = 0
    blank: int = 0
    present: int = 0
    lists: dict[str, None] = field(default_factory=dict)

    def add(self, line: Any) -> None:
        """Add the object of one line."""
        rows, cells = self.rows, self.cells
        for key, cell in line.items():
            kind = type(cell)
            if kind is dict:
                for path, inner in _flat(cell, (key,)):
                    self._put(path, inner)
                continue
            column = cells.get(key)
            # The usual case, at once: a plain cell of a column that has all cells before it.
            if kind in _PLAIN and column is not None and len(column) == rows:
                column.append(cell)
            else:
                self._put(key, cell)
        self.present += len(line)
        self.rows += 1
        size = self.rows * len(self.cells)
        if size > _MOST_CELLS and size > _MOST_EMPTY * self.present:
            raise _Mistake(f"there are {len(self.cells):,} different keys by now, and nearly all cells are empty")

    def _put(self, path: str | Path, cell: Any) -> None:
        """Add one cell of the line that is being read."""
        column = self.cells.get(path)
        if column is None:
            _check_text(_dotted(path), path)
            column = self.cells[path] = []
        if type(cell) is str:
            _check_text(cell, path)
        elif type(cell) is list:
            self.lists[_dotted(path)] = None
            cell = json.dumps(cell, ensure_ascii=False)
        if len(column) < self.rows:
            column.extend([None] * (self.rows - len(column)))
        column.append(cell)


def _dotted(path: str | Path) -> str:
    return path if isinstance(path, str) else ".".join(path)


def read_json_lines(data: bytes | bytearray, source: str, options: ReadOptions) -> RawTable:
    """Read JSON lines.

    A key that a line lacks is a missing cell, as is null. Objects in objects become columns `outer.inner`, lists stay
    as their JSON text; both are said.

    Arguments:
        data: the whole text, in UTF-8 or another of the usual encodings.
        source: name of the table, for messages.
        options: marks of missing cells, and the encoding.

    Raises:
        DataError: a line is no JSON object, or holds a key twice, by its line number; or there is no row.

    >>> read_json_lines(b'{"a": 1, "b": {"c": "x"}}\\n{"a": 2.5}\\n', "t.jsonl", ReadOptions()).arrow.to_pydict()
    {'a': [1.0, 2.5], 'b.c': ['x', None]}
    """
    data, encoding = to_utf8(data, options.encoding, source)
    found = _read(data[3:] if data.startswith(codecs.BOM_UTF8) else data, source)
    if not found.rows:
        raise DataError(f"{source} must hold a table", "it has no line", "Give one JSON object a line.")
    if not found.cells:
        raise DataError(f"{source} must have columns", "its objects are empty", 'Give lines such as {"area": 70}.')
    names = [_dotted(path) for path in found.cells]
    whole = sum(len(cells) == found.rows and None not in cells for cells in found.cells.values())
    cells = [cells + [None] * (found.rows - len(cells)) for cells in found.cells.values()]
    made = loose_columns(cells, names, Marks.of(options.missing, names))
    table = pa.table(made.columns, names=[str(i) for i in range(len(names))])
    table, named = name_columns(table, names, source, place="the keys")
    notes = [
        Note(topic="format", text=f"JSON lines, {encoding}, {counted(len(names), 'column')}, {whole} in all lines")
    ]
    if found.blank:
        notes.append(Note(topic="rows", text=f"{counted(found.blank, 'blank line')} left out"))
    nested = [name for path, name in zip(found.cells, names, strict=True) if isinstance(path, tuple)]
    if nested:
        notes.append(Note(topic="columns", text=f"objects in objects became columns of their own: {quoted(nested)}"))
    if found.lists:
        notes.append(Note(topic="columns", text=f"lists kept as their JSON text: {quoted(list(found.lists))}"))
    return RawTable(table, source, (*notes, *named, *made.notes(), *missing_note(made.marked)))


def _read(data: bytes | bytearray, source: str) -> _Rows:
    """Read all lines, or refuse the first that is no object."""
    found = _Rows()
    for number, line in enumerate(io.BytesIO(data), 1):
        if not line.strip():
            found.blank += 1
            continue
        try:
            found.add(_object(line))
        except _Mistake as mistake:
            raise _refusal(source, number, str(mistake)) from None
    return found


def _refusal(source: str, number: int, fact: str) -> DataError:
    remedy = 'Correct the line; each must be a whole object, such as {"area": 70}.'
    if number == 1 and fact.startswith(("it is a list", "it ends", "it is no JSON")):
        remedy = "Write one object a line: jq -c '.[]' does it to a list."
    return DataError(f"each line of {source} must be a JSON object", f"line {number} is wrong: {fact}", remedy)


def _object(line: bytes) -> dict[str, Any]:
    """Return the object of one line."""
    try:
        found = json.loads(line, object_pairs_hook=_distinct, parse_constant=_constant)
    except _Mistake:
        raise
    except json.JSONDecodeError as error:
        if not line[error.pos :].strip():
            raise _Mistake("it ends too early") from None
        raise _Mistake(f"it is no JSON at character {error.colno} ({error.msg.lower()})") from None
    except RecursionError:
        raise _Mistake("it is nested too deeply") from None
    except ValueError:  # more digits than Python turns into a number
        raise _Mistake("it has a number of more than 4,300 digits") from None
    if not isinstance(found, dict):
        raise _Mistake("it is " + ("null" if found is None else _KINDS[type(found)]))
    return found


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object, if no key comes twice: which of them would count?"""
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))
        raise _Mistake(f"the key `{twice}` comes twice")
    return found


def _constant(word: str) -> float | None:
    """Return NaN, which JSON does not know but Python writes, as a missing cell; and the infinities as they are."""
    return None if word == "NaN" else float(word)


def _flat(value: dict[str, Any], path: Path) -> Iterator[tuple[Path, Any]]:
    """Yield each cell of an object and of those in it, with the keys that lead there."""
    for key, cell in value.items():
        if isinstance(cell, dict):
            yield from _flat(cell, (*path, key))
        else:
            yield (*path, key), cell


def _check_text(text: str, path: str | Path) -> None:
    """Refuse text that no file in UTF-8 could hold, or that hides its end."""
    if "\0" in text:
        raise _Mistake(f"{_named(path)} has a NUL character")
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            raise _Mistake(f"{_named(path)} has half of a surrogate pair") from None


def _named(path: str | Path) -> str:
    """Return the name of a column for a message, safe to print."""
    return "`" + _dotted(path).encode("utf-8", "replace").decode().replace("\0", "?") + "`"
