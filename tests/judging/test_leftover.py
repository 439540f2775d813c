"""What trees still find in the errors of predictions."""

from __future__ import annotations

import numpy as np
import pytest

from danlu.judging.leftover import left_over

X = np.random.default_rng(0).uniform(-3, 3, (1000, 3))
FOLD = np.arange(1000) % 5


def test_noise_leaves_nothing() -> None:
    noise = np.random.default_rng(1).standard_normal((1000, 1))
    share = left_over(X, noise, np.zeros((1000, 1)), FOLD)
    assert share is not None
    assert share < 0.05


def test_a_curve_that_a_line_missed_is_found_in_its_share() -> None:
    """Errors are a curve of variance 4.5 (a parabola on [-3, 3]: 81 / 5 - 9 = 7.2) and noise of the same variance."""
    curve = X[:, :1] ** 2 - 3
    noise = np.sqrt(7.2) * np.random.default_rng(1).standard_normal((1000, 1))
    share = left_over(X, curve + noise, np.zeros((1000, 1)), FOLD)
    assert share == pytest.approx(0.5, abs=0.12)
    assert left_over(X, curve, np.zeros((1000, 1)), FOLD) > 0.9


def test_classes_and_several_targets() -> None:
    ring = ((X[:, :2] ** 2).sum(1) > 4).astype(np.int64)
    half = np.full((1000, 2), 0.5)
    assert left_over(X, ring, half, FOLD) > 0.7
    known = np.stack([1.0 - ring, ring], 1) * 0.8 + 0.1
    assert left_over(X, ring, known, FOLD) < 1
    both = np.stack([1e6 * X[:, 0] ** 2, np.random.default_rng(1).standard_normal(1000)], 1)
    assert left_over(X, both, np.tile(both.mean(0), (1000, 1)), FOLD) == pytest.approx(0.5, abs=0.15)


def test_groups_stay_together() -> None:
    """An error of each group's own cannot be learnt from other groups, though a column names the group."""
    group = np.repeat(np.arange(50), 20)
    error = np.random.default_rng(1).standard_normal(50)[group][:, None]
    columns = np.random.default_rng(2).standard_normal(50)[group][:, None]
    assert left_over(columns, error, np.zeros((1000, 1)), group) < 0.1
    assert left_over(columns, error, np.zeros((1000, 1)), np.zeros(1000)) > 0.5


def test_what_cannot_be_asked() -> None:
    few = np.zeros((39, 1))
    assert left_over(few, few, few, np.zeros(39)) is None
    exact = X[:, :1]
    assert left_over(X, exact, exact, FOLD) is None, "no errors"
    assert left_over(np.full((1000, 1), np.nan), X[:, :1], np.zeros((1000, 1)), FOLD) < 0.05


def test_weights_of_rows_count() -> None:
    curve = X[:, :1] ** 2 - 3
    noise = 5 * np.random.default_rng(1).standard_normal((1000, 1))
    mixed = np.where(np.arange(1000)[:, None] % 2 == 0, curve, noise)
    only = (np.arange(1000) % 2 == 0).astype(float)
    assert left_over(X, mixed, np.zeros((1000, 1)), FOLD, only) > 0.8
    assert left_over(X, mixed, np.zeros((1000, 1)), FOLD, 1 - only) < 0.1
