"""Baselines against scikit-learn's own pipelines, and the cases those refuse."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from danlu.core.records import TargetSchema
from danlu.judging import baselines as module
from danlu.judging import constant_baseline, linear_baseline

PRICE = TargetSchema(names=("price",), task="regression", outputs=1)
TWO = TargetSchema(names=("a", "b"), task="regression", outputs=2)
KIND = TargetSchema(names=("kind",), task="classification", classes=("x", "y", "z"), outputs=3)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_constant_predicts_weighted_means_and_shares() -> None:
    y = np.array([[1.0, 10.0], [3.0, 20.0]])
    predicted = constant_baseline(y, 3, TWO, np.array([3.0, 1.0])).predicted_NC
    np.testing.assert_allclose(predicted, [[1.5, 12.5]] * 3)
    shares = constant_baseline(np.array([0, 0, 2]), 1, KIND, np.array([1.0, 2.0, 1.0])).predicted_NC
    np.testing.assert_allclose(shares, [[0.75, 0, 0.25]])


@pytest.mark.parametrize("weighted", [False, True])
def test_regression_is_ridge_on_standardised_inputs(rng: np.random.Generator, weighted: bool) -> None:
    x = rng.normal(size=(80, 3)) * [1, 100, 0.01] + 5
    y = x @ rng.normal(size=(3, 2)) + rng.normal(size=(80, 2))
    w = rng.random(80) if weighted else None
    ours = linear_baseline(x[:60], y[:60], x[60:], TWO, None if w is None else w[:60])
    scaler = StandardScaler().fit(x[:60])
    theirs = Ridge().fit(scaler.transform(x[:60]), y[:60], sample_weight=None if w is None else w[:60])
    np.testing.assert_allclose(ours.predicted_NC, theirs.predict(scaler.transform(x[60:])), rtol=1e-8)
    assert ours.train_rows == 60
    assert not ours.sampled


def test_classification_is_logistic_regression_on_standardised_inputs(rng: np.random.Generator) -> None:
    x = rng.normal(size=(90, 2)) * [1, 50]
    y = (x[:, 0] > 0).astype(int) + (x[:, 1] > 20)
    ours = linear_baseline(x[:60], y[:60], x[60:], KIND).predicted_NC
    theirs = make_pipeline(StandardScaler(), LogisticRegression(max_iter=300)).fit(x[:60], y[:60])
    np.testing.assert_allclose(ours, theirs.predict_proba(x[60:]), atol=1e-6)


def test_a_class_without_training_rows_gets_probability_zero_in_its_place(rng: np.random.Generator) -> None:
    x = rng.normal(size=(40, 2))
    y = np.where(x[:, 0] > 0, 2, 0)
    predicted = linear_baseline(x, y, x, KIND).predicted_NC
    assert (predicted[:, 1] == 0).all()
    np.testing.assert_allclose(predicted.sum(axis=1), 1)
    assert (predicted.argmax(axis=1) == y).mean() > 0.9


def test_one_class_in_training_is_predicted_for_all(rng: np.random.Generator) -> None:
    predicted = linear_baseline(rng.normal(size=(5, 2)), np.ones(5, int), rng.normal(size=(3, 2)), KIND).predicted_NC
    np.testing.assert_array_equal(predicted, [[0, 1, 0]] * 3)


def test_constant_columns_and_no_columns_do_no_harm(rng: np.random.Generator) -> None:
    x, y = np.full((30, 2), 0.1), rng.normal(size=(30, 1))
    for inputs in (x, x[:, :0]):
        predicted = linear_baseline(inputs, y, inputs * 2, PRICE).predicted_NC
        np.testing.assert_allclose(predicted, y.mean())


def test_many_rows_are_sampled_by_the_seed_and_said(rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_ROWS", 100)
    x = rng.normal(size=(500, 2))
    y = x[:, :1] + rng.normal(size=(500, 1))
    first, again, other = (linear_baseline(x, y, x[:5], PRICE, np.ones(500), seed=seed) for seed in (0, 0, 1))
    assert first.sampled
    assert first.train_rows == 100
    np.testing.assert_array_equal(first.predicted_NC, again.predicted_NC)
    assert (first.predicted_NC != other.predicted_NC).any()


def test_no_warning_of_scikit_learn_gets_out(rng: np.random.Generator) -> None:
    # Separable classes and one useless iteration budget make lbfgs complain; warnings are errors in these tests.
    x = rng.normal(size=(200, 30)) ** 5
    linear_baseline(x, (x[:, 0] > 0).astype(int) + (x[:, 1] > 0), x, KIND)
