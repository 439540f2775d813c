"""Findings from the records and curves of a run. Each says fault, evidence in numbers, and cure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from danlu.core.checks import Checks
from danlu.core.plan import Plan
from danlu.core.records import Finding, MemberRecord, Score
from danlu.diagnosis.baselines import no_better
from danlu.diagnosis.breakdowns import non_finite
from danlu.diagnosis.endings import interruption, still_improving
from danlu.diagnosis.fitting import Fit, overfitting, underfitting
from danlu.diagnosis.structure import activation_after_last_layer, symmetric_weights

GRAVITY = {"error": 0, "warning": 1, "note": 2}
NOTHING = Checks()


def diagnose(
    members: Sequence[MemberRecord],
    curves: Mapping[str, np.ndarray],
    scores: Mapping[str, Score],
    baselines: Mapping[str, Mapping[str, float | None]],
    main_metric: str,
    interrupted: bool = False,
    checks: Checks = NOTHING,
    plan: Plan | None = None,
) -> tuple[Finding, ...]:
    """Return what is wrong with a run, the gravest first; nothing where it is healthy.

    Arguments:
        members: how each network fared.
        curves: `loss_EM`, `judged_JM`, `judged_epochs_J`, `lr_E`, as far as there are any; NaN after a member's end.
        scores: the main score by its name; empty where nothing was judged.
        baselines: metrics of each baseline, by its name (mean, majority, linear).
        main_metric: name of the metric that decides.
        interrupted: whether the user stopped training.
        checks: what was looked at after training.
        plan: as run; cures then name what it does not have yet.

    >>> bad = {"rmse": Score(value=4.0, low=3.8, high=4.3, rows=500, kind="out-of-fold")}
    >>> diagnose((), {}, bad, {"linear": {"rmse": 3.1}}, "rmse")[0].evidence
    'rmse 4 (95% interval 3.8 to 4.3) on 500 rows; linear: 3.1.'
    """
    curve = checks.metric or main_metric
    fit = Fit(curve, checks, scores.get(curve), _known(baselines, curve), plan)
    broken = non_finite(members, curves)
    structure = [
        *symmetric_weights(checks.equal_units, len(members), plan),
        *activation_after_last_layer(checks, plan),
    ]
    fitted = overfitting(members, curves, fit) + ([] if interrupted else underfitting(members, fit))
    found = [
        *broken,
        *structure,
        # One fault, one finding: networks that cannot learn underfit, and who over- or underfits is no better.
        *([] if any(finding.severity == "warning" for finding in structure) else fitted),
        *([] if fitted else no_better(scores.get(main_metric), baselines, main_metric, images=checks.images)),
        *([interruption(members)] if interrupted else still_improving(members, curves, curve)),
    ]
    return tuple(sorted(found, key=lambda finding: GRAVITY[finding.severity]))


def _known(baselines: Mapping[str, Mapping[str, float | None]], metric: str) -> dict[str, float]:
    """Return the main metric of the baselines that have one."""
    values = {name: value.get(metric) for name, value in baselines.items()}
    return {name: value for name, value in values.items() if value is not None and np.isfinite(value)}
