"""The settings that a search tried, as charts: each a line through its values, and each a learning curve."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from danlu.core.searched import Attempt, RungScore, Searched, shown
from danlu.report import words
from danlu.report.charts import Chart, clean, finish, logarithmic, numbers_axis
from danlu.report.figures import Mark

FATES = {"kept": ("kept", "first"), "further": ("went on", "third"), "dropped": ("dropped", "grey")}
"""What became of a setting: in words, and the colour. Those that come first lie on top."""
STRONG, FAINT = 0.95, 0.3
"""How strong the lines of the best and of the last one are."""
MOST_LINES = 200
"""Settings that are drawn, the best ones first."""
AXIS_HEIGHT = 58
WORST_SHOWN = 0.9
"""Errors beyond that share of them stand at the end of the axis of scores: one that diverged would crowd the others."""
NARROW = 0.6
"""Part of its own stretch of the axis that a choice's lines fill, so that they are seen apart and its choices too."""


@dataclass(frozen=True)
class Axis:
    """One axis of the parallel coordinates: its name, the values written at places from 0 to 1, and each setting's
    place, None where it has none."""

    name: str
    ticks: tuple[tuple[float, str], ...]
    places: tuple[float | None, ...]
    beyond: bool = False
    """Whether some of them lie beyond its left end, and are drawn there."""


def ranked(found: Searched) -> list[Attempt]:
    """Return the settings, the best first: of those that came to a later rung, then by their score in it."""

    def place(attempt: Attempt) -> tuple[float, float, float, int]:
        value = attempt.last.value
        error = math.inf if value is None else -value if found.greater else value
        return -attempt.last.folds, -attempt.last.share, error, attempt.number

    return sorted((each for each in found.attempts if each.scores), key=place)


def fate(found: Searched, attempt: Attempt) -> str:
    """Return what became of a setting: a name of `FATES`."""
    return "kept" if attempt.number in found.chosen else "further" if len(attempt.scores) > 1 else "dropped"


def key(found: Searched) -> tuple[Mark, ...]:
    """Return what the colours of lines mean; each hides or shows its own."""
    there = {fate(found, each) for each in found.attempts}
    return tuple(Mark(text, colour, series=name) for name, (text, colour) in FATES.items() if name in there)


def setting_words(attempt: Attempt) -> str:
    """Return a setting as options take it: "lr 0.01, hidden 256x2"."""
    return ", ".join(f"{name} {shown(value)}" for name, value in attempt.setting.items()) or "–"


def on(score: RungScore) -> str:
    """Return the folds of a score, or the share of the rows where it is of a part of them: these do not compare.

    >>> on(RungScore(folds=5, value=1.0)), on(RungScore(folds=1, value=1.0, share=0.25))
    ('5', '25% of the rows')
    """
    return f"{score.folds}" if score.share == 1 else f"{words.percent(score.share)} of the rows"


_OWN = ("setting", "series", "strong", "folds", "score", "text")
"""Columns that are the same all along a line."""


def _upwards(found: Searched, drawn: Sequence[Attempt]) -> list[int]:
    """Return the places of the settings in the order in which they are drawn: what comes last lies on top."""
    return sorted(range(len(drawn)), key=lambda i: (-list(FATES).index(fate(found, drawn[i])), -i))


def _add(lines: dict[str, list[Any]], found: Searched, drawn: Sequence[Attempt], i: int, points: int) -> None:
    """Add what is the same in all points of a setting's line."""
    attempt = drawn[i]
    strong = STRONG - (STRONG - FAINT) * i / max(len(drawn) - 1, 1)
    score = words.metric_value(found.metric, attempt.last.value)
    own = (attempt.number, fate(found, attempt), round(strong, 3), on(attempt.last), score, setting_words(attempt))
    for name, value in zip(_OWN, own, strict=True):
        lines[name] += [value] * points


# Parallel coordinates


def axes(found: Searched, drawn: Sequence[Attempt]) -> tuple[Axis, ...]:
    """Return an axis for each setting that varied, what mattered most at the top, and below them the scores."""
    names = list(found.space)
    order = sorted(names, key=lambda name: -found.importance.get(name, 0.0))
    whole = []
    for name in order:
        at = names.index(name)
        choices = _choices(found.space[name])
        places = tuple(
            _within(each.place[at], len(choices)) if name in each.setting and at < len(each.place) else None
            for each in drawn
        )
        whole.append(Axis(name, _ticks(found.space[name]), places))
    return (*whole, _scores(found, drawn))


def _choices(said: str) -> tuple[str, ...]:
    """Return the choices of a parameter in words; nothing of a range."""
    return () if " to " in said and " | " not in said else tuple(said.split(" | "))


def _within(place: float, choices: int) -> float:
    """Return where on the axis a place is drawn: of choices nearer to the middle of their own stretch."""
    if not choices:
        return place
    middle = (min(int(place * choices), choices - 1) + 0.5) / choices
    return middle + (place - middle) * NARROW


def _ticks(said: str) -> tuple[tuple[float, str], ...]:
    """Return the values written along an axis.

    >>> _ticks("0.001 to 0.1, log"), _ticks("relu | silu")
    (((0.0, '0.001'), (0.5, '0.01'), (1.0, '0.1')), ((0.25, 'relu'), (0.75, 'silu')))
    """
    choices = _choices(said)
    if choices:
        return tuple(((i + 0.5) / len(choices), name) for i, name in enumerate(choices))
    low, _, rest = said.partition(" to ")
    high, _, log = rest.partition(", ")
    try:
        a, b = float(low), float(high)
    except ValueError:
        return ((0.0, low), (1.0, high))
    middle = math.sqrt(a * b) if log and a > 0 and b > 0 else (a + b) / 2
    return ((0.0, low), (0.5, f"{middle:.3g}"), (1.0, high))


def _scores(found: Searched, drawn: Sequence[Attempt]) -> Axis:
    """Return the axis of the scores in the first rung, which every setting has; the best at the right."""
    value_N = np.array([np.nan if (v := each.scores[0].value) is None else v for each in drawn], np.float64)
    error_N = -value_N if found.greater else value_N
    known = error_N[np.isfinite(error_N)]
    name = words.metric_name(found.metric)
    if not len(known):
        return Axis(name, (), (None,) * len(drawn))
    best, end = float(known.min()), float(np.quantile(known, WORST_SHOWN))
    span = end - best or 1.0
    places = tuple(max(0.0, 1 - (error - best) / span) if np.isfinite(error) else None for error in error_N.tolist())
    sign = -1 if found.greater else 1
    said = [words.metric_value(found.metric, sign * error) for error in (end, (best + end) / 2, best)]
    return Axis(name, tuple(zip((0.0, 0.5, 1.0), said, strict=True)), places, beyond=bool((known > end).any()))


def coordinates(found: Searched) -> Chart | None:
    """Draw every setting as a line through its values, one axis below the other; None where nothing was tried."""
    import altair as alt  # noqa: PLC0415  only a page needs it

    drawn = ranked(found)[:MOST_LINES]
    if not drawn:
        return None
    whole = axes(found, drawn)
    lines: dict[str, list[Any]] = {"x": [], "y": [], **{name: [] for name in _OWN}}
    for i in _upwards(found, drawn):
        there = [(y, at) for y, axis in enumerate(whole) if (at := axis.places[i]) is not None]
        lines["x"] += [round(at, 4) for _, at in there]
        lines["y"] += [y for y, _ in there]
        _add(lines, found, drawn, i, len(there))
    labels = [(y, place, text) for y, axis in enumerate(whole) for place, text in axis.ticks]
    data: dict[str, dict[str, Any]] = {
        "lines": lines,
        "axes": {"y": list(range(len(whole))), "name": [axis.name for axis in whole], "zero": [0.0] * len(whole)},
        "ticks": {"y": [y for y, _, _ in labels], "x": [x for _, x, _ in labels], "text": [t for _, _, t in labels]},
    }
    first = drawn[0]
    label = (
        f"{words.count(len(drawn), 'setting')}, each a line through its values; the best, number {first.number}: "
        f"{setting_words(first)}."
    )
    caption = _caption(found, drawn, whole[-1])
    return Chart("chart-search-lines", _coordinates_spec(alt, len(whole)), data, label, caption)


def _caption(found: Searched, drawn: Sequence[Attempt], scores: Axis) -> str:
    """Say how the axes are read."""
    first = drawn[0].scores[0]
    said = f"The lowest axis is the score on the first {words.count(first.folds, 'fold')}, the best at the right."
    if first.share < 1:
        said = f"The lowest axis is the score on {words.percent(first.share)} of the rows, the best at the right."
    if scores.beyond:
        said += f" What is worse than {scores.ticks[0][1]} stands at its left end."
    if len(drawn) < len(found.attempts):
        said += f" {len(drawn):,} of {len(found.attempts):,} settings are drawn, the best ones."
    if any(set(found.space) - set(each.setting) for each in drawn):
        said += " A line goes past the axis of what does not vary in its setting."
    return said


def _coordinates_spec(alt: Any, amount: int) -> dict[str, Any]:
    """Return the specification: lines through horizontal axes, the name above each and its values below it."""
    x = alt.X("x:Q", title=None, axis=None, scale=alt.Scale(domain=[0, 1], nice=False))
    y = alt.Y("y:Q", title=None, axis=None, scale=alt.Scale(domain=[amount - 0.45, -0.5], nice=False))
    looks = _looks(alt)
    axes_, ticks, lines = (alt.Chart(alt.NamedData(name=name)) for name in ("axes", "ticks", "lines"))
    ink, muted = alt.value("var(--ink)"), alt.value("var(--muted)")
    shown_ = [
        alt.Tooltip("setting:Q", title="setting", format=",d"),
        alt.Tooltip("score:N", title="score"),
        alt.Tooltip("folds:N", title="folds"),
        alt.Tooltip("text:N", title="values"),
    ]
    edge = alt.expr.if_(alt.datum.x == 0, "left", alt.expr.if_(alt.datum.x == 1, "right", "center"))
    halo = {"stroke": "var(--paper)", "strokeWidth": 4, "strokeJoin": "round"}
    values = {"dy": 13, "fontSize": 12, "align": {"expr": str(edge)}}
    name: dict[str, Any] = {"align": "left", "baseline": "middle", "dy": -13, "fontSize": 13}
    layers = [
        axes_.mark_rule(color="var(--rule)", strokeWidth=2).encode(y=y, x=alt.value(0), x2=alt.value("width")),
        lines.mark_line().encode(x=x, y=y, order="y:Q", detail="setting:N", **looks),
        lines.mark_circle(size=18).encode(x=x, y=y, color=looks["color"], opacity=looks["opacity"]),
        *(
            layer
            for kept in (halo, {})
            for layer in (
                ticks.mark_text(**values, **kept).encode(x=x, y=y, text="text:N", color=muted),
                axes_.mark_text(**name, **kept).encode(y=y, x=alt.value(0), text="name:N", color=ink),
            )
        ),
        lines.mark_circle(size=120, opacity=0).encode(x=x, y=y, tooltip=shown_),
    ]
    return finish(layers, AXIS_HEIGHT * amount)


def _looks(alt: Any) -> dict[str, Any]:
    """Return colour, width and strength of lines: by what became of a setting, and by its rank."""
    names = list(FATES)
    colours = alt.Scale(domain=names, range=[f"var(--{colour})" for _, colour in FATES.values()])
    return {
        "color": alt.Color("series:N", legend=None, scale=colours),
        "strokeWidth": alt.StrokeWidth("series:O", legend=None, scale=alt.Scale(domain=names, range=[2.5, 1.5, 1.0])),
        "opacity": alt.Opacity("strong:Q", legend=None, scale=alt.Scale(domain=[0, 1], range=[0, 1])),
    }


# Learning curves


def curves(found: Searched, metric: str) -> Chart | None:
    """Draw the learning curve of every setting that has one; None where none has.

    Arguments:
        found: what was tried.
        metric: that the curves are of.
    """
    import altair as alt  # noqa: PLC0415

    drawn = [each for each in ranked(found)[:MOST_LINES] if any(value is not None for _, value in each.curve)]
    if not drawn:
        return None
    data: dict[str, list[Any]] = {"x": [], "y": [], **{name: [] for name in _OWN}}
    for i in _upwards(found, drawn):
        points = [(epoch, value) for epoch, value in drawn[i].curve if value is not None]
        data["x"] += [epoch for epoch, _ in points]
        data["y"] += clean([value for _, value in points])
        _add(data, found, drawn, i, len(points))
    value_P = np.array(data["y"], np.float64)
    log, low, high = logarithmic(value_P), float(value_P.min()), float(value_P.max())
    x_axis = alt.Axis(grid=False, tickMinStep=1, tickCount=6, format=",d")
    x = alt.X("x:Q", title="epoch", axis=x_axis, scale=alt.Scale(nice=False, zero=True))
    scale = alt.Scale(type="log", nice=False) if log else alt.Scale(zero=False, nice=True)
    y = alt.Y("y:Q", title=None, axis=numbers_axis(low, high, log=log), scale=scale)
    looks = _looks(alt)
    base = alt.Chart(alt.NamedData(name="lines"))
    shown_ = [
        alt.Tooltip("setting:Q", title="setting", format=",d"),
        alt.Tooltip("x:Q", title="epoch", format=",d"),
        alt.Tooltip("y:Q", title="value", format=",.4~r"),
        alt.Tooltip("text:N", title="values"),
    ]
    layers = [
        base.mark_line().encode(x=x, y=y, detail="setting:N", **looks),
        base.mark_point(opacity=0, size=90, filled=True).encode(x=x, y=y, tooltip=shown_),
    ]
    name = words.metric_name(metric)
    ends = [value for _, value in drawn[0].curve if value is not None]
    label = f"{name} of {words.count(len(drawn), 'setting')} over the epochs: "
    label += f"the best, number {drawn[0].number}, from {words.number(ends[0])} to {words.number(ends[-1])}."
    caption = "Each is the mean over the networks that were trained first"
    caption += ", of setting 0 over those of all folds." if any(not each.number for each in drawn) else "."
    if (first := drawn[0].scores[0]).share < 1:
        caption = f"Each is of the training on {words.percent(first.share)} of the rows."
    without = len(found.attempts) - len(drawn)
    if without and len(drawn) < MOST_LINES:
        caption += f" {words.count(without, 'setting')} without a curve: broken, or taken from the study."
    return Chart("chart-search-curves", finish(layers, 300), {"lines": data}, label, caption)
