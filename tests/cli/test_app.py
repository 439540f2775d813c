"""What the program says before it does anything."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib import import_module

import pytest
from typer.main import get_command

from danlu import __version__
from danlu.cli.app import COMMANDS


def test_help_lists_every_command_in_80_columns(danlu) -> None:
    ended = danlu("--help")
    assert ended.code == 0
    assert all(f" {name} " in ended.out for name in COMMANDS)
    assert max(map(len, ended.out.splitlines())) <= 80


def test_version(danlu) -> None:
    assert danlu("--version").out == f"danlu {__version__}\n"


def test_without_words_the_help_is_shown(danlu) -> None:
    ended = danlu()
    assert "Commands" in ended.out
    assert ended.err == ""


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_and_the_line_that_is_listed_for_it(name: str, danlu) -> None:
    command = get_command(import_module(f"danlu.cli.{name}").app)
    assert command.name == name
    assert command.help is not None
    assert command.help.splitlines()[0] == COMMANDS[name]
    assert danlu(name, "--help").code == 0


@pytest.mark.parametrize(
    ("words", "rule", "remedy"),
    [
        (["fitt"], "`fitt` must be a command of `danlu`", "Did you mean `danlu fit`?"),
        (["cook"], "`cook` must be a command of `danlu`", "`danlu --help` shows what there is."),
        (["fit", "x.csv", "--fold", "3"], "`--fold` must be an option of `danlu fit`", "Did you mean `--folds`?"),
        (["fit", "x.csv", "--folds"], "`--folds` must have a value", "`danlu fit --help` shows what there is."),
        (["fit"], "`danlu fit` must have DATA", "`danlu fit --help` shows what there is."),
        (["fit", "x.csv", "y.csv"], "`danlu fit` must have no more than its own arguments, got y.csv", "in quotes"),
        (["fit", "x.csv", "--refit=3"], "`--refit` must have no value", "`danlu fit --help` shows"),
        (["fit", "x.csv", "--folds", "3", "--folds", "4"], "`--folds` must be given once", "Leave one of them out."),
        (["fit", "x.csv", "--header", "--no-header"], "`--header` or `--no-header` must be given once", "Leave one"),
        (["fit", "x.csv", "--force", "--force"], "`--force` must be given once", "Leave one of them out."),
        (["fit", "x.csv", "--folds", "1"], "`--folds` must be at least 2", "Use --folds 5, or --holdout 0.2."),
        (["fit", "x.csv", "--batch-size", "0"], "`--batch-size` must be at least 1", "Use --batch-size 256, or all."),
        (["fit", "x.csv", "--hidden", "a"], "`--hidden` must be widths such as 256,128", "Use --hidden 256,128."),
        (["fit", "x.csv", "--kind", "zip"], "`--kind` must be COLUMN=KIND", ""),
        (["fit", "x.csv", "--folds", "3", "--holdout", "0.2"], "`--folds` and `--holdout`", ""),
        (["show", "x.danlu", "--plan", "--json"], "`--plan` prints TOML", "Leave one of them out"),
        (["predict", "m.danlu", "x.csv", "--keep", "a", "--json"], "`--keep` belongs to a table", "Give -o FILE"),
    ],
)
def test_wrong_words_are_refused_with_rule_and_remedy(words: list[str], rule: str, remedy: str, danlu) -> None:
    ended = danlu(*words)
    assert ended.code == 2
    assert ended.err.startswith("error: ")
    assert rule in ended.err
    assert remedy in ended.err
    assert "Traceback" not in ended.err
    if "--json" not in words:
        assert ended.out == ""


def test_with_json_an_error_is_an_object_too(danlu) -> None:
    ended = danlu("fit", "x.csv", "--folds", "1", "--json")
    error = json.loads(ended.out)["error"]
    assert error == {
        "type": "PlanError",
        "rule": "`--folds` must be at least 2",
        "fact": "got '1'",
        "remedy": "Use --folds 5, or --holdout 0.2.",
        "exit_code": 2,
    }
    assert ended.code == 2


def test_it_runs_as_a_module() -> None:
    done = subprocess.run([sys.executable, "-m", "danlu", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"danlu {__version__}\n"
