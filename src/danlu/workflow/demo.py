"""The demonstration: California housing, which ships with the package, with a fifth of it locked away."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from danlu.core.records import Progress
from danlu.data import read
from danlu.workflow.fit import fit
from danlu.workflow.model import Model

TARGET = "median_house_value"


def demo(
    *, on_progress: Callable[[Progress], None] | None = None, stop: Callable[[], bool] | None = None, **settings: Any
) -> Model:
    """Fit on four fifths of California housing and score once on the other fifth.

    The fifth is the one that docs/benchmarks.md measures other tools on.
    """
    table = read("danlu:california")
    shuffled = np.random.default_rng(0).permutation(table.rows)
    test, train = np.sort(shuffled[: table.rows // 5]), np.sort(shuffled[table.rows // 5 :])
    return fit(
        table.take(train),
        TARGET,
        name="california",
        test=table.take(test),
        on_progress=on_progress,
        stop=stop,
        **settings,
    )
