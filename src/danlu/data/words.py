"""Words for counts in messages."""

from __future__ import annotations


def counted(count: int, noun: str) -> str:
    """Return a count with its noun.

    >>> counted(1, "row"), counted(20640, "row")
    ('1 row', '20,640 rows')
    """
    return f"{count:,} {noun}" + ("" if count == 1 else "s")
