"""Dates and times as float64 seconds since 1970 (UTC), from Arrow's own types and from common texts."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.types as pat

from danlu.data.cells import MARKS, Origin, as_text, is_date, pc, plain, text_codes

DAY = 86400.0
_UNITS = {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9}
_CLOCK = (
    r"(?P<H>\d{1,2}):(?P<M>\d{2})(?::(?P<S>\d{2}(?:[.,]\d+)?))?"
    r"\s*(?P<half>[AaPp]\.?[Mm]\.?)?\s*(?P<zone>[Zz]|UTC|GMT|[+-]\d{2}:?\d{2}|[+-]\d{2})?"
)
_TIME = rf"(?:(?:[T]|,?\s+){_CLOCK})?\s*(?:Z|UTC)?\s*$"
_WEEKDAY = r"^\s*(?:(?:[Mm]on|[Tt]ue|[Ww]ed|[Tt]hu|[Ff]ri|[Ss]at|[Ss]un)[a-z]*\.?,?\s+)?"
_NTH = r"(?:st|nd|rd|th)?"
_PATTERNS = {
    "year first": (
        r"^\s*(?P<y>\d{4})[-/.年](?P<m>\d{1,2})[-/.月](?P<d>\d{1,2})日?" + _TIME,
        # A month that is written as a word is in doubt in no order.
        rf"{_WEEKDAY}(?P<d>\d{{1,2}}){_NTH}[-/ .]+(?P<b>[A-Za-z]{{3,9}})\.?,?[-/ .]+(?P<y>\d{{4}})" + _TIME,
        rf"{_WEEKDAY}(?P<b>[A-Za-z]{{3,9}})\.?[- ]+(?P<d>\d{{1,2}}){_NTH},?[- ]+(?P<y>\d{{4}})" + _TIME,
        r"^\s*(?P<y>\d{4})[-/ .]+(?P<b>[A-Za-z]{3,9})[-/ .]+(?P<d>\d{1,2})" + _TIME,
    ),
    "day first": (
        r"^\s*(?P<d>\d{1,2})[-/.](?P<m>\d{1,2})[-/.](?P<y>\d{4})" + _TIME,
        r"^\s*(?P<d>\d{1,2})/(?P<m>\d{1,2})/(?P<y>\d{2})" + _TIME,
        r"^\s*(?P<d>\d{2})[-.](?P<m>\d{2})[-.](?P<y>\d{2})" + _TIME,
    ),
    "month first": (
        r"^\s*(?P<m>\d{1,2})[-/.](?P<d>\d{1,2})[-/.](?P<y>\d{4})" + _TIME,
        r"^\s*(?P<m>\d{1,2})/(?P<d>\d{1,2})/(?P<y>\d{2})" + _TIME,
        r"^\s*(?P<m>\d{2})[-.](?P<d>\d{2})[-.](?P<y>\d{2})" + _TIME,
    ),
    "digits": (r"^\s*(?P<y>\d{4})(?P<m>\d{2})(?P<d>\d{2})" + _TIME,),
    "time of day": (rf"^\s*{_CLOCK}\s*$",),
}
_MONTHS = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
]
_MONTH = {name[:length]: number for number, name in enumerate(_MONTHS, 1) for length in (3, 9)} | {"sept": 9}
_CENTURY = 69
"""Years of two digits from here on are of the last century, as POSIX has it."""
GUESSED = ("year first", "day first", "month first", "time of day")
"""Orders that are tried on a column whose kind is not known: eight digits may as well be a number."""


def seconds(column: pa.ChunkedArray, origin: Origin, order: str = "") -> np.ndarray:
    """Return a column of dates or times of day as float64 seconds `[N]`, NaN where missing.

    Text is read as year first, then in the given order, then as eight digits; so are whole numbers.

    Raises:
        DataError: the first cell that is no date.
    """
    column = plain(column)
    if is_date(column.type):
        return _typed_seconds(column)
    return _parsed(as_text(column), origin, order)


def _typed_seconds(column: pa.ChunkedArray) -> np.ndarray:
    """Return a column of dates, timestamps or times of day as float64 seconds `[N]`, NaN where missing."""
    out = np.empty(len(column), dtype=np.float64)
    kind = column.type
    if pat.is_date(kind):
        whole, per_second = (pa.int32(), 1 / DAY) if pat.is_date32(kind) else (pa.int64(), 1e3)
    else:
        whole, per_second = (pa.int32() if pat.is_time32(kind) else pa.int64()), _UNITS[kind.unit]
    place = 0
    for chunk in column.chunks:
        out[place : place + len(chunk)] = chunk.cast(whole).to_numpy(zero_copy_only=False) / per_second
        place += len(chunk)
    return out


def orders_that_fit(texts: pa.Array, orders: tuple[str, ...] = GUESSED) -> dict[str, np.ndarray]:
    """Return the orders in which every text is a date, each with the seconds of each text.

    >>> sorted(orders_that_fit(pa.array(["03/04/2020", "05/06/2020"])))
    ['day first', 'month first']
    >>> sorted(orders_that_fit(pa.array(["03/04/2020", "31/06/2020"])))
    []
    """
    found: dict[str, np.ndarray] = {}
    for order in orders:
        if "year first" in found and order != "time of day":
            break  # nothing is in doubt
        # A look at the first texts spares most text columns the whole of it.
        head = texts.slice(0, 20)
        if not np.isnan(_parse(head, order)).any():
            parsed = _parse(texts, order)
            if not np.isnan(parsed).any():
                found[order] = parsed
    return found


def _parsed(column: pa.ChunkedArray, origin: Origin, order: str) -> np.ndarray:
    """Return a text column as seconds `[N]`; blank cells and marks such as NA are missing."""
    codes, texts = text_codes(column)
    parsed = np.full(len(texts), np.nan)
    for way in dict.fromkeys(("year first", order or "year first", "digits", "time of day")):
        parsed = np.where(np.isnan(parsed), _parse(texts, way), parsed)
    marks = pc.is_in(pc.utf8_lower(pc.utf8_trim_whitespace(texts)), value_set=pa.array(sorted(MARKS)))
    wrong = np.flatnonzero(np.isnan(parsed) & ~marks.to_numpy(zero_copy_only=False))
    rows = np.flatnonzero(np.isin(codes, wrong)) if len(wrong) else wrong
    if len(rows):
        cell = texts[int(codes[rows[0]])].as_py()
        remedy = "Write dates as 2020-12-31 or 2020-12-31 10:00, or leave the cell empty."
        raise origin.refusal(f"column `{origin.name}` must hold dates", rows[0], cell, remedy)
    return np.append(parsed, np.nan)[codes]


def _parse(texts: pa.Array, order: str) -> np.ndarray:
    """Return the seconds of each text read in one order, or with the year first; NaN where it is no such date."""
    ways = _PATTERNS[order]
    if order in ("day first", "month first"):
        ways = (*_PATTERNS["year first"], *ways)
    out = np.full(len(texts), np.nan)
    for way in ways:
        left = np.flatnonzero(np.isnan(out))
        if not len(left):
            break
        out[left] = _read(texts.take(pa.array(left)) if len(left) < len(texts) else texts, way)
    return out


def _read(texts: pa.Array, pattern: str) -> np.ndarray:
    """Return the seconds of each text that a pattern fits and that is a date, else NaN."""
    found = pc.extract_regex(texts, pattern)
    valid = found.is_valid().to_numpy(zero_copy_only=False).copy()
    if not valid.any():
        return np.full(len(texts), np.nan)
    parts = {field.name: found.field(field.name) for field in found.type}

    def number(name: str, otherwise: float) -> np.ndarray:
        if name not in parts:
            return np.full(len(texts), otherwise)
        part = pc.if_else(pc.and_kleene(found.is_valid(), pc.not_equal(parts[name], "")), parts[name], None)
        part = pc.replace_substring(part, ",", ".")
        values = part.cast(pa.float64()).to_numpy(zero_copy_only=False)
        return np.where(np.isnan(values), otherwise, values)

    year, month, day = number("y", 1970), number("m", 1), number("d", 1)
    if "b" in parts:
        month = np.array([_MONTH.get((name or "").lower(), 0) for name in parts["b"].to_pylist()], dtype=np.float64)
    short = (
        pc.equal(pc.utf8_length(parts["y"]), 2).fill_null(False).to_numpy(zero_copy_only=False)
        if "y" in parts
        else False
    )
    year = np.where(short, year + np.where(year < _CENTURY, 2000, 1900), year)
    hour, minute, second = number("H", 0), number("M", 0), number("S", 0)
    hour, ahead = _clock(hour, parts, valid)
    valid &= (year >= 1) & (month >= 1) & (month <= 12) & (day >= 1) & (hour < 24) & (minute < 60) & (second < 60)
    months = ((np.where(valid, year, 1970) - 1970) * 12 + np.where(valid, month, 1) - 1).astype("int64")
    first = months.astype("datetime64[M]")
    length = ((first + 1).astype("datetime64[D]") - first.astype("datetime64[D]")).astype("int64")
    valid &= day <= length
    days = first.astype("datetime64[D]").astype("int64") + day - 1
    return np.where(valid, days * DAY + hour * 3600 + minute * 60 + second - ahead, np.nan)


def _clock(hour: np.ndarray, parts: dict[str, pa.Array], valid: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return hours of 24, and by how many seconds the zone is ahead of UTC; 13 PM becomes invalid."""
    ahead = np.zeros(len(hour))
    if "half" in parts and pc.any(pc.not_equal(parts["half"], "")).as_py():
        half = [(word or "")[:1].lower() for word in parts["half"].to_pylist()]
        morning, evening = np.array([word == "a" for word in half]), np.array([word == "p" for word in half])
        valid &= ~(morning | evening) | ((hour >= 1) & (hour <= 12))
        hour = np.where(morning | evening, hour % 12 + 12 * evening, hour)
    if "zone" in parts and pc.any(pc.match_substring_regex(parts["zone"], "^[+-]")).as_py():
        zones = parts["zone"].to_pylist()
        ahead = np.array([_ahead(zone) if zone and zone[0] in "+-" else 0.0 for zone in zones])
    return hour, ahead


def _ahead(zone: str) -> float:
    """Return by how many seconds a zone such as +02:00 is ahead of UTC.

    >>> _ahead("+0530"), _ahead("-05")
    (19800.0, -18000.0)
    """
    digits = zone[1:].replace(":", "").ljust(4, "0")
    return (1.0 if zone[0] == "+" else -1.0) * (int(digits[:2]) * 3600 + int(digits[2:]) * 60)


def zones(texts: pa.Array) -> str:
    """Say what is made of time zones in texts that are dates, or nothing where there are none."""
    zoned = pc.match_substring_regex(texts, r":\d{2}.*(?:[Zz]|UTC|GMT|[+-]\d{2}:?\d{2}|[+-]\d{2})\s*$")
    if not pc.any(zoned).as_py():
        return ""
    return UTC if pc.all(zoned).as_py() else f"{UTC}; those without a zone are taken for UTC"


UTC = "times with a zone are turned to UTC"
"""What is said of times with a zone."""

PERIODS = {"month": 12, "monthday": 31, "weekday": 7, "hour": 24, "minute": 60}
"""The cyclic parts of a date and their periods, counted from 0; the weekday from Monday."""


def cycle(values: np.ndarray, part: str) -> np.ndarray:
    """Return one cyclic part of moments, float64 `[N]`, as a whole number from 0; NaN missing.

    >>> [int(cycle(np.array([1e9]), part)[0]) for part in PERIODS]
    [8, 8, 6, 1, 46]
    """
    known = ~np.isnan(values)
    whole = values if known.all() else np.where(known, values, values[known.argmax()] if known.any() else 0.0)
    if part in ("hour", "minute"):
        second = whole % DAY
        found = np.floor(second / 3600) if part == "hour" else np.floor(second % 3600 / 60)
    else:
        days = np.floor(whole / DAY).astype(np.int64)
        span = int(np.ptp(days)) if len(days) else 0
        if span < len(days):
            # Fewer days than rows: each is worked out once, and looked up.
            low = days.min()
            found = _day_part(np.arange(low, low + span + 1), part)[days - low]
        else:
            found = _day_part(days, part)
    return found if known.all() else np.where(known, found, np.nan)


def _day_part(days: np.ndarray, part: str) -> np.ndarray:
    """Return month, day of the month or weekday of days since 1970, float64, counted from 0."""
    if part == "weekday":
        return ((days + 3) % 7).astype(np.float64)
    dates = days.astype("datetime64[D]")
    months = dates.astype("datetime64[M]")
    found = months.astype(np.int64) % 12 if part == "month" else (dates - months).astype(np.int64)
    return found.astype(np.float64)


def varying(values: np.ndarray) -> tuple[str, ...]:
    """Return the cyclic parts that differ among known moments, float64 `[N]` without NaN.

    >>> varying(np.array([0.0, DAY]))
    ('monthday', 'weekday')
    """
    day = np.floor(values / DAY).astype(np.int64)
    low, span = day.min(), int(np.ptp(day))
    if span < len(day):
        seen = np.zeros(span + 1, dtype=bool)
        seen[day - low] = True
        days = (np.flatnonzero(seen) + low) * DAY
    else:
        days = np.unique(day) * DAY
    at_midnight = not (values % DAY).any()
    return tuple(
        part
        for part in PERIODS
        if not (at_midnight and part in ("hour", "minute"))
        and np.ptp(cycle(values if part in ("hour", "minute") else days, part)) > 0
    )


def shown(value: float) -> str:
    """Return a moment as text: 2020-12-31, or 2020-12-31 10:00:00 where it has a time of day.

    >>> shown(0.0), shown(3661.0)
    ('1970-01-01', '1970-01-01 01:01:01')
    """
    text = str(np.datetime64(round(value), "s")).replace("T", " ")
    return text.removesuffix(" 00:00:00")
