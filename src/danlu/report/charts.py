"""Charts as Vega-Lite specifications, made through Altair, with their data in columns beside them.

Fields have neutral names (x, y, name), so that nothing a user named can be taken for a path into the data, and
colours are the page's own variables, so that charts follow it from light to dark and to paper.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Columns = Mapping[str, Sequence[Any]]
"""Values by name; a text instead of a list is that of every row."""


@dataclass(frozen=True)
class Chart:
    """One chart: its specification without data, the data of each name, and what it says in words."""

    id: str
    spec: dict[str, Any]
    data: Mapping[str, Columns]
    label: str
    """For those who cannot see it; holds the key numbers."""
    caption: str = ""
    said: tuple[str, ...] = ()
    """Columns of its data that hold Danlu's words and not the user's: they are translated."""


def clean(values: Any, digits: int = 5) -> list[float | None]:
    """Return numbers short enough for a page; those that are not finite become None.

    >>> clean([1.23456789, float("nan"), 20640.0])
    [1.2346, None, 20640.0]
    """
    return [float(f"{v:.{digits}g}") if np.isfinite(v) else None for v in np.asarray(values, np.float64).tolist()]


def logarithmic(values: np.ndarray, decades: float = 1.5) -> bool:
    """Return whether numbers are all positive and span so many powers of ten.

    >>> logarithmic(np.array([1.0, 100.0])), logarithmic(np.array([1.0, 9.0])), logarithmic(np.array([0.0, 9.0]))
    (True, False, False)
    """
    found = np.asarray(values, np.float64)
    found = found[np.isfinite(found)]
    return bool(len(found) and found.min() > 0 and np.log10(found.max() / found.min()) >= decades)


def finish(layers: list[Any], height: int) -> dict[str, Any]:
    """Lay marks over each other, as wide as the page allows; return the validated specification."""
    import altair as alt  # noqa: PLC0415  only a page needs it

    spec = alt.layer(*layers).properties(width="container", height=height).to_dict()
    spec.pop("$schema", None)
    spec.pop("config", None)  # the look is the page's
    return spec


def numbers_axis(low: float, high: float, *, log: bool = False, **more: Any) -> Any:
    """Return an axis with about five ticks: 120k rather than 120,000, and on a log scale 1, 2 and 5 of each decade."""
    import altair as alt  # noqa: PLC0415

    if max(abs(low), abs(high)) >= 10_000:
        more["labelExpr"] = "format(datum.value, '~s')"  # as `format` it would write 0k
    if log:
        decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
        ticks = [m * 10.0**d for d in decades for m in (1, 2, 5) if low <= m * 10.0**d <= high]
        if len(ticks) > 7:
            ticks = [t for d in decades[:: math.ceil(len(decades) / 7)] if low <= (t := 10.0**d) <= high]
        more["values"] = [float(f"{tick:.6g}") for tick in ticks]
    return alt.Axis(tickCount=5, **more)


def epochs_axis(first: float, last: float, *, count: int = 6, grid: bool = False) -> Any:
    """Return an axis of whole numbers. Vega's `tickMinStep` still gives halves to three epochs, so few are named."""
    import altair as alt  # noqa: PLC0415

    ticks: dict[str, Any] = {"tickCount": count}
    if last - first <= 3:
        ticks = {"values": list(range(math.ceil(first), math.floor(last) + 1))}
    return alt.Axis(grid=grid, tickMinStep=1, format=",d", **ticks)


@dataclass(frozen=True)
class Line:
    """One line of the score chart."""

    name: str
    value: float
    text: str
    role: str
    """ours, one (network) or baseline."""
    low: float | None = None
    high: float | None = None


def scores(lines: Sequence[Line], *, from_zero: bool, label: str) -> Chart:
    """Draw scores as dots on one scale, the network's with its interval, each with its name and number above it."""
    import altair as alt  # noqa: PLC0415

    ends = [v for line in lines for v in (line.value, line.low, line.high) if v is not None]
    low, high = min(ends), max(ends)
    pad = (high - low) * 0.06 or abs(high) * 0.05 or 1.0
    domain = [0.0 if from_zero else low - pad, high + pad]
    data = {
        "lines": {
            "name": [line.name for line in lines],
            "x": [line.value for line in lines],
            "text": [line.text for line in lines],
            "role": [line.role for line in lines],
            "low": [line.low for line in lines],
            "high": [line.high for line in lines],
        }
    }
    scale = alt.Scale(domain=domain, nice=False, zero=False)
    x = alt.X("x:Q", title=None, scale=scale, axis=None)
    y = alt.Y("name:N", title=None, sort=None, axis=None, scale=alt.Scale(padding=0))
    colour = alt.Color(
        "role:N",
        legend=None,
        scale=alt.Scale(domain=["ours", "one", "baseline"], range=["var(--first)", "var(--first-soft)", "var(--grey)"]),
    )
    base = alt.Chart(alt.NamedData(name="lines"))
    start, end = alt.value(0), alt.value("width")
    tooltip = [alt.Tooltip("name:N", title="score of"), alt.Tooltip("text:N", title="value")]
    layers = [
        base.mark_rule(color="var(--rule)", yOffset=9).encode(y=y, x=start, x2=end),
        base.mark_text(baseline="middle", align="left", dy=-9, fontSize=13).encode(
            y=y, x=start, text="name:N", color=alt.value("var(--ink)")
        ),
        base.mark_text(baseline="middle", align="right", dy=-9, fontSize=13, fontWeight=600).encode(
            y=y, x=end, text="text:N", color=alt.value("var(--ink)")
        ),
        base.transform_filter("isValid(datum.low)")
        .mark_rule(strokeWidth=7, opacity=0.35, yOffset=9, strokeCap="round")
        .encode(y=y, x=alt.X("low:Q", scale=scale, axis=None, title=None), x2="high:Q", color=colour),
        base.mark_circle(size=110, opacity=1, yOffset=9).encode(y=y, x=x, color=colour, tooltip=tooltip),
    ]
    return Chart("chart-score", finish(layers, 46 * len(lines)), data, label, said=("name",))


def scatter(
    id_: str, truth: np.ndarray, predicted: np.ndarray, rows: np.ndarray, label: str, caption: str = ""
) -> Chart:
    """Draw predicted against true values with the line on which both are equal."""
    import altair as alt  # noqa: PLC0415

    both = np.concatenate([truth, predicted])
    log = logarithmic(both, 2.5)
    low, high = float(both.min()), float(both.max())
    pad = (high - low) * 0.03 or abs(high) * 0.1 or 1.0
    domain = [low / 1.1, high * 1.1] if log else [low - pad, high + pad]
    ends = {"domain": domain, "nice": False}
    scale = alt.Scale(type="log", **ends) if log else alt.Scale(zero=False, **ends)
    axis = numbers_axis(domain[0], domain[1], log=log)
    data = {
        "points": {"x": clean(truth), "y": clean(predicted), "row": [int(row) + 1 for row in rows]},
        "equal": {"x": domain, "y": domain},
    }
    x, y = (alt.X("x:Q", title="true", scale=scale, axis=axis), alt.Y("y:Q", title="predicted", scale=scale, axis=axis))
    shown = [
        alt.Tooltip("x:Q", title="true", format=",.4~r"),
        alt.Tooltip("y:Q", title="predicted", format=",.4~r"),
        alt.Tooltip("row:Q", title="row", format=",d"),
    ]
    crowd = len(truth)
    size, opacity = (36, 0.6) if crowd <= 300 else (20, 0.4) if crowd <= 1200 else (13, 0.28)
    layers = [
        alt.Chart(alt.NamedData(name="points"))
        .mark_circle(size=size, opacity=opacity, color="var(--first)", clip=True)
        .encode(x=x, y=y, tooltip=shown),
        alt.Chart(alt.NamedData(name="equal"))
        .mark_line(color="var(--ink)", strokeWidth=1, strokeDash=[4, 3])
        .encode(x=x, y=y),
    ]
    return Chart(id_, finish(layers, 400), data, label, caption)


def errors(id_: str, error: np.ndarray, label: str) -> Chart:
    """Draw how predictions minus true values are spread; the farthest hundredth at either end is not drawn."""
    import altair as alt  # noqa: PLC0415

    low, high = np.quantile(error, [0.01, 0.99]).tolist()
    reach = max(abs(low), abs(high)) or 1.0
    edges = np.linspace(-reach, reach, 42)  # an odd number of bins: the middle one is about 0
    amounts = np.histogram(error, edges)[0]
    beyond = len(error) - int(amounts.sum())
    data = {
        "bins": {
            "low": clean(edges[:-1]),
            "high": clean(edges[1:]),
            "rows": amounts.tolist(),
        },
        "zero": {"x": [0]},
    }
    bars = (
        alt.Chart(alt.NamedData(name="bins"))
        .mark_bar(color="var(--first)", opacity=0.75, binSpacing=1)
        .encode(
            x=alt.X("low:Q", title="predicted minus true", bin="binned", axis=numbers_axis(-reach, reach, grid=False)),
            x2="high:Q",
            y=alt.Y("rows:Q", title="rows", axis=alt.Axis(tickCount=4, tickMinStep=1)),
            tooltip=[
                alt.Tooltip("low:Q", title="from", format=",.4~r"),
                alt.Tooltip("high:Q", title="to", format=",.4~r"),
                alt.Tooltip("rows:Q", title="rows", format=",d"),
            ],
        )
    )
    zero = alt.Chart(alt.NamedData(name="zero")).mark_rule(color="var(--ink)", strokeDash=[4, 3]).encode(x="x:Q")
    caption = "Left of the dashed line predictions are too low, right of it too high."
    caption += f" {beyond:,} of {len(error):,} rows lie outside." if beyond else ""
    return Chart(id_, finish([bars, zero], 400), data, label, caption)


def probabilities(probability: np.ndarray, is_second: np.ndarray, label: str, caption: str) -> Chart:
    """Draw how the predicted probability of the second class is spread over rows of either class."""
    import altair as alt  # noqa: PLC0415

    edges = np.linspace(0, 1, 26)
    data: dict[str, list[Any]] = {"low": [], "high": [], "share": [], "side": [], "rows": []}
    for side in (0, 1):
        own = probability[is_second == bool(side)]
        amounts = np.histogram(own, edges)[0]
        data["low"] += clean(edges[:-1])
        data["high"] += clean(edges[1:])
        data["share"] += clean(amounts / max(1, len(own)))
        data["rows"] += amounts.tolist()
        data["side"] += [f"s{side}"] * len(amounts)
    chart = (
        alt.Chart(alt.NamedData(name="bins"))
        .mark_bar(opacity=0.55, binSpacing=1)
        .encode(
            x=alt.X(
                "low:Q",
                title="predicted probability",
                axis=alt.Axis(format="%", tickCount=5, grid=False),
                scale=alt.Scale(domain=[0, 1]),
                bin="binned",
            ),
            x2="high:Q",
            y=alt.Y("share:Q", stack=None, title="share of the class's rows", axis=alt.Axis(format="%", tickCount=4)),
            color=alt.Color(
                "side:N",
                legend=None,
                scale=alt.Scale(domain=["s0", "s1"], range=["var(--second)", "var(--first)"]),
            ),
            tooltip=[
                alt.Tooltip("low:Q", title="from", format=".0%"),
                alt.Tooltip("high:Q", title="to", format=".0%"),
                alt.Tooltip("rows:Q", title="rows", format=",d"),
                alt.Tooltip("share:Q", title="share of its class", format=".1%"),
            ],
        )
    )
    return Chart("chart-probability", finish([chart], 240), {"bins": data}, label, caption)
