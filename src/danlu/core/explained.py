"""What explains a model, as plain records: what it saw, what drives it, where it fails, what its layers look like.

Names of axes: Q columns, G values of a grid, I single rows, C outputs.
"""

from __future__ import annotations

from pydantic import Field

from danlu.core.record import Record


class Spread(Record):
    """How the cells of one column, or the target, are spread: enough for a small chart.

    Of numbers and dates `low` and `high` are the ends of bins of equal width, which leave `beyond` cells outside;
    of categories and classes `levels` are the commonest, and `beyond` the cells of all others.
    """

    name: str
    counts: tuple[int, ...]
    levels: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None
    middle: float | None = None
    """Median."""
    beyond: int = 0
    missing: int = 0
    different: int = 0
    """Different values."""


class Importance(Record):
    """How much worse predictions get when the cells of one column are exchanged between rows.

    `value` is the metric with the column shuffled minus the metric as it is, turned so that above 0 is worse; `low`
    and `high` are its 95% interval over rows.
    """

    column: str
    value: float
    low: float | None = None
    high: float | None = None
    second: float | None = None
    """The same of the second metric."""
    like: str = ""
    """The column that says nearly the same, if one does: they share their importance."""


class Importances(Record):
    """Permutation importance (Breiman 2001) of each column, on rows that the networks had not learnt from."""

    metric: str
    """What `value` is of; it is a mean over rows, or the root of one."""
    second_metric: str = ""
    base: float
    """The metric as it is, on these rows."""
    kind: str
    """Which rows these are: out-of-fold, holdout or test."""
    rows: int
    of_rows: int
    """Rows that there were to draw from."""
    shuffles: int
    columns: tuple[Importance, ...]
    """The most important first."""
    unmeasured: int = 0
    """Columns left out, because they hardly move a prediction."""


class Dependence(Record):
    """What predictions do while one column goes through `values`: partial dependence (Friedman 2001).

    The numbers stand in the arrays `dependence_QGC` (the mean over rows) and `single_QIG` (single rows, ICE).
    """

    column: str
    kind: str
    values: tuple[float, ...] = ()
    """Of a number or date, rising: quantiles of the column."""
    levels: tuple[str, ...] = ()
    """Of a category or yes/no."""
    output: int = 0
    """The output that single rows are drawn of."""


class Slice(Record):
    """Rows that have something in common, and how wrong predictions of them are, with an interval."""

    column: str
    what: str
    """E.g. "12 to 30", "INLAND", "missing"."""
    rows: int
    error: float
    low: float
    high: float


class Slices(Record):
    """The slices with the largest errors, of all that were looked at."""

    of: str
    """What `error` is: "mean absolute error", or "share wrong"."""
    error: float
    """Over all rows."""
    rows: int
    looks: int
    """Slices that were looked at: intervals are wide enough for all of them together to hold in 95% of cases."""
    worst: tuple[Slice, ...]


class WorstRow(Record):
    """A row that was predicted badly: its number in the table from 1, and its cells as text."""

    row: int
    truth: str
    predicted: str
    error: float
    """Of numbers predicted minus true (of several targets the mean size in standard deviations); of classes the
    probability of the wrong class."""
    cells: tuple[str, ...] = ()


class LayerState(Record):
    """One layer at the end of training, looked at on rows that the network learnt from."""

    name: str
    kind: str
    shape: tuple[int, ...]
    """Of what it gives for one row."""
    parameters: int
    mean: float
    spread: float
    """Mean and standard deviation of what it gives."""
    dead: float | None = None
    """Of ReLU-like activations: share of units that gave 0 for every row."""
    zeros: float | None = None
    """Share of numbers that are exactly 0."""
    saturated: float | None = None
    """Of tanh and sigmoid: share of numbers within 1% of an end."""
    gradient: float | None = None
    """Root mean square over its parameters of the loss's gradient."""
    weight: float | None = None
    """Root mean square of its parameters."""


class LayerCourse(Record):
    """One layer over the epochs at which it was looked at; None where it has no such number."""

    name: str
    kind: str
    output: tuple[float | None, ...]
    """Root mean square of what it gives."""
    weight: tuple[float | None, ...] = ()
    gradient: tuple[float | None, ...] = ()
    """Root mean squares, as in `LayerState`; empty where it has no parameters."""
    dead: tuple[float | None, ...] = ()
    saturated: tuple[float | None, ...] = ()
    """Shares, as in `LayerState`; empty where it is no such activation."""


class Explained(Record):
    """All of it; what could not be had is empty."""

    spreads: tuple[Spread, ...] = ()
    target: tuple[Spread, ...] = ()
    importance: Importances | None = None
    dependence: tuple[Dependence, ...] = ()
    slices: Slices | None = None
    worst: tuple[WorstRow, ...] = ()
    worst_columns: tuple[str, ...] = ()
    """Columns whose cells stand in `worst`."""
    layers: tuple[LayerState, ...] = ()
    layer_rows: int = 0
    layer_epochs: tuple[int, ...] = ()
    """Epochs after which the layers were looked at; 0: before the first step."""
    layer_courses: tuple[LayerCourse, ...] = ()
    """What the layers were at these epochs, on the same rows."""
    memory: int | None = None
    """Bytes in use at once, at most: of the accelerator, else of the whole process."""
    cost: dict[str, float] = Field(default_factory=dict)
    """Seconds of each part."""
