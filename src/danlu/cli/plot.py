"""`danlu plot KIND`: a picture as a file or a page, or its numbers.

Every kind of `danlu.plot` is a command here, made from the signature of its function when it is asked for.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from danlu.cli.flags import flag
from danlu.cli.options import StrictCommand
from danlu.core.errors import DanluError, PlanError, nearest
from danlu.workflow.plot import KINDS, function_of

HELP = {"help_option_names": ["-h", "--help"]}


class Kinds(TyperGroup):
    """One command for each kind of picture, made when it runs."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002
        """Return the names of all kinds."""
        return list(KINDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002
        """Return a light stand-in that only knows its one line of help."""
        return TyperCommand(cmd_name, help=KINDS[cmd_name].about) if cmd_name in KINDS else None

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:  # noqa: ARG002
        """Return the command of a kind.

        Raises:
            PlanError: there is no such kind.
        """
        name, *rest = args
        if name not in KINDS:
            raise PlanError("KIND must be a picture that Danlu knows", f"got {name}", nearest(name, KINDS))
        return name, command_of(name), rest


app = typer.Typer(
    name="plot",
    cls=Kinds,
    add_completion=False,
    no_args_is_help=True,
    subcommand_metavar="KIND ...",
    context_settings=HELP,
)


@app.callback(epilog="More: danlu plot KIND --help. A file's ending says how it is written: svg, png, pdf or html.")
def _plot() -> None:
    """Draw activations, losses, schedules, ..., or what a model did.

    A picture (SVG, PNG, PDF), a page, or with --json the numbers behind it.
    """


Output = Annotated[
    str | None,
    typer.Option("--output", "-o", metavar="FILE", help=".svg, .png, .pdf or .html; KIND.svg where none is named."),
]
Force = Annotated[bool, typer.Option("--force", help="Replace the file.")]
AsJson = Annotated[
    bool, typer.Option("--json", help="Print the numbers as one JSON object; a file is written only with -o.")
]


def command_of(kind: str) -> Any:
    """Return the command of a kind: its function's parameters, and where the picture goes."""
    make = function_of(kind)
    own = inspect.signature(make, eval_str=True).parameters.values()

    def run(*, output: str | None, force: bool, as_json: bool, **given: Any) -> None:
        draw(kind, make, given, (output, force, as_json))

    shared = {"output": (Output, None), "force": (Force, False), "as_json": (AsJson, False)}
    parameters = [_parameter(parameter) for parameter in own]
    parameters += [_keyword(name, annotation, default) for name, (annotation, default) in shared.items()]
    run.__signature__ = inspect.Signature(parameters)  # pyrefly: ignore[missing-attribute]
    run.__doc__ = (inspect.getdoc(make) or "").partition("\n\nArguments:")[0].partition("\n\nRaises:")[0]
    one = typer.Typer(add_completion=False)
    one.command(kind, cls=StrictCommand, context_settings=HELP)(run)
    return get_command(one)


def draw(kind: str, make: Callable[..., Any], given: dict[str, Any], to: tuple[str | None, bool, bool]) -> None:
    """Draw a figure, write it, and say where, or print its numbers."""
    from danlu.cli.answer import print_json  # noqa: PLC0415
    from danlu.report.figures import check_picture  # noqa: PLC0415  loads numpy

    output, force, as_json = to
    path = None if as_json and output is None else Path(output or f"{kind}.svg")
    if path is not None:
        check_picture(path, force=force)
    if given.get("plan") and not Path(given["plan"]).is_dir():
        from danlu.cli.planfile import read_plan  # noqa: PLC0415
        from danlu.core.plan import make_plan  # noqa: PLC0415

        given["plan"] = make_plan(**read_plan(Path(given["plan"])))
    try:
        figure = make(*_positional(make, given), **given)
    except DanluError as error:
        raise with_flags(error, given) from None
    if path is not None:
        figure.save(path, force=force)
    if as_json:
        print_json({"file": None if path is None else str(path)} | figure.record())
    else:
        typer.echo(path)


def with_flags(error: DanluError, names: Iterable[str]) -> DanluError:
    """Return the same error with the options of a kind as they are typed.

    >>> print(with_flags(PlanError("`low` must be below `high`", "got 3 and 2", "Use low=-8."), ["low", "high"]))
    `--low` must be below `--high`, got 3 and 2. Use --low -8.
    """
    known = "|".join(map(re.escape, names))
    if not known:
        return error

    def typed(text: str) -> str:
        text = re.sub(rf"`({known})`", lambda m: f"`{flag(m[1])}`", text)
        return re.sub(rf"\b({known})=(?=\S)", lambda m: f"{flag(m[1])} ", text)

    return type(error)(typed(error.rule), error.fact, typed(error.remedy))


def _positional(make: Callable[..., Any], given: dict[str, Any]) -> list[Any]:
    """Take what the function wants by position out of what was given."""
    found: list[Any] = []
    for parameter in inspect.signature(make).parameters.values():
        if parameter.kind is parameter.VAR_POSITIONAL:
            found += given.pop(parameter.name) or []
        elif parameter.kind is parameter.POSITIONAL_OR_KEYWORD:
            found.append(given.pop(parameter.name))
    return found


def _parameter(parameter: inspect.Parameter) -> inspect.Parameter:
    """Return a parameter of a kind as typer wants it: by position an argument, else an option."""
    name, about = parameter.name, next(iter(get_args(parameter.annotation)[1:]), "")
    kind = _kind(
        get_args(parameter.annotation)[0] if get_origin(parameter.annotation) is Annotated else parameter.annotation
    )
    if parameter.kind is parameter.KEYWORD_ONLY:
        return _keyword(name, Annotated[kind | None, typer.Option(flag(name), help=about)], parameter.default)
    argument = typer.Argument(metavar=name.upper(), help=about, show_default=False)
    if parameter.kind is parameter.VAR_POSITIONAL:
        return _keyword(name, Annotated[list[str] | None, argument], None)
    if parameter.default is parameter.empty:
        return _keyword(name, Annotated[kind, argument], parameter.empty)
    return _keyword(name, Annotated[kind | None, argument], parameter.default)


def _kind(annotation: Any) -> Any:
    """Return what a parameter is on the command line: a number or a switch where it is one, else a text."""
    parts = {annotation, *get_args(annotation)}
    return next((each for each in (bool, int, float) if each in parts), str)


def _keyword(name: str, annotation: Any, default: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
