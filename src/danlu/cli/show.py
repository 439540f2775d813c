"""`danlu show`: what a saved model is, what it expects of a table, and what it takes of memory."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from danlu.cli.fit import AsJson
from danlu.cli.flags import flag
from danlu.cli.options import StrictCommand, given, with_settings
from danlu.cli.predict import Net
from danlu.core.errors import PlanError
from danlu.core.paths import check_new_file
from danlu.core.plan import make_plan
from danlu.core.records import ColumnSchema, Run

if TYPE_CHECKING:
    from danlu.workflow.model import Model as LoadedModel

app = typer.Typer(add_completion=False)


Shown = Annotated[
    str, typer.Argument(metavar="MODEL", help="Folder of a model (NAME.danlu); with --memory also FILE.py:CLASS.")
]
PANEL = "Memory"


@app.command("show", cls=StrictCommand, context_settings={"help_option_names": ["-h", "--help"]})
@with_settings(("batch_size", "optimizer"))
def show_command(
    model: Shown,
    *,
    plan: Annotated[bool, typer.Option("--plan", help="Print the plan as TOML, for `danlu fit plan.toml`.")] = False,
    memory: Annotated[
        bool, typer.Option("--memory", help="Bytes by layer, training against prediction.", rich_help_panel=PANEL)
    ] = False,
    input_shape: Annotated[
        str | None,
        typer.Option("--input-shape", metavar="ROWS,N", help="Of a batch, for FILE.py:CLASS.", rich_help_panel=PANEL),
    ] = None,
    outputs: Annotated[
        int | None, typer.Option("--outputs", help="That FILE.py:CLASS is called with; 1.", rich_help_panel=PANEL)
    ] = None,
    history: Annotated[
        str | None,
        typer.Option("--history", metavar="FILE", help="Write all curves as one table: .parquet or .csv."),
    ] = None,
    net: Net = None,
    as_json: AsJson = False,
    **settings: Any,
) -> None:
    """Say what a saved model is and what it expects.

    With --memory: what it takes of memory, layer by layer, to train and to predict; also of a class before any fit.
    """
    from danlu.cli.answer import print_json  # noqa: PLC0415
    from danlu.cli.terminal import out  # noqa: PLC0415

    asked = given(settings | {"input_shape": input_shape, "outputs": outputs})
    check_asked(model, plan=plan, memory=memory, as_json=as_json, asked=list(asked))
    if history is not None:
        check_history(Path(history), alone=not (plan or memory))
    if memory:
        from danlu.cli.memory import print_footprint, rows_of, shape_of  # noqa: PLC0415
        from danlu.workflow.footprint import footprint  # noqa: PLC0415  loads torch

        found = footprint(
            model if is_class(model) else load_model(model, net),
            input_shape=shape_of(input_shape),
            batch_size=rows_of(settings.get("batch_size")),
            optimizer=make_plan(**given({"optimizer": settings.get("optimizer")})).optimizer,
            outputs=outputs or 1,
        )
        if as_json:
            print_json({"model": model} | found.record())
        else:
            print_footprint(out(), found)
        return
    loaded = load_model(model, net)
    run = loaded.run
    if history is not None:
        from danlu.workflow.history import write_history  # noqa: PLC0415  loads pyarrow

        rows = write_history(run, loaded.arrays, Path(history))
        print_json({"model": model, "history": history, "rows": rows}) if as_json else typer.echo(history)
    elif plan:
        from danlu.cli.planfile import write_plan  # noqa: PLC0415

        typer.echo(write_plan(run.plan, run.resolved), nl=False)
    elif as_json:
        print_json({"model": model} | run.model_dump())
    else:
        print_model(out(), run)


def is_class(model: str) -> bool:
    """Return whether a class is named, not the folder of a model.

    >>> is_class("nets/wide.py:Wide"), is_class("houses.danlu")
    (True, False)
    """
    return ".py:" in model


def check_asked(model: str, *, plan: bool, memory: bool, as_json: bool, asked: list[str]) -> None:
    """Refuse options that say nothing together.

    Raises:
        PlanError: there are such.
    """
    if plan and as_json:
        raise PlanError(
            "`--plan` prints TOML", "got --json too", "Leave one of them out: --json holds the plan as well."
        )
    if plan and memory:
        raise PlanError("`--plan` and `--memory` print different things", "got both", "Leave one of them out.")
    if asked and not memory:
        raise PlanError(
            f"`{flag(asked[0])}` says something of memory", "got it alone", "Add --memory, or leave it out."
        )
    if is_class(model) and not memory:
        raise PlanError("a model must be a folder", f"got the class {model}", "Add --memory for what it takes.")


def check_history(path: Path, *, alone: bool) -> None:
    """Refuse a file that cannot be written, and options beside it that print something else.

    Raises:
        PlanError: there are such options.
        OutputError: the file is there already, or its folder is not.
    """
    if not alone:
        raise PlanError("`--history` writes a file", "got --plan or --memory too", "Leave one of them out.")
    check_new_file(path)


def load_model(model: str, net: str | None) -> LoadedModel:
    """Return a saved model."""
    from danlu.workflow.model import load  # noqa: PLC0415  loads torch

    return load(model, net=net)


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
    if run.table.image is not None:
        from danlu.report.words import image  # noqa: PLC0415  loads numpy

        rule = f", others by the rule {run.table.image.resize}" if run.table.image.resize else ""
        line(console, "expects", f"images of {image(run.table.image)}{rule}")
        return
    console.print(columns_table(run.table.columns))
    if run.table.left_out:
        line(console, "left out", listed([f"{column.name} ({column.reason})" for column in run.table.left_out]))


def networks_in_words(run: Run) -> str:
    """Return the networks in one line: how many, of what shape."""
    from danlu.report.words import convolutions, count  # noqa: PLC0415  loads numpy

    spec = run.network
    how = "refitted on all rows" if run.refitted else "one of each seed" if run.resolved.holdout else "one of each fold"
    shape = f"hidden {'-'.join(map(str, spec.hidden))}, {spec.activation}" if spec.hidden else "linear"
    if len(spec.hidden) > 4 and len(set(spec.hidden)) == 1:
        shape = f"hidden {spec.hidden[0]}x{len(spec.hidden)}, {spec.activation}"
    if spec.conv is not None:
        shape = convolutions(spec) + (f", {shape}" if spec.hidden else f", {spec.activation}")
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
