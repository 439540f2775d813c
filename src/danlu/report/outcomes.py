"""What a model did, as figures: its learning curves, and its predictions beside the truth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from danlu.core.records import Run
from danlu.report import parts, tables, words
from danlu.report.charts import Chart, clean, finish
from danlu.report.figures import Figure, Mark, Panel
from danlu.report.pictures.grid import grid_chart

Arrays = Mapping[str, np.ndarray]
MOST_CLASSES = 15


def history(run: Run, arrays: Arrays) -> Figure | None:
    """Draw the learning curves of every network; None where none were kept."""
    found = parts.training_curves(run, arrays)
    if not found:
        return None
    data: dict[str, list[Any]] = {"curve": [], "epoch": [], "network": [], "value": []}
    metric = run.main_metric
    for name, values, epochs in (
        ("loss", arrays.get("loss_EM"), None),
        (metric, arrays.get("judged_JM"), arrays.get("judged_epochs_J")),
        (f"test {metric}", arrays.get("test_JM"), arrays.get("judged_epochs_J")),
    ):
        _add_curve(data, name, values, epochs)
    last = {name: _last_median(data, name) for name in dict.fromkeys(data["curve"])}
    return Figure(
        "history",
        f"How {run.name} was trained",
        tuple(Panel(chart, title) for chart, title in found),
        data,
        {"networks": len(run.members), "last_median": last, "folds": run.folds},
        f"{words.count(len(run.members), 'network')}, {run.folds}.",
        columns=len(found),
        size=(380 if len(found) > 1 else 480, 260),
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
    guessed = probability.argmax(axis=1)
    matrix = tables.counts(truth, guessed, len(names))
    right = float((truth == guessed).mean())
    data = {
        "row": (rows + 1).tolist(),
        "truth": [names[c] for c in truth.tolist()],
        "predicted": [names[c] for c in guessed.tolist()],
        "probability": probability[np.arange(len(guessed)), guessed].tolist(),
    }
    panels = [Panel(_confusion(matrix, names), "Confusion matrix")]
    two = len(names) == 2
    sure, hit = (probability[:, 1], truth == 1) if two else (probability.max(axis=1), truth == guessed)
    panels.append(Panel(_calibration(sure, hit, two=two), "Calibration"))
    panels += [Panel(chart, f"Probability of {names[1]}") for chart in part.charts]
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


def _calibration(sure_N: np.ndarray, hit_N: np.ndarray, *, two: bool) -> Chart:
    """Draw how often rows of about a probability really are of the class, in ten bins."""
    import altair as alt  # noqa: PLC0415  only a picture needs it

    place = np.minimum((sure_N * 10).astype(int), 9)
    used = [b for b in range(10) if (place == b).any()]
    amounts = [int((place == b).sum()) for b in used]
    said = [float(sure_N[place == b].mean()) for b in used]
    came = [float(hit_N[place == b].mean()) for b in used]
    data = {"bins": {"x": clean(said), "y": clean(came), "rows": amounts}, "equal": {"x": [0, 1], "y": [0, 1]}}
    scale = alt.Scale(domain=[0, 1])
    percent = alt.Axis(format="%", tickCount=5)
    title = "predicted probability" if two else "probability of the likeliest class"
    x = alt.X("x:Q", title=title, scale=scale, axis=percent)
    y = alt.Y("y:Q", title="share that is of the class" if two else "share that is right", scale=scale, axis=percent)
    tooltip = [
        alt.Tooltip("x:Q", title="predicted", format=".1%"),
        alt.Tooltip("y:Q", title="came true", format=".1%"),
        alt.Tooltip("rows:Q", title="rows", format=",d"),
    ]
    bins = alt.Chart(alt.NamedData(name="bins"))
    layers = [
        alt.Chart(alt.NamedData(name="equal"))
        .mark_line(color="var(--ink)", strokeWidth=1, strokeDash=[4, 3])
        .encode(x=x, y=y),
        bins.mark_line(color="var(--first)", strokeWidth=2).encode(x=x, y=y),
        bins.mark_circle(color="var(--first)", opacity=1).encode(
            x=x, y=y, tooltip=tooltip, size=alt.Size("rows:Q", legend=None, scale=alt.Scale(range=[30, 220]))
        ),
    ]
    gap = float(np.average(np.abs(np.array(said) - np.array(came)), weights=amounts))
    caption = f"Off by {words.percent(gap)} on average. The larger a dot, the more rows."
    return Chart("chart-calibration", finish(layers, 240), data, f"Calibration. {caption}", caption)
