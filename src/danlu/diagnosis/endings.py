"""How training ended: stopped by the user, or while the networks were still getting better."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from danlu.core.records import Finding, MemberRecord
from danlu.diagnosis.curves import ENOUGH_JUDGINGS, SURE, errors, late_gains

STILL_IMPROVING = 0.01
"""Share of the error that must have gone within the last tenth of the epochs.

A curve that falls as a power of the epoch, and loses 1% between the last two tenths (from 0.85 to 0.95 of the
way), loses 1 - 0.99 ** (log 2 / log(0.95 / 0.85)) = 6% more when trained twice as long: worth saying.
"""
ANNEALED = 0.5
"""A learning rate that ended below this share of its peak has been annealed: its curve ends falling by design."""


def interruption(members: Sequence[MemberRecord]) -> Finding:
    """Say that the user stopped training, and how far it had come."""
    cut = [member for member in members if member.ended == "interrupted"]
    epochs = [member.epochs for member in cut or members] or [0]
    span = f"{min(epochs)}" if min(epochs) == max(epochs) else f"{min(epochs)} to {max(epochs)}"
    return Finding(
        name="interrupted",
        fault="Training was stopped before its end; the best weights up to then were kept.",
        evidence=f"{len(cut)} of {len(members)} networks had not finished, at epoch {span}.",
        cure="Run it again to the end, or with fewer --epochs.",
        members=tuple(member.index for member in cut),
    )


def still_improving(members: Sequence[MemberRecord], curves: Mapping[str, np.ndarray], metric: str) -> list[Finding]:
    """Say that more epochs would help, where most networks were still getting better at the end."""
    lr_E = curves.get("lr_E")
    if lr_E is not None and len(lr_E) and np.asarray(lr_E)[-1].max() < ANNEALED * np.nanmax(lr_E):
        return []
    error_JM, what = errors(curves, metric)
    ran = [member.index for member in members if member.ended == "finished"]
    if error_JM is None or len(error_JM) < ENOUGH_JUDGINGS or not ran or max(ran) >= error_JM.shape[1]:
        return []
    epochs = curves.get("judged_epochs_J") if what != "training loss" else None
    at = np.arange(1, len(error_JM) + 1) if epochs is None else np.asarray(epochs)
    gains = late_gains(np.asarray(error_JM)[:, ran], at)
    if gains is None:
        return []
    gain, sureness, agreeing = gains
    what = f"{what} of the median network" if len(ran) > 1 else what
    apart = f", and fell in {agreeing:.0%} of {len(ran)} networks" if len(ran) > 1 else ""
    if gain <= STILL_IMPROVING or sureness <= SURE or agreeing < 0.75:
        return []
    return [
        Finding(
            name="still-improving",
            fault="The networks were still getting better when training ended.",
            evidence=f"{what} fell by {gain:.1%} between the last two tenths of {int(at[-1])} epochs{apart}.",
            cure=f"Train longer: --epochs {2 * int(at[-1])}.",
            severity="note",
            members=tuple(ran),
        )
    ]
