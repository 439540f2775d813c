"""Networks of a user's own class as estimators."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from torch import nn

import danlu
from danlu import ModuleClassifier, ModuleRegressor
from danlu.core.errors import PlanError
from danlu.estimators.modules import Perceptron

FAST: dict[str, Any] = {"epochs": 30, "lr": 0.02, "batch_size": 32, "cv": 3, "random_state": 0}


class Wide(nn.Module):
    """A perceptron whose width can be asked for."""

    def __init__(self, inputs: int, outputs: int, hidden: int = 8, act: type[nn.Module] = nn.ReLU) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(inputs, hidden), act(), nn.Linear(hidden, outputs))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layers(x)


class Narrow(nn.Module):
    """Forgets that outputs have an axis of their own."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.layer = nn.Linear(inputs, outputs)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layer(x).squeeze(1)


class Still(nn.Module):
    """Learns nothing: its outputs do not depend on its parameters."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.layer, self.outputs = nn.Linear(inputs, outputs), outputs

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layer(x).detach()


def numbers() -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    X = random.normal(size=(120, 4))
    return X, X[:, 0] - 2 * X[:, 1]


def test_the_estimator_is_the_walk() -> None:
    X, y = numbers()
    table = {f"x{i}": X[:, i] for i in range(4)} | {"y": y}
    walk = danlu.fit(table, "y", net=Wide, epochs=30, lr=0.02, batch_size=32, folds=3, seed=0)
    assert np.array_equal(ModuleRegressor(Wide, **FAST).fit(X, y).predict(X), walk.predict(table))


def test_arguments_of_the_class_are_parameters() -> None:
    X, y = numbers()
    model = ModuleRegressor(Wide, module__hidden=20, module__act=nn.Tanh, **FAST).fit(X, y)
    assert model.model_.run.parameters == 4 * 20 + 20 + 20 + 1
    assert clone(model).get_params()["module__hidden"] == 20
    assert clone(model).set_params(module__hidden=5).fit(X, y).model_.run.parameters == 4 * 5 + 5 + 5 + 1
    assert "module__hidden=20" in repr(model)


def test_a_search_varies_them() -> None:
    X, y = numbers()
    settings = FAST | {"cv": 0, "plan": {"repeats": 1}}
    found = GridSearchCV(ModuleRegressor(Wide, **settings), {"module__hidden": [1, 16], "lr": [0.02]}, cv=2).fit(X, y)
    assert found.best_params_ == {"module__hidden": 16, "lr": 0.02}
    assert found.best_estimator_.model_.run.parameters == 4 * 16 + 16 + 16 + 1


def test_a_module_that_was_made_gives_the_first_numbers() -> None:
    X, y = numbers()
    made = Wide(4, 1)
    before = [parameter.detach().clone() for parameter in made.parameters()]
    settings = FAST | {"lr": 1e-12, "epochs": 1, "cv": 2}
    plan = {"scale": "none", "scale_target": "none"}
    told = ModuleRegressor(made, **settings, plan=plan).fit(X, y).predict(X)
    with torch.no_grad():
        assert np.allclose(told, made(torch.tensor(X, dtype=torch.float32))[:, 0], atol=1e-5)
    assert all(torch.equal(a, b) for a, b in zip(before, made.parameters(), strict=True))


def test_the_default_module_is_one_that_can_be_named() -> None:
    X, y = numbers()
    told = ModuleRegressor(**FAST).fit(X, y).predict(X)
    assert np.array_equal(told, ModuleRegressor(Perceptron, **FAST).fit(X, y).predict(X))
    assert [type(layer).__name__ for layer in Perceptron(3, 1, depth=2, dropout=0.1)] == [
        *["Linear", "ReLU", "Dropout"] * 2,
        "Linear",
    ]
    assert len(Perceptron(3, 2, depth=0)) == 1


def test_a_function_makes_networks() -> None:
    X, y = numbers()
    model = ModuleRegressor(lambda inputs, outputs: nn.Linear(inputs, outputs), **FAST).fit(X, y)
    assert model.score(X, y) > 0.9


def test_classes_by_one_output_or_by_two() -> None:
    X, y = numbers()
    labels = np.where(y > 0, "up", "down")
    for loss in ("cross-entropy", "binary-cross-entropy"):
        model = ModuleClassifier(Wide, loss=loss, **FAST).fit(X, labels)
        assert model.score(X, labels) > 0.9
        assert np.allclose(model.predict_proba(X).sum(axis=1), 1)


def test_what_is_fitted_can_be_pickled_and_saved(tmp_path: Any) -> None:
    X, y = numbers()
    model = ModuleRegressor(Wide, module__hidden=6, **FAST).fit(X, y)
    assert np.array_equal(pickle.loads(pickle.dumps(model)).predict(X), model.predict(X))
    place = model.model_.save(tmp_path / "wide.danlu")
    assert danlu.load(place).run.network.module.name == "Wide"


@pytest.mark.parametrize(
    ("module", "settings", "words"),
    [
        (Narrow, {}, r"\[.*\]"),
        (Still, {}, "gradient|require"),
        (Wide, {"module__hiden": 3}, "`module__hiden` must be an argument of Wide.*Did you mean `hidden`"),
        (Wide(4, 1), {"module__hidden": 3}, "arguments belong to a class"),
        (3, {}, "`net` must be a class or a function"),
        ("Wide", {}, "`module` must be a class"),
        (Wide, {"plan": {"hidden": (3,)}}, "decides its layers"),
        (Wide, {"plan": {"net": "mlp"}}, "Use `module`"),
    ],
)
def test_modules_are_refused_before_they_are_trained(module: Any, settings: dict[str, Any], words: str) -> None:
    X, y = numbers()
    with pytest.raises(PlanError, match=words) as raised:
        ModuleRegressor(module, **(FAST | settings)).fit(X, y)
    assert isinstance(raised.value, ValueError)


def test_a_parameter_that_is_none_is_refused_at_once() -> None:
    with pytest.raises(TypeError, match="Did you mean `epochs`"):
        ModuleRegressor(Wide, epoch=3)
