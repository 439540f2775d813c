"""Classes that a model predicts, and how sure it rightly is: the reliability diagram."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from danlu.core.records import Run
from danlu.judging.metrics import BINS
from danlu.judging.scores import decided
from danlu.report import words
from danlu.report.charts import Chart, clean, finish


def guessed(run: Run, predicted_NC: np.ndarray, arrays: Mapping[str, np.ndarray] | None = None) -> np.ndarray:
    """Return the codes of the classes predicted.

    Arguments:
        run: its decision counts, where it has one.
        predicted_NC: probabilities.
        arrays: of the rows; `guessed_N` there goes before.
    """
    kept = None if arrays is None else arrays.get("guessed_N")
    if kept is not None and len(kept) == len(predicted_NC):
        return np.asarray(kept)
    weights = None if run.decision is None else np.array(run.decision.weights)
    guess_N = decided(np.asarray(predicted_NC), weights)
    return np.asarray(predicted_NC).argmax(axis=1) if guess_N is None else guess_N


def reliability_chart(sure_N: np.ndarray, hit_N: np.ndarray, *, two: bool, bins: int = 10, thing: str = "row") -> Chart:
    """Draw how often rows of about a probability really are of the class (DeGroot and Fienberg 1983), in ten bins.

    Arguments:
        sure_N: probabilities.
        hit_N: whether the row is of the class.
        two: whether it is that of the second of two classes, not of the likeliest.
        bins: of equal width.
        thing: what a row is called.
    """
    import altair as alt  # noqa: PLC0415  only a picture needs it

    place = np.minimum((sure_N * bins).astype(int), bins - 1)
    used = [b for b in range(bins) if (place == b).any()]
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
        alt.Tooltip("rows:Q", title=f"{thing}s", format=",d"),
    ]
    dots = alt.Chart(alt.NamedData(name="bins"))
    layers = [
        alt.Chart(alt.NamedData(name="equal"))
        .mark_line(color="var(--ink)", strokeWidth=1, strokeDash=[4, 3])
        .encode(x=x, y=y),
        dots.mark_line(color="var(--first)", strokeWidth=2).encode(x=x, y=y),
        dots.mark_circle(color="var(--first)", opacity=1).encode(
            x=x, y=y, tooltip=tooltip, size=alt.Size("rows:Q", legend=None, scale=alt.Scale(range=[30, 220]))
        ),
    ]
    gap = float(np.average(np.abs(np.array(said) - np.array(came)), weights=amounts))
    caption = f"Off by {words.percent(gap)} on average. The larger a dot, the more {thing}s."
    return Chart("chart-calibration", finish(layers, 240), data, f"Calibration. {caption}", caption)


def reliability_note(run: Run) -> str:
    """Say the calibration error and the Brier score on the rows of the page, and what was done for them."""
    found = run.scores or run.test
    parts = [
        f"{words.metric_name(name)} {words.metric_value(name, found[name].value)}"
        for name in ("ece", "brier")
        if name in found
    ]
    if "ece" in found:
        parts[0] += f" (of the likeliest class, in {BINS} bins)"
    done = words.calibration_words(run)
    return "; ".join([*parts, *([f"probabilities {done}"] if done else [])]) + "." if parts else ""


def unseen(arrays: Mapping[str, np.ndarray]) -> tuple[Mapping[str, np.ndarray], str]:
    """Return arrays whose predictions are those of judged rows, or where none were judged of test rows, and which.

    >>> unseen({"truth_NC": np.zeros(0), "test_truth_NC": np.ones(2), "test_predicted_NC": np.ones((2, 1))})[1]
    'test'
    """
    truth, tested = arrays.get("truth_NC"), arrays.get("test_truth_NC")
    if (truth is not None and len(truth)) or tested is None or not len(tested):
        return arrays, "judged"
    predicted, rows = arrays["test_predicted_NC"], np.arange(len(tested))
    own = {"rows_N": rows, "truth_NC": tested, "predicted_NC": predicted}
    return {name: values for name, values in arrays.items() if name != "guessed_N"} | own, "test"
