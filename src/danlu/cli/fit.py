"""`danlu fit`: from a table to a saved model and its page."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from danlu.cli.following import OnProgress, Stop, both, following
from danlu.cli.options import StrictCommand, given, with_settings
from danlu.core.launch import launched
from danlu.core.paths import check_new_file, model_name
from danlu.core.plan import make_plan

if TYPE_CHECKING:
    from danlu.workflow.model import Model

app = typer.Typer(add_completion=False)
SERVER_STARTS = 20.0
"""Seconds that a run, already over, waits for the page's server to start and say its address."""
BEGUN = time.perf_counter()
"""When the process began, but for the start of Python: the time of a budget runs from here."""

Output = Annotated[
    str | None,
    typer.Option("--output", "-o", metavar="MODEL", help="Folder of the model (NAME.danlu).", rich_help_panel="Output"),
]
Force = Annotated[bool, typer.Option("--force", help="Replace what is there.", rich_help_panel="Output")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.", rich_help_panel="Output")]
Page = Annotated[bool, typer.Option("--page/--no-page", help="Write the page.", rich_help_panel="Output")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress.", rich_help_panel="Output")]
Watched = Annotated[bool, typer.Option("--watch", help="Follow it on a page in the browser.", rich_help_panel="Output")]


@app.command("fit", cls=StrictCommand, context_settings={"help_option_names": ["-h", "--help"]})
@with_settings()
def fit_command(
    data: Annotated[str, typer.Argument(metavar="DATA", help="A table, images (a folder, a name, ...) or plan.toml.")],
    *,
    output: Output = None,
    force: Force = False,
    page: Page = True,
    as_json: AsJson = False,
    quiet: Quiet = False,
    watch: Watched = False,
    **settings: Any,
) -> None:
    """Learn from a table; save the model and a page that judges it.

    The target is all that must be named: danlu fit houses.csv --target price
    """
    plan = make_plan(**settings_of(data, given(settings)))
    source = plan.data or data
    place = Path(output) if output else Path(f"{model_name(source, plan.table)}.danlu")
    if plan.search not in (None, "off") and plan.study is None:
        plan = plan.model_copy(update={"study": str(study_of(place))})

    def work(on_progress: OnProgress, stop: Stop) -> Model:
        from danlu.workflow.fit import Given, fit  # noqa: PLC0415  loads torch

        name = place.name.removesuffix(".danlu")
        return fit(source, plan=plan, name=name, on_progress=on_progress, stop=stop, given=Given(begun=BEGUN))

    carry_out(work, place, page=page, force=force, as_json=as_json, quiet=quiet, watch=watch)


def settings_of(data: str, asked: dict[str, Any]) -> dict[str, Any]:
    """Return all settings: those of a plan file, overridden by those of the command line."""
    if not data.lower().endswith(".toml"):
        return asked
    from danlu.cli.planfile import read_plan  # noqa: PLC0415  only where there is one

    ways = ("folds", "holdout", "fold_column")
    file = read_plan(Path(data))
    if any(way in asked for way in ways):  # another way to divide the rows replaces the file's
        file = {name: value for name, value in file.items() if name not in ways}
    settings = file | asked
    if "data" not in settings:
        from danlu.core.errors import PlanError  # noqa: PLC0415

        raise PlanError(f"{data} must name the table", "it has no 'data'", 'Add data = "TABLE.csv" to it.')
    return settings


def study_of(model: Path) -> Path:
    """Return where the study of a search stands: beside the model.

    >>> print(study_of(Path("models/houses.danlu")))
    models/houses.study
    """
    return model.parent / f"{model.name.removesuffix('.danlu')}.study"


def page_of(model: Path) -> Path:
    """Return where the page of a model stands: beside it.

    >>> print(page_of(Path("models/houses.danlu")))
    models/houses.html
    """
    return model.parent / f"{model.name.removesuffix('.danlu')}.html"


def carry_out(
    work: Callable[[OnProgress, Stop], Model],
    place: Path,
    *,
    page: bool,
    force: bool,
    as_json: bool,
    quiet: bool,
    watch: bool = False,
) -> None:
    """Check where the results will go, do the work, save, and say what came out.

    Of several processes the first one checks, saves and speaks; the others work, and end as it does. What happens
    stands in the journal beside the model, for `danlu watch` to follow.
    """
    from danlu.cli.watch import check_installed, watch_beside  # noqa: PLC0415

    if watch:
        check_installed()
    from danlu.artifact import check_output  # noqa: PLC0415  loads torch, which no refused option should wait for
    from danlu.cli.answer import fit_answer, print_json  # noqa: PLC0415
    from danlu.cli.summary import print_summary  # noqa: PLC0415
    from danlu.cli.terminal import err, out  # noqa: PLC0415
    from danlu.population.processes import agreed  # noqa: PLC0415
    from danlu.report.live.journal import keeping  # noqa: PLC0415

    first = launched().first
    sheet = page_of(place) if page else None
    with agreed():
        if first:
            check_output(place, force)
        if first and sheet is not None:
            check_new_file(sheet, force=force)
    with agreed(), keeping(place) if first else nullcontext() as journal:
        beside = watch_beside(place, err()) if first and watch else None
        with following(quiet=quiet) as (on_progress, stop):
            model = work(both(on_progress, journal), stop)
            if first:
                model.save(place, force=force)
        if not first:
            return
        if sheet is not None:
            model.report(sheet, force=force)
        if as_json:
            print_json(fit_answer(model.run, place, sheet))
        else:
            print_summary(out(), model.run, place, sheet)
        if beside is not None:
            beside.wait(SERVER_STARTS)
