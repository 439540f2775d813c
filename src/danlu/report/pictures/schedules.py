"""Learning-rate schedules over the epochs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from danlu.report.figures import Figure, Panel
from danlu.report.pictures.lines import Axis, Line, lines_chart, short
from danlu.report.words import count, number


def schedules(
    names: Sequence[str],
    epoch_S: np.ndarray,
    rate_SK: np.ndarray,
    *,
    epochs: int,
    steps: int,
    warmup: float = 0.0,
    stuck: int | None = None,
) -> Figure:
    """Draw one panel a schedule.

    Arguments:
        names: the schedules as they are written in a plan.
        epoch_S: epochs before each step, with fractions.
        rate_SK: learning rates.
        epochs: of the run.
        steps: an epoch.
        warmup: epochs of it.
        stuck: epoch from which the loss that `plateau` is shown no longer falls.
    """
    data = {
        "schedule": [name for name in names for _ in epoch_S],
        "epoch": epoch_S.tolist() * len(names),
        "rate": rate_SK.T.ravel().tolist(),
    }
    top = float(rate_SK.max())
    panels = []
    for k, name in enumerate(names):
        said = _said(name, rate_SK[:, k], stuck)
        chart = lines_chart(
            f"chart-schedule-{k}",
            [Line(name, epoch_S, rate_SK[:, k])],
            Axis("epoch", (0.0, float(epochs)), whole=True),
            Axis("learning rate", (0.0, top * 1.06)),
            label=f"Learning rate of {name} over {count(epochs, 'epoch')}. {said}",
            caption=said,
        )
        panels.append(Panel(chart, name))
    lead = f"{count(epochs, 'epoch')} of {count(steps, 'step')} each"
    lead += f", after a linear warm-up of {count_of(warmup)}." if warmup else "."
    lead += " Rates as the engine computes them for every step."
    alone = len(names) == 1
    return Figure(
        "schedules",
        f"The learning rate over the epochs: {names[0]}" if alone else "Learning rates over the epochs",
        tuple(panels),
        data,
        {name: _facts(epoch_S, rate_SK[:, k]) for k, name in enumerate(names)},
        lead,
        columns=1 if alone else 3,
        size=(460, 260) if alone else (250, 150),
    )


def count_of(epochs: float) -> str:
    """Write an amount of epochs that need not be whole.

    >>> count_of(1.0), count_of(0.5)
    ('1 epoch', '0.5 epochs')
    """
    return f"{number(epochs)} epoch{'' if epochs == 1 else 's'}"


def _facts(epoch_S: np.ndarray, rate_S: np.ndarray) -> dict[str, Any]:
    best = int(rate_S.argmax())
    highest = {"epoch": float(epoch_S[best]), "rate": float(rate_S[best])}
    return {"first": float(rate_S[0]), "highest": highest, "last": float(rate_S[-1])}


def _said(name: str, rate_S: np.ndarray, stuck: int | None) -> str:
    first, most, last = (short(float(v)) for v in (rate_S[0], rate_S.max(), rate_S[-1]))
    if name.partition(":")[0] == "plateau" and stuck is not None:
        return f"For a loss that stops falling at epoch {stuck:,}: {first}, at last {last}."
    if first == most == last:
        return f"Always {most}."
    return f"From {first}, at most {most}, at last {last}." if first != most else f"From {first} to {last}."
