"""Findings from the records and curves of a run. Each says fault, evidence in numbers, and cure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from danlu.core.records import Breakdown, Finding, MemberRecord, Score
from danlu.judging import GREATER_IS_BETTER

STILL_IMPROVING = 0.01
"""Share of the error that must have gone within the last tenth of the epochs.

A curve that falls as a power of the epoch, and loses 1% between the last two tenths (from 0.85 to 0.95 of the
way), loses 1 - 0.99 ** (log 2 / log(0.95 / 0.85)) = 6% more when trained twice as long: worth saying.
"""
SURE = 3.0
"""Standard errors that this gain must be of the median network's curve: noise alone reaches that about never."""
ENOUGH_JUDGINGS = 20
"""Points that a curve needs before its last two tenths say anything."""
ANNEALED = 0.5
"""A learning rate that ended below this share of its peak has been annealed: its curve ends falling by design."""
EXPLODED = 100.0
"""Gradient norm above which gradients count as exploding: that of a sound step is of the order of 1."""


def diagnose(
    members: Sequence[MemberRecord],
    curves: Mapping[str, np.ndarray],
    scores: Mapping[str, Score],
    baselines: Mapping[str, Mapping[str, float | None]],
    main_metric: str,
    interrupted: bool = False,
) -> tuple[Finding, ...]:
    """Return what is wrong with a run, the gravest first; nothing where it is healthy.

    Arguments:
        members: how each network fared.
        curves: `loss_EM`, `judged_JM`, `judged_epochs_J`, `lr_E`, as far as there are any; NaN after a member's end.
        scores: the main score by its name; empty where nothing was judged.
        baselines: metrics of each baseline, by its name (mean, majority, linear).
        main_metric: name of the metric that decides.
        interrupted: whether the user stopped training.

    >>> bad = {"rmse": Score(value=4.0, low=3.8, high=4.3, rows=500, kind="out-of-fold")}
    >>> diagnose((), {}, bad, {"linear": {"rmse": 3.1}}, "rmse")[0].evidence
    'rmse 4 (95% interval 3.8 to 4.3) on 500 rows; linear: 3.1.'
    """
    found = [
        *_non_finite(members, curves),
        *_no_better(scores.get(main_metric), baselines, main_metric),
        *([_interrupted(members)] if interrupted else []),
        *([] if interrupted else _still_improving(members, curves, main_metric)),
    ]
    gravity = {"error": 0, "warning": 1, "note": 2}
    return tuple(sorted(found, key=lambda finding: gravity[finding.severity]))


def _non_finite(members: Sequence[MemberRecord], curves: Mapping[str, np.ndarray]) -> list[Finding]:
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


def _no_better(score: Score | None, baselines: Mapping[str, Mapping[str, float | None]], metric: str) -> list[Finding]:
    """Say which baseline the main score does not surely beat."""
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
    interval = f" (95% interval {score.low:.4g} to {score.high:.4g})" if len(ends) == 2 else ""
    others = ", ".join(f"{name}: {value:.4g}" for name, value in unbeaten.items())
    return [
        Finding(
            name="no-better-than-baseline",
            fault=fault,
            evidence=f"{metric} {score.value:.4g}{interval} on {score.rows:,} rows; {others}.",
            cure="The linear model is simpler and as good: use --net linear, or give more rows or better columns."
            if set(unbeaten) == {"linear"}
            else "The columns may say nothing about the target: check which were left out, the target and the learning "
            "rate, or give more rows.",
            severity="warning" if worse or set(unbeaten) - {"linear"} else "note",
        )
    ]


def _interrupted(members: Sequence[MemberRecord]) -> Finding:
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


def _still_improving(members: Sequence[MemberRecord], curves: Mapping[str, np.ndarray], metric: str) -> list[Finding]:
    """Say that more epochs would help, where most networks were still getting better at the end."""
    lr_E = curves.get("lr_E")
    if lr_E is not None and len(lr_E) and np.asarray(lr_E)[-1].max() < ANNEALED * np.nanmax(lr_E):
        return []
    error_JM, what = _errors(curves, metric)
    ran = [member.index for member in members if member.ended == "finished"]
    if error_JM is None or len(error_JM) < ENOUGH_JUDGINGS or not ran or max(ran) >= error_JM.shape[1]:
        return []
    epochs = curves.get("judged_epochs_J") if what != "training loss" else None
    at = np.arange(1, len(error_JM) + 1) if epochs is None else np.asarray(epochs)
    gains = _late_gains(np.asarray(error_JM)[:, ran], at)
    if gains is None:
        return []
    gain, sureness, agreeing = gains
    if gain <= STILL_IMPROVING or sureness <= SURE or agreeing < 0.75:
        return []
    return [
        Finding(
            name="still-improving",
            fault="The networks were still getting better when training ended.",
            evidence=f"{what} of the median network fell by {gain:.1%} between the last two tenths of "
            f"{int(at[-1])} epochs, and fell in {agreeing:.0%} of {len(ran)} networks.",
            cure=f"Train longer: --epochs {2 * int(at[-1])}.",
            severity="note",
            members=tuple(ran),
        )
    ]


def _late_gains(error_JM: np.ndarray, at: np.ndarray) -> tuple[float, float, float] | None:
    """Compare the last tenth of the epochs with the tenth before.

    Returns the median member's relative gain, how many standard errors that is (the noise is that of neighbouring
    points), and the share of members that gained; None where there are too few points.
    """
    after = at > 0.9 * at[-1]
    before = (at > 0.8 * at[-1]) & ~after
    error_JM = error_JM[:, np.isfinite(error_JM[before | after]).all(axis=0)]
    if min(before.sum(), after.sum()) < 2 or not error_JM.shape[1]:
        return None
    first_M, last_M = error_JM[before].mean(axis=0), error_JM[after].mean(axis=0)
    noise_M = np.diff(error_JM[before | after], axis=0).std(axis=0) / np.sqrt(2)
    unsure_M = noise_M * np.sqrt(1 / before.sum() + 1 / after.sum())
    tiny = np.finfo(np.float64).tiny
    gain_M = (first_M - last_M) / np.maximum(np.abs(first_M), tiny)
    sureness_M = (first_M - last_M) / np.maximum(unsure_M, tiny)
    return float(np.median(gain_M)), float(np.median(sureness_M)), float((gain_M > 0).mean())


def _errors(curves: Mapping[str, np.ndarray], metric: str) -> tuple[np.ndarray | None, str]:
    """Return a curve that is 0 when perfect: of the judged rows where there is one, else of the training loss."""
    judged_JM = curves.get("judged_JM")
    if judged_JM is not None and len(judged_JM) >= ENOUGH_JUDGINGS and np.isfinite(judged_JM).any():
        if GREATER_IS_BETTER.get(metric, False):
            return 1 - np.asarray(judged_JM), f"1 - {metric}"
        return np.asarray(judged_JM), metric
    loss_EM = curves.get("loss_EM")
    return (None if loss_EM is None else np.asarray(loss_EM)), "training loss"
