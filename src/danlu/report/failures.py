"""Where a model fails: errors over predictions, kinds of rows with the largest errors, the worst rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from danlu.core.explained import Slice, Slices
from danlu.core.records import Run
from danlu.report import guesses, parts, thin, words
from danlu.report.charts import Chart, clean, finish, numbers_axis
from danlu.report.markup import Html, join, named, table, tag
from danlu.report.parts import Part, figure
from danlu.report.ranked import Item, ranked_chart

Arrays = Mapping[str, np.ndarray]
MOST_SLICES = 8
BANDS = 12
"""Parts of equally many rows, whose median and range are drawn."""


def failures(run: Run, arrays: Arrays) -> Part | None:
    """Show predictions beside the truth, how errors go with predictions, slices and the worst rows."""
    drawn: list[Chart] = []
    beside: list[Html] = []
    left, found = residuals(run, arrays), run.explained.slices
    if left is not None:
        drawn.append(left)
        beside.append(figure(left, "Errors over predictions"))
    if found is not None and found.worst:
        drawn.append(_slices_chart(found))
        said = tag("p", _slices_lead(found), class_="note")
        beside.append(figure(drawn[-1], "Kinds of rows with the largest errors", said))
    begun = parts.predictions(run, arrays, beside)
    if begun is None:
        return None
    content = join(begun.content, _worst(run))
    return Part(begun.id, "Where does it fail?", content, (*begun.charts, *drawn), "Failures")


def residuals(run: Run, arrays: Arrays) -> Chart | None:
    """Draw predicted minus true over predicted, with median and middle 80% of rows of about the same prediction."""
    import altair as alt  # noqa: PLC0415  only a page needs it

    arrays, which = guesses.unseen(arrays)
    truth, said = arrays.get("truth_NC"), arrays.get("predicted_NC")
    if truth is None or said is None or run.table.target.task != "regression" or len(run.table.target.names) > 1:
        return None
    truth, said = np.asarray(truth, np.float64).ravel(), np.asarray(said, np.float64).ravel()
    good = np.isfinite(truth) & np.isfinite(said)
    truth, said = truth[good], said[good]
    if len(said) < 20 or np.ptp(said) == 0:
        return None
    error, rows = said - truth, np.asarray(arrays.get("rows_N", np.arange(len(good))))[good]
    data = {"bands": bands(said, error), "zero": {"y": [0.0]}}
    kept = thin.some(len(said), 1500, 1)
    low, high = np.quantile(error, [0.005, 0.995]).tolist()
    from_x, to_x = np.quantile(said, [0.005, 0.995]).tolist()
    inside = kept[(error[kept] >= low) & (error[kept] <= high) & (said[kept] >= from_x) & (said[kept] <= to_x)]
    data["points"] = {"x": clean(said[inside]), "y": clean(error[inside]), "row": (rows[inside] + 1).tolist()}
    x_scale, y_scale = (alt.Scale(domain=list(ends), nice=False, zero=False) for ends in ((from_x, to_x), (low, high)))
    x = alt.X("x:Q", title="predicted", scale=x_scale, axis=numbers_axis(from_x, to_x, grid=False))
    y = alt.Y("y:Q", title="predicted minus true", scale=y_scale, axis=numbers_axis(low, high))
    spread = alt.Chart(alt.NamedData(name="bands"))
    shown = [
        alt.Tooltip("x:Q", title="predicted about", format=",.4~r"),
        alt.Tooltip("y:Q", title="median error", format=",.4~r"),
        alt.Tooltip("low:Q", title="from", format=",.4~r"),
        alt.Tooltip("high:Q", title="to", format=",.4~r"),
        alt.Tooltip("n:Q", title="rows", format=",d"),
    ]
    point = [
        alt.Tooltip(f"{field}:Q", title=name, format=",.4~r") for field, name in (("x", "predicted"), ("y", "error"))
    ]
    layers = [
        alt.Chart(alt.NamedData(name="points"))
        .mark_circle(size=13, opacity=0.25, color="var(--grey)", clip=True)
        .encode(x=x, y=y, tooltip=[*point, alt.Tooltip("row:Q", title="row", format=",d")]),
        spread.mark_area(color="var(--first)", opacity=0.22, clip=True).encode(
            x=x, y=alt.Y("low:Q", scale=y_scale), y2="high:Q"
        ),
        spread.mark_line(color="var(--first)", strokeWidth=2.25, clip=True).encode(x=x, y=y),
        spread.mark_point(opacity=0, size=140, filled=True, clip=True).encode(x=x, y=y, tooltip=shown),
        alt.Chart(alt.NamedData(name="zero")).mark_rule(color="var(--ink)", strokeDash=[4, 3]).encode(y="y:Q"),
    ]
    widths = [high - low for low, high in zip(data["bands"]["low"], data["bands"]["high"], strict=True)]
    said_of = (
        f"Line: the median error of rows with about the same prediction; band: the middle 80% of them. {_wider(widths)}"
    )
    caption = f"{said_of} Points: {len(inside):,} of {len(said):,} {which} rows."
    return Chart("chart-residuals", finish(layers, 300), data, f"Errors over predictions. {said_of}", caption)


def _wider(widths: list[float]) -> str:
    """Say whether errors grow with the prediction."""
    third = max(1, len(widths) // 3)
    first, last = float(np.mean(widths[:third])), float(np.mean(widths[-third:]))
    if last > 1.5 * first:
        times = words.about(last / max(first, 1e-300))
        return f"Errors of large predictions are about {times} times as wide as those of small ones."
    if first > 1.5 * last:
        times = words.about(first / max(last, 1e-300))
        return f"Errors of small predictions are about {times} times as wide as those of large ones."
    return "Errors are about as wide for small predictions as for large ones."


def bands(x_N: np.ndarray, y_N: np.ndarray, parts_: int = BANDS) -> dict[str, list[Any]]:
    """Return for parts of equally many rows along x the median of x, and median, 10% and 90% points of y.

    >>> bands(np.arange(4.0), np.array([1.0, 3.0, 5.0, 7.0]), 2)["y"]
    [2.0, 6.0]
    """
    order = np.argsort(x_N, kind="stable")
    found: dict[str, list[Any]] = {"x": [], "y": [], "low": [], "high": [], "n": []}
    for part in np.array_split(order, min(parts_, max(1, len(order) // 2))):
        low, middle, high = np.quantile(y_N[part], [0.1, 0.5, 0.9])
        for name, value in (("x", np.median(x_N[part])), ("y", middle), ("low", low), ("high", high)):
            found[name] += clean([value])
        found["n"].append(len(part))
    return found


def is_worse(found: Slices, each: Slice) -> bool:
    """Return whether a slice's errors are surely larger than those of all rows."""
    return each.low > found.error


def _slices_lead(found: Slices) -> str:
    sure = sum(is_worse(found, each) for each in found.worst)
    share = found.of == "share wrong"
    whole = words.percent(found.error) + " wrong" if share else f"{found.of} {words.about(found.error, 3)}"
    said = f"{words.count(found.looks, 'kind')} of rows were looked at: categories, and fifths of numbers. "
    said += f"All rows: {whole}."
    if not sure:
        said += " None is surely worse than all rows."
    return said


def _slices_chart(found: Slices) -> Chart:
    share = found.of == "share wrong"
    items = []
    for each in found.worst[:MOST_SLICES]:
        place = words.place_of(each.low, each.high)
        value = words.percent(each.error, place) if share else words.number(each.error, place)
        name = f"{words.plain_cut(each.column, 28)}: {words.plain_cut(each.what, 32)} ({words.count(each.rows, 'row')})"
        items.append(Item(name, value, each.error, each.low, each.high, is_worse(found, each)))
    label = f"Slices by {found.of}: " + "; ".join(f"{item.name} {item.text}" for item in items)
    caption = (
        f"Dot: {found.of}; bar: an interval so wide that all {found.looks:,} hold together in 95% of cases; "
        "dashed: all rows. Grey: not surely worse."
    )
    return ranked_chart("chart-slices", items, label, caption, level=found.error, said=("name", "text"))


def _worst(run: Run) -> Html | None:
    """List the worst rows with their cells."""
    found, columns = run.explained.worst, run.explained.worst_columns
    if not found:
        return None
    classes = bool(run.table.target.classes)
    several = len(run.table.target.names) > 1
    rows = []
    for each in found:
        error = words.percent(each.error) if classes else words.number(each.error, digits=3)
        cells = [named(cell, 40) if cell else tag("span", "–", class_="muted") for cell in each.cells]
        rows.append([f"{each.row:,}", named(each.truth, 40), named(each.predicted, 40), error, *cells])
    third = "Probability" if classes else "Size, in SD" if several else "Error"
    head = ["Row", "True", "Predicted", third, *(named(name, 30) for name in columns)]
    what = "Most confident mistakes" if classes else "Largest errors"
    note = "Rows are counted from 1 in the table as it was read."
    if run.table.columns and len(columns) < len(run.table.columns):
        note += f" Of {len(run.table.columns):,} columns those that matter most are shown."
    numbers = {column.name for column in run.table.columns if column.kind == "number"}
    right = [*((0, 3) if classes else (0, 1, 2, 3)), *(i + 4 for i, name in enumerate(columns) if name in numbers)]
    return tag(
        "div",
        tag("h3", what),
        table(head, rows, caption=what, right=right, class_="tall"),
        tag("p", note, class_="note"),
        class_="block",
    )
