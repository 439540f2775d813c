"""What curves say: errors that are 0 when perfect, gains at the end, and how sure these are."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from danlu.judging import GREATER_IS_BETTER

SURE = 3.0
"""Standard errors that this gain must be of the median network's curve: noise alone reaches that about never."""
ENOUGH_JUDGINGS = 20
"""Points that a curve needs before its last two tenths say anything."""


def late_gains(error_JM: np.ndarray, at: np.ndarray) -> tuple[float, float, float] | None:
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


def judged_errors(curves: Mapping[str, np.ndarray], metric: str) -> tuple[np.ndarray | None, np.ndarray]:
    """Return the curve of judged rows as errors that are 0 when perfect, and its epochs; None where there is none."""
    judged_JM = curves.get("judged_JM")
    if judged_JM is None or not len(judged_JM) or not np.isfinite(judged_JM).any():
        return None, np.arange(0)
    values = np.asarray(judged_JM)
    epochs = curves.get("judged_epochs_J")
    at = np.arange(1, len(values) + 1) if epochs is None else np.asarray(epochs)
    return 1 - values if GREATER_IS_BETTER.get(metric, False) else values, at


def errors(curves: Mapping[str, np.ndarray], metric: str) -> tuple[np.ndarray | None, str]:
    """Return a curve that is 0 when perfect: of the judged rows where there is one, else of the training loss."""
    judged_JM, _ = judged_errors(curves, metric)
    if judged_JM is not None and len(judged_JM) >= ENOUGH_JUDGINGS:
        return judged_JM, f"1 - {metric}" if GREATER_IS_BETTER.get(metric, False) else metric
    loss_EM = curves.get("loss_EM")
    return (None if loss_EM is None else np.asarray(loss_EM)), "training loss"
