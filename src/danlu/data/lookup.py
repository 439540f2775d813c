"""Finding columns by name or number, and refusing a name that is not there with the nearest one that is."""

from __future__ import annotations

from collections.abc import Sequence

from danlu.core.errors import DataError, nearest
from danlu.core.parsing import split_names


def find_column(wanted: str, names: Sequence[str], what: str) -> int:
    """Return the position of a column that is given by its name or by its number from 1.

    Raises:
        DataError: there is no such column; the message names the nearest.

    >>> find_column("area", ["price", "area"], "target"), find_column("1", ["price", "area"], "target")
    (1, 0)
    """
    if wanted in names:
        return list(names).index(wanted)
    if wanted.isdecimal() and 1 <= int(wanted) <= len(names):
        return int(wanted) - 1
    raise DataError(
        f"`{what}` must name a column of the table", f"there is no column {wanted!r}", nearest(wanted, names)
    )


def find_columns(wanted: Sequence[str], names: Sequence[str], what: str) -> tuple[int, ...]:
    """Return the positions of columns; one text that names none of them is several with commas.

    Raises:
        DataError: there is no such column; the message names the nearest.

    >>> find_columns(["low,high"], ["low", "high", "x"], "target"), find_columns(["a,b"], ["a", "a,b"], "target")
    ((0, 1), (1,))
    """
    if len(wanted) == 1 and "," in wanted[0] and wanted[0] not in names:
        wanted = split_names(wanted[0]) or wanted
    return tuple(find_column(name, names, what) for name in wanted)
