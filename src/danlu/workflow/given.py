"""What only a caller in Python can give a fit, beside the settings of the plan."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from danlu.core.errors import PlanError
from danlu.core.plan import Plan
from danlu.core.records import NetworkSpec, Schema
from danlu.judging.functions import OwnMetric
from danlu.networks import Preparation
from danlu.population import Begun
from danlu.population.own_loss import Function
from danlu.workflow.budget import ENDLESS, Budget

Pair = tuple[np.ndarray, np.ndarray]
"""Numbers of the rows to learn from and of those to judge, counted from 0 in the table that was given."""

FREE = (
    *("epochs", "lr", "momentum", "weight_decay", "l1", "clip", "batch_size", "early_stopping", "patience"),
    *("stop_on", "judge_every", "class_weight", "device", "threads", "explain"),
)
"""Settings that may change where training goes on."""
FIXED = (
    *("net", "hidden", "activation", "batch_norm", "layer_norm", "bins", "neighbours", "copies", "dropout", "scale"),
    *("target_encoding", "scale_target", "loss", "optimizer", "schedule", "dtype", "repeats", "metric"),
    *("conv", "kernel", "padding", "pool", "residual", "augment"),
)
"""Settings that must stay as they were; others are taken as they were."""


@dataclass(frozen=True)
class Start:
    """Where a training ended, for another one to go on from: the same networks, and what the rows became for them."""

    schema: Schema
    spec: NetworkSpec
    resolved: Plan
    preparation: Preparation
    begun: Begun

    def plan(self, asked: Plan) -> Plan:
        """Return the resolved plan of what goes on.

        Raises:
            PlanError: other networks are asked for.
        """
        for name in FIXED:
            wanted, was = getattr(asked, name), getattr(self.resolved, name)
            if name in asked.model_fields_set and wanted is not None and wanted != was:
                raise PlanError(
                    f"`{name}` must stay as it was where training goes on",
                    f"it was {was!r}, and now {wanted!r}",
                    "Begin anew, with warm_start=False.",
                )
        changed = {name: getattr(asked, name) for name in FREE if name in asked.model_fields_set}
        return self.resolved.model_copy(update={name: value for name, value in changed.items() if value is not None})


@dataclass(frozen=True)
class Given:
    """Things that no plan file could hold.

    Arguments:
        pairs: the division of the rows, in the place of the plan's.
        begun: when the time of a budget began, of `time.perf_counter`; None: when `fit` is called.
        stop_on_test: whether early stopping watches the rows of the test table, and not 10% of each member's own.
        keep: whether the model keeps where its training ended.
        start: where to go on from.
        loss: a function in the place of the plan's loss: of outputs `[B, C]` and scaled targets `[B, C]`, or classes
            `[B]`, it gives a loss for each row.
        weight_N: what each image counts: they have no column for it.
        metric: a function that is scored beside the metrics by name.
        stop_on: one that early stopping watches in the place of the loss.
    """

    pairs: tuple[Pair, ...] = ()
    stop_on_test: bool = False
    begun: float | None = None
    keep: bool = False
    start: Start | None = None
    loss: Function | None = None
    weight_N: np.ndarray | None = None
    metric: OwnMetric | None = None
    stop_on: OwnMetric | None = None

    def budget(self, seconds: float | None) -> Budget:
        """Return the budget of a fit that begins now, or that began with its process."""
        return ENDLESS if seconds is None else Budget(seconds, self.begun or time.perf_counter())

    @property
    def schema(self) -> Schema | None:
        """What the rows must become, where training goes on."""
        return None if self.start is None else self.start.schema


NOTHING = Given()
