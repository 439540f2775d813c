"""Metrics against scikit-learn, and by hand where scikit-learn decides otherwise."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as oracle

from danlu.core.classes import METRICS
from danlu.core.errors import PlanError
from danlu.core.records import TargetSchema
from danlu.judging import CLASSIFICATION, GREATER_IS_BETTER, REGRESSION, metric, metrics_for
from danlu.judging.metrics import ON_REQUEST, measures


def classes(seed: int, rows: int, width: int, present: int | None = None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return truth, probabilities with ties, and weights."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, present or width, rows)
    raw = np.round(rng.random((rows, width)) + 0.5 * (np.arange(width) == truth[:, None]), 1) + 0.05
    return truth, raw / raw.sum(axis=1, keepdims=True), rng.random(rows) + 0.1


def close(ours: float, theirs: float) -> None:
    assert ours == pytest.approx(theirs, rel=1e-11, abs=1e-13)


@given(seed=st.integers(0, 2**32 - 1), rows=st.integers(2, 60), width=st.integers(2, 6), weighted=st.booleans())
@settings(max_examples=60, deadline=None)
def test_classification_equals_scikit_learn(seed: int, rows: int, width: int, weighted: bool) -> None:
    truth, probability, weight = classes(seed, rows, width)
    w = weight if weighted else None
    guess = probability.argmax(axis=1)
    labels = list(range(width))
    close(metric("accuracy", truth, probability, w), oracle.accuracy_score(truth, guess, sample_weight=w))
    close(
        metric("log-loss", truth, probability, w), oracle.log_loss(truth, probability, sample_weight=w, labels=labels)
    )
    if width == 2:
        for positive in (0, 1):
            theirs = oracle.f1_score(truth, guess, labels=[0, 1], pos_label=positive, sample_weight=w, zero_division=0)
            ours = metric("f1", truth, probability, w, positive)
            close(0.0 if np.isnan(ours) else ours, float(theirs))
    else:
        close(metric("f1", truth, probability, w), oracle.f1_score(truth, guess, average="macro", sample_weight=w))
    theirs = oracle.brier_score_loss(truth, probability, labels=labels, sample_weight=w)
    close(metric("brier", truth, probability, w), theirs)
    recall = oracle.recall_score(truth, guess, labels=np.unique(truth), average="macro", sample_weight=w)
    close(metric("balanced-accuracy", truth, probability, w), recall)


@given(seed=st.integers(0, 2**32 - 1), rows=st.integers(4, 60), weighted=st.booleans())
@settings(max_examples=60, deadline=None)
def test_roc_auc_of_two_classes_equals_scikit_learn_with_ties_and_weights(seed: int, rows: int, weighted: bool) -> None:
    truth, probability, weight = classes(seed, rows, 2)
    truth[:2] = 0, 1
    w = weight if weighted else None
    close(metric("roc-auc", truth, probability, w), oracle.roc_auc_score(truth, probability[:, 1], sample_weight=w))


@pytest.mark.parametrize("weighted", [False, True])
def test_roc_auc_of_many_classes_is_the_mean_of_each_against_the_rest(weighted: bool) -> None:
    truth, probability, weight = classes(3, 200, 4)
    w = weight if weighted else None
    expected = oracle.roc_auc_score(truth, probability, multi_class="ovr", average="macro", sample_weight=w)
    close(metric("roc-auc", truth, probability, w), expected)


def test_classes_absent_from_the_truth_are_left_out_of_means() -> None:
    truth, probability, _ = classes(4, 300, 5, present=3)
    areas = [oracle.roc_auc_score(truth == c, probability[:, c]) for c in range(3)]
    close(metric("roc-auc", truth, probability), float(np.mean(areas)))
    recalls = [(probability.argmax(axis=1)[truth == c] == c).mean() for c in range(3)]
    close(metric("balanced-accuracy", truth, probability), float(np.mean(recalls)))


def test_calibration_error_by_hand() -> None:
    # Bins of 1/15: two rows of 0.70 (one right) in one, two of 0.90 (both right) in another.
    probability = np.array([[0.7, 0.3], [0.3, 0.7], [0.9, 0.1], [0.1, 0.9]])
    truth = np.array([0, 0, 0, 1])
    close(metric("ece", truth, probability), 0.5 * abs(0.7 - 0.5) + 0.5 * abs(0.9 - 1.0))
    # In one bin errors in both directions balance out.
    close(metric("ece", np.array([0, 1]), np.array([[0.51, 0.49], [0.51, 0.49]])), 0.01)


def test_classes_given_decide_what_is_counted_but_no_probability() -> None:
    truth, probability, weight = classes(5, 100, 3)
    guess = np.zeros(100, int)
    measure = measures(truth, probability, CLASSIFICATION, weight, guess_N=guess)
    values = {name: float(found.value_R[0]) for name, found in measure(weight[None]).items()}
    close(values["accuracy"], float(oracle.accuracy_score(truth, guess, sample_weight=weight)))
    close(values["balanced-accuracy"], 1 / 3)
    for name in ("log-loss", "roc-auc", "brier", "ece"):
        close(values[name], metric(name, truth, probability, weight))


@pytest.mark.parametrize("columns", [1, 3])
def test_rmsle_equals_scikit_learn_and_counts_what_is_below_0_as_0(columns: int) -> None:
    rng = np.random.default_rng(0)
    truth, weight = rng.exponential(1000, (40, columns)), rng.random(40)
    predicted = truth * rng.uniform(0.5, 2, (40, columns))
    predicted[:3] = -5
    msle = oracle.mean_squared_log_error(truth, np.maximum(predicted, 0), sample_weight=weight)
    close(metric("rmsle", truth, predicted, weight), float(np.sqrt(msle)))


def test_a_main_metric_that_does_not_fit_the_task_is_refused() -> None:
    kind = TargetSchema(names=("k",), task="classification", classes=("a", "b"), outputs=2)
    price = TargetSchema(names=("y",), task="regression", outputs=1)
    assert metrics_for(kind, "f1") == ("f1", *(name for name in CLASSIFICATION if name != "f1"))
    assert metrics_for(price, "rmsle") == ("rmsle", *REGRESSION)
    with pytest.raises(PlanError, match="`metric` rmse needs a target of numbers, the task is classification"):
        metrics_for(kind, "rmse")
    with pytest.raises(PlanError, match="`metric` f1 needs classes, the task is regression"):
        metrics_for(price, "f1")


def test_one_class_has_no_roc_auc() -> None:
    for width in (2, 3):
        assert np.isnan(metric("roc-auc", np.ones(5, int), np.full((5, width), 1 / width)))


def test_log_loss_of_a_sure_mistake_is_finite_and_scikit_learns() -> None:
    truth, probability = np.array([0, 1]), np.array([[0.0, 1.0], [0.0, 1.0]])
    close(metric("log-loss", truth, probability), oracle.log_loss(truth, probability))


def test_log_loss_makes_rows_sum_to_one() -> None:
    truth, probability = np.array([0, 1]), np.array([[0.6, 0.2], [0.3, 0.9]])
    close(metric("log-loss", truth, probability), -np.log(0.75))


@given(seed=st.integers(0, 2**32 - 1), rows=st.integers(2, 60), weighted=st.booleans())
@settings(max_examples=60, deadline=None)
def test_regression_equals_scikit_learn(seed: int, rows: int, weighted: bool) -> None:
    rng = np.random.default_rng(seed)
    truth = rng.normal(1e6, 3, rows)
    predicted = truth + rng.normal(0, 1, rows)
    w = rng.random(rows) + 0.1 if weighted else None
    close(metric("rmse", truth, predicted, w), oracle.root_mean_squared_error(truth, predicted, sample_weight=w))
    close(metric("mae", truth, predicted, w), oracle.mean_absolute_error(truth, predicted, sample_weight=w))
    assert metric("r2", truth, predicted, w) == pytest.approx(
        oracle.r2_score(truth, predicted, sample_weight=w), rel=1e-8, abs=1e-8
    )


@pytest.mark.parametrize("weighted", [False, True])
def test_several_targets_are_standardised_by_the_truth(weighted: bool) -> None:
    rng = np.random.default_rng(0)
    truth = rng.normal(size=(50, 2)) * [1.0, 1000.0] + [0.0, 5.0]
    predicted = truth + rng.normal(size=(50, 2)) * [0.1, 300.0]
    w = rng.random(50) if weighted else None
    centre = np.average(truth, axis=0, weights=w)
    sd = np.sqrt(np.average((truth - centre) ** 2, axis=0, weights=w))
    mse = oracle.mean_squared_error(truth / sd, predicted / sd, sample_weight=w)
    close(metric("rmse", truth, predicted, w), float(np.sqrt(mse)))
    close(metric("mae", truth, predicted, w), oracle.mean_absolute_error(truth / sd, predicted / sd, sample_weight=w))
    close(metric("r2", truth, predicted, w), oracle.r2_score(truth, predicted, sample_weight=w))


def test_a_constant_truth_has_an_rmse_but_no_r2() -> None:
    assert metric("rmse", np.full(4, 7.3), np.array([7.3, 8.3, 7.3, 8.3])) == pytest.approx(np.sqrt(0.5))
    assert np.isnan(metric("r2", np.full(4, 7.3), np.arange(4.0)))


def test_a_constant_target_among_several_is_left_out() -> None:
    truth = np.array([[1.0, 5.0], [3.0, 5.0]])
    # The first target: errors 1 and 0, standard deviation 1.
    assert metric("rmse", truth, np.array([[2.0, 0.0], [3.0, 0.0]])) == pytest.approx(np.sqrt(0.5))


@pytest.mark.parametrize("size", [1e-200, 1e200])
def test_extreme_units_neither_overflow_nor_vanish(size: float) -> None:
    truth, predicted = np.array([1.0, 2.0, 4.0]), np.array([1.0, 3.0, 4.0])
    for name in REGRESSION:
        scaled = metric(name, truth * size, predicted * size) / (1 if name == "r2" else size)
        close(scaled, metric(name, truth, predicted))


def test_rows_of_weight_zero_do_not_count() -> None:
    truth, probability, weight = classes(1, 40, 3)
    weight[20:] = 0
    for name in CLASSIFICATION:
        close(metric(name, truth, probability, weight), metric(name, truth[:20], probability[:20], weight[:20]))
    y = np.random.default_rng(0).normal(size=40)
    for name in REGRESSION:
        close(metric(name, y, y**2, weight), metric(name, y[:20], y[:20] ** 2, weight[:20]))


def test_an_unknown_metric_is_refused_with_the_nearest() -> None:
    with pytest.raises(PlanError, match="Did you mean `accuracy`"):
        metric("acuracy", np.zeros(2), np.zeros((2, 2)))


def test_the_main_metric_comes_first_and_every_metric_has_a_direction() -> None:
    kind = TargetSchema(names=("k",), task="classification", classes=("a", "b"), outputs=2)
    assert metrics_for(kind)[0] == "accuracy"
    assert metrics_for(TargetSchema(names=("y",), task="regression", outputs=1))[0] == "rmse"
    assert set(GREATER_IS_BETTER) == {*REGRESSION, *ON_REQUEST, *CLASSIFICATION}
    assert set(METRICS) == set(GREATER_IS_BETTER) - {"ece"}
    lesser = ["rmse", "mae", "rmsle", "log-loss", "brier", "ece"]
    assert [name for name, greater in GREATER_IS_BETTER.items() if not greater] == lesser
