"""Decision boundaries as small multiples: a panel for each depth and weight decay, all on the same points."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from danlu.report import thin
from danlu.report.charts import Chart, clean, finish, numbers_axis
from danlu.report.figures import Figure, Mark, Panel
from danlu.report.pictures.field import as_url, probabilities
from danlu.report.words import count, number, percent

COLOURS = ("first", "second", "third", "grey")
MOST_POINTS = 600
"""Points drawn in a panel."""

Plane = Mapping[str, Any]
"""name, axes, classes, x_N2, class_N, held_T2, held_class_T: as `explanation.boundaries` records them."""
Boundary = Mapping[str, Any]
"""hidden, weight_decay, probability_CGG, lines, member_lines, train_accuracy, accuracy, accuracy_M."""


def boundaries(plane: Plane, grid: tuple[np.ndarray, np.ndarray], found: Sequence[Boundary], lead: str) -> Figure:
    """Draw boundaries, those of one weight decay in a row.

    Arguments:
        plane: the points.
        grid: x and y of the columns and rows of all fields.
        found: what the networks make of them.
        lead: what is to be said first.
    """
    ordered = sorted(found, key=lambda each: each["weight_decay"])
    names = plane["classes"]
    said = "Strong line: where the networks' mean changes its mind. Faint: each network."
    marks = [
        Mark(name if len(name) <= 24 else f"{name[:23]}…", colour, "point")
        for name, colour in zip(names, COLOURS, strict=False)
    ]
    panels = [_panel(place, plane, grid, each) for place, each in enumerate(ordered)]
    return Figure(
        "boundaries",
        f"Decision boundaries: {plane['name']}",
        tuple(panels),
        _data(grid, ordered, names),
        {"points": len(plane["x_N2"]), "held_out": len(plane["held_T2"]), "panels": [_facts(each) for each in ordered]},
        f"{lead} {said}",
        (*marks, Mark("boundary", "ink")),
        columns=len({each["hidden"] for each in found}),
        size=(230, 220),
    )


def _facts(each: Boundary) -> dict[str, Any]:
    return {
        "hidden": list(each["hidden"]),
        "weight_decay": each["weight_decay"],
        "accuracy": each["accuracy"],
        "accuracy_of_each": np.asarray(each["accuracy_M"]).tolist(),
        "train_accuracy": each["train_accuracy"],
    }


def _data(grid: tuple[np.ndarray, np.ndarray], found: Sequence[Boundary], names: Sequence[str]) -> dict[str, list[Any]]:
    """Return the fields as one table: a row for each grid point of each panel."""
    x, y = (axis.ravel().tolist() for axis in np.meshgrid(*grid))
    columns: dict[str, list[Any]] = {
        "hidden_layers": [len(each["hidden"]) for each in found for _ in x],
        "weight_decay": [each["weight_decay"] for each in found for _ in x],
        "x": x * len(found),
        "y": y * len(found),
    }
    for c, name in enumerate(names):
        columns[f"p_{name}"] = [p for each in found for p in each["probability_CGG"][c].ravel().tolist()]
    return columns


def _panel(place: int, plane: Plane, grid: tuple[np.ndarray, np.ndarray], each: Boundary) -> Panel:
    """Draw one panel: field, boundaries, points."""
    depth = count(len(each["hidden"]), "hidden layer")
    right = percent(each["accuracy"], -3)
    with_decay = f"weight decay {number(each['weight_decay'])}" if each["weight_decay"] else "no weight decay"
    known = percent(each["train_accuracy"], -3)
    title, caption = f"{depth}, held out: {right}", f"{with_decay}, training points: {known}"
    label = f"{depth}, {with_decay}: {right} of the held-out points are right, {known} of the training points."
    url = as_url(probabilities(each["probability_CGG"], COLOURS[: len(plane["classes"])]))
    drawn = thin.some(len(plane["x_N2"]), MOST_POINTS)
    points, class_N = plane["x_N2"][drawn], plane["class_N"][drawn]
    half = [(axis[1] - axis[0]) / 2 for axis in grid]
    corners = [(float(axis[0] - gap), float(axis[-1] + gap)) for axis, gap in zip(grid, half, strict=True)]
    data = {
        "field": {"x": [corners[0][0]], "x2": [corners[0][1]], "y": [corners[1][0]], "y2": [corners[1][1]]},
        "members": _lines([line for lines in each["member_lines"] for line in lines]),
        "mean": _lines(each["lines"]),
        "points": {"x": clean(points[:, 0]), "y": clean(points[:, 1]), "c": [f"c{c}" for c in class_N.tolist()]},
    }
    return Panel(Chart(f"chart-boundary-{place}", _spec(plane, grid, url), data, label, caption), title)


def _lines(lines: Sequence[np.ndarray]) -> dict[str, list[Any]]:
    """Return lines as columns: which, in which order, where."""
    whole = np.concatenate([np.empty((0, 2)), *lines])
    return {
        "x": clean(whole[:, 0]),
        "y": clean(whole[:, 1]),
        "line": [number for number, line in enumerate(lines) for _ in line],
        "at": [at for line in lines for at in range(len(line))],
    }


def _spec(plane: Plane, grid: tuple[np.ndarray, np.ndarray], url: str) -> dict[str, Any]:
    import altair as alt  # noqa: PLC0415  only a picture needs it

    ends = [(float(axis[0]), float(axis[-1])) for axis in grid]
    scale_x, scale_y = (alt.Scale(domain=list(pair), nice=False, zero=False) for pair in ends)
    axis_x, axis_y = (numbers_axis(*pair, grid=False) for pair in ends)
    x = alt.X("x:Q", title=plane["axes"][0], scale=scale_x, axis=axis_x)
    y = alt.Y("y:Q", title=plane["axes"][1], scale=scale_y, axis=axis_y)
    used = COLOURS[: len(plane["classes"])]
    domain, colours = [f"c{c}" for c in range(len(used))], [f"var(--{name})" for name in used]
    colour = alt.Color("c:N", legend=None, scale=alt.Scale(domain=domain, range=colours))
    order = alt.Order("at:Q")
    layers = [
        alt.Chart(alt.NamedData(name="field"))
        .mark_image(url=url, aspect=False, clip=True)
        .encode(x=x, x2="x2:Q", y=y, y2="y2:Q"),
        alt.Chart(alt.NamedData(name="points"))
        .mark_point(size=22, filled=True, opacity=1, stroke="var(--paper)", strokeWidth=0.6, clip=True)
        .encode(x=x, y=y, color=colour),
        alt.Chart(alt.NamedData(name="members"))
        .mark_line(color="var(--ink)", strokeWidth=0.8, opacity=0.35, clip=True)
        .encode(x=x, y=y, detail="line:N", order=order),
        alt.Chart(alt.NamedData(name="mean"))
        .mark_line(color="var(--ink)", strokeWidth=2.2, clip=True)
        .encode(x=x, y=y, detail="line:N", order=order),
    ]
    return finish(layers, 280)
