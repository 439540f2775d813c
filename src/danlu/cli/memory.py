"""What `danlu show --memory` prints: bytes by layer, training against prediction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from danlu.core.errors import PlanError

if TYPE_CHECKING:
    from danlu.explanation.footprint import Footprint

UNITS = (("bytes", 1), ("kB", 1_000), ("MB", 1_000_000), ("GB", 1_000_000_000))
WIDEST = 100_000_000
"""Nine digits and two commas fill a column of the table at 80 columns; larger totals are in the next unit."""


def shape_of(text: str | None) -> tuple[int, ...] | None:
    """Read the shape of a batch.

    Raises:
        PlanError: it is none.

    >>> shape_of("256,784"), shape_of("32x1x28x28")
    ((256, 784), (32, 1, 28, 28))
    """
    if text is None:
        return None
    try:
        return tuple(int(part) for part in text.lower().replace("x", ",").split(","))
    except ValueError:
        rule = "`--input-shape` must be whole numbers with commas, rows first"
        raise PlanError(rule, f"got {text!r}", "Use --input-shape 256,784.") from None


def rows_of(text: Any) -> int | None:
    """Read the rows of a batch; None where none are named.

    Raises:
        PlanError: it is no number above 0.

    >>> rows_of("256"), rows_of(None)
    (256, None)
    """
    from danlu.core.plan import make_plan  # noqa: PLC0415  pydantic

    size = None if text is None else make_plan(batch_size=text).batch_size
    if size == "all":
        raise PlanError("`--batch-size` must be a number here", "got all", "Name the rows of a batch.")
    return size


def print_footprint(console: Console, found: Footprint) -> None:
    """Print the table by layer, the totals of a training step and of a prediction, and why they differ."""
    from danlu.cli.summary import line  # noqa: PLC0415  loads the judging package
    from danlu.report.words import count  # noqa: PLC0415  loads numpy

    training, prediction = found.training, found.prediction
    unit, factor = next(each for each in UNITS if training["total"] < WIDEST * each[1] or each == UNITS[-1])
    batches = f"  one network, batches of {count(found.rows - found.padding, 'row')}"
    batches += f", filled up to {found.rows:,}" if found.padding else ""
    console.print(Text(found.network, "bold").append(batches, "not bold"))
    console.print()
    console.print(layers_table(found, unit, factor))
    console.print()
    line(console, "training", _sum(training, unit, factor))
    line(console, "prediction", _sum(prediction, unit, factor) + " at most at once")
    keep = "keep" if found.by.endswith("s") else "keeps"
    line(console, "kept", f"{found.by} {keep} {_whole(found.kept, factor)} {unit} for the way back, with the batch")
    if found.networks > 1:
        all_of_them = (
            f"{_whole(found.networks * training['total'], factor)} {unit} to train all {found.networks} at once"
        )
        line(console, "population", all_of_them)
    line(console, "so", found.words)


def layers_table(found: Footprint, unit: str, factor: int) -> Table:
    """Return the table: one row a layer, and the sums."""
    table = Table(
        box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="dim", show_footer=True, footer_style="bold"
    )
    table.add_column(unit, "sum", overflow="fold", min_width=12, max_width=22)
    heads = {
        "parameters": "parameters",
        "activations": "values\nkept",
        "prediction": "values\npredicting",
        "gradients": "gradients",
        "optimizer": found.optimizer,
    }
    for part, head in heads.items():
        table.add_column(head, _whole(found.total(part), factor), justify="right", no_wrap=True)
    if found.inputs:
        same = _whole(found.inputs, factor)
        table.add_row("the batch", "", same, same, "", "")
    for layer in found.layers:
        name = Text(layer.name)
        if layer.kind and layer.kind != layer.name:
            name.append(f" {layer.kind}", "dim")
        values = [getattr(layer, part) for part in heads]
        table.add_row(name, *(_whole(value, factor) if value else "" for value in values))
    return table


def _sum(parts: dict[str, int], unit: str, factor: int) -> str:
    """Return "1,000 bytes: parameters 400, inputs 600"."""
    named = {"inputs": "batch", "activations": "values"}
    each = ", ".join(f"{named.get(k, k)} {_whole(v, factor)}" for k, v in parts.items() if v and k != "total")
    return f"{_whole(parts['total'], factor)} {unit}: {each}"


def _whole(value: int, factor: int) -> str:
    """Return bytes in a unit, whole: what is there is at least 1."""
    return f"{max(round(value / factor), min(value, 1)):,}"
