"""How many independent rows judged rows stand for, where weights differ or rows come in groups."""

from __future__ import annotations

import numpy as np


def effective_rows(weight_N: np.ndarray, groups_N: np.ndarray | None, value_N: np.ndarray) -> float:
    """Return the number of independent rows that would say as much about the distribution of the values.

    Unequal weights count as (sum of weights)² / sum of squares, groups by their design effect 1 + (m - 1) rho, m the
    size of a group and rho the share of the values' variance that lies between groups (Kish 1965): between the number
    of groups, where rows of a group are all alike, and that of rows, where groups do not matter.

    Arguments:
        weight_N: weights of rows.
        groups_N: codes of groups.
        value_N: scaled errors; what counts is the rank of their size, and of themselves.

    >>> effective_rows(np.array([1.0, 1.0, 2.0]), None, np.zeros(3)).__round__(2)
    2.67
    >>> effective_rows(np.ones(6), np.array([0, 0, 0, 1, 1, 1]), np.array([1.0, 1, 1, 5, 5, 5]))
    2.0
    """
    counted = weight_N > 0
    weight_N, value_N = weight_N[counted], value_N[counted]
    rows = float(weight_N.sum() ** 2 / np.square(weight_N).sum())
    if groups_N is None:
        return rows
    group_N = np.unique(groups_N[counted], return_inverse=True)[1]
    size_G = np.bincount(group_N, weight_N)
    groups = float(size_G.sum() ** 2 / np.square(size_G).sum())
    if groups <= 1 or len(size_G) < 2:
        return min(rows, groups)
    rho = max(_between(group_N, each_N) for each_N in (_ranks(value_N), _ranks(np.abs(value_N))))
    size = rows / groups
    return float(np.clip(rows / (1 + (size - 1) * rho), min(groups, rows), rows))


def _ranks(value_N: np.ndarray) -> np.ndarray:
    """Return the mean rank of each value among all, from 0 to 1."""
    _, place_N, count = np.unique(value_N, return_inverse=True, return_counts=True)
    return (np.cumsum(count) - count / 2)[place_N] / len(value_N)


def _between(group_N: np.ndarray, value_N: np.ndarray) -> float:
    """Return the share of the variance that lies between groups (the intraclass correlation by analysis of variance).

    0 where groups are no more different than chance makes them.
    """
    count_G = np.bincount(group_N)
    groups, rows = len(count_G), len(value_N)
    mean_G = np.bincount(group_N, value_N) / np.maximum(count_G, 1)
    between = float(count_G @ np.square(mean_G - value_N.mean())) / max(groups - 1, 1)
    within = float(np.square(value_N - mean_G[group_N]).sum()) / max(rows - groups, 1)
    size = (rows - float(np.square(count_G).sum()) / rows) / max(groups - 1, 1)
    total = between + (size - 1) * within
    return float(np.clip((between - within) / total, 0.0, 1.0)) if total > 0 else 0.0
