"""Whole jobs where classes weigh differently, a metric is named, or networks are too sure of themselves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import danlu
from danlu.core.errors import PlanError
from danlu.judging import metric
from danlu.judging.calibration import calibrate
from support.tables import flowers, houses

QUICK = {"epochs": 20, "repeats": 1, "folds": 3, "hidden": (16,)}


def rare(rows: int = 600, seed: int = 0, noise: float = 1.0) -> dict[str, Any]:
    """Return two classes, the first of them in about a sixth of the rows."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, 2))
    ill = x[:, 0] + x[:, 1] + noise * rng.normal(size=rows) > 1.6
    return {"a": x[:, 0].tolist(), "b": x[:, 1].tolist(), "state": ["ill" if i else "well" for i in ill]}


@pytest.mark.parametrize("name", ["f1", "balanced-accuracy"])
def test_a_named_metric_comes_first_and_gets_a_threshold_of_its_own(tmp_path: Path, name: str) -> None:
    plain = danlu.fit(rare(), "state", **QUICK)
    model = danlu.fit(rare(), "state", metric=name, **QUICK)
    run, decision = model.run, model.run.decision
    assert next(iter(run.scores)) == run.main_metric == name
    assert run.scores["f1"].of == "ill"
    assert run.judged_by == "accuracy"
    assert decision is not None
    assert decision.threshold is not None
    assert (decision.metric, decision.positive, decision.rows) == (name, "ill", 600)
    assert decision.threshold < 0.5
    # Training does not know of the metric: the probabilities are the same, and the score is the decision's.
    assert run.scores["log-loss"] == plain.run.scores["log-loss"]
    assert decision.value == pytest.approx(run.scores[name].value)
    assert decision.value_before == pytest.approx(plain.run.scores[name].value)
    assert run.scores[name].value > plain.run.scores[name].value  # pyrefly: ignore
    # The rows of the page are those of the score.
    truth, guess = model.arrays["truth_NC"], model.arrays["guessed_N"]
    assert run.scores["accuracy"].value == pytest.approx(np.mean(truth.ravel() == guess))

    model.save(tmp_path / "m.danlu")
    again = danlu.load(tmp_path / "m.danlu")
    new = rare(400, seed=7)
    chance = again.predict(new, proba=True)[:, 0]
    assert np.array_equal(
        again.predict(new) == "ill", chance * (1 - decision.threshold) >= (1 - chance) * decision.threshold
    )
    np.testing.assert_array_equal(chance, plain.predict(new, proba=True)[:, 0])
    better, before = (m.score(new)[name].value for m in (again, plain))
    assert better > before  # pyrefly: ignore
    page = again.report(tmp_path / "page.html").read_text()
    assert "Predicted is ill from a probability of" in page
    assert "chart-calibration" in page


def test_a_threshold_chosen_on_noise_is_not_scored_on_the_rows_it_was_chosen_on() -> None:
    values = []
    for seed in range(6):
        rng = np.random.default_rng(seed)
        table = {"x": rng.normal(size=200).tolist(), "y": rng.choice(["n", "y"], 200, p=[0.8, 0.2]).tolist()}
        score = danlu.fit(table, "y", metric="balanced-accuracy", seed=seed, **QUICK).run.scores["balanced-accuracy"]
        values.append(score.value)
    # The best threshold of each table's own rows would give about 0.55 or more; honest ones differ from 0.5 by chance.
    assert abs(np.mean(values) - 0.5) < 0.04


def test_class_weights_are_those_of_torchs_cross_entropy() -> None:
    """Gradient descent of a linear network on all rows, from zero, against torch; then the weights taken out."""
    table, weights = rare(150), {"ill": 5.0, "well": 0.5}
    plan: dict[str, Any] = {"net": "linear", "holdout": 0.0, "batch_size": "all", "optimizer": "sgd", "lr": 0.5}
    plan |= {"init": "constant:0", "init_bias": 0.0, "epochs": 25, "scale": "none", "dtype": "float64"}
    model = danlu.fit(table, "state", class_weight=weights, repeats=1, **plan)
    x = torch.tensor(np.array([table["a"], table["b"]]).T)
    y = torch.tensor([("ill", "well").index(state) for state in table["state"]])
    twin = torch.nn.Linear(2, 2).double()
    torch.nn.init.zeros_(twin.weight)
    torch.nn.init.zeros_(twin.bias)
    loss = torch.nn.CrossEntropyLoss(weight=torch.tensor(list(weights.values())).double())
    descent = torch.optim.SGD(twin.parameters(), lr=0.5)
    first = None
    for _ in range(25):
        descent.zero_grad()
        value = loss(twin(x), y)
        first = value.item() if first is None else first
        value.backward()
        descent.step()
    assert model.arrays["loss_EM"][0, 0] == pytest.approx(first, rel=1e-6)
    assert model.arrays["loss_EM"][-1, 0] == pytest.approx(value.item(), rel=1e-6)
    shifted = torch.softmax(twin(x), 1).detach().numpy()
    own = model.to_torch().members[0](*model.encode(table)).detach().numpy()
    np.testing.assert_allclose(own, shifted, rtol=1e-6)
    # What weighs w times as much is learnt as w times as likely: divided by w it is right again.
    honest = shifted / np.array(list(weights.values()))
    honest /= honest.sum(axis=1, keepdims=True)
    said = model.predict(table, proba=True)
    np.testing.assert_allclose(said, honest, rtol=1e-6)
    np.testing.assert_allclose(model.to_torch()(*model.encode(table)).detach().numpy(), honest, rtol=1e-6)
    assert np.array_equal(model.predict(table) == "ill", shifted[:, 0] > 0.5)
    assert model.run.decision is not None
    assert model.run.decision.threshold == pytest.approx(0.5 / 5.5)


def test_balanced_class_weights_find_the_rare_class_and_keep_probabilities_honest() -> None:
    plain, balanced = (
        danlu.fit(rare(1500), "state", **(QUICK | {"batch_size": 32}), class_weight=w).run for w in ("none", "balanced")
    )
    assert plain.calibration is not None
    assert plain.calibration.shift == ()
    assert plain.decision is None
    assert balanced.decision is not None
    share = np.mean(np.array(rare(1500)["state"]) == "ill")
    assert balanced.decision.threshold == pytest.approx(share)
    assert balanced.scores["balanced-accuracy"].value > plain.scores["balanced-accuracy"].value + 0.03  # pyrefly: ignore
    assert balanced.scores["accuracy"].value < plain.scores["accuracy"].value  # pyrefly: ignore
    assert balanced.scores["log-loss"].value == pytest.approx(plain.scores["log-loss"].value, rel=0.05)
    assert balanced.scores["ece"].value < 0.06  # pyrefly: ignore
    # Every class weighs alike where all have the same rows: nothing to do.
    even = danlu.fit({"x": list(range(60)), "y": ["a", "b"] * 30}, "y", class_weight="balanced", **QUICK).run
    assert even.decision is None


def test_row_weights_and_class_weights_multiply() -> None:
    table = rare(200)
    twos = {"ill": 2.0, "well": 1.0}
    weights = {"w": [twos[state] for state in table["state"]]}
    plan: dict[str, Any] = {"epochs": 20, "hidden": (16,), "holdout": 0.0, "scale": "none", "dtype": "float64"}
    by_rows = danlu.fit(table | weights, "state", weight="w", **plan).to_torch().members[0]
    by_class = danlu.fit(table, "state", class_weight=twos, **plan)
    x = by_class.encode(table)
    np.testing.assert_allclose(by_class.to_torch().members[0](*x).detach(), by_rows(*x).detach(), rtol=1e-9)


def test_networks_too_sure_of_themselves_are_calibrated_and_every_way_out_says_the_same(tmp_path: Path) -> None:
    plan: dict[str, Any] = {"net": "mlp", "hidden": (64, 64), "epochs": 80, "batch_size": 32, "folds": 3, "repeats": 1}
    table = flowers(300)
    rng = np.random.default_rng(0)
    table["kind"] = [k if rng.random() < 0.7 else "setosa" for k in table["kind"]]
    model = danlu.fit(table, "kind", **plan)
    run, calibration = model.run, model.run.calibration
    assert calibration is not None
    assert calibration.kept
    assert calibration.judged_temperature > 1.2
    # Three networks together are less sure than one.
    assert 1.0 <= calibration.temperature < calibration.judged_temperature
    assert calibration.log_loss < calibration.log_loss_before  # pyrefly: ignore
    assert run.scores["log-loss"].value == pytest.approx(calibration.log_loss)
    said = model.arrays["predicted_NC"]
    assert metric("log-loss", model.arrays["truth_NC"].ravel(), said) == pytest.approx(calibration.log_loss, rel=1e-5)

    new = flowers(100, seed=4)
    members = torch.stack([member(*model.encode(new)) for member in model.to_torch().members]).mean(0)
    raw = members.detach().double().numpy()
    chances = model.predict(new, proba=True)
    np.testing.assert_allclose(chances, calibrate(raw, calibration.temperature), atol=1e-6)
    np.testing.assert_allclose(model.to_torch()(*model.encode(new)).detach(), chances, atol=1e-6)
    assert np.array_equal(chances.argmax(1), raw.argmax(1))
    path = tmp_path / "state.pt"
    torch.save(model.to_torch().state_dict(), path)
    model.save(tmp_path / "m.danlu")
    again = danlu.load(tmp_path / "m.danlu")
    assert again.run.calibration == calibration
    np.testing.assert_array_equal(again.predict(new, proba=True), chances)


def test_one_output_for_two_classes_is_calibrated_too() -> None:
    plan: dict[str, Any] = {"net": "mlp", "hidden": (64, 64), "epochs": 80, "batch_size": 32, "folds": 3, "repeats": 1}
    model = danlu.fit(rare(300, noise=3.0), "state", loss="binary-cross-entropy", class_weight={"ill": 2}, **plan)
    assert model.run.calibration is not None
    assert model.run.calibration.kept
    new = rare(50, seed=1)
    said = model.to_torch()(*model.encode(new)).detach().numpy()
    assert said.shape == (50, 1)
    np.testing.assert_allclose(said[:, 0], model.predict(new, proba=True)[:, 1], atol=1e-6)


def test_a_test_table_is_scored_as_predictions_are() -> None:
    test = rare(200, seed=3)
    model = danlu.fit(rare(300, noise=2.0), "state", test=test, metric="f1", net="mlp", epochs=60, folds=3)
    ours, theirs = model.run.test, model.score(test)
    assert list(ours) == list(theirs)
    assert next(iter(ours)) == "f1"
    for name, score in ours.items():
        assert score.value == pytest.approx(theirs[name].value, rel=1e-6)
    guess = model.predict(test)
    assert ours["accuracy"].value == pytest.approx(np.mean(guess == np.array(test["state"])))


@pytest.mark.parametrize("name", ["rmsle", "mae", "r2"])
def test_metrics_of_numbers(name: str) -> None:
    model = danlu.fit(houses(), "price", metric=name, epochs=10, repeats=1, folds=3)
    run = model.run
    assert next(iter(run.scores)) == run.main_metric == name
    assert run.scores[name].low < run.scores[name].value < run.scores[name].high  # pyrefly: ignore
    assert name in run.baselines["linear"]
    assert ("rmsle" in run.scores) == (name == "rmsle")
    assert run.calibration is None
    if name == "rmsle":
        # The curve's last point is the mean over networks of their own rows.
        assert np.nanmean(model.arrays["judged_JM"][-1]) == pytest.approx(run.scores[name].value, rel=0.1)


@pytest.mark.parametrize(
    ("settings", "rule"),
    [
        ({"metric": "rmse"}, "`metric` rmse needs a target of numbers"),
        ({"metric": "acuracy"}, "Did you mean `accuracy`"),
        ({"class_weight": {"sick": 2.0}}, "there is no class 'sick'"),
        ({"class_weight": "ill=-1"}, "weights above 0"),
        ({"class_weight": "ill"}, "must be balanced, none, or CLASS=WEIGHT"),
        ({"class_weight": {"ill": 0.0}}, "`class_weight`"),
    ],
)
def test_what_does_not_fit_classes_is_refused(settings: dict[str, Any], rule: str) -> None:
    with pytest.raises(PlanError, match=rule):
        danlu.fit(rare(60), "state", **settings)


def test_what_does_not_fit_numbers_is_refused() -> None:
    table = {"x": list(range(30)), "y": [float(i) - 3 for i in range(30)]}
    with pytest.raises(PlanError, match="`metric` rmsle needs targets of at least 0, `y` has -3"):
        danlu.fit(table, "y", metric="rmsle")
    with pytest.raises(PlanError, match="`metric` roc-auc needs classes"):
        danlu.fit(table, "y", metric="auc")
    with pytest.raises(PlanError, match="`class_weight` needs a target of classes"):
        danlu.fit(table, "y", class_weight="balanced")


def test_no_judged_rows_no_temperature_and_no_threshold() -> None:
    run = danlu.fit(rare(100), "state", metric="f1", holdout=0.0, epochs=5).run
    assert (run.calibration, run.decision, run.main_metric) == (None, None, "f1")
    weighted = danlu.fit(rare(100), "state", class_weight="balanced", holdout=0.0, epochs=5).run
    assert weighted.decision is not None
    assert weighted.calibration is not None
    assert not weighted.calibration.kept


def test_a_plan_file_holds_metric_and_class_weights() -> None:
    plan = danlu.Plan(metric="auc", class_weight="ill=5,well=0.5")
    assert (plan.metric, plan.class_weight) == ("roc-auc", {"ill": 5.0, "well": 0.5})
    assert danlu.Plan.model_validate(json.loads(plan.model_dump_json())) == plan
