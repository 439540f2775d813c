"""Options made from the fields of the plan, so that the plan stays the one table of what can be asked."""

from __future__ import annotations

import csv
import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar, get_args, get_origin

import typer
from pydantic.fields import FieldInfo
from typer.core import TyperCommand

from danlu.cli.flags import TYPED, flag
from danlu.core.errors import PlanError
from danlu.core.plan import Plan, make_plan

if TYPE_CHECKING:
    from danlu.data import ReadOptions

Command = TypeVar("Command", bound=Callable[..., Any])

PANELS = {
    "data": "Data",
    "rows": "Rows",
    "network": "Network",
    "training": "Training",
    "effort": "Effort",
    "machine": "Machine",
}
READING = (
    "sheet",
    "encoding",
    "delimiter",
    "quote",
    "header",
    "missing",
    "decimal",
    "skip_lines",
    "skip_bad_rows",
    "query",
    "table",
)
"""Settings that say how a table is read: commands that read a table have these."""
LISTS = ("target", "drop", "missing", "kinds")
"""Settings that may be given several times, and several at once with commas."""
SHORT = {"target": "-t"}
METAVARS = {
    "target": "COL[,COL]",
    "drop": "COL[,COL]",
    "kinds": "COL=KIND",
    "missing": "MARK[,MARK]",
    "test": "FILE",
    "test_table": "NAME",
    "sheet": "SHEET",
    "encoding": "NAME",
    "delimiter": "CHAR",
    "quote": "CHAR",
    "query": "SELECT",
    "table": "NAME",
    "fold_column": "COL",
    "group": "COL",
    "time": "COL",
    "weight": "COL",
    "net": "NET",
    "hidden": "WIDTHS",
    "batch_norm": "WHERE",
    "search": "[N|auto|off]",
    "space": "FILE",
    "study": "FILE",
}


class StrictCommand(TyperCommand):
    """A command that refuses an option given twice, where only one value can count."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse as usual, after a look at what is there more than once."""
        args = with_bare_search(args)
        _, _, order = self.make_parser(ctx).parse_args(args=list(args))
        given: set[str | None] = set()
        for param in order:
            once = param.param_type_name == "option" and not getattr(param, "multiple", False)
            if once and param.name in given and not ctx.resilient_parsing:
                both = " or ".join(
                    f"`{name}`" for name in [*param.opts, *param.secondary_opts] if name.startswith("--")
                )
                raise PlanError(f"{both} must be given once", "got it more than once", "Leave one of them out.")
            given.add(param.name)
        return super().parse_args(ctx, args)


def with_bare_search(args: list[str]) -> list[str]:
    """Give `--search` without a number the value auto.

    >>> with_bare_search(["a.csv", "--search", "--target", "y"]), with_bare_search(["--search", "64"])
    (['a.csv', '--search=auto', '--target', 'y'], ['--search', '64'])
    """
    valued = [*args[1:], "-"][: len(args)]
    bare = [
        arg == "--search" and not re.fullmatch(r"-?\d.*|auto|off", after)
        for arg, after in zip(args, valued, strict=True)
    ]
    return ["--search=auto" if alone else arg for arg, alone in zip(args, bare, strict=True)]


def with_settings(names: Iterable[str] | None = None) -> Callable[[Command], Command]:
    """Give a command, written with `**settings`, one option for each setting named (all by default)."""
    chosen = [name for name in Plan.model_fields if name != "data"] if names is None else list(names)

    def give(command: Command) -> Command:
        own = [p for p in inspect.signature(command, eval_str=True).parameters.values() if p.kind is not p.VAR_KEYWORD]
        options = [_option(name, Plan.model_fields[name]) for name in chosen]
        # The plan's options stand between the command's argument and what it says about output.
        arranged = [p for p in own if p.kind is p.POSITIONAL_OR_KEYWORD] + options
        arranged += [p for p in own if p.kind is p.KEYWORD_ONLY]
        command.__signature__ = inspect.Signature(  # pyrefly: ignore[missing-attribute]
            [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in arranged]
        )
        return command

    return give


def _option(name: str, field: FieldInfo) -> inspect.Parameter:
    extra = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
    group = str(extra.get("group", ""))
    info: dict[str, Any] = {"help": about(field), "rich_help_panel": PANELS.get(group, group.capitalize())}
    typed: Any = str | None
    names = [flag(name), *([SHORT[name]] if name in SHORT else [])]
    if is_switch(field):
        # A switch that is off unless given needs no opposite; one that Danlu decides does.
        typed, info["metavar"] = bool | None, ""
        names = [flag(name)] if field.default is False else [f"{flag(name)}/--no-{flag(name)[2:]}"]
    else:
        info["metavar"] = METAVARS.get(name, kind_of_value(field))
        if name in LISTS:
            typed = list[str] | None
    if name in TYPED:
        names.append("--" + name.replace("_", "-"))
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[typed, typer.Option(*names, **info)]
    )


def about(field: FieldInfo) -> str:
    """Return a setting's line of help, with its choices where it has some that the line does not name."""
    choices = [str(choice) for choice in _choices(field.annotation)]
    text = field.description or ""
    if set(choices) <= set(re.findall(r"[\w/-]+", text)):
        return text
    return f"{text} One of {', '.join(choices)}."


def _choices(annotation: Any) -> list[Any]:
    """Return the fixed choices of a setting, if it takes nothing else."""
    parts = [part for part in (get_args(annotation) or ()) if part is not type(None)]
    if get_origin(annotation) is Literal:
        return parts
    return _choices(parts[0]) if len(parts) == 1 and get_origin(annotation) is not tuple else []


def is_switch(field: FieldInfo) -> bool:
    """Return whether a setting is on or off."""
    return field.annotation in (bool, bool | None)


def kind_of_value(field: FieldInfo) -> str:
    """Return what a value looks like in the help: INT, NUM or TEXT."""
    if _choices(field.annotation):
        return "NAME"
    parts = {field.annotation, *get_args(field.annotation)}
    return "INT" if int in parts else "NUM" if float in parts else "TEXT"


def given(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that were given on the command line, lists split at their commas.

    >>> given({"drop": ['id,"Size, m2"', "zip"], "folds": "3", "lr": None})
    {'drop': ('id', 'Size, m2', 'zip'), 'folds': '3'}
    """
    kept = {name: value for name, value in settings.items() if value not in (None, [], ())}
    return {name: split_names(value) if name in LISTS else value for name, value in kept.items()}


def split_names(texts: Iterable[str]) -> tuple[str, ...]:
    """Split at commas; a name that holds a comma stands in double quotes, as in a CSV file."""
    parts = [part.strip() for row in csv.reader(texts, skipinitialspace=True) for part in row]
    return tuple(part for part in parts if part)


def reading(settings: Mapping[str, Any], fitted: Plan) -> ReadOptions:
    """Return how to read a table for a model: as the one learnt from, but for what was given now."""
    from danlu.data import ReadOptions  # noqa: PLC0415  loads pyarrow, which no refused option should wait for

    # Whoever learnt without some rows need not want to predict without some.
    before = {name: getattr(fitted, name) for name in READING if name != "skip_bad_rows"}
    asked = given(settings)
    own = not asked.keys().isdisjoint(("query", "table"))
    if own:  # either replaces the other
        before |= {"query": None, "table": None}
    return ReadOptions.from_plan(make_plan(**(before | asked)), inherited=not own)
