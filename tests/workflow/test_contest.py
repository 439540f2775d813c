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


def notes(model: danlu.Model) -> list[str]:
    return [note.text for note in model.run.inferred if note.topic == "setting"]


def test_sharp_classes_are_trained_longer_and_the_run_says_so() -> None:
    model = danlu.fit(rings(900, 0.0), "band", folds=2, repeats=2)
    (text,) = notes(model)
    assert model.run.resolved.dropout == 0.15
    assert text.startswith(f"{model.run.resolved.epochs} epochs, dropout 0.15, rather than")
    assert model.run.network.dropout == 0.15
    assert len(model.run.members) == 4, "a rival that wins has all repeats"


def test_noisy_classes_are_not() -> None:
    model = danlu.fit(rings(900, 0.9), "band", folds=2, repeats=1)
    (text,) = notes(model)
    assert model.run.resolved.dropout == 0.3
    assert "rather than" in text


@pytest.mark.parametrize("given", [{"epochs": 3}, {"dropout": 0.1}, {"net": "mlp"}, {"holdout": 0.0}, {"lr": 0.01}])
def test_what_the_user_settles_is_not_contested(given: dict[str, object]) -> None:
    plan, facts = Plan.model_validate(given), Facts(rows=900, task="classification", classes=6, numbers=2)
    assert rivals(plan, recipe(plan, facts), facts) == ()


def test_regression_has_no_rival() -> None:
    facts = Facts(rows=900, task="regression", numbers=2)
    assert rivals(Plan(), recipe(Plan(), facts), facts) == ()
