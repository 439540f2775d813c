"""Partial dependence with single rows (ICE) as charts: lines along a number or a date, points for each level."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from danlu.core.explained import Dependence
from danlu.report import words
from danlu.report.charts import Chart, clean, finish, logarithmic, numbers_axis

HEIGHT = 180
CENTRED = 0.3
"""Share of the range of single rows below which the mean curves would look flat."""
FAINT = {"color": "var(--grey)", "opacity": 0.28, "strokeWidth": 1}


@dataclass(frozen=True)
class Scale:
    """Ends of the scale of predictions, and whether they are probabilities."""

    low: float
    high: float
    share: bool = False
    centred: bool = False
    """Whether they are less the mean of their row."""


@dataclass(frozen=True)
class Curves:
    """What is drawn: of each column the curves of single rows, `[I, G]`, their mean `[G]`, and the scale of all."""

    single: list[np.ndarray]
    mean: list[np.ndarray]
    scale: Scale


def curves_of(outputs: Sequence[int], arrays: Mapping[str, np.ndarray], *, share: bool) -> Curves | None:
    """Return the curves of the first columns; centred where rows differ far more than any column moves their mean.

    Arguments:
        outputs: of each column, the output that is drawn.
        arrays: `dependence_QGC` and `single_QIG`.
        share: whether outputs are probabilities.
    """
    whole, mean_QGC = arrays.get("single_QIG"), arrays.get("dependence_QGC")
    if whole is None or mean_QGC is None or not len(outputs) or len(whole) < len(outputs):
        return None
    single = [np.asarray(whole[q], np.float64) for q in range(len(outputs))]
    mean = [np.asarray(mean_QGC[q], np.float64)[:, min(c, mean_QGC.shape[2] - 1)] for q, c in enumerate(outputs)]
    scale = scale_of(single, share=share)
    moved = max(float(np.nanmax(each) - np.nanmin(each)) for each in mean)
    if moved >= CENTRED * (scale.high - scale.low):
        return Curves(single, mean, scale)
    single = [each - np.nanmean(each, axis=1, keepdims=True) for each in single]
    mean = [each - np.nanmean(each) for each in mean]
    return Curves(single, mean, replace(scale_of(single, share=share), centred=True))


def scale_of(lines: Sequence[np.ndarray], *, share: bool = False) -> Scale:
    """Return one scale for all panels: the middle 98% of what single rows do.

    >>> scale_of([np.array([[0.0, 1.0]])])
    Scale(low=0.0, high=1.0, share=False, centred=False)
    """
    values = np.concatenate([line[np.isfinite(line)] for line in lines])
    low, high = np.quantile(values, [0.01, 0.99], method="nearest").tolist() if len(values) else (0.0, 1.0)
    return Scale(low, high, share) if high > low else Scale(low - 1, high + 1, share)


def dependence_chart(
    id_: str, each: Dependence, single_IG: np.ndarray, mean_G: np.ndarray, scale: Scale, output: str
) -> Chart:
    """Draw what predictions do along one column.

    Arguments:
        id_: of the chart.
        each: the column and its values.
        single_IG: predictions of single rows; NaN behind the last value.
        mean_G: the mean over rows.
        scale: of predictions, the same in all panels.
        output: what is predicted: a class, or the target.
    """
    length = len(each.levels) or len(each.values)
    single_IG, mean_G = single_IG[:, :length], mean_G[:length]
    draw = _levels if each.levels else _values
    spec, data = draw(each, single_IG, mean_G, scale)
    best, worst = int(mean_G.argmax()), int(mean_G.argmin())
    at = [_value(each, place) for place in (worst, best)]
    label = (
        f"{output} along {each.column}: the mean goes from {words.number(float(mean_G[worst]), digits=3)} at {at[0]} "
    )
    label += f"to {words.number(float(mean_G[best]), digits=3)} at {at[1]}."
    return Chart(id_, spec, data, label)


def _value(each: Dependence, place: int) -> str:
    if each.levels:
        return each.levels[place]
    return words.moment(each.values[place]) if each.kind == "date" else words.number(each.values[place])


def _lines(values: list[Any], single_IG: np.ndarray) -> dict[str, list[Any]]:
    rows = len(single_IG)
    return {
        "x": values * rows,
        "y": clean(single_IG.ravel(), 4),
        "m": np.repeat(np.arange(rows), len(values)).tolist(),
    }


def _values(
    each: Dependence, single_IG: np.ndarray, mean_G: np.ndarray, scale: Scale
) -> tuple[dict[str, Any], dict[str, Any]]:
    import altair as alt  # noqa: PLC0415  only a page needs it

    date = each.kind == "date"
    numbers = np.asarray(each.values)
    log = not date and logarithmic(numbers, 2.0)
    values = (numbers * 1000).tolist() if date else clean(numbers, 6)
    data = {"single": _lines(values, single_IG), "mean": {"x": values, "y": clean(mean_G)}}
    kind = "temporal" if date else "quantitative"
    x_scale = (
        alt.Scale(nice=False)
        if date
        else alt.Scale(type="log", nice=False)
        if log
        else alt.Scale(nice=False, zero=False)
    )
    axis = (
        alt.Axis(tickCount=4, grid=False) if date else numbers_axis(numbers.min(), numbers.max(), log=log, grid=False)
    )
    x = alt.X("x", type=kind, title=None, scale=x_scale, axis=axis)
    y = alt.Y("y:Q", title=None, scale=_ends(alt, scale), axis=_axis(alt, scale))
    mean = alt.Chart(alt.NamedData(name="mean"))
    shown = [alt.Tooltip("x", type=kind, title="value"), alt.Tooltip("y:Q", title="mean", format=",.4~r")]
    if not date:
        shown[0] = alt.Tooltip("x:Q", title="value", format=",.6~r")
    layers = [
        alt.Chart(alt.NamedData(name="single")).mark_line(clip=True, **FAINT).encode(x=x, y=y, detail="m:N"),
        mean.mark_line(color="var(--first)", strokeWidth=2.5, clip=True).encode(x=x, y=y),
        mean.mark_tick(color="var(--muted)", orient="vertical", size=6, thickness=1).encode(
            x=x, y=alt.value(HEIGHT - 3)
        ),
        mean.mark_point(opacity=0, size=140, filled=True).encode(x=x, y=y, tooltip=shown),
    ]
    return finish(layers, HEIGHT), data


def _levels(
    each: Dependence, single_IG: np.ndarray, mean_G: np.ndarray, scale: Scale
) -> tuple[dict[str, Any], dict[str, Any]]:
    import altair as alt  # noqa: PLC0415

    levels = list(each.levels)
    data = {"single": _lines(levels, single_IG), "mean": {"x": levels, "y": clean(mean_G)}}
    y = alt.Y("x:N", title=None, sort=None, axis=alt.Axis(labelLimit=110, labelColor="var(--ink)"))
    x = alt.X("y:Q", title=None, scale=_ends(alt, scale), axis=_axis(alt, scale))
    shown = [alt.Tooltip("x:N", title="level"), alt.Tooltip("y:Q", title="mean", format=",.4~r")]
    single, mean = (alt.Chart(alt.NamedData(name=name)) for name in ("single", "mean"))
    layers = [
        single.mark_tick(color="var(--grey)", opacity=0.35, thickness=1, size=10, clip=True).encode(x=x, y=y),
        mean.mark_circle(color="var(--first)", opacity=1, size=80, clip=True).encode(x=x, y=y, tooltip=shown),
    ]
    return finish(layers, max(HEIGHT, 18 * len(levels))), data


def _ends(alt: Any, scale: Scale) -> Any:
    return alt.Scale(domain=[scale.low, scale.high], nice=True, zero=False)


def _axis(alt: Any, scale: Scale) -> Any:
    if scale.centred:
        form = "+%" if scale.share else "+~s"
        return alt.Axis(tickCount=5, labelExpr=f"datum.value === 0 ? '0' : format(datum.value, '{form}')")
    return alt.Axis(format="%", tickCount=5) if scale.share else numbers_axis(scale.low, scale.high)
