"""The screen after a fit: what it says, and that it fits."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.cells import cell_len
from rich.console import Console

from danlu.cli.show import print_model
from danlu.cli.summary import print_metrics, print_summary, verdict
from danlu.cli.terminal import out
from danlu.core.records import Finding, Run, Score, TargetSchema

RunOf = Callable[..., Run]


def printed(show: Callable[[Console], None], width: int = 80) -> str:
    console = Console(file=io.StringIO(), width=width, highlight=False, markup=False, emoji=False)
    show(console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def summary(run: Run, width: int = 80) -> str:
    return printed(lambda console: print_summary(console, run, Path("houses.danlu"), Path("houses.html")), width)


def test_the_score_stands_beside_what_it_must_beat(run_of: RunOf) -> None:
    lines = [" ".join(line.split()) for line in summary(run_of()).splitlines()]
    assert lines[0] == "houses.csv 20,640 rows, target price (a number)"
    # The half-width of the interval is 830: one digit of it is known, so hundreds are printed.
    assert "Danlu, 2 networks together 46,500 45,700 to 47,400" in lines
    assert "one network alone 47,900" in lines
    assert "a linear model 68,600" in lines
    assert "always the mean 115,400" in lines
    # 1 - 46,512.3 / 68,620 = 0.322
    assert "so 32% less error than a linear model" in lines
    assert "also R² 0.838" in lines


def test_the_rest_is_said(run_of: RunOf) -> None:
    text = " ".join(summary(run_of()).split())
    for words in (
        "columns 1 number, 1 category, 1 date",
        "delimiter comma",
        "left out id (a number of its own for every row)",
        "rows 10 rows without a target left out",
        "judged by 5 folds, 2 repeats",
        "warning Training is slow: 9 s an epoch. Use a GPU.",
        "model houses.danlu",
        "page houses.html",
        "next danlu predict houses.danlu NEW.csv -o predictions.csv",
    ):
        assert words in text


@pytest.mark.parametrize("width", [40, 80])
def test_lines_fit_the_terminal(width: int, run_of: RunOf) -> None:
    assert max(map(len, summary(run_of(), width).splitlines())) <= width


def test_it_fits_one_screen(run_of: RunOf) -> None:
    assert len(summary(run_of()).splitlines()) <= 27


def test_names_are_never_markup(run_of: RunOf) -> None:
    assert "[red]x.csv" in summary(run_of(source="[red]x.csv"))


@pytest.mark.parametrize(
    ("metric", "value", "low", "high", "linear", "words"),
    [
        ("rmse", 8.0, 7.0, 9.0, 10.0, "20% less error than a linear model"),
        ("rmse", 12.0, 11.0, 13.0, 10.0, "20% more error than a linear model: better use that one"),
        ("rmse", 9.5, 9.0, 10.5, 10.0, "no clear difference from a linear model"),
        # 15% wrong against 20% wrong: a quarter fewer
        ("accuracy", 0.85, 0.84, 0.86, 0.80, "25% fewer wrong answers than a linear model"),
        ("accuracy", 0.75, 0.74, 0.76, 0.80, "25% more wrong answers than a linear model: better use that one"),
        ("accuracy", 1.0, 1.0, 1.0, 1.0, ""),
        ("rmse", None, None, None, 1.0, ""),
    ],
)
def test_the_verdict_says_what_the_numbers_do(
    metric: str,
    value: float | None,
    low: float | None,
    high: float | None,
    linear: float,
    words: str,
    run_of: RunOf,
) -> None:
    score = Score(value=value, low=low, high=high, rows=100, kind="out-of-fold")
    run = run_of(main_metric=metric, scores={metric: score}, baselines={"linear": {metric: linear}})
    assert verdict(run, score) == words


def test_without_judged_rows_no_score_is_made_up(run_of: RunOf) -> None:
    text = summary(run_of(scores={}, baselines={}))
    assert "none: all rows were trained on; --test FILE gives one" in " ".join(text.split())


def test_test_scores_say_what_they_are(run_of: RunOf) -> None:
    test = {"rmse": Score(value=45_900.0, low=44_800.0, high=47_100.0, rows=4_128, kind="test")}
    text = " ".join(summary(run_of(test=test)).split())
    assert "test RMSE 45,900 (44,800 to 47,100) on 4,128 rows, locked until the end" in text.replace("\n", " ")
    watched = {"rmse": Score(value=45_900.0, rows=4_128, kind="test (watched)")}
    assert "watched while training" in " ".join(summary(run_of(test=watched)).split())


def test_show_says_what_a_table_must_have(run_of: RunOf) -> None:
    lines = [" ".join(line.split()) for line in printed(lambda console: print_model(console, run_of())).splitlines()]
    assert "area number 20 to 200 207" in lines
    assert "sea category coast, inland" in lines
    assert "sold date 1970-01-01 to 2020-09-13 12:27" in lines
    text = " ".join(lines)
    assert "10 networks (one of each fold), hidden 256-256, silu, 70,401 parameters each" in text
    assert max(map(len, lines)) <= 80


def test_scores_of_another_table_are_a_small_table() -> None:
    scores = {"accuracy": Score(value=0.871, low=0.861, high=0.881, rows=1000, kind="test")}
    lines = [" ".join(line.split()) for line in printed(lambda console: print_metrics(console, scores)).splitlines()]
    assert lines == ["on 1,000 rows 95% interval", "Accuracy 87.1% 86.1% to 88.1%"]


def test_what_a_finding_says_is_not_said_twice(run_of: RunOf) -> None:
    finding = Finding(name="no-better-than-baseline", fault="No better", evidence="9 against 9", cure="Use linear.")
    assert "than a linear model" not in summary(run_of(findings=(finding,)))


def test_lines_in_a_pipe_end_where_their_words_do(
    run_of: Callable[..., Run], capsys: pytest.CaptureFixture[str]
) -> None:
    print_summary(out(), run_of(), Path("m.danlu"), None)
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if line != line.rstrip()] == []
    assert max(map(cell_len, lines)) <= 80


@pytest.mark.parametrize("width", [80, 200])
def test_chinese_names_take_two_columns_each_and_words_stay_readable(run_of: Callable[..., Run], width: int) -> None:
    target = TargetSchema(names=("成交总价（万元）",), task="regression", outputs=1)
    run = run_of()
    table = run.table.model_copy(update={"target": target})
    cure = "用更低的学习率。" * 20
    finding = Finding(name="slow", fault="训练太慢", evidence="每轮九秒", cure=cure)
    console = Console(file=io.StringIO(), width=width)
    print_summary(console, run_of(table=table, findings=(finding,)), Path("房价.danlu"), None)
    assert isinstance(console.file, io.StringIO)
    lines = console.file.getvalue().splitlines()
    assert max(map(cell_len, lines)) <= min(width, 110)
    assert "target 成交总价（万元）" in lines[0]


def test_the_unit_of_several_targets_is_said(run_of: RunOf) -> None:
    target = TargetSchema(names=("low", "high"), task="regression", outputs=2)
    each = {"low": 29.0, "high": 0.2}
    score = Score(value=0.41, low=0.35, high=0.5, rows=80, kind="out-of-fold", per_target=each)
    several = run_of(table=run_of().table.model_copy(update={"target": target}), scores={"rmse": score})
    unit = "RMSE and MAE of several targets are in standard deviations of each target"
    for shown in (summary(several), printed(lambda console: print_metrics(console, several.scores))):
        assert unit in " ".join(shown.split())
    assert unit not in " ".join(summary(run_of()).split())
