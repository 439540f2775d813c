"""A learning curve over training size as a small table."""

from __future__ import annotations

from rich.table import Table
from rich.text import Text

from danlu.core.records import LearningCurve, LearningPoint
from danlu.judging import GREATER_IS_BETTER
from danlu.report.words import metric_name, metric_value, place_of


def growth_table(curve: LearningCurve) -> Table:
    """Return one line a size: the score with its interval, single networks, and their error on the rows learnt from."""
    name = curve.metric
    better = "higher" if GREATER_IS_BETTER.get(name, False) else "lower"
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("learnt from", justify="right")
    table.add_column(metric_name(name), justify="right")
    table.add_column(f"95% ({better} is better)")
    table.add_column("one network")
    table.add_column("on its own rows", justify="right")
    for point in curve.points:
        style = "bold green" if point is curve.points[-1] else ""
        place = place_of(point.low, point.high)
        table.add_row(
            Text(f"{point.rows:,} rows", style),
            Text(metric_value(name, point.value, place), style),
            _between(name, point, place),
            _one(name, point, place),
            metric_value(name, point.train, place),
        )
    return table


def _between(name: str, point: LearningPoint, place: int | None) -> str:
    if point.low is None or point.high is None:
        return ""
    return f"{metric_value(name, point.low, place)} to {metric_value(name, point.high, place)}"


def _one(name: str, point: LearningPoint, place: int | None) -> str:
    """Write the mean over networks with their spread."""
    mean = metric_value(name, point.mean, place)
    return mean if point.spread is None else f"{mean} ± {metric_value(name, point.spread, place)}"
