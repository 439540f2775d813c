"""The law of a learning curve: found where there is one, and with an interval that holds what it says."""

from __future__ import annotations

import numpy as np
import pytest

from danlu.judging.growth import Law, doubled, fit_law, saved

ROWS = 1200 / 2.0 ** np.arange(6, -1, -1)


@pytest.mark.parametrize(("floor", "factor", "exponent"), [(0.09, 3.0, 1.0), (0.0, 1.0, 0.5), (0.25, 0.9, 0.3)])
def test_an_exact_law_is_found(floor: float, factor: float, exponent: float) -> None:
    law = fit_law(ROWS, floor + factor * ROWS**-exponent)
    assert law is not None
    assert law.points == len(ROWS)
    assert law.exponent == pytest.approx(exponent, rel=0.02)  # exponents are tried in steps of 1%
    assert law.at(2400) == pytest.approx(floor + factor * 2400**-exponent, rel=0.01)


@pytest.mark.parametrize(
    "error",
    [
        np.full(7, 0.3),
        np.linspace(0.3, 0.5, 7),
        np.array([0.5, 0.2, 0.5, 0.2, 0.5, 0.2, 0.5]),
        np.array([0.5, 0.4, 0.3, 0.25, 0.2, 0.1, 0.0]),
        np.array([0.5, 0.4, np.nan, 0.25, 0.2, 0.15, 0.1]),
    ],
    ids=["flat", "rising", "zigzag", "reaches 0", "not finite"],
)
def test_what_follows_no_law_gets_none(error: np.ndarray) -> None:
    assert fit_law(ROWS, error) is None


def test_four_points_are_too_few() -> None:
    assert fit_law(ROWS[-4:], 0.1 + 1 / ROWS[-4:]) is None


def test_sizes_before_the_law_begins_are_left_out() -> None:
    error = 0.05 + 40 / ROWS
    error[:2] = [0.5, 0.6]  # nothing is learnt from so few rows
    law = fit_law(ROWS, error)
    assert law is not None
    assert law.points == 5
    assert law.at(2400) == pytest.approx(0.05 + 40 / 2400, rel=0.02)


def test_the_interval_of_a_doubling_holds_the_truth() -> None:
    random, held, said = np.random.default_rng(1), 0, 0
    truth = 0.09 + 0.03 * (ROWS / ROWS[-1]) ** -0.5
    gain = 1 - (0.09 + 0.03 * 2**-0.5) / (0.09 + 0.03)
    for _ in range(100):
        error = truth * (1 + 0.02 * random.standard_normal(7))
        judged = error * (1 + 0.03 * random.standard_normal((200, 1)) + 0.005 * random.standard_normal((200, 7)))
        law = fit_law(ROWS, error)
        if law is not None:
            said += 1
            low, high = saved(*doubled(law, ROWS, error, judged, seed=0).T)
            assert low is not None
            assert high is not None
            held += low <= gain <= high
    assert said > 90
    assert held >= 0.9 * said


def test_the_interval_of_a_clean_curve_is_narrow() -> None:
    error = 0.09 + 0.03 * (ROWS / ROWS[-1]) ** -0.5
    law = fit_law(ROWS, error)
    assert law is not None
    low, high = saved(*doubled(law, ROWS, error, np.tile(error, (50, 1)), seed=0).T)
    assert low == pytest.approx(high, abs=0.002)


def test_no_share_is_saved_of_no_error() -> None:
    assert saved(np.zeros(10), np.zeros(10)) == (None, None)


def test_a_law_is_its_floor_far_away() -> None:
    assert Law(0.5, 2.0, 1.0, 100, 5, 1.0).at(1e9) == pytest.approx(0.5, abs=1e-6)
