"""Softmax of logits and its Jacobian, in float64."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from danlu.core.errors import PlanError
from danlu.explanation import facts

LOGITS = (0.2317, 0.3873, 0.8968)
MOST = 64


def softmax_parts(logits_C: Sequence[float]) -> tuple[np.ndarray, np.ndarray]:
    """Return the probabilities `[C]` and their derivatives by the logits, `[C, C]` (output, logit).

    Raises:
        PlanError: fewer than two logits, more than 64, or one is not finite.

    >>> softmax_parts(LOGITS)[1][1:].round(4).tolist()
    [[-0.0691, 0.2034, -0.1343], [-0.115, -0.1343, 0.2493]]
    """
    if not 2 <= len(logits_C) <= MOST:
        raise PlanError(f"softmax needs 2 to {MOST} logits", f"got {len(logits_C)}", "Give some: 0.2 0.4 0.9.")
    for place, logit in enumerate(logits_C, 1):
        if not np.isfinite(logit):
            raise PlanError("logits must be finite", f"number {place} is {logit}", "Give finite numbers.")
    return facts.softmax(list(logits_C)), facts.softmax_jacobian(list(logits_C))
