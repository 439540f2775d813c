"""A search: what it keeps is what those settings give by themselves, and a killed one goes on."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import danlu
from danlu.core.errors import PlanError
from danlu.core.plan import make_plan
from danlu.core.progress import Progress
from danlu.data import Folds, divide
from danlu.search import recipe
from danlu.workflow.budget import ENDLESS
from danlu.workflow.challenges import logged
from danlu.workflow.contest import Contest
from danlu.workflow.fit import _built, _facts
from danlu.workflow.material import gather
from danlu.workflow.several import Several, blend
from danlu.workflow.training import Trial

SMALL: dict[str, Any] = {"folds": 4, "repeats": 1, "net": "mlp", "epochs": 4, "batch_size": 32}
SPACE = {"lr": {"low": 1e-4, "high": 0.1, "log": True}, "hidden": ["8", "16,16"], "dropout": {"low": 0.0, "high": 0.3}}


def table(rows: int = 240) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, rows))
    return {"x": x, "y": y, "z": np.sin(2 * x) + y**2 + 0.1 * rng.normal(size=rows)}


def searched(study: Path | None = None, **more: Any) -> danlu.Model:
    settings = SMALL | {"search": 14, "space": SPACE} | more
    return danlu.fit(table(), "z", study=None if study is None else str(study), **settings)


def test_the_best_setting_by_itself_gives_the_same_networks() -> None:
    model = searched()
    found = model.run.searched
    assert found is not None
    assert len(found.attempts) == 14
    assert found.best is not None
    assert found.start is not None
    assert found.best <= found.start
    assert [rung.folds for rung in found.rungs] == [2, 4]
    assert {attempt.how for attempt in found.attempts} == {"start", "spread", "model"}
    first = next(attempt for attempt in found.attempts if attempt.number == found.chosen[0])
    assert model.run.resolved.lr == first.setting["lr"]
    again = danlu.fit(table(), "z", **SMALL | first.setting)
    own = range(4)
    assert np.array_equal(model.tensors["weights"][own].numpy(), again.tensors["weights"].numpy())
    assert again.run.scores["rmse"].value == pytest.approx(first.last.value)


def test_the_score_is_worse_than_the_value_that_it_was_chosen_by() -> None:
    model = searched(search=16)
    found, score = model.run.searched, model.run.scores["rmse"]
    assert found is not None
    assert score.flattered == found.optimism["rmse"] > 0
    rows, said = model.arrays["rows_N"], model.arrays["predicted_NC"]
    plain = float(np.sqrt(np.mean((table()["z"][rows] - said[:, 0]) ** 2)))
    assert score.value == pytest.approx(plain + score.flattered, rel=1e-5)


def test_losers_are_trained_on_the_first_folds_alone() -> None:
    found = searched().run.searched
    assert found is not None
    per_rung = [sum(len(a.scores) > rung for a in found.attempts) for rung in (0, 1)]
    assert per_rung == [14, 3]
    assert [rung.networks for rung in found.rungs] == [13 * 2, 2 * 2]


def test_a_search_that_was_killed_goes_on_and_gives_the_same(tmp_path: Path) -> None:
    class Killed(BaseException):
        pass

    def kill(progress: Progress) -> None:
        if progress.stage.startswith("search, rung 2"):
            raise Killed

    whole = searched(tmp_path / "whole.study")
    with pytest.raises(Killed):
        searched(tmp_path / "cut.study", on_progress=kill)
    with sqlite3.connect(tmp_path / "cut.study") as connection:
        assert connection.execute("select count(*), max(folds) from trainings").fetchone() == (13, 2)
    again = searched(tmp_path / "cut.study")
    found = again.run.searched
    assert found is not None
    assert found.known == 13
    assert found.chosen == whole.run.searched.chosen  # pyrefly: ignore[missing-attribute]
    assert np.array_equal(again.tensors["weights"].numpy(), whole.tensors["weights"].numpy())


def test_a_finished_search_trains_again_what_it_keeps_alone(tmp_path: Path) -> None:
    first, second = searched(tmp_path / "a.study"), searched(tmp_path / "a.study")
    found = second.run.searched
    assert found is not None
    assert found.known == 13 + 2
    assert sum(rung.networks for rung in found.rungs) == 0
    assert np.array_equal(first.tensors["weights"].numpy(), second.tensors["weights"].numpy())


def test_another_search_begins_with_the_best_of_an_earlier_one(tmp_path: Path) -> None:
    first = searched(tmp_path / "a.study").run.searched
    second = searched(tmp_path / "a.study", search=16).run.searched
    assert first is not None
    assert second is not None
    earlier = [a.setting for a in second.attempts if a.how == "earlier"]
    best = min((a for a in first.attempts if a.last.folds == 4 and a.number), key=lambda a: a.last.value or np.inf)
    assert best.setting in earlier
    assert second.known >= len(earlier), "what the first search trained is not trained again"


def test_classes_are_searched_by_their_probabilities() -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(size=(200, 2))
    kind = np.where(x[:, 0] * x[:, 1] + 0.3 * rng.normal(size=200) > 0, "up", "down")
    model = danlu.fit({"a": x[:, 0], "b": x[:, 1], "kind": kind}, "kind", **SMALL, search=8, space=SPACE)
    found = model.run.searched
    assert found is not None
    assert found.metric == "log-loss"
    assert set(found.optimism) >= {"accuracy", "log-loss", "roc-auc"}
    assert model.predict({"a": [1.0], "b": [1.0]}).shape == (1,)


def test_a_stopped_search_keeps_what_is_complete() -> None:
    stages: list[str] = []
    model = searched(on_progress=lambda p: stages.append(p.stage), stop=lambda: any("rung 2" in s for s in stages))
    assert model.run.searched is not None
    assert model.run.searched.chosen == (0,)
    assert all(member.epochs == 4 for member in model.run.members)


def test_what_a_search_cannot_have_is_refused() -> None:
    for given, said in (
        ({"holdout": 0.0, "folds": None}, "a search needs judged rows"),
        ({"watch_test": True, "test": "a.csv"}, "`watch_test` shows the test rows"),
        ({"search": None}, "`space` belongs to a search"),
        ({"search": 3}, "must be 8 to 512 settings"),
        ({"search": "some"}, "a number of settings, auto or off"),
    ):
        with pytest.raises(PlanError, match=said):
            searched(**given)


def test_several_are_blended_where_they_are_better_together() -> None:
    rng = np.random.default_rng(0)
    truth = rng.normal(size=(400, 1))
    fold = np.arange(400) % 4

    def error(said: np.ndarray, rows: np.ndarray) -> float:
        return float(np.sqrt(((said - truth[rows]) ** 2).mean()))

    noise = [rng.normal(size=(400, 1)) for _ in range(3)]
    apart = [truth + 0.5 * each for each in noise]
    assert sorted(blend(apart, error, fold)) == [0, 1, 2]
    alike = [truth + 0.5 * noise[0], truth + 0.5 * noise[0] + 1e-6]
    assert blend(alike, error, fold) == [0]
    assert blend(apart[:1], error, fold) == [0]
    bad = [truth + 0.1 * noise[0], truth + 3 * noise[1]]
    assert blend(bad, error, fold) == [0]


def test_where_all_are_alike_the_first_setting_stays_and_nothing_flatters_it() -> None:
    rng = np.random.default_rng(3)
    noise = {"x": rng.normal(size=160), "z": rng.normal(size=160)}
    space = {"weight_decay": {"low": 1e-6, "high": 1e-5, "log": True}}
    model = danlu.fit(noise, "z", **SMALL | {"epochs": 1, "lr": 1e-5}, search=8, space=space)
    found = model.run.searched
    assert found is not None
    assert found.chosen == (0,)
    assert set(found.optimism.values()) == {0.0}
    assert "stays" in found.words
    assert model.run.scores["rmse"].flattered == 0


def test_stopped_before_further_repeats_the_settings_that_were_searched_are_kept() -> None:
    rng = np.random.default_rng(0)
    skewed = {"x": rng.normal(size=120), "z": rng.lognormal(size=120)}
    plan = make_plan(target="z", epochs=2, folds=2, neighbours="off", bins=0)
    material = gather(skewed, plan, None)
    resolved = recipe(plan, _facts(material.examined)).model_copy(update={"repeats": 1})
    network, resolved = _built(plan, resolved, material.examined.schema, None)
    one = Trial.prepare(network, material, divide(material.examined, resolved), resolved)
    trained = one.train(None, None)
    both = Several.of([(one, trained), (one, trained)])

    def divided(repeats: int) -> Folds:
        return divide(material.examined, resolved.model_copy(update={"repeats": repeats}))

    contest = Contest((), divided, 4, logged)
    stopped = contest._further(both, 0.1, [], (None, lambda: True), ENDLESS)
    assert stopped is both
    whole = contest._further(both, 0.1, [], (None, None), ENDLESS)
    assert len(whole.trained.members) in (4, 8)
    assert len(whole.trial.folds.train) == len(whole.trained.members)


PARTED: dict[str, Any] = {"holdout": 0.2, "folds": None, "epochs": 2, "batch_size": 256}


def parted(study: Path | None = None, **more: Any) -> danlu.Model:
    settings = (
        SMALL
        | PARTED
        | {"search": 12, "space": {"lr": SPACE["lr"], "dropout": SPACE["dropout"]}, "hidden": "32"}
        | more
    )
    return danlu.fit(table(5000), "z", study=None if study is None else str(study), **settings)


def test_a_holdout_is_searched_on_a_part_of_its_rows_first() -> None:
    model = parted()
    found = model.run.searched
    assert found is not None
    assert [(rung.share, rung.settings) for rung in found.rungs] == [(0.25, 12), (1.0, 4)]
    assert all(attempt.scores[0].share == 0.25 for attempt in found.attempts), "the setting before the search as well"
    went = [attempt for attempt in found.attempts if attempt.last.share == 1]
    ranked = sorted((a for a in found.attempts if a.number), key=lambda a: a.scores[0].value or np.inf)
    assert {a.number for a in went} == {0, *(a.number for a in ranked[:3])}
    assert found.chosen[0] == min(went, key=lambda a: a.last.value or np.inf).number != 0
    first = next(attempt for attempt in found.attempts if attempt.number == found.chosen[0])
    again = danlu.fit(table(5000), "z", **SMALL | PARTED | {"hidden": "32"} | first.setting)
    assert np.array_equal(model.tensors["weights"][:1].numpy(), again.tensors["weights"].numpy())
    assert first.last.value == pytest.approx(again.run.scores["rmse"].value)
    assert first.scores[0].value != first.last.value
    assert model.run.members[0].train_rows == 4000


def test_a_search_of_a_holdout_that_was_killed_goes_on_and_gives_the_same(tmp_path: Path) -> None:
    class Killed(BaseException):
        pass

    def kill(progress: Progress) -> None:
        if progress.stage.startswith("search, rung 2"):
            raise Killed

    whole = parted(tmp_path / "whole.study")
    with pytest.raises(Killed):
        parted(tmp_path / "cut.study", on_progress=kill)
    with sqlite3.connect(tmp_path / "cut.study") as connection:
        assert connection.execute("select distinct share from trainings").fetchall() == [(0.25,)]
    again = parted(tmp_path / "cut.study")
    (found, other), rungs = (model.run.searched for model in (again, whole)), (0.25, 1.0)
    assert found is not None
    assert other is not None
    assert found.known >= 12
    assert [rung.networks > 0 for rung in found.rungs] == [False, True]
    assert tuple(rung.share for rung in found.rungs) == rungs
    assert (found.chosen, found.optimism) == (other.chosen, other.optimism)
    assert [a.scores for a in found.attempts] == [a.scores for a in other.attempts]
    assert np.array_equal(again.tensors["weights"].numpy(), whole.tensors["weights"].numpy())
    finished = parted(tmp_path / "cut.study").run.searched
    assert finished is not None
    assert sum(rung.networks for rung in finished.rungs) == 0
    assert finished.optimism == other.optimism


def test_stopped_between_two_populations_nothing_of_the_rung_is_taken(tmp_path: Path) -> None:
    stages: list[str] = []
    ended = [0]

    def tell(progress: Progress) -> None:
        stages.append(progress.stage)
        if progress.stage.startswith("search, part 1") and progress.epoch == progress.epochs and progress.wave == 1:
            ended[0] += 1

    model = searched(tmp_path / "a.study", on_progress=tell, stop=lambda: ended[0] > 0)
    assert any(stage.startswith("search, part 1") for stage in stages)
    assert not any(stage.startswith("search, part 2") for stage in stages)
    assert model.run.searched is None
    assert "ended before any setting was judged" in [note.text for note in model.run.inferred]
    with sqlite3.connect(tmp_path / "a.study") as connection:
        assert connection.execute("select count(*) from trainings").fetchone() == (0,), (
            "what was never begun is not broken"
        )


def test_curves_of_a_setting_are_those_it_has_alone() -> None:
    space = {"epochs": {"low": 3, "high": 9}, "lr": {"low": 0.001, "high": 0.05, "log": True}}
    model = searched(space=space, search=12)
    found = model.run.searched
    assert found is not None
    assert found.chosen[0]
    again = danlu.fit(table(), "z", **SMALL | found.attempts[found.chosen[0]].setting, judge_every=1)
    own = model.arrays["judged_epochs_J"].tolist()
    assert set(own) <= set(range(1, len(model.arrays["loss_EM"]) + 1))
    rows = [
        again.arrays["judged_epochs_J"].tolist().index(epoch) for epoch in own if epoch <= model.run.resolved.epochs
    ]
    np.testing.assert_array_equal(model.arrays["judged_JM"][: len(rows), :4], again.arrays["judged_JM"][rows])
