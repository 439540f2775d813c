"""A grid of shaded cells with their numbers: a matrix one can read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from danlu.report.charts import Chart, clean, finish
from danlu.report.markup import plain

DARKEST = 0.55
"""Opacity of the largest number: text in the ink of the page stays readable on it, in light and dark."""


def grid_chart(
    id_: str,
    values_RC: np.ndarray,
    names: tuple[Sequence[str], Sequence[str]],
    titles: tuple[str, str],
    *,
    texts: Sequence[Sequence[str]],
    label: str,
    caption: str = "",
) -> Chart:
    """Draw a matrix: positive numbers in the first colour, negative ones in the second, the larger the darker.

    Arguments:
        values_RC: what decides the shade.
        names: of rows and of columns; may be the user's.
        titles: of the rows' and of the columns' axis.
        texts: what is written in each cell.
    """
    import altair as alt  # noqa: PLC0415  only a picture needs it

    rows, columns = (unlike(part) for part in names)
    most = float(np.nanmax(np.abs(values_RC))) or 1.0
    flat = [(r, c) for r in range(len(rows)) for c in range(len(columns))]
    data = {
        "cells": {
            "row": [rows[r] for r, _ in flat],
            "column": [columns[c] for _, c in flat],
            "shade": clean([abs(float(values_RC[r, c])) / most * DARKEST for r, c in flat]),
            "side": ["below" if values_RC[r, c] < 0 else "above" for r, c in flat],
            "text": [texts[r][c] for r, c in flat],
        }
    }
    many = max(len(rows), len(columns)) > 6
    axis: dict[str, Any] = {"grid": False, "ticks": False, "labelLimit": 120, "labelOverlap": False}
    base = alt.Chart(alt.NamedData(name="cells")).encode(
        x=alt.X(
            "column:N", title=titles[1], sort=None, axis=alt.Axis(labelAngle=-90 if many else 0, domain=False, **axis)
        ),
        y=alt.Y("row:N", title=titles[0], sort=None, axis=alt.Axis(**axis)),
    )
    colours = alt.Scale(domain=["above", "below"], range=["var(--first)", "var(--second)"])
    shade = alt.Opacity("shade:Q", legend=None, scale=alt.Scale(domain=[0, 1], range=[0, 1]))
    tooltip = [alt.Tooltip("row:N", title=titles[0]), alt.Tooltip("column:N", title=titles[1])]
    tooltip.append(alt.Tooltip("text:N", title="value"))
    layers = [
        base.mark_rect(cornerRadius=2, stroke="var(--paper)", strokeWidth=2).encode(
            color=alt.Color("side:N", legend=None, scale=colours), opacity=shade, tooltip=tooltip
        ),
        base.mark_text(fontSize=10 if many else 12, color="var(--ink)").encode(text="text:N", tooltip=tooltip),
    ]
    return Chart(id_, finish(layers, max(120, 46 * len(rows))), data, label, caption)


def unlike(names: Sequence[str], most: int = 40) -> list[str]:
    """Return names short enough for an axis, no two of them alike.

    >>> unlike(["a", "b", "a" * 50, "a" * 51])[-1].endswith("… (2)")
    True
    """
    found: list[str] = []
    seen: dict[str, int] = {}
    for name in names:
        text = plain(name) if len(name) <= most else plain(name[: most - 1]) + "…"
        seen[text] = seen.get(text, 0) + 1
        found.append(text if seen[text] == 1 else f"{text} ({seen[text]})")
    return found
