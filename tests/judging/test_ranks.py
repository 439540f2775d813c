"""The area under the ROC curve: two ways to the same number."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from danlu.judging.ranks import ClassRanks, Ranks


def problem(rows: int, width: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    truth = rng.choice(width, rows, p=np.arange(1, width + 1) / np.arange(1, width + 1).sum())
    predicted = np.round(rng.random((rows, width)) + 0.3 * (np.arange(width) == truth[:, None]), 2)
    return truth, predicted, rng.random(rows) + 0.5


def test_each_weighting_gives_scikit_learns_weighted_area() -> None:
    truth, predicted, _ = problem(120, 2)
    weights = np.random.default_rng(1).integers(0, 4, (20, 120)).astype(float)
    areas = Ranks(predicted[:, 1], truth == 1).areas(weights)
    expected = [roc_auc_score(truth, predicted[:, 1], sample_weight=w) for w in weights]
    np.testing.assert_allclose(areas, expected, rtol=1e-12)


def test_mean_placement_of_either_side_is_the_area() -> None:
    truth, predicted, weight = problem(300, 2)
    placed = Ranks(predicted[:, 1], truth == 1).placements(weight)
    area = roc_auc_score(truth, predicted[:, 1], sample_weight=weight)
    for side in (0, 1):
        assert np.average(placed[truth == side], weights=weight[truth == side]) == pytest.approx(area, rel=1e-12)


@pytest.mark.parametrize("width", [2, 5])
def test_areas_from_placements_are_exact_for_their_own_weights_and_near_for_resamples(
    width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    truth, predicted, weight = problem(5000, width)
    exact = ClassRanks(truth, predicted, weight, 1)
    monkeypatch.setattr(ClassRanks, "most_exact", 0)
    near = ClassRanks(truth, predicted, weight, 1)
    np.testing.assert_array_equal(near.areas(weight[None]), exact.areas(weight[None]))
    resampled = weight * np.random.default_rng(2).multinomial(5000, np.full(5000, 1 / 5000), 100)
    a, b = exact.areas(resampled), near.areas(resampled)
    # The neglected term is of order 1/n, the resamples' own spread of order 1/sqrt(n).
    assert np.abs(a - b).max() < 0.1 * a.std(axis=0).max()
    np.testing.assert_allclose(a.std(axis=0), b.std(axis=0), rtol=0.03)


def test_a_resample_without_a_class_has_no_area_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    truth, predicted, weight = problem(50, 3)
    resample = np.stack([(truth != 0) * weight, weight])
    for most in (0, 1e9):
        monkeypatch.setattr(ClassRanks, "most_exact", most)
        areas = ClassRanks(truth, predicted, weight, 2).areas(resample)
        assert np.isnan(areas[0, 0])
        assert np.isfinite(areas[0, 1:]).all()
        assert np.isfinite(areas[1]).all()
