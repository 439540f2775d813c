"""Learning curves of every network as a chart: faint lines, their median, and where the best weights were."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from danlu.report import thin
from danlu.report.charts import Chart, clean, epochs_axis, finish, logarithmic, numbers_axis
from danlu.report.words import count, number

LOG_EPOCHS = 2_000
"""Runs longer than this have an axis of epochs by logarithm: what matters happens early."""


@dataclass(frozen=True)
class Curves:
    """Values of every member at each of T epochs; NaN where a member had ended."""

    id: str
    title: str
    epochs_T: np.ndarray
    values_TM: np.ndarray
    colour: str = "first"
    best_M: Sequence[int | None] = ()
    """Epoch whose weights were kept, of members that stopped early."""
    level: float | None = None
    """The linear baseline's value, drawn where it lies within the curves."""


@dataclass(frozen=True)
class Points:
    """What is drawn of curves: every line, the median with its range, and where the best weights were.

    `members` are those with a finite number, of which `drawn` have lines; of `epochs` points each line has `points`.
    """

    lines: dict[str, list[Any]]
    middle: dict[str, list[Any]]
    best: dict[str, list[Any]]
    members: int
    drawn: int
    points: int
    epochs: int

    def caption(self, data: Mapping[str, Mapping[str, Sequence[Any]]]) -> str:
        """Say what the marks are and what was left out of the picture."""
        return _caption(self.members, self.drawn, self.points, self.epochs, data)


def points_of(curves: Curves, *, long: bool) -> Points | None:
    """Return the points of the curves; None where there is no finite number.

    Arguments:
        long: whether the axis of epochs is one by logarithm.
    """
    values_TM = np.where(np.isfinite(curves.values_TM), curves.values_TM, np.nan)
    members = np.flatnonzero(np.isfinite(values_TM).any(axis=0))
    if not len(members):
        return None
    epochs = curves.epochs_T
    at = thin.along(epochs, thin.points_each(len(members)), logarithmic=long)
    drawn = members[thin.even(len(members), thin.MOST_CURVES)]
    lines = _lines(epochs[at], values_TM[np.ix_(at, drawn)], drawn)
    middle, best = _middle(epochs[at], values_TM[np.ix_(at, members)]), _best(curves, epochs, values_TM, drawn)
    return Points(lines, middle, best, len(members), len(drawn), len(at), len(epochs))


def curve_chart(curves: Curves) -> Chart | None:
    """Draw the curves; None where there is no finite number."""
    long = bool(curves.epochs_T[-1] > LOG_EPOCHS)
    found = points_of(curves, long=long)
    if found is None:
        return None
    data: dict[str, dict[str, Any]] = {"lines": found.lines, "middle": found.middle, "best": found.best}
    values = curves.values_TM[np.isfinite(curves.values_TM)]
    if curves.level is not None and float(values.min()) <= curves.level <= float(values.max()):
        data["level"] = {"y": [curves.level], "text": ["linear model"]}
    spec = _spec(curves, data, log=logarithmic(values), long=long)
    for name, series in (("lines", "each"), ("middle", "middle"), ("best", "each")):
        data[name] = data[name] | {"series": series}
    last = [v for v in found.middle["y"] if v is not None]
    label = (
        f"{curves.title} of {count(found.members, 'network')} over {count(int(curves.epochs_T[-1]), 'epoch')}: "
        f"the median goes from {number(last[0])} to {number(last[-1])}."
    )
    return Chart(curves.id, spec, data, label, found.caption(data))


def _lines(epochs: np.ndarray, values_TM: np.ndarray, members: np.ndarray) -> dict[str, list]:
    """Return the points of every line; a member's end ends its line."""
    there = np.isfinite(values_TM.T)
    index, time = np.nonzero(there)
    return {
        "x": epochs[time].tolist(),
        "y": clean(values_TM.T[there]),
        "m": members[index].tolist(),
    }


def _middle(epochs: np.ndarray, values_TM: np.ndarray) -> dict[str, list]:
    """Return the median of the members still training at each epoch, with the lowest and highest of them."""
    kept = np.isfinite(values_TM).any(axis=1)
    values_TM, epochs = values_TM[kept], epochs[kept]
    return {
        "x": epochs.tolist(),
        "y": clean(np.nanmedian(values_TM, axis=1)),
        "low": clean(np.nanmin(values_TM, axis=1)),
        "high": clean(np.nanmax(values_TM, axis=1)),
        "n": np.isfinite(values_TM).sum(axis=1).tolist(),
    }


def _best(curves: Curves, epochs: np.ndarray, values_TM: np.ndarray, drawn: np.ndarray) -> dict[str, list]:
    """Return the points at which members that stopped early were at their best."""
    points: dict[str, list] = {"x": [], "y": [], "m": []}
    for member in drawn.tolist():
        best = curves.best_M[member] if member < len(curves.best_M) else None
        if best is None:
            continue
        nearest = int(np.abs(epochs - best).argmin())
        if np.isfinite(values_TM[nearest, member]):
            points["x"].append(int(epochs[nearest]))
            points["y"] += clean(values_TM[nearest, [member]])
            points["m"].append(member)
    return points


def _caption(
    members: int, drawn: int, points: int, epochs: int, data: Mapping[str, Mapping[str, Sequence[Any]]]
) -> str:
    """Say what the marks are and what was left out of the picture."""
    if members == 1:
        said = ["One network."]
    else:
        faint = "Faint: each network" if drawn == members else f"Faint: {drawn} of {members:,} networks"
        ended = len(set(data["middle"]["n"])) > 1
        said = [f"{faint}. Strong: the median" + (" of those still training." if ended else ".")]
    if data["best"]["x"]:
        said.append("Rings: where a network that stopped early was at its best.")
    if "level" in data:
        said.append("Grey dashes: the linear model.")
    if points < epochs:
        said.append(f"{points:,} of {epochs:,} points of each curve are drawn.")
    return " ".join(said)


def _spec(curves: Curves, data: dict[str, dict[str, list]], *, log: bool, long: bool) -> dict:
    """Return the specification of one panel."""
    import altair as alt  # noqa: PLC0415  only a page needs it

    colour = f"var(--{curves.colour})"
    low, high = min(data["lines"]["y"]), max(data["lines"]["y"])
    y_axis = numbers_axis(low, high, log=log)
    y_scale = alt.Scale(type="log", nice=False) if log else alt.Scale(zero=False, nice=True)
    x_scale = alt.Scale(type="log", nice=False) if long else alt.Scale(nice=False, zero=False)
    epochs = data["lines"]["x"]
    x = alt.X("x:Q", title="epoch", scale=x_scale, axis=epochs_axis(min(epochs), max(epochs)))
    y = alt.Y("y:Q", title=None, scale=y_scale, axis=y_axis)
    few = len(data["middle"]["x"]) <= 12
    alone = len(set(data["lines"]["m"])) == 1
    shown = [
        alt.Tooltip("x:Q", title="epoch", format=",d"),
        alt.Tooltip("y:Q", title="median", format=",.4~r"),
        alt.Tooltip("low:Q", title="lowest", format=",.4~r"),
        alt.Tooltip("high:Q", title="highest", format=",.4~r"),
        alt.Tooltip("n:Q", title="networks", format=",d"),
    ]
    middle = alt.Chart(alt.NamedData(name="middle"))
    layers = [
        alt.Chart(alt.NamedData(name="lines"))
        .mark_line(color=colour, opacity=0.0 if alone else 0.3, strokeWidth=1, interpolate="linear")
        .encode(x=x, y=y, detail="m:N"),
        middle.mark_area(color=colour, opacity=0.0 if alone else 0.12).encode(
            x=x, y=alt.Y("low:Q", title=None, scale=y_scale, axis=y_axis), y2="high:Q"
        ),
        middle.mark_line(color=colour, strokeWidth=2.25, point={"color": colour, "size": 40} if few else False).encode(
            x=x, y=y
        ),
        middle.mark_point(opacity=0, size=90, filled=True).encode(x=x, y=y, tooltip=shown),
    ]
    if data["best"]["x"]:
        shown = [alt.Tooltip("m:Q", title="network"), alt.Tooltip("x:Q", title="best epoch", format=",d")]
        best = alt.Chart(alt.NamedData(name="best"))
        layers.append(
            best.mark_point(color=colour, size=38, strokeWidth=1.4, filled=False, opacity=0.9).encode(
                x=x, y=y, tooltip=shown
            )
        )
    if "level" in data:
        level = alt.Chart(alt.NamedData(name="level"))
        layers.insert(0, level.mark_rule(color="var(--grey)", strokeDash=[4, 3]).encode(y=y))
    return finish(layers, 260)
