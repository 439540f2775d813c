"""The page that compares models: which is better, their curves over each other, and what differs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from danlu.core.compared import Comparison, Difference, Pair
from danlu.core.records import Run
from danlu.report import thin
from danlu.report.charts import Chart, Line, clean, finish, logarithmic, numbers_axis, scores
from danlu.report.curves import LOG_EPOCHS
from danlu.report.document import document, masthead
from danlu.report.markup import Html, join, named, table, tag, worded
from danlu.report.parts import Part, figure
from danlu.report.words import metric_name, metric_value, place_of, score_place

COLOURS = ("first", "second", "third", "grey", "ink")
Arrays = Mapping[str, np.ndarray]


def compare_page(found: Comparison, runs: Sequence[Run], arrays: Sequence[Arrays]) -> str:
    """Return the whole page as text.

    Arguments:
        found: what differs.
        runs: the records of the models, in the same order.
        arrays: the long arrays kept beside each.
    """
    names = [side.name for side in found.models]
    sections = [
        _verdicts(found, runs),
        _curves(names, runs, arrays),
        _differences("scores", "Scores", found.score, names),
        _differences("data", "What differs in data", found.data, names),
        _differences("plan", "What differs in settings", found.plan, names),
    ]
    parts = [part for part in sections if part is not None]
    title = join([join(tag("span", " and ") if i else None, named(name, 60)) for i, name in enumerate(names)])
    header = masthead(
        title,
        name="danlu compare",
        links=[(part.id, part.title) for part in parts],
        note="Charts need JavaScript; the tables below do not.",
    )
    charts = [chart for part in parts for chart in part.charts]
    return document(" and ".join(names), header, [part.html() for part in parts], charts=charts, chinese=True)


def _verdicts(found: Comparison, runs: Sequence[Run]) -> Part:
    """Say which model is better, as far as that can be said, and draw their scores with intervals."""
    metric, lines = found.models[0].metric, []
    for side, run in zip(found.models, runs, strict=True):
        score = run.scores.get(metric) or run.test.get(metric)
        if score is None or score.value is None:
            continue
        text = metric_value(metric, score.value, score_place(score))
        lines.append(Line(f"{side.name}, {score.kind}", score.value, text, "ours", score.low, score.high))
    said = [tag("p", pair.words, class_="lead strong") for pair in found.pairs]
    amounts = _amounts(found.pairs)
    notes = [tag("p", note, class_="note") for pair in found.pairs for note in pair.notes]
    drawn: tuple[Chart, ...] = ()
    beside: Html | None = None
    if lines:
        label = f"{metric_name(metric)}: " + "; ".join(f"{line.name} {line.text}" for line in lines)
        drawn = (scores(lines, from_zero=False, label=label),)
        beside = tag("div", figure(drawn[0], metric_name(metric)), class_="panels")
    how = (
        "The difference is the one less the other, with a 95% interval from a paired bootstrap: rows are "
        "drawn anew, the same for both. It does not contain the variation from training again."
    )
    paired = any(pair.difference is not None for pair in found.pairs)
    content = join(said, amounts, notes, beside, tag("p", how, class_="note") if paired else None)
    return Part("verdict", "Which is better", content, drawn)


def _amounts(pairs: Sequence[Pair]) -> Html | None:
    """Return the differences with their intervals, a row a pair; None where no scores can be compared."""
    rows = []
    for pair in pairs:
        if pair.difference is None:
            continue
        name, place = pair.metric, place_of(pair.low, pair.high)
        first, other, apart, low, high = (
            metric_value(name, value, place)
            for value in (pair.value, pair.other_value, pair.difference, pair.low, pair.high)
        )
        ends = "–" if pair.low is None else f"{low} to {high}"
        rows.append([named(pair.other, 40), other, named(pair.first, 40), first, apart, ends, f"{pair.rows:,}"])
    if not rows:
        return None
    title = metric_name(pairs[0].metric)
    head = ("", title, "against", title, "difference", "95% interval", "rows")
    return table(head, rows, caption="Differences", right=(1, 3, 4, 5, 6), class_="narrow")


def _differences(id_: str, title: str, found: Sequence[Difference], names: Sequence[str]) -> Part:
    """Return a table of what differs, a column a model."""
    if not found:
        return Part(id_, title, tag("p", "Nothing.", class_="lead"))
    head = ["", *[named(name, 40) for name in names]]
    own = named if id_ == "plan" else worded
    rows = [[own(row.name, 80), *[own(value, 200) for value in row.values]] for row in found]
    return Part(id_, title, table(head, rows, caption=title, class_="tall" if len(rows) > 20 else None))


def _curves(names: Sequence[str], runs: Sequence[Run], arrays: Sequence[Arrays]) -> Part | None:
    """Draw the medians of all models over each other, with the range of their networks."""
    panels, drawn = [], []
    judged = {run.judged_by for run in runs}
    wanted = [("loss_EM", "Training loss")]
    if len(judged) == 1:
        wanted.append(("judged_JM", f"{metric_name(judged.pop())} on judged rows"))
    for key, title in wanted:
        chart = _chart(f"chart-{key[:4]}", title, key, names, arrays)
        if chart is not None:
            drawn.append(chart)
            panels.append(figure(chart, title))
    if not panels:
        return None
    key = [tag("span", tag("i", class_=f"swatch line {_colour(i)}"), named(name, 40)) for i, name in enumerate(names)]
    lead = "Lines: the median network of each model. Bands: from its lowest to its highest network."
    losses = {run.resolved.loss for run in runs}
    other = " Their losses are not the same, and cannot be compared." if len(losses) > 1 else ""
    content = join(
        tag("p", lead + other, class_="lead"), tag("p", key, class_="key marks"), tag("div", panels, class_="panels")
    )
    return Part("curves", "Training", content, tuple(drawn))


def _colour(place: int) -> str:
    return COLOURS[place % len(COLOURS)]


def _chart(id_: str, title: str, key: str, names: Sequence[str], arrays: Sequence[Arrays]) -> Chart | None:
    """Draw one curve of every model that has it."""
    import altair as alt  # noqa: PLC0415  only a page needs it

    columns: dict[str, list[Any]] = {name: [] for name in ("x", "y", "low", "high", "name", "colour")}
    ends = []
    for place, (name, own) in enumerate(zip(names, arrays, strict=True)):
        values_TM = own.get(key)
        if values_TM is None or not np.isfinite(values_TM).any():
            continue
        epochs = own["judged_epochs_J"] if key == "judged_JM" else np.arange(1, len(values_TM) + 1)
        there = np.isfinite(values_TM).any(axis=1)
        values_TM, epochs = values_TM[there], epochs[there]
        at = thin.along(epochs, thin.MOST_OF_A_CURVE, logarithmic=bool(epochs[-1] > LOG_EPOCHS))
        shown = values_TM[at]
        columns["x"] += epochs[at].tolist()
        for field, measure in (("y", np.nanmedian), ("low", np.nanmin), ("high", np.nanmax)):
            columns[field] += clean(measure(shown, axis=1))
        columns["name"] += [name] * len(at)
        columns["colour"] += [_colour(place)] * len(at)
        ends.append(f"{name} ends at {metric_value('', float(np.nanmedian(shown[-1])))}")
    if not columns["x"]:
        return None
    long = max(columns["x"]) > LOG_EPOCHS
    low, high = min(columns["low"]), max(columns["high"])
    log = logarithmic(np.array([low, high]))
    scale = alt.Scale(type="log", nice=False) if log else alt.Scale(zero=False, nice=True)
    x_scale = alt.Scale(type="log", nice=False) if long else alt.Scale(nice=False, zero=False)
    x = alt.X("x:Q", title="epoch", scale=x_scale, axis=alt.Axis(grid=False, tickMinStep=1, tickCount=6, format=",d"))
    y_axis = numbers_axis(low, high, log=log)
    colours = alt.Scale(domain=list(COLOURS), range=[f"var(--{name})" for name in COLOURS])
    colour = alt.Color("colour:N", legend=None, scale=colours)
    tips = [alt.Tooltip("name:N", title="model"), alt.Tooltip("x:Q", title="epoch", format=",d")]
    tips += [alt.Tooltip(f"{field}:Q", title=word, format=",.4~r") for field, word in _SPREAD]
    base = alt.Chart(alt.NamedData(name="curves")).encode(x=x, detail="name:N", color=colour)
    band = base.mark_area(opacity=0.14).encode(
        y=alt.Y("low:Q", title=None, scale=scale, axis=y_axis),
        y2="high:Q",
    )
    y = alt.Y("y:Q", title=None, scale=scale, axis=y_axis)
    layers = [
        band,
        base.mark_line(strokeWidth=2.25).encode(y=y),
        base.mark_point(opacity=0, size=90, filled=True).encode(y=y, tooltip=tips),
    ]
    return Chart(id_, finish(layers, 280), {"curves": columns}, f"{title}, medians: {'; '.join(ends)}.")


_SPREAD = (("y", "median"), ("low", "lowest"), ("high", "highest"))
