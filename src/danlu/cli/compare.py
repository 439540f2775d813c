"""`danlu compare`: what differs between models, and which is better, as far as that can be said."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from danlu.cli.fit import AsJson
from danlu.cli.options import StrictCommand
from danlu.core.paths import check_new_file

if TYPE_CHECKING:
    from danlu.core.compared import Comparison, Difference, Pair

app = typer.Typer(add_completion=False)

MOST_ROWS = 30
STYLES = {"better": "bold green", "worse": "yellow", "not comparable": "yellow"}


@app.command("compare", cls=StrictCommand, context_settings={"help_option_names": ["-h", "--help"]})
def compare_command(
    models: Annotated[list[str], typer.Argument(metavar="A B [C...]", help="Folders of models; A is compared with.")],
    *,
    output: Annotated[
        str | None, typer.Option("--output", "-o", metavar="FILE", help="A page, with the curves of all.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the page.")] = False,
    as_json: AsJson = False,
) -> None:
    """Say what differs between models: data, plan, score.

    Scores of the same rows are compared by a paired bootstrap: whether the difference is more than chance in the rows.
    """
    from danlu.cli.answer import print_json  # noqa: PLC0415
    from danlu.cli.terminal import err, out  # noqa: PLC0415

    if output is not None:
        check_new_file(Path(output), force=force)
    from danlu.workflow.compare import compare, write_comparison  # noqa: PLC0415  loads torch
    from danlu.workflow.model import load  # noqa: PLC0415

    loaded = [load(model) for model in models]
    found = compare(loaded, names=models)
    if output is not None:
        write_comparison(found, loaded, Path(output))
    if as_json:
        print_json(found.model_dump() | {"page": output})
        return
    print_comparison(out(), found)
    if output is not None:
        err().print(f"page {output}", soft_wrap=True)


def print_comparison(console: Console, found: Comparison) -> None:
    """Print the verdicts, and a table of each topic; what is the same in data and plan is left out."""
    for pair in found.pairs:
        print_pair(console, pair)
    if any(pair.difference is not None for pair in found.pairs):
        told = "The interval is of other rows. Training again moves a score as well: try other seeds."
        console.print(told, style="dim")
    names = [side.name for side in found.models]
    for topic, rows in (("score", found.score), ("data", found.data), ("plan", found.plan)):
        console.print()
        if not rows:
            console.print(Text(f"{topic}  ", "dim").append("nothing differs", "not dim"))
            continue
        console.print(differences_table(topic, rows[:MOST_ROWS], names, console.width))
        if len(rows) > MOST_ROWS:
            console.print(f"and {len(rows) - MOST_ROWS:,} more; --json and -o FILE.html have all", style="dim")


def print_pair(console: Console, pair: Pair) -> None:
    """Print which of two is better, the difference with its interval, and what is to be known of it."""
    from danlu.report.words import metric_name, metric_value, place_of  # noqa: PLC0415  loads numpy

    console.print(Text(pair.words, STYLES.get(pair.verdict, "bold")))
    if pair.difference is not None:
        place = place_of(pair.low, pair.high)
        values = [metric_value(pair.metric, v, place) for v in (pair.value, pair.other_value, pair.difference)]
        text = f"{metric_name(pair.metric)} {values[0]} and {values[1]}, difference {values[2]}"
        if pair.low is not None and pair.high is not None:
            ends = [metric_value(pair.metric, v, place) for v in (pair.low, pair.high)]
            text += f" (95% interval {ends[0]} to {ends[1]}, paired)"
        console.print(text)
    for note in pair.notes:
        console.print(note, style="dim")


def differences_table(title: str, rows: tuple[Difference, ...], names: list[str], width: int) -> Table:
    """Return what differs, a row each, a column a model; long values wrap."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column(title, max_width=max(16, width // 3), overflow="fold")
    for name in names:
        table.add_column(Text(name), overflow="fold")
    for row in rows:
        table.add_row(Text(row.name), *[Text(value) for value in row.values])
    return table
