"""How the time of `train` grows with the number of members, rows and epochs: measured, judged, drawn."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import altair as alt
from ours import FEATURES, LAYERS, ROWS, Measurement, Population

HIDDEN = (64,) * LAYERS
SIZES = {
    "members": (1, 2, 5, 10, 20, 40, 80),
    "rows": (5_120, 10_240, 20_480, 40_960, 81_920, 163_840),
    "epochs": (1, 2, 4, 8, 16, 32),
}
MOST = 1.05
"""A unit may cost so many times what it cost at the size before: more than 1 only for what a clock is wrong by."""
FEW = 5
LOG = alt.Scale(type="log", nice=False)


def case(axis: str, size: int) -> Measurement:
    """Return the seconds of one training of a size along an axis; the others stand at 5 members, 20,480 rows, 1."""
    members, rows, epochs = (size if axis == name else usual for name, usual in zip(SIZES, (FEW, ROWS, 1), strict=True))
    return Population(HIDDEN, members, rows=rows, features=FEATURES, epochs=epochs).seconds


def steepest(seconds: dict[int, float]) -> tuple[float, int]:
    """Return the largest factor by which the cost of a unit grows from one size to the next, and that size.

    >>> steepest({1: 1.0, 2: 1.5, 4: 3.3})
    (1.1, 4)
    """
    steps = [((seconds[b] / b) / (seconds[a] / a), b) for a, b in pairwise(sorted(seconds))]
    factor, size = max(steps)
    return round(factor, 6), size


def judge(axis: str, seconds: dict[int, float]) -> dict[str, Any]:
    """Return the row of the table."""
    factor, size = steepest(seconds)
    first, last = min(seconds), max(seconds)
    return {
        "name": axis, "case": f"growth with {axis}, {first:,} to {last:,}", "bar": f"<= {MOST:g}", "ratio": factor,
        "held": factor <= MOST, "ours": f"steepest at {size:,}", "ours_seconds": seconds[last],
        "theirs": f"{first:,}", "theirs_seconds": seconds[first],
    }  # fmt: skip


def draw(growth: dict[str, dict[int, float]], path: Path) -> None:
    """Write a picture of seconds by size, with the line of linear growth through the largest size."""
    panels = []
    for axis, seconds in growth.items():
        last = max(seconds)
        slope = seconds[last] / last
        points = [{"size": size, "seconds": took, "linear": slope * size} for size, took in seconds.items()]
        labels = alt.Axis(values=list(seconds), format=",", labelAngle=-45, grid=False)
        x = alt.X("size:Q", title=axis, scale=LOG, axis=labels)
        base = alt.Chart(alt.Data(values=points))
        y, y_linear = (alt.Y(f"{name}:Q", title="seconds", scale=LOG) for name in ("seconds", "linear"))
        linear = base.mark_line(color="#999999", strokeDash=[4, 4]).encode(x=x, y=y_linear)
        measured = base.mark_line(color="#1f5fa8", point={"color": "#1f5fa8"}).encode(x=x, y=y)
        panels.append((linear + measured).properties(width=210, height=180))
    alt.hconcat(*panels).configure(background="white").save(str(path))
