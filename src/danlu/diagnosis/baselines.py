"""What the main score does not surely beat."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from danlu.core.records import Finding, Score
from danlu.diagnosis.words import shown
from danlu.judging import GREATER_IS_BETTER


def no_better(
    score: Score | None, baselines: Mapping[str, Mapping[str, float | None]], metric: str, *, images: bool = False
) -> list[Finding]:
    """Say which baseline the main score does not surely beat; `images`: were learnt from, and not columns."""
    if score is None or score.value is None:
        return []
    greater = GREATER_IS_BETTER.get(metric, False)
    sign = 1 if greater else -1
    ends = [end for end in (score.low, score.high) if end is not None] or [score.value]
    worst, best = (min(ends), max(ends)) if greater else (max(ends), min(ends))
    unbeaten = {
        name: value
        for name, values in baselines.items()
        if (value := values.get(metric)) is not None and np.isfinite(value) and sign * (worst - value) <= 0
    }
    if not unbeaten:
        return []
    worse = [name for name, value in unbeaten.items() if sign * (best - value) < 0]
    fault = (
        f"The networks are worse than the {' and the '.join(worse)} baseline."
        if worse
        else f"The networks are not surely better than the {' and the '.join(unbeaten)} baseline."
    )
    interval = f" (95% interval {shown(ends[0])} to {shown(ends[1])})" if len(ends) == 2 else ""
    better = "give more images, or try --net cnn" if images else "give more rows or better columns"
    amount = f"{score.rows:,} {'images' if images else 'rows'}"
    others = ", ".join(f"{name}: {shown(value)}" for name, value in unbeaten.items())
    return [
        Finding(
            name="no-better-than-baseline",
            fault=fault,
            evidence=f"{metric} {shown(score.value)}{interval} on {amount}; {others}.",
            cure=f"The linear model is simpler and as good: use --net linear, or {better}."
            if set(unbeaten) == {"linear"}
            else "The inputs may say nothing about the target: check what was left out, the target and the learning "
            "rate, or give more rows.",
            severity="warning" if worse or set(unbeaten) - {"linear"} else "note",
        )
    ]
