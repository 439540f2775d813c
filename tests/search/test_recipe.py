"""The recipe fills what a plan leaves open; a named network is plain PyTorch."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import danlu
from danlu.core.errors import PlanError
from danlu.core.plan import Plan, make_plan
from danlu.search import Facts, recipe
from danlu.search.defaults import TORCH_RATES, is_plain

REGRESSION = Facts(rows=5000, task="regression")
CLASSES = Facts(rows=5000, task="classification", classes=3)


@pytest.mark.parametrize("facts", [REGRESSION, CLASSES, Facts(150, "regression"), Facts(500_000, "classification", 23)])
@pytest.mark.parametrize(
    "settings",
    [{}, {"net": "linear"}, {"hidden": (8,)}, {"holdout": 0.2}, {"batch_norm": ("hidden",)}, {"early_stopping": True}],
)
def test_resolved_plan_is_complete_and_valid(facts: Facts, settings: dict[str, object]) -> None:
    resolved = recipe(make_plan(**settings), facts)
    open_ = {name for name in Plan.model_fields if getattr(resolved, name) is None}
    needed = {
        "hidden",
        "dropout",
        "init",
        "loss",
        "optimizer",
        "lr",
        "schedule",
        "epochs",
        "batch_size",
        "repeats",
        "scale",
    }
    assert not open_ & needed
    assert Plan.model_validate(resolved.model_dump()) == resolved


def test_named_layer_means_plain_torch() -> None:
    resolved = recipe(Plan(hidden=(8,)), REGRESSION)
    assert (resolved.dropout, resolved.weight_decay, resolved.schedule, resolved.label_smoothing) == (
        0,
        0,
        "constant",
        0,
    )
    assert not is_plain(Plan(lr=0.1))


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("sgd", torch.optim.SGD),
        ("adam", torch.optim.Adam),
        ("adamw", torch.optim.AdamW),
        ("rmsprop", torch.optim.RMSprop),
        ("adagrad", torch.optim.Adagrad),
    ],
)
def test_plain_rates_and_decays_are_those_of_torch(name: str, kind: type[torch.optim.Optimizer]) -> None:
    defaults = kind([torch.zeros(1)]).defaults
    resolved = recipe(make_plan(hidden=(8,), optimizer=name), REGRESSION)
    assert TORCH_RATES[name] == defaults["lr"] == resolved.lr
    assert resolved.weight_decay == defaults["weight_decay"]


def test_what_was_asked_is_kept() -> None:
    resolved = recipe(make_plan(lr=0.5, epochs=7, folds=3, batch_size="all"), REGRESSION)
    assert (resolved.lr, resolved.epochs, resolved.folds, resolved.batch_size) == (0.5, 7, 3, "all")


@pytest.mark.parametrize(
    ("settings", "facts", "said"),
    [
        ({"loss": "mse"}, CLASSES, "needs numeric targets"),
        ({"loss": "cross-entropy"}, REGRESSION, "needs classes"),
        ({"loss": "binary-cross-entropy"}, CLASSES, "two classes"),
        ({"loss": "poisson", "scale_target": "standard"}, REGRESSION, "scale_target"),
        ({"label_smoothing": 0.1}, REGRESSION, "cross-entropy"),
    ],
)
def test_loss_must_fit_the_task(settings: dict[str, object], facts: Facts, said: str) -> None:
    with pytest.raises(PlanError, match=said):
        recipe(make_plan(**settings), facts)


def test_small_tables_get_repeats() -> None:
    assert (recipe(Plan(), Facts(150, "regression")).repeats or 0) > 1
    assert recipe(Plan(), REGRESSION).repeats == 2
    assert recipe(Plan(), Facts(20_000, "regression")).repeats == 1


@pytest.mark.parametrize(("least", "scale"), [(0.0, "log"), (3.0, "mixed")])
def test_the_logarithm_of_a_skewed_target_is_learnt_where_it_is_better_or_as_good(least: float, scale: str) -> None:
    rng = np.random.default_rng(5)
    x, y = rng.normal(size=(2, 500))
    worth = least + np.exp(0.8 * x + 0.5 * np.sin(3 * y) + 0.05 * rng.normal(size=500))
    worth += 0.3 * least * rng.normal(size=500)
    given = {"folds": 3, "repeats": 2, "neighbours": "off", "epochs": 30}
    table = {"x": x, "y": y, "worth": worth}
    model = danlu.fit(table, "worth", **given)
    assert model.run.resolved.scale_target == scale
    again = danlu.fit(table, "worth", **given, scale_target=scale)
    assert again.predict(table).tolist() == model.predict(table).tolist(), "the setting alone decides"


def test_with_repeats_every_other_one_learns_the_logarithm() -> None:
    rng = np.random.default_rng(6)
    x, y = rng.normal(size=(2, 300))
    table = {"x": x, "y": y, "worth": np.exp(x + 0.3 * y + 0.1 * rng.normal(size=300))}
    model = danlu.fit(table, "worth", folds=2, repeats=2, neighbours="off", epochs=20, scale_target="mixed")
    assert model.tensors["preparation.log_K"].tolist() == [False, False, True, True]
    outputs = model.to_torch().members
    x_NF, codes_NQ = torch.from_numpy(np.stack([x, y], 1)).float(), torch.zeros(300, 0, dtype=torch.int32)
    with torch.no_grad():
        said = torch.stack([member(x_NF, codes_NQ) for member in outputs])
    assert bool((said[2:] > 0).all()), "what is an exponential is above 0"
    np.testing.assert_allclose(model.predict(table), said.mean(0)[:, 0].double().numpy(), rtol=1e-4)


def test_a_logarithm_needs_targets_above_0() -> None:
    table = {"x": [1.0, 2.0, 3.0, 4.0] * 10, "y": [0.0, 1.0, 2.0, 3.0] * 10}
    with pytest.raises(PlanError, match="`scale_target` log needs targets above 0, `y` has 0"):
        danlu.fit(table, "y", task="regression", scale_target="log", epochs=1)
