"""How many cells a workbook claims: a few bytes of it can ask for more than any memory holds."""

from __future__ import annotations

import re
import zipfile
from typing import IO
from xml.parsers import expat

from danlu.core.errors import DataError

_MOST_BYTES = 2 << 30
"""Largest workbook once unpacked. Excel's own limit of rows with 12 columns of numbers is about 1 GB."""

_FREE_CELLS, _BYTES_A_CELL = 10_000_000, 2
"""Cells that need no proof. Of more cells, one in ten must be there, and none takes less than 20 bytes of XML."""

_CELL = re.compile(rb"""<(?:\w+:)?c\s(?:[^>]*?\s)?r\s*=\s*["']([A-Z]{1,3})([0-9]{1,8})""")
_ROW = re.compile(rb"""<(?:\w+:)?row\s(?:[^>]*?\s)?r\s*=\s*["']([0-9]{1,8})""")
_LETTERS = [re.compile(rb"""r=["'][A-Z]{%d}""" % count) for count in range(1, 4)]
_DIGITS = [re.compile(rb"""r=["'][A-Z]{0,3}[0-9]{%d}""" % count) for count in range(1, 9)]
_SPACED = re.compile(rb"r(?:\s+=|=\s)")
_BLOCK, _OVERLAP = 1 << 22, 256


def check_size(archive: zipfile.ZipFile, source: str) -> None:
    """Refuse an .xlsx or .ods that unpacks to an absurd size, or whose few cells span one.

    Raises:
        DataError: says how many bytes or cells.
    """
    size = sum(entry.file_size for entry in archive.infolist())
    if size > _MOST_BYTES:
        raise DataError(
            f"{source} must unpack to at most {_MOST_BYTES >> 30} GB",
            f"it says {size / (1 << 30):.1f} GB",
            "Save the sheet as CSV or Parquet.",
        )
    for entry in archive.infolist():
        cells, most = 0, max(_FREE_CELLS, entry.file_size // _BYTES_A_CELL)
        # In an .xlsx any part may be a sheet, whatever it is called.
        for span in (_span_ods,) if entry.filename == "content.xml" else (_bound_xlsx, _span_xlsx):
            with archive.open(entry) as file:
                cells = span(file)
            if cells <= most:
                break
        else:
            raise DataError(
                f"cells of {source} must form a table",
                f"a few of them span {cells:,} cells",
                "Delete what lies far outside the table, or save it as CSV.",
            )


def _bound_xlsx(file: IO[bytes]) -> int:
    """Return no less than `_span_xlsx`, but at once: by the most letters and digits that a place has."""
    letters = digits = 0
    tail = b""
    while block := file.read(_BLOCK):
        text = tail + block
        while letters < 3 and _LETTERS[letters].search(text):
            letters += 1
        while digits < 8 and _DIGITS[digits].search(text):
            digits += 1
        if _SPACED.search(text):  # r = "A1" is XML, too, but nobody writes it
            return 16_384 * 10**8
        tail = text[-_OVERLAP:]
    return (0, 26, 702, 16_384)[letters] * 10**digits


def _span_xlsx(file: IO[bytes]) -> int:
    """Return rows times columns of the rectangle from the first cell to the last of a sheet."""
    columns: set[bytes] = set()
    rows, tail = 0, b""
    while block := file.read(_BLOCK):
        text = tail + block
        numbers = set(_ROW.findall(text))
        for column, row in set(_CELL.findall(text)):
            columns.add(column)
            numbers.add(row)
        rows = max([rows, *map(int, numbers)])
        tail = text[-_OVERLAP:]
    return rows * max((_number(letters) for letters in columns), default=0)


def _number(letters: bytes) -> int:
    """Return the number of a column.

    >>> _number(b"A"), _number(b"XFD")
    (1, 16384)
    """
    number = 0
    for letter in letters:
        number = 26 * number + letter - 64
    return number


def _span_ods(file: IO[bytes]) -> int:
    """Return rows times columns of the largest table, with what is repeated; a cell that is empty ends no row."""
    largest = rows = width = gap_rows = cells = gap = repeated = 0

    def started(name: str, attributes: dict[str, str]) -> None:
        nonlocal rows, width, gap_rows, cells, gap, repeated
        if name == "table:table":
            rows = width = gap_rows = 0
        elif name == "table:table-row":
            cells = gap = 0
            repeated = int(attributes.get("table:number-rows-repeated", 1))
        elif name in ("table:table-cell", "table:covered-table-cell"):
            gap += int(attributes.get("table:number-columns-repeated", 1))
            if "office:value-type" in attributes:
                cells, gap = cells + gap, 0

    def ended(name: str) -> None:
        nonlocal rows, width, gap_rows, largest
        if name == "table:table-row":
            gap_rows += repeated
            if cells:
                rows, gap_rows, width = rows + gap_rows, 0, max(width, cells)
        elif name == "table:table":
            largest = max(largest, rows * width)

    parser = expat.ParserCreate()
    parser.StartElementHandler, parser.EndElementHandler = started, ended
    parser.ParseFile(file)
    return largest
