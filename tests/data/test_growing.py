"""Growing parts of a fold's rows: each within the next, alike in every class, whole groups, the latest in time."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from danlu.data.growing import growing

SHARES = [0.125, 0.25, 0.5, 1.0]


def nested(parts: list[np.ndarray]) -> bool:
    return all(set(small) < set(large) for small, large in pairwise(parts))


def test_parts_are_nested_and_the_last_is_all() -> None:
    rows = np.arange(100, 260)
    parts = growing(rows, SHARES, key=(0, 0))
    assert [len(part) for part in parts] == [20, 40, 80, 160]
    assert nested(parts)
    assert all((np.diff(part) > 0).all() for part in parts)
    np.testing.assert_array_equal(parts[-1], rows)
    assert not np.array_equal(parts[0], growing(rows, SHARES, key=(0, 1))[0])
    assert not np.array_equal(parts[0], growing(rows, SHARES, key=(1, 0))[0])
    np.testing.assert_array_equal(parts[0], growing(rows, SHARES, key=(0, 0))[0])


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(1, 90), min_size=1, max_size=5), st.integers(0, 5))
def test_every_part_has_each_class_within_a_row_or_so(sizes: list[int], seed: int) -> None:
    classes = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(sizes)), sizes))
    rows = np.arange(len(classes))
    for part in growing(rows, SHARES, key=(seed, 0), classes=classes):
        counts = np.bincount(classes[part], minlength=len(sizes))
        share = np.array(sizes) / len(rows)
        assert (np.abs(counts - share * len(part)) <= (1 + share * len(sizes)) / 2 + 1e-9).all()


def test_groups_stay_whole() -> None:
    groups = np.random.default_rng(0).integers(0, 30, 400)
    parts = growing(np.arange(400), SHARES, key=(0, 0), groups=groups)
    for part in parts:
        inside, outside = set(groups[part]), set(groups[np.setdiff1d(np.arange(400), part)])
        assert not inside & outside
    assert nested(parts)
    assert all(abs(len(part) - share * 400) < 25 for part, share in zip(parts, SHARES, strict=True))


def test_one_large_group_is_a_part_of_its_own() -> None:
    parts = growing(np.arange(100), SHARES, key=(0, 0), groups=np.zeros(100, int))
    assert [len(part) for part in parts] == [100] * 4


def test_in_time_a_part_is_what_came_last() -> None:
    times = np.random.default_rng(0).permutation(80).astype(float)
    parts = growing(np.arange(80), SHARES, key=(0, 0), times=times)
    assert nested(parts)
    for part, count in zip(parts, [10, 20, 40, 80], strict=True):
        np.testing.assert_array_equal(np.sort(times[part]), np.arange(80 - count, 80))
