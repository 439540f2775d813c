"""The size of errors that trees learn: where it differs, where it does not, and what cells may be."""

from __future__ import annotations

import numpy as np
import pytest

from danlu.judging.local_scale import DEPTH, TREES, LocalScale, constant_scale, fit_scale


def test_a_tree_asks_its_questions_in_order_and_missing_cells_are_below_all() -> None:
    tree = LocalScale(
        base=np.log(2.0),
        column_TD=np.array([[0, 1]]),
        threshold_TD=np.array([[5.0, -np.inf]]),
        value_TL=np.log([[1.0, 3.0, 5.0, 7.0]]),
    )
    columns_NF, predicted_N = np.array([[5.0], [5.1], [np.nan]]), np.array([0.0, np.nan, 4.0])
    # At most 5 and there: 3; above 5 and missing: 5; missing and there: 3.
    assert tree(columns_NF, predicted_N) == pytest.approx([6.0, 10.0, 6.0])


def test_the_mean_error_of_each_kind_of_row_is_found() -> None:
    random = np.random.default_rng(0)
    kind_N, other_N = random.integers(0, 3, 6000), random.normal(size=6000)
    size_N = np.abs(random.normal(size=6000)) * np.array([1.0, 10.0, 3.0])[kind_N]
    scale = fit_scale(np.column_stack([other_N, kind_N]), np.zeros(6000), size_N, np.ones(6000))
    found = scale(np.column_stack([np.zeros(3), np.arange(3)]), np.zeros(3))
    own = [size_N[kind_N == kind].mean() for kind in range(3)]
    assert found == pytest.approx(own, rel=0.1)


def test_errors_that_grow_with_the_prediction_are_found_without_any_column() -> None:
    random = np.random.default_rng(1)
    said_N = random.uniform(0, 10, 5000)
    scale = fit_scale(np.zeros((5000, 0)), said_N, said_N * np.abs(random.normal(size=5000)), np.ones(5000))
    low, high = scale(np.zeros((2, 0)), np.array([2.0, 8.0]))
    assert high / low == pytest.approx(4, rel=0.2)


def test_where_errors_are_alike_the_scale_is_the_same_everywhere_within_a_fifth() -> None:
    random = np.random.default_rng(2)
    columns_NF, size_N = random.normal(size=(4000, 5)), np.abs(random.normal(size=4000))
    scale = fit_scale(columns_NF, np.zeros(4000), size_N, np.ones(4000))
    assert np.std(np.log(scale(random.normal(size=(4000, 5)), np.zeros(4000)))) < 0.2


def test_rows_of_weight_0_teach_nothing_and_weights_have_no_unit() -> None:
    random = np.random.default_rng(3)
    columns_NF, size_N = random.normal(size=(900, 2)), np.abs(random.normal(size=900))
    size_N[600:] *= 50
    weight_N = np.where(np.arange(900) < 600, 1.0, 0.0)
    scales = [fit_scale(columns_NF, np.zeros(900), size_N, weight) for weight in (weight_N, 1e-3 * weight_N)]
    said = [scale(columns_NF[:600], np.zeros(600)) for scale in scales]
    assert said[0] == pytest.approx(said[1])
    assert said[0].mean() == pytest.approx(size_N[:600].mean(), rel=0.2)


@pytest.mark.parametrize("rows", [3, 39])
def test_few_rows_have_one_scale(rows: int) -> None:
    size_N = np.arange(rows) + 1.0
    scale = fit_scale(np.arange(rows)[:, None] * 1.0, np.zeros(rows), size_N, np.ones(rows))
    assert scale(np.array([[0.0], [1e9]]), np.zeros(2)) == pytest.approx(size_N.mean())


def test_every_scale_has_the_same_shape_so_that_targets_can_be_stacked() -> None:
    random = np.random.default_rng(4)
    learnt = fit_scale(random.normal(size=(100, 3)), np.zeros(100), np.abs(random.normal(size=100)), np.ones(100))
    for scale in (learnt, constant_scale(1.0)):
        assert scale.column_TD.shape == scale.threshold_TD.shape == (TREES, DEPTH)
        assert scale.value_TL.shape == (TREES, 1 << DEPTH)


def test_among_many_columns_the_ones_that_matter_are_looked_at() -> None:
    random = np.random.default_rng(5)
    columns_NF = random.normal(size=(3000, 400))
    size_N = np.abs(random.normal(size=3000)) * np.where(np.abs(columns_NF[:, 77]) > 1, 8.0, 1.0)
    scale = fit_scale(columns_NF, np.zeros(3000), size_N, np.ones(3000))
    row_NF = np.zeros((2, 400))
    row_NF[1, 77] = 2.0
    low, high = scale(row_NF, np.zeros(2))
    assert high > 5 * low
