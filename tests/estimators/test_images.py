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


def test_calls_of_partial_fit_are_epochs_of_fit() -> None:
    images, kinds = bars()
    settings = FAST | {"cv": 0, "augment": "flip,shift:1", "plan": {"repeats": 2}}
    whole = ImageClassifier(**(settings | {"epochs": 4})).fit(images, kinds)
    steps = ImageClassifier(**settings)
    for _ in range(4):
        steps.partial_fit(images, kinds, classes=["lying", "upright"])
    assert np.array_equal(steps.predict_proba(images), whole.predict_proba(images))
    assert steps.n_iter_ == 4
    more = ImageClassifier(**(settings | {"epochs": 3})).fit(images, kinds).partial_fit(images, kinds)
    assert np.array_equal(more.predict_proba(images), whole.predict_proba(images))


def test_images_come_in_parts() -> None:
    images, kinds = bars()
    model = ImageClassifier(**(FAST | {"plan": {"batch_norm": "hidden"}}))
    for _ in range(8):
        model.partial_fit(images[:40], kinds[:40])
        model.partial_fit(images[40:], kinds[40:], sample_weight=np.ones(40))
    assert model.score(images, kinds) > 0.9
    one = model.partial_fit(images[:20], kinds[:20]).n_iter_  # of upright and lying ones, learnt before
    assert one == 17
    with pytest.raises(ValueError, match="`conv` must stay as it was"):
        model.set_params(conv=(8,)).partial_fit(images, kinds)
    with pytest.raises(ValueError, match="12 x 12"):
        model.set_params(conv=(4,)).partial_fit(np.zeros((4, 12, 12), np.uint8), kinds[:4])
    with pytest.raises(ValueError, match="first rows must have all classes"):
        ImageClassifier(**FAST).partial_fit(images, kinds, classes=["lying", "upright", "none"])


def test_an_image_of_weight_0_is_as_if_it_was_not_there() -> None:
    images, kinds = bars()
    weight = np.where(np.arange(80) < 60, 1.0, 0.0)
    settings = FAST | {"cv": 0}
    few = ImageClassifier(**settings).fit(images[:60], kinds[:60])
    with_none = ImageClassifier(**settings).fit(images, kinds, sample_weight=weight)
    assert np.array_equal(few.predict_proba(images), with_none.predict_proba(images))
    with pytest.raises(ValueError, match="zero"):
        ImageClassifier(**settings).fit(images, kinds, sample_weight=np.zeros(80))


def test_an_image_of_weight_2_counts_as_two() -> None:
    images, _ = bars(40)
    y = images.mean(axis=(1, 2)) / 100
    plan = {"dtype": "float64", "repeats": 1, "scale_target": "none"}
    settings: dict[str, Any] = FAST | {"cv": 0, "batch_size": "all", "plan": plan}
    twice = ImageRegressor(**settings).fit(np.concatenate([images, images[:10]]), np.concatenate([y, y[:10]]))
    heavy = ImageRegressor(**settings).fit(images, y, sample_weight=np.where(np.arange(40) < 10, 2.0, 1.0))
    plain = ImageRegressor(**settings).fit(images, y)
    assert np.allclose(heavy.predict(images), twice.predict(images), atol=1e-9)
    assert not np.allclose(heavy.predict(images), plain.predict(images), atol=1e-4)


def test_weights_decide_what_judged_images_count() -> None:
    images, kinds = bars()
    weight = np.where(kinds == "upright", 3.0, 1.0)
    model = ImageClassifier(**(FAST | {"epochs": 1})).fit(images, kinds, sample_weight=weight)
    arrays = model.model_.arrays
    rows, hit = arrays["rows_N"], arrays["predicted_NC"].argmax(1) == arrays["truth_NC"]
    expected = np.average(hit, weights=weight[rows])
    assert model.model_.run.scores["accuracy"].value == pytest.approx(expected)
