"""The estimators on arrays of images."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import StratifiedKFold, cross_val_score

from danlu import ImageClassifier, ImageRegressor

FAST: dict[str, Any] = {"conv": (4,), "epochs": 8, "lr": 0.02, "batch_size": 16, "cv": 2, "random_state": 0}


def bars(rows: int = 80) -> tuple[np.ndarray, np.ndarray]:
    """Return images with an upright or a lying bar, uint8 [N, 8, 8], and which."""
    random = np.random.default_rng(0)
    images = random.integers(0, 60, size=(rows, 8, 8)).astype(np.uint8)
    kinds = np.array(["lying", "upright"])[np.arange(rows) % 2]
    for image, kind, place in zip(images, kinds, random.integers(0, 8, rows), strict=True):
        if kind == "upright":
            image[:, place] = 255
        else:
            image[place] = 255
    return images, kinds


@pytest.mark.parametrize("shape", [(8, 8), (1, 8, 8), (8, 8, 1)])
def test_images_of_all_axes(shape: tuple[int, ...]) -> None:
    images, kinds = bars()
    X = images.reshape(len(images), *shape)
    model = ImageClassifier(**FAST).fit(X, kinds)
    assert model.classes_.tolist() == ["lying", "upright"]
    assert model.score(X, kinds) > 0.9
    assert np.allclose(model.predict_proba(X).sum(axis=1), 1)
    assert model.model_.run.network.conv is not None
    assert model.model_.run.network.conv.channels == (4,)


def test_floats_and_numbers_to_predict() -> None:
    images, kinds = bars()
    y = np.column_stack([images.mean(axis=(1, 2)), np.where(kinds == "upright", 1.0, -1.0)])
    model = ImageRegressor(**(FAST | {"epochs": 20})).fit(images / 255.0, y)
    assert model.predict(images / 255.0).shape == y.shape
    assert model.score(images / 255.0, y) > 0.3
    one = ImageRegressor(**FAST).fit(images, y[:, 1])
    assert one.predict(images).shape == (80,)
    assert one.predict_interval(images).shape == (80, 2)


def test_folds_weights_of_classes_and_images_of_ones_own() -> None:
    images, kinds = bars()
    cv = StratifiedKFold(4, shuffle=True, random_state=0)
    model = clone(ImageClassifier(**(FAST | {"cv": cv, "class_weight": {"upright": 2.0}})))
    model.fit(images, kinds, X_val=images[:20], y_val=kinds[:20])
    assert [member.judged_rows for member in model.model_.run.members] == [20] * 4
    assert model.model_.run.test["accuracy"].rows == 20
    assert np.array_equal(pickle.loads(pickle.dumps(model)).predict(images), model.predict(images))


def test_scikit_learn_cross_validates_them() -> None:
    images, kinds = bars()
    settings = FAST | {"cv": 0, "plan": {"repeats": 1}}
    assert cross_val_score(ImageClassifier(**settings), images, kinds, cv=2).shape == (2,)


def test_a_table_is_refused() -> None:
    _, kinds = bars()
    with pytest.raises(ValueError, match=r"images must have the axes.*\[80, 4\]"):
        ImageClassifier(**FAST).fit(np.zeros((80, 4)), kinds)
