"""Intervals from errors: against MAPIE and by arithmetic, coverage where it can be known, and what is refused."""

from __future__ import annotations

from math import ceil, floor

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression

from danlu.core.errors import PlanError
from danlu.judging.conformal import (
    MOST_KEPT,
    Errors,
    learn_errors,
    repeats_of,
    saved_by_many,
    scale_columns,
)
from danlu.judging.effective import effective_rows
from danlu.judging.local_scale import constant_scale


def plain(error_N: np.ndarray) -> Errors:
    """Return the expected errors of a target whose errors are of one scale, 1."""
    scale = constant_scale(1.0)
    return Errors(
        error_CQ=np.sort(error_N)[None],
        rows=np.array(float(len(error_N))),
        square_C=np.array([np.mean(error_N**2)]),
        student_C3=np.array([[4.0, 0.0, 1.0]]),
        limits=np.array([-np.inf, np.inf]),
        base_C=np.array([scale.base]),
        column_CTD=scale.column_TD[None],
        threshold_CTD=scale.threshold_TD[None],
        value_CTL=scale.value_TL[None],
    )


@pytest.mark.parametrize("level", [0.5, 0.8, 0.9, 0.95])
@pytest.mark.parametrize("rows", [39, 40, 137, 1000])
def test_ends_are_the_conformal_order_statistics(rows: int, level: float) -> None:
    error_N = np.random.default_rng(rows).exponential(size=rows)
    low, high = plain(error_N).interval(np.zeros((1, 1)), np.ones((1, 1)), level)
    ordered, tail = np.sort(error_N), round((1 - level) / 2 * (rows + 1), 9)
    assert low.item() == ordered[floor(tail) - 1]
    assert high.item() == ordered[ceil(round((1 + level) / 2 * (rows + 1), 9)) - 1]


def test_ends_are_those_of_mapie() -> None:
    """Split conformal intervals with signed errors, the same rows."""
    regression = pytest.importorskip("mapie.regression")
    scores = pytest.importorskip("mapie.conformity_scores")
    random = np.random.default_rng(0)
    x = random.normal(size=(300, 2))
    y = x @ [1, 2] + random.exponential(size=300)
    line = LinearRegression().fit(x[:100], y[:100])
    own = plain(y[100:237] - line.predict(x[100:237]))
    for level in (0.8, 0.9, 0.95):
        signed = scores.AbsoluteConformityScore(sym=False)
        theirs = regression.SplitConformalRegressor(line, confidence_level=level, conformity_score=signed, prefit=True)
        _, ends = theirs.conformalize(x[100:237], y[100:237]).predict_interval(x[250:])
        low, high = own.interval(line.predict(x[250:])[:, None], np.ones((50, 1)), level)
        assert np.column_stack([low, high]) == pytest.approx(ends[:, :, 0])


def test_over_many_draws_the_share_inside_is_the_level() -> None:
    """Exchangeable errors: 99 of them give exactly 90% on average over draws."""
    random = np.random.default_rng(1)
    inside = []
    for _ in range(4000):
        error_N = random.standard_t(2, 100)
        low, high = plain(error_N[:99]).interval(np.zeros((1, 1)), np.ones((1, 1)), 0.9)
        inside.append(low.item() <= error_N[99] <= high.item())
    assert np.mean(inside) == pytest.approx(0.9, abs=3 * np.sqrt(0.09 / 4000))


def test_quantiles_are_linear_between_errors_and_end_with_them() -> None:
    errors = plain(np.array([1.0, 2.0, 3.0]))
    found = errors.quantiles(np.array([[10.0]]), np.array([[2.0]]), (0.01, 0.25, 0.5, 0.625, 0.75, 0.99))
    assert found[0, 0] == pytest.approx([12, 12, 14, 15, 16, 16])


def test_a_level_that_rows_are_too_few_for_is_refused_with_the_highest_that_is_not() -> None:
    errors = plain(np.arange(19.0))
    errors.interval(np.zeros((1, 1)), np.ones((1, 1)), 0.9)
    with pytest.raises(PlanError, match=r"0.91 needs 22 judged rows or more, .* count as 19. Ask for 0.9 or less."):
        errors.interval(np.zeros((1, 1)), np.ones((1, 1)), 0.91)
    with pytest.raises(PlanError, match="between 0 and 1, got 90"):
        errors.interval(np.zeros((1, 1)), np.ones((1, 1)), 90)
    with pytest.raises(PlanError, match="between 0 and 1, got 1"):
        errors.quantiles(np.zeros((1, 1)), np.ones((1, 1)), (0.5, 1.0))


def noisy(rows: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return a column, a truth and its true mean; errors are ten times as large where the column is above 1."""
    random = np.random.default_rng(seed)
    x_N = random.uniform(0, 2, rows)
    size_N = np.where(x_N > 1, 10.0, 1.0)
    return x_N[:, None], (np.sin(x_N) + size_N * random.normal(size=rows))[:, None], np.sin(x_N)[:, None]


def test_coverage_holds_where_errors_are_small_and_where_they_are_large() -> None:
    found = learn_errors(*noisy(6000))
    assert found is not None
    errors, judged = found
    columns_NF, truth_NC, said_NC = noisy(6000, seed=1)
    for level in (0.8, 0.9, 0.95):
        low_NC, high_NC = errors.interval(said_NC, errors.scale(columns_NF, said_NC, None), level)
        inside_N = ((truth_NC >= low_NC) & (truth_NC <= high_NC))[:, 0]
        for rows in (columns_NF[:, 0] > 1, columns_NF[:, 0] <= 1):
            assert inside_N[rows].mean() == pytest.approx(level, abs=0.025)
    width_N = (judged.high_NC - judged.low_NC)[:, 0]
    x_N = noisy(6000)[0][:, 0]
    assert width_N[x_N > 1.1].mean() / width_N[x_N < 0.9].mean() == pytest.approx(10, rel=0.2)


def test_the_density_is_the_true_one_where_it_can_be_known() -> None:
    found = learn_errors(*noisy(6000))
    assert found is not None
    true = np.mean(0.5 * np.log(2 * np.pi * np.e) + np.log([1.0, 10.0]))
    assert found[1].surprise_NC.mean() == pytest.approx(true, abs=0.05)


def test_the_judgement_of_a_row_does_not_know_its_truth() -> None:
    columns_NF, truth_NC, said_NC = noisy(300)
    before = learn_errors(columns_NF, truth_NC, said_NC)
    truth_NC = truth_NC.copy()
    truth_NC[7] += 1e6
    after = learn_errors(columns_NF, truth_NC, said_NC)
    assert before is not None
    assert after is not None
    assert after[1].low_NC[7] == before[1].low_NC[7]
    assert after[1].high_NC[7] == before[1].high_NC[7]


def test_weights_are_rows_drawn_more_often() -> None:
    random = np.random.default_rng(3)
    error_NC = np.concatenate([random.normal(size=(3000, 1)), 5 * random.normal(size=(3000, 1))])
    nothing = np.zeros((6000, 0))
    weight_N = np.where(np.arange(6000) < 3000, 1.0, 0.0)
    only = learn_errors(nothing, error_NC, np.zeros((6000, 1)), weight_N)
    assert only is not None
    said = np.zeros((1, 1))
    low, high = only[0].interval(said, only[0].scale(np.zeros((1, 0)), said, None), 0.9)
    assert (low.item(), high.item()) == pytest.approx((-1.645, 1.645), abs=0.12)
    assert float(only[0].rows) == pytest.approx(3000)


def test_each_target_has_its_own_errors() -> None:
    random = np.random.default_rng(4)
    truth_NC = random.normal(size=(2000, 2)) * [1.0, 1000.0]
    found = learn_errors(np.zeros((2000, 1)), truth_NC, np.zeros((2000, 2)))
    assert found is not None
    said = np.zeros((1, 2))
    low, high = found[0].interval(said, found[0].scale(np.zeros((1, 1)), said, None), 0.9)
    assert (high - low)[0] / [1, 1000] == pytest.approx([3.29, 3.29], rel=0.1)


def test_many_errors_are_thinned_without_moving_the_ends() -> None:
    random = np.random.default_rng(5)
    error_NC = random.normal(size=(50_000, 1))
    found = learn_errors(np.zeros((50_000, 0)), error_NC, np.zeros((50_000, 1)))
    assert found is not None
    errors = found[0]
    assert errors.error_CQ.shape == (1, MOST_KEPT)
    said = np.zeros((1, 1))
    low, high = errors.interval(said, errors.scale(np.zeros((1, 0)), said, None), 0.9)
    assert (low.item(), high.item()) == pytest.approx(tuple(np.quantile(error_NC, [0.05, 0.95])), abs=0.02)


def test_without_errors_intervals_have_no_width_and_there_is_no_density() -> None:
    truth_NC = np.arange(100.0)[:, None]
    found = learn_errors(np.zeros((100, 1)), truth_NC, truth_NC)
    assert found is not None
    low, high = found[0].interval(truth_NC, found[0].scale(np.zeros((100, 1)), truth_NC, None), 0.9)
    assert np.array_equal(low, truth_NC)
    assert np.array_equal(high, truth_NC)
    assert np.isnan(found[0].surprise(truth_NC, truth_NC, np.ones((100, 1)))).all()


def test_fewer_than_three_rows_give_nothing() -> None:
    assert learn_errors(np.zeros((2, 1)), np.ones((2, 1)), np.zeros((2, 1))) is None
    assert learn_errors(np.zeros((9, 1)), np.ones((9, 1)), np.zeros((9, 1)), np.arange(9.0) // 8) is None
    assert learn_errors(np.zeros((3, 1)), np.arange(3.0)[:, None], np.zeros((3, 1))) is not None


def test_ends_stay_between_the_limits() -> None:
    random = np.random.default_rng(6)
    truth_NC = random.poisson(1.0, (500, 1)).astype(float)
    found = learn_errors(np.zeros((500, 0)), truth_NC, np.ones((500, 1)), limits=(0.0, np.inf))
    assert found is not None
    said = np.full((1, 1), 0.2)
    low, _ = found[0].interval(said, np.ones((1, 1)), 0.9)
    assert low.item() == 0
    assert found[0].quantiles(said, np.ones((1, 1)), (0.01,)).item() == 0


def test_what_predicting_together_saves_is_the_ambiguity_decomposition() -> None:
    """Krogh and Vedelsby (1995), over every choice of one network of each of two repeats."""
    random = np.random.default_rng(7)
    said_MNC, truth = random.normal(size=(5, 1, 1)), 0.3
    repeat_M = np.array([0, 0, 0, 1, 1])
    pairs = [(said_MNC[a, 0, 0] + said_MNC[b, 0, 0]) / 2 for a in range(3) for b in (3, 4)]
    together = (said_MNC[:3].mean() + said_MNC[3:].mean()) / 2
    saved = np.mean([(truth - pair) ** 2 for pair in pairs]) - (truth - together) ** 2
    assert saved_by_many(said_MNC, repeat_M).item() == pytest.approx(saved)


def test_what_is_saved_narrows_by_a_tenth_at_most_and_strange_rows_widen() -> None:
    errors = plain(np.array([-2.0, 0.0, 2.0]))
    columns_NF, said_NC = np.zeros((1, 0)), np.zeros((1, 1))
    mean_square = 8 / 3
    for share, expected in ((0.0, 1.0), (0.1, np.sqrt(0.9)), (0.5, np.sqrt(0.8)), (4.0, 2.0)):
        variance_NC = np.full((1, 1), share * mean_square)
        assert errors.scale(columns_NF, said_NC, variance_NC).item() == pytest.approx(expected)


def test_networks_that_are_one_of_each_repeat_save_nothing() -> None:
    assert repeats_of([0, 1, 2], refitted=False, in_time=False) is None
    assert repeats_of([0, 0, 1], refitted=True, in_time=False) is None
    assert repeats_of([0, 0, 1], refitted=False, in_time=True) is None
    own = repeats_of([0, 0, 1], refitted=False, in_time=False)
    assert own is not None
    assert own.tolist() == [0, 0, 1]


def test_groups_count_between_their_number_and_that_of_their_rows() -> None:
    random = np.random.default_rng(8)
    group_N = np.repeat(np.arange(50), 20)
    alone_N = random.normal(size=1000)
    alike_N = np.repeat(random.normal(size=50), 20)
    ones = np.ones(1000)
    assert effective_rows(ones, group_N, alike_N) == pytest.approx(50, rel=0.01)
    assert effective_rows(ones, group_N, alone_N) > 500
    assert 50 < effective_rows(ones, group_N, alone_N + alike_N) < 200
    assert effective_rows(ones, None, alike_N) == 1000


def test_intervals_of_new_groups_hold_what_they_should() -> None:
    random = np.random.default_rng(9)
    inside = []
    for _ in range(60):
        group_N = np.repeat(np.arange(40), 10)
        error_N = np.repeat(random.normal(size=40), 10) + 0.5 * random.normal(size=400)
        old = group_N < 30
        found = learn_errors(np.zeros((300, 0)), error_N[old, None], np.zeros((300, 1)), groups_N=group_N[old])
        assert found is not None
        said = np.zeros((100, 1))
        low, high = found[0].interval(said, found[0].scale(np.zeros((100, 0)), said, None), 0.8)
        inside.append(((error_N[~old] >= low[:, 0]) & (error_N[~old] <= high[:, 0])).mean())
    assert 0.8 <= np.mean(inside) < 0.9


@pytest.mark.parametrize(
    ("name", "array"),
    [
        ("column_CTD", np.full((1, 60, 3), 9)),
        ("column_CTD", np.full((1, 60, 3), -1)),
        ("value_CTL", np.zeros((1, 60, 4))),
        ("student_C3", np.zeros((2, 3))),
        ("error_CQ", np.zeros(5)),
        ("limits", np.zeros(3)),
    ],
)
def test_arrays_that_do_not_fit_are_refused(name: str, array: np.ndarray) -> None:
    arrays = plain(np.arange(5.0)).arrays()
    assert Errors.from_arrays(arrays, columns=2).arrays().keys() == arrays.keys()
    with pytest.raises(ValueError, match="do not fit"):
        Errors.from_arrays(arrays | {name: array}, columns=2)
    with pytest.raises(KeyError):
        Errors.from_arrays({other: each for other, each in arrays.items() if other != name}, columns=2)


def test_of_images_the_size_of_errors_depends_on_the_prediction_alone() -> None:
    assert scale_columns(np.zeros((4, 784), np.uint8), np.zeros((4, 0), np.int32), image=True).shape == (4, 0)
