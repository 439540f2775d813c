"""Names with a number and its interval each, one below the other: what is important, where errors are large."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from danlu.report.charts import Chart, finish


@dataclass(frozen=True)
class Item:
    """One line: a name, what is written at its right, the value, its interval, and whether it is surely so."""

    name: str
    text: str
    value: float
    low: float | None = None
    high: float | None = None
    sure: bool = True


def ranked_chart(
    id_: str, items: Sequence[Item], label: str, caption: str, *, level: float | None = None, said: tuple[str, ...] = ()
) -> Chart:
    """Draw the items as bars from 0, or, with a `level` to compare with, as dots beside a line at it.

    Items that are not sure are grey. Each has its name above itself, so that long names fit a narrow page. `said` tells
    whether name or text are Danlu's words.
    """
    import altair as alt  # noqa: PLC0415  only a page needs it

    ends = [v for item in items for v in (item.value, item.low, item.high, level) if v is not None]
    low, high = min(0.0, *ends), max(*ends, 0.0)
    pad = (high - low) * 0.02 or 1.0
    data: dict[str, dict[str, list[Any]]] = {
        "items": {
            "name": [item.name for item in items],
            "place": list(range(len(items))),
            "x": [item.value for item in items],
            "text": [item.text for item in items],
            "low": [item.low for item in items],
            "high": [item.high for item in items],
            "sure": ["sure" if item.sure else "not" for item in items],
            "zero": [0.0] * len(items),
        },
        "edge": {"x": [0.0 if level is None else level]},
    }
    scale = alt.Scale(domain=[low - (pad if low < 0 else 0), high + pad], nice=False, zero=False)
    x = alt.X("x:Q", title=None, scale=scale, axis=None)
    y = alt.Y("place:N", title=None, sort=None, axis=None, scale=alt.Scale(padding=0))
    shades = ["var(--first)" if level is None else "var(--second)", "var(--grey)"]
    colour = alt.Color("sure:N", legend=None, scale=alt.Scale(domain=["sure", "not"], range=shades))
    base = alt.Chart(alt.NamedData(name="items"))
    ink, start, end = alt.value("var(--ink)"), alt.value(0), alt.value("width")
    shown = [alt.Tooltip("name:N", title="of"), alt.Tooltip("text:N", title="value")]
    written: dict[str, Any] = {"baseline": "middle", "dy": -9, "fontSize": 13}
    layers = [
        base.mark_text(align="left", limit=420, **written).encode(y=y, x=start, text="name:N", color=ink),
        base.mark_text(align="right", fontWeight=600, **written).encode(y=y, x=end, text="text:N", color=ink),
        base.mark_rule(color="var(--rule)", yOffset=6).encode(y=y, x=start, x2=end),
    ]
    whisker = base.transform_filter("isValid(datum.low)").mark_rule(strokeWidth=1.5, yOffset=6)
    span = whisker.encode(y=y, x=alt.X("low:Q", scale=scale, axis=None, title=None), x2="high:Q", color=ink)
    if level is None:
        layers += [base.mark_bar(size=9, yOffset=6).encode(y=y, x=x, x2="zero:Q", color=colour, tooltip=shown), span]
    else:
        edge = alt.Chart(alt.NamedData(name="edge"))
        dot = base.mark_circle(size=90, opacity=1, yOffset=6).encode(y=y, x=x, color=colour, tooltip=shown)
        layers += [
            edge.mark_rule(color="var(--ink)", strokeDash=[4, 3]).encode(x=x),
            whisker.mark_rule(strokeWidth=7, opacity=0.35, yOffset=6, strokeCap="round").encode(
                y=y, x=alt.X("low:Q", scale=scale, axis=None, title=None), x2="high:Q", color=colour
            ),
            dot,
        ]
    return Chart(id_, finish(layers, 38 * len(items)), data, label, caption, said)
