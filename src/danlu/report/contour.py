"""Descents as pictures: contour with paths, the curve of one variable, or f over the steps."""

from __future__ import annotations

import base64
import struct
import zlib
from typing import Any

import numpy as np

from danlu.explanation.descent_records import DescentRecord, Grid
from danlu.explanation.isolines import chained, isolines
from danlu.report.charts import Chart, clean, finish, numbers_axis
from danlu.report.descent_groups import Groups, groups, place
from danlu.report.figures import Figure, Panel
from danlu.report.words import count

SHARES = (0.004, 0.015, 0.04, 0.08, 0.14, 0.22, 0.31, 0.41, 0.52, 0.64, 0.76, 0.87, 0.95)
"""Contour lines stand where f is below this in such a share of the picture: dense where minima are, on any scale."""
MOST_POINTS, MOST_STARTS, CELLS = 5_000, 1_500, 30
LONG = 1_000
"""Descents longer than this have an axis of steps by logarithm: most happens early."""
BLUE = (0x00, 0x72, 0xB2)


def figure(found: DescentRecord) -> Figure:
    """Return the picture of descents: of one or two variables the function with paths, else f over the steps."""
    size = (520, 460) if len(found.variables) == 2 else (560, 320)
    main = chart(found, size)
    data = {"step": found.path_step_K.tolist(), "lowest": _lowest(found).tolist()}
    title = found.name if not found.formula or found.name == found.formula else f"{found.name}: {found.formula}"
    settings = ", ".join(setting.name for setting in found.settings[:6])
    lead = f"{count(len(found.start_SN), 'start')}, {settings}, {count(found.steps, 'step')}."
    return Figure("minimize", title[:110], (Panel(main, height=size[1]),), data, lead=lead, columns=1, size=size)


def _lowest(found: DescentRecord) -> np.ndarray:
    """Return the lowest f of all members at each step of the paths."""
    return np.where(np.isfinite(found.path_f_KM), found.path_f_KM, np.inf).min(1)


def chart(found: DescentRecord, size: tuple[int, int] | None = None) -> Chart:
    """Return the main chart; of a fixed size for a picture, else as wide as the page."""
    if found.grid is not None and len(found.variables) == 2:
        return contour(found, found.grid, size)
    return curve(found, found.grid) if found.grid is not None and len(found.variables) == 1 else progress(found)


# Two variables


def contour(found: DescentRecord, grid: Grid, size: tuple[int, int] | None = None) -> Chart:
    """Draw contour lines, paths, starts and stationary points of a function of two variables.

    In a page f is shown where the pointer is, groups are chosen in the legend, and checkboxes hide what is in the way.
    """
    import altair as alt  # noqa: PLC0415

    told = groups(found)
    data = {
        "levels": _levels(grid),
        "cells": _cells(grid),
        "paths": _paths(found, told),
        "starts": _starts(found, told),
        "points": _points(found),
        "picture": {"url": [_picture(grid)]},
    }
    low, high = (grid.x_W[0], grid.y_H[0]), (grid.x_W[-1], grid.y_H[-1])
    axes: list[Any] = []
    for channel, name, least, most in zip((alt.X, alt.Y), found.variables, low, high, strict=True):
        scale = alt.Scale(domain=[float(least), float(most)], nice=False, zero=False)
        field = "x:Q" if channel is alt.X else "y:Q"
        axes.append(channel(field, title=name, scale=scale, axis=alt.Axis(grid=False, tickCount=6)))
    layers = _contour_layers(found, told, axes, size)
    spec = finish(layers, 560)
    label = (
        f"Contour of {found.name} over {found.variables[0]} and {found.variables[1]} with {len(told.group_M):,} paths"
    )
    label += "; minima at " + ", ".join(place(p.x) for p in found.minima[:6]) if found.minima else ""
    return Chart("chart-contour", spec, data, f"{label}.", _caption(found))


def _caption(found: DescentRecord) -> str:
    drawn = found.trail.members if found.trail else ()
    said = ["The darker, the lower f; lines are denser where it is low."]
    if len(drawn) < found.members:
        said.append(f"Paths of {len(drawn)} of {found.members:,} descents.")
    said.append("Rings: starts. Filled: minima; crosses: saddles; triangles: maxima; grey ones were not reached.")
    return " ".join(said)


def _contour_layers(found: DescentRecord, told: Groups, axes: list[Any], size: tuple[int, int] | None) -> list[Any]:
    """Return the layers from the ground up."""
    import altair as alt  # noqa: PLC0415

    x, y = axes
    names = [
        alt.Tooltip("x:Q", title=found.variables[0], format=".5~g"),
        alt.Tooltip("y:Q", title=found.variables[1], format=".5~g"),
    ]
    value = alt.Tooltip("f:Q", title="f", format=".5~g")
    width: Any = size[0] if size else {"expr": "width"}
    height: Any = size[1] if size else {"expr": "height"}
    chosen = alt.selection_point(name="chosen", fields=["group"], bind="legend")
    shown = {
        name: alt.param(name=name, value=True, bind=alt.binding_checkbox(name=f"{name} "))
        for name in ("paths", "starts", "lines")
    }
    strong = alt.condition(chosen, alt.value(0.9), alt.value(0.06))

    def layer(name: str) -> Any:
        return alt.Chart(alt.NamedData(name=name))

    # A checkbox takes rows away: what is hidden shows no number either.
    picture = layer("picture").mark_image(width=width, height=height, aspect=False, align="left", baseline="top")
    lines = layer("levels").mark_line(color="var(--ink)", strokeWidth=0.8, opacity=0.35, clip=True)
    cells = layer("cells").mark_rect(opacity=0)
    paths = layer("paths").mark_line(strokeWidth=1.6, clip=True)
    stops = layer("paths").mark_point(size=45, filled=True, opacity=0, clip=True)
    starts = layer("starts").mark_point(size=26, strokeWidth=1.3, clip=True)
    drawn = [
        picture.encode(x=alt.value(0), y=alt.value(0), url="url:N"),
        lines.encode(x=x, y=y, detail="line:N", order="step:Q"),
        cells.encode(x=x, y=y, x2="x2:Q", y2="y2:Q", tooltip=[*_middle(found), value]),
        paths.encode(x=x, y=y, detail="m:N", order="step:Q", color=told.colour(), opacity=strong),
        stops.encode(x=x, y=y, tooltip=[alt.Tooltip("step:Q", title="step", format=",d"), *names, value]),
        starts.encode(x=x, y=y, color=told.colour(), opacity=strong, tooltip=[*names, value]),
    ]
    if size is None:
        for at, name in ((1, "lines"), (3, "paths"), (4, "paths"), (5, "starts")):
            drawn[at] = drawn[at].transform_filter(name)
        drawn[0] = drawn[0].add_params(*shown.values())
    drawn[3] = drawn[3].add_params(chosen)
    return [*drawn, *_point_layers(layer("points"), x, y, names, value)]


def _middle(found: DescentRecord) -> list[Any]:
    """Return what is shown of the middle of a cell."""
    import altair as alt  # noqa: PLC0415

    fields = zip(("cx", "cy"), found.variables, strict=True)
    return [alt.Tooltip(f"{field}:Q", title=name, format=".3~g") for field, name in fields]


def _point_layers(base: Any, x: Any, y: Any, names: list[Any], value: Any) -> list[Any]:
    """Return stationary points: their form is their kind, grey where no member came."""
    import altair as alt  # noqa: PLC0415

    form = alt.Shape(
        "kind:N",
        legend=None,
        scale=alt.Scale(
            domain=["minimum", "kink", "saddle", "maximum", "flat"],
            range=["circle", "diamond", "cross", "triangle-up", "square"],
        ),
    )
    reached = alt.condition("datum.starts > 0", alt.value("var(--ink)"), alt.value("var(--grey)"))
    tooltip = [alt.Tooltip("kind:N", title="kind"), *names, value, alt.Tooltip("values:N", title="eigenvalues")]
    tooltip.append(alt.Tooltip("starts:Q", title="starts that end here", format=",d"))
    mark = base.mark_point(size=95, filled=True, opacity=1, stroke="var(--paper)", strokeWidth=1.2, clip=True)
    return [mark.encode(x=x, y=y, shape=form, color=reached, tooltip=tooltip)]


def _levels(grid: Grid) -> dict[str, list[Any]]:
    """Return the contour lines as points in their order."""
    finite = grid.f_HW[np.isfinite(grid.f_HW)]
    f_HW = np.where(np.isfinite(grid.f_HW), grid.f_HW, finite.max(initial=0.0))
    levels = np.unique([float(f"{v:.3g}") for v in np.quantile(finite, SHARES)]) if len(finite) else np.empty(0)
    found: dict[str, list[Any]] = {"x": [], "y": [], "f": [], "line": [], "step": []}
    number = 0
    for level in levels.tolist():
        for line in chained(isolines(f_HW, grid.x_W, grid.y_H, level)):
            thin = line[:: max(1, len(line) // 160)]
            thin = thin if np.array_equal(thin[-1], line[-1]) else np.concatenate([thin, line[-1:]])
            found["x"] += clean(thin[:, 0], 4)
            found["y"] += clean(thin[:, 1], 4)
            found["f"] += [level] * len(thin)
            found["line"] += [number] * len(thin)
            found["step"] += list(range(len(thin)))
            number += 1
    return found


def _cells(grid: Grid) -> dict[str, list[Any]]:
    """Return cells that say f where the pointer is."""
    edges = [np.linspace(axis[0], axis[-1], CELLS + 1) for axis in (grid.x_W, grid.y_H)]
    middle = [(edge[:-1] + edge[1:]) / 2 for edge in edges]
    column, row = (
        np.abs(axis[:, None] - mid).argmin(0) for axis, mid in zip((grid.x_W, grid.y_H), middle, strict=True)
    )
    i, j = (each.ravel() for each in np.meshgrid(np.arange(CELLS), np.arange(CELLS)))
    return {
        "x": clean(edges[0][i], 4),
        "x2": clean(edges[0][i + 1], 4),
        "y": clean(edges[1][j], 4),
        "y2": clean(edges[1][j + 1], 4),
        "cx": clean(grid.x_W[column[i]], 4),
        "cy": clean(grid.y_H[row[j]], 4),
        "f": clean(grid.f_HW[row[j], column[i]]),
    }


def _paths(found: DescentRecord, told: Groups) -> dict[str, list[Any]]:
    """Return the drawn members' ways, without the points that hardly moved."""
    rows: dict[str, list[Any]] = {"x": [], "y": [], "f": [], "step": [], "m": [], "group": []}
    if found.trail is None:
        return rows
    span_N = found.box[:, 1] - found.box[:, 0]
    most = max(12, MOST_POINTS // max(1, len(found.trail.members)))
    for d, member in enumerate(found.trail.members):
        x_LN = found.trail.x_LDN[:, d]
        # What runs away leaves the picture; its numbers would be too long to draw.
        near_LN = (x_LN >= found.box[:, 0] - 3 * span_N) & (x_LN <= found.box[:, 1] + 3 * span_N)
        there = np.flatnonzero(near_LN.all(1) & np.isfinite(found.trail.f_LD[:, d]))
        kept = [] if not len(there) else [there[0]]
        for at in there[1:]:
            if (np.abs(x_LN[at] - x_LN[kept[-1]]) > 0.004 * span_N).any():
                kept.append(at)
        kept = kept if not len(there) or kept[-1] == there[-1] else [*kept, there[-1]]
        if len(kept) > most:
            kept = [kept[i] for i in np.unique(np.linspace(0, len(kept) - 1, most).round().astype(int))]
        rows["x"] += clean(x_LN[kept, 0])
        rows["y"] += clean(x_LN[kept, -1])
        rows["f"] += clean(found.trail.f_LD[kept, d])
        rows["step"] += found.trail.step_L[kept].tolist()
        rows["m"] += [int(member)] * len(kept)
        rows["group"] += [told.names[told.group_M[member]]] * len(kept)
    return rows


def _starts(found: DescentRecord, told: Groups) -> dict[str, list[Any]]:
    """Return the starts, with the group of the first setting's member."""
    chosen = np.unique(
        np.linspace(0, len(found.start_SN) - 1, min(len(found.start_SN), MOST_STARTS)).round().astype(int)
    )
    f_S = found.path_f_KM[0, : len(found.start_SN)]
    return {
        "x": clean(found.start_SN[chosen, 0]),
        "y": clean(found.start_SN[chosen, -1]),
        "f": clean(f_S[chosen]),
        "group": [told.names[told.group_M[s]] for s in chosen],
    }


def _points(found: DescentRecord) -> dict[str, list[Any]]:
    """Return the stationary points; those that no member reached lie below the others."""
    every = (*found.others[:400], *found.points[:400][::-1])
    return {
        "x": clean([p.x[0] for p in every]),
        "y": clean([p.x[-1] for p in every]),
        "f": clean([p.f for p in every]),
        "kind": [p.kind for p in every],
        "starts": [p.starts for p in every],
        "values": [", ".join(f"{v:.4g}" for v in p.eigenvalues) or "none" for p in every],
    }


def _picture(grid: Grid) -> str:
    """Return f as a picture: the lower among all of it, the denser the colour, on light and on dark."""
    f_HW = np.where(np.isfinite(grid.f_HW), grid.f_HW, np.inf)[::-1]
    ordered = np.sort(f_HW.ravel())
    share_HW = np.searchsorted(ordered, f_HW) / max(1, ordered.size - 1)
    rgba = np.empty((*f_HW.shape, 4), np.uint8)
    rgba[..., :3] = BLUE
    rgba[..., 3] = (190 * (1 - share_HW.clip(0, 1)) ** 1.6).round()
    rows = b"".join(b"\0" + row.tobytes() for row in rgba)

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    height, width = share_HW.shape
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0))
    data = b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b"")
    return f"data:image/png;base64,{base64.b64encode(data).decode()}"


# One variable, or many


def curve(found: DescentRecord, grid: Grid) -> Chart:
    """Draw a function of one variable with the ways of its descents on it."""
    import altair as alt  # noqa: PLC0415

    told = groups(found)
    f_W = grid.f_HW[0]
    fine = np.isfinite(f_W)
    paths = _paths(found, told)
    data = {
        "curve": {"x": clean(grid.x_W[fine]), "y": clean(f_W[fine])},
        "paths": {name: paths[name] for name in ("x", "f", "step", "m", "group")},
        "points": {name: values for name, values in _points(found).items() if name != "y"},
    }
    x = alt.X("x:Q", title=found.variables[0], scale=alt.Scale(nice=False, zero=False), axis=alt.Axis(tickCount=6))
    axis = numbers_axis(float(f_W[fine].min(initial=0)), float(f_W[fine].max(initial=1)))
    scale = alt.Scale(zero=False, padding=10)
    y, yf = (alt.Y(f"{name}:Q", title="f", scale=scale, axis=axis) for name in ("y", "f"))
    shown = [alt.Tooltip("x:Q", title=found.variables[0], format=".5~g"), alt.Tooltip("f:Q", title="f", format=".5~g")]
    step = alt.Tooltip("step:Q", title="step", format=",d")
    layers = [
        alt.Chart(alt.NamedData(name="curve")).mark_line(color="var(--first)", strokeWidth=2).encode(x=x, y=y),
        alt.Chart(alt.NamedData(name="paths"))
        .mark_point(size=22, filled=True, opacity=0.6)
        .encode(x=x, y=yf, color=told.colour(), tooltip=[step, *shown]),
        *_point_layers(alt.Chart(alt.NamedData(name="points")), x, yf, shown[:1], shown[1]),
    ]
    label = f"{found.name} over {found.variables[0]} with {count(found.members, 'descent')} on it."
    return Chart("chart-contour", finish(layers, 320), data, label, "Dots: x and f before some of the steps.")


def progress(found: DescentRecord) -> Chart:
    """Draw f over the steps, by logarithm where all of it is above 0."""
    import altair as alt  # noqa: PLC0415

    told = groups(found)
    trail = found.trail
    assert trail is not None
    f_LD = np.where(np.isfinite(trail.f_LD), trail.f_LD, np.nan)
    begin_D = f_LD[0][np.isfinite(f_LD[0])]
    if len(begin_D):  # what diverges leaves the picture
        f_LD[f_LD > begin_D.max() + 2 * max(float(np.ptp(begin_D)), abs(float(begin_D.max())))] = np.nan
    positive = f_LD[f_LD > 0]
    log = bool(len(positive) and np.nanmin(f_LD) >= 0 and positive.max() / positive.min() > 100)
    floor = float(max(positive.min(), positive.max() * 1e-18)) if log else -np.inf
    at = np.unique(np.linspace(0, len(trail.step_L) - 1, min(len(trail.step_L), 90)).round().astype(int))
    at_LD, d_LD = np.meshgrid(at, np.arange(len(trail.members)), indexing="ij")
    long = found.steps > LONG
    there = np.isfinite(f_LD[at_LD, d_LD]) & (trail.step_L[at_LD] >= long)
    i, d = at_LD[there], d_LD[there]
    data = {
        "lines": {
            "x": trail.step_L[i].tolist(),
            "y": clean(np.maximum(f_LD[i, d], floor)),
            "m": [int(trail.members[k]) for k in d],
            "group": [told.names[told.group_M[trail.members[k]]] for k in d],
        }
    }
    low, high = (float(np.nanmin(f_LD)), float(np.nanmax(f_LD))) if there.any() else (0.0, 1.0)
    # Powers of ten far apart: of eighteen decades every third is named.
    axis = alt.Axis(tickCount=6, format="~e") if log else numbers_axis(low, high)
    y_scale = alt.Scale(type="log", nice=False) if log else alt.Scale(zero=False)
    steps_axis = numbers_axis(1, found.steps, log=long, grid=False)
    steps_scale = alt.Scale(type="log", nice=False) if long else alt.Scale(nice=False, zero=False)
    chosen = alt.selection_point(name="chosen", fields=["group"], bind="legend")
    line = (
        alt.Chart(alt.NamedData(name="lines"))
        .mark_line(strokeWidth=1.4)
        .encode(
            x=alt.X("x:Q", title="step", axis=steps_axis, scale=steps_scale),
            y=alt.Y("y:Q", title="f", scale=y_scale, axis=axis),
            detail="m:N",
            color=told.colour(),
            opacity=alt.condition(chosen, alt.value(0.8), alt.value(0.06)),
            tooltip=[
                alt.Tooltip("group:N", title=told.title),
                alt.Tooltip("x:Q", title="step"),
                alt.Tooltip("y:Q", title="f", format=".5~g"),
            ],
        )
        .add_params(chosen)
    )
    label = f"f of {len(trail.members)} of {count(found.members, 'descent')} over {count(found.steps, 'step')}."
    caption = f"f below {floor:.1e} is drawn there." if log and np.nanmin(f_LD) < floor else ""
    return Chart("chart-progress", finish([line], 300), data, label, caption)
