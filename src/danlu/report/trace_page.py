"""The page of a trace: the network drawn with its numbers, the chain rule of a weight, the step as tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from danlu.core.paths import check_new_file
from danlu.report.document import document, masthead, write_whole
from danlu.report.markup import Html, embedded, facts, join, named, table, tag
from danlu.report.trace_drawing import drawing
from danlu.report.words import count

if TYPE_CHECKING:
    from danlu.explanation.trace_records import Chain, Descent, Factor, Level, Share, TracedLayer, TraceRecord

FEW, PATHS = 8, 12
"""Numbers of a layer, and paths of a delta, that stand in a table."""


def write_trace(trace: TraceRecord, path: Path, *, force: bool = True) -> Path:
    """Write the page of a trace as one self-contained HTML file; whole or not at all.

    Raises:
        OutputError: the file exists and may not be replaced, or cannot be written.
    """
    check_new_file(path, force=force)
    return write_whole(path, trace_page(trace))


def trace_page(trace: TraceRecord) -> str:
    """Return the whole page as text."""
    drawn, notes = drawing(trace)
    parts = [("network", "Network", _network(trace, notes))]
    if trace.chain is not None:
        parts.append(("chain", "Chain rule", _chain(trace.chain)))
    parts.append(("numbers", "Numbers", _numbers(trace)))
    if trace.parameters:
        parts.append(("update", "Update", _update(trace)))
    if trace.descent is not None:
        parts.append(("descent", "Descent", _descent(trace.descent)))
    sections = [tag("section", tag("h2", title), content, id=anchor) for anchor, title, content in parts]
    header = masthead(
        join(named(trace.source, 60), tag("span", " step by step")),
        name=trace.source,
        links=[(anchor, title) for anchor, title, _ in parts],
        note="The drawing needs JavaScript; the tables below it do not.",
    )
    data = tag("script", embedded(drawn), type="application/json", id="trace")
    return document(f"{trace.source} traced", header, [*sections, data], extra=("trace.js", "trace.css"))


def digits(value: float | None) -> str:
    """Write a number with six significant digits.

    >>> digits(-0.14547853), digits(1.0), digits(None)
    ('−0.145479', '1', '')
    """
    if value is None:
        return ""
    return f"{value + 0.0:.6g}".replace("-", "−") if np.isfinite(value) else "–"


def _network(trace: TraceRecord, notes: Sequence[str]) -> Html:
    pooled = f", mean over {len(trace.rows)} rows" if len(trace.rows) > 1 else ""
    lead = join(
        tag("strong", f"Loss {digits(trace.loss)}"),
        f" = {trace.loss_formula}{pooled}. ",
        f"{trace.about[:1].upper()}{trace.about[1:].rstrip('.')}. " if trace.about else "",
        "Circles and squares are units, lines are weights: blue is positive, orange negative, wide and dark is large. "
        "Choose a unit to open it; arrow keys move from unit to unit.",
    )
    return join(
        tag("p", lead, class_="lead"),
        tag("div", id="controls", class_="controls"),
        tag("div", id="drawing", class_="drawing", role="group", aria_label="The network"),
        tag("div", id="unit", class_="unit", aria_live="polite"),
        tag("ul", [tag("li", note) for note in (*trace.notes, *notes)], class_="notes note")
        if notes or trace.notes
        else None,
    )


def _chain(chain: Chain) -> Html:
    several = len(chain.rows) > 1
    cards = [item for factor in chain.factors for item in (_card(factor), tag("span", "×", class_="sign"))][:-1]
    result = tag(
        "div",
        tag("b", digits(chain.row_product)),
        tag("span", f"row {chain.row}" if several else "gradient"),
        class_="card result",
    )
    three = {
        "Chain rule": f"{chain.product:.12g}",
        "Autograd": f"{chain.autograd:.12g}",
        f"Central difference, step {chain.step:.1g}": f"{chain.difference:.12g}",
        "Weight": digits(chain.value),
        "After the update": digits(chain.after),
    }
    levels = [_level(level, first=i == 0) for i, level in enumerate(chain.levels)]
    opened = len(chain.levels) > 1 or any(level.terms for level in chain.levels) or chain.positions
    return join(
        tag(
            "p",
            "The gradient of the loss by ",
            tag("strong", named(chain.weight)),
            _own_name(chain),
            ":",
            class_="lead",
        ),
        tag(
            "div",
            *cards,
            tag("span", "=", class_="sign"),
            result,
            class_="cards",
            tabindex="0",
            role="group",
            aria_label=chain.formula,
        ),
        tag("p", chain.words, class_="alert") if chain.words else None,
        facts([(name, value.replace("-", "−")) for name, value in three.items()], class_="facts strip"),
        _shares("position", chain.positions, "sum", chain.row_product) if chain.positions else None,
        _shares("row", chain.rows, chain.pooling, chain.product) if several else None,
        join(tag("h3", f"Deltas, layer by layer (row {chain.row}, along the strongest path)"), levels)
        if opened
        else None,
    )


def _own_name(chain: Chain) -> Html | None:
    return join(" (", named(chain.path), ")") if chain.path != chain.weight.partition("[")[0] else None


def _card(factor: Factor) -> Html:
    return tag(
        "div",
        tag("b", digits(factor.value)),
        tag("span", factor.formula, class_="formula"),
        tag("span", factor.what),
        class_="card",
    )


def _shares(what: str, shares: Sequence[Share], how: str, total: float) -> Html:
    few = shares if len(shares) <= PATHS + 4 else shares[:PATHS]
    rows: list[list[object]] = [
        [s.place.removeprefix(f"{what} "), digits(s.delta), digits(s.input), digits(s.product)] for s in few
    ]
    if len(few) < len(shares):
        rest = sum(share.product for share in shares[len(few) :])
        rows.append([f"{len(shares) - len(few):,} more", "", "", digits(rest)])
    rows.append([tag("strong", how), "", "", tag("strong", digits(total))])
    return join(
        tag("h3", f"What each {what} adds"),
        table(
            [what, "delta", "input", "delta × input"],
            rows,
            caption=f"What each {what} adds",
            right=(1, 2, 3),
            class_="narrow",
        ),
    )


def _level(level: Level, *, first: bool) -> Html:
    """Draw one delta: its slopes, and the paths out of the unit."""
    parts: list[object] = [join(digits(f.value), tag("span", f" {f.formula}", class_="muted")) for f in level.factors]
    if level.terms:
        parts.append(
            join(digits(level.total), tag("span", f" sum over {count(len(level.terms), 'path')}", class_="muted"))
        )
    signs: list[object] = [item for part in parts for item in (" × ", part)][1:]
    head = tag("summary", tag("strong", named(level.unit)), f" delta {digits(level.delta)} = ", *signs)
    if not level.terms:
        return tag("details", head, tag("p", "The path ends at the loss.", class_="note"), open=True, class_="level")
    few = level.terms if len(level.terms) <= PATHS + 2 else level.terms[:PATHS]
    rows: list[list[object]] = [
        [named(t.unit), t.by, digits(t.coefficient), digits(t.delta), digits(t.product)] for t in few
    ]
    if len(few) < len(level.terms):
        rest = sum(term.product for term in level.terms[len(few) :])
        rows.append([f"{len(level.terms) - len(few):,} more", "", "", "", digits(rest)])
    body = table(
        ["to", "by", "", "× delta", "="], rows, caption=f"Paths out of {level.unit}", right=(2, 3, 4), class_="narrow"
    )
    return tag("details", head, body, open=first or None, class_="level")


def _numbers(trace: TraceRecord) -> Html:
    rows = [row for layer in trace.layers for row in _layer(layer, trace)]
    return table(
        ["layer", "row", "values", "the loss's gradient by them", "formula", "derivative"],
        rows,
        caption="Every layer forward and backward",
    )


def _layer(layer: TracedLayer, trace: TraceRecord) -> Iterable[list[object]]:
    led = layer.outputs.ndim > 0 and len(layer.outputs) == len(trace.rows)
    lines = min(4, len(trace.rows)) if led else 1
    for i in range(lines):
        values = layer.outputs[i] if led else layer.outputs
        back = layer.gradients[i] if led and layer.gradients.size else layer.gradients
        first = i == 0
        name = (
            join(named(layer.name), tag("br"), tag("span", named(layer.path), class_="muted"))
            if first and not layer.path.isdigit() and layer.path
            else named(layer.name)
            if first
            else ""
        )
        number = trace.rows[i] if led and len(trace.rows) > 1 else ""
        yield [name, number, _few(values), _few(back), layer.formula if first else "", layer.slope if first else ""]


def _few(values: np.ndarray) -> str:
    flat = np.asarray(values, np.float64).reshape(-1)
    if flat.size <= FEW:
        return "  ".join(digits(value) for value in flat)
    finite = flat[np.isfinite(flat)]
    if not finite.size:
        return f"{flat.size} values"
    shown = "  ".join(digits(value) for value in flat[:3])
    return f"{shown} … {flat.size:,} from {finite.min():.3g} to {finite.max():.3g}".replace("-", "−")


def _update(trace: TraceRecord) -> Html:
    rows: list[list[object]] = []
    for parameter in trace.parameters:
        size = parameter.values.size
        few = size if size <= 12 else 3
        for place in range(few):
            index = tuple(int(i) for i in np.unravel_index(place, parameter.values.shape))
            name = f"{parameter.name}[{','.join(map(str, index))}]" if index else parameter.name
            numbers = (parameter.values[index], parameter.gradients[index], parameter.after[index])
            rows.append([named(name), *(digits(float(value)) for value in numbers)])
        if few < size:
            spans = [
                digits(float(np.abs(part).max())) for part in (parameter.values, parameter.gradients, parameter.after)
            ]
            rows.append([join(named(parameter.name), f": {size - few:,} more, sizes up to"), *spans])
    heads = ["weight", "value", "gradient", "after"]
    return join(
        tag("p", trace.update[:1].upper() + trace.update[1:], ".", class_="lead"),
        table(
            heads, rows, caption="Weights, their gradients, and after one update", right=(1, 2, 3), class_="narrow tall"
        ),
    )


def _descent(down: Descent) -> Html:
    """Draw the loss over the epochs, by its logarithm where it is positive, and name its ends."""
    losses = np.array([*down.losses, down.loss_after])
    logarithmic = bool((losses > 0).all())
    heights = np.log10(losses) if logarithmic else losses
    low, high = float(heights.min()), float(heights.max())
    spread = (high - low) or 1.0
    points = " ".join(
        f"{i * 700 / max(1, len(losses) - 1):.1f},{12 + 200 * (high - h) / spread:.1f}"
        for i, h in enumerate(heights.tolist())
    )
    curve = tag("polyline", points=points, class_="curve")
    image = tag(
        "svg", curve, viewBox="-4 0 708 224", role="img", aria_label="Loss over the epochs, falling", class_="descent"
    )
    numbers = {
        "First": f"{down.losses[0]:.8g}",
        f"In epoch {down.steps}": f"{down.losses[-1]:.8g}",
        "After it": f"{down.loss_after:.8g}",
        "Output": ", ".join(f"{value:.8g}" for value in down.output.reshape(-1)[:4]),
        "Gradients": f"{down.gradient}, parameters in {down.dtype}",
    }
    said = f"Loss over {count(down.steps, 'epoch')}, learning rate {down.lr:g}{', logarithmic' if logarithmic else ''}."
    return join(
        tag("figure", image, tag("figcaption", said)),
        facts([(k, v.replace("-", "−")) for k, v in numbers.items()], class_="facts strip"),
    )
