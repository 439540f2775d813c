"""The top of the page: how good it is, against what, how sure, and what it is about."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from danlu.core.records import Run, Score
from danlu.judging import GREATER_IS_BETTER
from danlu.report import charts, words
from danlu.report.important import top_columns
from danlu.report.markup import Html, facts, join, named, tag

KINDS = {
    "out-of-fold": "each judged by networks that had not learnt from it",
    "holdout": "held out of training",
    "test": "of the {tested}, scored once at the end",
    "test (watched)": "of the {tested}, which were watched while training, so choices may have been made on them",
}
BASELINES = {
    "linear": "Linear model",
    "mean": "Always the mean",
    "majority": "Always the most frequent class",
}


@dataclass(frozen=True)
class Headline:
    """The score that the page opens with."""

    metric: str
    score: Score
    value: str
    place: int | None
    """Power of ten to which it is known; the baselines are written alike."""


def headline(run: Run) -> Headline | None:
    """Return the main score, of the test table where there is one; None where nothing was judged."""
    for scores in (run.test, run.scores):
        score = scores.get(run.main_metric)
        if score is not None and score.value is not None and np.isfinite(score.value):
            place = words.score_place(score)
            return Headline(run.main_metric, score, words.metric_value(run.main_metric, score.value, place), place)
    return None


def baselines(run: Run) -> dict[str, dict[str, float | None]]:
    """Return the baselines on the rows of the headline, the strongest opponent first."""
    chosen = run.test_baselines if run.main_metric in run.test else run.baselines
    return dict(sorted(chosen.items(), key=lambda item: item[0] != "linear"))


def baseline_name(name: str) -> str:
    """Return what a baseline is called on the page."""
    return BASELINES.get(name, name)


def target_words(run: Run) -> Html:
    """Return the target's name, or the names of the first targets."""
    names = run.table.target.names
    shown = [join(", " if i else "", named(name, 60)) for i, name in enumerate(names[:4])]
    return join(shown, f" and {len(names) - 4} more" if len(names) > 4 else "")


def about(run: Run) -> Html:
    """List what the run is about."""
    target = run.table.target
    task = "regression" if target.task == "regression" else words.count(len(target.classes), "class", "classes")
    rows = f"{run.rows.used:,}" + (f" of {run.rows.read:,}" if run.rows.read != run.rows.used else "")
    left = len(run.table.left_out)
    columns = f"{len(run.table.columns):,}" + (f", {left:,} left out" if left else "")
    return facts(
        [
            ("Target", join(target_words(run), tag("span", f" {task}", class_="muted"))),
            (f"{words.thing(run).capitalize()}s", rows),
            ("Columns", columns) if run.table.image is None else ("Each image", words.image(run.table.image)),
            ("Networks", join(f"{len(run.members):,} ", tag("span", run.folds, class_="muted"))),
            ("Time", words.duration(run.seconds.get("total", sum(run.seconds.values())))),
        ],
        class_="facts strip",
    )


def comparison(run: Run, head: Headline) -> list[str]:
    """Say in words how the main score stands to each baseline."""
    said = []
    for name, values in baselines(run).items():
        value = values.get(head.metric)
        if value is None or not np.isfinite(value) or head.score.value is None:
            continue
        shown = words.metric_value(head.metric, value, head.place)
        who = baseline_name(name)
        if head.score.low is not None and head.score.high is not None and head.score.low <= value <= head.score.high:
            said.append(f"not surely better than {_lower(who)} ({shown}, within the interval)")
        elif head.metric in ("rmse", "mae") and value > 0:
            share = 1 - head.score.value / value
            how = "smaller" if share >= 0 else "larger"
            said.append(f"{words.percent(abs(share))} {how} than {_lower(who)} ({shown})")
        else:
            better = (head.score.value > value) == GREATER_IS_BETTER.get(head.metric, False)
            said.append(f"{'better' if better else 'no better'} than {_lower(who)} ({shown})")
    return said


def _lower(who: str) -> str:
    """Return a baseline's name inside a sentence."""
    return "a linear model" if who == BASELINES["linear"] else who[:1].lower() + who[1:]


def verdict(run: Run, head: Headline | None) -> Html:
    """Write the main score in words; where there is none, how to get one."""
    if head is None:
        return tag(
            "div",
            tag("p", "Not judged", class_="figure"),
            tag(
                "p",
                "No row was kept back to judge on, so how good it is cannot be said. "
                "For an honest score train with --folds 5 or --holdout 0.2, or give a table of its own with --test.",
                class_="lead",
            ),
        )
    score = head.score
    several = run.table.target.task == "regression" and len(run.table.target.names) > 1
    unit = ""
    if head.metric in ("rmse", "mae"):
        unit = "in standard deviations of each target" if several else join("in the units of ", target_words(run))
    elif head.metric in words.SHARES:
        things = f"{words.thing(run)}s"
        unit = (
            f"of {things} get the right class" if head.metric == "accuracy" else f"of {things} found, mean over classes"
        )
    between = words.interval(head.metric, score)
    sure = f"95% interval {between}, on " if between else "On "
    against = comparison(run, head)
    where = KINDS.get(score.kind, score.kind).format(tested=words.name_of_test(run))
    return tag(
        "div",
        tag(
            "p",
            tag("abbr", words.metric_name(head.metric), title=words.METRIC_MEANINGS.get(head.metric)),
            class_="over",
        ),
        tag("p", head.value, tag("span", " ", unit, class_="unit") if unit else None, class_="figure"),
        tag("p", f"{sure}{words.count(score.rows, words.thing(run))} {where}.", class_="lead"),
        tag("p", f"{_sentence(against)}.", class_="lead strong") if against else None,
        _driven(run),
    )


def _driven(run: Run) -> Html | None:
    """Name the columns that matter most."""
    names = top_columns(run)
    if not names:
        return None
    shown = [
        join(("" if not i else " and " if i == len(names) - 1 else ", "), named(n, 40)) for i, n in enumerate(names)
    ]
    return tag("p", "Driven most by ", tag("a", shown, href="#drivers"), ".", class_="lead")


def _sentence(parts: list[str]) -> str:
    """Join parts with commas and begin with a capital."""
    text = ", ".join(parts)
    return text[:1].upper() + text[1:]


def score_lines(run: Run, head: Headline) -> list[charts.Line]:
    """Return the lines of the score chart: test, judged rows, one network, baselines."""
    metric, place = head.metric, head.place
    found: list[charts.Line] = []

    def add(name: str, value: float | None, role: str, score: Score | None = None) -> None:
        if value is not None and np.isfinite(value):
            low, high = (score.low, score.high) if score else (None, None)
            whole = low is not None and high is not None and np.isfinite(low) and np.isfinite(high)
            text = words.metric_value(metric, value, place)
            found.append(charts.Line(name, value, text, role, low if whole else None, high if whole else None))

    test, judged = run.test.get(metric), run.scores.get(metric)
    if test is not None:
        add(f"{_group(test)}, on the {words.name_of_test(run)}", test.value, "ours", test)
        add(f"One network, on the {words.name_of_test(run)}", test.one_member, "one")
    if judged is not None:
        where = f", {judged.kind}" if test is not None else ""
        add(f"{_group(judged)}{where}", judged.value, "ours", judged)
        add(f"One network{where}", judged.one_member, "one")
    for name, values in baselines(run).items():
        add(baseline_name(name), values.get(metric), "baseline")
    return found


def _group(score: Score) -> str:
    """Return what several networks are called where one is shown as well."""
    return "Networks" if score.one_member is None else "Networks together"


def score_chart(run: Run, head: Headline) -> charts.Chart:
    """Draw the main score beside the baselines."""
    lines = score_lines(run, head)
    greater = GREATER_IS_BETTER.get(head.metric, False)
    label = f"{words.metric_name(head.metric)}: " + "; ".join(f"{line.name} {line.text}" for line in lines)
    return charts.scores(lines, from_zero=not greater, label=f"{label}. {_direction(head.metric)}")


def _direction(metric: str) -> str:
    return "More is better." if GREATER_IS_BETTER.get(metric, False) else "Less is better."


def score_caption(run: Run, head: Headline) -> str:
    """Say how the score chart is to be read, and what its interval leaves out."""
    said = [_direction(head.metric)]
    if head.score.low is not None:
        over = f"{words.thing(run)}s"
        if run.resolved.group:
            over = "groups"
        elif run.resolved.time:
            over = "blocks of time"
        said.append(
            f"Bar: 95% interval, a bootstrap over {over}; it does not contain the variation from training again."
        )
    if any(s and s.one_member is not None for s in (run.test.get(head.metric), run.scores.get(head.metric))):
        said.append(f"One network: the mean score of single networks on the same {words.thing(run)}s.")
    if not GREATER_IS_BETTER.get(head.metric, False):
        said.append("The scale begins at 0.")
    return " ".join(said)
