"""Losses as functions of the user's own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import danlu
from danlu import ModuleRegressor, TableClassifier, TableRegressor
from danlu.core.errors import PlanError

SMALL: dict[str, Any] = {"hidden": (16,), "epochs": 20, "lr": 0.02, "batch_size": 32, "cv": 3, "random_state": 0}


def numbers() -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    X = random.normal(size=(120, 4))
    return X, X[:, 0] - 2 * X[:, 1]


@pytest.mark.parametrize(
    ("name", "function"),
    [
        ("huber:0.5", nn.HuberLoss(reduction="none", delta=0.5)),
        ("mse", lambda outputs, target: (outputs - target).square().squeeze(1)),
        ("pinball:0.9", lambda outputs, target: torch.maximum(0.9 * (target - outputs), 0.1 * (outputs - target))),
    ],
)
def test_a_function_is_the_loss_of_that_name(name: str, function: Callable[[Tensor, Tensor], Tensor]) -> None:
    X, y = numbers()
    named = TableRegressor(**SMALL, plan={"loss": name}).fit(X, y)
    own = TableRegressor(**SMALL, plan={"loss": function}).fit(X, y)
    assert np.allclose(own.predict(X), named.predict(X), rtol=1e-3, atol=1e-3)
    assert np.allclose(own.history_["loss"], named.history_["loss"], rtol=1e-3)
    assert any(note.topic == "loss" for note in own.model_.run.inferred)


def test_of_classes_and_of_modules_too() -> None:
    X, y = numbers()
    kinds = np.where(y > 0, "up", "down")

    def focal(logits: Tensor, classes: Tensor) -> Tensor:
        missed = F.cross_entropy(logits, classes, reduction="none")
        return (1 - (-missed).exp()).square() * missed

    assert TableClassifier(**SMALL, plan={"loss": focal}).fit(X, kinds).score(X, kinds) > 0.9
    settings = {name: value for name, value in SMALL.items() if name != "hidden"}
    assert ModuleRegressor(**settings, loss=nn.SmoothL1Loss(reduction="none")).fit(X, y).score(X, y) > 0.9
    table = {f"x{i}": X[:, i] for i in range(4)} | {"y": y}
    model = danlu.fit(table, "y", hidden=(8,), epochs=3, loss=nn.L1Loss(reduction="none"))
    assert np.isfinite(model.predict(table)).all()


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (nn.MSELoss(), 'MSELoss must give one number a row.*reduction="none"'),
        (lambda _, target: target[:, 0], "must depend on the outputs"),
        (lambda outputs, _: (outputs * 0)[:, 0], "its gradient is 0"),
        (lambda outputs, _: outputs[:, 0] / 0, "must be finite"),
        (lambda outputs: outputs[:, 0], "it raised TypeError"),
    ],
)
def test_what_is_no_loss_is_refused(function: Any, words: str) -> None:
    X, y = numbers()
    with pytest.raises(PlanError, match=words):
        TableRegressor(**SMALL, plan={"loss": function}).fit(X, y)
