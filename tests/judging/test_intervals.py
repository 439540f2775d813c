"""Bootstrap intervals: against scipy, by their coverage, and by what is drawn together."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from danlu.judging.intervals import bootstrap, draws, limits, units
from danlu.judging.metrics import measures


def interval(truth: np.ndarray, predicted: np.ndarray, name: str, unit_N: np.ndarray | None = None, seed: int = 0):
    weight = np.ones(len(truth))
    return bootstrap(measures(truth, predicted, (name,), weight), weight, unit_N, seed)[name]


def test_interval_equals_scipys_percentile_bootstrap_within_monte_carlo_error() -> None:
    rng = np.random.default_rng(0)
    truth = rng.normal(size=300)
    predicted = truth + rng.standard_t(5, size=300)
    theirs = stats.bootstrap(
        (truth, predicted),
        lambda t, p, axis: np.sqrt(np.mean((t - p) ** 2, axis=axis)),
        paired=True,
        vectorized=True,
        method="percentile",
        n_resamples=20_000,
        rng=np.random.default_rng(1),
    )
    ours = np.mean([interval(truth, predicted, "rmse", seed=s) for s in range(5)], axis=0)
    # With 5 x 1000 resamples a limit has a standard error of about 0.04 of the resamples' deviation.
    np.testing.assert_allclose(ours, theirs.confidence_interval, atol=0.15 * theirs.standard_error)


def test_interval_of_a_mean_covers_the_truth_in_95_of_100_samples() -> None:
    rng = np.random.default_rng(5)
    covered = 0
    for trial in range(400):
        truth = rng.normal(size=200)
        low, high = interval(truth, np.zeros(200), "rmse", seed=trial)
        assert low is not None
        assert high is not None
        covered += low <= 1.0 <= high
    # The standard error of 400 trials is 1.1 points; the percentile bootstrap of 200 rows misses by about half a point.
    assert 0.92 <= covered / 400 <= 0.98


def test_groups_are_drawn_whole() -> None:
    codes = np.array([7, 7, 3, 3, 3, 9])
    unit = units(6, groups_N=codes)
    for chunk in draws(6, 50, 0, unit):
        for group in (7, 3, 9):
            assert (np.ptp(chunk[:, codes == group], axis=1) == 0).all()
        assert (chunk[:, [0, 2, 5]].sum(axis=1) == 3).all()


def test_clustered_rows_have_a_wider_interval_than_rows_alone() -> None:
    rng = np.random.default_rng(0)
    group = np.repeat(np.arange(40), 25)
    error = rng.normal(size=40)[group]
    alone = interval(error, np.zeros(1000), "mae")
    together = interval(error, np.zeros(1000), "mae", units(1000, groups_N=group))
    # All 25 rows of a group are one observation: the interval is sqrt(25) = 5 times as wide.
    assert (together[1] - together[0]) / (alone[1] - alone[0]) == pytest.approx(5, rel=0.25)


def test_times_are_drawn_in_contiguous_blocks() -> None:
    times = np.random.default_rng(0).permutation(400).astype(float)
    unit = units(400, times_N=times)
    assert unit is not None
    in_order = unit[np.argsort(times)]
    assert (np.diff(in_order) >= 0).all()
    assert np.bincount(unit).tolist() == [20] * 20


def test_rows_of_one_time_stay_in_one_block() -> None:
    times = np.repeat([3.0, 1.0, 2.0, np.nan], 25)
    unit = units(100, times_N=times)
    assert unit is not None
    assert len({(t, u) for t, u in zip(times.astype(str), unit, strict=True)}) == 4


@pytest.mark.parametrize("rows", [10, 5000])
def test_every_resample_draws_as_many_rows_as_there_are(rows: int) -> None:
    whole = np.concatenate(list(draws(rows, 30, 0)))
    assert whole.shape == (30, rows)
    assert (whole.sum(axis=1) == rows).all()
    # A row is left out of a resample with chance (1 - 1/N)^N.
    assert (whole == 0).mean() == pytest.approx((1 - 1 / rows) ** rows, abs=0.1)


def test_the_same_seed_draws_the_same_rows() -> None:
    y = np.random.default_rng(0).normal(size=50)
    assert interval(y, np.zeros(50), "mae", seed=3) == interval(y, np.zeros(50), "mae", seed=3)
    assert interval(y, np.zeros(50), "mae", seed=3) != interval(y, np.zeros(50), "mae", seed=4)


def test_one_unit_has_no_interval() -> None:
    weight = np.ones(5)
    measure = measures(np.arange(5.0), np.zeros(5), ("mae",), weight)
    assert bootstrap(measure, weight, np.zeros(5, int), 0) == {}
    assert bootstrap(measures(np.ones(1), np.ones(1), ("mae",), weight[:1]), weight[:1], None, 0) == {}


def test_limits_need_half_of_the_resamples() -> None:
    assert limits(np.array([1.0, np.nan, np.nan])) == (None, None)
    assert limits(np.array([1.0, 1.0, np.nan])) == (1.0, 1.0)
