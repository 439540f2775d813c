"""What the descents of a picture are told apart by, and the colours of that."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from danlu.explanation.descent_records import DescentRecord

COLOURS = ("var(--second)", "var(--third)", "#cc79a7", "#b58900", "#7b5fd0", "#56b4e9", "var(--ink)", "var(--grey)")
"""Of the groups that paths are told apart by; what has none is grey."""


@dataclass(frozen=True)
class Groups:
    """What members are told apart by: settings, or with one setting the point that they reached."""

    title: str
    names: tuple[str, ...]
    group_M: np.ndarray

    def colour(self, field: str = "group") -> Any:
        """Return the colour of a group, with a legend where there are several."""
        import altair as alt  # noqa: PLC0415

        ink = {"labelColor": "var(--muted)", "titleColor": "var(--muted)"}
        legend = alt.Legend(orient="bottom", columns=4, labelLimit=220, **ink) if len(self.names) > 1 else None
        scale = alt.Scale(domain=list(self.names), range=list(COLOURS[: len(self.names)]))
        return alt.Color(f"{field}:N", title=self.title, legend=legend, scale=scale)


def groups(found: DescentRecord) -> Groups:
    """Return what the members of a picture are told apart by, the largest groups first."""
    if len(found.settings) > 1:
        title, label_M = "optimizer", [found.setting_of(m).name for m in range(found.members)]
        order = list(dict.fromkeys(label_M))
    else:
        title, label_M = "ends in", ["elsewhere"] * found.members
        for point in sorted(found.points, key=lambda p: len(p.members)):
            for member in point.members:
                label_M[member] = place(point.x)
        counted = {name: label_M.count(name) for name in dict.fromkeys(label_M) if name != "elsewhere"}
        order = sorted(counted, key=lambda name: -counted[name])
        order += ["elsewhere"] if "elsewhere" in label_M and order else []
    if len(order) > len(COLOURS):
        kept = order[: len(COLOURS) - 1]
        label_M = [name if name in kept else "others" for name in label_M]
        order = [*kept, "others"]
    names = tuple(order) or ("elsewhere",)
    return Groups(title, names, np.array([names.index(name) for name in label_M]))


def place(x: Sequence[float]) -> str:
    """Write a point as short as a legend needs it.

    >>> place((3.0, -1.848126)), place((1e-17, 2.0))
    ('(3, -1.848)', '(0, 2)')
    """
    shown = [f"{0.0 if abs(value) < 1e-9 else value:.4g}" for value in x[:3]]
    return f"({', '.join(shown)}{', ...' if len(x) > 3 else ''})"
