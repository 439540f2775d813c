"""`danlu check`: what a table holds, and what of it would mislead, without training."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from danlu.cli.fit import AsJson, settings_of
from danlu.cli.options import READING, StrictCommand, given, with_settings
from danlu.core.addresses import masked
from danlu.core.paths import check_new_file
from danlu.core.plan import make_plan

if TYPE_CHECKING:
    from danlu.core.checked import Checked, CheckedColumn
    from danlu.core.plan import Plan

app = typer.Typer(add_completion=False)

SETTINGS = (
    *("target", "task", "drop", "kinds"),
    *READING,
    *("folds", "holdout", "fold_column", "group", "time", "weight", "loss"),
)
MOST_COLUMNS = 60
MOST_BAD = 10


@app.command("check", cls=StrictCommand, context_settings={"help_option_names": ["-h", "--help"]})
@with_settings(SETTINGS)
def check_command(
    data: Annotated[str, typer.Argument(metavar="DATA", help="A table (a file, - for standard input), or plan.toml.")],
    *,
    output: Annotated[
        str | None, typer.Option("--output", "-o", metavar="FILE", help="A page that says it all (FILE.html).")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the page.")] = False,
    as_json: AsJson = False,
    **settings: Any,
) -> None:
    """Say what a table holds, and what of it would mislead, without training.

    Rows, columns with their kinds, what is left out; with a target leaks and traps, too: danlu check houses.csv
    --target price
    """
    plan = make_plan(**settings_of(data, given(settings)))
    if output is not None:
        check_new_file(Path(output), force=force)
    from danlu.cli.answer import print_json  # noqa: PLC0415
    from danlu.cli.check_answer import check_answer  # noqa: PLC0415
    from danlu.cli.terminal import err, out  # noqa: PLC0415
    from danlu.workflow.check import check_table, write_check  # noqa: PLC0415  loads pyarrow

    found = check_table(plan.data or data, plan)
    if output is not None:
        write_check(found, Path(output))
    if as_json:
        print_json(check_answer(found, output))
    else:
        print_checked(out(), found, command(masked(plan.data or data), plan))
        if output is not None:
            err().print(f"page {output}", soft_wrap=True)
    if found.refused is not None:
        raise typer.Exit(found.refused.exit_code)


def command(data: str, plan: Plan) -> str:
    """Return how the fit is begun that was checked; without a target, how the rest is checked."""
    asked = "danlu fit" if plan.target else "danlu check"
    target = shlex.quote(",".join(plan.target)) if plan.target else "COLUMN"
    of = {"--table": plan.table, "--query": plan.query}
    where = "".join(f" {option} {shlex.quote(value)}" for option, value in of.items() if value is not None)
    return f"{asked} {shlex.quote(masked(data))}{where} --target {target}"


def print_checked(console: Console, found: Checked, next_command: str) -> None:
    """Print what was found: what would be learnt from, what was decided, what would mislead, and what is refused."""
    from danlu.cli.summary import line, print_finding  # noqa: PLC0415
    from danlu.cli.terminal import as_typed  # noqa: PLC0415
    from danlu.report.words import listed  # noqa: PLC0415

    console.print(_heading(found))
    for note in found.inferred:
        line(console, note.topic, as_typed(note.text))
    if found.left_out:
        line(console, "left out", listed([f"{column.name} ({column.reason})" for column in found.left_out], 12))
    if found.columns:
        console.print()
        console.print(columns_table(found.columns[:MOST_COLUMNS]))
        if len(found.columns) > MOST_COLUMNS:
            console.print(
                f"and {len(found.columns) - MOST_COLUMNS:,} more; --json and -o FILE.html have all", style="dim"
            )
    if found.classes:
        console.print()
        told = [f"{name} {rows:,}" for name, rows in zip(found.classes, found.class_rows, strict=True)]
        line(console, "classes", listed(told, 12))
    console.print()
    for finding in found.findings:
        print_finding(console, finding)
    for row in found.bad_rows[:MOST_BAD]:
        line(console, "bad row", f"line {row.line:,} {row.why}")
    if len(found.bad_rows) > MOST_BAD:
        line(console, "", f"and {len(found.bad_rows) - MOST_BAD:,} more; --json and -o FILE.html have all")
    _print_end(console, found, next_command)


def _heading(found: Checked) -> Text:
    """Return the table's name, how many rows would be learnt from, and what would be predicted."""
    from danlu.report.words import count, listed  # noqa: PLC0415

    heading = Text(Path(found.data).name, style="bold")
    if found.rows is None:
        return heading
    of = f" of {found.rows.read:,}" if found.rows.used < found.rows.read else ""
    if not found.target:
        return heading.append(f"  {count(found.rows.used, 'row')}, no target named", "not bold")
    task = count(len(found.classes), "class", "classes") if found.classes else "a number"
    target = listed(list(found.target), 3)
    return heading.append(f"  {found.rows.used:,}{of} rows, target {target} ({task})", "not bold")


def columns_table(columns: tuple[CheckedColumn, ...]) -> Table:
    """Return one line a column: name, kind, why, missing cells, an example."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("column", max_width=24, overflow="fold")
    table.add_column("kind", no_wrap=True)
    table.add_column("why", ratio=1, overflow="fold")
    table.add_column("missing", justify="right", no_wrap=True)
    table.add_column("e.g.", max_width=18, no_wrap=True, overflow="ellipsis")
    for column in columns:
        missing = f"{column.missing:,}" if column.missing else ""
        cells = (column.name, column.kind, column.why, missing, column.example)
        table.add_row(*[Text(cell) for cell in cells])
    return table


def _print_end(console: Console, found: Checked, next_command: str) -> None:
    """Print the refusal and its remedy, or that a fit can begin."""
    from danlu.cli.flags import as_flags, in_flags  # noqa: PLC0415
    from danlu.cli.summary import line  # noqa: PLC0415
    from danlu.core.errors import DataError  # noqa: PLC0415

    if found.refused is None and not found.target:
        line(console, "not checked", "what would mislead (leaks, twins, ...), folds and classes: these need a target")
        line(console, "next", Text(next_command, "cyan"))
        return
    if found.refused is None:
        quiet = "" if found.findings else "nothing that would mislead was found; "
        line(console, "next", Text(quiet).append(next_command, "cyan"))
        return
    refusal = found.refused
    error = as_flags(DataError(refusal.rule, refusal.fact, refusal.remedy))
    line(
        console,
        "refused",
        Text(f"{error.rule}, {error.fact}.", "bold red").append(f" {error.remedy}", "default not bold"),
    )
    if found.bad_rows:
        line(console, "", in_flags("skip_bad_rows=true").split()[0] + " leaves these rows out, counts and lists them.")
