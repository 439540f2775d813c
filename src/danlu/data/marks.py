"""Cells that stand for "missing".

In a column of numbers, dates or booleans every usual mark is missing. In a column of text only those are that
are hardly ever a value of their own: "None" or "-" may well be one (no alley, no drug), so they stay.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from danlu.data.compute import pc

_ERRORS = ("#N/A", "#DIV/0!", "#VALUE!", "#REF!", "#NAME?", "#NUM!", "#NULL!", "#SPILL!", "#CALC!", "#GETTING_DATA")
"""What a spreadsheet shows where it could not reckon."""

TEXT_MARKS = ("", "?", "NA", "N/A", "n/a", "NaN", "nan", "null", "NULL", *_ERRORS)
NUMBER_MARKS = (*TEXT_MARKS, "na", "Null", "None", "none", "NONE", "nil", "-", "--", ".", "-nan", "-NaN", "#NA", "<NA>")


@dataclass(frozen=True)
class Marks:
    """Which cells are missing: in columns of numbers, in columns of text, and in columns with marks of their own."""

    numbers: tuple[str, ...] = NUMBER_MARKS
    texts: tuple[str, ...] = TEXT_MARKS
    own: dict[str, tuple[str, ...]] = field(default_factory=dict)

    @classmethod
    def of(cls, missing: Sequence[str] | None, names: Sequence[str]) -> Marks:
        """Read `ReadOptions.missing`: marks for all columns, and COLUMN=MARK for one.

        >>> Marks.of(["-999", "alley="], ["alley", "price"]).own
        {'alley': ('',)}
        """
        if missing is None:
            return cls()
        own: dict[str, tuple[str, ...]] = {}
        common: list[str] = []
        for item in missing:
            name, equals, mark = item.partition("=")
            if equals and name in names:
                own[name] = (*own.get(name, ("",)), *((mark,) if mark else ()))
            else:
                common.append(item)
        if not common:
            return cls(own=own)
        return cls(("", *common), ("", *common), own)


def without_marks(column: pa.ChunkedArray, marks: Sequence[str]) -> pa.ChunkedArray:
    """Return a text column with null where a cell is one of the marks."""
    marked = pc.is_in(column, value_set=pa.array(list(marks), pa.string()))
    if not pc.any(marked).as_py():
        return column
    return pc.if_else(marked, pa.scalar(None, pa.string()), column)


_CODE = r"^[+-]?0([0-9]+|[xX].*)$"
WHOLE = r"^[+-]?[0-9]+$"
_TYPES = (pa.int64(), pa.float64(), pa.date32(), pa.timestamp("s"), pa.timestamp("ns"))


def settle(column: pa.ChunkedArray, number_marks: Sequence[str], text_marks: Sequence[str]) -> pa.ChunkedArray:
    """Return a text column as numbers or dates where all its cells are that, else as text; missing cells null.

    Codes with leading zeros and whole numbers beyond 64 bits stay text.
    """
    cells = without_marks(column, number_marks)
    if cells.null_count == len(cells):
        return pa.chunked_array([pa.nulls(len(cells))])
    first = cells.slice(0, 1000).drop_null().slice(0, 1)
    if not pc.any(pc.match_substring_regex(cells, _CODE)).as_py():
        for kind in _TYPES:
            try:
                first.cast(kind)  # words fail here, at once
                typed = cells.cast(kind)
            except pa.ArrowInvalid:
                continue
            whole = kind == pa.float64() and pc.all(pc.match_substring_regex(cells, WHOLE)).as_py()
            return cells if whole else typed
    return without_marks(column, text_marks)
