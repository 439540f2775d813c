"""Columns of text that are nearly something else: numbers but for a cell, categories spelt in two ways."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from danlu.data.amounts import Amounts, nearly
from danlu.data.cells import Origin

_MOST_LEVELS = 5000


def amount_note(found: Amounts, texts: pa.Array, name: str) -> str:
    """Say how the cells of a column are written and read."""
    shown = [
        text
        for text, value in zip(texts.slice(0, 1000).to_pylist(), found.values.tolist(), strict=False)
        if value == value
    ]
    example, value = shown[0], found.values[texts.index(shown[0]).as_py()]
    if found.grouped:
        longest = max(shown, key=len)
        example, value = longest, found.values[texts.index(longest).as_py()]
    text = f"numbers stored as text ({example!r})" if found.plain else f"{example!r} is read as {value:.15g}"
    if found.unsure:
        return f"{text}; decimal=comma reads a decimal comma"
    return f"{text}; --kind {name}=category takes the texts"


def nearly_numbers(codes: np.ndarray, texts: pa.Array, counts: np.ndarray, origin: Origin) -> str:
    """Say which cell keeps a column from being one of numbers, or nothing where it is far from that."""
    place = nearly(texts, counts, origin.decimal)
    if place is None:
        return ""
    row = int((codes == place).argmax())
    number = row if origin.kept is None else int(origin.kept[row])
    cell, count = texts[place].as_py(), int(counts[place])
    many = "" if count == 1 else f" and {count - 1:,} more"
    shown = cell if len(cell) <= 30 else f"{cell[:29]}…"
    remedy = f" (missing={origin.name}={cell} makes it missing)" if shown == cell and cell.isprintable() else ""
    return f"not all numbers: row {number + 1:,}{many} has {shown!r}{remedy}"


def case_note(levels: list[str]) -> str:
    """Say which levels differ in nothing but case or blanks, or nothing.

    >>> case_note(["Male", "female", "male"])
    "levels that differ only in case or blanks are kept apart: 'Male' and 'male'"
    """
    if len(levels) > _MOST_LEVELS:
        return ""
    spelt: dict[str, list[str]] = {}
    for level in levels:
        spelt.setdefault(" ".join(level.split()).casefold(), []).append(level)
    same = [words for words in spelt.values() if len(words) > 1]
    if not same:
        return ""
    shown = " and ".join(repr(word[:30]) for word in same[0][:3])
    more = f", and {len(same) - 1:,} more" if len(same) > 1 else ""
    return f"levels that differ only in case or blanks are kept apart: {shown}{more}"
