"""JSON: one object a line, or an array of objects; each is a row, its keys the names of the columns."""

from __future__ import annotations

import codecs
import io
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
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

_BLANKS = re.compile(r"[ \t\r\n]*")
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
    return _table(found, source, options, ("JSON lines", "lines"), encoding)


def read_json(data: bytes | bytearray, source: str, options: ReadOptions) -> RawTable | None:
    """Read a JSON array of objects, one a row, by the rules of JSON lines; or JSON lines under the name of JSON.

    The rows are taken one after the other, so that beside the text and the columns nothing fills the memory.

    Returns:
        The table; None where the text begins as no JSON does that could be one.

    Raises:
        DataError: an element is no object, or holds a key twice, by its number; the array is empty or does not end; or
            there is one object alone, of which nobody says where its rows are.

    >>> read_json(b'[{"a": 1},\\n {"a": 2, "b": "x"}]', "t.json", ReadOptions()).arrow.to_pydict()
    {'a': [1, 2], 'b': [None, 'x']}
    """
    utf8, encoding = to_utf8(data, options.encoding, source)
    text = utf8.decode("utf-8-sig")
    at = _after_blanks(text, 0)
    if text[at : at + 1] == "[":
        return _table(_read_array(text, at, source), source, options, ("JSON array", "objects"), encoding)
    if text[at : at + 1] != "{":
        return None
    try:
        alone, end = _decoded(lambda: _DECODER.raw_decode(text, at), text)
    except _Mistake:
        return read_json_lines(data, source, options)
    if _after_blanks(text, end) < len(text):
        return read_json_lines(data, source, options)
    within = next((key for key, cell in alone.items() if isinstance(cell, list | dict)), None)
    if within is not None:
        rule = f"{source} must hold an array of objects, or one object a line"
        remedy = "Give the array of its rows: jq '.NAME' takes it out."
        raise DataError(rule, f"it is one object, with {_named(within)} and what is in it", remedy)
    found = _Rows()
    found.add(alone)
    return _table(found, source, options, ("JSON object", "objects"), encoding)


def _table(found: _Rows, source: str, options: ReadOptions, what: tuple[str, str], encoding: str) -> RawTable:
    """Return what was read as a table; `what` are the name of the form and of its rows."""
    form, rows = what
    if not found.cells:
        raise DataError(f"{source} must have columns", "its objects are empty", f'Give {rows} such as {{"area": 70}}.')
    names = [_dotted(path) for path in found.cells]
    whole = sum(len(cells) == found.rows and None not in cells for cells in found.cells.values())
    cells = [cells + [None] * (found.rows - len(cells)) for cells in found.cells.values()]
    made = loose_columns(cells, names, Marks.of(options.missing, names))
    table = pa.table(made.columns, names=[str(i) for i in range(len(names))])
    table, named = name_columns(table, names, source, place="the keys")
    notes = [Note(topic="format", text=f"{form}, {encoding}, {counted(len(names), 'column')}, {whole} in all {rows}")]
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


def _read_array(text: str, at: int, source: str) -> _Rows:
    """Read the elements of the array that begins at a place, or refuse the first that is no object."""
    found, number = _Rows(), 1
    at = _after_blanks(text, at + 1)
    more = text[at : at + 1] != "]"
    try:
        while more:
            row, at = _decoded(lambda at=at: _DECODER.raw_decode(text, at), text, whole=True)
            found.add(_checked(row))
            at = _after_blanks(text, at)
            more = text[at : at + 1] == ","
            if not more and text[at : at + 1] != "]":
                raise _Mistake(f"no comma follows it, but {text[at]!r}" if text[at:] else "the file ends behind it")
            at, number = _after_blanks(text, at + 1) if more else at, number + 1
    except _Mistake as mistake:
        rule, fact = f"{source} must be a JSON array of objects, each a row", f"element {number:,} is wrong: {mistake}"
        raise DataError(rule, fact, 'Correct it; each must be a whole object, such as {"area": 70}.') from None
    if _after_blanks(text, at + 1) < len(text):
        raise DataError(f"{source} must be one JSON array", "something follows its end", "Take the rest away.")
    if not found.rows:
        raise DataError(f"{source} must hold a table", "its array is empty", 'Give objects such as {"area": 70}.')
    return found


def _after_blanks(text: str, at: int) -> int:
    """Return where the next character stands that is no blank."""
    found = _BLANKS.match(text, at)
    return at if found is None else found.end()


def _refusal(source: str, number: int, fact: str) -> DataError:
    remedy = 'Correct the line; each must be a whole object, such as {"area": 70}.'
    if number == 1 and fact.startswith(("it is a list", "it ends", "it is no JSON")):
        remedy = "Write one object a line, or rename a list of objects to end in .json."
    return DataError(f"each line of {source} must be a JSON object", f"line {number} is wrong: {fact}", remedy)


def _object(line: bytes) -> dict[str, Any]:
    """Return the object of one line."""
    decode = partial(json.loads, line, object_pairs_hook=_distinct, parse_constant=_constant)
    return _checked(_decoded(decode, line))


def _decoded(decode: Callable[[], Any], text: str | bytes, *, whole: bool = False) -> Any:
    """Return what is decoded from a text; of a whole file a mistake is said with its line."""
    try:
        return decode()
    except _Mistake:
        raise
    except json.JSONDecodeError as error:
        if not text[error.pos :].strip():
            raise _Mistake("it ends too early") from None
        line = f"line {error.lineno:,}, " if whole else ""
        raise _Mistake(f"it is no JSON at {line}character {error.colno} ({error.msg.lower()})") from None
    except RecursionError:
        raise _Mistake("it is nested too deeply") from None
    except ValueError:  # more digits than Python turns into a number
        raise _Mistake("it has a number of more than 4,300 digits") from None


def _checked(found: Any) -> dict[str, Any]:
    """Return what is an object; of anything else say what it is."""
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


_DECODER = json.JSONDecoder(object_pairs_hook=_distinct, parse_constant=_constant)
