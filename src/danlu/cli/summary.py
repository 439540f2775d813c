"""What is printed after a fit: one screen that a first-time reader understands in ten seconds."""

from __future__ import annotations

import shlex
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from danlu.cli.growth import growth_table
from danlu.cli.terminal import as_typed
from danlu.core.records import Finding, Run, Score
from danlu.judging import GREATER_IS_BETTER
from danlu.report.important import top_columns
from danlu.report.words import (
    both,
    calibration_words,
    count,
    decision_words,
    duration,
    image,
    interval,
    listed,
    metric_name,
    metric_value,
    score_place,
    sure,
    told_apart,
    unit_of_several,
)

WIDEST = 110
"""Columns that a line of words takes at most: a longer one is hard to read."""
LABEL = 11
"""Width of the words at the left."""
KINDS = {"category": "categories", "yes/no": "yes/no"}
"""Plurals that do not end in s."""
BASELINES = {"linear": "a linear model", "mean": "always the mean", "majority": "always the commonest class"}

AGAINST_BASELINES = ("no-better-than-baseline", "overfitting", "underfitting")
"""Findings that say how the networks compare with the linear model, and what to do."""


def line(console: Console, label: str, text: str | Text, style: str = "") -> None:
    """Print a label, and beside it a text that wraps under itself."""
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(width=LABEL, style="dim")
    grid.add_column(overflow="fold")
    grid.add_row(label, Text(text, style=style) if isinstance(text, str) else text)
    console.print(grid, width=min(console.width, WIDEST))


def print_summary(console: Console, run: Run, model: Path, page: Path | None) -> None:
    """Print what was learnt from, how good the networks are, and what to do next."""
    target = run.table.target
    task = count(len(target.classes), "class", "classes") if target.task == "classification" else "a number"
    if target.task == "regression" and len(target.names) > 1:
        task = "numbers"
    heading = Text(Path(run.source).name, style="bold")
    heading.append(f"  {count(run.rows.used, 'row')}, target {listed(list(target.names), 3)} ({task})", "not bold")
    console.print(heading)
    print_inferred(console, run)
    print_scores(console, run)
    if names := top_columns(run, 5):
        line(console, "driven by", f"{both(names)} (the most important first)")
    if run.learning_curve is not None:
        console.print()
        console.print(growth_table(run.learning_curve))
        console.print()
        line(console, "more rows", run.learning_curve.words)
    for finding in run.findings:
        print_finding(console, finding)
    console.print()
    line(console, "model", str(model), "bold")
    if page is not None:
        line(console, "page", str(page), "bold")
    line(console, "time", time_taken(run.seconds))
    again = f" --net {shlex.quote(run.plan.net)}" if run.network.module is not None else ""
    rows = "NEW.csv" if run.table.image is None else "FOLDER"
    line(console, "next", f"danlu predict {shlex.quote(str(model))} {rows} -o predictions.csv{again}", "cyan")


def print_inferred(console: Console, run: Run) -> None:
    """Print what was read and decided, one line each, and the columns left out."""
    kinds: dict[str, int] = {}
    for column in run.table.columns:
        kinds[column.kind] = kinds.get(column.kind, 0) + 1
    if run.table.image is not None:
        line(console, "images", image(run.table.image))
    else:
        line(console, "columns", ", ".join(count(n, kind, KINDS.get(kind, "")) for kind, n in kinds.items()) or "none")
    for note in run.inferred:
        if note.topic != "task":  # the heading says it
            line(console, note.topic, as_typed(note.text))
    if run.table.left_out:
        line(console, "left out", listed([f"{column.name} ({column.reason})" for column in run.table.left_out]))
    lost = {"without a target": run.rows.without_target, "without a weight": run.rows.without_weight}
    for why, rows in lost.items():
        if rows:
            line(console, "rows", f"{count(rows, 'row')} {why} left out")
    line(console, "judged by", run.folds)


def print_scores(console: Console, run: Run) -> None:
    """Print the main metric beside the baselines, the other metrics, and those on the test table."""
    main = run.scores.get(run.main_metric)
    console.print()
    if main is None:
        line(console, "score", "none: all rows were trained on" + ("" if run.test else "; --test FILE gives one"))
    else:
        console.print(score_table(run, main))
        console.print()
        said = any(finding.name in AGAINST_BASELINES for finding in run.findings)
        if not said and (sentence := verdict(run, main)):
            line(console, "so", sentence)
        if apart := told_apart(run):
            line(console, "training", f"{apart} (one network alone)")
        if chosen := decision_words(run):
            line(console, "class", chosen)
        if done := calibration_words(run):
            line(console, "probability", done)
        if held := sure(run.scores):
            line(console, "intervals", f"{held}")
        told = (run.main_metric, "coverage", "width") if held else (run.main_metric,)
        if others := [short(name, score) for name, score in run.scores.items() if name not in told]:
            line(console, "also", ", ".join(others))
        f1 = run.scores.get("f1")
        if f1 is not None and f1.per_class and len(f1.per_class) <= 6:
            each = [f"{name} {metric_value('f1', value, -2)}" for name, value in f1.per_class.items()]
            line(console, "F1 of", ", ".join(each))
    if run.test:
        print_test(console, run)
    print_unit(console, run.scores or run.test)


def print_unit(console: Console, scores: dict[str, Score]) -> None:
    """Print in what unit errors of several targets are counted; nothing of one target."""
    if unit := unit_of_several(scores):
        line(console, "unit", unit)


def score_name(name: str, score: Score) -> str:
    """Return how a metric is written, of two classes "F1 of yes"."""
    return metric_name(name) if score.of is None else f"{metric_name(name)} of {score.of}"


def score_table(run: Run, main: Score) -> Table:
    """Return the small table: the networks together, one of them, a linear model, the constant guess."""
    name, place = run.main_metric, score_place(main)
    better = "higher" if GREATER_IS_BETTER.get(name, False) else "lower"
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="dim")
    table.add_column("")
    table.add_column(score_name(name, main), justify="right")
    table.add_column(f"95% interval ({main.kind}, {better} is better)")
    repeats = run.resolved.repeats or 1
    ours = "Danlu" if repeats < 2 else f"Danlu, {repeats} networks together"
    table.add_row(
        Text(ours, "bold green"), Text(metric_value(name, main.value, place), "bold green"), interval(name, main)
    )
    if repeats > 1 and main.one_member is not None:
        table.add_row("one network alone", metric_value(name, main.one_member, place), "")
    for baseline in sorted(run.baselines, key=lambda each: each != "linear"):
        value = run.baselines[baseline].get(name)
        table.add_row(BASELINES.get(baseline, baseline), metric_value(name, value, place), "")
    return table


def verdict(run: Run, main: Score) -> str:
    """Say how the networks compare with the linear model, or nothing where that cannot be said."""
    linear = run.baselines.get("linear", {}).get(run.main_metric)
    if linear is None or main.value is None:
        return ""
    ours, theirs = main.value, linear
    if GREATER_IS_BETTER.get(run.main_metric, False):
        ours, theirs = 1 - ours, 1 - theirs
    if theirs <= 0 or ours < 0:
        return ""
    what = "wrong answers" if run.main_metric == "accuracy" else "error"
    share = 1 - ours / theirs
    if main.low is not None and main.high is not None and main.low <= linear <= main.high:
        return "no clear difference from a linear model"
    if share >= 0:
        return f"{share:.0%} {'fewer' if what == 'wrong answers' else 'less'} {what} than a linear model"
    return f"{-share:.0%} more {what} than a linear model: better use that one"


def print_test(console: Console, run: Run) -> None:
    """Print the scores on the test table, the main one with its interval."""
    parts = []
    held = sure(run.test)
    for name, score in run.test.items():
        if held and name in ("coverage", "width"):
            continue
        between = interval(name, score)
        parts.append(f"{short(name, score)} ({between})" if name == run.main_metric and between else short(name, score))
    first = next(iter(run.test.values()))
    seen = "watched while training" if "watched" in first.kind else "locked until the end"
    line(console, "test", Text(", ".join(parts), "bold").append(f" on {count(first.rows, 'row')}, {seen}", "not bold"))
    if held:
        line(console, "", held)


def print_finding(console: Console, finding: Finding) -> None:
    """Print the fault, the evidence and the cure."""
    style = {"error": "bold red", "warning": "yellow"}.get(finding.severity, "")
    said = Text(finding.fault.rstrip("."), style)
    line(
        console, finding.severity, said.append(f": {finding.evidence.rstrip('.')}. {finding.cure}", "default not bold")
    )


def short(name: str, score: Score) -> str:
    """Return "RMSE 48,100"."""
    return f"{score_name(name, score)} {metric_value(name, score.value, score_place(score))}"


def time_taken(seconds: dict[str, float]) -> str:
    """Return the total, and the stages that took a part of it.

    >>> time_taken({"read": 0.01, "train": 9.0, "total": 10.0})
    '10.0 s (train 9.0 s)'
    """
    total = seconds.get("total", sum(seconds.values()))
    stages = {name: value for name, value in seconds.items() if name != "total" and value >= 0.05 * total}
    parts = ", ".join(f"{name.replace('_', ' ')} {duration(value)}" for name, value in stages.items())
    return f"{duration(total)} ({parts})" if parts else duration(total)


def print_metrics(console: Console, scores: dict[str, Score]) -> None:
    """Print scores as a small table."""
    first = next(iter(scores.values()))
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="dim")
    table.add_column("")
    table.add_column(f"on {count(first.rows, 'row')}", justify="right")
    table.add_column("95% interval")
    for place, (name, score) in enumerate(scores.items()):
        style = "bold green" if place == 0 else ""
        value = metric_value(name, score.value, score_place(score))
        table.add_row(Text(score_name(name, score), style), Text(value, style), interval(name, score))
    console.print(table)
    print_unit(console, scores)
