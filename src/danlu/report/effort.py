"""What training took: the learning rate over the epochs, seconds of each stage, rows a second."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from danlu.core.records import Run
from danlu.report import thin, words
from danlu.report.charts import Chart, clean, epochs_axis, finish
from danlu.report.markup import Html, facts, tag

STAGES = {
    "read": "Read",
    "prepare": "Prepare",
    "train": "Train",
    "judge": "Judge",
    "explain": "Explain",
    "learning_curve": "Learning curve",
}


def rate_chart(arrays: Mapping[str, np.ndarray]) -> Chart | None:
    """Draw the learning rate at the end of each epoch; None where it was not kept or is the same in all."""
    import altair as alt  # noqa: PLC0415  only a page needs it

    rates = np.asarray(arrays.get("lr_E", ()), np.float64)
    if rates.ndim != 1 or len(rates) < 2 or not np.isfinite(rates).all() or np.ptp(rates) <= 1e-9 * rates.max():
        return None
    epochs = np.arange(1, len(rates) + 1)
    at = thin.along(epochs, thin.MOST_OF_A_CURVE)
    data = {"rate": {"x": epochs[at].tolist(), "y": clean(rates[at])}}
    x_axis = epochs_axis(1, len(rates))
    x = alt.X("x:Q", title="epoch", axis=x_axis, scale=alt.Scale(nice=False, zero=False))
    y = alt.Y("y:Q", title=None, axis=alt.Axis(tickCount=4, format="~g"), scale=alt.Scale(zero=True))
    shown = [alt.Tooltip("x:Q", title="epoch", format=",d"), alt.Tooltip("y:Q", title="learning rate", format=".3~g")]
    base = alt.Chart(alt.NamedData(name="rate"))
    layers = [
        base.mark_line(color="var(--third)", strokeWidth=2).encode(x=x, y=y),
        base.mark_point(opacity=0, size=90, filled=True).encode(x=x, y=y, tooltip=shown),
    ]
    top = int(rates.argmax())
    said = f"Highest at epoch {top + 1:,}: {words.number(float(rates[top]), digits=3)}."
    said += f" At the end: {words.number(float(rates[-1]), digits=2)}."
    return Chart("chart-rate", finish(layers, 260), data, f"Learning rate over the epochs. {said}", said)


def effort(run: Run) -> Html:
    """List seconds of each stage and the speed."""
    pairs: list[tuple[object, object]] = []
    for stage, value in run.seconds.items():
        if stage != "total" and value >= 0.0005:
            pairs.append((STAGES.get(stage, stage.replace("_", " ").capitalize()), words.duration(value)))
    pairs.append(("Total", words.duration(run.seconds.get("total", sum(run.seconds.values())))))
    passed = sum(member.train_rows * member.epochs for member in run.members)
    train = run.seconds.get("train", 0.0)
    thing = words.thing(run)
    if train > 0 and passed:
        speed = words.about(passed / train)
        pairs.append(("Speed", f"{speed} {thing}s a second"))
    if run.explained.memory is not None:
        where = "the process" if run.machine.get("device", "cpu") == "cpu" else "the GPU"
        pairs.append(("Memory", f"{words.about(run.explained.memory / 2**30)} GiB of {where}, at most"))
    return tag("div", tag("h3", "Time and memory"), facts(pairs), class_="block")
