"""What is printed after `danlu minimize`: the way down, where it ended, and what that place is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table
from rich.text import Text

from danlu.cli.summary import line
from danlu.cli.terminal import as_typed
from danlu.explanation.descent_records import STATUSES, DescentRecord, Point
from danlu.explanation.functions import KNOWN
from danlu.report.words import count, duration, listed

MOST_POINTS, MOST_VARIABLES, MOST_OTHERS = 12, 3, 5
"""Rows of a table of points, variables with a column of their own, points that were not reached."""


def print_descent(console: Console, found: DescentRecord, files: Sequence[Path]) -> None:
    """Print the function, how it was descended, the way of one member or the ends of many, and the points."""
    console.print(Text(found.name, "bold").append(f"  {found.formula}" if found.formula else "", "not bold"))
    about(console, found)
    console.print()
    if found.members == 1:
        console.print(path_table(found))
        line(console, "ended", how_it_ended(found))
    else:
        line(console, "ended", ended(found))
    for broken in found.broken[:3]:
        member = f"start {broken.member % len(found.start_SN) + 1}, " if len(found.start_SN) > 1 else ""
        setting = f"{found.setting_of(broken.member).name}, " if len(found.settings) > 1 else ""
        text = f"{member}{setting}before step {broken.step:,}: {broken.what} at {place(found, broken.x)}"
        line(console, "diverged", Text(text, "yellow"))
    if len(found.broken) > 3:
        line(console, "", f"and {len(found.broken) - 3:,} more")
    if len(found.settings) > 1:
        console.print()
        console.print(settings_table(found))
    print_points(console, found)
    for note in found.notes:
        line(console, "note", as_typed(note))
    for file in files:
        line(console, "written", str(file), "bold")


def about(console: Console, found: DescentRecord) -> None:
    """Print variables, box, starts, settings and steps."""
    if found.name in KNOWN:
        line(console, "known as", KNOWN[found.name].source)
    lows, highs = found.box.T.tolist()
    same = len(set(lows)) == 1 and len(set(highs)) == 1
    sides = [f"{lows[0]:g} to {highs[0]:g}"] if same else [f"{a:g} to {b:g}" for a, b in zip(lows, highs, strict=True)]
    line(console, "variables", f"{listed(list(found.variables), 6)}; box {listed(sides, 4)}")
    if len(found.start_SN) == 1:
        line(console, "start", place(found, found.start_SN[0].tolist()))
    else:
        line(console, "starts", f"{len(found.start_SN):,}")
    rates: dict[str, list[str]] = {}
    for setting in found.settings:
        rates.setdefault(setting.optimizer, []).append(f"{setting.lr:g}")
    by_rates = {" and ".join(each): [name for name in rates if rates[name] == each] for each in rates.values()}
    said = [f"{listed(names, 6)}, learning rate {each}" for each, names in by_rates.items()]
    line(console, "optimizer", "; ".join(said))
    took = f"{count(found.steps, 'step')} in {found.dtype}, {duration(found.seconds)}"
    line(console, "steps", took + (" (stopped)" if found.interrupted else ""))


def place(found: DescentRecord, x: Sequence[float]) -> str:
    """Write a point with the names of its variables."""
    shown = [f"{name} = {value:.6g}" for name, value in zip(found.variables, x, strict=True)]
    return ", ".join(shown[:4]) + (", ..." if len(shown) > 4 else "")


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="dim")
    for column in columns:
        table.add_column(column, justify="left" if column in ("point", "optimizer") else "right", no_wrap=True)
    return table


def path_table(found: DescentRecord, most: int = 25) -> Table:
    """Return step, x and f of one member; of a long path rows spread evenly."""
    path = found.path(0)
    if len(path) > most:
        path = [path[i] for i in np.linspace(0, len(path) - 1, most).round().astype(int)]
    names = found.variables[:MOST_VARIABLES]
    more = ["..."] if len(found.variables) > MOST_VARIABLES else []
    table = _table("step", *names, *more, "f")
    for row in path:
        x = [f"{value:.6g}" for value in row["x"][:MOST_VARIABLES]]
        table.add_row(f"{row['step']:,}", *x, *more, f"{row['f']:.6g}")
    return table


def how_it_ended(found: DescentRecord) -> Text:
    """Say how one member ended."""
    status = found.status_M[0]
    style = {"converged": "green", "diverged": "red"}.get(status, "yellow")
    said = Text(status, style).append(f", gradient norm {found.gradient_norm_M[0]:.3g}", "default")
    where = found.point_of(0)
    if status == "stalled" and where is not None:
        said.append(f", at a {found.points[where].kind}", "default")
    if status == "oscillating":
        said.append(": f no longer falls; the learning rate is too large for this place", "default")
        said.append(", or it has a kink" if where is None else "", "default")
    return said


def ended(found: DescentRecord) -> str:
    """Say how many members ended how."""
    parts = [f"{found.count(status):,} {status}" for status in STATUSES if found.count(status)]
    return f"of {found.members:,} descents {listed(parts, 6)}"


def settings_table(found: DescentRecord) -> Table:
    """Return one row for each optimizer and learning rate."""
    table = _table("optimizer", "rate", "converged", "diverged", "lowest f", "median f")
    for row in found.compare():
        lowest, median = (f"{row[name]:.4g}" if row[name] is not None else "–" for name in ("lowest", "median"))
        shares = [f"{row[name]:,} of {row['starts']:,}" for name in ("converged", "diverged")]
        table.add_row(row["optimizer"], f"{row['lr']:g}", *shares, lowest, median)
    return table


def print_points(console: Console, found: DescentRecord) -> None:
    """Print the points where members ended, and those that none of them reached."""
    if found.points:
        console.print()
        console.print(points_table(found, found.points[:MOST_POINTS], reached=True))
        if len(found.points) > MOST_POINTS:
            console.print(Text(f"and {len(found.points) - MOST_POINTS:,} more (--json has all)", "dim"))
    if found.known:
        amount = found.known_reached()
        line(console, "known", f"{amount:,} of {count(len(found.known), 'known minimum', 'known minima')} reached")
    if found.points:
        eigen = "kinds are told by the Hessian's eigenvalues" if any(p.eigenvalues for p in found.points) else ""
        line(
            console,
            "polished",
            "points are the optimizer's ends after Newton's method in float64" + (f"; {eigen}" if eigen else ""),
        )
    if found.others:
        console.print()
        console.print(Text("not reached, found by Newton's method alone", "dim"))
        chosen = sorted(found.others, key=lambda p: (p.kind != "saddle", p.f))[:MOST_OTHERS]
        console.print(points_table(found, chosen, reached=False))
        if len(found.others) > MOST_OTHERS:
            console.print(Text(f"and {len(found.others) - MOST_OTHERS:,} more (--json has all)", "dim"))
    console.print()


def points_table(found: DescentRecord, points: Sequence[Point], *, reached: bool) -> Table:
    """Return kind, place, f and eigenvalues of points."""
    names = found.variables[:MOST_VARIABLES]
    more = ["..."] if len(found.variables) > MOST_VARIABLES else []
    table = _table("point", *names, *more, "f", "eigenvalues", *(["starts"] if reached else []))
    for point in points:
        x = [_near_zero(value, found.box) for value in point.x[:MOST_VARIABLES]]
        last = [f"{point.starts:,}"] if reached else []
        style = "green" if point.is_minimum else "yellow"
        table.add_row(Text(point.kind, style), *x, *more, f"{point.f:.4g}", eigenvalues(point), *last)
    return table


def _near_zero(value: float, box: np.ndarray) -> str:
    """Write a coordinate; what is 0 to the last digit of the box is 0."""
    return "0" if abs(value) < 1e-12 * float(np.abs(box).max()) else f"{value:.6g}"


def eigenvalues(point: Point) -> str:
    """Write the eigenvalues; of many the lowest and the highest.

    >>> eigenvalues(Point((0.0,), 0.0, "saddle", (-2.0, 2.0), (0,), 1, (0.0,), 0.0, 0.0))
    '-2, 2'
    """
    if not point.eigenvalues:
        return "no derivative" if point.kind == "kink" else "–"
    shown = [f"{value:.4g}" for value in point.eigenvalues]
    return ", ".join(shown) if len(shown) <= 3 else f"{shown[0]} ... {shown[-1]}"
