"""`danlu search`: what the searches of a study tried and learnt."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from danlu.cli.fit import AsJson
from danlu.cli.options import StrictCommand
from danlu.core.searched import shown

if TYPE_CHECKING:
    from danlu.cli.search_answer import SearchOfStudy

app = typer.Typer(name="search", add_completion=False, no_args_is_help=True)
BEST = 10


@app.callback(context_settings={"help_option_names": ["-h", "--help"]})
def search_group() -> None:
    """Say what the searches of a study tried and learnt.

    A search is part of a fit: danlu fit houses.csv --target price --search
    """


@app.command("show", cls=StrictCommand, context_settings={"help_option_names": ["-h", "--help"]})
def show_command(
    study: Annotated[str, typer.Argument(metavar="STUDY", help="File of a study: NAME.study, beside the model.")],
    *,
    best: Annotated[int, typer.Option("--best", metavar="N", min=1, help="Settings to list, the best first.")] = BEST,
    as_json: AsJson = False,
) -> None:
    """Say what each search of a study tried, what mattered, and which settings were best."""
    from danlu.cli.answer import print_json  # noqa: PLC0415
    from danlu.cli.search_answer import SearchAnswer, search_of_study  # noqa: PLC0415
    from danlu.cli.terminal import out  # noqa: PLC0415
    from danlu.search.study import read_study  # noqa: PLC0415  loads torch

    searches = [search_of_study(search) for search in read_study(Path(study))]
    if as_json:
        print_json(SearchAnswer(study=study, searches=searches))
        return
    for search in searches:
        print_search(out(), search, best)


def print_search(console: Console, search: SearchOfStudy, most: int) -> None:
    """Print one search: its state, what mattered, and its best settings."""
    seconds = sum(training.seconds for training in search.trainings)
    heading = Text(f"search of {search.created}", style="bold")
    state = "finished" if search.finished else "not finished: the same command goes on with it"
    heading.append(f", {state}", style="" if search.finished else "yellow")
    console.print(heading)
    console.print(f"{len(search.trainings)} trainings, {seconds:,.0f} s", style="dim")
    for line in search.space:
        console.print(Text(f"  {line}"))
    if search.found is not None:
        console.print(Text(search.found.words))
        mattered = [f"{name} {share:.0%}" for name, share in search.found.importance.items() if share >= 0.05]
        if mattered:
            console.print(Text(f"what made the difference: {', '.join(mattered)}"))
    console.print(settings_table(search, most))


def settings_table(search: SearchOfStudy, most: int) -> Table:
    """Return the best settings of those that came furthest."""
    last = {str(each.setting): each for each in sorted(search.trainings, key=lambda each: (each.folds, each.share))}
    done = [((each.folds, each.share), each.value, each.setting) for each in last.values()]
    known = [(on, value, setting) for on, value, setting in done if value is not None]
    known.sort(key=lambda each: (-each[0][0], -each[0][1], -each[1] if search.greater else each[1]))
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("folds", justify="right")
    table.add_column(Text(search.metric), justify="right")
    table.add_column("setting", overflow="fold")
    for (folds, share), value, setting in known[:most]:
        words = ", ".join(f"{name} {shown(each)}" for name, each in setting.items())
        table.add_row(str(folds) if share == 1 else f"{share:.0%} of rows", f"{value:,.5g}", Text(words))
    return table
