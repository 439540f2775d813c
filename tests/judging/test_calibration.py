"""Temperatures: what is fitted, against scipy; what is left alone; and what more networks need."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar

from danlu.judging.calibration import calibrate, disagreement, for_more, spread, temperature_of


def softmax(logits: np.ndarray) -> np.ndarray:
    power = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return power / power.sum(axis=-1, keepdims=True)


def drawn(rng: np.random.Generator, probability: np.ndarray) -> np.ndarray:
    """Draw a class for each row."""
    return (
        (rng.random((len(probability), 1)) > probability.cumsum(axis=1)).sum(axis=1).clip(0, probability.shape[1] - 1)
    )


@pytest.mark.parametrize("true", [0.5, 1.7, 4.0])
@pytest.mark.parametrize("width", [2, 5])
def test_the_temperature_is_that_of_least_log_loss(true: float, width: int) -> None:
    rng = np.random.default_rng(0)
    honest = softmax(rng.normal(0, 2, (4000, width)))
    truth, weight = drawn(rng, honest), rng.random(4000)
    said = calibrate(honest, 1 / true)
    ours = temperature_of(truth, said, weight)

    doubt = 1 / 4002 if true < 1 else 0.0

    def loss(logarithm: float) -> float:
        p = calibrate(said, float(np.exp(logarithm)))
        doubtful = float(weight @ np.log(p).mean(1) / weight.sum())
        right = float(weight @ np.log(p[np.arange(4000), truth]) / weight.sum())
        return -right - doubt * (doubtful - right)

    theirs = float(np.exp(minimize_scalar(loss, bounds=(-3, 3), method="bounded", options={"xatol": 1e-9}).x))
    assert ours == pytest.approx(theirs, rel=1e-5)
    assert ours == pytest.approx(true, rel=0.1)


def test_a_shift_is_part_of_what_is_fitted() -> None:
    rng = np.random.default_rng(1)
    honest = softmax(rng.normal(0, 2, (5000, 3)))
    truth, weights = drawn(rng, honest), np.array([1.0, 3.0, 0.2])
    # What a network with these class weights, and twice too sure, would say.
    said = calibrate(calibrate(honest, 1.0, tuple(np.log(weights))), 0.5)
    shift = tuple(-np.log(weights))
    assert temperature_of(truth, said, shift=shift) == pytest.approx(2.0, rel=0.06)
    np.testing.assert_allclose(calibrate(said, 2.0, shift), honest, rtol=1e-9)


@given(seed=st.integers(0, 2**32 - 1), width=st.integers(2, 6), temperature=st.floats(0.1, 10))
@settings(max_examples=50, deadline=None)
def test_a_temperature_never_changes_the_likeliest_class(seed: int, width: int, temperature: float) -> None:
    probability = softmax(np.random.default_rng(seed).normal(0, 3, (20, width)))
    after = calibrate(probability, temperature)
    assert np.array_equal(after.argmax(axis=1), probability.argmax(axis=1))
    np.testing.assert_allclose(after.sum(axis=1), 1)


def test_what_chance_explains_is_left_alone() -> None:
    kept = []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        honest = softmax(rng.normal(0, 2, (300, 2)))
        kept.append(temperature_of(drawn(rng, honest), honest) != 1.0)
    # 4.6% by the chi-squared law of twice the gain; 200 draws of that are below 10% but for 1 case in 1,000.
    assert np.mean(kept) < 0.1


def test_degenerate_rows_have_a_temperature_within_bounds() -> None:
    sure = np.tile([1.0, 0.0], (50, 1))
    assert temperature_of(np.zeros(50, int), sure) == 1.0
    always_wrong = temperature_of(np.ones(50, int), sure)
    assert 1.0 < always_wrong <= 20.0
    assert temperature_of(np.zeros(50, int), np.tile([0.6, 0.4], (50, 1))) > 1 / 20
    assert temperature_of(np.zeros(0, int), np.zeros((0, 2))) == 1.0
    assert np.isfinite(calibrate(sure, 3.0)).all()


def test_rows_of_weight_zero_do_not_count() -> None:
    rng = np.random.default_rng(2)
    honest = softmax(rng.normal(0, 2, (2000, 3)))
    truth, said = drawn(rng, honest), calibrate(honest, 0.5)
    weight = np.repeat([1.0, 0.0], 1000)
    truth[1000:] = 0
    assert temperature_of(truth, said, weight) == pytest.approx(temperature_of(truth[:1000], said[:1000]), rel=1e-8)


@pytest.mark.parametrize(("judged", "noise"), [(1, 0.3), (1, 0.6), (3, 0.6), (1, 0.9)])
def test_the_temperature_of_more_networks_is_foreseen(judged: int, noise: float) -> None:
    """Networks whose log-odds are 1.4 times too large, with errors of their own: 15 of them need what is foretold."""
    rng = np.random.default_rng(3)
    rows = 60_000
    honest = rng.normal(0, 2, rows)
    truth = (rng.random(rows) < 1 / (1 + np.exp(-honest))).astype(int)
    one = 1 / (1 + np.exp(-(1.4 * honest + rng.normal(0, noise, (15, rows)))))
    said = np.stack([1 - one, one], axis=2)
    few, many = said[:judged].mean(axis=0), said.mean(axis=0)
    variance = disagreement(said[0], said[1])
    own = temperature_of(truth, few)
    foreseen = for_more(own, judged, 15, variance, spread(few))
    needed = temperature_of(truth, many)
    assert foreseen == pytest.approx(needed, rel=0.05)
    assert abs(np.log(foreseen / needed)) < abs(np.log(own / needed)) / 2


def test_a_few_rows_that_are_all_right_prove_no_certainty() -> None:
    few = temperature_of(np.zeros(20, int), np.tile([0.7, 0.3], (20, 1)))
    many = temperature_of(np.zeros(20_000, int), np.tile([0.7, 0.3], (20_000, 1)))
    said = calibrate(np.array([[0.7, 0.3]]), few)[0, 0]
    assert said == pytest.approx(1 - 0.5 / 22, abs=1e-6), "Platt's target: half of 1 / (N + 2) is the other class's"
    assert many < few
