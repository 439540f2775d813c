"""What a model did, as figures: its learning curves, and its predictions beside the truth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from danlu.core.records import Run
from danlu.report import guesses, parts, tables, words
from danlu.report.charts import Chart
from danlu.report.figures import Figure, Mark, Panel
from danlu.report.learning import training_curves
from danlu.report.pictures.grid import grid_chart

Arrays = Mapping[str, np.ndarray]
MOST_CLASSES = 15


def history(run: Run, arrays: Arrays) -> Figure | None:
    """Draw the learning curves of every network; None where none were kept."""
    found = training_curves(run, arrays)
    if not found:
        return None
    data: dict[str, list[Any]] = {"curve": [], "epoch": [], "network": [], "value": []}
    metric = run.judged_by
    for name, values, epochs in (
        ("loss", arrays.get("loss_EM"), None),
        ("training accuracy", arrays.get("accuracy_EM"), None),
        (metric, arrays.get("judged_JM"), arrays.get("judged_epochs_J")),
        (f"test {metric}", arrays.get("test_JM"), arrays.get("judged_epochs_J")),
    ):
        _add_curve(data, name, values, epochs)
    last = {name: _last_median(data, name) for name in dict.fromkeys(data["curve"])}
    return Figure(
        "curves",
        f"How {run.name} was trained",
        tuple(Panel(each.chart, each.title) for each in found),
        data,
        {"networks": len(run.members), "last_median": last, "folds": run.folds},
        f"{words.count(len(run.members), 'network')}, {run.folds}.",
        next((each.key for each in found if each.key), ()),
        columns=len(found),
        size=(380, 260) if len(found) > 1 else (560, 300),
    )


def _add_curve(
    data: dict[str, list[Any]], name: str, values_TM: np.ndarray | None, epochs_T: np.ndarray | None
) -> None:
    """Put the finite values of one curve into the columns."""
    if values_TM is None or not np.size(values_TM):
        return
    values = np.asarray(values_TM, np.float64)
    epochs = np.arange(1, len(values) + 1) if epochs_T is None else np.asarray(epochs_T)
    time, member = np.nonzero(np.isfinite(values))
    data["curve"] += [name] * len(time)
    data["epoch"] += epochs[time].tolist()
    data["network"] += member.tolist()
    data["value"] += values[time, member].tolist()


def _last_median(data: dict[str, list[Any]], name: str) -> float:
    """Return the median over networks of each one's last value."""
    last = {
        network: value
        for curve, network, value in zip(data["curve"], data["network"], data["value"], strict=True)
        if curve == name
    }
    return float(np.median(list(last.values())))


def predictions(run: Run, arrays: Arrays, *, where: str) -> Figure | None:
    """Draw predictions beside the truth; None where there are none.

    Arguments:
        run: the records of the model.
        arrays: truth_NC, predicted_NC and rows_N.
        where: which rows these are, in words.
    """
    part = parts.predictions(run, arrays)
    if part is None:
        return None
    if run.table.target.task == "regression":
        return _numbers(run, arrays, part, where)
    return _classes(run, arrays, part, where)


def _numbers(run: Run, arrays: Arrays, part: parts.Part, where: str) -> Figure | None:
    names = run.table.target.names
    truth = np.asarray(arrays["truth_NC"], np.float64).reshape(len(arrays["truth_NC"]), -1)
    predicted = np.asarray(arrays["predicted_NC"], np.float64).reshape(truth.shape)
    if not part.charts:
        return None
    titles = {f"chart-fit-{c}": name for c, name in enumerate(names)} | {"chart-errors": "Errors"}
    if len(names) == 1:
        titles["chart-fit-0"] = f"{names[0]}: each row"
    rows = np.asarray(arrays["rows_N"])
    data = {
        "target": [name for name in names for _ in rows],
        "row": (rows + 1).tolist() * len(names),
        "truth": truth.T.ravel().tolist(),
        "predicted": predicted.T.ravel().tolist(),
    }
    error = predicted - truth
    facts = {
        name: {
            "rows": len(rows),
            "rmse": float(np.sqrt(np.nanmean(error[:, c] ** 2))),
            "mae": float(np.nanmean(np.abs(error[:, c]))),
        }
        for c, name in enumerate(names)
    }
    return Figure(
        "predictions",
        f"Predicted and true {words.listed(list(names), 3)}",
        tuple(Panel(chart, titles[chart.id]) for chart in part.charts),
        data,
        facts,
        f"{where} On the dashed line a prediction is right; above it is too high, below it too low.",
        columns=min(3, len(part.charts)),
        size=(330, 300),
    )


def _classes(run: Run, arrays: Arrays, part: parts.Part, where: str) -> Figure:
    names = run.table.target.classes
    probability = np.asarray(arrays["predicted_NC"], np.float64)
    truth = np.asarray(arrays["truth_NC"]).reshape(len(probability), -1)[:, 0]
    good = np.isfinite(probability).all(axis=1) & np.isfinite(truth.astype(np.float64))
    truth, probability, rows = truth[good].astype(np.int64), probability[good], np.asarray(arrays["rows_N"])[good]
    kept = arrays.get("guessed_N")
    chosen = guesses.guessed(run, probability, None if kept is None else {"guessed_N": np.asarray(kept)[good]})
    matrix = tables.counts(truth, chosen, len(names))
    right = float((truth == chosen).mean())
    data = {
        "row": (rows + 1).tolist(),
        "truth": [names[c] for c in truth.tolist()],
        "predicted": [names[c] for c in chosen.tolist()],
        "probability": probability[np.arange(len(chosen)), chosen].tolist(),
    }
    panels = [Panel(_confusion(matrix, names), "Confusion matrix")]
    two = len(names) == 2
    panels += [Panel(chart, "Calibration") for chart in part.charts if chart.id == "chart-calibration"]
    panels += [Panel(chart, f"Probability of {names[1]}") for chart in part.charts if chart.id != "chart-calibration"]
    side = max(300, 30 * min(len(names), MOST_CLASSES + 1))
    key = (Mark(f"truly {names[1]}", "first", "area"), Mark(f"truly {names[0]}", "second", "area")) if two else ()
    return Figure(
        "predictions",
        f"Predicted and true {words.listed(list(run.table.target.names), 3)}",
        tuple(panels),
        data,
        {"rows": len(truth), "accuracy": right, "classes": list(names), "confusion": matrix.tolist()},
        f"{where} {words.percent(right, -3)} are right.",
        key,
        columns=len(panels),
        size=(side, side if len(names) > 4 else 240),
    )


def confusion(run: Run, arrays: Arrays, *, where: str) -> Figure | None:
    """Draw the confusion matrix of predictions alone; None where there are none. Arguments are those of
    `predictions`."""
    whole = predictions(run, arrays, where=where)
    if whole is None:
        return None
    names, matrix = whole.facts["classes"], whole.facts["confusion"]
    data = {
        "truth": [name for name in names for _ in names],
        "predicted": [*names] * len(names),
        "rows": [amount for row in matrix for amount in row],
    }
    panels, title = (replace(whole.panels[0], title=""),), f"Confusion matrix of {run.name}"
    side = (max(460, whole.size[0]), max(240, whole.size[1]))
    return replace(whole, kind="confusion", title=title, panels=panels, data=data, key=(), columns=1, size=side)


def _confusion(matrix: np.ndarray, names: Sequence[str]) -> Chart:
    """Draw the confusion matrix, shaded by the share of the true class: right in one colour, wrong in the other."""
    small, kept = tables.gathered(matrix, MOST_CLASSES)
    shown = [names[i] for i in kept] + (["others"] if len(small) > len(kept) else [])
    share = small / np.maximum(small.sum(axis=1, keepdims=True), 1)
    signed = np.where(np.eye(len(small), dtype=bool), share, -share)
    few = len(small) <= 6
    texts = [[(f"{n:,}" if few else short(n)) if n else "" for n in row] for row in small.tolist()]
    right = f"{int(np.trace(matrix)):,} of {int(matrix.sum()):,} rows are right."
    return grid_chart(
        "chart-confusion",
        signed,
        (shown, shown),
        ("true", "predicted"),
        texts=texts,
        label=f"Confusion matrix of {len(names)} classes: {right}",
        caption="Rows by class; the darker, the larger the share of the true class.",
    )


def short(amount: int) -> str:
    """Write an amount in at most four signs.

    >>> short(987), short(1_235), short(107_197), short(2_807_900)
    ('987', '1.2k', '107k', '2.8M')
    """
    for size, letter in ((1_000_000, "M"), (1_000, "k")):
        if amount >= size:
            return f"{amount / size:.1f}{letter}" if amount < 10 * size else f"{amount // size}{letter}"
    return str(amount)
