"""How settings are read that may be given as text: widths, kinds of columns, names with numbers behind them."""

from __future__ import annotations

import re
from typing import Any

from danlu.core.errors import nearest

LOSSES = ("mse", "l1", "huber", "cross-entropy", "binary-cross-entropy", "kl", "poisson", "pinball")
SCHEDULES = ("constant", "step", "exponential", "cosine", "one-cycle", "plateau")
INITS = (
    "default",
    "normal",
    "uniform",
    "xavier",
    "xavier-normal",
    "kaiming",
    "kaiming-normal",
    "orthogonal",
    "constant",
)


def split_names(value: Any) -> Any:
    """Split "a,b" into ("a", "b"); leave lists and tuples as they are."""
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


def parse_hidden(value: Any) -> Any:
    """Read layer widths: "256,128", "130x20", "none", 64 or (256, 128).

    >>> parse_hidden("256,128"), parse_hidden("130x3"), parse_hidden("none")
    ((256, 128), (130, 130, 130), ())
    """
    if isinstance(value, int) and not isinstance(value, bool):
        return (value,)
    if not isinstance(value, str):
        return value
    if value.strip().lower() in ("none", ""):
        return ()
    widths: list[int] = []
    for part in value.split(","):
        match = re.fullmatch(r"\s*(\d+)\s*(?:x\s*(\d+))?\s*", part)
        if not match:
            raise ValueError(f"must be widths such as 256,128 or 130x20, got {value!r}")
        widths += [int(match[1])] * int(match[2] or 1)
    return tuple(widths)


def parse_kinds(value: Any) -> Any:
    """Read kinds of columns: "zip=category,day=date", a list of such texts, or a mapping."""
    if isinstance(value, str):
        value = split_names(value)
    if isinstance(value, list | tuple):
        pairs = [str(item).rpartition("=") for item in value]
        if any(not name for name, _, _ in pairs):
            raise ValueError(f"must be COLUMN=KIND, got {value!r}")
        return {name.strip(): kind.strip() for name, _, kind in pairs}
    return value


def with_numbers(names: tuple[str, ...], most: int) -> Any:
    """Return a check for texts like "step:30:0.1": a known name, then at most `most` numbers."""

    def check(value: Any) -> Any:
        if not isinstance(value, str):
            return value
        name, *numbers = value.split(":")
        if name not in names:
            raise ValueError(f"must be one of {', '.join(names)}, got {value!r}. {nearest(name, names)}")
        if len(numbers) > most:
            raise ValueError(f"takes at most {most} numbers after {name}, got {value!r}")
        for number in numbers:
            try:
                float(number)
            except ValueError:
                raise ValueError(f"must have numbers after {name}, got {value!r}") from None
        return value

    return check


def parse_search(value: Any) -> Any:
    """Read how many settings a search tries: "32", 32, "auto" or "off"; at least 8.

    >>> parse_search("64"), parse_search("auto")
    (64, 'auto')
    """
    if isinstance(value, str) and value.strip().isdigit():
        value = int(value)
    if isinstance(value, bool):
        value = "auto" if value else "off"
    if isinstance(value, int) and not LEAST_SEARCHED <= value <= MOST_SEARCHED:
        raise ValueError(f"must be {LEAST_SEARCHED} to {MOST_SEARCHED} settings, got {value}. Use search=32.")
    if isinstance(value, str) and value not in ("auto", "off"):
        raise ValueError(f"must be a number of settings, auto or off, got {value!r}. Use search=32.")
    return value


LEAST_SEARCHED, MOST_SEARCHED = 8, 512
"""Settings that a search tries: below, a handful of trainings by hand says as much."""


def check_space(value: Any) -> Any:
    """Take a space as the name of a file, or as a mapping in Python; `danlu.search` reads it."""
    if value is None or isinstance(value, str | dict):
        return value
    raise ValueError(f"must be a TOML file, or a mapping of settings, got {value!r}. Use space='space.toml'.")


AUGMENTS = ("flip", "shift", "crop", "rotate", "cutout")


def check_augment(value: Any) -> Any:
    """Read ways to augment: "flip,shift:2", or "none"; each name at most once, with one number above 0.

    >>> check_augment("flip,shift:2"), check_augment("none")
    (('flip', 'shift:2'), ())
    """
    names = split_names(value)
    if not isinstance(names, list | tuple):
        return value
    names = tuple(name for name in names if name != "none")
    for name in names:
        with_numbers(AUGMENTS, 1)(name)
        kind, number = (*str(name).split(":"), "1")[:2]
        if kind == "flip" and ":" in name:
            raise ValueError(f"must have no number after flip, got {name!r}. Use flip.")
        if kind == "rotate" and not 0 < float(number) <= 180:
            raise ValueError(
                f"must have 180 degrees or less, and more than 0, after rotate, got {name!r}. Use rotate:10."
            )
        if kind in ("shift", "crop", "cutout") and not (float(number) >= 1 and float(number) % 1 == 0):
            raise ValueError(f"must have a whole number of pixels above 0 after {kind}, got {name!r}. Use {kind}:2.")
    kinds = [str(name).partition(":")[0].replace("crop", "shift") for name in names]
    if len(set(kinds)) < len(kinds):
        raise ValueError(f"must name each way once, and crop is another name of shift, got {', '.join(names)!r}")
    return names


def split_setting(text: str) -> tuple[str, tuple[float, ...]]:
    """Split "step:30:0.1" into its name and its numbers.

    >>> split_setting("step:30:0.1"), split_setting("cosine")
    (('step', (30.0, 0.1)), ('cosine', ()))
    """
    name, *numbers = text.split(":")
    return name, tuple(float(number) for number in numbers)
