"""The linear model of pixels against scikit-learn's, and the cases those refuse."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression, Ridge

from danlu.core.records import TargetSchema
from danlu.judging import pixel_baseline
from danlu.judging import pixels as module

KIND = TargetSchema(names=("kind",), task="classification", classes=("x", "y", "z"), outputs=3)
TWO = TargetSchema(names=("a", "b"), task="regression", outputs=2)


def blobs(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Images [N, 100] of noise, brighter in a third of the pixels that depends on the class."""
    random = np.random.default_rng(seed)
    kinds = random.integers(0, 3, count)
    images = random.integers(0, 200, (count, 100))
    for k in range(3):
        images[kinds == k, 33 * k : 33 * k + 33] += 18
    return images.astype(np.uint8), kinds


def log_loss(shares: np.ndarray, kinds: np.ndarray) -> float:
    return float(-np.log(shares[np.arange(len(kinds)), kinds]).mean())


@pytest.mark.parametrize("count", [150, 3000])
def test_classes_are_predicted_about_as_well_as_by_logistic_regression(count: int) -> None:
    images, kinds = blobs(count + 2000)
    train, judged = np.arange(count), np.arange(count, count + 2000)
    found = pixel_baseline(images, kinds, train, judged, KIND)
    theirs = (
        LogisticRegression(max_iter=2000).fit(images[train] / 255, kinds[train]).predict_proba(images[judged] / 255)
    )
    assert (found.train_rows, found.sampled) == (count, False)
    np.testing.assert_allclose(found.predicted_NC.sum(axis=1), 1)
    truth = kinds[judged]
    assert (found.predicted_NC.argmax(1) == truth).mean() > (theirs.argmax(1) == truth).mean() - 0.02
    assert log_loss(found.predicted_NC, truth) < log_loss(theirs, truth) + 0.05


def test_numbers_are_predicted_about_as_well_as_by_ridge_regression() -> None:
    random = np.random.default_rng(1)
    images = random.normal(size=(1500, 64)).astype(np.float32)
    y = images @ random.normal(size=(64, 2)) * [1, 100] + random.normal(size=(1500, 2)) * [4, 400] + [0, 1000]
    train, judged = np.arange(500), np.arange(500, 1500)
    ours = pixel_baseline(images, y, train, judged, TWO).predicted_NC
    theirs = Ridge(alpha=64).fit(images[train], y[train]).predict(images[judged])
    rmse = [np.sqrt(((p - y[judged]) ** 2).mean(axis=0)) for p in (ours, theirs)]
    assert (rmse[0] < 1.05 * rmse[1]).all()


def test_the_same_seed_gives_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where only a part of the images is seen, which is said."""
    images, kinds = blobs(600)
    every = np.arange(600)
    monkeypatch.setattr(module, "MOST_VALUES", 100 * 400)
    first, again = (pixel_baseline(images, kinds, every, every, KIND, seed=3, parts=2) for _ in range(2))
    assert (first.train_rows, first.sampled) == (200, True)
    assert np.array_equal(first.predicted_NC, again.predicted_NC)


def test_what_other_solvers_refuse() -> None:
    images, kinds = blobs(40)
    every = np.arange(40)
    one = pixel_baseline(images, np.full(40, 2), every, every, KIND).predicted_NC
    assert np.array_equal(one, np.tile([0.0, 0.0, 1.0], (40, 1)))
    absent = pixel_baseline(images, kinds % 2, every, every, KIND).predicted_NC
    assert (absent[:, 2] == 0).all()
    black = pixel_baseline(np.zeros((40, 9), np.uint8), kinds, every, every[:1], KIND).predicted_NC
    np.testing.assert_allclose(black[0], np.bincount(kinds, minlength=3) / 40, atol=0.06)
    same = pixel_baseline(images, np.full((40, 2), 7.0), every, every, TWO).predicted_NC
    np.testing.assert_allclose(same, 7.0, atol=1e-6)
    assert pixel_baseline(images[:1], kinds[:1], every[:1], every[:1], KIND).predicted_NC.shape == (1, 3)
