"""`danlu show`: what a saved model is, and what it expects of a table."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from danlu.cli.fit import AsJson
from danlu.cli.options import StrictCommand
from danlu.cli.predict import Model, Net
from danlu.core.errors import PlanError
from danlu.core.records import ColumnSchema, Run

app = typer.Typer(add_completion=False)


@app.command("show", cls=StrictCommand, context_settings={"help_option_names": ["-h", "--help"]})
def show_command(
    model: Model,
    *,
    plan: Annotated[bool, typer.Option("--plan", help="Print the plan as TOML, for `danlu fit plan.toml`.")] = False,
    net: Net = None,
    as_json: AsJson = False,
) -> None:
    """Say what a saved model is and what it expects."""
    from danlu.cli.answer import print_json  # noqa: PLC0415
    from danlu.cli.terminal import out  # noqa: PLC0415

    if plan and as_json:
        raise PlanError(
            "`--plan` prints TOML", "got --json too", "Leave one of them out: --json holds the plan as well."
        )
    from danlu.workflow.model import load  # noqa: PLC0415  loads torch

    run = load(model, net=net).run
    if plan:
        from danlu.cli.planfile import write_plan  # noqa: PLC0415

        typer.echo(write_plan(run.plan, run.resolved), nl=False)
    elif as_json:
        print_json({"model": model} | run.model_dump())
    else:
        print_model(out(), run)


def print_model(console: Console, run: Run) -> None:
    """Print what the model is, the columns it expects, its score, and how it was made."""
    from danlu.cli.summary import line, print_scores  # noqa: PLC0415  loads the judging package
    from danlu.report.words import count, duration, listed  # noqa: PLC0415  loads numpy

    target = run.table.target
    task = f"{target.task} of {listed(list(target.names))}"
    if target.classes:
        task += f": {listed(list(target.classes))}"
    console.print(run.name, style="bold")
    line(console, "task", task)
    line(console, "networks", networks_in_words(run))
    line(console, "learnt from", f"{run.source}, {count(run.rows.used, 'row')}")
    took = duration(run.seconds.get("total"))
    when = run.created.replace("T", " ").replace("+00:00", " UTC")
    line(console, "made", f"{when}, in {took}, by Danlu {run.version} on {run.machine.get('device', '?')}")
    line(console, "judged by", run.folds)
    print_scores(console, run)
    console.print()
    console.print(columns_table(run.table.columns))
    if run.table.left_out:
        line(console, "left out", listed([f"{column.name} ({column.reason})" for column in run.table.left_out]))


def networks_in_words(run: Run) -> str:
    """Return the networks in one line: how many, of what shape."""
    from danlu.report.words import count  # noqa: PLC0415  loads numpy

    spec = run.network
    how = "refitted on all rows" if run.refitted else "one of each fold"
    shape = f"hidden {'-'.join(map(str, spec.hidden))}, {spec.activation}" if spec.hidden else "linear"
    if len(spec.hidden) > 4 and len(set(spec.hidden)) == 1:
        shape = f"hidden {spec.hidden[0]}x{len(spec.hidden)}, {spec.activation}"
    if spec.module is not None:
        shape = f"{spec.module.name}, a class of your own (danlu predict and score need --net FILE.py:CLASS)"
    networks = count(run.refitted or len(run.shipped), "network")
    return f"{networks} ({how}), {shape}, {count(run.parameters, 'parameter')} each"


def columns_table(columns: tuple[ColumnSchema, ...]) -> Table:
    """Return the columns the model expects: kind, range or levels, cells missing."""
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="dim")
    table.add_column("expects", overflow="fold")
    table.add_column("kind", no_wrap=True)
    table.add_column("seen in training", overflow="fold")
    table.add_column("missing", justify="right")
    for column in columns:
        table.add_row(
            Text(column.name), column.kind, Text(seen(column)), f"{column.missing:,}" if column.missing else ""
        )
    return table


def seen(column: ColumnSchema) -> str:
    """Return the range of a number or date, or the levels of a category.

    >>> seen(ColumnSchema(name="age", kind="number", low=1.0, high=52.0))
    '1 to 52'
    >>> seen(ColumnSchema(name="sea", kind="category", levels=("INLAND", "NEAR BAY")))
    'INLAND, NEAR BAY'
    """
    from danlu.report.words import listed, moment, number  # noqa: PLC0415  loads numpy

    if column.levels:
        return listed(list(column.levels))
    if column.low is None or column.high is None:
        return ""
    write = moment if column.kind == "date" else number
    return f"{write(column.low)} to {write(column.high)}"
