"""`danlu gradients`: whether the gradients of a module, or of a model's networks, are right."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from danlu.cli.fit import AsJson
from danlu.cli.options import READING, StrictCommand, given, with_settings
from danlu.cli.predict import Net
from danlu.core.addresses import masked
from danlu.core.plan import make_plan

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from danlu.explanation.gradients_records import GradientCheck, ParameterCheck

app = typer.Typer(add_completion=False)

FOUND = 1
"""Exit code where a gradient is wrong, or cannot be told."""
LONG = 18
"""Letters of a parameter's name beyond which its column gets more room."""
STYLES = {"right": "green", "kink": "yellow", "unsure": "yellow", "wrong": "bold red"}
OUTCOMES = {
    "right": "all gradients are right",
    "kink": "all gradients are right, some at a kink",
    "unsure": "not all gradients can be told",
    "wrong": "a gradient is wrong",
}


@app.command("gradients", cls=StrictCommand, context_settings={"help_option_names": ["-h", "--help"]})
@with_settings(("target", "loss", "seed", *READING))
def gradients_command(  # noqa: PLR0913  an option each
    module: Annotated[
        str, typer.Argument(metavar="MODULE|MODEL", help="FILE.py:CLASS of your own, or the folder of a model.")
    ],
    data: Annotated[
        str | None, typer.Argument(metavar="DATA", help="Table or images they are taken at; else random inputs.")
    ] = None,
    *,
    input_shape: Annotated[
        str | None, typer.Option("--input-shape", metavar="N,N", help="Shape of random inputs, rows first: 4,8.")
    ] = None,
    outputs: Annotated[
        int | None, typer.Option("--outputs", metavar="INT", help="That FILE.py:CLASS is called with; 3.")
    ] = None,
    member: Annotated[int, typer.Option("--member", metavar="INT", help="Which network of a model, from 0.")] = 0,
    most: Annotated[
        int | None,
        typer.Option("--most", metavar="INT", help="Entries of a parameter moved one by one: 100, of convolutions 3."),
    ] = None,
    tolerance: Annotated[
        float | None,
        typer.Option("--tolerance", metavar="NUM", help="Largest relative error that is right; 1e-6 in float64."),
    ] = None,
    net: Net = None,
    as_json: AsJson = False,
    **settings: Any,
) -> None:
    """Check the gradients of a module of yours, or of a saved model.

    Analytic gradients are compared with central finite differences, on a copy in float64.
    Leaves with exit code 1 where one is wrong, or cannot be told. Nothing is trained, and nothing is changed.
    """
    asked = given(settings)
    plan = make_plan(**asked)
    from danlu.cli.answer import print_json  # noqa: PLC0415
    from danlu.cli.memory import shape_of  # noqa: PLC0415
    from danlu.cli.terminal import out  # noqa: PLC0415
    from danlu.workflow.gradients import check_gradients  # noqa: PLC0415  loads torch

    table = {name: value for name, value in asked.items() if name not in ("loss", "seed")}
    check = check_gradients(
        module,
        data,
        loss=plan.loss,
        input_shape=shape_of(input_shape),
        outputs=outputs,
        member=member,
        net=net,
        tolerance=tolerance,
        most=most,
        seed=plan.seed,
        **table,
    )
    if as_json:
        print_json({"module": module, "data": data if data is None else masked(data)} | check.model_dump())
    else:
        print_check(out(), check)
    if not check.right:
        raise typer.Exit(FOUND)


def print_check(console: Console, check: GradientCheck) -> None:
    """Print the verdict, what it is about, a line a parameter, and in words what is wrong and where."""
    from rich.text import Text  # noqa: PLC0415

    from danlu.cli.summary import line  # noqa: PLC0415

    heading = Text(f"{check.name}  ", style="bold").append(OUTCOMES[check.verdict], STYLES[check.verdict])
    console.print(heading)
    line(console, "of", check.of)
    line(console, "at", check.inputs)
    line(console, "by", f"central differences in {check.dtype}; right up to a relative error of {check.tolerance:g}")
    if check.parameters:
        console.print()
        console.print(_table(check.parameters))
    said = [(fault.severity == "error", f"{fault.where}: {fault.text}") for fault in check.faults]
    described = [(each.verdict, f"{each.name}: {each.text}") for each in check.parameters if each.text]
    if described or said:
        console.print()
    for verdict, text in described:
        line(console, verdict, text, STYLES[verdict].replace("bold ", ""))
    for at_fault, text in said:
        line(console, "at fault" if at_fault else "note", text, "red" if at_fault else "")
    backward = any(fault.kind == "backward" for fault in check.faults)
    if backward and len([each for each in check.parameters if each.verdict == "wrong"]) > 1:
        console.print()
        line(console, "so", "A wrong backward pass spoils all gradients before it: begin with what is at fault.")


def _table(checks: tuple[ParameterCheck, ...]) -> Table:
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    long = max(len(check.name) for check in checks) > LONG
    table = Table(box=None, pad_edge=False, padding=(0, 2 if long else 3, 0, 0), header_style="dim")
    table.add_column("gradient by", overflow="fold")
    table.add_column("shape", overflow="fold")
    table.add_column("checked", justify="right", no_wrap=True)
    table.add_column("worst rel.\nerror" if long else "worst rel. error", justify="right", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    for check in checks:
        sampled = check.checked < check.size
        table.add_row(
            Text(check.name + (" (input)" if check.kind == "input" else "")),
            " x ".join(map(str, check.shape)) or "1",
            f"{check.checked:,} of {check.size:,}" if sampled else f"all {check.size:,}" if check.size > 1 else "1",
            "" if check.error is None else f"{check.error:.1e}",
            Text(check.verdict, STYLES[check.verdict]),
        )
    return table
