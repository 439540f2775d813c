"""A trace in the terminal: forward, backward, update, the chain rule, the descent; readable at 80 columns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np
from rich.console import Console
from rich.table import Table
from rich.text import Text

from danlu.cli.summary import line
from danlu.report.words import count

if TYPE_CHECKING:
    from danlu.explanation.trace_records import Chain, Descent, Level, Share, TracedParameter, TraceRecord

UNITS, ROWS, WEIGHTS, PATHS = 6, 4, 8, 4
"""What is printed of large layers: first units, rows, weights of a parameter, paths of a delta."""


def number(value: float) -> str:
    """Write a number with six significant digits.

    >>> number(0.1454785), number(-0.0), number(1.0)
    ('0.145479', '0', '1')
    """
    return f"{value + 0.0:.6g}".replace("-", "−") if value else "0"


def print_trace(console: Console, trace: TraceRecord, *, everything: bool = False) -> None:
    """Print what was traced, the step number by number, and what was asked of it."""
    heading = Text(trace.source, style="bold").append(f"  loss {number(trace.loss)}", "bold cyan")
    console.print(heading.append(f" = {_loss(trace)}", "not bold dim"))
    if trace.about:
        line(console, "what", trace.about)
    shown = ", ".join(map(str, trace.rows[:12])) + (", ..." if len(trace.rows) > 12 else "")
    rows = f"{count(len(trace.rows), 'row')}: {shown}"
    line(console, "rows", rows if trace.rows != (0,) else "1 row")
    if any(layer.kind.startswith(("BatchNorm", "Dropout")) for layer in trace.layers):
        line(console, "mode", trace.mode)
    for note in trace.notes:
        line(console, "note", note)
    _step(console, trace, everything)
    if trace.chain is not None:
        print_chain(console, trace.chain, everything=everything)
    if trace.descent is not None:
        _descent(console, trace.descent, everything)


def _loss(trace: TraceRecord) -> str:
    pooled = "" if len(trace.rows) == 1 else f", mean over {len(trace.rows)} rows"
    return f"{trace.loss_formula}{pooled}" if trace.loss_formula != trace.loss_name else trace.loss_name


def _step(console: Console, trace: TraceRecord, everything: bool) -> None:
    """Print values forward, gradients backward, and the update."""
    small = everything or all(_small(layer.outputs, trace) for layer in trace.layers)
    _title(console, "forward", "weighted sums, activations, output")
    console.print(_listed(trace, everything, forward=True) if small else _summary(trace, forward=True))
    _title(console, "backward", "the loss's gradient by each value")
    console.print(_listed(trace, everything, forward=False) if small else _summary(trace, forward=False))
    if not trace.parameters:
        return
    _title(console, "update", trace.update)
    table = _table("weight", "value", "gradient", "after", right=(1, 2, 3))
    for parameter in trace.parameters:
        for cells in _parameter_lines(parameter, everything):
            table.add_row(*cells)
    console.print(table)


def _small(values: np.ndarray, trace: TraceRecord) -> bool:
    return values.size <= UNITS * min(ROWS, len(trace.rows)) or values.size == len(trace.rows)


def _listed(trace: TraceRecord, everything: bool, *, forward: bool) -> Table:
    """Return every number of every layer, a line a row."""
    words = ("values", "formula") if forward else ("gradients", "its derivative")
    table = _table("layer", "row" if len(trace.rows) > 1 else "", *words)
    for layer in trace.layers if forward else reversed(trace.layers):
        values, formula = (layer.outputs, layer.formula) if forward else (layer.gradients, layer.slope)
        if values.size:
            for i, (row, text) in enumerate(_rows(values, trace, everything)):
                table.add_row(Text("" if i else layer.name), row, text, Text("" if i else formula, "dim"))
    if forward and trace.target is not None:
        for i, (row, text) in enumerate(_rows(trace.target, trace, everything)):
            table.add_row(Text("" if i else "target", "dim"), row, text, "")
    return table


def _summary(trace: TraceRecord, *, forward: bool) -> Table:
    """Return a line a layer: its size, its first units in the first row, and least, mean and greatest of all."""
    table = _table("layer", "size", "first", "second", "least", "mean", "greatest", right=range(1, 7))
    kept = [layer for layer in trace.layers if forward or layer.gradients.size]
    pairs = [
        (layer.name, layer.outputs if forward else layer.gradients) for layer in (kept if forward else reversed(kept))
    ]
    if forward and trace.target is not None:
        pairs.append(("target", trace.target))
    for name, values in pairs:
        flat = np.asarray(values, np.float64).reshape(-1)
        led = len(values) == len(trace.rows) and len(trace.rows) > 1
        units = " × ".join(map(str, values.shape[1:])) or "1"
        one = [*flat[:2].tolist()] if flat.size // (len(values) if led else 1) > 1 else [float(flat[0])]
        finite = flat[np.isfinite(flat)]
        whole = [finite.min(), finite.mean(), finite.max()] if finite.size and flat.size > 1 else []
        cells = [_brief(value) for value in one] + [""] * (2 - len(one)) + [_brief(value) for value in whole]
        table.add_row(Text(name), units, *cells)
    return table


def _brief(value: float) -> str:
    return f"{value + 0.0:.3g}".replace("-", "−").replace("nan", "missing") if value else "0"


def _rows(values: np.ndarray, trace: TraceRecord, everything: bool) -> Iterator[tuple[str, Text]]:
    """Yield (row, its numbers), of the first rows where there are many."""
    led = values.ndim > 0 and len(values) == len(trace.rows)
    flat = values.reshape(len(values), -1) if led else values.reshape(1, -1)
    single = len(trace.rows) == 1 or not led
    shown = flat if everything or len(flat) <= ROWS + 1 else flat[:ROWS]
    for i, row in enumerate(shown):
        yield ("" if single else str(trace.rows[i]), Text("  ".join(number(value) for value in row)))
    if len(shown) < len(flat):
        yield "", Text(f"and {len(flat) - len(shown)} rows more", "dim")


def _parameter_lines(parameter: TracedParameter, everything: bool) -> Iterator[tuple[Text | str, ...]]:
    """Yield the first weights of a parameter, and what the rest amounts to."""
    size = parameter.values.size
    few = size if everything or size <= WEIGHTS else 2
    for index in (
        list(np.ndindex(parameter.values.shape))[:few] if size < 100_000 or everything else _first(parameter, few)
    ):
        name = f"{parameter.name}[{','.join(map(str, index))}]" if index else parameter.name
        values = (parameter.values[index], parameter.gradients[index], parameter.after[index])
        yield (Text(name), *(number(float(value)) for value in values))
    if few < size:
        spans = [_span(values) for values in (parameter.values, parameter.gradients, parameter.after)]
        yield (Text(f"  and {size - few:,} more, sizes up to", "dim"), *spans)


def _first(parameter: TracedParameter, few: int) -> list[tuple[int, ...]]:
    return [tuple(int(i) for i in np.unravel_index(place, parameter.values.shape)) for place in range(few)]


def _span(values: np.ndarray) -> str:
    return number(float(np.abs(values).max()))


def print_chain(console: Console, chain: Chain, *, everything: bool = False) -> None:
    """Print the chain rule for a weight, factor by factor, and its product beside two other ways to it."""
    _title(console, "chain rule", f"for {chain.weight} = {number(chain.value)}")
    if chain.path and not chain.weight.startswith(chain.path):
        line(console, "its name", chain.path)
    several = len(chain.rows) > 1
    line(console, "gradient", f"{chain.formula}{f', {chain.pooling} over {len(chain.rows)} rows' if several else ''}")
    table = _table("factor", "formula", f"row {chain.row}" if several else "number", right=(2,))
    for factor in chain.factors:
        table.add_row(Text(factor.what), Text(factor.formula, "dim"), number(factor.value))
    table.add_row(Text("product", "bold"), "", Text(number(chain.row_product), "bold"))
    console.print(table)
    if chain.positions:
        _shares(console, "position", chain.positions, chain.row_product, "sum", everything)
    if several:
        _shares(console, "row", chain.rows, chain.product, chain.pooling, everything)
    if len(chain.levels) > 1 or chain.positions or (chain.levels and chain.levels[0].terms):
        _title(console, "deltas", f"layer by layer, row {chain.row}, along the strongest path")
        for level in chain.levels:
            _level(console, level, everything)
    console.print()
    grid = _table("the gradient three ways", "", right=(1,))
    difference = f"central difference, step {chain.step:.2g}"
    for name, value in (("chain rule", chain.product), ("autograd", chain.autograd), (difference, chain.difference)):
        grid.add_row(name, f"{value:.12g}".replace("-", "−"))
    console.print(grid)
    if chain.words:
        line(console, "note", chain.words, "yellow")


def _shares(console: Console, what: str, shares: tuple[Share, ...], total: float, how: str, everything: bool) -> None:
    table = _table(what, "delta", "input", "delta × input", right=(1, 2, 3))
    few = shares if everything or len(shares) <= PATHS + 4 else shares[:PATHS]
    for share in few:
        cells = ("" if value is None else number(value) for value in (share.delta, share.input, share.product))
        table.add_row(share.place.removeprefix(f"{what} "), *cells)
    if len(few) < len(shares):
        rest = sum(share.product for share in shares[len(few) :])
        table.add_row(Text(f"{len(shares) - len(few):,} more", "dim"), "", "", number(rest))
    table.add_row(Text(how, "bold"), "", "", Text(number(total), "bold"))
    console.print()
    console.print(table)


def _level(console: Console, level: Level, everything: bool) -> None:
    """Print one delta: its slopes, and the paths out of the unit with the strongest first."""
    parts = [f"{number(f.value)} [{f.formula}]" for f in level.factors]
    if level.terms:
        parts.append(f"{number(level.total)} [sum over {count(len(level.terms), 'path')}]")
    head = Text(level.unit, "bold").append(f"  delta {number(level.delta)} = ", "not bold")
    console.print()
    console.print(head.append(" × ".join(parts), "not bold"))
    if not level.terms:
        return
    table = _table("  to", "by", "", "× delta", "=", right=(2, 3, 4))
    few = level.terms if everything or len(level.terms) <= PATHS + 1 else level.terms[:PATHS]
    for term in few:
        by = term.by.partition(" ")[0] if term.by.startswith("weight") else term.by
        table.add_row(
            f"  {term.unit}", Text(by, "dim"), number(term.coefficient), number(term.delta), number(term.product)
        )
    if len(few) < len(level.terms):
        rest = sum(term.product for term in level.terms[len(few) :])
        table.add_row(Text(f"  {len(level.terms) - len(few):,} more", "dim"), "", "", "", number(rest))
    console.print(table)


def _descent(console: Console, down: Descent, everything: bool) -> None:
    _title(
        console,
        "descent",
        f"{count(down.steps, 'step')}, learning rate {down.lr:g}, gradient {down.gradient}, {down.dtype}",
    )
    table = _table("epoch", "loss before its update", right=(1,))
    few = range(down.steps) if everything or down.steps <= 8 else _spread(down.steps)
    for epoch in few:
        table.add_row(str(epoch + 1), f"{down.losses[epoch]:.8g}")
    table.add_row(Text("after", "bold"), Text(f"{down.loss_after:.8g}", "bold"))
    console.print(table)
    line(console, "output", "  ".join(f"{value:.8g}".replace("-", "−") for value in down.output.reshape(-1)[:8]))


def _spread(steps: int) -> list[int]:
    """Return a few epochs: the first, the last, and some between by their logarithm.

    >>> _spread(100)
    [0, 1, 3, 6, 13, 26, 51, 99]
    """
    places = np.unique(np.round(np.geomspace(1, steps + 1, 8)).astype(int)) - 1
    return sorted({0, 1, *(int(p) for p in places if p < steps), steps - 1})


def _title(console: Console, word: str, about: str) -> None:
    console.print()
    console.print(Text(word, "bold").append(f"  {about}", "not bold dim"))


def _table(*heads: str, right: Iterable[int] = ()) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for i, head in enumerate(heads):
        table.add_column(head, justify="right" if i in right else "left", overflow="fold")
    return table
