"""What is fitted on judged rows is judged on others of them: the parts that take turns (DESIGN.md, contract 8)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from danlu.core.seeds import stream

PARTS = 5


def parts_of(
    truth_N: np.ndarray,
    *,
    seed: int,
    groups_N: np.ndarray | None = None,
    times_N: np.ndarray | None = None,
    parts: int = PARTS,
) -> np.ndarray:
    """Return the part of each row, `[N]` from 0: at random but even in every class.

    Groups stay whole; in time order the parts are stretches of time.

    Arguments:
        truth_N: class codes.
        seed: of the run.
        groups_N: codes of groups.
        times_N: times.
        parts: how many.

    >>> np.bincount(parts_of(np.arange(20) % 2, seed=0)).tolist()
    [4, 4, 4, 4, 4]
    """
    rows = len(truth_N)
    generator = np.random.default_rng(stream(seed, "cross-fitting"))
    if groups_N is not None:
        group_N = np.unique(groups_N, return_inverse=True)[1]
        return (generator.permutation(int(group_N.max(initial=0)) + 1) % parts)[group_N]
    if times_N is not None:
        # Rows of one time stay together.
        return np.minimum(np.searchsorted(np.sort(times_N), times_N) * parts // max(rows, 1), parts - 1)
    shuffled = generator.permutation(rows)
    part_N = np.empty(rows, np.int64)
    part_N[shuffled[np.argsort(truth_N[shuffled], kind="stable")]] = np.arange(rows) % parts
    return part_N


def cross_fitted(part_N: np.ndarray, fit: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Return for each row what the rows of the other parts give, `[N, ...]`.

    Arguments:
        part_N: what `parts_of` gave.
        fit: takes row numbers, gives a number or an array.
    """
    results = {part: np.asarray(fit(np.flatnonzero(part_N != part))) for part in np.unique(part_N).tolist()}
    return np.stack([results[part] for part in part_N.tolist()]) if len(part_N) else np.zeros((0, 1))
