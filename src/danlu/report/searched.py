"""What a search learnt: every setting that was tried, which settings mattered, and which networks were kept."""

from __future__ import annotations

import numpy as np

from danlu.core.records import Run
from danlu.core.searched import Attempt, Searched
from danlu.report import attempts, words
from danlu.report.attempts import FATES, fate, on, setting_words
from danlu.report.charts import Chart, clean, finish, logarithmic, numbers_axis
from danlu.report.figures import Mark
from danlu.report.markup import Html, facts, join, table, tag
from danlu.report.parts import Part, figure, key_of
from danlu.report.ranked import Item, ranked_chart
from danlu.report.tables import more

MOST_ROWS = 200
ORIGINS = {"start": "before the search", "earlier": "earlier search", "spread": "even spread", "model": "model"}


def searched(run: Run) -> Part | None:
    """Show what was tried and what came of it; None where there was no search."""
    found = run.searched
    if found is None:
        return None
    tried = _tried(found)
    own = (tried, _matter(found), attempts.curves(found, run.judged_by), attempts.coordinates(found))
    drawn = tuple(chart for chart in own if chart is not None)
    titles = {
        "chart-tried": "Every setting that was tried",
        "chart-settings": "Which settings mattered",
        "chart-search-curves": "Learning curves of the settings",
        "chart-search-lines": "Values of the settings, a line each",
    }
    lines = attempts.key(found)
    keys = {"chart-tried": key_of(tuple(Mark(text, colour, "point") for text, colour in FATES.values()))}
    keys |= {chart: key_of(lines, chart) for chart in ("chart-search-curves", "chart-search-lines")}
    panels = [figure(chart, titles[chart.id], keys.get(chart.id)) for chart in drawn]
    lead = f"{found.words[:1].upper()}{found.words[1:]}."
    content = join(
        tag("p", lead, class_="lead"),
        facts(_amounts(found), class_="facts strip"),
        tag("div", panels, class_="panels") if panels else None,
        tag("h3", "Settings that were tried"),
        _attempts(found),
        more(len(found.attempts), MOST_ROWS, "settings"),
    )
    return Part("search", "What did search learn?", content, drawn, "Search")


def _amounts(found: Searched) -> list[tuple[object, object]]:
    """Return what it took: settings and networks of each rung, and their time."""
    pairs: list[tuple[object, object]] = [("Settings", f"{len(found.attempts):,}")]
    for rung in found.rungs[:8]:
        cost = f"{words.count(rung.networks, 'network')}, {words.duration(rung.seconds)}"
        said = join(words.count(rung.settings, "setting"), tag("span", cost, class_="muted"))
        on_rows = f"On {words.percent(rung.share)} of the rows" if rung.share < 1 else "On all rows"
        parted = any(each.share < 1 for each in found.rungs)
        pairs.append((on_rows if parted else f"On {words.count(rung.folds, 'fold')}", said))
    if found.known:
        pairs.append(("From the study", words.count(found.known, "training")))
    return [*pairs, ("Time", words.duration(found.seconds))]


def _tried(found: Searched) -> Chart | None:
    """Draw the score in the first rung, the same rows for all, in the order in which settings were proposed."""
    import altair as alt  # noqa: PLC0415  only a page needs it

    shown = [each for each in found.attempts if each.scores and each.scores[0].value is not None]
    if len(shown) < 2:
        return None
    values = clean([each.scores[0].value for each in shown])
    low, high = (edge(value for value in values if value is not None) for edge in (min, max))
    log = logarithmic(np.array([low, high]))
    data = {
        "tried": {
            "x": [each.number for each in shown],
            "y": values,
            "fate": [fate(found, each) for each in shown],
            "said": [FATES[fate(found, each)][0] for each in shown],
            "setting": [words.plain_cut(setting_words(each), 160) for each in shown],
        }
    }
    colours = alt.Scale(domain=list(FATES), range=[f"var(--{colour})" for _, colour in FATES.values()])
    scale = alt.Scale(type="log", nice=False) if log else alt.Scale(zero=False, nice=True)
    tips = [
        alt.Tooltip("x:Q", title="setting", format=",d"),
        alt.Tooltip("y:Q", title=words.metric_name(found.metric), format=",.5~r"),
        alt.Tooltip("said:N", title="ended"),
        alt.Tooltip("setting:N", title="values"),
    ]
    marks = alt.Chart(alt.NamedData(name="tried")).mark_circle(size=60, opacity=0.9)
    drawn = marks.encode(
        x=alt.X("x:Q", title="setting", axis=alt.Axis(grid=False, tickMinStep=1, tickCount=6, format=",d")),
        y=alt.Y("y:Q", title=words.metric_name(found.metric), scale=scale, axis=numbers_axis(low, high, log=log)),
        color=alt.Color("fate:N", legend=None, scale=colours),
        tooltip=tips,
    )
    first = shown[0].scores[0]
    caption = f"On the first {words.count(first.folds, 'fold')}, in the order in which they were proposed. "
    if first.share < 1:
        caption = f"On {words.percent(first.share)} of the rows, in the order in which they were proposed. "
    caption += "More is better." if found.greater else "Less is better."
    label = (
        f"{words.metric_name(found.metric)} of {len(shown):,} settings: {words.number(low)} to {words.number(high)}."
    )
    return Chart("chart-tried", finish([drawn], 280), data, label, caption, ("said",))


def _matter(found: Searched) -> Chart | None:
    """Draw which share of the differences each setting explains."""
    if not found.importance:
        return None
    order = sorted(found.importance.items(), key=lambda item: -item[1])[:12]
    items = [Item(name, words.percent(share), share) for name, share in order]
    label = "Importance of settings: " + "; ".join(f"{item.name} {item.text}" for item in items)
    caption = "Share of the differences between settings that each explains, through a forest of trees."
    return ranked_chart("chart-settings", items, label, caption)


def _attempts(found: Searched) -> Html:
    """List the settings, those that were kept first, then by the folds that they came to and their score there."""
    sign = -1 if found.greater else 1

    def rank(each: Attempt) -> tuple[int, int, float, float]:
        kept = found.chosen.index(each.number) if each.number in found.chosen else len(found.chosen)
        value = each.last.value if each.scores else None
        folds, share = (each.last.folds, each.last.share) if each.scores else (0, 0.0)
        return kept, -folds, -share, float("inf") if value is None else sign * value

    rows = []
    for each in sorted(found.attempts, key=rank)[:MOST_ROWS]:
        last = each.last if each.scores else None
        cells = [f"{each.number}", FATES[fate(found, each)][0], "–" if last is None else on(last)]
        value = words.metric_value(found.metric, None if last is None else last.value)
        rows.append([*cells, value, f"{each.parameters:,}", ORIGINS[each.how], tag("code", setting_words(each))])
    head = ["Setting", "Ended", "Folds", words.metric_name(found.metric), "Parameters", "From", "Values"]
    tall = "tall" if len(rows) > 15 else None
    return table(head, rows, caption="Settings that were tried", right=(2, 3, 4), class_=tall)
