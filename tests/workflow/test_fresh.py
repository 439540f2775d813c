"""What a search chose is judged on a repeat that it was not chosen on."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest

import danlu
from danlu.core.plan import Plan
from danlu.data import Folds, divide
from danlu.workflow.budget import Budget
from danlu.workflow.fresh import Fresh
from danlu.workflow.training import Trial
from support.trials import classes, trial_of


def fresh_of(trial: Trial, budget: Budget | None = None) -> Fresh:
    def divided(repeats: int) -> Folds:
        return divide(trial.examined, trial.plan.model_copy(update={"repeats": repeats}))

    return Fresh(divided, (None, None), 1.0, Budget() if budget is None else budget)


def test_the_better_setting_is_confirmed_and_the_worse_one_doubted() -> None:
    good, bad = trial_of(400, lr=0.05), trial_of(400, lr=1e-6)
    assert not fresh_of(good).doubt(bad, good, "log-loss")
    assert "not better on another repeat" in fresh_of(good).doubt(good, bad, "log-loss")
    assert "not better" in fresh_of(good).doubt(good, good, "log-loss"), "as good is not better"


def test_without_time_to_look_nothing_is_taken() -> None:
    good, bad = trial_of(400, lr=0.05), trial_of(400, lr=1e-6)
    over = Budget(10.0, time.perf_counter() - 10.0)
    assert fresh_of(good, over).doubt(bad, good, "log-loss").startswith("there is no time")


@pytest.mark.parametrize("given", [{"time": "y"}, {"fold_column": "y"}])
def test_rows_that_are_divided_in_one_way_have_no_other_repeat(given: dict[str, Any]) -> None:
    trial = trial_of(400)
    trial = trial.__class__(**(trial.__dict__ | {"plan": trial.plan.model_copy(update=given)}))
    assert fresh_of(trial).trainings(trial) == 0
    assert not fresh_of(trial).doubt(trial, trial, "log-loss")


def test_a_search_keeps_its_first_setting_where_another_one_is_doubted(monkeypatch: pytest.MonkeyPatch) -> None:
    space = {"lr": {"low": 0.001, "high": 0.1, "log": True}}
    given = {"target": "z", "hidden": "8", "epochs": 3, "lr": 0.0001, "folds": 3, "batch_size": 64}
    found = danlu.fit(classes(400, 0.0), plan=Plan.model_validate(given), search=8, space=space).run.searched
    assert found is not None
    assert found.chosen != (0,), "at first it learns next to nothing"
    monkeypatch.setattr(Fresh, "doubt", lambda *_: "a doubt")
    model = danlu.fit(classes(400, 0.0), plan=Plan.model_validate(given), search=8, space=space)
    found = model.run.searched
    assert found is not None
    assert found.chosen == (0,)
    assert found.words.endswith(": a doubt")
    assert not any(found.optimism.values())
    assert model.run.resolved.lr == 0.0001
    assert np.isfinite(model.run.scores["log-loss"].value or np.nan)
