"""Losses and their gradients as small multiples."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from danlu.report.figures import Figure, Mark, Panel
from danlu.report.pictures.lines import Axis, Line, lines_chart
from danlu.report.words import number

Curve = Mapping[str, Any]
"""name, by, truth, x_N, value_N, gradient_N, lowest: as `explanation` records them."""

AXES = {
    "error": ("error: prediction minus truth", (-2.5, 5.5)),
    "probability": ("probability", (-1.15, 4.3)),
    "log-rate": ("output: logarithm of the rate", (-2.5, 5.5)),
}
"""Title of the x axis, and ends of the y axis, by what x is."""
EXAMPLES = {
    "error": (-2.0, -1.0, 0.0, 1.0, 2.0),
    "probability": (0.01, 0.1, 0.5, 0.88, 0.99),
    "log-rate": (-1.0, 0.0, 1.0),
}
"""Where facts give value and gradient."""


def losses(curves: Sequence[Curve], at: Callable[[str, float], tuple[float, float]]) -> Figure:
    """Draw losses with their gradients.

    Arguments:
        curves: the losses.
        at: value and gradient of a loss, by its name, at one point.
    """
    data: dict[str, list[Any]] = {"loss": [], "by": [], "x": [], "value": [], "gradient": []}
    for curve in curves:
        amount = len(curve["x_N"])
        data["loss"] += [curve["name"]] * amount
        data["by"] += [curve["by"]] * amount
        for column, field in (("x", "x_N"), ("value", "value_N"), ("gradient", "gradient_N")):
            data[column] += curve[field].tolist()
    one = curves[0]["name"] if len(curves) == 1 else ""
    return Figure(
        "losses",
        f"The loss {one} and its gradient" if one else "Losses and their gradients",
        tuple(_panel(curve, 280 if one else 200) for curve in curves),
        data,
        {curve["name"]: _facts(curve, at) for curve in curves},
        "What one row costs, and the gradient by the output: the prediction itself, or the logit before "
        "sigmoid or softmax.",
        (Mark("loss", "first"), Mark("gradient", "second", "dashed")),
        columns=1 if one else min(4, len(curves)),
        size=(460, 280) if one else (220, 160),
    )


def _facts(curve: Curve, at: Callable[[str, float], tuple[float, float]]) -> dict[str, Any]:
    """Return where the loss is least, and value and gradient at round points."""
    points = []
    for x in EXAMPLES[curve["by"]]:
        value, gradient = at(curve["name"], x)
        points.append({"x": x, "value": value, "gradient": gradient})
    return {"by": curve["by"], "lowest": {"x": curve["lowest"][0], "value": curve["lowest"][1]}, "points": points}


_SAID = {
    "mse": "Twice the error pulls twice as hard.",
    "l1": "Every error pulls alike; no slope at 0.",
    "huber": "A square near 0, straight beyond {0}.",
    "pinball": "A truth above costs {0}, one below {1}.",
    "binary-cross-entropy": "−log p where the class is 1, gradient p − 1.",
    "cross-entropy": "−log p, gradient p − 1.",
    "kl": "Least at the true share, here 0.7.",
    "poisson": "Least at the true count, here 2.",
}


def _panel(curve: Curve, height: int) -> Panel:
    name, _, given = curve["name"].partition(":")
    value = float(given) if given else {"huber": 1.0, "pinball": 0.5}.get(name, 0.0)
    said = _SAID[name].format(number(value), number(round(1 - value, 9)))
    title, ends = AXES[curve["by"]]
    if curve["by"] == "probability":
        title = "probability of the first of two" if name == "kl" else "probability of the true class"
    x = curve["x_N"]
    chart = lines_chart(
        f"chart-{name}-{given.replace('.', '-')}".rstrip("-"),
        [Line("loss", x, curve["value_N"]), Line("gradient", x, curve["gradient_N"], "second", "dashed")],
        Axis(title, (0.0, 1.0) if curve["by"] == "probability" else (float(x[0]), float(x[-1]))),
        Axis(None, ends),
        label=f"{curve['name']} and its gradient by the output. {said}",
        caption=said,
        height=height,
    )
    return Panel(chart, curve["name"])
