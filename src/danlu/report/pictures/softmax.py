"""Softmax of some logits, and its Jacobian as a grid of numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from danlu.report.charts import Chart, clean, finish
from danlu.report.figures import Figure, Panel
from danlu.report.pictures.grid import grid_chart

MOST_NUMBERS = 12
"""Outputs up to which every cell holds its number."""


def softmax(logits_C: Sequence[float], probability_C: np.ndarray, jacobian_CC: np.ndarray) -> Figure:
    """Draw probabilities of logits, and the derivative of each by each logit."""
    amount = len(logits_C)
    names = [str(i + 1) for i in range(amount)]
    data = {
        "output": [i + 1 for i in range(amount) for _ in range(amount)],
        "logit": [j + 1 for _ in range(amount) for j in range(amount)],
        "derivative": jacobian_CC.ravel().tolist(),
    }
    facts: dict[str, Any] = {
        "logits": list(logits_C),
        "probabilities": probability_C.tolist(),
        "jacobian": jacobian_CC.tolist(),
        "row_sums": jacobian_CC.sum(axis=1).tolist(),
    }
    texts = [[f"{v + 0.0:.4f}".replace("-", "−") if amount <= MOST_NUMBERS else "" for v in row] for row in jacobian_CC]
    rows = "; ".join(", ".join(row) for row in texts)
    grid = grid_chart(
        "chart-jacobian",
        jacobian_CC,
        (names, names),
        ("probability", "by logit"),
        texts=texts,
        label=f"Derivatives of each probability by each logit: {rows}." if amount <= MOST_NUMBERS else "The Jacobian.",
        caption="Each row and each column sums to 0: what one gains, others lose.",
    )
    panels = (Panel(_bars(logits_C, probability_C), "Probabilities"), Panel(grid, "Jacobian"))
    return Figure(
        "softmax",
        "Softmax and its Jacobian",
        panels,
        data,
        facts,
        "The derivative of probability i by logit j is p_i (1 − p_i) where i = j, else −p_i p_j.",
        columns=2,
        size=(max(280, min(64 * amount, 640)), max(170, min(46 * amount, 480))),
    )


def _bars(logits_C: Sequence[float], probability_C: np.ndarray) -> Chart:
    """Draw the probabilities, each with its logit beside its name."""
    import altair as alt  # noqa: PLC0415  only a picture needs it

    digits = max(len(f"{v:.12g}".partition(".")[2]) for v in logits_C)
    names = [f"{i + 1}: logit {v:.{min(4, digits)}f}".replace("-", "−") for i, v in enumerate(logits_C)]
    many = len(names) > MOST_NUMBERS
    texts = ["" if many else f"{p:.4f}" for p in probability_C]
    data = {"bars": {"name": names, "x": clean(probability_C), "text": texts}}
    base = alt.Chart(alt.NamedData(name="bars")).encode(
        y=alt.Y("name:N", title=None, sort=None, axis=alt.Axis(grid=False, domain=False, ticks=False)),
        x=alt.X("x:Q", title="probability", scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(tickCount=5)),
    )
    layers = [
        base.mark_bar(color="var(--first)", opacity=0.75, height={"band": 0.6}),
        base.mark_text(align="left", dx=5, color="var(--ink)", fontSize=12).encode(text="text:N"),
    ]
    said = ", ".join(f"{name}, probability {p:.4f}" for name, p in zip(names, probability_C.tolist(), strict=True))
    return Chart("chart-probabilities", finish(layers, max(120, 46 * len(names))), data, f"Softmax: {said}.")
