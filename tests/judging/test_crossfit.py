"""Parts that take turns: what a row gets comes from other rows."""

from __future__ import annotations

import numpy as np

from danlu.judging.crossfit import PARTS, cross_fitted, parts_of


def test_parts_are_even_in_every_class_and_random_within() -> None:
    truth = np.repeat([0, 1, 2], [500, 50, 7])
    parts = parts_of(truth, seed=0)
    for code, rows in enumerate((500, 50, 7)):
        counts = np.bincount(parts[truth == code], minlength=PARTS)
        assert counts.max() - counts.min() <= 1
        assert counts.sum() == rows
    assert not np.array_equal(parts, parts_of(truth, seed=1))
    assert np.array_equal(parts, parts_of(truth, seed=0))


def test_groups_stay_whole_and_time_stays_in_order() -> None:
    rng = np.random.default_rng(0)
    groups = rng.integers(0, 30, 200)
    parts = parts_of(np.zeros(200, int), seed=0, groups_N=groups)
    assert all(len(set(parts[groups == group])) == 1 for group in set(groups))
    assert len(set(parts)) == PARTS
    times = rng.permutation(100) // 3
    parts = parts_of(np.zeros(100, int), seed=0, times_N=times)
    order = np.argsort(times, kind="stable")
    assert (np.diff(parts[order]) >= 0).all()
    assert all(len(set(parts[times == time])) == 1 for time in set(times))
    assert np.bincount(parts).max() <= 22


def test_a_row_gets_what_the_other_parts_give() -> None:
    rng = np.random.default_rng(0)
    truth, value = rng.integers(0, 2, 60), rng.normal(size=60)
    parts = parts_of(truth, seed=0)
    given = cross_fitted(parts, lambda rows: np.array(value[rows].mean()))
    for row in range(60):
        assert given[row] == np.mean(value[parts != parts[row]])
    assert cross_fitted(parts, lambda rows: value[rows][:3]).shape == (60, 3)
