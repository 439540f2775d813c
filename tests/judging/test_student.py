"""Student's t distribution: its density and its fit against scipy's."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from danlu.judging.student import DEGREES, Student, fit_student


@pytest.mark.parametrize("own", [(1.5, 0.3, 2.0), (4.0, -1.0, 0.01), (100.0, 0.0, 1e6)])
def test_the_density_is_scipys(own: tuple[float, float, float]) -> None:
    value_N = np.linspace(-5, 5, 41) * own[2]
    assert Student(*own).log_density(value_N) == pytest.approx(stats.t.logpdf(value_N, *own))


@pytest.mark.parametrize("degrees", [2.0, 5.0, 30.0])
def test_the_fit_is_as_likely_as_scipys(degrees: float) -> None:
    value_N = stats.t.rvs(degrees, loc=3, scale=0.2, size=2000, random_state=0)
    found = fit_student(value_N, np.ones(2000))
    assert found is not None
    best = stats.t.logpdf(value_N, *stats.t.fit(value_N)).mean()
    assert found.log_density(value_N).mean() == pytest.approx(best, abs=0.002)
    assert found.degrees in DEGREES
    assert found.place == pytest.approx(3, abs=0.02)


def test_a_row_of_weight_two_is_two_rows() -> None:
    value_N = np.random.default_rng(0).standard_t(3, 200)
    twice = fit_student(np.concatenate([value_N, value_N[:50]]), np.ones(250))
    weighed = fit_student(value_N, np.where(np.arange(200) < 50, 2.0, 1.0))
    assert twice is not None
    assert weighed == pytest.approx(twice, rel=1e-3)


def test_values_most_of_which_are_equal_have_a_finite_density() -> None:
    value_N = np.array([0.0] * 98 + [1.0, -1.0])
    found = fit_student(value_N, np.ones(100))
    assert found is not None
    assert found.scale > 0
    assert np.isfinite(found.log_density(value_N)).all()


def test_a_constant_has_none() -> None:
    assert fit_student(np.full(9, 2.5), np.ones(9)) is None
    assert fit_student(np.array([1.0, 9.0]), np.array([1.0, 0.0])) is None
