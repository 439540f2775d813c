from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LinearRegression

from danlu.core.records import ColumnSchema
from danlu.explanation.importance import Shuffled, alike, rises, shuffled_losses
from danlu.explanation.unseen import Unseen, places


def columns(*names: str) -> list[ColumnSchema]:
    return [ColumnSchema(name=name, kind="number") for name in names]


def linear(x_NF: np.ndarray, weights: np.ndarray, offset: float = 0.0) -> Unseen:
    """Return rows that one linear model predicts, whatever their place."""

    def predict(x_BF: torch.Tensor, codes_BQ: torch.Tensor, place_B: np.ndarray) -> np.ndarray:
        assert len(codes_BQ) == len(place_B) == len(x_BF)
        return (x_BF.numpy() @ weights + offset)[:, None]

    return Unseen(torch.from_numpy(x_NF), torch.zeros(len(x_NF), 0, dtype=torch.int32), predict)


def squares(truth_N: np.ndarray):
    return lambda predicted_NC: {"rmse": (predicted_NC[:, 0] - truth_N) ** 2}


def test_agrees_with_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    x_NF = rng.standard_normal((400, 3))
    truth_N = x_NF @ [3.0, 1.0, 0.0] + 0.5 * rng.standard_normal(400)
    model = LinearRegression().fit(x_NF, truth_N)
    oracle = permutation_importance(
        model, x_NF, truth_N, scoring="neg_root_mean_squared_error", n_repeats=40, random_state=1
    )
    unseen = linear(x_NF, model.coef_, float(model.intercept_))
    found = shuffled_losses(unseen, places(columns("a", "b", "c")), squares(truth_N), 40, seed=7)
    base, rise = rises("rmse", found, np.ones(400), None, 7)
    assert base == pytest.approx(float(np.sqrt(np.mean((model.predict(x_NF) - truth_N) ** 2))))
    for ours, theirs, spread in zip(rise, oracle.importances_mean, oracle.importances_std, strict=True):
        assert ours.value == pytest.approx(theirs, abs=4 * spread / np.sqrt(40) + 1e-6)


def test_two_rows_swapped_by_hand() -> None:
    # Predictions 1 and 3 are right; any order of two rows either leaves or swaps them, which costs 2 each.
    unseen = linear(np.array([[1.0], [3.0]]), np.ones(1))
    found = shuffled_losses(unseen, places(columns("a")), squares(np.array([1.0, 3.0])), 8, seed=0)
    assert {float(loss) for loss in found.loss_QPN["rmse"].ravel()} == {0.0, 4.0}
    swapped = (found.loss_QPN["rmse"][0, :, 0] == 4).mean()
    (rise,) = rises("rmse", found, np.ones(2), None, 0)[1]
    assert rise.value == pytest.approx(2 * swapped)


def test_weights_of_rows_count() -> None:
    losses = Shuffled({"mae": np.array([1.0, 5.0])}, {"mae": np.array([[[3.0, 5.0]]])})
    base, (rise,) = rises("mae", losses, np.array([3.0, 1.0]), None, 0)
    assert base == 2.0
    assert rise.value == 1.5


def test_accuracy_is_a_share_that_is_right_and_its_rise_what_is_lost() -> None:
    losses = Shuffled({"accuracy": np.array([0.0, 0.0, 0.0, 1.0])}, {"accuracy": np.array([[[1.0, 0.0, 0.0, 1.0]]])})
    base, (rise,) = rises("accuracy", losses, np.ones(4), None, 0)
    assert base == 0.75
    assert rise.value == 0.25


def test_the_interval_is_that_of_paired_rows() -> None:
    # Every row loses exactly 1, however hard it is: the interval has no width.
    rng = np.random.default_rng(0)
    hard_N = rng.exponential(10, 300)
    losses = Shuffled({"mae": hard_N}, {"mae": hard_N[None, None] + 1})
    rise = rises("mae", losses, np.ones(300), None, 0)[1][0]
    assert (rise.value, rise.low, rise.high) == pytest.approx((1.0, 1.0, 1.0))


def test_the_interval_of_a_mean_is_as_wide_as_theory_says() -> None:
    rng = np.random.default_rng(1)
    more_N = rng.standard_normal(1000) + 2
    losses = Shuffled({"mae": np.zeros(1000)}, {"mae": more_N[None, None]})
    rise = rises("mae", losses, np.ones(1000), None, 3)[1][0]
    assert rise.low is not None
    assert rise.high is not None
    assert rise.high - rise.low == pytest.approx(2 * 1.96 * more_N.std() / np.sqrt(1000), rel=0.15)
    one_group = rises("mae", losses, np.ones(1000), np.zeros(1000, int), 3)[1][0]
    assert one_group.low is None


def test_a_date_is_shuffled_with_its_parts_and_a_category_by_its_codes() -> None:
    schema = [
        ColumnSchema(name="sold", kind="date", parts=("month",)),
        ColumnSchema(name="town", kind="category", levels=("a", "b")),
    ]
    x_NF = np.arange(30.0).reshape(10, 3)
    seen: list[tuple[np.ndarray, np.ndarray]] = []

    def predict(x_BF: torch.Tensor, codes_BQ: torch.Tensor, place_B: np.ndarray) -> np.ndarray:
        seen.append((x_BF.numpy().copy(), codes_BQ.numpy().copy()))
        assert place_B.tolist() == [*range(10)] * (len(x_BF) // 10)
        return np.zeros((len(x_BF), 1))

    codes = torch.arange(10, dtype=torch.int32)[:, None]
    unseen = Unseen(torch.from_numpy(x_NF), codes, predict)
    shuffled_losses(unseen, places(schema), lambda said_NC: {"mae": said_NC[:, 0]}, 1, seed=0)
    x_BF, codes_BQ = seen[0]
    date, town = slice(0, 10), slice(10, 20)
    assert np.ptp(x_BF[date] - x_BF[date][:, :1], axis=0).max() == 0, "a row's three numbers stay together"
    assert (x_BF[date] != x_NF).any()
    assert (codes_BQ[date, 0] == np.arange(10)).all()
    assert (x_BF[town] == x_NF).all()
    assert sorted(codes_BQ[town, 0]) == [*range(10)]
    assert (codes_BQ[town, 0] != np.arange(10)).any()
    assert (unseen.x_NF.numpy() == x_NF).all(), "the rows themselves are left as they are"


def test_columns_that_say_the_same_name_each_other() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal(200), rng.standard_normal(200)
    holes = np.where(np.arange(200) < 5, np.nan, np.exp(a))
    assert alike([a, b, holes, np.zeros(200)]) == [2, None, 0, None]
