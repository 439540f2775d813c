"""Training that goes on: `warm_start` and `partial_fit` agree with `fit`."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pandas as pd
import pytest
from torch import nn

from danlu import ModuleRegressor, TableClassifier, TableRegressor
from danlu.core.errors import PlanError

PLAIN: dict[str, Any] = {"hidden": (16,), "lr": 0.02, "batch_size": 32, "cv": 0, "random_state": 0}


def numbers(rows: int = 90) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    X = random.normal(size=(rows, 4))
    return X, X[:, 0] - 2 * X[:, 1]


@pytest.mark.parametrize("optimizer", ["sgd", "adamw", "rmsprop"])
@pytest.mark.parametrize("dropout", [0.0, 0.2])
def test_calls_of_partial_fit_are_epochs_of_fit(optimizer: str, dropout: float) -> None:
    X, y = numbers()
    plan = {"optimizer": optimizer, "repeats": 2} | ({"momentum": 0.9} if optimizer == "sgd" else {})
    settings = PLAIN | {"dropout": dropout, "plan": plan}
    whole = TableRegressor(**settings, epochs=5).fit(X, y)
    steps = TableRegressor(**settings)
    for _ in range(5):
        steps.partial_fit(X, y)
    assert np.array_equal(steps.predict(X), whole.predict(X))
    assert steps.n_iter_ == 5


def test_a_warm_start_goes_on() -> None:
    X, y = numbers()
    whole = TableRegressor(**PLAIN, epochs=10).fit(X, y)
    twice = TableRegressor(**PLAIN, epochs=4, warm_start=True).fit(X, y)
    loss = twice.history_["loss"]
    twice = pickle.loads(pickle.dumps(twice)).set_params(epochs=6).fit(X, y)
    assert np.array_equal(twice.predict(X), whole.predict(X))
    assert np.allclose(np.concatenate([loss, twice.history_["loss"]]), whole.history_["loss"])
    cold = TableRegressor(**PLAIN, epochs=10).fit(X, y).fit(X, y)
    assert np.array_equal(cold.predict(X), whole.predict(X))


def test_other_networks_go_on_too() -> None:
    X, y = numbers()
    settings: dict[str, Any] = {name: value for name, value in PLAIN.items() if name != "hidden"}

    def make(inputs: int, outputs: int) -> nn.Module:
        return nn.Sequential(nn.Linear(inputs, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, outputs))

    whole = ModuleRegressor(make, **settings, epochs=4).fit(X, y)
    steps = ModuleRegressor(make, **settings)
    for _ in range(4):
        steps.partial_fit(X, y)
    assert np.allclose(steps.predict(X), whole.predict(X), atol=1e-6)
    recipe = TableRegressor(random_state=0, batch_size=32)
    for _ in range(20):
        recipe.partial_fit(X, y)
    assert recipe.score(X, y) > 0.8


def test_batches_come_one_after_another() -> None:
    random = np.random.default_rng(0)
    frame = pd.DataFrame({"size": random.normal(size=400), "city": random.choice(["Oslo", "Rome"], 400)})
    kinds = np.where((frame["city"] == "Rome") ^ (frame["size"] > 0), "in", "out")
    model = TableClassifier(**PLAIN, class_weight={"in": 1.5})
    for _ in range(6):
        for start in range(0, 400, 100):
            rows = slice(start, start + 100)
            model.partial_fit(frame[rows], kinds[rows], classes=["in", "out"], sample_weight=np.ones(100))
    assert model.score(frame, kinds) > 0.9
    assert model.n_iter_ == 24
    model.partial_fit(frame[:2].assign(city="Turin"), kinds[:2])  # a city that was not learnt counts as such
    with pytest.raises(ValueError, match="class"):
        model.partial_fit(frame[:10], np.repeat("between", 10))


def test_what_cannot_go_on_is_refused() -> None:
    X, y = numbers()
    with pytest.raises(PlanError, match="judges no rows"):
        TableRegressor(**(PLAIN | {"cv": 3}), warm_start=True).fit(X, y)
    model = TableRegressor(**PLAIN, epochs=2, warm_start=True).fit(X, y)
    with pytest.raises(PlanError, match="`hidden` must stay as it was"):
        model.set_params(hidden=(8,)).fit(X, y)
    with pytest.raises(ValueError, match="first rows must have all classes"):
        TableClassifier(**PLAIN).partial_fit(X, np.where(y > 0, 1, 0), classes=[0, 1, 2])


def test_partial_fit_goes_on_from_a_fit_that_judged_no_rows() -> None:
    X, y = numbers()
    whole = TableRegressor(**PLAIN, epochs=4).fit(X, y)
    more = TableRegressor(**PLAIN, epochs=3).fit(X, y).partial_fit(X, y)
    assert np.array_equal(more.predict(X), whole.predict(X))
    one = TableRegressor(**PLAIN, epochs=1).fit(X, y)
    judged = TableRegressor(**(PLAIN | {"cv": 3}), epochs=3).fit(X, y).partial_fit(X, y)
    assert np.array_equal(judged.predict(X), one.predict(X))
