"""What drives predictions: importance of the columns, and how predictions follow the most important ones."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from danlu.core.explained import Dependence, Importances
from danlu.core.records import Run
from danlu.report import words
from danlu.report.charts import Chart
from danlu.report.dependence import curves_of, dependence_chart
from danlu.report.important import is_sure, top_columns
from danlu.report.markup import Html, join, named, table, tag
from danlu.report.parts import Part, figure
from danlu.report.ranked import Item, ranked_chart
from danlu.report.tables import MOST_ROWS, more

Arrays = Mapping[str, np.ndarray]
MOST_BARS = 10
MOST_PANELS = 6
SHARES = ("accuracy",)


def rise_text(metric: str, value: float, low: float | None = None, high: float | None = None) -> str:
    """Write by how much a metric gets worse: a share in points of percent.

    >>> rise_text("accuracy", 0.0284), rise_text("rmse", 6735.3, 4966.7, 8717.2), rise_text("mae", -0.0)
    ('+2.8 points', '+6,700', '0')
    """
    place = words.place_of(low, high)
    if metric in SHARES:
        text = words.number(value * 100, max(-1, (place or -9) + 2))
        return f"{_plus(text)} points"
    return _plus(words.number(value, place, 2))


def _plus(text: str) -> str:
    zero = not text.strip("−0.,")
    return text.replace("−", "") if zero else text if text.startswith("−") else f"+{text}"


def drivers(run: Run, arrays: Arrays) -> Part | None:
    """Show how much worse predictions get without each column, and what they do along the most important ones."""
    found = run.explained.importance
    if found is None:
        return None
    bars = _bars(found)
    drawn = [bars]
    outputs = _outputs(run)
    panels = []
    kept = run.explained.dependence[:MOST_PANELS]
    several = len({each.output for each in kept}) > 1
    curves = curves_of([each.output for each in kept], arrays, share=bool(run.table.target.classes))
    if curves is not None:
        for q, each in enumerate(kept):
            name = outputs[each.output] if each.output < len(outputs) else ""
            chart = dependence_chart(f"chart-along-{q}", each, curves.single[q], curves.mean[q], curves.scale, name)
            drawn.append(chart)
            of = tag("span", f" · {words.plain_cut(name, 24)}", class_="muted") if several else None
            panels.append(figure(chart, join(named(each.column, 60), of)))
    centred = curves is not None and curves.scale.centred
    content = join(
        tag("p", _lead(run, found), class_="lead"),
        tag("div", figure(bars, _title(found)), _beside(found), class_="panels"),
        tag("h3", f"Along each column: {_predicted(run, kept, centred=centred)}") if panels else None,
        tag("p", _along(centred=centred), class_="note") if panels else None,
        tag("div", panels, class_="panels small") if panels else None,
    )
    return Part("drivers", "What drives predictions?", content, tuple(drawn), "Drivers")


def _title(found: Importances) -> str:
    return f"{words.metric_name(found.metric)} without each column"


def _lead(run: Run, found: Importances) -> str:
    """Say which columns matter, and what the first one does."""
    sure = [each for each in found.columns if is_sure(each)]
    if not sure:
        return (
            "No column alone surely matters: shuffling any one of them leaves the predictions as good as they are, "
            f"on {found.rows:,} rows."
        )
    first, several = sure[0], len(sure) > 1
    place = words.place_of(first.low, first.high)
    before, after = (words.number(value, place, 3) for value in (found.base, found.base + first.value))
    said = f"{words.both(top_columns(run))} matter{'' if several else 's'} most. "
    metric = words.in_sentence(found.metric)
    where = "" if found.rows == found.of_rows else f" on {found.rows:,} of them"
    said += f"With {first.column} shuffled among rows, the {metric}{where} goes from {before} to {after}. "
    rest = len(found.columns) - len(sure)
    return said + (f"{len(sure):,} of {words.count(len(found.columns), 'column')} surely matter." if rest else "")


def _bars(found: Importances) -> Chart:
    shown = found.columns[:MOST_BARS]
    items = [
        Item(
            each.column,
            rise_text(found.metric, each.value, each.low, each.high),
            each.value,
            each.low,
            each.high,
            is_sure(each),
        )
        for each in shown
    ]
    said = "; ".join(f"{item.name} {item.text}" for item in items)
    left = len(found.columns) - len(shown)
    caption = f"Bar: how much worse the {words.in_sentence(found.metric)} gets when the column is shuffled among rows"
    caption += ", so that it says nothing; line: its 95% interval. Grey: not surely above 0."
    caption += f" {words.count(left, 'less important column')} not drawn." if left else ""
    return ranked_chart("chart-importance", items, f"Importance of columns: {said}", caption, said=("text",))


def _beside(found: Importances) -> Html:
    """List every column, and how it was measured."""
    rows = []
    for each in found.columns[:MOST_ROWS]:
        said = "says nearly the same"
        like = tag("span", " ≈ ", named(each.like, 30), class_="muted small", title=said) if each.like else None
        place = words.place_of(each.low, each.high)
        ends = (each.low, each.high)
        between = "–" if None in ends else " to ".join(words.number(end, place) for end in ends)
        rise = rise_text(found.metric, each.value, each.low, each.high)
        cells: list[object] = [join(named(each.column, 40), like), rise, tag("span", between, class_="muted")]
        if found.second_metric:
            cells.append("–" if each.second is None else rise_text(found.second_metric, each.second))
        rows.append(cells)
    head: list[object] = ["Column", words.metric_name(found.metric), "95% interval"]
    if found.second_metric:
        head.append(words.metric_name(found.second_metric) + (" lost" if found.second_metric in SHARES else ""))
    return tag(
        "div",
        tag("h3", "Every column"),
        table(head, rows, caption="Importance of every column", right=range(1, len(head)), class_="tall"),
        more(len(found.columns), MOST_ROWS, "columns"),
        tag("p", _how(found), class_="note"),
    )


def _how(found: Importances) -> str:
    rows = f"all {found.rows:,} rows" if found.rows == found.of_rows else f"{found.rows:,} of {found.of_rows:,} rows"
    which = {"out-of-fold": "each by networks that had not learnt from it", "holdout": "held out of training"}
    said = f"Permutation importance on {rows}, {which.get(found.kind, 'of the test table')}; "
    said += f"{words.count(found.shuffles, 'shuffle')} of each column."
    if any(each.like for each in found.columns):
        said += " Columns that say nearly the same (≈: rank correlation of 0.9 or more) share their importance: "
        said += "each alone looks weak."
    if found.unmeasured:
        said += f" {words.count(found.unmeasured, 'column')} that hardly move a prediction were not measured."
    return said


def _outputs(run: Run) -> tuple[str, ...]:
    target = run.table.target
    return target.classes or target.names


def _predicted(run: Run, kept: tuple[Dependence, ...], *, centred: bool) -> str:
    """Return what is drawn along the columns."""
    target, names = run.table.target, _outputs(run)
    change = "change of the " if centred else ""
    if not target.classes:
        return f"{change}predicted {names[0]}"
    outputs = {each.output for each in kept}
    return f"{change}probability of {names[outputs.pop()]}" if len(outputs) == 1 else f"{change}probability of a class"


def _along(*, centred: bool) -> str:
    said = "Each faint line is one row: what would be predicted of it if only this column changed"
    said += ", less its own mean, because rows differ more than one column moves them. " if centred else ". "
    return said + (
        "Strong: the mean (partial dependence). Ticks below: where the cells are. All panels have one scale. "
        "Combinations that never occur are among what is asked: read it as what the networks do, not as a cause."
    )
