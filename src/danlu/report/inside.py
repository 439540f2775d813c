"""What is inside one network: its layers, what they give, what is dead or saturated, how gradients reach them."""

from __future__ import annotations

from danlu.core.explained import LayerState
from danlu.core.records import Run
from danlu.report import over_time, sparks, words
from danlu.report.charts import Chart
from danlu.report.markup import Html, join, named, table, tag
from danlu.report.parts import Part, figure, key_of

DEAD, SATURATED, VANISHED = 0.5, 0.5, 1e-3
"""Shares from which on a layer is said to be dead or saturated, and how much smaller a gradient may be."""


def inside(run: Run) -> Part | None:
    """Describe the layers of one network as they are at the end of training, and draw how they came to be so."""
    layers, rows = run.explained.layers, run.explained.layer_rows
    if not layers:
        return None
    head: list[object] = ["Layer", "Gives", "Parameters", "Mean", "Spread"]
    odd = any(each.dead is not None or each.saturated is not None for each in layers)
    if odd:
        head += [
            tag(
                "abbr",
                "Idle",
                title="units of a ReLU that gave 0 for every row; numbers of a tanh or sigmoid at an end",
            )
        ]
    head += [tag("abbr", "Gradient", title="root mean square of the loss's gradient by the layer's parameters"), ""]
    largest = max((each.gradient or 0.0 for each in layers), default=0.0)
    body = [_row(place, each, odd=odd, largest=largest) for place, each in enumerate(layers, 1)]
    note = (
        f"One network after training, on {words.count(rows, words.thing(run))} that it learnt from, without dropout. "
        "Mean and spread (standard deviation) are of what a layer gives."
    )
    courses = over_time.courses(run.explained)
    content = join(
        tag("p", judged(layers), class_="lead"),
        table(head, body, caption="Layers of one network", right=(2, 3, 4, *((5,) if odd else ()), 6 if odd else 5)),
        tag("p", note, class_="note"),
        _over_time(run, courses),
    )
    return Part("inside", "What is inside?", content, tuple(chart for _, chart in courses), "Inside")


def _over_time(run: Run, courses: list[tuple[str, Chart]]) -> Html | None:
    """Place the charts over the epochs, with what they show."""
    if not courses:
        return None
    epochs = run.explained.layer_epochs
    note = (
        f"The same network at {words.count(len(epochs), 'epoch')}, from {epochs[0]:,} (before the first step) to "
        f"{epochs[-1]:,}, on the same {words.thing(run)}s. Sizes are root mean squares: gradients vanish where those "
        "of the first layer shrink to nothing, and explode where they grow without end."
    )
    panels = [figure(chart, title) for title, chart in courses]
    return tag(
        "div",
        tag("h3", "Over the epochs"),
        tag("p", note, class_="note"),
        key_of(over_time.key(run.explained)),
        tag("div", panels, class_="panels small"),
        class_="block",
    )


def _row(place: int, each: LayerState, *, odd: bool, largest: float) -> list[object]:
    shape = " × ".join(f"{size:,}" for size in each.shape)
    own = each.name if not each.name.isdigit() and each.name != each.kind.lower() else ""
    name = join(
        f"{place}. ", named(each.kind, 40), tag("span", " ", named(own, 40), class_="muted small") if own else None
    )
    cells: list[object] = [name, shape, f"{each.parameters:,}" if each.parameters else _none()]
    cells += [words.number(each.mean, digits=2), words.number(each.spread, digits=2)]
    if odd:
        share = each.dead if each.dead is not None else each.saturated
        cells.append(_none() if share is None else words.percent(share))
    if each.gradient is None:
        return [*cells, _none(), ""]
    part = each.gradient / largest if largest else 0.0
    return [*cells, words.about(each.gradient), sparks.length(part, f"{words.percent(part)} of the largest")]


def _none() -> Html:
    return tag("span", "–", class_="muted")


def judged(layers: tuple[LayerState, ...]) -> str:
    """Say in a sentence or two whether something is wrong with the layers.

    >>> one = LayerState(name="a", kind="ReLU", shape=(4,), parameters=0, mean=0.0, spread=0.0, dead=0.75)
    >>> judged((one,))
    'Layer 1 (ReLU): 75% of its units gave 0 for every row.'
    """
    said = []
    gradients = [each.gradient for each in layers if each.gradient]
    for place, each in enumerate(layers, 1):
        if each.dead is not None and each.dead > DEAD:
            said.append(f"Layer {place} ({each.kind}): {words.percent(each.dead)} of its units gave 0 for every row.")
        if each.saturated is not None and each.saturated > SATURATED:
            said.append(f"Layer {place} ({each.kind}): {words.percent(each.saturated)} of its numbers are at an end.")
    if gradients and min(gradients) < VANISHED * max(gradients):
        said.append(
            f"The smallest gradient of a layer is {words.about(max(gradients) / min(gradients))} times smaller "
            "than the largest: layers learn at very different speeds."
        )
    if said:
        return " ".join(said[:4])
    idle = (
        "In no layer are most units idle" if any(each.dead is not None for each in layers) else "No layer is saturated"
    )
    return f"{idle}, and gradients reach all layers."
