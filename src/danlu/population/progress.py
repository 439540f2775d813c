"""What a progress bar is told while members train: at most ten times a second, and nothing from the device."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from danlu.core.records import Progress

INTERVAL = 0.1
"""Seconds between two records at least."""
WARM = 1.0
"""Seconds before a time left is told: the first steps make memory and threads ready, and are many times slower."""


class Reporter:
    """Sends `Progress` records; losses and metrics are those last read at the end of an epoch."""

    def __init__(
        self, on_progress: Callable[[Progress], None] | None, *, epochs: int, members: int, metric: str
    ) -> None:
        self.on_progress, self.epochs, self.members, self.metric = on_progress, epochs, members, metric
        self.began = time.perf_counter()
        self.warm: tuple[float, float] | None = None
        self.last = -np.inf
        self.loss_A = np.empty(0)
        self.metric_A = np.empty(0)

    @property
    def seconds(self) -> float:
        """Seconds since training began."""
        return time.perf_counter() - self.began

    def tell(self, done: float, active: int, *, always: bool = False) -> None:
        """Send a record if the last one is old enough.

        Arguments:
            done: epochs done, the present one as a fraction.
            active: members that still train.
        """
        now = time.perf_counter()
        if self.on_progress is None or (now - self.last < INTERVAL and not always):
            return
        self.last = now
        loss, loss_low, loss_high = _spread(self.loss_A)
        metric, metric_low, metric_high = _spread(self.metric_A)
        self.on_progress(
            Progress(
                stage="train",
                epoch=min(self.epochs, int(done) + 1),
                epochs=self.epochs,
                members=self.members,
                active=active,
                loss=loss,
                loss_low=loss_low,
                loss_high=loss_high,
                metric_name=self.metric if metric is not None else "",
                metric=metric,
                metric_low=metric_low,
                metric_high=metric_high,
                seconds_left=self._left(now, done),
            )
        )

    def _left(self, now: float, done: float) -> float | None:
        """Return the seconds that the other epochs will take, at the speed since training was warm."""
        if done >= self.epochs:
            return 0.0
        if self.warm is None:
            self.warm = (now, done) if now - self.began > WARM / 4 and done > 0 else None
            return None
        since, at = self.warm
        return (now - since) * (self.epochs - done) / (done - at) if now - since > WARM and done > at else None


def _spread(value_A: np.ndarray) -> tuple[float | None, float | None, float | None]:
    """Return median, lowest and highest of the finite values, or nothing."""
    finite = value_A[np.isfinite(value_A)]
    return (float(np.median(finite)), float(finite.min()), float(finite.max())) if len(finite) else (None, None, None)
