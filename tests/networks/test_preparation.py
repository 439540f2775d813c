"""Preparation: statistics of a fold against NumPy and scikit-learn, no leaks, and finite whatever comes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.preprocessing import MinMaxScaler, RobustScaler, StandardScaler

from danlu.core.records import CodeColumn, FeatureLayout
from danlu.networks import statistics as module
from danlu.networks.preparation import Preparation

GENERATOR = np.random.default_rng(0)
X = GENERATOR.gamma(2.0, 50.0, size=(200, 3))
X[GENERATOR.random(X.shape) < 0.1] = np.nan
NUMBERS = FeatureLayout(numbers=("a", "b", "c"))
FOLDS = [np.arange(150), np.arange(50, 200)]


def fit(x: np.ndarray, scale: str, layout: FeatureLayout = NUMBERS, **more: object) -> Preparation:
    codes = np.zeros((len(x), len(layout.codes)), dtype=np.int32)
    given = {"rows_per_fold": FOLDS, "dtype": torch.float64, "scale_target": "standard"} | more
    return Preparation.fit(x, given.pop("codes", codes), given.pop("y", None), layout=layout, scale=scale, **given)


def prepared(preparation: Preparation, x: np.ndarray, codes: np.ndarray | None = None) -> np.ndarray:
    codes = np.zeros((len(x), len(preparation.layout.codes)), dtype=np.int32) if codes is None else codes
    return preparation.prepare(torch.as_tensor(x)[None], torch.as_tensor(codes)[None]).x_KBD.numpy()


@pytest.mark.parametrize(
    ("scale", "scaler", "fill"),
    [("standard", StandardScaler(), np.nanmean), ("unit", MinMaxScaler(), np.nanmedian), ("robust", RobustScaler(), np.nanmedian)],
)  # fmt: skip
def test_scaling_is_scikit_learns_on_the_folds_own_rows(scale: str, scaler, fill) -> None:
    ours = prepared(fit(X, scale), X)
    for k, rows in enumerate(FOLDS):
        centre = fill(X[rows], axis=0)
        expected = scaler.fit(X[rows]).transform(np.where(np.isnan(X), centre, X))
        if scale == "robust":
            expected = expected / np.sqrt(1 + (expected / 3) ** 2)
        np.testing.assert_allclose(ours[k], expected, rtol=1e-12, atol=1e-13)


def test_scale_none_changes_nothing_but_missing_cells() -> None:
    ours = prepared(fit(X, "none"), X)[1]
    np.testing.assert_array_equal(ours, np.where(np.isnan(X), np.nanmedian(X[FOLDS[1]], axis=0), X))


def test_rows_outside_a_fold_leave_its_statistics_alone() -> None:
    other = X.copy()
    other[150:] = 1e9
    first, second = fit(X, "robust"), fit(other, "robust")
    for name, buffer in first.tensors().items():
        assert torch.equal(buffer[0], second.tensors()[name][0])


def test_robust_scale_of_mostly_one_value_is_the_median_distance_of_the_others_or_1() -> None:
    x = np.zeros((200, 3))
    x[::10, 0] = 8.0
    x[1, 0] = 1e30
    x[:, 1] = 5.0
    preparation = fit(x, "robust")
    assert preparation.scale_KF[0].tolist() == [8.0, 1.0, 1.0]
    assert preparation.centre_KF[0].tolist() == [0.0, 5.0, 0.0]


@pytest.mark.parametrize("scale", ["unit", "standard", "robust"])
def test_a_constant_column_is_divided_by_1(scale: str) -> None:
    x = np.full((200, 3), 0.1)
    assert fit(x, scale).scale_KF.tolist() == [[1.0] * 3] * 2
    assert not prepared(fit(x, scale), x).round(12).any()


@pytest.mark.parametrize("scale", ["none", "unit", "standard", "robust"])
def test_an_empty_column_becomes_zeros(scale: str) -> None:
    x = X.copy()
    x[:, 1] = np.nan
    assert not prepared(fit(x, scale), x)[..., 1].any()


def test_indicators_say_where_a_cell_is_missing() -> None:
    layout = FeatureLayout(numbers=("a", "b", "c"), indicators=(2, 0))
    ours = prepared(fit(X, "robust", layout), X)
    assert fit(X, "robust", layout).input_width == ours.shape[2] == 5
    np.testing.assert_array_equal(ours[1, :, 3:], np.isnan(X[:, [2, 0]]))


@settings(max_examples=50, deadline=None)
@given(
    scale=st.sampled_from(["none", "unit", "standard", "robust"]),
    x=hnp.arrays(np.float32, (40, 3), elements=st.floats(width=32)),
    train=hnp.arrays(np.float32, (200, 3), elements=st.floats(width=32, allow_infinity=False)),
)
def test_any_cell_gives_a_finite_input(scale: str, x: np.ndarray, train: np.ndarray) -> None:
    ours = prepared(fit(train, scale, dtype=torch.float32), x)
    assert np.isfinite(ours).all()
    assert np.abs(ours).max() <= (3 if scale == "robust" else 1e12)


def test_one_absurd_value_does_no_harm() -> None:
    absurd = X.copy()
    absurd[7, 0] = 1e30
    ours = prepared(fit(absurd, "robust"), absurd)[0, :, 0]
    plain = prepared(fit(X, "robust"), X)[0, :, 0]
    assert ours[7] == pytest.approx(3)
    assert np.abs(np.delete(ours - plain, 7)).max() < 0.05


def test_quantiles_of_large_folds_come_from_a_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    x = np.random.default_rng(1).normal(size=(30_000, 3))
    rows = [np.arange(30_000)]
    whole = fit(x, "robust", rows_per_fold=rows)
    monkeypatch.setattr(module, "QUANTILE_ROWS", 10_000)
    sample = fit(x, "robust", rows_per_fold=rows)
    torch.testing.assert_close(whole.scale_KF, sample.scale_KF, rtol=0.05, atol=0)
    assert not torch.equal(whole.scale_KF, sample.scale_KF)


def test_weights_enter_means_and_rows_of_weight_0_nothing() -> None:
    weight = np.ones(200)
    weight[0] = 3.0
    weight[100:] = 0
    repeated = np.concatenate([X[:100], X[:1], X[:1]])
    ours = fit(X, "standard", weight_N=weight, rows_per_fold=[np.arange(200)], y=X[:, :1] * 0 + np.arange(200)[:, None])
    np.testing.assert_allclose(ours.centre_KF[0], np.nanmean(repeated, axis=0), rtol=1e-12)
    np.testing.assert_allclose(ours.scale_KF[0], np.nanstd(repeated, axis=0), rtol=1e-12)


ONE_HOT = FeatureLayout(numbers=("a",), codes=(CodeColumn(name="town", slots=6),))


def fit_codes(codes: np.ndarray, layout: FeatureLayout) -> Preparation:
    return fit(np.zeros((len(codes), 1)), "none", layout, codes=codes, rows_per_fold=[np.arange(len(codes))])


def test_one_hot_slots_and_rare_levels() -> None:
    """Level 4 is seen once, so it shares slot 0 with what is unseen; level 5 and missing (1) are never seen: slot 0 too."""
    codes = np.array([2, 2, 3, 3, 3, 4])[:, None].astype(np.int32)
    preparation = fit_codes(codes, ONE_HOT)
    asked = np.array([0, 1, 2, 3, 4, 5])[:, None].astype(np.int32)
    ours = prepared(preparation, np.zeros((6, 1)), asked)[0, :, 1:]
    zero, two, three = np.eye(6)[[0, 2, 3]]
    np.testing.assert_array_equal(ours, [zero, zero, two, three, zero, zero])


def test_without_rare_levels_the_unseen_one_hot_row_is_all_zeros() -> None:
    """The weights of slot 0 would be untrained noise."""
    preparation = fit_codes(np.array([2, 2, 3, 3])[:, None].astype(np.int32), ONE_HOT)
    ours = prepared(preparation, np.zeros((3, 1)), np.array([[0], [1], [3]], dtype=np.int32))[0, :, 1:]
    np.testing.assert_array_equal(ours, [[0] * 6, [0] * 6, [0, 0, 0, 1, 0, 0]])


def test_codes_outside_a_columns_range_are_unseen() -> None:
    preparation = fit_codes(np.array([2, 2, 3, 4])[:, None].astype(np.int32), ONE_HOT)
    ours = prepared(preparation, np.zeros((3, 1)), np.array([[-1], [6], [2**31 - 1]], dtype=np.int32))[0, :, 1:]
    np.testing.assert_array_equal(ours, [np.eye(6)[0]] * 3)


def test_missing_has_a_slot_of_its_own_where_it_is_common() -> None:
    preparation = fit_codes(np.array([1, 1, 3, 3])[:, None].astype(np.int32), ONE_HOT)
    assert preparation.slot_KT.tolist() == [[-1, 1, -1, 3, -1, -1]]


def test_levels_below_one_row_in_10000_are_rare() -> None:
    codes = np.full((40_000, 1), 2, dtype=np.int32)
    codes[:3] = 3
    codes[3:7] = 4
    assert fit_codes(codes, ONE_HOT).slot_KT.tolist() == [[0, 0, 2, 0, 4, 0]]


def test_embedded_columns_become_slots_and_folds_differ() -> None:
    layout = FeatureLayout(
        numbers=("a",), codes=(CodeColumn(name="town", slots=4), CodeColumn(name="street", slots=5, width=2))
    )
    codes = np.array([[2, 2], [2, 2], [3, 3], [3, 3], [3, 4], [2, 4]], dtype=np.int32)
    preparation = fit(np.zeros((6, 1)), "none", layout, codes=codes, rows_per_fold=[np.arange(4), np.arange(2, 6)])
    both = preparation.prepare(torch.zeros(1, 6, 1), torch.as_tensor(codes)[None])
    assert both.x_KBD.shape == (2, 6, 5)
    assert both.slots_KBE[0, :, 0].tolist() == [2, 2, 3, 3, 0, 0]
    assert both.slots_KBE[1, :, 0].tolist() == [0, 0, 3, 3, 4, 4]


def test_targets_are_standardised_and_come_back_to_the_last_digit() -> None:
    y = np.array([[1600000037.0, 1.0], [1600000039.0, 1.0], [1600000041.0, 1.0], [0.0, 0.0]])
    preparation = fit(np.zeros((4, 3)), "none", y=y, rows_per_fold=[np.arange(3)], dtype=torch.float32)
    scaled = preparation.scaled(torch.as_tensor(y)[None, :3])
    assert scaled.dtype == torch.float32
    np.testing.assert_allclose(scaled[0, :, 0], np.array([-1, 0, 1]) * np.sqrt(1.5), rtol=1e-6)
    assert not scaled[0, :, 1].any()
    assert preparation.unscaled(scaled)[0, :, 0].round().tolist() == [1600000037.0, 1600000039.0, 1600000041.0]


def test_scale_target_none_changes_nothing() -> None:
    y = np.arange(200.0)[:, None]
    preparation = fit(X, "none", y=y, scale_target="none")
    assert torch.equal(preparation.scaled(torch.as_tensor(y)[None])[1], torch.as_tensor(y))


def test_tensors_build_it_again_and_pick_leads_with_members() -> None:
    preparation = fit(X, "robust", y=np.arange(200.0))
    again = Preparation.from_tensors(NUMBERS, "robust", "standard", preparation.tensors())
    np.testing.assert_array_equal(prepared(again, X), prepared(preparation, X))
    picked = preparation.pick([1, 0, 1])
    np.testing.assert_array_equal(prepared(picked, X), prepared(preparation, X)[[1, 0, 1]])


def test_read_only_arrays_are_welcome() -> None:
    x = X.copy()
    x.flags.writeable = False
    fit(x, "robust")
