"""What the setting `net` may be: one of Danlu's own networks, or a class of the user's."""

from __future__ import annotations

import re
from typing import Any

from danlu.core.errors import nearest

NETS = ("auto", "linear", "mlp", "cnn")
IN_PYTHON = " (given in Python)"
"""What stands behind the name of a user's class in a plan where no file was named."""


def is_own(net: str) -> bool:
    """Return whether the setting `net` is a class of the user's own: in a file, or given in Python.

    >>> is_own("nets/wide.py:Wide"), is_own("mlp")
    (True, False)
    """
    return net not in NETS


def check_net(value: Any) -> Any:
    """Check the form of `net`; that there is such a class is found out when it is needed."""
    if not isinstance(value, str) or value in NETS or value.endswith(IN_PYTHON):
        return value
    if re.fullmatch(r".+\.py:[^\W\d]\w*", value):
        return value
    remedy = "Name the class in it too." if ".py" in value else nearest(value, NETS)
    raise ValueError(f"must be {', '.join(NETS)}, or FILE.py:CLASS, got {value!r}. {remedy}")


def parse_neighbours(value: Any) -> Any:
    """Read where neighbours are looked for: columns with commas between them, "all" columns, nowhere, or undecided.

    >>> parse_neighbours("latitude,longitude"), parse_neighbours("all"), parse_neighbours("off")
    ((('latitude', 'longitude'),), ((),), ())
    """
    if not isinstance(value, str):
        return value
    plain = {"auto": None, "off": (), "none": (), "all": ((),)}
    word = value.strip().lower()
    return plain[word] if word in plain else (_names(value),)


def parse_encoded(value: Any) -> Any:
    """Read which categories are told by their mean target: columns with commas between them, none, or undecided.

    >>> parse_encoded("city,street"), parse_encoded("off"), parse_encoded("auto")
    (('city', 'street'), (), None)
    """
    if not isinstance(value, str):
        return value
    plain = {"auto": None, "off": (), "none": ()}
    word = value.strip().lower()
    return plain[word] if word in plain else _names(value)


def _names(value: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in value.split(",") if part.strip())
