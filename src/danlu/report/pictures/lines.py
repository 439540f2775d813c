"""Lines over one axis: what most pictures are made of."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from danlu.report.charts import Chart, clean, finish, numbers_axis
from danlu.report.figures import Mark
from danlu.report.words import number

STYLES = (
    ("first", "line"),
    ("second", "line"),
    ("third", "line"),
    ("grey", "line"),
    ("ink", "dashed"),
    ("first", "dashed"),
    ("second", "dashed"),
    ("third", "dashed"),
    ("grey", "dashed"),
    ("ink", "line"),
)
"""Colours that the colour-blind tell apart, then the same as dashed lines."""
DASHES = {"line": [1, 0], "dashed": [4, 3]}


@dataclass(frozen=True)
class Line:
    """One line: what it is, its points, and how it is drawn; None in `y` breaks it."""

    name: str
    x: Sequence[float] | np.ndarray
    y: Sequence[float] | np.ndarray
    colour: str = "first"
    form: str = "line"
    width: float = 2.0
    """In points; all lines of a chart are as wide as the first."""
    piece: Sequence[int] | None = None
    """Part of the line that each point belongs to, where it jumps."""

    @property
    def mark(self) -> Mark:
        """The line's entry in a key."""
        return Mark(self.name, self.colour, self.form)


@dataclass(frozen=True)
class Axis:
    """An axis: what it shows with its unit, its ends (None: those of the lines), and whether it is logarithmic."""

    title: str | None
    ends: tuple[float, float] | None = None
    log: bool = False
    whole: bool = False
    """Whether only whole numbers get a tick."""


def styled(position: int) -> dict[str, Any]:
    """Return colour and form of the line at a position.

    >>> styled(0), styled(6)
    ({'colour': 'first', 'form': 'line'}, {'colour': 'second', 'form': 'dashed'})
    """
    colour, form = STYLES[position % len(STYLES)]
    return {"colour": colour, "form": form}


def short(value: float) -> str:
    """Write a number to two digits, in letters that every font has.

    >>> short(0.0125), short(2.5e-06), short(3000.0), short(0.0)
    ('0.013', '2.5e-6', '3,000', '0')
    """
    if value and abs(value) < 1e-3:
        digits, _, exponent = f"{value:.1e}".partition("e")
        return f"{digits.removesuffix('.0')}e{int(exponent)}".replace("-", "−", 1 if value < 0 else 0)
    return number(value, digits=2)


def lines_chart(
    id_: str,
    lines: Sequence[Line],
    x: Axis,
    y: Axis,
    *,
    label: str,
    caption: str = "",
    band: tuple[float, float] | None = None,
    height: int = 200,
) -> Chart:
    """Draw lines over one x axis, with a band behind them where one is given; what leaves the axes is cut off."""
    import altair as alt  # noqa: PLC0415  only a picture needs it

    data: dict[str, dict[str, list[Any]]] = {"lines": _points(lines)}
    layers = []
    if band is not None:
        data["band"] = {"x": [band[0]], "x2": [band[1]]}
        mark = alt.Chart(alt.NamedData(name="band")).mark_rect(color="var(--third)", opacity=0.12)
        layers.append(mark.encode(x="x:Q", x2="x2:Q"))
    names = [f"l{i}" for i in range(len(lines))]
    colours = alt.Scale(domain=names, range=[f"var(--{line.colour})" for line in lines])
    dashes = alt.Scale(domain=names, range=[DASHES[line.form] for line in lines])
    tooltip = [alt.Tooltip("name:N", title="line"), alt.Tooltip("x:Q", title=x.title or "x", format=",.4~r")]
    tooltip.append(alt.Tooltip("y:Q", title=y.title or "value", format=".4~g"))
    base = alt.Chart(alt.NamedData(name="lines")).encode(
        x=alt.X("x:Q", title=x.title, scale=_scale(x), axis=_axis(x, data["lines"]["x"], grid=False)),
        y=alt.Y("y:Q", title=y.title, scale=_scale(y), axis=_axis(y, data["lines"]["y"])),
        color=alt.Color("line:N", legend=None, scale=colours),
        detail="piece:N",
    )
    layers.append(
        base.mark_line(clip=True, strokeWidth=lines[0].width).encode(
            strokeDash=alt.StrokeDash("line:N", legend=None, scale=dashes)
        )
    )
    layers.append(base.mark_point(opacity=0, size=60, filled=True, clip=True).encode(tooltip=tooltip))
    return Chart(id_, finish(layers, height), data, label, caption)


def _points(lines: Sequence[Line]) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {"x": [], "y": [], "line": [], "name": [], "piece": []}
    for i, line in enumerate(lines):
        found["x"] += clean(line.x)
        found["y"] += clean(line.y)
        found["line"] += [f"l{i}"] * len(line.x)
        found["name"] += [line.name] * len(line.x)
        found["piece"] += list(line.piece) if line.piece is not None else [0] * len(line.x)
    return found


def _scale(axis: Axis) -> Any:
    import altair as alt  # noqa: PLC0415

    given: dict[str, Any] = {} if axis.ends is None else {"domain": list(axis.ends), "nice": False}
    return alt.Scale(type="log" if axis.log else "linear", zero=False, **given)


def _axis(axis: Axis, values: list[float | None], **more: Any) -> Any:
    """Return the axis with ticks that its ends ask for; powers of ten on a long logarithmic one."""
    known = [v for v in values if v is not None]
    low, high = axis.ends or ((min(known), max(known)) if known else (0.0, 1.0))
    if axis.log:
        import altair as alt  # noqa: PLC0415

        decades = range(math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9) + 1)
        if len(decades) > 2:
            more["values"] = [10.0**d for d in decades[:: math.ceil(len(decades) / 6)]]
        more["labelExpr"] = "format(datum.value, datum.value >= 0.01 && datum.value < 10000 ? '~g' : '.0e')"
        return alt.Axis(**more)
    if axis.whole:
        more |= {"tickMinStep": 1, "format": ",d"}
    return numbers_axis(low, high, **more)
