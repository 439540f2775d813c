"""Numbers that are written for people: $1,234.50, 12 %, 1.234,5 €, (300), '42."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pyarrow as pa

from danlu.data.compute import pc
from danlu.data.marks import NUMBER_MARKS

_SIGNS = (
    r"US\$|A\$|C\$|R\$|HK\$|NT\$|[$€£¥￥₹₩₽₺₴₫฿₪]|USD|EUR|GBP|JPY|CNY|RMB|CHF|SEK|NOK|DKK|INR"
    r"|元|円|원|kr\.?|zł|Kč|Fr\.?"
)
_GAP = "[ \u00a0\u2009\u202f'’]"
_POINT = (
    rf"(?:[1-9]\d{{0,2}}(?:,\d{{3}})+|[1-9]\d{{0,1}}(?:,\d{{2}})+,\d{{3}}|[1-9]\d{{0,2}}(?:{_GAP}\d{{3}})+|0|[1-9]\d*)?"
    r"(?:\.\d*)?"
)
_COMMA = rf"(?:[1-9]\d{{0,2}}(?:\.\d{{3}})+|[1-9]\d{{0,2}}(?:{_GAP}\d{{3}})+|0|[1-9]\d*)?(?:,\d*)?"
_WHOLE = (
    r"^'?(?P<open>\()?(?P<minus>[+\-−])?\s*(?P<sign>{signs})?\s*(?P<inner>[+\-−])?"
    r"(?P<number>{number})(?P<power>[eE][+-]?\d{{1,3}})?\s*(?P<unit>%|％|‰|{signs})?(?P<close>\))?$"
)
_PATTERNS = {
    ".": _WHOLE.format(signs=_SIGNS, number=_POINT),
    ",": _WHOLE.format(signs=_SIGNS, number=_COMMA),
}
_CELLS = tuple(re.compile(pattern) for pattern in _PATTERNS.values())
_MARKS = pa.array(sorted({mark.lower() for mark in NUMBER_MARKS}))
_PLAIN = r"^[+-]?(0|[1-9]\d*)?(\.\d*)?([eE][+-]?\d+)?$"
_DIGITS = 15
"""Whole numbers of more digits are codes: float64 would not keep all of them."""


def is_amount(cell: str) -> bool:
    """Return whether one cell is an amount.

    >>> [is_amount(cell) for cell in ("1.234,5", "$3", "12 %", "red", "-", "1.2.3")]
    [True, True, True, False, False, False]
    """
    return any(letter.isdigit() for letter in cell) and any(form.match(cell) for form in _CELLS)


@dataclass(frozen=True)
class Amounts:
    """Distinct texts of a column as numbers (NaN: a mark of a missing cell), and how they are written."""

    values: np.ndarray
    decimal: Literal[".", ","]
    unit: str
    grouped: bool
    plain: bool
    """Whether all are written as a program writes numbers."""
    unsure: bool
    """Whether every comma may as well be a decimal one: 1,234."""


def amounts(texts: pa.Array, decimal: str = ".") -> Amounts | None:
    """Return texts as numbers, or None where one is none, has leading zeros or too many digits, or where units differ.

    Arguments:
        texts: distinct cells of a column.
        decimal: the mark that is tried first.

    >>> found = amounts(pa.array(["$1,234.50", "($3)"]))
    >>> found.values.tolist(), found.unit
    ([1234.5, -3.0], '$')
    >>> amounts(pa.array(["1.234,5", "7"])).values.tolist()
    [1234.5, 7.0]
    >>> amounts(pa.array(["$1", "2 €"])), amounts(pa.array(["007"]))
    (None, None)
    """
    trimmed = pc.utf8_trim_whitespace(texts)
    marked = pc.is_in(pc.utf8_lower(trimmed), value_set=_MARKS).to_numpy(zero_copy_only=False)
    if marked.all():
        return None
    told = trimmed.filter(pa.array(~marked))
    for mark in (",",) if decimal == "," else (".", ","):
        # A look at the first texts spares most text columns the whole of it.
        if pc.all(pc.match_substring_regex(told.slice(0, 20), _PATTERNS[mark])).as_py():
            found = pc.extract_regex(told, _PATTERNS[mark])
            if not found.null_count:
                return _parsed(found, told, marked, mark)
    return None


def _parsed(found: pa.Array, told: pa.Array, marked: np.ndarray, mark: str) -> Amounts | None:
    """Return what the parts of all texts say, or None where they do not go together."""
    part = {field.name: found.field(field.name) for field in found.type}
    digits = pc.replace_substring_regex(part["number"], r"[^0-9]", "")
    length = pc.utf8_length(digits)
    brackets = pc.equal(part["open"], "(")
    if pc.min(length).as_py() == 0 or pc.max(length).as_py() > _DIGITS or brackets != pc.equal(part["close"], ")"):
        return None
    if pc.any(pc.and_(pc.not_equal(part["sign"], ""), pc.not_equal(part["unit"], ""))).as_py():
        return None
    units = pc.unique(pc.binary_join_element_wise(part["sign"], part["unit"], "")).to_pylist()
    if len(units) > 1 or pc.all(brackets).as_py():
        return None
    other = "," if mark == "." else "."
    number = pc.replace_substring_regex(part["number"], rf"[{other}{_GAP[1:]}", "")
    number = pc.replace_substring(number, ",", ".") if mark == "," else number
    values = pc.binary_join_element_wise(number, part["power"], "").cast(pa.float64()).to_numpy(zero_copy_only=False)
    minus = pc.or_(pc.is_in(part["minus"], pa.array(["-", "−"])), pc.is_in(part["inner"], pa.array(["-", "−"])))
    values = np.where(pc.or_(minus, brackets).to_numpy(zero_copy_only=False), -values, values)
    whole = np.full(len(marked), np.nan)
    whole[~marked] = values
    grouped = pc.any(pc.match_substring_regex(part["number"], rf"\d[{other}{_GAP[1:]}\d")).as_py()
    plain = pc.all(pc.match_substring_regex(told, _PLAIN)).as_py()
    sure = rf"\.|{_GAP}|,\d+,|^\d+$"
    unsure = mark == "." and grouped and not pc.any(pc.match_substring_regex(part["number"], sure)).as_py()
    return Amounts(whole, "," if mark == "," else ".", units[0], bool(grouped), bool(plain), unsure)


def nearly(texts: pa.Array, counts: np.ndarray, decimal: str) -> int | None:
    """Return the place of the commonest text that keeps a column from being one of numbers, or None.

    There is one where at least 9 cells of 10 are amounts, of 5 different texts or more, and at most 3 texts are not.
    """
    trimmed = pc.utf8_trim_whitespace(texts)
    good = pc.match_substring_regex(trimmed, _PATTERNS["," if decimal == "," else "."])
    good = pc.or_(good, pc.is_in(pc.utf8_lower(trimmed), value_set=_MARKS)).to_numpy(zero_copy_only=False)
    wrong = np.flatnonzero(~good)
    total = int(counts.sum())
    if not 1 <= len(wrong) <= 3 or len(texts) - len(wrong) < 5 or counts[wrong].sum() > 0.1 * total:
        return None
    codes = pc.any(pc.match_substring_regex(trimmed, r"^0\d")).as_py()
    return None if codes else int(wrong[counts[wrong].argmax()])
