"""Whole jobs on small tables, from the source to predictions of new rows."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

import danlu
from danlu.core.errors import DanluError, PlanError
from support.tables import flowers, houses, write_csv, write_xlsx

QUICK = {"epochs": 30, "repeats": 1, "folds": 3}


def test_regression_beats_its_baselines_and_keeps_what_it_said(tmp_path: Path) -> None:
    model = danlu.fit(write_csv(houses(), tmp_path / "houses.csv"), "price")
    run = model.run
    score = run.scores["rmse"]
    assert score.value is not None
    assert score.low is not None
    assert score.high is not None
    assert score.low < score.value < score.high
    assert score.rows == 150
    assert score.kind == "out-of-fold"
    # The noise is 10,000; a good model comes near it, and no honest one goes below.
    assert 8_000 < score.value < 25_000
    assert score.value < run.baselines["mean"]["rmse"]
    assert run.rows.used == 150
    assert [c.name for c in run.table.columns] == ["area", "rooms", "district", "garden", "sold"]
    assert [c.name for c in run.table.left_out] == ["id"]
    assert run.name == "houses"

    model.save(tmp_path / "houses.danlu")
    again = danlu.load(tmp_path / "houses.danlu")
    assert again.run == run
    new = houses(40, seed=5)
    del new["price"]
    np.testing.assert_array_equal(again.predict(new), model.predict(new))
    truth = np.array(houses(40, seed=5)["price"])
    assert np.sqrt(np.mean((again.predict(new) - truth) ** 2)) < 25_000
    again.report(tmp_path / "page.html")
    assert "houses" in (tmp_path / "page.html").read_text()
    assert "houses" in repr(again)
    assert "rmse" in repr(again)


def test_score_out_of_fold_is_that_of_the_arrays_kept() -> None:
    model = danlu.fit(houses(), "price", **QUICK)
    truth, said = model.arrays["truth_NC"][:, 0], model.arrays["predicted_NC"][:, 0]
    assert model.run.scores["rmse"].value == pytest.approx(np.sqrt(np.mean((truth - said) ** 2)), rel=1e-6)
    assert sorted(model.arrays["rows_N"]) == list(range(150))


def test_classes(tmp_path: Path) -> None:
    model = danlu.fit(write_xlsx(flowers(), tmp_path / "flowers.xlsx"), "kind", **QUICK)
    assert model.run.table.target.classes == ("setosa", "versicolor", "virginica")
    accuracy = model.run.scores["accuracy"].value
    assert accuracy is not None
    assert accuracy > 0.8
    new = flowers(50, seed=3)
    probabilities = model.predict(new, proba=True)
    np.testing.assert_allclose(probabilities.sum(1), 1, atol=1e-6)
    labels = model.predict(new)
    assert np.mean(labels == np.array(new["kind"])) > 0.8
    assert (np.array(model.run.table.target.classes)[probabilities.argmax(1)] == labels).all()


def test_nothing_is_learnt_from_a_target_of_noise() -> None:
    rng = np.random.default_rng(0)
    table = {f"x{i}": rng.normal(size=300).tolist() for i in range(6)} | {"y": rng.normal(size=300).tolist()}
    score = danlu.fit(table, "y", folds=5, repeats=1).run.scores["r2"].value
    assert score is not None
    assert score < 0.05


def test_judged_rows_reach_no_member_that_judges_them() -> None:
    table = houses(90)
    folds = [i % 3 for i in range(90)]
    spoiled = {name: list(values) for name, values in table.items()}
    for i in range(0, 90, 3):
        spoiled["area"][i] = 1e6
        spoiled["district"][i] = "elsewhere"
        spoiled["price"][i] = 1e9
    models = [danlu.fit(t | {"fold": folds}, "price", fold_column="fold", epochs=5) for t in (table, spoiled)]
    # The member that judges fold 0 trained on folds 1 and 2 only, which are the same in both tables; one-hot
    # columns differ ("elsewhere"), so preparation and hidden-layer shapes may, but not what the columns learn.
    first, second = (m.tensors["preparation.centre_KF"][0] for m in models)
    assert torch.equal(first, second)
    assert torch.equal(*(m.tensors["preparation.target_centre_KC"][0] for m in models))


def test_same_seed_same_model() -> None:
    first, second, other = (danlu.fit(houses(80), "price", seed=seed, **QUICK) for seed in (1, 1, 2))
    for name, tensor in first.tensors.items():
        assert torch.equal(tensor, second.tensors[name]), name
    assert not torch.equal(first.tensors["weights"], other.tensors["weights"])


@pytest.mark.parametrize(
    ("settings", "members", "kind"),
    [
        ({"folds": 4, "repeats": 2}, 8, "out-of-fold"),
        ({"holdout": 0.25, "repeats": 3}, 3, "holdout"),
        ({"group": "district", "repeats": 1}, 4, "out-of-fold"),
        ({"folds": 3, "early_stopping": True, "patience": 3, "repeats": 1}, 3, "out-of-fold"),
        ({"folds": 3, "weight": "rooms", "repeats": 1}, 3, "out-of-fold"),
        ({"net": "linear", "folds": 3}, 3, "out-of-fold"),
        ({"loss": "huber", "folds": 3, "repeats": 1}, 3, "out-of-fold"),
        ({"loss": "poisson", "folds": 3, "repeats": 1, "clip": 1.0}, 3, "out-of-fold"),
        ({"dtype": "float64", "folds": 3, "repeats": 1}, 3, "out-of-fold"),
    ],
)
def test_ways_to_divide_and_train(settings: dict[str, object], members: int, kind: str) -> None:
    model = danlu.fit(houses(), "price", epochs=8, **settings)
    assert len(model.run.members) == members
    assert model.run.scores["rmse"].kind == kind
    assert np.isfinite(model.predict(houses(10, seed=2))).all()


def test_time_order_judges_later_rows_only() -> None:
    model = danlu.fit(houses(), "price", time="sold", epochs=5)
    days = np.array(houses()["sold"], "datetime64[D]")
    judged = model.arrays["rows_N"]
    assert 0 < len(judged) < 150
    assert days[judged].min() >= np.sort(days)[50]


def test_refit_ships_networks_of_all_rows() -> None:
    model = danlu.fit(houses(), "price", refit=True, epochs=20, folds=3, repeats=2)
    assert model.run.refitted == 2
    assert model.run.shipped == ()
    assert len(model.tensors["weights"]) == 2
    assert model.run.scores["rmse"].kind == "out-of-fold"
    assert np.isfinite(model.predict(houses(5))).all()


@pytest.mark.parametrize("polls", [3, 8, 12])
def test_a_refit_that_is_stopped_ships_the_networks_of_the_folds(polls: int) -> None:
    # 60 training rows in batches of 32 are 2 steps an epoch, so the folds take 8 and the refit begins with the ninth.
    asked = iter(range(10**6))
    model = danlu.fit(
        houses(90), "price", refit=True, folds=3, repeats=1, epochs=4, batch_size=32, stop=lambda: next(asked) >= polls
    )
    assert model.run.interrupted
    assert (model.run.refitted, model.run.shipped) == (0, (0, 1, 2))
    assert len(model.tensors["weights"]) == 3
    assert any(note.topic == "refit" for note in model.run.inferred)
    assert {m.ended for m in model.run.members} == ({"interrupted"} if polls == 3 else {"finished"})
    assert np.isfinite(model.predict(houses(5))).all()


def test_all_rows_judged_by_a_locked_test_table() -> None:
    model = danlu.fit(houses(), "price", holdout=0, test=houses(60, seed=9), watch_test=True, epochs=20)
    assert model.run.scores == {}
    assert model.run.test["rmse"].kind == "test (watched)"
    assert model.run.test["rmse"].rows == 60
    assert np.isfinite(model.arrays["test_JM"]).all()
    scored = model.score(houses(60, seed=9))
    assert scored["rmse"].value == pytest.approx(model.run.test["rmse"].value, rel=1e-5)


def test_several_targets_are_scored_each() -> None:
    table = houses()
    table["rent"] = [p / 300 + 50 for p in table["price"]]
    model = danlu.fit(table, "price, rent", **QUICK)
    parts = model.run.scores["rmse"].per_target
    assert parts is not None
    assert set(parts) == {"price", "rent"}
    assert model.predict(table).shape == (150, 2)


def test_two_classes_with_one_output() -> None:
    table = houses()
    model = danlu.fit(table, "garden", loss="binary-cross-entropy", **QUICK)
    assert model.run.network.outputs == 1
    probabilities = model.predict(table, proba=True)
    assert probabilities.shape == (150, 2)
    np.testing.assert_allclose(probabilities.sum(1), 1, atol=1e-6)


def test_to_torch_gives_the_same_predictions() -> None:
    model = danlu.fit(houses(), "price", **QUICK)
    module = model.to_torch()
    assert not module.training
    with torch.no_grad():
        said = module(*model.encode(houses(30, seed=4)))
    np.testing.assert_allclose(said[:, 0].numpy(), model.predict(houses(30, seed=4)), rtol=1e-5)


def test_stop_keeps_the_best_so_far() -> None:
    asked = iter(range(10**9))
    model = danlu.fit(houses(), "price", epochs=10_000, folds=3, repeats=1, stop=lambda: next(asked) > 60)
    assert model.run.interrupted
    assert {m.ended for m in model.run.members} == {"interrupted"}
    assert np.isfinite(model.predict(houses(5))).all()
    assert any(f.name == "interrupted" for f in model.run.findings)


def test_diverging_training_is_refused_with_the_layer() -> None:
    with pytest.raises(DanluError) as caught:
        danlu.fit(houses(), "price", hidden=(16,), optimizer="sgd", lr=1e18, epochs=20, scale_target="none", folds=3)
    assert caught.value.exit_code == 7
    assert "hidden.0" in str(caught.value) or "output" in str(caught.value)


@pytest.mark.parametrize(
    ("settings", "target", "said"),
    [
        ({}, "prise", "price"),
        ({"folds": 500}, "price", "500"),
        ({"drop": ("nothing",)}, "price", "nothing"),
        ({"group": "street"}, "price", "street"),
        ({"loss": "cross-entropy"}, "price", "149 classes"),
        ({"test": {"area": [1.0], "rooms": [2]}}, "price", "district"),
    ],
)
def test_refusals_name_the_fact(settings: dict[str, object], target: str, said: str) -> None:
    with pytest.raises(DanluError, match=said):
        danlu.fit(houses(), target, epochs=1, **settings)


def test_a_fit_needs_a_target() -> None:
    with pytest.raises(PlanError, match="target"):
        danlu.fit(houses())


def test_run_record_is_plain_json() -> None:
    run = danlu.fit(houses(60), "price", epochs=3, folds=3, repeats=1).run
    assert type(run).model_validate_json(run.model_dump_json()) == run
    assert json.loads(run.model_dump_json())["resolved"]["folds"] == 3


@pytest.mark.parametrize(
    "settings",
    [
        {"optimizer": "sgd", "momentum": 0.9, "nesterov": True, "lr": 0.01, "schedule": "cosine", "warmup": 1},
        {"optimizer": "rmsprop", "momentum": 0.5, "schedule": "step:2:0.5", "l1": 0.001},
        {"optimizer": "adagrad", "schedule": "exponential:0.9", "weight_decay": 0.01},
        {"optimizer": "adam", "schedule": "plateau:1:0.5", "early_stopping": True},
        {"loss": "pinball:0.9", "batch_norm": "input,hidden", "init": "orthogonal", "init_bias": 0},
        {"loss": "l1", "activation": "selu", "layer_norm": True, "dropout": 0.3, "batch_size": "all"},
        {"hidden": "32x3", "activation": "mish", "init": "kaiming-normal", "scale": "unit", "judge_every": 3},
    ],
)
def test_named_settings_train(settings: dict[str, object]) -> None:
    model = danlu.fit(houses(60), "price", folds=3, repeats=1, epochs=8, **settings)
    assert np.isfinite(model.predict(houses(10, seed=2))).all()
    assert model.run.resolved.model_dump().items() >= model.run.plan.model_dump(exclude_unset=True).items()


def test_a_pinball_loss_predicts_its_quantile() -> None:
    rng = np.random.default_rng(0)
    table = {"x": rng.uniform(size=2000).tolist(), "y": rng.exponential(size=2000).tolist()}
    model = danlu.fit(table, "y", loss="pinball:0.9", folds=3, epochs=20)
    below = (model.arrays["truth_NC"] <= model.arrays["predicted_NC"]).mean()
    assert below == pytest.approx(0.9, abs=0.03)


def test_distributions_are_learnt_by_kl() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=300)
    share = np.exp(np.stack([x, -x, 0 * x], 1))
    share /= share.sum(1, keepdims=True)
    table = {"x": x.tolist()} | {f"p{i}": share[:, i].tolist() for i in range(3)}
    model = danlu.fit(table, ("p0", "p1", "p2"), loss="kl", folds=3, repeats=1)
    np.testing.assert_allclose(model.predict({"x": [0.0, 1.0]}).sum(1), 1, atol=1e-6)
    score = model.run.scores["r2"].value
    assert score is not None
    assert score > 0.95


def test_shares_are_learnt_by_binary_cross_entropy() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=300)
    table = {"x": x.tolist(), "share": (1 / (1 + np.exp(-2 * x))).tolist()}
    model = danlu.fit(table, "share", loss="binary-cross-entropy", folds=3, repeats=1)
    assert model.run.table.target.task == "regression"
    np.testing.assert_allclose(model.predict({"x": [0.0, 1.0]}), [0.5, 0.88], atol=0.05)


def test_rows_of_weight_0_teach_nothing() -> None:
    table = houses(90)
    folds = [i % 3 for i in range(90)]
    weights = [0.0 if i % 10 == 0 else 1.5 for i in range(90)]
    spoiled = {name: list(values) for name, values in table.items()}
    for i in range(0, 90, 10):
        spoiled["price"][i], spoiled["area"][i] = 1e7, 5000.0
    models = [
        danlu.fit(t | {"fold": folds, "w": weights}, "price", fold_column="fold", weight="w", epochs=5)
        for t in (table, spoiled)
    ]
    np.testing.assert_array_equal(*(m.predict(houses(20, seed=3)) for m in models))
    assert models[0].run.scores["rmse"].value == pytest.approx(models[1].run.scores["rmse"].value)


def test_scoring_the_rows_learnt_from_is_said() -> None:
    model = danlu.fit(houses(60), "price", epochs=3, folds=3, repeats=1)
    assert "learnt from" in model.judge(houses(60))[1][-1].text
    assert not model.judge(houses(60, seed=1))[1]
