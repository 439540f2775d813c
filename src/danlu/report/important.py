"""Which columns surely matter: for the top of the page, its section about them, and the terminal."""

from __future__ import annotations

from danlu.core.explained import Importance
from danlu.core.records import Run


def is_sure(each: Importance) -> bool:
    """Return whether shuffling the column surely makes predictions worse.

    >>> is_sure(Importance(column="a", value=1.0, low=-0.1, high=2.1)), is_sure(Importance(column="a", value=1.0))
    (False, True)
    """
    return each.value > 0 and (each.low is None or each.low > 0)


def top_columns(run: Run, most: int = 3) -> list[str]:
    """Return the names of the most important columns, of those that surely matter."""
    found = run.explained.importance
    return [] if found is None else [each.column for each in found.columns if is_sure(each)][:most]
