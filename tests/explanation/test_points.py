"""Made points: of two classes, seeded, and of the shape that their name says."""

from __future__ import annotations

import numpy as np
import pytest

from danlu.core.errors import PlanError
from danlu.explanation.points import SETS, point_set


@pytest.mark.parametrize("name", SETS)
def test_sets_are_balanced_and_seeded(name: str) -> None:
    x_N2, class_N = point_set(name, 200, seed=3)
    assert x_N2.shape == (200, 2)
    assert np.bincount(class_N).tolist() == [100, 100]
    again = point_set(name, 200, seed=3)
    np.testing.assert_array_equal(x_N2, again[0])
    np.testing.assert_array_equal(class_N, again[1])
    assert not np.array_equal(x_N2, point_set(name, 200, seed=4)[0])
    assert not np.array_equal(x_N2, point_set(name, 200, seed=3, part="held out")[0])


def test_shapes_without_noise() -> None:
    x_N2, class_N = point_set("circles", 100, 0.0)
    np.testing.assert_allclose(np.hypot(*x_N2.T), np.where(class_N == 0, 1.0, 0.5))
    x_N2, class_N = point_set("moons", 100, 0.0)
    centre = np.where(class_N[:, None] == 0, [0.0, 0.0], [1.0, 0.5])
    np.testing.assert_allclose(np.hypot(*(x_N2 - centre).T), 1.0)
    assert ((x_N2[:, 1] >= 0) | (class_N == 1)).all()
    x_N2, _ = point_set("spirals", 100, 0.0)
    assert np.hypot(*x_N2.T).max() <= 1.0


def test_noise_is_what_it_says() -> None:
    clean, noisy = (point_set("moons", 20_000, noise)[0] for noise in (0.0, 0.3))
    np.testing.assert_allclose((noisy - clean).std(axis=0), 0.3, rtol=0.03)


def test_refusals() -> None:
    with pytest.raises(PlanError, match="Did you mean `moons`"):
        point_set("moon", 100)
    with pytest.raises(PlanError, match="`rows` must be at least 4"):
        point_set("xor", 2)
    with pytest.raises(PlanError, match="`noise`"):
        point_set("xor", 10, float("nan"))
