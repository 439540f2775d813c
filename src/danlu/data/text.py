"""Delimited text (CSV and its kin) into a table: detect, check, parse once, decide what is missing."""

from __future__ import annotations

import codecs
import re
import time
import weakref
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv

from danlu.core.errors import DataError
from danlu.core.records import Note
from danlu.data.compute import pc
from danlu.data.dialect import Dialect, detect
from danlu.data.encoding import line_of, to_utf8
from danlu.data.header import missing_note, name_columns, quoted, unnamed
from danlu.data.lenient import bad_note, good_rows
from danlu.data.marks import WHOLE, Marks, settle, without_marks
from danlu.data.scan import Form, Scan, scan, squeeze
from danlu.data.table import BadRow, RawTable, ReadOptions
from danlu.data.words import counted as counted_lines
from danlu.data.wrapped import unwrapped

_SAMPLE = 1 << 20
_DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "pipe", " ": "blank"}
_ANYTHING = re.compile(rb"[^\r\n\t ,;|\x1a\xef\xbb\xbf]")
_FEW = 8
"""Pieces of a text (half a megabyte each) that are read at once."""
_UNWRAPPED = Note(topic="codes", text='cells written as ="00123" are read as what stands in their quotes')
_LETS_GO = 5.0
"""Seconds that Arrow's threads have to let go of a text that is read: on a busy machine they come late."""


def read_text(data: bytes | bytearray, source: str, options: ReadOptions, *, tabs: bool = False) -> RawTable:
    """Read delimited text.

    Arguments:
        data: the whole text, in any of the usual encodings.
        source: name of the table, for messages.
        options: what need not be detected.
        tabs: whether the file's name promises tabs.

    Raises:
        DataError: the text holds no rows, or breaks a rule; by its line number.
        PlanError: the encoding asked for is unknown.
    """
    data, encoding = to_utf8(data, options.encoding, source)
    data, wrapped = unwrapped(data) if options.quote in (None, '"') else (data, False)
    returns = b"\r" in data
    data = _checked(data, source, returns=returns, lenient=options.skip_bad_rows)
    start = len(codecs.BOM_UTF8) if data.startswith(codecs.BOM_UTF8) else 0
    sample = bytes(data[start : _line_end(data, start + _SAMPLE)]).decode()
    dialect = detect(sample, options, tabs=tabs)
    body = _body(data, start, dialect, source)
    if b"\0" in data[: len(data) - len(body)]:
        raise _nul(data, source)
    quotes = (dialect.quote or '"').encode() in data
    form = Form(
        ord(dialect.delimiter),
        ord(dialect.quote) if dialect.quote and quotes else -1,
        len(dialect.names),
        returns,
    )
    lines = dialect.lines + 1
    body, form, counted, bad = _rows(body, form, source, lines, lenient=options.skip_bad_rows)
    del data
    marks = Marks.of(options.missing, dialect.names)
    table, wide = _parse(body, dialect, form, counted, marks, source)
    del body
    table, missing = _settle(table, dialect, counted, marks)
    codes = [dialect.names[i] for i in counted.codes_C.nonzero()[0]]
    table, notes = name_columns(table, dialect.names, source, place=f"line {dialect.lines}")
    return RawTable(
        table,
        source,
        (
            *_notes(encoding, dialect, counted),
            *([_UNWRAPPED] if wrapped else []),
            *bad_note(bad),
            *notes,
            *_about_cells(codes, wide, missing),
        ),
        dialect.header,
        dialect.comments + len(dialect.before),
        bad,
        dialect.decimal,
    )


def _rows(
    body: memoryview, form: Form, source: str, first_line: int, *, lenient: bool
) -> tuple[memoryview, Form, Scan, tuple[BadRow, ...]]:
    """Count and check the rows; where they may be left out, those that cannot be read are."""
    if not lenient:
        return (*_scan(body, form, source, first_line), ())
    try:
        if b"\0" not in bytes(body):
            return (*_scan(body, form, source, first_line), ())
    except DataError:
        pass
    if form.delimiter == ord(" "):
        form = replace(form, delimiter=ord("\t"), quote=-1)
        body = memoryview(squeeze(body, form, aligned=True))
    kept, bad = good_rows(body, form, source, first_line)
    return (*_scan(memoryview(kept), form, source, first_line), bad)


def _checked(data: bytes | bytearray, source: str, *, returns: bool, lenient: bool) -> bytes | bytearray:
    """Refuse text without a row or, unless lenient, with NUL bytes; turn the old Macintosh's line ends into today's."""
    if not _ANYTHING.search(data):
        raise DataError(f"{source} must hold a table", "it is empty", "Give a file with a header and rows.")
    if b"\0" in data and not lenient:
        raise _nul(data, source)
    if returns and b"\n" not in data:
        return data.replace(b"\r", b"\n")
    return data


def _nul(data: bytes | bytearray, source: str) -> DataError:
    return DataError(
        f"{source} must be text",
        f"line {line_of(data, data.find(0))} has a NUL byte",
        "Save it as text (UTF-8), or name its encoding, e.g. encoding=utf-16-le.",
    )


def _line_end(data: bytes | bytearray, near: int) -> int:
    """Return the offset after the last line end before `near`, else after the first one behind it."""
    if len(data) <= near:
        return len(data)
    return data.rfind(b"\n", 0, near) + 1 or data.find(b"\n", near) + 1 or len(data)


def _body(data: bytes | bytearray, start: int, dialect: Dialect, source: str) -> memoryview:
    """Return the rows: what follows the header, without the line ends after the last row."""
    for _ in range(dialect.lines):
        start = data.find(b"\n", start) + 1 or len(data)
    stop = len(data)
    while stop > start and data[stop - 1] in b"\r\n\x1a":
        stop -= 1
    if start >= stop:
        raise DataError(
            f"{source} must have rows below its header", "it has none", "If its first row is data, use header=false."
        )
    return memoryview(data)[start:stop]


def _scan(body: memoryview, form: Form, source: str, first_line: int) -> tuple[memoryview, Form, Scan]:
    """Count and check the rows, first taking away blanks around cells where there are any."""
    if form.delimiter == ord(" "):
        form = replace(form, delimiter=ord("\t"), quote=-1)
        body = memoryview(squeeze(body, form, aligned=True))
    counted = scan(body, form, source, first_line)
    if counted.padded:
        body = memoryview(squeeze(body, form, aligned=False))
        counted = scan(body, form, source, first_line)
    if not counted.rows:
        raise DataError(f"{source} must have rows", "it has none", "Give a file with a header and rows.")
    return body, form, counted


def _parse(
    body: memoryview, dialect: Dialect, form: Form, counted: Scan, marks: Marks, source: str
) -> tuple[pa.Table, list[str]]:
    """Parse the cells; columns are called "0", "1", ... Also return which were too long to be numbers."""
    reader = _Reader(form, counted, dialect, marks)
    texts = {str(i): pa.string() for i in counted.codes_C.nonzero()[0]}
    texts |= {str(i): pa.string() for i, name in enumerate(dialect.names) if name in marks.own}
    table = reader.read(body, texts)
    if table.num_rows != counted.rows:
        raise DataError(
            f"{source} must be read in the same way by two readers",
            f"one finds {counted.rows} rows and the other {table.num_rows}",
            "Name its delimiter and quote (delimiter=';', quote=none).",
        )
    huge = [field.name for field in table.schema if pa.types.is_float64(field.type) and _huge(table[field.name])]
    wide = []
    if huge:
        texts = reader.parse(body, dict.fromkeys(huge, pa.string()), only=huge)
        for name in huge:
            cells = without_marks(texts[name], marks.numbers)
            if pc.all(pc.match_substring_regex(cells, WHOLE)).as_py():
                table = table.set_column(int(name), name, cells)
                wide.append(dialect.names[int(name)])
    return table, wide


def _huge(column: pa.ChunkedArray) -> bool:
    """Return whether a number is at least 2 to the 63: perhaps a whole number that lost its last digits."""
    low_high = pc.min_max(column).as_py()
    return max(-(low_high["min"] or 0.0), low_high["max"] or 0.0) >= 2.0**63


def _until_gone(held: weakref.ref[np.ndarray]) -> None:
    """Wait until Arrow's threads have let go of the text that they have read, a moment after the table is there.

    They need Python for that: in a process that is over in this moment, as after a refusal, they would abort it.
    """
    until = time.monotonic() + _LETS_GO
    while held() is not None and time.monotonic() < until:
        time.sleep(0.0002)


@dataclass(frozen=True)
class _Reader:
    """pyarrow's reader, told all that is known of the text."""

    form: Form
    counted: Scan
    dialect: Dialect
    marks: Marks

    def read(self, body: memoryview, types: dict[str, pa.DataType]) -> pa.Table:
        """Parse all columns, those without a type by inference.

        Inference keeps every cell as text until the end. So the types of a long text are inferred from pieces
        at its start, middle and end: if all cells then fit them, they are those that inference would find.
        """
        cuts = self.counted.cuts
        if len(cuts) > _FEW:
            chosen = (0, len(cuts) // 2, len(cuts) - 3, len(cuts) - 2)
            sample = b"".join(bytes(body[cuts[i] : cuts[i + 1]]) for i in chosen)
            guessed = {f.name: f.type for f in self.parse(sample, types).schema if not pa.types.is_null(f.type)}
            try:
                return self.parse(body, guessed)
            except pa.ArrowInvalid:
                pass
        return self.parse(body, types)

    def parse(self, body: memoryview | bytes, types: dict[str, pa.DataType], only: list[str] | None = None) -> pa.Table:
        """Parse some columns, or all; those without a type by inference."""
        text = np.frombuffer(body, np.uint8)
        held, lent = weakref.ref(text), pa.py_buffer(text)
        del text
        table, failed = None, None
        try:
            table = self._parsed(pa.BufferReader(lent), types, only)
        except pa.ArrowInvalid as error:
            failed = error.with_traceback(None)  # whose frames would hold the text
        del lent
        _until_gone(held)
        if table is None:
            raise failed or AssertionError
        return table

    def _parsed(self, text: pa.BufferReader, types: dict[str, pa.DataType], only: list[str] | None) -> pa.Table:
        form = self.form
        return pa_csv.read_csv(
            text,
            read_options=pa_csv.ReadOptions(
                column_names=[str(i) for i in range(form.columns)],
                block_size=max(1 << 20, 2 * self.counted.longest),
            ),
            parse_options=pa_csv.ParseOptions(
                delimiter=chr(form.delimiter),
                quote_char=chr(form.quote) if form.quote >= 0 else False,
                newlines_in_values=self.counted.lines_in_cells,
            ),
            convert_options=pa_csv.ConvertOptions(
                check_utf8=False,  # to_utf8 did
                column_types=types,
                null_values=list(self.marks.numbers),
                strings_can_be_null=False,
                decimal_point=self.dialect.decimal,
                include_columns=only,
            ),
        )


def _settle(table: pa.Table, dialect: Dialect, counted: Scan, marks: Marks) -> tuple[pa.Table, list[str]]:
    """Make missing cells of text null. Also return the columns where other marks than empty were found."""
    columns, marked = [], []
    for i, (name, column) in enumerate(zip(dialect.names, table.columns, strict=True)):
        if name in marks.own:
            settled = settle(column, marks.own[name], marks.own[name])
        elif pa.types.is_string(column.type):
            settled = without_marks(column, marks.texts)
        else:
            settled = column
        columns.append(settled)
        if settled.null_count > counted.empty_C[i]:
            marked.append(name)
    return pa.table(columns, names=table.column_names), marked


def _notes(encoding: str, dialect: Dialect, counted: Scan) -> list[Note]:
    """Say how the text was read."""
    delimiter = _DELIMITERS.get(dialect.delimiter, dialect.delimiter)
    kind = "one column" if len(dialect.names) == 1 else f"{delimiter}-separated"
    header = "first row is the header" if dialect.header else unnamed(len(dialect.names))
    quote = {None: ", quotes are text", "'": ", single quotes"}.get(dialect.quote, "")
    decimal = ", decimal comma" if dialect.decimal == "," else ""
    notes = [Note(topic="format", text=f"{kind}, {encoding}{quote}{decimal}, {header}")]
    if encoding != "UTF-8":
        notes.append(Note(topic="encoding", text=f"taken for {encoding}; encoding=... names another"))
    if dialect.before:
        notes.append(Note(topic="before", text=_before(dialect.before)))
    if dialect.depth > 1:
        notes.append(
            Note(topic="header", text=f"two rows joined: {quoted(dialect.names, 3)}; skip_lines=... reads one")
        )
    if dialect.comments:
        notes.append(
            Note(topic="rows", text=f"{counted_lines(dialect.comments, 'comment line')} before the table left out")
        )
    if counted.blank_lines:
        notes.append(Note(topic="rows", text=f"{counted_lines(counted.blank_lines, 'blank line')} left out"))
    return notes


def _before(lines: tuple[str, ...]) -> str:
    """Say which lines before the table were left out."""
    told = [line.strip() for line in lines if line.strip()]
    shown = ", ".join(repr(line[:30] + "…" * (len(line) > 30)) for line in told[:3]) or "blank"
    more = f" and {len(told) - 3} more" if len(told) > 3 else ""
    return f"{counted_lines(len(lines), 'line')} before the table left out ({shown}{more}); skip_lines=... decides"


def _about_cells(codes: list[str], wide: list[str], missing: list[str]) -> list[Note]:
    """Say which cells were not taken as they stand."""
    notes = []
    if codes:
        notes.append(Note(topic="codes", text=f"{quoted(codes)} kept as text: leading zeros make them codes"))
    if wide:
        notes.append(Note(topic="codes", text=f"{quoted(wide)} kept as text: whole numbers above 2^63"))
    return [*notes, *missing_note(missing)]
