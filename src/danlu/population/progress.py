"""What a progress bar is told while members train: at most ten times a second, and nothing from the device."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable

import numpy as np

from danlu.core.records import Latest, Progress

INTERVAL = 0.1
"""Seconds between two records at least."""
WARM = 1.0
"""Seconds before a time left is told: the first steps make memory and threads ready, and are many times slower."""

Listener = Callable[[Progress], None] | None


class Course:
    """How far training is over all its waves, of one population or of several.

    Arguments:
        on_progress: is told.
        metric: name of what is shown for judged rows.
        work: of all waves, in any unit.
        waves: how many there are.
    """

    def __init__(self, on_progress: Listener = None, *, metric: str, work: float = 1.0, waves: int = 1) -> None:
        self.on_progress, self.metric, self.work, self.waves = on_progress, metric, work, waves
        self.finished = 0
        self.began = time.perf_counter()
        self.warm: tuple[float, float] | None = None
        self.done: dict[Reporter, float] = {}
        # Populations may train side by side; the listener is called by one at a time.
        self.lock = threading.RLock()

    @property
    def seconds(self) -> float:
        """Seconds since training began."""
        return time.perf_counter() - self.began

    def left(self, now: float, reporter: Reporter, share: float) -> float | None:
        """Return the seconds that all the rest will take, at the speed since training was warm."""
        self.done[reporter] = reporter.work * share
        done = sum(self.done.values()) / self.work
        if done >= 1:
            return 0.0
        if self.warm is None:
            self.warm = (now, done) if now - self.began > WARM / 4 and done > 0 else None
            return None
        since, at = self.warm
        return (now - since) * (1 - done) / (done - at) if now - since > WARM and done > at else None

    def finish(self, reporter: Reporter) -> None:
        """Count a wave as done."""
        with self.lock:
            self.done[reporter] = reporter.work
            self.finished += 1

    def forget(self, reporter: Reporter, waves: int) -> None:
        """Count a wave as not done: memory ran out, and there are now so many waves."""
        with self.lock:
            self.done.pop(reporter, None)
            self.warm, self.waves = None, waves


class Reporter:
    """Sends `Progress` records of one wave; losses and metrics are those last read at the end of an epoch.

    Arguments:
        course: of all waves.
        epochs: of the members of this one.
        members: how many.
        work: of this wave, in the unit of the course.
    """

    def __init__(self, course: Course, *, epochs: int, members: int, work: float = 1.0) -> None:
        self.course, self.epochs, self.members, self.work = course, epochs, members, work
        self.metric = course.metric
        self.last = -np.inf
        self.loss_A = np.empty(0)
        self.metric_A = np.empty(0)
        self.loss_M = self.metric_M = np.empty(0)
        self.epoch = self.judged_epoch = self.told = 0

    def read(self, epoch: int, loss_M: np.ndarray) -> None:
        """Take the losses of all members after that many epochs, NaN of those that have ended."""
        self.epoch, self.loss_M = epoch, loss_M

    def judged(self, epoch: int, metric_M: np.ndarray) -> None:
        """Take the metrics of all members on judged rows, NaN of those that have ended."""
        self.judged_epoch, self.metric_M = epoch, metric_M

    def latest(self) -> Latest | None:
        """Return each member's numbers, where an epoch was read since they were last returned."""
        if self.epoch == self.told:
            return None
        self.told = self.epoch
        loss, metric = _finite(self.loss_M), _finite(self.metric_M)
        return Latest(epoch=self.epoch, loss=loss, judged_epoch=self.judged_epoch, metric=metric)

    def tell(self, done: float, active: int, *, always: bool = False) -> None:
        """Send a record if the last one is old enough.

        Arguments:
            done: epochs done, the present one as a fraction.
            active: members that still train.
        """
        now, course = time.perf_counter(), self.course
        if course.on_progress is None or (now - self.last < INTERVAL and not always):
            return
        self.last = now
        loss, loss_low, loss_high = _spread(self.loss_A)
        metric, metric_low, metric_high = _spread(self.metric_A)
        with course.lock:
            course.on_progress(
                Progress(
                    stage="train",
                    epoch=min(self.epochs, int(done) + 1),
                    epochs=self.epochs,
                    wave=min(course.waves, course.finished + 1),
                    waves=course.waves,
                    members=self.members,
                    active=active,
                    loss=loss,
                    loss_low=loss_low,
                    loss_high=loss_high,
                    metric_name=self.metric if metric is not None else "",
                    metric=metric,
                    metric_low=metric_low,
                    metric_high=metric_high,
                    seconds_left=course.left(now, self, done / self.epochs),
                    latest=self.latest(),
                )
            )


def _spread(value_A: np.ndarray) -> tuple[float | None, float | None, float | None]:
    """Return median, lowest and highest of the finite values, or nothing."""
    finite = value_A[np.isfinite(value_A)]
    return (float(np.median(finite)), float(finite.min()), float(finite.max())) if len(finite) else (None, None, None)


def _finite(value_M: np.ndarray) -> tuple[float | None, ...]:
    """Return numbers as a record has them: None of those that are not finite."""
    return tuple(value if math.isfinite(value) else None for value in value_M.tolist())
