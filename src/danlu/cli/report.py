"""`danlu report`: the page of a saved model, written again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from danlu.cli.fit import AsJson, page_of
from danlu.cli.options import StrictCommand
from danlu.cli.predict import Model
from danlu.core.errors import PlanError

app = typer.Typer(add_completion=False)


@app.command("report", cls=StrictCommand, context_settings={"help_option_names": ["-h", "--help"]})
def report_command(
    model: Model,
    *,
    output: Annotated[
        str | None, typer.Option("--output", "-o", metavar="FILE", help="The page (NAME.html beside the model).")
    ] = None,
    tensorboard: Annotated[
        str | None, typer.Option("--tensorboard", metavar="DIR", help="Write event files for TensorBoard instead.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace what is there.")] = False,
    as_json: AsJson = False,
) -> None:
    """Write the page of a saved model again.

    With --tensorboard: its curves as event files instead.
    """
    from danlu.cli.answer import print_json  # noqa: PLC0415
    from danlu.workflow.model import load  # noqa: PLC0415  loads torch

    if tensorboard is not None:
        if output is not None:
            raise PlanError("`--tensorboard` takes the folder itself", "got -o too", "Leave -o out.")
        from danlu.workflow.history import check_tensorboard, write_tensorboard  # noqa: PLC0415

        check_tensorboard()
        loaded = load(model)
        written = write_tensorboard(loaded.run, loaded.arrays, Path(tensorboard), force=force)
        if as_json:
            print_json({"model": model, "tensorboard": [str(folder) for folder in written]})
        else:
            typer.echo(written[-1].parent)
        return
    page = Path(output) if output else page_of(Path(model))
    load(model).report(page, force=force)
    if as_json:
        print_json({"model": model, "page": str(page)})
    else:
        typer.echo(page)
