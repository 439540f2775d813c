"""`feature_importances_`: permutation importance on rows that the networks had not learnt from."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.feature_selection import SelectFromModel
from sklearn.metrics import log_loss, root_mean_squared_error

import danlu
from danlu import TableClassifier, TableRegressor
from danlu.core.errors import PlanError

FAST: dict[str, Any] = {"hidden": (16,), "epochs": 60, "lr": 0.02, "batch_size": 64, "random_state": 0}


def numbers(rows: int = 200) -> tuple[np.ndarray, np.ndarray]:
    """Return four columns: the first does nothing, the third never varies, the last counts most."""
    random = np.random.default_rng(0)
    X = random.normal(size=(rows, 4))
    X[:, 2] = 1.0
    return X, X[:, 1] + 3 * X[:, 3]


def test_they_are_in_the_order_of_the_columns() -> None:
    X, y = numbers()
    model = TableRegressor(**FAST, cv=3).fit(X, y)
    worth, ends = model.feature_importances_, model.feature_importances_interval_
    assert worth.shape == (4,)
    assert ends.shape == (4, 2)
    assert worth.argsort().tolist()[2:] == [1, 3]
    assert worth[2] == 0
    assert abs(worth[0]) < 0.1
    assert (ends[:, 0] <= worth).all()
    assert (worth <= ends[:, 1]).all()
    # Shuffled, a column x of factor 3 costs about sqrt(2) * 3 of rmse.
    assert worth[3] == pytest.approx(3 * np.sqrt(2), rel=0.15)


def test_they_are_the_rise_of_the_metric_where_one_network_judges() -> None:
    X, y = numbers(300)
    rows = np.arange(300)
    cv = [(rows[:200], rows[200:])]
    model = TableRegressor(**FAST, cv=cv, plan={"repeats": 1}).fit(X, y)
    judged = X[200:].copy()
    base = root_mean_squared_error(y[200:], model.predict(judged))
    random = np.random.default_rng(1)
    rises = []
    for _ in range(40):
        judged[:, 3] = random.permutation(X[200:, 3])
        rises.append(root_mean_squared_error(y[200:], model.predict(judged)) - base)
    assert model.feature_importances_[3] == pytest.approx(np.mean(rises), abs=4 * np.std(rises) / np.sqrt(5))
    assert model.model_.importance()["metric"] == ["rmse"] * 3


def test_names_text_and_classes() -> None:
    random = np.random.default_rng(0)
    frame = pd.DataFrame({"noise": random.normal(size=200), "city": random.choice(["Oslo", "Rome"], 200)})
    y = np.where(frame["city"] == "Rome", 1, 0)
    model = TableClassifier(**FAST, cv=3).fit(frame, y)
    assert dict(zip(model.feature_names_in_, model.feature_importances_ > 0.5, strict=True)) == {
        "noise": False,
        "city": True,
    }
    whole = model.model_.importance()
    assert whole["column"][0] == "city"
    assert whole["metric"] == ["log-loss"] * 2
    # A coin in the place of the only column that says anything: at least log 2 in the mean.
    assert whole["importance"][0] > log_loss(y, np.full((200, 2), 0.5)) - 0.1


def test_scikit_learn_selects_by_them() -> None:
    X, y = numbers()
    chosen = SelectFromModel(TableRegressor(**FAST, cv=3), threshold=0.5).fit(X, y)
    assert chosen.get_support().tolist() == [False, True, False, True]


def test_without_judged_rows_there_are_none() -> None:
    X, y = numbers()
    model = TableRegressor(**(FAST | {"epochs": 2}), cv=0).fit(X, y)
    assert not hasattr(model, "feature_importances_")
    with pytest.raises(AttributeError, match="needs judged rows"):
        _ = model.feature_importances_
    with pytest.raises(PlanError, match="needs judged rows"):
        model.model_.importance()
    assert not hasattr(TableRegressor(), "feature_importances_")
    own = TableRegressor(**(FAST | {"epochs": 2}), cv=0).fit(X[:150], y[:150], X_val=X[150:], y_val=y[150:])
    assert own.feature_importances_.shape == (4,)


def test_of_danlu_fit_too() -> None:
    X, y = numbers()
    model = danlu.fit({"a": X[:, 0], "b": X[:, 1], "c": X[:, 3], "y": y}, "y", hidden=(8,), epochs=20, lr=0.02)
    table = pd.DataFrame(model.importance())
    assert table["column"].tolist()[:2] == ["c", "b"]
    assert (table["low"] <= table["importance"]).all()
