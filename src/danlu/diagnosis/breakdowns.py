"""Losses that stopped being numbers: where, why, and what to do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from danlu.core.records import Breakdown, Finding, MemberRecord

EXPLODED = 100.0
"""Gradient norm above which gradients count as exploding: that of a sound step is of the order of 1."""


def non_finite(members: Sequence[MemberRecord], curves: Mapping[str, np.ndarray]) -> list[Finding]:
    """Say where losses stopped being numbers: one finding for each layer and cause."""
    groups: dict[tuple[str, str, str], list[MemberRecord]] = {}
    for member in members:
        if member.breakdown is not None:
            groups.setdefault((member.breakdown.layer, *_cause(member.breakdown)), []).append(member)
    all_gone = all(member.ended == "non-finite" for member in members)
    found = []
    for (layer, cause, cure), broken in groups.items():
        places = [_place(member, member.breakdown, curves) for member in broken if member.breakdown]
        more = f"; and {len(places) - 4} more" if len(places) > 4 else ""
        found.append(
            Finding(
                name="non-finite-loss",
                fault=f"The loss of {len(broken)} of {len(members)} networks stopped being a number, in {layer}. "
                f"Likely cause: {cause}.",
                evidence="; ".join(places[:4]) + more + ".",
                cure=cure,
                severity="error" if all_gone else "warning",
                members=tuple(member.index for member in broken),
            )
        )
    return found


def _cause(breakdown: Breakdown) -> tuple[str, str]:
    """Return the likely cause of a breakdown, and its cure."""
    norm = breakdown.gradient_norm
    if breakdown.epoch == 1 and breakdown.step <= 1:
        cause = "values too large before anything was learnt, from the scale of inputs or target or the first weights"
        return (
            cause,
            "Use --scale robust and --scale-target standard, or a smaller --init; look for huge values.",
        )
    lower = f"Lower the learning rate (--lr {breakdown.lr / 10:.2g}), or clip gradients (--clip 1)."
    if norm is None or not np.isfinite(norm) or norm > EXPLODED:
        return "exploding gradients", lower
    return "steps too large for this network", lower


def _place(member: MemberRecord, breakdown: Breakdown, curves: Mapping[str, np.ndarray]) -> str:
    """Write where and how one member broke down."""
    norm = breakdown.gradient_norm
    text = (
        f"network {member.index} (fold {member.fold}): {breakdown.value} at epoch {breakdown.epoch}, "
        f"step {breakdown.step}, learning rate {breakdown.lr:.3g}"
    )
    if norm is not None:
        text += f", gradient norm {norm:.3g}" if np.isfinite(norm) else ", gradient norm not finite"
    loss_EM = curves.get("loss_EM")
    if loss_EM is not None and member.index < loss_EM.shape[1]:
        loss = loss_EM[:, member.index]
        loss = loss[np.isfinite(loss)]
        if len(loss) > 1 and loss[-1] > 2 * loss.min():
            text += f", loss risen from {loss.min():.3g} to {loss[-1]:.3g} before"
    return text
