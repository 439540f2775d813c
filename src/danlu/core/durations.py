"""Lengths of time as users write them."""

from __future__ import annotations

import re
from typing import Any

_SECONDS = {"": 1.0, "s": 1.0, "sec": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}


def parse_duration(value: Any) -> Any:
    """Read seconds: "60s", "5m", "1.5h", "90"; numbers as they are.

    >>> parse_duration("5m"), parse_duration("1.5h"), parse_duration("90")
    (300.0, 5400.0, 90.0)
    """
    if not isinstance(value, str):
        return value
    match = re.fullmatch(r"\s*(\d+(?:\.\d*)?|\.\d+)\s*([a-z]*)\s*", value.lower())
    if not match or match[2] not in _SECONDS:
        raise ValueError(f"must be a length of time such as 60s, 5m or 1h, got {value!r}")
    return float(match[1]) * _SECONDS[match[2]]
