"""The layers of one network over the epochs: small charts of outputs, gradients, weights and idle shares."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from danlu.core.explained import Explained, LayerCourse
from danlu.report import words
from danlu.report.charts import Chart, clean, epochs_axis, finish, logarithmic, numbers_axis
from danlu.report.figures import Mark

HEIGHT = 170
FIRST, LAST, BETWEEN = "first layer", "last layer", "layers between"
_COLOURS = {FIRST: "second", LAST: "first", BETWEEN: "grey"}


@dataclass(frozen=True)
class Measure:
    """What is drawn of layers: the field of their record, the panel's title, and whether it is a share."""

    field: str
    title: str
    share: bool = False


MEASURES = (
    Measure("output", "What layers give"),
    Measure("gradient", "Gradients"),
    Measure("weight", "Weights"),
    Measure("dead", "Units that are dead", share=True),
    Measure("saturated", "Numbers that are saturated", share=True),
)


def courses(found: Explained) -> list[tuple[str, Chart]]:
    """Return a title and a chart for each measure that any layer has; nothing where layers were seen once."""
    if len(found.layer_epochs) < 2:
        return []
    drawn = []
    for measure in MEASURES:
        layers = [(place, each) for place, each in enumerate(found.layer_courses, 1) if getattr(each, measure.field)]
        chart = _chart(measure, layers, found.layer_epochs) if layers else None
        if chart is not None:
            drawn.append((measure.title, chart))
    return drawn


def key(found: Explained) -> tuple[Mark, ...]:
    """Return what the colours mean."""
    most = max((sum(bool(getattr(c, m.field)) for c in found.layer_courses) for m in MEASURES), default=0)
    return tuple(Mark(name, _COLOURS[name]) for name in (FIRST, LAST, *((BETWEEN,) if most > 2 else ())))


def _chart(measure: Measure, layers: Sequence[tuple[int, LayerCourse]], epochs: Sequence[int]) -> Chart | None:
    """Draw one measure of every layer that has it, the first and the last of them in colour."""
    import altair as alt  # noqa: PLC0415  only a page needs it

    values_LE = np.array([getattr(each, measure.field) for _, each in layers], dtype=np.float64)
    if not np.isfinite(values_LE).any() or (measure.share and not values_LE.any()):
        return None
    data: dict[str, list] = {name: [] for name in ("x", "y", "layer", "role")}
    for line in sorted(range(len(layers)), key=lambda line: line in (0, len(layers) - 1)):  # colour lies above grey
        place, each = layers[line]
        role = FIRST if line == 0 and len(layers) > 1 else LAST if line == len(layers) - 1 else BETWEEN
        there = np.flatnonzero(np.isfinite(values_LE[line])).tolist()
        data["x"] += [epochs[e] for e in there]
        data["y"] += clean(values_LE[line, there], 4)
        data["layer"] += [_name(place, each)] * len(there)
        data["role"] += [role] * len(there)
    log = not measure.share and logarithmic(values_LE)
    low, high = float(np.nanmin(values_LE)), float(np.nanmax(values_LE))
    axis = alt.Axis(format="%", tickCount=4) if measure.share else numbers_axis(low, high, log=log)
    scale = alt.Scale(type="log", nice=False) if log else alt.Scale(zero=True, nice=True)
    x_axis = epochs_axis(0, max(data["x"]), count=4)
    x = alt.X("x:Q", title="epoch", axis=x_axis, scale=alt.Scale(nice=False, zero=True))
    y = alt.Y("y:Q", title=None, axis=axis, scale=scale)
    colours = alt.Scale(domain=list(_COLOURS), range=[f"var(--{name})" for name in _COLOURS.values()])
    base = alt.Chart(alt.NamedData(name="layers")).encode(
        x=x, y=y, detail="layer:N", color=alt.Color("role:N", legend=None, scale=colours)
    )
    shown = [
        alt.Tooltip("layer:N", title="layer"),
        alt.Tooltip("x:Q", title="epoch", format=",d"),
        alt.Tooltip("y:Q", title="share" if measure.share else "size", format=".1%" if measure.share else ",.3~g"),
    ]
    lines = [
        base.mark_line(strokeWidth=2, point={"size": 16}),
        base.mark_point(opacity=0, size=90, filled=True).encode(tooltip=shown),
    ]
    said = [
        f"{_name(place, each)} {_span(values_LE[line], share=measure.share)}" for line, (place, each) in _ends(layers)
    ]
    label = f"{measure.title} over the epochs: {'; '.join(said)}."
    return Chart(f"chart-layers-{measure.field}", finish(lines, HEIGHT), {"layers": data}, label)


def _ends(layers: Sequence[tuple[int, LayerCourse]]) -> list[tuple[int, tuple[int, LayerCourse]]]:
    """Return the first and the last layer with their places in the list."""
    return [(line, layers[line]) for line in sorted({0, len(layers) - 1})]


def _name(place: int, each: LayerCourse) -> str:
    return f"{place}. {each.kind}"


def _span(values_E: np.ndarray, *, share: bool) -> str:
    """Say where a measure begins and ends."""
    known = values_E[np.isfinite(values_E)]
    write = words.percent if share else lambda value: words.about(value)
    return f"from {write(float(known[0]))} to {write(float(known[-1]))}" if len(known) else "not known"
