"""How much choosing flatters: the best of several looks better on the rows it was chosen by than it is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from danlu.core.records import Score, TargetSchema
from danlu.core.searched import Searched
from danlu.judging.metrics import GREATER_IS_BETTER, measures

RESAMPLES, LEAST, CELLS = 100, 20, 5_000_000
"""Draws, and how few they may be where there are many rows: so many weights are held at once."""


def optimism(
    truth_N: np.ndarray,
    predicted_SNC: Sequence[np.ndarray],
    names: tuple[str, ...],
    target: TargetSchema,
    weight_N: np.ndarray | None = None,
    *,
    chooses: str,
    seed: int,
) -> dict[str, float]:
    """Return by how much each metric of the best of S candidates flatters, in its own units; at least 0.

    The choice is made anew on rows drawn with replacement, and judged on the rows that were not drawn, beside the one
    that all rows chose, these among them: the mean difference over draws (after Tsamardinos, Greasidou and
    Borboudakis, 2018: bootstrap bias-corrected cross-validation).

    Arguments:
        truth_N: true values of the judged rows, `[N]` or `[N, C]`.
        predicted_SNC: out of fold, of each candidate.
        names: of the metrics to correct.
        target: its schema.
        weight_N: of rows.
        chooses: the metric that the choice is made by.
        seed: of the draws.
    """
    if len(predicted_SNC) < 2 or len(truth_N) < 2:
        return dict.fromkeys(names, 0.0)
    rows, rng = len(truth_N), np.random.default_rng(seed)
    own = np.ones(rows) if weight_N is None else np.asarray(weight_N, np.float64)
    draws = min(RESAMPLES, max(LEAST, CELLS // rows))
    drawn_RN = np.stack([np.bincount(rng.integers(rows, size=rows), minlength=rows) for _ in range(draws)])
    left_RN = (drawn_RN == 0) * own
    asked = tuple(dict.fromkeys((chooses, *names)))
    inside, outside, every = ({name: [] for name in asked} for _ in range(3))
    for predicted_NC in predicted_SNC:
        measure = measures(truth_N, predicted_NC, asked, own, 2 * draws + 1, positive=target.positive)
        for told, weights_RN in ((inside, drawn_RN * own), (outside, left_RN), (every, own[None])):
            for name, value in measure(weights_RN).items():
                if name in told:
                    told[name].append(value.value_R)
    sign = {name: -1.0 if GREATER_IS_BETTER[name] else 1.0 for name in asked}
    pick_R = np.nanargmin(np.where(np.isfinite(e := sign[chooses] * np.array(inside[chooses])), e, np.inf), axis=0)
    best = int(np.nanargmin(sign[chooses] * np.array(every[chooses])[:, 0]))
    draw = np.arange(draws)
    said = {}
    for name in names:
        error_SR = sign[name] * np.array(outside[name])
        gap = float(np.nanmean(error_SR[pick_R, draw] - error_SR[best, draw]))
        said[name] = max(0.0, gap) if np.isfinite(gap) else 0.0
    return said


def corrected(scores: dict[str, Score], searched: Searched | None) -> dict[str, Score]:
    """Return scores without what a search flatters them by: values and intervals are moved by it.

    >>> Score(value=2.0, low=1.5, high=2.5, rows=9, kind="out-of-fold").flattered
    0.0
    """
    if searched is None:
        return scores
    by = searched.optimism
    return {name: _moved(score, name, by[name]) if name in by else score for name, score in scores.items()}


def _moved(score: Score, name: str, by: float) -> Score:
    sign = -1.0 if GREATER_IS_BETTER[name] else 1.0
    moved = {
        part: None if (value := getattr(score, part)) is None else value + sign * by
        for part in ("value", "low", "high")
    }
    return score.model_copy(update=moved | {"flattered": by})
