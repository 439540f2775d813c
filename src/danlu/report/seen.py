"""What data a model saw: rows, target, every column with its kind and a small chart, what was left out or inferred."""

from __future__ import annotations

from typing import Any

from danlu.core.explained import Spread
from danlu.core.records import Run
from danlu.report import sparks, tables, words
from danlu.report.charts import Chart, clean, finish, numbers_axis
from danlu.report.markup import Html, facts, join, named, table, tag
from danlu.report.parts import Part, figure

_OVERRULING = ("--kind COLUMN=KIND", "--drop COLUMN", "--task", "--missing", "--encoding", "--delimiter", "--header")
_OF_IMAGES = ("--resize", "--colour", "--task")
MOST_CLASSES = 12


def seen(run: Run) -> Part:
    """Say what was read, how the target is spread, which columns are used and which are not, and what was inferred."""
    image = run.table.image
    target = _target(run)
    drawn = () if target is None else (target,)
    left = tables.left_out(run)
    amounts = facts(_amounts(run))
    name = run.table.target.names[0]
    title = join("Target: ", named(name, 60))
    content = join(
        tag("div", amounts, figure(target, title), class_="panels") if target is not None else amounts,
        join(tag("h3", words.count(len(run.table.columns), "column")), columns(run)) if image is None else None,
        tables.more(len(run.table.columns), tables.MOST_ROWS, "columns"),
        join(tag("h3", "Left out"), left) if left else None,
        tables.more(len(run.table.left_out), tables.MOST_ROWS, "columns left out"),
        _inferred(run),
    )
    return Part("data", "What data did it see?", content, drawn, "Data")


def _amounts(run: Run) -> list[tuple[object, object]]:
    rows, thing = run.rows, words.thing(run)
    things = f"{thing.capitalize()}s"
    amounts: list[tuple[object, object]] = [("Read from", named(run.source, 200)), (f"{things} read", f"{rows.read:,}")]
    for amount, term in (
        (rows.skipped, "Lines before the table"),
        (rows.bad, "Skipped, unreadable"),
        (rows.without_target, "Without target"),
        (rows.without_weight, "Without weight"),
    ):
        if amount:
            amounts.append((term, f"{amount:,}"))
    amounts += [(f"{things} used", f"{rows.used:,}"), *([(f"Test {thing}s", f"{rows.test:,}")] if rows.test else [])]
    amounts.append(("Divided", run.folds))
    if run.table.image is not None:
        amounts.append(("Each image", words.image(run.table.image)))
    return amounts


def _inferred(run: Run) -> Html | None:
    if not run.inferred:
        return None
    flags = _OVERRULING if run.table.image is None else _OF_IMAGES
    notes = [
        tag("li", named(note.topic, 60), ": ", tag("span", note.text)) for note in run.inferred[: tables.MOST_ROWS]
    ]
    listed = join(tag("code", flags[0]), *(join(", ", tag("code", flag)) for flag in flags[1:]))
    return join(
        tag("h3", "What was inferred"),
        tag("ul", notes, class_="notes"),
        tag("p", "Each can be overruled: ", listed, ".", class_="note"),
    )


def columns(run: Run) -> Html:
    """List the columns that the networks see: kind, how their cells are spread, what is missing."""
    spreads = {spread.name: spread for spread in run.explained.spreads}
    rows = []
    for column in run.table.columns[: tables.MOST_ROWS]:
        spread = spreads.get(column.name)
        cells: list[object] = [named(column.name, 60), column.kind]
        if spreads:
            cells += (
                [sparks.of_spread(spread, column.kind), named(sparks.middle_words(spread, column.kind), 30)]
                if spread is not None
                else ["", ""]
            )
        rows.append([*cells, tables.missing(column, run.rows.used), tables.values(column)])
    head: list[object] = ["Column", "Kind"]
    if spreads:
        head += [
            "Spread",
            tag("abbr", "Middle", title="median of numbers and dates; of categories the commonest level"),
        ]
    tall = "tall" if len(rows) > 15 else None
    return table([*head, "Missing", "Values"], rows, caption="Columns used", right=(len(head),), class_=tall)


def _target(run: Run) -> Chart | None:
    """Draw how the first target is spread."""
    if not run.explained.target or not run.explained.target[0].counts:
        return None
    spread = run.explained.target[0]
    return _classes(spread, words.thing(run)) if spread.levels else _numbers(spread)


def _numbers(spread: Spread) -> Chart | None:
    import altair as alt  # noqa: PLC0415  only a page needs it

    if spread.low is None or spread.high is None or len(spread.counts) < 2:
        return None
    step = (spread.high - spread.low) / len(spread.counts)
    edges = [spread.low + step * place for place in range(len(spread.counts) + 1)]
    data = {"bins": {"low": clean(edges[:-1]), "high": clean(edges[1:]), "rows": list(spread.counts)}}
    axis = numbers_axis(spread.low, spread.high, grid=False)
    shown = [
        alt.Tooltip("low:Q", title="from", format=",.4~r"),
        alt.Tooltip("high:Q", title="to", format=",.4~r"),
        alt.Tooltip("rows:Q", title="rows", format=",d"),
    ]
    bar = alt.Chart(alt.NamedData(name="bins")).mark_bar(color="var(--first)", opacity=0.75, binSpacing=1)
    drawn = bar.encode(
        x=alt.X("low:Q", title=None, bin="binned", axis=axis),
        x2="high:Q",
        y=alt.Y("rows:Q", title="rows", axis=alt.Axis(tickCount=3, tickMinStep=1)),
        tooltip=shown,
    )
    said = f"{words.number(spread.low)} to {words.number(spread.high)}, median {words.number(spread.middle)}"
    beyond = f" {spread.beyond:,} rows lie outside." if spread.beyond else ""
    caption = f"Median {words.number(spread.middle)}; {words.count(spread.different, 'different value')}.{beyond}"
    return Chart("chart-target", finish([drawn], 150), data, f"Target {spread.name}: {said}.", caption)


def _classes(spread: Spread, thing: str) -> Chart:
    import altair as alt  # noqa: PLC0415

    whole = sum(spread.counts) + spread.beyond
    names, counts = list(spread.levels[:MOST_CLASSES]), list(spread.counts[:MOST_CLASSES])
    texts = [f"{amount:,}  {words.percent(amount / whole)}" for amount in counts]
    data: dict[str, dict[str, list[Any]]] = {"classes": {"name": names, "rows": counts, "text": texts}}
    base = alt.Chart(alt.NamedData(name="classes"))
    y = alt.Y("name:N", title=None, sort=None, axis=alt.Axis(labelLimit=130, labelColor="var(--ink)"))
    x = alt.X("rows:Q", title=None, axis=None, scale=alt.Scale(domain=[0, max(counts) * 1.35]))
    shown = [alt.Tooltip("name:N", title="class"), alt.Tooltip("text:N", title=f"{thing}s")]
    layers = [
        base.mark_bar(color="var(--first)", opacity=0.75).encode(x=x, y=y, tooltip=shown),
        base.mark_text(align="left", dx=6, fontSize=12, color="var(--muted)").encode(x=x, y=y, text="text:N"),
    ]
    left = spread.different - len(names)
    label = f"Target {spread.name}: " + ", ".join(f"{n} {t}" for n, t in zip(names, texts, strict=True))
    caption = f"{words.count(left, 'more class', 'more classes')} with fewer {thing}s not drawn." if left > 0 else ""
    return Chart("chart-target", finish(layers, 22 * len(names)), data, label, caption)
