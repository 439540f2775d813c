"""A function of two variables as a shaded surface: drawn from back to front, as SVG that needs nothing else."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np

from danlu.core.errors import PlanError
from danlu.core.paths import check_new_file
from danlu.explanation.descent_records import DescentRecord, Grid
from danlu.report.descent_groups import COLOURS, groups
from danlu.report.document import write_whole
from danlu.report.figures import FONT, PPI, in_light
from danlu.report.markup import Html, tag

WIDTH, HEIGHT, CELLS = 720, 560, 44
TURN, TILT = math.radians(-58), math.radians(33)
"""From where it is seen: around the vertical axis, and above the ground."""
TALL = 0.95
"""Height of the surface, in half widths of the ground."""
RAMP = np.array([[68, 1, 84], [59, 82, 139], [33, 145, 140], [94, 201, 98], [253, 231, 37]], np.float64)
"""Colours from low to high (viridis: Smith & van der Walt 2015), which also differ in lightness."""
MOST_PATHS = 24

Project = Callable[[np.ndarray], np.ndarray]


def check_surface(path: Path, *, force: bool = False) -> str:
    """Refuse a path that no surface can be written to, and return its format.

    Raises:
        PlanError: the ending is not .svg, .png or .pdf.
        OutputError: the file exists and `force` is off, or its folder does not exist.
    """
    form = path.suffix.lower().removeprefix(".")
    if form not in ("svg", "png", "pdf"):
        raise PlanError("a surface's name must end in .svg, .png or .pdf", f"got {path.name}", "Name it surface.png.")
    check_new_file(path, force=force)
    return form


def write_surface(found: DescentRecord, path: Path, *, force: bool = False) -> Path:
    """Write the surface as .svg, .png or .pdf.

    Raises:
        PlanError: another ending, or the function has not two variables.
        OutputError: the file exists and `force` is off, or it cannot be written.
    """
    form = check_surface(path, force=force)
    if found.grid is None or len(found.variables) != 2:
        fact = f"this one has {len(found.variables)}"
        raise PlanError("a surface needs a function of two variables", fact, "Write a page or a picture with -o.")
    ground = tag("rect", y=-HEIGHT, width=WIDTH, height=3 * HEIGHT, fill="var(--paper)")
    text = in_light(str(surface(found, ground=ground)))
    if form == "svg":
        return write_whole(path, text, "the picture")
    import vl_convert  # noqa: PLC0415  starts a JavaScript engine

    data = vl_convert.svg_to_png(text, scale=1, ppi=PPI) if form == "png" else vl_convert.svg_to_pdf(text)
    return write_whole(path, data, "the picture")


def surface(found: DescentRecord, ground: Html | None = None) -> Html:
    """Return the surface as an svg element, with axes, paths and minima; colours follow the page's theme."""
    assert found.grid is not None
    grid = _coarse(found.grid)
    height, low, high, bent = _heights(grid)
    unit = _unit(grid, height)
    project = _camera()
    pieces = [*_cells(grid, unit, height, project), *_paths(found, unit, project)]
    x_HW, y_HW = np.meshgrid(grid.x_W, grid.y_H)
    seen = project(unit(x_HW, y_HW, grid.f_HW))[..., 1]
    corner = project(np.array([1.0, -1.0, 0.0]))[1]
    top, bottom = float(seen.min()) - 24, max(float(seen.max()), float(corner)) + 44
    drawn = [piece for _, piece in sorted(pieces, key=lambda piece: piece[0])]
    said = f"Surface of {found.name} over {found.variables[0]} and {found.variables[1]}"
    return tag(
        "svg",
        ground,
        _axes(found, grid, project, (low, high, bent)),
        tag("g", drawn, stroke_linejoin="round"),
        _minima(found, unit, project),
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 {top:.0f} {WIDTH} {bottom - top:.0f}",
        width=WIDTH,
        height=f"{bottom - top:.0f}",
        font_family=FONT,
        font_size="13",
        role="img",
        aria_label=f"{said}, {grid.f_HW.min():.4g} to {grid.f_HW.max():.4g}.",
        class_="surface",
    )


def _coarse(grid: Grid) -> Grid:
    """Return the grid with so few cells that a page stays small; what is not finite becomes the highest value."""
    column = np.linspace(0, len(grid.x_W) - 1, min(len(grid.x_W), CELLS + 1)).round().astype(int)
    row = np.linspace(0, len(grid.y_H) - 1, min(len(grid.y_H), CELLS + 1)).round().astype(int)
    f_HW = grid.f_HW[np.ix_(row, column)]
    finite = f_HW[np.isfinite(f_HW)]
    top = float(finite.max()) if len(finite) else 0.0
    return Grid(grid.x_W[column], grid.y_H[row], np.where(np.isfinite(f_HW), f_HW, top))


def _heights(grid: Grid) -> tuple[Callable[[np.ndarray], np.ndarray], float, float, bool]:
    """Return what turns f into heights from 0 to 1, the lowest and highest f, and whether heights are logarithms.

    They are where nine tenths of the surface would else lie in the lowest eighth.
    """
    low, high = float(grid.f_HW.min()), float(grid.f_HW.max())
    span = high - low or 1.0
    near = float(np.quantile(grid.f_HW, 0.9)) - low
    bent = near < span / 8
    scale = float(np.quantile(grid.f_HW, 0.2)) - low or span / 1000

    def height(f: np.ndarray) -> np.ndarray:
        rise = np.clip(np.asarray(f, np.float64) - low, 0, span)
        return np.log1p(rise / scale) / np.log1p(span / scale) if bent else rise / span

    return height, low, high, bent


def _unit(grid: Grid, height: Callable[[np.ndarray], np.ndarray]) -> Callable[..., np.ndarray]:
    """Return what turns x, y and f into a cube around 0: `[..., 3]`."""
    ends = (grid.x_W[0], grid.x_W[-1]), (grid.y_H[0], grid.y_H[-1])

    def unit(x: np.ndarray, y: np.ndarray, f: np.ndarray) -> np.ndarray:
        flat = [2 * (v - low) / (high - low) - 1 for v, (low, high) in zip((x, y), ends, strict=True)]
        return np.stack([*flat, TALL * height(f)], -1)

    return unit


def _camera() -> Project:
    """Return what turns points of the cube into across, down and near."""
    sine, cosine = math.sin(TURN), math.cos(TURN)
    up, level = math.sin(TILT), math.cos(TILT)

    def project(points: np.ndarray) -> np.ndarray:
        x, y, z = np.moveaxis(points, -1, 0)
        across, away = cosine * x - sine * y, sine * x + cosine * y
        near = -away * level + z * up
        scale = 196 * (1 + 0.07 * near)  # a little perspective
        down = -(z - 0.3) * level - away * up
        return np.stack([WIDTH / 2 + scale * across, HEIGHT * 0.49 + scale * down, near], -1)

    return project


def _cells(
    grid: Grid, unit: Callable[..., np.ndarray], height: Callable[[np.ndarray], np.ndarray], project: Project
) -> list[tuple[float, Html]]:
    """Return the cells with how near each is; their colour is the height, lighter where it faces the light."""
    x_HW, y_HW = np.meshgrid(grid.x_W, grid.y_H)
    points = unit(x_HW, y_HW, grid.f_HW)
    seen = project(points)
    share = np.searchsorted(np.sort(grid.f_HW.ravel()), grid.f_HW) / grid.f_HW.size
    level = (height(grid.f_HW) + share) / 2
    across, along = points[:-1, 1:] - points[:-1, :-1], points[1:, :-1] - points[:-1, :-1]
    normal = np.cross(across, along)
    normal /= np.linalg.norm(normal, axis=-1, keepdims=True)
    light = np.array([-0.45, -0.35, 0.82])
    shade = 0.68 + 0.36 * np.clip(normal @ (light / np.linalg.norm(light)), 0, 1)
    found = []
    for j in range(len(grid.y_H) - 1):
        for i in range(len(grid.x_W) - 1):
            corners = seen[[j, j, j + 1, j + 1], [i, i + 1, i + 1, i]]
            colour = _colour(float(level[j : j + 2, i : i + 2].mean()), float(shade[j, i]))
            where = " ".join(f"{x:.1f},{y:.1f}" for x, y in corners[:, :2])
            cell = tag("polygon", points=where, fill=colour, stroke=colour, stroke_width="0.6")
            found.append((float(corners[:, 2].mean()), cell))
    return found


def _colour(level: float, shade: float) -> str:
    """Return a colour of the ramp as #rrggbb."""
    at = min(max(level, 0.0), 1.0) * (len(RAMP) - 1)
    first = min(int(at), len(RAMP) - 2)
    mixed = RAMP[first] + (RAMP[first + 1] - RAMP[first]) * (at - first)
    r, g, b = np.clip(mixed * shade, 0, 255).round().astype(int).tolist()
    return f"#{r:02x}{g:02x}{b:02x}"


def _paths(found: DescentRecord, unit: Callable[..., np.ndarray], project: Project) -> list[tuple[float, Html]]:
    """Return the drawn members' ways in pieces, each a little nearer than the surface below it."""
    if found.trail is None or found.grid is None:
        return []
    told = groups(found)
    pieces: list[tuple[float, Html]] = []
    for d, member in list(enumerate(found.trail.members))[:: max(1, len(found.trail.members) // MOST_PATHS)]:
        x_LN, f_L = found.trail.x_LDN[:, d], found.trail.f_LD[:, d]
        inside = (x_LN[:, 0] >= found.grid.x_W[0]) & (x_LN[:, 0] <= found.grid.x_W[-1])
        inside &= (x_LN[:, 1] >= found.grid.y_H[0]) & (x_LN[:, 1] <= found.grid.y_H[-1]) & np.isfinite(f_L)
        seen = project(unit(x_LN[inside, 0], x_LN[inside, 1], f_L[inside]) + np.array([0, 0, 0.012]))
        if len(seen) < 2:
            continue
        colour = COLOURS[told.group_M[member]] if len(told.names) > 1 else COLOURS[0]
        kept = [seen[0]]
        for point in seen[1:]:
            if np.hypot(*(point - kept[-1])[:2]) < 1.5:
                continue
            (x, y, near), (x2, y2, near2) = kept[-1], point
            ends = {"x1": f"{x:.1f}", "y1": f"{y:.1f}", "x2": f"{x2:.1f}", "y2": f"{y2:.1f}"}
            look = {"stroke": colour, "stroke_width": "2", "stroke_linecap": "round"}
            pieces.append((float(max(near, near2)) + 0.12, tag("line", **ends, **look)))
            kept.append(point)
    return pieces


def _minima(found: DescentRecord, unit: Callable[..., np.ndarray], project: Project) -> Html:
    """Return the minima that were reached as dots."""
    dots = []
    for point in found.minima[:40]:
        x, y, _ = project(unit(np.array(point.x[0]), np.array(point.x[1]), np.array(point.f)))
        look = {"fill": "var(--ink)", "stroke": "var(--paper)", "stroke_width": "1.5"}
        dots.append(tag("circle", cx=f"{x:.1f}", cy=f"{y:.1f}", r="4", **look))
    return tag("g", dots)


def _axes(found: DescentRecord, grid: Grid, project: Project, heights: tuple[float, float, bool]) -> Html:
    """Return the edges of the ground with ticks and names, and the scale of heights."""
    parts: list[Html] = []
    corners = project(np.array([[-1, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0]], np.float64))
    frame = " ".join(f"{x:.1f},{y:.1f}" for x, y in corners[:, :2])
    parts.append(tag("polygon", points=frame, fill="none", stroke="var(--rule)"))
    for axis, values, side in ((0, grid.x_W, -1.0), (1, grid.y_H, 1.0)):
        for value in ticks(float(values[0]), float(values[-1])):
            share = (value - values[0]) / (values[-1] - values[0])
            at = np.array([2 * share - 1, side * 1.09, 0.0] if axis == 0 else [side * 1.09, 2 * share - 1, 0.0])
            parts.append(_text(project(at), f"{value:.3g}", "var(--muted)"))
        at = np.array([0.0, side * 1.3, 0.0] if axis == 0 else [side * 1.3, 0.0, 0.0])
        parts.append(_text(project(at), found.variables[axis], "var(--ink)"))
    low, high, bent = heights
    top = project(np.array([-1.0, -1.0, TALL]))
    foot = project(np.array([-1.0, -1.0, 0.0]))
    ends = {"x1": f"{foot[0]:.1f}", "y1": f"{foot[1]:.1f}", "x2": f"{top[0]:.1f}", "y2": f"{top[1]:.1f}"}
    parts.append(tag("line", **ends, stroke="var(--rule)"))
    for where, value in ((foot, low), (top, high)):
        shown = 0.0 if abs(value) < 1e-3 * (high - low) else value
        parts.append(_text(where - np.array([26, 4, 0]), f"{shown:.4g}", "var(--muted)", anchor="end"))
    name = "f (by logarithm)" if bent else "f"
    parts.append(_text((top + foot) / 2 - np.array([26, 0, 0]), name, "var(--ink)", anchor="end"))
    return tag("g", parts)


def ticks(low: float, high: float) -> list[float]:
    """Return three to seven round numbers between two.

    >>> ticks(-6, 6), ticks(-3.08, 3.06), ticks(0.1, 0.9)
    ([-6.0, -4.0, -2.0, 0.0, 2.0, 4.0, 6.0], [-3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0], [0.2, 0.4, 0.6, 0.8])
    """
    rough = (high - low) / 6
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * m for m in (1, 2, 5, 10) if power * m >= rough * 0.8)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [float(f"{number * step:.10g}") for number in range(first, last + 1)]


def _text(at: np.ndarray, text: str, colour: str, anchor: str = "middle") -> Html:
    place = {"x": f"{at[0]:.1f}", "y": f"{at[1] + 4:.1f}"}
    return tag("text", text, **place, fill=colour, text_anchor=anchor)
