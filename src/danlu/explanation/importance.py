"""Permutation importance: how much worse predictions get when one column is shuffled (Breiman 2001, "Random forests").

All numbers of one column of the table are shuffled together: a date's elapsed days with its weekday, a category with
its missing cells. Each row is predicted by networks that had not learnt from it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor

from danlu.core.seeds import stream
from danlu.explanation.unseen import Places, Unseen
from danlu.judging.intervals import draws, limits

RESAMPLES = 200
ROOTS = ("rmse", "rmsle")
"""Metrics that are the root of a mean over rows; the others are the mean itself."""
LIKE = 0.9
"""Size of the rank correlation from which on two columns are said to say nearly the same."""

RowLosses = Callable[[np.ndarray], dict[str, np.ndarray]]
"""predicted_NC -> for each metric the loss of each row, `[N]`."""


@dataclass(frozen=True)
class Shuffled:
    """Losses of rows as they are, `base_N`, and with each of Q columns shuffled P times, `loss_QPN`, by metric."""

    base_N: dict[str, np.ndarray]
    loss_QPN: dict[str, np.ndarray]


def shuffled_losses(unseen: Unseen, columns: Sequence[Places], losses: RowLosses, shuffles: int, seed: int) -> Shuffled:
    """Return the losses of rows with each column shuffled among them.

    Arguments:
        unseen: the rows.
        columns: which columns, and where they stand.
        losses: of predictions of all the rows.
        shuffles: how often each column is shuffled; the first shuffle is the same for all columns, and so on.
        seed: of the run.
    """
    random = np.random.Generator(np.random.PCG64(stream(seed, "importance")))
    orders = [torch.as_tensor(random.permutation(len(unseen)), device=unseen.x_NF.device) for _ in range(shuffles)]
    changes = [partial(_shuffle, place=place, order=order) for place in columns for order in orders]
    said_QPNC = unseen.changed(changes).reshape(len(columns), shuffles, len(unseen), -1)
    base_N = losses(unseen.as_they_are())
    each = [[losses(said_NC) for said_NC in said_PNC] for said_PNC in said_QPNC]
    return Shuffled(base_N, {name: np.array([[found[name] for found in column] for column in each]) for name in base_N})


def _shuffle(x_NF: Tensor, codes_NQ: Tensor, *, place: Places, order: Tensor) -> None:
    for column in place.numbers:
        x_NF[:, column] = x_NF[order, column]
    for column in place.codes:
        codes_NQ[:, column] = codes_NQ[order, column]


@dataclass(frozen=True)
class Rise:
    """By how much a metric gets worse, with its 95% interval over rows; None where there are too few."""

    value: float
    low: float | None
    high: float | None


def rises(
    metric: str, shuffled: Shuffled, weight_N: np.ndarray, unit_N: np.ndarray | None, seed: int
) -> tuple[float, list[Rise]]:
    """Return the metric of the rows as they are, and by how much each column's shuffling makes it worse.

    The rise is the mean over shuffles; its interval is a paired bootstrap over rows (or groups), so that rows which are
    hard anyhow do not widen it.

    Arguments:
        metric: its name; "accuracy" has the share that is wrong as its loss.
        shuffled: losses.
        weight_N: weights of the rows.
        unit_N: what rows are drawn with, as `judging.intervals.units` gives it.
        seed: of the run.

    >>> rows = Shuffled({"mae": np.array([1.0, 3.0])}, {"mae": np.array([[[2.0, 4.0], [4.0, 6.0]]])})
    >>> base, (only,) = rises("mae", rows, np.ones(2), None, 0)
    >>> base, only.value
    (2.0, 2.0)
    """
    base_N, loss_QPN = shuffled.base_N[metric], shuffled.loss_QPN[metric]
    columns, shuffles, rows = loss_QPN.shape
    flat_NF = np.concatenate([base_N[None], loss_QPN.reshape(-1, rows)]).T

    def worse(weight_RN: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        mean_RF = (weight_RN @ flat_NF) / weight_RN.sum(axis=1, keepdims=True)
        value_RF = np.sqrt(mean_RF) if metric in ROOTS else mean_RF
        mean_RQ = value_RF[:, 1:].reshape(-1, columns, shuffles).mean(axis=2)
        return value_RF[:, 0], mean_RQ - value_RF[:, :1]

    base, value_RQ = worse(weight_N[None])
    one = rows < 2 or (unit_N is not None and int(unit_N.max()) == 0)
    drawn = () if one else tuple(worse(times_RN * weight_N)[1] for times_RN in _drawn(rows, seed, unit_N, weight_N))
    ends = [limits(value_R) for value_R in np.concatenate(drawn).T] if drawn else [(None, None)] * columns
    found = [Rise(float(value), *end) for value, end in zip(value_RQ[0], ends, strict=True)]
    return (1 - float(base[0]) if metric == "accuracy" else float(base[0])), found


def _drawn(rows: int, seed: int, unit_N: np.ndarray | None, weight_N: np.ndarray) -> list[np.ndarray]:
    """Return resamples in chunks, without those whose rows all weigh nothing."""
    chunks = [times_RN[(times_RN @ weight_N) > 0] for times_RN in draws(rows, RESAMPLES, seed, unit_N)]
    return [chunk for chunk in chunks if len(chunk)]


def alike(values: Sequence[np.ndarray], most: float = LIKE) -> list[int | None]:
    """Return for each column the one whose ranks are most like its own, where they are very much so; else None.

    Arguments:
        values: of each column `[N]`; NaN missing.
        most: size of Spearman's rank correlation from which on they are.

    >>> alike([np.array([1.0, 2, 3, 4]), np.array([9.0, 7, 4, 1]), np.array([2.0, 1, 4, 1])])
    [1, 0, None]
    """
    rank_NQ = np.stack(
        [_ranks(np.where(np.isfinite(v), v, np.nanmedian(v) if np.isfinite(v).any() else 0.0)) for v in values], 1
    )
    rank_NQ -= rank_NQ.mean(axis=0)
    size_Q = np.sqrt((rank_NQ**2).sum(axis=0))
    with np.errstate(divide="ignore", invalid="ignore"):
        like_QQ = np.abs(np.nan_to_num(rank_NQ.T @ rank_NQ / (size_Q[:, None] * size_Q)))
    np.fill_diagonal(like_QQ, 0.0)
    return [int(row.argmax()) if row.max(initial=0.0) >= most - 1e-12 else None for row in like_QQ]


def _ranks(values_N: np.ndarray) -> np.ndarray:
    """Return ranks, equals sharing their mean."""
    _, place_N, count = np.unique(values_N, return_inverse=True, return_counts=True)
    last = np.cumsum(count)
    return (last - (count - 1) / 2)[place_N].astype(np.float64)
