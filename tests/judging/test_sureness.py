"""Density, coverage and width as scores: by hand."""

from __future__ import annotations

import numpy as np
import pytest

from danlu.core.records import TargetSchema
from danlu.judging.conformal import Judgement, learn_errors
from danlu.judging.sureness import judged_by, sureness

ONE = TargetSchema(names=("y",), task="regression", outputs=1)
TWO = TargetSchema(names=("y", "z"), task="regression", outputs=2)


def by_hand() -> tuple[Judgement, np.ndarray]:
    truth_NC = np.array([[0.0], [2.0], [4.0], [6.0]])
    low_NC = np.array([[-1.0], [3.0], [4.0], [0.0]])
    return Judgement(
        low_NC, low_NC + np.array([[1.0], [2.0], [3.0], [6.0]]), np.array([[1.0], [2.0], [3.0], [4.0]])
    ), truth_NC


def test_scores_are_means_over_rows() -> None:
    judged, truth_NC = by_hand()
    scores = sureness(judged, truth_NC, ONE, kind="test")
    assert {name: score.value for name, score in scores.items()} == {"nll": 2.5, "coverage": 0.75, "width": 3.0}
    assert all(score.rows == 4 and score.kind == "test" and score.per_target is None for score in scores.values())


def test_weights_weigh_and_rows_without_weight_do_not_count() -> None:
    judged, truth_NC = by_hand()
    scores = sureness(judged, truth_NC, ONE, kind="test", weight_N=np.array([3.0, 1.0, 0.0, 0.0]))
    assert [score.value for score in scores.values()] == [1.25, 0.75, 1.25]
    assert scores["nll"].rows == 2


def test_several_targets_are_standardised_and_each_has_its_own() -> None:
    judged, truth_NC = by_hand()
    both = Judgement(*(np.hstack([a, b]) for a, b in zip(
        (judged.low_NC, judged.high_NC, judged.surprise_NC),
        (10 * judged.low_NC, 10 * judged.high_NC, judged.surprise_NC + np.log(10)),
        strict=True,
    )))  # fmt: skip
    scores = sureness(both, np.hstack([truth_NC, 10 * truth_NC]), TWO, kind="test")
    deviation = np.std(truth_NC)
    assert scores["nll"].value == pytest.approx(2.5 - np.log(deviation))
    assert scores["width"].value == pytest.approx(3 / deviation)
    assert scores["coverage"].value == 0.75
    assert scores["width"].per_target == pytest.approx({"y": 3.0, "z": 30.0})
    assert scores["nll"].per_target == pytest.approx({"y": 2.5, "z": 2.5 + np.log(10)})


def test_the_interval_of_a_coverage_is_the_binomial_one() -> None:
    random = np.random.default_rng(0)
    inside = random.uniform(size=(2000, 1)) < 0.9
    ends = np.where(inside, 1.0, -0.5)
    judged = Judgement(-np.ones((2000, 1)), ends, np.ones((2000, 1)))
    score = sureness(judged, np.zeros((2000, 1)), ONE, kind="test")["coverage"]
    share = float(inside.mean())
    half = 1.96 * np.sqrt(share * (1 - share) / 2000)
    assert (score.low, score.high) == pytest.approx((share - half, share + half), abs=0.003)


def test_what_rows_are_too_few_for_is_undefined_and_the_rest_is_not() -> None:
    truth_NC = np.random.default_rng(1).normal(size=(10, 1))
    found = learn_errors(np.zeros((10, 0)), truth_NC, np.zeros((10, 1)))
    assert found is not None
    for judged in (found[1], judged_by(found[0], truth_NC, np.zeros((10, 1)), np.ones((10, 1)))):
        scores = sureness(judged, truth_NC, ONE, kind="test")
        assert scores["coverage"].value is None
        assert scores["width"].value is None
        assert scores["nll"].value is not None


def test_without_a_density_nothing_is_scored() -> None:
    judged = Judgement(np.zeros((3, 1)), np.zeros((3, 1)), np.full((3, 1), np.nan))
    assert all(s.value is None and s.rows == 0 for s in sureness(judged, np.zeros((3, 1)), ONE, kind="test").values())
