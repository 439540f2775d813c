"""Growing parts of the rows that a fold learns from: each holds the one before it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from danlu.core.seeds import stream


def growing(
    train_rows: np.ndarray,
    shares: Sequence[float],
    *,
    key: tuple[int, int],
    classes: np.ndarray | None = None,
    groups: np.ndarray | None = None,
    times: np.ndarray | None = None,
) -> list[np.ndarray]:
    """Return nested parts of the rows that a fold learns from, each ascending and of at least one row.

    - As a rule rows are drawn at random; of classes, every part has its share within a row or so.
    - Groups are drawn whole: a part has about its share of the rows, and one group at least.
    - In order of time a part is the latest rows, which are those just before the judged ones.

    Arguments:
        train_rows: row numbers.
        shares: above 0, at most 1.
        key: seed of the run, and number of the fold.
        classes: class of every row of the table.
        groups: group of every row of the table.
        times: time of every row of the table.

    >>> parts = growing(np.arange(8), [0.25, 0.5, 1.0], key=(0, 0), classes=np.array([0, 1] * 4))
    >>> [len(part) for part in parts], set(parts[0]) < set(parts[1]), sorted((parts[0] % 2).tolist())
    ([2, 4, 8], True, [0, 1])
    """
    random = np.random.Generator(np.random.PCG64(stream(key[0], "growing", key[1])))
    wanted = [max(1, round(share * len(train_rows))) for share in shares]
    if times is not None:
        order = np.argsort(times[train_rows], kind="stable")[::-1]
    elif groups is not None:
        order, ends = _by_group(groups[train_rows], random)
        wanted = [int(ends[np.abs(ends - rows).argmin()]) for rows in wanted]
    else:
        order = _by_class(None if classes is None else classes[train_rows], len(train_rows), random)
    return [np.sort(train_rows[order[:rows]]) for rows in wanted]


def _by_class(classes_N: np.ndarray | None, rows: int, random: np.random.Generator) -> np.ndarray:
    """Return an order at random whose every beginning has each class's share: of C classes, one with a share s of the
    rows within (1 + s C) / 2 rows, because each is rounded to whole rows and the largest takes what the others leave.
    """
    order = random.permutation(rows)
    if classes_N is None:
        return order
    _, class_N, size_C = np.unique(classes_N[order], return_inverse=True, return_counts=True)
    # The r-th row of a class of n stands at (r + 1/2) / n of the way: the classes are spread evenly over it.
    sorted_N = np.argsort(class_N, kind="stable")
    rank_N = np.empty(rows)
    rank_N[sorted_N] = np.arange(rows) - np.repeat(np.cumsum(size_C) - size_C, size_C)
    return order[np.argsort((rank_N + 0.5) / size_C[class_N], kind="stable")]


def _by_group(groups_N: np.ndarray, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return (an order of whole groups drawn at random, where each of them ends)."""
    _, group_N, size_G = np.unique(groups_N, return_inverse=True, return_counts=True)
    drawn_G = random.permutation(len(size_G))
    place_G = np.empty(len(size_G), np.int64)
    place_G[drawn_G] = np.arange(len(size_G))
    return np.argsort(place_G[group_N], kind="stable"), np.cumsum(size_G[drawn_G])
