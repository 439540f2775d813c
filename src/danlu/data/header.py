"""Names of columns: given, missing, doubled; and the row numbers that data frames write as a first column."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from danlu.core.errors import DataError
from danlu.core.records import Note
from danlu.data.words import counted


def name_columns(
    table: pa.Table, names: Sequence[str], source: str, *, place: str = "the header"
) -> tuple[pa.Table, list[Note]]:
    """Give a table's columns their names.

    Wholly empty columns without a name at the right are dropped, as is a first column without a name that
    only numbers the rows (a data frame's index).

    Raises:
        DataError: another column has no name, or two have the same.
    """
    notes = []
    last = len(names)
    while last > 1 and not names[last - 1] and table.column(last - 1).null_count == table.num_rows:
        last -= 1
    if last < len(names):
        notes.append(Note(topic="columns", text=f"{counted(len(names) - last, 'empty column')} at the right left out"))
    first = int(last > 1 and names[0] in ("", "Unnamed: 0") and _numbers_rows(table.column(0)))
    if first:
        notes.append(Note(topic="columns", text="the first column only numbers the rows: left out"))
    names = list(names[first:last])
    if "" in names:
        raise DataError(
            f"every column of {source} must have a name",
            f"column {names.index('') + 1 + first} has none in {place}",
            "Name it, or use header=false if the first row is data.",
        )
    name, count = Counter(names).most_common(1)[0]
    if count > 1:
        at = [i + 1 + first for i, other in enumerate(names) if other == name]
        raise DataError(
            f"columns of {source} must have different names",
            f"`{name}` is the name of columns {', '.join(map(str, at))} in {place}",
            "Rename them, or use header=false if the first row is data.",
        )
    return table.select(list(range(first, last))).rename_columns(names), notes


def unnamed(columns: int) -> str:
    """Say what columns without names are called.

    >>> unnamed(1), unnamed(3)
    ('no header: the column is c1', 'no header: columns are c1 to c3')
    """
    return "no header: " + ("the column is c1" if columns == 1 else f"columns are c1 to c{columns}")


def quoted(names: Sequence[str], most: int = 6) -> str:
    """Return names for a message, the first few of them.

    >>> quoted(["a", "b"]), quoted(list("abcdefgh"), 2)
    ('`a`, `b`', '`a`, `b` and 6 more')
    """
    shown = ", ".join(f"`{name}`" for name in names[:most])
    return shown + (f" and {len(names) - most} more" if len(names) > most else "")


def missing_note(names: Sequence[str]) -> list[Note]:
    """Say in which columns cells that are not empty were taken as missing, if there are any."""
    if not names:
        return []
    text = f"marks such as ? or NA taken as missing in {quoted(names)}; missing=... names the marks"
    return [Note(topic="missing", text=text)]


def _numbers_rows(column: pa.ChunkedArray) -> bool:
    """Return whether a column holds 0, 1, 2, ... or 1, 2, 3, ..."""
    if not pa.types.is_int64(column.type) or column.null_count or not len(column):
        return False
    cells = column.to_numpy()
    return cells[0] in (0, 1) and np.array_equal(cells, np.arange(len(cells)) + cells[0])
