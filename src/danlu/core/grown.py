"""How good networks are that learn from fewer rows, as plain records."""

from __future__ import annotations

from danlu.core.record import Record


class LearningPoint(Record):
    """One size of a learning curve: how good networks are that learnt from so many rows.

    `value`, `low` and `high` are as in `Score`; `mean` and `spread` (standard deviation) are of single networks, each
    on its own judged rows, `train` is their mean on the rows that they learnt from.
    """

    rows: int
    """Rows that a network learnt from: the mean over folds, rounded."""
    share: float
    """Of the rows that it would learn from without a learning curve."""
    epochs: int
    networks: int
    value: float | None
    low: float | None
    high: float | None
    mean: float | None
    spread: float | None
    train: float | None


class Doubling(Record):
    """What twice the rows bring: the metric with `rows`, and the share of the error that is saved."""

    rows: int
    value: float
    low: float | None
    high: float | None
    saved: float
    saved_low: float | None
    saved_high: float | None
    exponent: float | None = None
    """Of the law that the curve follows, where this is an expectation and not a measurement."""


class LearningCurve(Record):
    """How the main metric depends on the number of rows learnt from; all sizes are judged on the same rows."""

    metric: str
    kind: str
    """As in `Score`."""
    drawn: str
    """How the rows of a size were drawn, in words."""
    points: tuple[LearningPoint, ...]
    """From the smallest size to the largest, which is that of the run itself."""
    last: Doubling | None = None
    """Measured: all rows against half of them."""
    next: Doubling | None = None
    """Expected of twice the rows; None where the curve follows no law."""
    words: str
    """What doubling the rows brings, in a sentence or two."""
