"""Learning rates over the epochs, as the engine's own timetable gives them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from danlu.core.parsing import SCHEDULES
from danlu.core.plan import Plan, make_plan
from danlu.population import Members, judged_epochs
from danlu.population.schedules import Timetable

MOST_STEPS = 1_200
"""Steps that are computed of a run: about two for every pixel of a wide picture."""


@dataclass(frozen=True)
class Rates:
    """Learning rates of K schedules at S of the steps of a run.

    epoch_S: epochs taken before the step, with fractions.
    rate_SK: learning rate of the step.
    stuck: epoch from which the loss that `plateau` is shown no longer falls; None where no schedule follows it.
    """

    schedules: tuple[str, ...]
    epoch_S: np.ndarray
    rate_SK: np.ndarray
    stuck: int | None


def rates(schedules: Sequence[str], plan: Plan, steps: int) -> Rates:
    """Return the learning rates of schedules for the epochs, warm-up and learning rate of a plan.

    Arguments:
        schedules: such as "step:30:0.1"; without one the plan's own, or all where it has none.
        plan: its lr, epochs, warmup and judge_every count; 1, 100, 0 and 1 where it has none.
        steps: steps an epoch.

    Raises:
        PlanError: a schedule is unknown, or a number in it out of range.

    >>> found = rates(["step:1:0.5"], make_plan(epochs=3), steps=2)
    >>> found.epoch_S.tolist(), found.rate_SK[:, 0].tolist()
    ([0.0, 0.5, 1.0, 1.5, 2.0, 2.5], [1.0, 1.0, 0.5, 0.5, 0.25, 0.25])
    """
    texts = tuple(schedules or ((plan.schedule,) if plan.schedule else SCHEDULES))
    for text in texts:
        make_plan(schedule=text)  # refuses unknown names, with the nearest
    epochs = plan.epochs or 100
    filled = plan.model_copy(update={"lr": plan.lr or 1.0, "epochs": epochs})
    table = Timetable(replace(Members.make(filled, len(texts), dtype=torch.float64), schedules=texts))
    wanted = np.unique(np.round(np.linspace(0, epochs * steps - 1, min(MOST_STEPS, epochs * steps))).astype(np.int64))
    follows = any(text.partition(":")[0] == "plateau" for text in texts)
    stuck = max(1, epochs // 4)
    # The rates that `plateau` has cut hold from one judging to the next.
    ends = judged_epochs(epochs, plan.judge_every) if follows else np.array([epochs])
    every, each_K = list(range(len(texts))), np.full(len(texts), steps)
    parts = []
    for begin, end in zip([0, *ends[:-1].tolist()], ends.tolist(), strict=True):
        own = wanted[(wanted >= begin * steps) & (wanted < end * steps)]
        parts.append(table.rates(every, np.repeat(own[:, None], len(texts), 1), each_K))
        table.judge(np.full(len(texts), 1 / min(end, stuck)), every)
    return Rates(texts, wanted / steps, np.concatenate(parts), stuck if follows else None)
