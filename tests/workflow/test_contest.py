"""Settings that compete on the same folds."""

from __future__ import annotations

import numpy as np
import pytest

import danlu
from danlu.core.plan import Plan
from danlu.search import Facts, recipe, rivals


def rings(count: int, noise: float) -> dict[str, np.ndarray]:
    """Return two columns and which of six bands their product lies in; a share of the labels is drawn anew."""
    rng = np.random.default_rng(0)
    x, y = rng.uniform(-1, 1, (2, count))
    band = (np.abs(np.sin(4 * x) + np.cos(5 * y)) * 3).astype(int)
    anew = rng.random(count) < noise
    return {"x": x, "y": y, "band": np.where(anew, rng.integers(0, 6, count), band).astype(str)}


def notes(model: danlu.Model, word: str = "") -> list[str]:
    return [note.text for note in model.run.inferred if note.topic == "setting" and word in note.text]


def test_sharp_classes_are_trained_longer_and_the_run_says_so() -> None:
    model = danlu.fit(rings(900, 0.0), "band", folds=2, repeats=2, neighbours="off")
    (text,) = notes(model, "epochs")
    assert model.run.resolved.dropout == 0.15
    assert text.startswith(f"{model.run.resolved.epochs} epochs, dropout 0.15, rather than")
    assert model.run.network.dropout == 0.15
    assert len(model.run.members) == 4, "a rival that wins has all repeats"


def test_noisy_classes_are_not() -> None:
    model = danlu.fit(rings(900, 0.9), "band", folds=2, repeats=1, neighbours="off")
    (text,) = notes(model, "epochs")
    assert model.run.resolved.dropout == 0.3
    assert "rather than" in text


@pytest.mark.parametrize("given", [{"epochs": 3}, {"dropout": 0.1}, {"net": "mlp"}, {"holdout": 0.0}, {"lr": 0.01}])
def test_what_the_user_settles_is_not_contested(given: dict[str, object]) -> None:
    plan, facts = Plan.model_validate(given), Facts(rows=900, task="classification", classes=6, numbers=2)
    assert rivals(plan, recipe(plan, facts), facts) == ()


def test_regression_has_no_rival() -> None:
    facts = Facts(rows=900, task="regression", numbers=2)
    assert rivals(Plan(), recipe(Plan(), facts), facts) == ()


def test_of_few_rows_a_straight_line_may_be_the_best() -> None:
    rng = np.random.default_rng(1)
    columns = {name: rng.normal(size=160) for name in "abc"}
    worth = 3 * columns["a"] - 2 * columns["b"] + rng.normal(size=160)
    model = danlu.fit(columns | {"worth": worth}, "worth", folds=3, repeats=1)
    assert model.run.network.hidden == ()
    assert model.run.resolved.scale == "standard"
    assert any(text.startswith("networks without hidden layers, rather than with them") for text in notes(model))


def test_of_few_noisy_rows_a_short_training_may_be_the_best() -> None:
    rng = np.random.default_rng(2)
    x = rng.normal(size=(400, 12))
    worth = np.abs(x[:, 0]) + 1.5 * rng.normal(size=400)
    table = {f"x{i}": x[:, i] for i in range(12)} | {"worth": worth}
    model = danlu.fit(table, "worth", folds=3, repeats=1, neighbours="off")
    assert model.run.resolved.epochs == 15
    assert any(text.startswith("15 epochs, dropout 0.3, rather than 100 epochs") for text in notes(model))


def test_simpler_networks_are_not_tried_where_a_network_or_its_training_is_named() -> None:
    table = {"x": np.arange(60.0), "worth": np.arange(60.0)}
    for given in ({"hidden": (8,)}, {"epochs": 3}, {"lr": 0.01}):
        assert not notes(danlu.fit(table, "worth", folds=2, repeats=1, **({"epochs": 2, "neighbours": ()} | given)))
