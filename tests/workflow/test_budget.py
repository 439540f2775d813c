"""How much is tried: efforts, and what a budget of time is spent on."""

from __future__ import annotations

import time

import numpy as np
import pytest

import danlu
from danlu.core.errors import PlanError
from danlu.core.plan import Plan, make_plan
from danlu.data import divide
from danlu.population import Trained
from danlu.search import Facts, ladder, recipe
from danlu.workflow.budget import ENDLESS, Budget
from danlu.workflow.contest import Contest, Rival, work_of
from danlu.workflow.fit import _built, _facts
from danlu.workflow.material import gather
from danlu.workflow.searching import UNASKED
from danlu.workflow.training import Trial

FACTS = Facts(rows=20_000, task="regression", numbers=8)


def table(rows: int = 300) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, rows))
    return {"x": x, "y": y, "z": x + y**2 + 0.1 * rng.normal(size=rows)}


@pytest.mark.parametrize(("text", "seconds"), [("60s", 60), ("5m", 300), ("1h", 3600), ("2.5 min", 150), (90, 90)])
def test_a_budget_is_a_length_of_time(text: str | int, seconds: float) -> None:
    assert make_plan(budget=text).budget == seconds


@pytest.mark.parametrize("text", ["soon", "5 parsecs", "-3s", "0.5s", "inf"])
def test_what_is_no_length_of_time_is_refused(text: str) -> None:
    with pytest.raises(PlanError, match="budget"):
        make_plan(budget=text)


def test_an_effort_is_of_the_recipe() -> None:
    with pytest.raises(PlanError, match="`effort` is the recipe's"):
        recipe(Plan(effort="quick", net="mlp"), FACTS)


def test_a_quick_fit_trains_less_and_tries_nothing() -> None:
    quick, normal = recipe(Plan(effort="quick"), FACTS), recipe(Plan(), FACTS)
    assert quick.epochs == round(0.4 * (normal.epochs or 0))
    assert not ladder(Plan(effort="quick"), FACTS).contested
    assert recipe(Plan(effort="quick", epochs=7), FACTS).epochs == 7, "what is given stays"


def test_the_best_is_more_networks_and_a_budget_goes_up_to_it() -> None:
    assert ladder(Plan(effort="best"), FACTS).repeats == (1, 3)
    assert ladder(Plan(budget=60.0), FACTS).repeats == (1, 3)
    assert ladder(Plan(budget=60.0, effort="normal"), FACTS).repeats == (1,)
    assert ladder(Plan(effort="best", repeats=2), FACTS).repeats == (2,), "what is given stays"
    assert recipe(Plan(budget=60.0), FACTS).epochs == recipe(Plan(effort="quick"), FACTS).epochs, "a good model early"


def test_with_all_the_time_a_budget_climbs_to_the_top() -> None:
    model = danlu.fit(table(), "z", budget="1h", neighbours="off", batch_size=64, search="off")
    normal = ladder(Plan(neighbours=()), Facts(rows=300, task="regression", numbers=2)).normal
    texts = [note.text for note in model.run.inferred if note.topic == "setting"]
    assert any(f"{normal.epochs} epochs" in text for text in texts)
    assert model.run.resolved.repeats == 9
    assert len(model.run.members) == 45


def test_what_there_is_no_time_for_is_not_begun_and_said() -> None:
    plan = Plan(target=("z",), neighbours=(), epochs=3, repeats=1)
    material = gather(table(), plan, None)
    facts = _facts(material.examined)
    resolved = recipe(plan, facts)
    folds = divide(material.examined, resolved)
    network, resolved = _built(plan, resolved, material.examined.schema, None)
    trial = Trial.prepare(network, material, folds, resolved)
    slow = Rival(lambda: pytest.fail("it was begun"), "a long one", "a short one", work=1e12)
    budget = Budget(3600.0, time.perf_counter())
    held = Contest((lambda *_: slow,), lambda _: folds, 1).hold(trial, None, None, budget)
    assert len(held.trained.members) == len(held.trial.folds.repeat) == 5
    assert [note.topic for note in held.notes] == ["budget"]
    assert held.notes[0].text.startswith("no time for a long one: about")
    assert work_of(trial) == 3 * 4 * 300


def test_the_recipes_repeats_come_before_what_only_a_budget_tries() -> None:
    plan = Plan(target=("z",), neighbours=(), epochs=3, repeats=1)
    material = gather(table(), plan, None)
    resolved = recipe(plan, _facts(material.examined))
    folds = divide(material.examined, resolved)
    network, resolved = _built(plan, resolved, material.examined.schema, None)
    trial = Trial.prepare(network, material, folds, resolved)
    asked: list[float] = []

    def challenge(_trial: Trial, _trained: Trained, most: float) -> Rival:
        asked.append(most)
        return Rival(lambda: pytest.fail("it was begun"), "a long one", "a short one", work=0.4 * most)

    held = Contest((challenge,), lambda _: folds, 1, least=3).hold(
        trial, None, None, Budget(3600.0, time.perf_counter())
    )
    assert asked
    assert held.notes[0].text.startswith("no time for a long one"), "three of its repeats would not end in time"


def test_a_training_that_cannot_end_in_time_is_begun_anew_with_fewer_epochs() -> None:
    model = danlu.fit(table(2000), "z", budget=6, epochs=100_000, batch_size=64, repeats=1)
    notes = [note.text for note in model.run.inferred if note.topic == "budget"]
    assert notes
    assert "epochs instead of 100000, to end in time" in notes[0]
    assert (model.run.resolved.epochs or 0) < 100_000


def test_without_a_budget_nothing_looks_at_the_clock() -> None:
    assert ENDLESS.left == float("inf")
    stop = ENDLESS.until(None)
    assert stop is None


def test_time_that_is_kept_for_something_else_is_gone() -> None:
    budget = Budget(100.0, time.perf_counter())
    assert budget.left - budget.less(30.0).left == pytest.approx(30.0, abs=0.1)
    assert Budget().less(30.0).left == float("inf")


def test_a_budget_alone_has_its_time_searched_and_an_effort_or_a_named_network_does_not() -> None:
    given = {"budget": 60, "neighbours": "off", "batch_size": 64, "epochs": 1, "folds": 3, "repeats": 1}
    found = danlu.fit(table(2000), "z", **given).run.searched
    assert found is not None
    assert 8 <= len(found.attempts) <= UNASKED
    for other in ({"effort": "normal"}, {"hidden": "8"}, {"search": "off"}, {"holdout": 0.0}):
        plan = {name: value for name, value in given.items() if name != "folds" or "holdout" not in other}
        assert danlu.fit(table(2000), "z", **plan | other).run.searched is None
    assert danlu.fit(table(1900), "z", **given).run.searched is None, "of few rows luck would be chosen"
