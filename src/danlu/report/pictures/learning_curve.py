"""A learning curve over training size: the score of each size with its interval, and that on the rows learnt from."""

from __future__ import annotations

from typing import Any

from danlu.core.records import Doubling, LearningCurve, LearningPoint
from danlu.judging import GREATER_IS_BETTER
from danlu.report.charts import Chart, clean, finish, numbers_axis
from danlu.report.figures import Figure, Mark, Panel
from danlu.report.words import count, metric_name, metric_value, place_of

TITLE = "Learning curve over training size"
BARS = "Bars: single networks, their mean and standard deviation."
NEXT = "Ring: what is expected of twice the rows."


def key(curve: LearningCurve) -> tuple[Mark, ...]:
    """Say what the colours mean."""
    judged = "on held-out rows" if curve.kind == "holdout" else "on judged rows"
    together = Mark(f"{metric_name(curve.metric)} {judged}, with its 95% interval", "first")
    return together, Mark("on the rows learnt from", "second", "dashed")


def growth_chart(curve: LearningCurve) -> Chart:
    """Draw the curve."""
    points = [point for point in curve.points if point.value is not None]
    last, name = points[-1], curve.metric
    label = (
        f"{metric_name(name)} from {metric_value(name, points[0].value)} with {count(points[0].rows, 'row')} to learn "
        f"from to {metric_value(name, last.value, place_of(last.low, last.high))} with {last.rows:,}. {curve.words}"
    )
    data = {"sizes": _sizes(points), "ends": _ends(curve.next, last)}
    said = [BARS, *([NEXT] if curve.next is not None else [])]
    caption = " ".join([*said, f"Rows of a size: {curve.drawn}; all sizes are judged on the same rows."])
    return Chart("chart-growth", _spec(data, curve), data, label, caption)


def _sizes(points: list[LearningPoint]) -> dict[str, list[Any]]:
    """Return what is drawn of each size; where something is unknown there is None."""

    def spread(point: LearningPoint, sign: int) -> float | None:
        return None if point.mean is None or point.spread is None else point.mean + sign * point.spread

    columns: dict[str, list[Any]] = {
        "rows": [point.rows for point in points],
        "share": [point.share for point in points],
        "networks": [point.networks for point in points],
    }
    numbers = {
        "value": [point.value for point in points],
        "low": [point.low for point in points],
        "high": [point.high for point in points],
        "mean": [point.mean for point in points],
        "least": [spread(point, -1) for point in points],
        "most": [spread(point, 1) for point in points],
        "train": [point.train for point in points],
    }
    return columns | {name: clean([float("nan") if v is None else v for v in each]) for name, each in numbers.items()}


def _ends(doubling: Doubling | None, last: LearningPoint) -> dict[str, list[Any]]:
    """Return the last size and the expectation beyond it, or nothing."""
    if doubling is None or last.value is None:
        return {"rows": [], "value": [], "low": [], "high": [], "next": []}
    low, high = ([None, *clean([float("nan") if v is None else v])] for v in (doubling.low, doubling.high))
    value = clean([last.value, doubling.value])
    return {"rows": [last.rows, doubling.rows], "value": value, "low": low, "high": high, "next": [False, True]}


def _spec(data: dict[str, dict[str, list[Any]]], curve: LearningCurve) -> dict[str, Any]:
    """Return the specification: band, bars, lines with points, and the ring."""
    import altair as alt  # noqa: PLC0415  only a picture needs it

    sizes, ends = data["sizes"], data["ends"]
    seen = [v for name in ("value", "low", "high", "least", "most", "train") for v in sizes[name] if v is not None]
    seen += [v for v in ends["high"] + ends["low"] if v is not None]
    share = curve.metric in ("accuracy", "balanced-accuracy")
    axis = alt.Axis(format="%", tickCount=5) if share else numbers_axis(min(seen), max(seen))
    marks = [*sizes["rows"], *ends["rows"][1:]]
    ticks = alt.Axis(grid=False, values=marks, format=",d", labelOverlap="greedy")
    x = alt.X("rows:Q", title="rows learnt from", scale=alt.Scale(type="log", nice=False, padding=8), axis=ticks)

    def y(field: str) -> Any:
        return alt.Y(f"{field}:Q", title=None, axis=axis, scale=alt.Scale(zero=False, nice=True))

    form = ".1%" if share else ",.4~r"
    shown = [
        alt.Tooltip("rows:Q", title="rows learnt from", format=",d"),
        alt.Tooltip("value:Q", title=metric_name(curve.metric), format=form),
        alt.Tooltip("low:Q", title="from", format=form),
        alt.Tooltip("high:Q", title="to", format=form),
        alt.Tooltip("mean:Q", title="one network", format=form),
        alt.Tooltip("train:Q", title="on its own rows", format=form),
        alt.Tooltip("networks:Q", title="networks", format=",d"),
    ]
    base, beyond = (alt.Chart(alt.NamedData(name=name)) for name in ("sizes", "ends"))
    first, second = "var(--first)", "var(--second)"
    layers = [
        base.mark_area(color=first, opacity=0.18).encode(x=x, y=y("low"), y2="high:Q"),
        base.mark_rule(color=first, strokeWidth=1.2, opacity=0.8).encode(x=x, y=y("least"), y2="most:Q"),
        base.mark_line(color=second, strokeWidth=2, strokeDash=[5, 4]).encode(x=x, y=y("train")),
        base.mark_point(color=second, size=26, filled=True, opacity=1).encode(x=x, y=y("train"), tooltip=shown),
        base.mark_line(color=first, strokeWidth=2.25).encode(x=x, y=y("value")),
        base.mark_point(color=first, size=44, filled=True, opacity=1).encode(x=x, y=y("value"), tooltip=shown),
    ]
    if ends["rows"]:
        ring = beyond.transform_filter("datum.next")
        expected = [shown[0], alt.Tooltip("value:Q", title="expected", format=form), shown[2], shown[3]]
        layers += [
            beyond.mark_line(color=first, strokeWidth=1.5, strokeDash=[2, 3]).encode(x=x, y=y("value")),
            ring.mark_rule(color=first, strokeWidth=1.2).encode(x=x, y=y("low"), y2="high:Q"),
            ring.mark_point(color=first, fill="var(--paper)", size=56, strokeWidth=1.8, opacity=1).encode(
                x=x, y=y("value"), tooltip=expected
            ),
        ]
    return finish(layers, 300)


def figure(curve: LearningCurve, source: str) -> Figure:
    """Return the curve as a picture of its own.

    Arguments:
        source: what was learnt from, for the title.
    """
    better = "higher" if GREATER_IS_BETTER.get(curve.metric, False) else "lower"
    points = [point.model_dump() for point in curve.points]
    facts: dict[str, Any] = {"metric": curve.metric, "drawn": curve.drawn}
    for name, doubling in (("last", curve.last), ("next", curve.next)):
        facts[name] = None if doubling is None else doubling.model_dump()
    return Figure(
        "learning-curve",
        f"{TITLE}: {source}",
        (Panel(growth_chart(curve), f"{metric_name(curve.metric)} ({better} is better)"),),
        {name: [point[name] for point in points] for name in points[0]},
        facts,
        curve.words,
        key(curve),
        columns=1,
        size=(560, 320),
    )
