"""What a comparison of models says, as plain records: terminal, JSON and page are drawn from these."""

from __future__ import annotations

from typing import Literal

from danlu.core.record import Record


class Side(Record):
    """One of the models compared."""

    name: str
    created: str
    source: str
    metric: str
    """Its main one."""
    rows: str
    """Tells whether scores are of the same rows: a hash of the numbers and true values of those judged."""


class Difference(Record):
    """One thing, and what it is in each model."""

    topic: Literal["data", "plan", "score"]
    name: str
    values: tuple[str, ...]


class Pair(Record):
    """The first model and another one: which is better, as far as that can be said."""

    first: str
    other: str
    metric: str
    """The first one's main metric."""
    verdict: Literal["better", "worse", "no clear difference", "not comparable"]
    """Of the other one."""
    words: str
    rows: int = 0
    """That both were judged on; 0 where the scores cannot be compared."""
    value: float | None = None
    other_value: float | None = None
    difference: float | None = None
    """The other one's value less the first one's, with its 95% interval from a paired bootstrap over rows."""
    low: float | None = None
    high: float | None = None
    notes: tuple[str, ...] = ()


class Comparison(Record):
    """What differs between models, the first of which the others are compared with."""

    models: tuple[Side, ...]
    data: tuple[Difference, ...]
    """What differs; empty where nothing does."""
    plan: tuple[Difference, ...]
    score: tuple[Difference, ...]
    """The outcome of each, whether it differs or not."""
    pairs: tuple[Pair, ...]
