"""`danlu trace`: every number of one step of a network, and the chain rule for one of its weights."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from danlu.cli.fit import AsJson
from danlu.cli.options import READING, StrictCommand, given, reading, with_settings
from danlu.cli.predict import Net
from danlu.core.errors import PlanError
from danlu.core.paths import check_new_file

if TYPE_CHECKING:
    from danlu.workflow.trace import Trace

app = typer.Typer(add_completion=False)

EPILOG = "Lessons that ship with Danlu: three-sigmoids, three-sigmoids-biases. Begin: danlu trace three-sigmoids"


@app.command("trace", cls=StrictCommand, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@with_settings(READING)
def trace_command(  # noqa: PLR0913  an option each
    source: Annotated[
        str, typer.Argument(metavar="SOURCE", help="A lesson (name or TOML file), folder of a model, or FILE.py:CLASS.")
    ],
    data: Annotated[
        str | None, typer.Argument(metavar="[DATA]", help="Of a model: the table with the rows, or images.")
    ] = None,
    *,
    weight: Annotated[
        str | None,
        typer.Option("--weight", metavar="NAME[I,J]", help="Chain rule for a weight: layer1[0,0] (unit, input)."),
    ] = None,
    row: Annotated[str | None, typer.Option("--row", metavar="N", help="The row to trace, from 0.")] = None,
    rows: Annotated[
        str | None,
        typer.Option("--rows", metavar="A:B", help="Several rows: 0:4, or 0,5,9; by default 0:4 of a table."),
    ] = None,
    member: Annotated[int, typer.Option("--member", metavar="INT", help="Which network of a model, from 0.")] = 0,
    train: Annotated[
        bool, typer.Option("--train", help="As in a training step: batch norm by these rows, dropout drawn.")
    ] = False,
    inputs: Annotated[
        str | None, typer.Option("--input", metavar="N,N[;N,N]", help="Of a class: inputs; else random ones, said.")
    ] = None,
    target: Annotated[
        str | None, typer.Option("--target", metavar="N[;N]", help="Of a class: targets, a row each; else random ones.")
    ] = None,
    loss: Annotated[str | None, typer.Option("--loss", metavar="NAME", help="mse, cross-entropy, ...")] = None,
    lr: Annotated[
        float | None, typer.Option("--lr", metavar="NUM", help="Learning rate of a plain SGD update.")
    ] = None,
    steps: Annotated[
        int | None, typer.Option("--steps", metavar="INT", help="Steps of gradient descent, of a lesson or a class.")
    ] = None,
    gradient: Annotated[
        str | None,
        typer.Option("--gradient", metavar="HOW", help="Of the descent: exact, or forward-difference:0.0001."),
    ] = None,
    dtype: Annotated[
        str | None,
        typer.Option("--dtype", metavar="TYPE", help="Parameters of a lesson are kept in: float64, float32."),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", metavar="INT", help="Of what is random.")] = 0,
    net: Net = None,
    everything: Annotated[bool, typer.Option("--all", help="Every number, of large layers too.")] = False,
    output: Annotated[
        str | None, typer.Option("--output", "-o", metavar="PAGE.html", help="Write the page with the network drawn.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the page.")] = False,
    as_json: AsJson = False,
    **settings: Any,
) -> None:
    """Show every number of one step: forward, backward, update."""
    if output is not None:
        if Path(output).suffix.lower() != ".html":
            raise PlanError("the page's name must end in .html", f"got {output}", "Use -o trace.html.")
        check_new_file(Path(output), force=force)
    if row is not None and rows is not None:
        raise PlanError("`--row` and `--rows` say the same", "got both", "Leave one of them out.")
    asked = {"weight": weight, "rows": rows if row is None else row, "lr": lr, "loss": loss, "steps": steps}
    asked |= {"gradient": gradient, "dtype": dtype, "seed": seed, "member": member, "train": train or None, "net": net}
    found = _traced(source, data, _numbers(inputs, "--input"), _numbers(target, "--target"), asked, given(settings))
    if output is not None:
        found.page(output, force=force)
    if as_json:
        from danlu.cli.answer import print_json  # noqa: PLC0415
        from danlu.cli.trace_answer import trace_answer  # noqa: PLC0415

        print_json(trace_answer(found, everything=everything) | {"page": output})
        return
    from danlu.cli.terminal import err, out  # noqa: PLC0415
    from danlu.cli.trace_tables import print_trace  # noqa: PLC0415

    print_trace(out(), found, everything=everything)
    if output is not None:
        err().print(f"page: {output}", soft_wrap=True)


def _traced(source: str, data: str | None, x: Any, y: Any, asked: dict[str, Any], settings: dict[str, Any]) -> Trace:
    """Trace what SOURCE names; what does not belong to it is refused."""
    from danlu.workflow.trace import trace  # noqa: PLC0415  loads torch

    own = source.rpartition(":")[0].endswith(".py")
    if (x is not None or y is not None) and not own:
        raise PlanError("`--input` and `--target` are for FILE.py:CLASS", f"got {source}", "Leave them out.")
    if data is None:
        if settings:
            raise PlanError("how data are read needs data", "got none", "Name it after SOURCE.")
        return trace(source, x, y, **asked)
    from danlu.explanation.lesson import is_lesson  # noqa: PLC0415
    from danlu.workflow.model import load  # noqa: PLC0415

    if own or is_lesson(source):
        raise PlanError(
            "DATA belongs to a model", f"{source} is none", "Leave it out; a class takes --input and --target."
        )
    model = load(source, net=asked["net"])
    return trace(model, model.read(data, reading(settings, model.run.plan)), **asked)


def _numbers(text: str | None, option: str) -> Any:
    """Read rows of numbers; whole ones stay whole, and one a row makes a list of them.

    >>> _numbers("1,1;0,2.5", "--input"), _numbers("0;2", "--target")
    ([[1, 1], [0, 2.5]], [[0], [2]])
    """
    if text is None:
        return None
    try:
        rows = [[_number(part) for part in row.split(",")] for row in text.split(";")]
    except ValueError:
        raise PlanError(
            f"`{option}` must be numbers with commas, rows with ;", f"got {text}", "Write '1,1;0,2'."
        ) from None
    if len({len(each) for each in rows}) > 1:
        raise PlanError(f"`{option}` must have rows of one length", f"got {text}", "Write '1,1;0,2'.")
    return rows


def _number(text: str) -> float:
    return int(text) if text.strip().lstrip("+-").isdigit() else float(text)
