"""`danlu minimize`: descents of a function, from many starts and with many optimizers at once."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from danlu.cli.options import StrictCommand
from danlu.core.errors import DanluError, PlanError

if TYPE_CHECKING:
    from danlu.workflow.minimize import Descent

app = typer.Typer(add_completion=False)

NAMES = "himmelblau, rosenbrock, beale, rastrigin, ackley, quadratic, saddle"
EPILOG = 'Begin: danlu minimize himmelblau    danlu minimize "x**2 + sin(3*y) + y**2" --start 1,1 -o page.html'
OPTIONS = ("start", "starts", "box", "variables", "steps", "every", "optimizer", "lr", "schedule", "momentum", "dtype")
EVERY = 5.0
"""Seconds between two lines of progress where there is no terminal."""

Function = Annotated[str, typer.Argument(metavar="F", help=f'{NAMES}, or an expression: "(x-1)**2 + y**4".')]
_from, _how, _out = "Where from", "How", "Output"


def _option(*names: str, metavar: str | None, about: str, panel: str, switch: bool = False) -> Any:
    return typer.Option(*names, metavar="" if switch else metavar, help=about, rich_help_panel=panel)


@app.command("minimize", cls=StrictCommand, context_settings={"help_option_names": ["-h", "--help"]}, epilog=EPILOG)
def minimize_command(  # noqa: PLR0913  one parameter an option
    f: Function,
    *,
    start: Annotated[
        list[str] | None,
        _option("--start", metavar="X,Y", about="A start: numbers, or x=1,y=2; may be given again.", panel=_from),
    ] = None,
    starts: Annotated[
        int | None, _option("--starts", metavar="INT", about="Starts spread over the box (100).", panel=_from)
    ] = None,
    box: Annotated[
        str | None, _option("--box", metavar="LOW,HIGH", about="For all variables, or a pair for each.", panel=_from)
    ] = None,
    variables: Annotated[
        int | None, _option("--variables", metavar="INT", about="How many, of rosenbrock, sum(x**2), ...", panel=_from)
    ] = None,
    optimizer: Annotated[
        str, _option("--optimizer", metavar="NAME[,NAME]", about="sgd, adam, adamw, rmsprop, adagrad.", panel=_how)
    ] = "adam",
    lr: Annotated[
        str | None, _option("--lr", metavar="NUM[,NUM]", about="Learning rates; by the box's width.", panel=_how)
    ] = None,
    momentum: Annotated[
        float | None, _option("--momentum", metavar="NUM", about="Of sgd and rmsprop (0).", panel=_how)
    ] = None,
    nesterov: Annotated[
        bool | None, _option("--nesterov", metavar=None, about="Nesterov's, with sgd.", panel=_how, switch=True)
    ] = None,
    schedule: Annotated[
        str | None, _option("--schedule", metavar="TEXT", about="Of the rate: constant, cosine, ...", panel=_how)
    ] = None,
    steps: Annotated[int, _option("--steps", metavar="INT", about="Steps of every start.", panel=_how)] = 5_000,
    every: Annotated[
        int | None, _option("--every", metavar="INT", about="Steps between entries of a path (steps/10).", panel=_how)
    ] = None,
    dtype: Annotated[str, _option("--dtype", metavar="NAME", about="float64 or float32.", panel=_how)] = "float64",
    seed: Annotated[int, _option("--seed", metavar="INT", about="Decides where starts lie.", panel=_how)] = 0,
    output: Annotated[
        str | None,
        _option("--output", "-o", metavar="FILE", about="A page (.html), or a contour (.svg .png .pdf).", panel=_out),
    ] = None,
    surface: Annotated[
        str | None, _option("--surface", metavar="FILE", about="A 3-D surface (.svg .png .pdf).", panel=_out)
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace what is there.", rich_help_panel=_out)] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.", rich_help_panel=_out)] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.", rich_help_panel=_out)] = False,
) -> None:
    """Minimise a function from many starts and with many optimizers at once."""
    from danlu.cli.answer import print_json  # noqa: PLC0415
    from danlu.cli.descent import print_descent  # noqa: PLC0415
    from danlu.cli.terminal import out  # noqa: PLC0415

    files = check_files(output, surface, force=force)
    settings: dict[str, Any] = {
        "starts": starts,
        "variables": variables,
        "optimizer": optimizer,
        "lr": lr,
        "momentum": momentum,
    }
    settings |= {"nesterov": nesterov, "schedule": schedule, "steps": steps, "every": every, "dtype": dtype}
    settings |= {"seed": seed, "box": None if box is None else numbers("box", box)}
    try:
        with following(quiet=quiet or as_json) as (on_step, stop):
            from danlu.workflow.minimize import minimize  # noqa: PLC0415  loads torch

            points = [point(text) for text in start] if start else None
            found = minimize(f, points, on_step=on_step, stop=stop, **settings)
    except DanluError as error:
        raise as_options(error) from None
    write(found, output, surface, force=force)
    if as_json:
        print_json(found.record() | {"files": [str(file) for file in files]})
    else:
        print_descent(out(), found, files)


def check_files(output: str | None, surface: str | None, *, force: bool) -> list[Path]:
    """Return the files to write; refuse, before the work, what none can be written to."""
    files = []
    if output is not None:
        from danlu.report.figures import check_picture  # noqa: PLC0415  loads numpy

        files.append(Path(output))
        check_picture(files[-1], force=force)
    if surface is not None:
        from danlu.report.surface import check_surface  # noqa: PLC0415

        files.append(Path(surface))
        check_surface(files[-1], force=force)
    return files


def write(found: Descent, output: str | None, surface: str | None, *, force: bool) -> None:
    """Write the pictures that were asked for."""
    if output is not None:
        found.save(output, force=force)
    if surface is not None:
        found.surface(surface, force=force)


def numbers(name: str, text: str) -> list[float]:
    """Return numbers between commas.

    >>> numbers("box", "-6,6")
    [-6.0, 6.0]
    """
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise PlanError(f"`--{name}` must be numbers with commas between", f"got {text!r}", "Write 0,0.") from None


def point(text: str) -> list[float] | dict[str, float]:
    """Return a start: numbers, or numbers by the names of variables.

    >>> point("0,-1"), point("x=0, y=-1")
    ([0.0, -1.0], {'x': 0.0, 'y': -1.0})
    """
    if "=" not in text:
        return numbers("start", text)
    pairs = [part.partition("=") for part in text.split(",")]
    return {name.strip(): numbers("start", value)[0] for name, _, value in pairs}


def as_options(error: DanluError) -> DanluError:
    """Return the same error with settings as they are typed here.

    >>> print(as_options(PlanError("`steps` must be above 0", "got 0", "Use steps=100, or start=(0, 0).")))
    `--steps` must be above 0, got 0. Use --steps 100, or --start 0,0.
    """

    def typed(text: str) -> str:
        for name in OPTIONS:
            text = text.replace(f"`{name}`", f"`--{name}`")
            text = re.sub(rf"\b{name}=", f"--{name} ", text)
        return re.sub(r"(--\w+) \(([^)]*)\)", lambda found: f"{found[1]} {found[2].replace(' ', '')}", text)

    return type(error)(typed(error.rule), error.fact, typed(error.remedy))


@contextmanager
def following(*, quiet: bool) -> Iterator[tuple[Callable[[int, int, float], None], Callable[[], bool]]]:
    """Yield what to call with the steps taken, and what says that the user asked to stop.

    Nothing is shown in the first second: most descents are done by then.
    """
    from danlu.cli.terminal import err  # noqa: PLC0415
    from danlu.workflow.interrupt import stoppable  # noqa: PLC0415  workflow loads torch

    console = err()
    begun = said = 0.0
    wait = 0.1 if console.is_terminal else EVERY

    def show(taken: int, steps: int, lowest: float) -> None:
        nonlocal begun, said
        now = time.monotonic()
        if not begun:
            begun = now
            said = now + 1.0 - wait
        if quiet or now - said < wait:
            return
        said = now
        left = (now - begun) * (steps - taken) / max(1, taken)
        words = f"step {taken:,} of {steps:,}, lowest f {lowest:.4g}, {left:.0f} s left"
        console.print(words, end="\r" if console.is_terminal else "\n", soft_wrap=True)

    def say_stopping() -> None:
        console.print("stopping: what was reached is shown. Ctrl-C again leaves at once.")

    with stoppable(say_stopping) as stop:
        try:
            yield show, stop
        finally:
            if console.is_terminal and not quiet:
                console.print(" " * min(console.width - 1, 79), end="\r", soft_wrap=True)
