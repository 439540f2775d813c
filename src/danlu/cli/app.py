"""The program `danlu`: its commands, each loaded only when it is called, and the one place where it ends."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from danlu._version import __version__

COMMANDS = {
    "demo": "Fit on the table that ships with Danlu: California house prices.",
    "check": "Say what a table holds, and what of it would mislead, without training.",
    "fit": "Learn from a table; save the model and a page that judges it.",
    "predict": "Predict the rows of a table with a saved model.",
    "score": "Judge a saved model on a table whose target is known.",
    "show": "Say what a saved model is and what it expects.",
    "report": "Write the page of a saved model again.",
    "watch": "Follow a run on a page in the browser.",
    "search": "Say what the searches of a study tried and learnt.",
    "compare": "Say what differs between models: data, plan, score.",
    "gradients": "Check the gradients of a module of yours, or of a saved model.",
    "trace": "Show every number of one step: forward, backward, update.",
    "minimize": "Minimise a function from many starts and with many optimizers at once.",
    "plot": "Draw activations, losses, schedules, ..., or what a model did.",
}
"""Each command lives in the module of its name, as a Typer called `app`, and is imported when it runs."""

EPILOG = "More: danlu COMMAND --help. Begin: danlu fit houses.csv --target price"


class LazyGroup(TyperGroup):
    """A group of commands that are imported when they run: listing them costs nothing."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002
        """Return the names of all commands, in the order of a first day with Danlu."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002
        """Return a light stand-in that only knows its one line of help."""
        return TyperCommand(cmd_name, help=COMMANDS[cmd_name]) if cmd_name in COMMANDS else None

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return the command itself, imported now."""
        self.commands = dict.fromkeys(COMMANDS, TyperCommand(None))  # what typing mistakes are compared with
        name, command, rest = super().resolve_command(ctx, args)
        if command is not None and name is not None:
            command = get_command(importlib.import_module(f"danlu.cli.{name}").app)
        return name, command, rest


app = typer.Typer(
    name="danlu",
    cls=LazyGroup,
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _say_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"danlu {__version__}")
        raise typer.Exit


@app.callback(epilog=EPILOG)
def _danlu(
    version: Annotated[
        bool, typer.Option("--version", callback=_say_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """From a table to a well-tuned, honestly judged neural network."""


def main(args: Sequence[str] | None = None) -> NoReturn:
    """Run `danlu` with the arguments of the process (or those given) and leave with its exit code."""
    words = list(sys.argv[1:] if args is None else args)
    from danlu.cli.ending import run  # noqa: PLC0415  what says errors is needed at the end only

    sys.exit(run(get_command(app), words))
