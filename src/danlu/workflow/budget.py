"""How much time a fit may take, and what of it is left for training."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from math import inf

from danlu.population.dealt import first_says

KEPT, KEPT_SHARE, KEPT_MOST = 2.5, 0.1, 0.4
"""Seconds and share of a budget kept for judging, saving and the page; at most so large a share in all."""


@dataclass(frozen=True)
class Budget:
    """Seconds that a fit may take from `begun` (of `time.perf_counter`) on.

    >>> 50 < Budget(60.0, time.perf_counter()).left < 60
    True
    """

    seconds: float = inf
    begun: float = 0.0

    @property
    def left(self) -> float:
        """Seconds that are left for training."""
        if self.seconds == inf:
            return inf
        kept = min(KEPT + KEPT_SHARE * self.seconds, KEPT_MOST * self.seconds)
        return self.begun + self.seconds - kept - time.perf_counter()

    def less(self, seconds: float) -> Budget:
        """Return what is left of it once so many seconds are kept for something else."""
        return self if self.seconds == inf else replace(self, begun=self.begun - seconds)

    @property
    def left_for_all(self) -> float:
        """The same in every process: what hangs on the clock is for the first of several to say, and all must ask."""
        return inf if self.seconds == inf else float(first_says(self.left))

    def until(self, stop: Callable[[], bool] | None) -> Callable[[], bool] | None:
        """Return what stops a training where `stop` does, and once no time is left."""
        if self.seconds == inf:
            return stop
        return lambda: self.left <= 0 or bool(stop and stop())


ENDLESS = Budget()
