"""Ways to deal rows into folds: at random, by class, by group, in order of time. NumPy only, no Python per row."""

from __future__ import annotations

import numpy as np

GREEDY_GROUPS = 2000
"""So many of the largest groups are placed one by one; the rest, each below 1/2000 of the rows, are dealt round."""


def deal(classes_N: np.ndarray | None, rows: int, folds: int, random: np.random.Generator) -> np.ndarray:
    """Return the fold of each row, int64 `[N]`, at random and alike in every class.

    Sizes of folds differ by at most one row, and so do the rows of one class in them. A class with fewer
    rows than folds reaches as many folds as it has rows.

    Arguments:
        classes_N: class of each row, or None to take rows as they come.
    """
    order = random.permutation(rows)
    if classes_N is not None:
        order = order[np.argsort(_short(classes_N)[order], kind="stable")]
    fold_N = np.empty(rows, dtype=np.int64)
    fold_N[order] = random.permutation(folds)[np.arange(rows) % folds]
    return fold_N


def _short(codes_N: np.ndarray) -> np.ndarray:
    """Return codes as 16-bit numbers where they fit: NumPy sorts those by radix, ten times faster."""
    return codes_N.astype(np.int16) if codes_N.max(initial=0) < 2**15 else codes_N


def hold_out(classes_N: np.ndarray | None, rows: int, share: float, random: np.random.Generator) -> np.ndarray:
    """Return which rows are held out, boolean `[N]`: a share of the rows and, within one row, of every class.

    A class whose every row would be held out keeps one to learn from.
    """
    order = random.permutation(rows)
    if classes_N is not None:
        order = order[np.argsort(_short(classes_N)[order], kind="stable")]
    count = min(max(round(share * rows), 1), rows - 1)
    # `count` places, evenly apart in the order of classes, from a random beginning.
    places = np.floor((np.arange(count) + random.random()) * (rows / count)).astype(np.int64)
    held_N = np.zeros(rows, dtype=bool)
    held_N[order[places]] = True
    if classes_N is not None:
        learnt = np.bincount(classes_N[~held_N], minlength=int(classes_N.max()) + 1)
        present, first = np.unique(classes_N, return_index=True)
        alone = first[learnt[present] == 0]
        if held_N.sum() > len(alone):
            held_N[alone] = False
    return held_N


def deal_groups(
    groups_N: np.ndarray, classes_N: np.ndarray | None, folds: int, random: np.random.Generator
) -> np.ndarray:
    """Return the fold of each row, int64 `[N]`, so that no group is in two folds.

    From the largest group on, each goes where its rows, and those of its most frequent class, are
    fewest. (Graham, 1969: at most 4/3 of the best possible largest fold.) Sizes are blurred by a tenth, so
    that repeats differ.
    """
    size_G = np.bincount(groups_N)
    class_G = _main_class(groups_N, classes_N, len(size_G))
    blurred_G = size_G * np.exp(0.1 * random.standard_normal(len(size_G)))
    order = np.argsort(-blurred_G, kind="stable")
    fold_G = np.empty(len(size_G), dtype=np.int64)
    rows_K = np.zeros(folds)
    rows_CK = np.zeros((int(class_G.max()) + 1, folds))
    of_class_C = np.maximum(np.bincount(class_G, weights=size_G), 1)
    for place, group in enumerate(order[:GREEDY_GROUPS]):
        label, size = class_G[group], size_G[group]
        burden_K = rows_K / len(groups_N) + rows_CK[label] / of_class_C[label] * (classes_N is not None)
        # The first groups open a fold each, so that none stays empty.
        fold = place if place < folds else int(burden_K.argmin())
        fold_G[group] = fold
        rows_K[fold] += size
        rows_CK[label, fold] += size
    rest = order[GREEDY_GROUPS:]
    rest = rest[np.argsort(class_G[rest], kind="stable")]
    fold_G[rest] = np.argsort(rows_K)[np.arange(len(rest)) % folds]
    return random.permutation(folds)[fold_G][groups_N]


def _main_class(groups_N: np.ndarray, classes_N: np.ndarray | None, groups: int) -> np.ndarray:
    """Return the most frequent class of each group, or zeros."""
    if classes_N is None:
        return np.zeros(groups, dtype=np.int64)
    pairs, counts = np.unique(groups_N * (int(classes_N.max()) + 1) + classes_N, return_counts=True)
    pairs = pairs[np.argsort(counts, kind="stable")]
    main_G = np.zeros(groups, dtype=np.int64)
    main_G[pairs // (int(classes_N.max()) + 1)] = pairs % (int(classes_N.max()) + 1)
    return main_G


def hold_out_groups(groups_N: np.ndarray, share: float, random: np.random.Generator) -> np.ndarray:
    """Return which rows are held out, boolean `[N]`: whole groups drawn at random, about a share of the rows.

    At least one group is held out and at least one learnt from. Groups of more than twice the share are
    drawn last.
    """
    size_G = np.bincount(groups_N)
    order = random.permutation(len(size_G))
    wanted = share * len(groups_N)
    order = order[np.argsort(size_G[order] > 2 * wanted, kind="stable")]
    held = int(np.abs(np.cumsum(size_G[order])[:-1] - wanted).argmin()) + 1
    held_G = np.zeros(len(size_G), dtype=bool)
    held_G[order[:held]] = True
    return held_G[groups_N]


def later_parts(times_N: np.ndarray, first: float, parts: int) -> tuple[np.ndarray, np.ndarray]:
    """Return (rows in order of time, int64 `[N]`; borders between parts, int64 `[parts + 1]` or fewer).

    The rows before the first border are only learnt from; those between two borders are judged together.
    Rows of equal time are never parted by a border, so that there may be fewer parts than asked for.

    Arguments:
        times_N: time of each row.
        first: share of the rows before the first border.
        parts: how many parts the other rows are divided into.
    """
    order = np.argsort(times_N, kind="stable")
    sorted_N = times_N[order]
    rows = len(order)
    starts = np.flatnonzero(np.append(True, sorted_N[1:] != sorted_N[:-1]))[1:]
    wanted = rows * (first + (1 - first) * np.arange(parts) / parts)
    nearest = _nearest(starts, wanted)
    return order, np.append(np.unique(nearest), rows)


def _nearest(starts: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Return for each wanted border the nearest place where a new time starts."""
    right = np.clip(np.searchsorted(starts, wanted), 0, len(starts) - 1)
    left = np.maximum(right - 1, 0)
    return np.where(wanted - starts[left] < starts[right] - wanted, starts[left], starts[right])
