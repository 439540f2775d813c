"""The recipe fills what a plan leaves open; a named network is plain PyTorch."""

from __future__ import annotations

import pytest
import torch

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
    assert recipe(Plan(), REGRESSION).repeats == 1
