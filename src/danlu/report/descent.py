"""The page of `danlu minimize`: the function with paths on it, f over the steps, the points, and every number."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from danlu.core.paths import check_new_file
from danlu.explanation.descent_records import STATUSES, DescentRecord, Point
from danlu.report import words
from danlu.report.charts import Chart
from danlu.report.contour import chart, progress
from danlu.report.descent_groups import place
from danlu.report.document import document, masthead, write_whole
from danlu.report.markup import Html, facts, join, named, table, tag
from danlu.report.surface import surface

MOST_ROWS, MOST_COLUMNS = 200, 8
"""Rows of a table, and variables with a column of their own."""


def write_page(found: DescentRecord, path: str | Path, *, force: bool = False) -> Path:
    """Write the page of descents; whole or not at all.

    Raises:
        OutputError: the file exists and `force` is off, or it cannot be written.
    """
    path = Path(path)
    check_new_file(path, force=force)
    return write_whole(path, page(found))


def page(found: DescentRecord) -> str:
    """Return the page as text."""
    main = chart(found)
    charts = [main] if main.id == "chart-progress" else [main, progress(found)]
    sections = [
        ("points", "Where they ended", _ends(found)),
        ("function", "The function", join(_figures(charts), _surface(found))),
        ("settings", "Optimizers", _settings(found) if len(found.settings) > 1 else None),
        ("path", "The path", _path(found)),
    ]
    kept = [(id_, title, content) for id_, title, content in sections if content is not None]
    kept.sort(key=lambda part: part[0] != "function")
    body = [tag("section", tag("h2", title), content, id=id_) for id_, title, content in kept]
    title = named(found.formula, 160) if found.formula else named(found.name, 60)
    header = masthead(
        join(title, tag("span", " minimised")),
        name=found.name,
        links=[(id_, title) for id_, title, _ in kept],
        note="Charts need JavaScript; the tables below do not.",
    )
    return document(f"{found.name} minimised", header, join(_strip(found), body), charts=charts)


def _strip(found: DescentRecord) -> Html:
    """Return what was done, in one line."""
    ended = [f"{found.count(status):,} {status}" for status in STATUSES if found.count(status)]
    shown = [
        ("Starts", f"{len(found.start_SN):,}"),
        ("Optimizer", ", ".join(s.name for s in found.settings[:4]) + (" and more" if len(found.settings) > 4 else "")),
        ("Steps", f"{found.steps:,} in {found.dtype}"),
        ("Ended", ", ".join(ended)),
        ("Lowest f", f"{found.points[0].f:.5g}" if found.points else f"{np.nanmin(found.path_f_KM):.5g}"),
    ]
    return facts(shown, class_="facts strip")


def _figures(charts: Sequence[Chart]) -> Html:
    titles = {"chart-progress": "f over the steps"}
    return join(
        [
            tag(
                "figure",
                tag("h3", titles[each.id]) if each.id in titles else None,
                tag("div", id=each.id, class_="chart", role="img", aria_label=each.label),
                tag("figcaption", each.caption) if each.caption else None,
                class_="wide",
            )
            for each in charts
        ]
    )


def _surface(found: DescentRecord) -> Html | None:
    """Return the surface, drawn already."""
    if found.grid is None or len(found.variables) != 2:
        return None
    caption = tag("figcaption", "The same function as a surface, seen from above one corner; paths lie on it.")
    return tag("figure", tag("h3", "Surface"), surface(found), caption, class_="wide")


def _ends(found: DescentRecord) -> Html:
    """Return the tables of points, and what is to be said."""
    said: list[str] = []
    if found.known:
        said.append(
            f"{found.known_reached()} of {words.count(len(found.known), 'known minimum', 'known minima')} reached."
        )
    said.append(
        "Points are the optimizer's ends after Newton's method in float64; what it reached by itself stands beside. "
        "Their kind is told by the eigenvalues of the Hessian there."
    )
    parts: list[object] = [tag("p", " ".join(said), class_="lead")]
    if found.points:
        parts.append(_points(found, found.points, "Points where descents ended", reached=True))
    else:
        parts.append(tag("p", "No descent has come to a stationary point.", class_="lead strong"))
    if found.others:
        parts.append(tag("h3", "Not reached, found by Newton's method alone"))
        parts.append(_points(found, found.others, "Further stationary points", reached=False))
    if found.broken:
        rows = [
            (
                place(found.start_of(b.member).tolist()),
                f"{b.step:,}",
                found.setting_of(b.member).name,
                place(b.x),
                b.what,
            )
            for b in found.broken[:MOST_ROWS]
        ]
        parts.append(tag("h3", "Diverged: where numbers first were no longer finite"))
        parts.append(table(("start", "before step", "optimizer", "x", "what"), rows, caption="Diverged", right=(1,)))
    if found.notes:
        parts.append(tag("ul", [tag("li", note) for note in found.notes], class_="notes"))
    return join(parts)


def _points(found: DescentRecord, points: Sequence[Point], caption: str, *, reached: bool) -> Html:
    names = [named(name, 20) for name in found.variables[:MOST_COLUMNS]]
    head: list[object] = ["kind", *names, "f", "eigenvalues"]
    head += ["starts", "reached by itself", "f there", "gradient norm"] if reached else []
    rows = []
    for point in points[:MOST_ROWS]:
        row = [point.kind, *[f"{_zero(v):.8g}" for v in point.x[:MOST_COLUMNS]], f"{point.f:.6g}"]
        row.append(", ".join(f"{v:.5g}" for v in point.eigenvalues[:4]) or "–")
        if reached:
            own = place(point.found_x)
            row += [f"{point.starts:,}", own, f"{point.found_f:.4g}", f"{point.gradient_norm:.3g}"]
        rows.append(row)
    right = [i for i, name in enumerate(head) if i and name not in ("eigenvalues", "reached by itself")]
    tall = "tall" if len(rows) > 12 else None
    return table(head, rows, caption=caption, right=right, class_=tall)


def _zero(value: float) -> float:
    return 0.0 if abs(value) < 1e-12 else value


def _settings(found: DescentRecord) -> Html:
    """Return one row for each optimizer and learning rate."""
    rows = []
    for row in found.compare():
        shown = [f"{row[name]:.5g}" if row[name] is not None else "–" for name in ("lowest", "median")]
        counts = [f"{row[name]:,} of {row['starts']:,}" for name in ("converged", "diverged")]
        rows.append([row["optimizer"], f"{row['lr']:g}", *counts, *shown])
    head = ("optimizer", "learning rate", "converged", "diverged", "lowest f", "median f")
    return table(head, rows, caption="Optimizers and learning rates", right=range(1, 6))


def _path(found: DescentRecord) -> Html:
    """Return the way of the member that ended lowest, or of the only one."""
    ends = np.where(np.isfinite(found.f_M), found.f_M, np.inf)
    member = int(ends.argmin())
    path = found.path(member)
    if len(path) > MOST_ROWS:
        path = [path[i] for i in np.linspace(0, len(path) - 1, MOST_ROWS).round().astype(int)]
    names = [named(name, 20) for name in found.variables[:MOST_COLUMNS]]
    rows = [[f"{row['step']:,}", *[f"{v:.8g}" for v in row["x"][:MOST_COLUMNS]], f"{row['f']:.6g}"] for row in path]
    from_ = f"From {place(found.start_of(member).tolist())} with {found.setting_of(member).name}"
    which = f"{from_}: {found.status_M[member]}." + (" It ended lowest of all." if found.members > 1 else "")
    lead = tag("p", f"{which} x and f are of the same moment, before the step.", class_="lead")
    caption = "Step, x and f of one descent"
    return join(lead, table(["step", *names, "f"], rows, caption=caption, right=range(len(names) + 2), class_="narrow"))
