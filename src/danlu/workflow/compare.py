"""What differs between models: in data, plan and score, and whether the difference in score is more than noise.

Two scores can be compared where they are of the same rows: rows are the same where their numbers and their true values
are. The difference is then judged by a paired bootstrap: the same resampled rows for both, so that what is hard for
both cancels out. It says how far the difference would move with other rows, not with networks trained again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from danlu.core.compared import Comparison, Difference, Pair, Side
from danlu.core.errors import PlanError
from danlu.core.records import Run, Score
from danlu.judging.intervals import draws, limits, resamples
from danlu.judging.metrics import CLASSIFICATION, GREATER_IS_BETTER, measures
from danlu.report.words import count, duration, interval, listed, metric_name, metric_value, score_place
from danlu.workflow.model import Model, load

UNCOMPARED = ("data", "test", "target")
"""Settings that stand under data."""
MOST_COLUMNS = 200


def compare(models: Sequence[str | Path | Model], names: Sequence[str] | None = None) -> Comparison:
    """Compare models with the first of them.

    Arguments:
        models: two or more, or the folders of them.
        names: what they are called, by default as their folders or runs; shortened where that tells them apart.

    Raises:
        PlanError: there are fewer than two.
        ArtifactError: a folder holds no model.
    """
    if len(models) < 2:
        raise PlanError("a comparison needs two models", f"got {len(models)}", "Use danlu compare A.danlu B.danlu.")
    loaded = [model if isinstance(model, Model) else load(model) for model in models]
    called = [str(model) if isinstance(model, str | Path) else model.run.name for model in models]
    names = _names(called if names is None else names)
    runs = [model.run for model in loaded]
    return Comparison(
        models=tuple(_side(name, model) for name, model in zip(names, loaded, strict=True)),
        data=tuple(_data(runs, loaded)),
        plan=tuple(_plan(runs)),
        score=tuple(_score(runs)),
        pairs=tuple(pair(loaded[0], other, names[0], name) for other, name in zip(loaded[1:], names[1:], strict=True)),
    )


def write_comparison(found: Comparison, models: Sequence[Model], path: Path) -> Path:
    """Write a comparison as one self-contained page, and return its path.

    Raises:
        OutputError: it cannot be written.
    """
    from danlu.report.comparison import compare_page  # noqa: PLC0415  draws charts, which only a page pays
    from danlu.report.document import write_whole  # noqa: PLC0415

    return write_whole(path, compare_page(found, [each.run for each in models], [each.arrays for each in models]))


def _names(given: Sequence[str]) -> list[str]:
    """Return short names that tell the models apart.

    >>> _names(["runs/a.danlu", "runs/b.danlu"]), _names(["x/a.danlu", "y/a.danlu"]), _names(["a", "a"])
    (['a', 'b'], ['x/a.danlu', 'y/a.danlu'], ['a (1)', 'a (2)'])
    """
    for name in (lambda each: Path(each).name.removesuffix(".danlu"), str):
        found = [name(each) for each in given]
        if len(set(found)) == len(found):
            return found
    return [f"{each} ({place})" for place, each in enumerate(given, 1)]


def _side(name: str, model: Model) -> Side:
    run = model.run
    return Side(name=name, created=run.created, source=run.source, metric=run.main_metric, rows=rows_hash(model.arrays))


# What the scores are of


def _unseen(arrays: Mapping[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray | None] | None:
    """Return rows, truth, predictions and chosen classes of rows not learnt from; None where none was kept."""
    if len(arrays.get("rows_N", ())):
        return arrays["rows_N"], arrays["truth_NC"], arrays["predicted_NC"], arrays.get("guessed_N")
    truth = arrays.get("test_truth_NC")
    return None if truth is None else (np.arange(len(truth)), truth, arrays["test_predicted_NC"], None)


def rows_hash(arrays: Mapping[str, np.ndarray]) -> str:
    """Return what tells whether two scores are of the same rows: 12 digits of SHA-256 over numbers and true values;
    "" where no predictions were kept."""
    found = _unseen(arrays)
    if found is None:
        return ""
    order = np.argsort(found[0], kind="stable")
    digest = hashlib.sha256(np.asarray(found[0], "<i8")[order].tobytes())
    digest.update(np.asarray(found[1], "<f8")[order].tobytes())
    return digest.hexdigest()[:12]


def pair(first: Model, other: Model, name: str, other_name: str) -> Pair:
    """Say which of two models is better, as far as that can be said."""
    runs = first.run, other.run
    metric = runs[0].main_metric
    said = {"first": name, "other": other_name, "metric": metric}
    why = _apart(*runs)
    found = _unseen(first.arrays), _unseen(other.arrays)
    if why:
        return Pair(**said, verdict="not comparable", words=why)
    if found[0] is None or found[1] is None:
        which = name if found[0] is None else other_name
        return Pair(**said, verdict="not comparable", words=f"No row was judged by {which}.")
    rows, at, at_other = np.intersect1d(found[0][0], found[1][0], return_indices=True)
    if not len(rows) or not np.array_equal(found[0][1][at], found[1][1][at_other]):
        return Pair(**said, verdict="not comparable", words=_other_rows(found[0][0], found[1][0], rows))
    values = [
        _measure(metric, run, each, places)
        for run, each, places in zip(runs, found, (at, at_other), strict=True)
        if each is not None
    ]
    return _judged(said, runs, values, len(rows), max(len(found[0][0]), len(found[1][0])))


def _apart(first: Run, other: Run) -> str:
    """Return why two models cannot be compared at all; "" where they can."""
    targets = [run.table.target for run in (first, other)]
    if targets[0].task != targets[1].task:
        return f"One predicts numbers and the other classes ({targets[0].task}, {targets[1].task})."
    if targets[0].names != targets[1].names:
        return "They predict different targets: " + " and ".join(listed(list(each.names)) for each in targets) + "."
    if targets[0].classes != targets[1].classes:
        return "Their classes are not the same."
    return ""


def _other_rows(first: np.ndarray, other: np.ndarray, common: np.ndarray) -> str:
    """Say how rows differ, and what would make the scores comparable."""
    amounts = f"{count(len(first), 'row')} and {count(len(other), 'row')}"
    how = "no row is in both" if not len(common) else "rows of the same number have other true values"
    cure = "Judge both on one table: danlu score MODEL TABLE, or --test TABLE when fitting."
    return f"Their scores are of different rows ({amounts}; {how}), so a difference may be that of the rows. {cure}"


Weighted = Callable[[np.ndarray], np.ndarray]


def _measure(metric: str, run: Run, found: tuple, places: np.ndarray) -> Weighted:
    """Return what gives the metric for weightings [R, N] of the common rows."""
    _, truth_NC, predicted_NC, guessed_N = found
    target, one_N = run.table.target, np.ones(len(places))
    truth = truth_NC[places]
    if metric in CLASSIFICATION:
        truth = truth.reshape(len(places)).astype(np.int64)
    guess_N = None if guessed_N is None else guessed_N[places]
    measured = measures(
        truth,
        predicted_NC[places],
        (metric,),
        one_N,
        resamples(len(places)) + 1,
        positive=target.positive,
        guess_N=guess_N,
    )
    return lambda weight_RN: measured(weight_RN)[metric].value_R


def _judged(said: dict[str, str], runs: tuple[Run, Run], values: list[Weighted], rows: int, most: int) -> Pair:
    """Resample rows, and say how surely the one is better."""
    metric = said["metric"]
    one = np.ones((1, rows))
    first, other = (float(value(one)[0]) for value in values)
    low, high = None, None
    if rows > 1:
        drawn = draws(rows, resamples(rows), runs[0].resolved.seed)
        low, high = limits(np.concatenate([values[1](times_RN) - values[0](times_RN) for times_RN in drawn]))
    better = (other > first) == GREATER_IS_BETTER.get(metric, False)
    clear = low is not None and high is not None and (low > 0 or high < 0)
    verdict: Literal["better", "worse", "no clear difference"] = "no clear difference"
    if clear:
        verdict = "better" if better else "worse"
    together = [name for run in runs for name in (run.resolved.group, run.resolved.time) if name]
    notes = []
    if rows < most:
        notes.append(f"compared on the {rows:,} rows that both were judged on")
    if together:
        notes.append(f"rows that belong together ({together[0]}) were drawn one by one: the interval is too narrow")
    if any(run.resolved.weight for run in runs):
        notes.append("weights of rows are not kept: each row counts as one here")
    return Pair(
        **said,
        verdict=verdict,
        rows=rows,
        value=first,
        other_value=other,
        difference=other - first,
        low=low,
        high=high,
        words=_words(said, verdict, rows),
        notes=tuple(notes),
    )


def _words(said: dict[str, str], verdict: str, rows: int) -> str:
    first, other, name = said["first"], said["other"], metric_name(said["metric"])
    same = f"on the same {count(rows, 'row')}"
    if verdict == "no clear difference":
        return f"{other} and {first}: no clear difference in {name} {same}; what there is may be noise."
    return f"{other} is {verdict} than {first} {same}: the difference in {name} is more than chance in the rows."


# What differs


def _different(topic: Literal["data", "plan"], name: str, values: Sequence[str]) -> list[Difference]:
    """Return a difference where there is one."""
    return [Difference(topic=topic, name=name, values=tuple(values))] if len(set(values)) > 1 else []


def _data(runs: Sequence[Run], models: Sequence[Model]) -> list[Difference]:
    """Return what differs in data: source, rows, target, columns, folds, and which rows were judged."""

    def of(name: str, value: Callable[[Run], str]) -> list[Difference]:
        return _different("data", name, [value(run) for run in runs])

    found = of("read from", lambda run: run.source)
    found += of("rows read", lambda run: f"{run.rows.read:,}") + of("rows used", lambda run: f"{run.rows.used:,}")
    found += of("test rows", lambda run: f"{run.rows.test:,}")
    found += of("target", lambda run: listed(list(run.table.target.names)))
    found += of("task", lambda run: run.table.target.task)
    found += of("classes", lambda run: listed(list(run.table.target.classes)) or "–")
    found += of("divided", lambda run: run.folds)
    found += _different("data", "rows judged (hash)", [rows_hash(model.arrays) or "–" for model in models])
    columns = [_columns(run) for run in runs]
    names = list(dict.fromkeys(name for each in columns for name in each))
    different = [name for name in names if len({each.get(name, "–") for each in columns}) > 1]
    for name in different[:MOST_COLUMNS]:
        found += _different("data", f"column {name}", [each.get(name, "–") for each in columns])
    if len(different) > MOST_COLUMNS:
        left = f"{len(different) - MOST_COLUMNS:,}"
        found.append(Difference(topic="data", name="further columns", values=(left,) * len(runs)))
    return found


def _columns(run: Run) -> dict[str, str]:
    """Return what each column is to a run."""
    found = {}
    for column in run.table.columns:
        seen = f"{len(column.levels)} levels" if column.kind == "category" else ""
        gaps = f"{column.missing:,} missing" if column.missing else ""
        found[column.name] = ", ".join(filter(None, (column.kind, seen, gaps)))
    return found | {each.name: f"left out: {each.reason}" for each in run.table.left_out}


def _plan(runs: Sequence[Run]) -> list[Difference]:
    """Return the settings, as they were run, that differ."""
    plans = [run.resolved.model_dump(mode="json") for run in runs]
    found = []
    for name in plans[0]:
        if name not in UNCOMPARED:
            found += _different("plan", name, [_written(plan.get(name)) for plan in plans])
    return found + _different("plan", "parameters of a network", [f"{run.parameters:,}" for run in runs])


def _written(value: object) -> str:
    """Write a setting.

    >>> _written([256, 256]), _written(None), _written(True), _written(0.002)
    ('256, 256', '–', 'yes', '0.002')
    """
    if value is None or value == []:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(_written(each) for each in value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def _score(runs: Sequence[Run]) -> list[Difference]:
    """Return the outcome of each run: what is the same as well, because all of it matters."""
    names = list(dict.fromkeys(name for run in runs for name in (run.main_metric, *run.scores)))
    rows = []
    for group, title in (("scores", ""), ("test", ", test table")):
        for name in names:
            scores = [getattr(run, group).get(name) for run in runs]
            if any(score is not None for score in scores):
                main = name == runs[0].main_metric
                values = [_value(name, score, between=main) for score in scores]
                rows.append(Difference(topic="score", name=metric_name(name) + title, values=tuple(values)))

    def add(name: str, values: list[str]) -> None:
        rows.append(Difference(topic="score", name=name, values=tuple(values)))

    add("networks", [f"{len(run.members):,}" for run in runs])
    add("epochs", [_span([m.epochs for m in run.members]) for run in runs])
    add("findings", [listed([finding.name for finding in run.findings]) or "none" for run in runs])
    add("time", [duration(run.seconds.get("total")) for run in runs])
    add("machine", [run.machine.get("device", "–") for run in runs])
    add("danlu", [run.version for run in runs])
    return rows


def _value(name: str, score: Score | None, *, between: bool) -> str:
    """Write a score, of the main metric with its interval."""
    if score is None:
        return "–"
    ends = interval(name, score) if between else ""
    return metric_value(name, score.value, score_place(score)) + (f" ({ends})" if ends else "")


def _span(epochs: Sequence[int]) -> str:
    least, most = min(epochs, default=0), max(epochs, default=0)
    return f"{most:,}" if least == most else f"{least:,} to {most:,}"
