"""Activations and their derivatives as small multiples, with the range in which each is alive."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from danlu.report.figures import Figure, Mark, Panel
from danlu.report.pictures.lines import Axis, Line, lines_chart
from danlu.report.words import number

Curve = Mapping[str, Any]
"""name, x_N, value_N, derivative_N, alive, steepest, at_zero, odd: as `explanation` records them."""


def activations(curves: Sequence[Curve], share: float) -> Figure:
    """Draw activations with their derivatives."""
    data: dict[str, list[Any]] = {"activation": [], "x": [], "value": [], "derivative": []}
    for curve in curves:
        data["activation"] += [curve["name"]] * len(curve["x_N"])
        data["x"] += curve["x_N"].tolist()
        data["value"] += curve["value_N"].tolist()
        data["derivative"] += [v if np.isfinite(v) else None for v in curve["derivative_N"].tolist()]
    one = curves[0]["name"] if len(curves) == 1 else ""
    return Figure(
        "activations",
        f"The activation {one} and its derivative" if one else "Activations and their derivatives",
        tuple(_panel(curve, 280 if one else 200) for curve in curves),
        data,
        {curve["name"]: _facts(curve) for curve in curves},
        f"Shaded: where the activation is alive, which is where its slope is at least {share:.0%} of the steepest. "
        "A unit whose inputs lie outside hardly learns.",
        (Mark("activation", "first"), Mark("derivative", "second", "dashed"), Mark("alive", "third", "area")),
        columns=1 if one else min(4, len(curves)),
        size=(460, 280) if one else (220, 150),
    )


def _facts(curve: Curve) -> dict[str, Any]:
    at, slope = curve["steepest"]
    value, derivative = curve["at_zero"]
    return {
        "at_zero": {"value": value, "derivative": derivative if np.isfinite(derivative) else None},
        "steepest": {"x": at, "derivative": slope},
        "alive": None if curve["alive"] is None else list(curve["alive"]),
        "odd": curve["odd"],
    }


def _said(curve: Curve) -> str:
    """Say in one line how steep and where alive."""
    at, slope = curve["steepest"]
    if curve["alive"] is None:
        return "Slope 0 everywhere, none at the jump: no gradient gets through."
    low, high = (None if end is None else number(end, -1 if end else 0) for end in curve["alive"])
    where = "everywhere" if low is high is None else f"above {low}" if high is None else f"{low} to {high}"
    x, most = curve["x_N"], number(slope, digits=3)
    level = np.isclose(curve["derivative_N"], slope, rtol=1e-9).sum() > len(x) // 4
    top = "" if not x[0] <= at <= x[-1] else f" (at {number(at, digits=2)})"
    return f"Slope {most}, alive {where}." if level else f"Slope ≤ {most}{top}, alive {where}."


def _panel(curve: Curve, height: int) -> Panel:
    """Return one activation's panel; lines that leave it are cut off."""
    thin = slice(None, None, 2 if len(curve["x_N"]) > 400 else 1)  # still finer than a picture's points
    x, value_N, derivative_N = curve["x_N"][thin], curve["value_N"][thin], curve["derivative_N"][thin]
    left, right = float(x[0]), float(x[-1])
    bounded = np.abs(value_N).max() <= 1.0 + 1e-9
    piece = (x >= 0).astype(int).tolist() if curve["name"] == "step" else None  # the jump is no line
    band = None
    if curve["alive"] is not None:
        low, high = curve["alive"]
        band = (
            left if low is None else min(max(left, low), right),
            right if high is None else max(min(right, high), left),
        )
    said = _said(curve)
    chart = lines_chart(
        f"chart-{curve['name']}",
        [
            Line("activation", x, value_N, piece=piece),
            Line("derivative", x, derivative_N, "second", "dashed"),
        ],
        Axis("input", (left, right)),
        Axis(None, (-1.15, 1.15) if bounded else (-2.3, 3.3)),
        label=f"{curve['name']} and its derivative from {number(left)} to {number(right)}. {said}",
        caption=said,
        band=band,
        height=height,
    )
    return Panel(chart, curve["name"])
