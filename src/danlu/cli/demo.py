"""`danlu demo`: a first look, on the table that ships with Danlu."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from danlu.cli.fit import AsJson, Output, Page, Quiet, Watched, carry_out
from danlu.cli.following import OnProgress, Stop
from danlu.cli.options import StrictCommand

if TYPE_CHECKING:
    from danlu.workflow.model import Model

app = typer.Typer(add_completion=False)


@app.command("demo", cls=StrictCommand, context_settings={"help_option_names": ["-h", "--help"]})
def demo_command(
    *,
    output: Output = None,
    page: Page = True,
    as_json: AsJson = False,
    quiet: Quiet = False,
    watch: Watched = False,
) -> None:
    """Fit on the table that ships with Danlu: California house prices.

    Four rows of five are learnt from; the others are the test. Replaces what an earlier demo left.
    """
    place = Path(output) if output else Path("california.danlu")

    def work(on_progress: OnProgress, stop: Stop) -> Model:
        from danlu.workflow.demo import demo  # noqa: PLC0415  loads torch

        return demo(on_progress=on_progress, stop=stop)

    carry_out(work, place, page=page, force=output is None, as_json=as_json, quiet=quiet, watch=watch)
