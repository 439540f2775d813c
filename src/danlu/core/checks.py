"""What was looked at after training, as plain records: what diagnosis needs besides the history."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from danlu.core.record import Record


class EqualUnits(Record):
    """Units of a layer that began with the same weights and biases, and still have the same."""

    layer: str
    units: int
    distinct: int
    """How many of the units are different from each other."""
    members: tuple[int, ...]


class Ending(Record):
    """What a user's own module does to its outputs last, and what the outputs of one network look like."""

    activation: str
    """E.g. "ReLU"; "" where the last operation is none."""
    low: float | None = None
    high: float | None = None
    """Least and greatest value that it can give; None: no limit."""
    slope: float | None = None
    """Of a leaky ReLU below 0."""
    only: Literal["", "training", "prediction"] = ""
    """Whether it is there in one of both only."""
    zeros: float = 0.0
    """Share of the outputs that are exactly 0."""
    missed: float | None = None
    """Share of the targets, as the loss sees them, that lie outside `low` to `high`; None for logits."""
    rows: int = 0
    outputs: int = 1
    """Rows looked at, and outputs of each."""


class Checks(Record):
    """What was looked at after training, for diagnosis."""

    images: bool = False
    """Whether images were learnt from, and not columns."""
    metric: str = ""
    """What `judged` is, and the curves of judged rows; empty: the main metric."""
    train: dict[str, float | None] = Field(default_factory=dict)
    """Metrics of single networks on rows that they learnt from, the mean over networks."""
    judged: float | None = None
    """That metric of single networks on their judged (else the test) rows, the mean over networks."""
    train_rows: int = 0
    """Rows that `train` was taken on, at most, of each network."""
    left_over: float | None = None
    """Share of the squared error on judged rows that a few trees predict from the columns; None where the networks fit
    their own rows far better than judged ones, and this was not asked."""
    equal_units: tuple[EqualUnits, ...] = ()
    ending: Ending | None = None
    """Of a user's own module."""
