"""Scores as records."""

from __future__ import annotations

import time

import numpy as np
import pytest

from danlu.core.records import Score, TargetSchema
from danlu.judging import Reading, metric, score

PRICE = TargetSchema(names=("price",), task="regression", outputs=1)
TWO = TargetSchema(names=("a", "b"), task="regression", outputs=2)
KIND = TargetSchema(names=("kind",), task="classification", classes=("x", "y", "z"), outputs=3)


def chances(seed: int, truth: np.ndarray, repeats: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    raw = np.exp(rng.normal(size=(repeats, len(truth), 3)) + 1.5 * (np.arange(3) == truth[:, None]))
    return raw / raw.sum(axis=2, keepdims=True)


def test_value_is_of_the_mean_and_one_member_the_mean_of_each() -> None:
    rng = np.random.default_rng(0)
    truth = rng.normal(size=(100, 1))
    predicted = truth + rng.normal(size=(4, 100, 1))
    scores = score(truth, predicted, PRICE, kind="out-of-fold")
    assert list(scores) == ["rmse", "mae", "r2"]
    rmse = scores["rmse"]
    assert rmse.value == pytest.approx(metric("rmse", truth, predicted.mean(axis=0)))
    assert rmse.one_member == pytest.approx(np.mean([metric("rmse", truth, p) for p in predicted]))
    assert rmse.value is not None
    assert rmse.one_member is not None
    # Four independent errors of size 1 average to one of 1/2.
    assert rmse.value == pytest.approx(rmse.one_member / 2, rel=0.15)
    assert rmse.low is not None
    assert rmse.high is not None
    assert rmse.low < rmse.value < rmse.high
    assert (rmse.rows, rmse.kind, rmse.per_target) == (100, "out-of-fold", None)


def test_one_repeat_has_no_other_score_of_one_member() -> None:
    truth = np.arange(10.0)[:, None]
    assert score(truth, truth[None] + 1, PRICE, kind="test")["mae"].one_member is None


def test_several_targets_are_told_apart_in_their_own_units() -> None:
    rng = np.random.default_rng(0)
    truth = rng.normal(size=(80, 2)) * [1.0, 1000.0]
    predicted = truth + rng.normal(size=(80, 2)) * [0.5, 100.0]
    own = score(truth, predicted[None], TWO, kind="test")["rmse"].per_target
    assert own == pytest.approx({n: metric("rmse", truth[:, c], predicted[:, c]) for c, n in enumerate("ab")})


def test_f1_names_every_class() -> None:
    truth = np.array([0, 0, 1, 1])
    predicted = np.eye(3)[[0, 1, 1, 1]]
    f1 = score(truth, predicted[None], KIND, kind="test")["f1"]
    assert f1.per_class == {"x": pytest.approx(2 / 3), "y": pytest.approx(4 / 5), "z": None}
    assert f1.value == pytest.approx((2 / 3 + 4 / 5) / 2)


def test_f1_of_two_classes_says_of_which() -> None:
    truth = np.array([0, 0, 1, 1, 1])
    predicted = np.array([[0.9, 0.1], [0.4, 0.6], [0.2, 0.8], [0.3, 0.7], [0.6, 0.4]])
    kind = TargetSchema(names=("kind",), task="classification", classes=("x", "y"), outputs=2, positive=0)
    scores = score(truth, predicted[None], kind, kind="test")
    assert (scores["f1"].of, scores["accuracy"].of) == ("x", None)
    # Of x: 1 hit, 2 true, 2 predicted.
    assert scores["f1"].value == pytest.approx(0.5)


def test_a_reading_decides_main_metric_probabilities_and_classes() -> None:
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 3, 60)
    predicted = chances(0, truth, 2)
    together, weights = chances(1, truth, 1)[0], np.array([0.6, 0.2, 0.2])
    scores = score(truth, predicted, KIND, kind="test", reading=Reading("log-loss", together, weights))
    assert next(iter(scores)) == "log-loss"
    assert scores["log-loss"].value == pytest.approx(metric("log-loss", truth, together))
    assert scores["accuracy"].value == pytest.approx(np.mean((together * weights).argmax(1) == truth))
    singles = [np.mean((own * weights).argmax(1) == truth) for own in predicted]
    assert scores["accuracy"].one_member == pytest.approx(np.mean(singles))
    assert scores["ece"].low is None
    assert scores["brier"].low is not None


def test_undefined_values_are_none() -> None:
    scores = score(np.zeros(6, int), chances(0, np.zeros(6, int), 1), KIND, kind="test")
    assert scores["roc-auc"] == Score(value=None, rows=6, kind="test")
    assert scores["accuracy"].value is not None
    constant = score(np.ones((5, 1)), np.zeros((1, 5, 1)), PRICE, kind="test")
    assert constant["r2"].value is None
    assert constant["rmse"].value == 1.0


def test_rows_that_some_members_did_not_predict_are_judged_by_the_others() -> None:
    rng = np.random.default_rng(0)
    truth = rng.normal(size=(30, 1))
    predicted = truth + rng.normal(size=(2, 30, 1))
    predicted[0, :5] = np.nan
    predicted[:, 29] = np.nan
    together = np.where(np.arange(30)[:, None] < 5, predicted[1], predicted.mean(axis=0))[:29]
    mae = score(truth, predicted, PRICE, kind="out-of-fold")["mae"]
    assert mae.rows == 29
    assert mae.value == pytest.approx(metric("mae", truth[:29], together))
    own = [metric("mae", truth[5:29], predicted[0, 5:29]), metric("mae", truth[:29], predicted[1, :29])]
    assert mae.one_member == pytest.approx(np.mean(own))


def test_no_rows_give_no_score() -> None:
    assert score(np.zeros((0, 1)), np.zeros((1, 0, 1)), PRICE, kind="test")["rmse"] == Score(
        value=None, rows=0, kind="test"
    )


def test_one_row_has_a_score_without_interval() -> None:
    rmse = score(np.zeros((1, 1)), np.ones((1, 1, 1)), PRICE, kind="test")["rmse"]
    assert (rmse.value, rmse.low, rmse.high) == (1.0, None, None)


def test_a_weight_counts_as_often_as_a_row() -> None:
    truth = np.array([0, 1, 2, 1, 0, 2, 2, 1])
    predicted = chances(0, truth, 1)
    times = np.array([1, 2, 3, 1, 1, 2, 1, 1])
    weighted = score(truth, predicted, KIND, kind="test", weight_N=times.astype(float))
    repeated = score(np.repeat(truth, times), np.repeat(predicted, times, axis=1), KIND, kind="test")
    for name, one in weighted.items():
        assert one.value == pytest.approx(repeated[name].value)


def test_groups_and_times_widen_the_interval() -> None:
    rng = np.random.default_rng(0)
    truth = np.repeat(rng.normal(size=30), 20)[:, None]
    order = np.arange(600)
    plain, grouped, timed = (
        score(truth, np.zeros((1, 600, 1)), PRICE, kind="test", **given)["mae"]
        for given in ({}, {"groups_N": order // 20}, {"times_N": order.astype(float)})
    )
    width = [one.high - one.low for one in (plain, grouped, timed)]  # pyrefly: ignore
    assert width[1] > 2 * width[0]
    assert width[2] > 2 * width[0]


def test_equal_input_gives_equal_records() -> None:
    truth = np.array([0, 1, 2] * 20)
    predicted = chances(0, truth, 3)
    assert score(truth, predicted, KIND, kind="test", seed=1) == score(truth, predicted, KIND, kind="test", seed=1)


@pytest.mark.slow
def test_half_a_million_rows_of_23_classes_are_judged_in_seconds() -> None:
    rng = np.random.default_rng(0)
    share = np.arange(1, 24) ** -3.0
    truth = rng.choice(23, 494_021, p=share / share.sum())
    raw = np.exp(rng.normal(size=(1, len(truth), 23)) + 3 * (np.arange(23) == truth[:, None]))
    names = tuple(map(str, range(23)))
    target = TargetSchema(names=("k",), task="classification", classes=names, outputs=23)
    start = time.process_time()
    scores = score(truth, raw / raw.sum(axis=2, keepdims=True), target, kind="test")
    assert time.process_time() - start < 10
    for name, one in scores.items():
        if name == "ece":
            continue
        assert one.low < one.value < one.high  # pyrefly: ignore
