"""Faults in the networks themselves: units that cannot differ, and an activation where the loss wants none."""

from __future__ import annotations

import math
from collections.abc import Sequence

from danlu.core.checks import Checks, Ending, EqualUnits
from danlu.core.parsing import split_setting
from danlu.core.plan import Plan
from danlu.core.records import Finding

LOGITS = ("cross-entropy", "binary-cross-entropy", "kl", "poisson")
"""Losses that take any number, and apply a softmax, sigmoid or exp of their own."""
WIDE = 5.0
"""Logits that may go this far from 0 allow probabilities under 1%: limits as wide as that are for safety only."""
SHRINKS = 0.1
"""A leaky ReLU with a slope below this passes on less than a tenth of what it is told below 0."""
MISSED = 0.01
"""Share of the targets out of reach from which on it is said."""


def symmetric_weights(found: Sequence[EqualUnits], members: int, plan: Plan | None) -> list[Finding]:
    """Say which layers have units that began equal and stayed so: they never learn different features."""
    if not found:
        return []
    parts = [
        f"{each.layer}: {each.units} units, {each.distinct} of them different, "
        f"before training and after it (in {len(each.members)} of {members} networks)"
        for each in found[:4]
    ]
    more = f"; and {len(found) - 4} more layers" if len(found) > 4 else ""
    own = plan is not None and plan.init is None
    cure = "Draw the first weights at random: --init default (or xavier, kaiming)."
    if own:
        cure = (
            "Draw the first weights at random in your class: leave torch's own, or use torch.nn.init.xavier_uniform_."
        )
    return [
        Finding(
            name="symmetric-weights",
            fault="Units of a layer began with equal weights and stayed equal: together they are as good as one.",
            evidence="; ".join(parts) + more + ".",
            cure=cure,
            members=tuple(sorted({member for each in found for member in each.members})),
        )
    ]


def activation_after_last_layer(checks: Checks, plan: Plan | None) -> list[Finding]:
    """Say that a user's module ends with an activation that the loss does not want.

    Arguments:
        checks: what was looked at.
        plan: as run.
    """
    ending, loss = checks.ending, split_setting((plan.loss if plan else None) or "mse")[0]
    if ending is None:
        return []
    evidence = _against_logits(ending, loss) if loss in LOGITS else _against_targets(ending, loss)
    if not evidence:
        return []
    applies = {"cross-entropy": "a softmax", "kl": "a softmax", "binary-cross-entropy": "a sigmoid", "poisson": "exp"}
    itself = f"; {loss} applies {applies[loss]} itself" if loss in applies else ""
    when = f", in {ending.only} alone," if ending.only else ""
    cure = f"Return what the last Linear gives: take the {ending.activation} behind it out of the class{itself}."
    if loss not in LOGITS and plan is not None and plan.scale_target == "standard":
        cure += (
            " Targets are standardised, so that half of them lie below 0; --scale-target none leaves them as they are."
        )
    zeros = f"; {ending.zeros:.0%} of the outputs on {ending.rows:,} rows are exactly 0" if ending.zeros >= 0.01 else ""
    return [
        Finding(
            name="activation-after-last-layer",
            fault=f"The class ends{when} with a {ending.activation}, which {loss} does not want.",
            evidence=evidence + zeros + ".",
            cure=cure,
            severity="note" if ending.slope is not None else "warning",
        )
    ]


def _against_logits(ending: Ending, loss: str) -> str:
    """Return what limits do to a loss on logits; "" where they do nothing."""
    low = -math.inf if ending.low is None else ending.low
    high = math.inf if ending.high is None else ending.high
    if ending.slope is not None:
        shrinks = abs(ending.slope) < SHRINKS
        return f"outputs below 0 are shrunk to {ending.slope:.3g} of themselves, and so is their gradient" * shrinks
    if loss in ("cross-entropy", "kl"):
        if high - low < 2 * WIDE:
            most = 1 / (1 + (ending.outputs - 1) * math.exp(low - high))
            return f"outputs lie between {low:g} and {high:g}, so that no class gets a probability above {most:.1%}"
        return f"no output can be below {low:g}, and none that is cut off there learns" * (low > -WIDE)
    limits = [low > -WIDE, high < WIDE]
    if not any(limits):
        return ""
    of = math.exp if loss == "poisson" else _sigmoid
    what = "rate" if loss == "poisson" else "probability"
    said = [
        f"{word} {of(end):.3g}"
        for word, end, limit in zip(("below", "above"), (low, high), limits, strict=True)
        if limit
    ]
    return f"no {what} can be {' or '.join(said)}"


def _sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def _against_targets(ending: Ending, loss: str) -> str:
    """Return how many targets are out of reach; "" where there are next to none."""
    if ending.missed is None or ending.missed < MISSED:
        return ""
    low, high = (None if end is None else f"{end:g}" for end in (ending.low, ending.high))
    reach = f"between {low} and {high}" if low and high else f"from {low} upwards" if low else f"up to {high}"
    return f"outputs lie {reach}, but {ending.missed:.0%} of the targets, as {loss} sees them, do not"
