"""The plan refuses what cannot be, in the form rule, fact, remedy."""

from __future__ import annotations

import pytest

from danlu.core.errors import PlanError
from danlu.core.plan import Plan, make_plan


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"folds": 1}, "`folds` must be at least 2, got 1. Use folds=5, or holdout=0.2."),
        ({"fold": 3}, "`fold` must be a setting of the plan, there is none of that name. Did you mean `folds`?"),
        ({"hidden": "a,b"}, "`hidden` must be widths such as 256,128 or 130x20, got 'a,b'. Use hidden=256,128."),
        ({"lr": "quick"}, "`lr` must be a number, got 'quick'. Use lr=0.001."),
        (
            {"folds": 3, "holdout": 0.2},
            "rows can be divided in one way only, got `folds` and `holdout`. Give one of them.",
        ),
        ({"batch_size": 0}, "`batch_size` must be at least 1, got 0. Use batch_size=256, or all."),
        (
            {"momentum": 0.9, "optimizer": "adam"},
            "`momentum` belongs to optimizer sgd or rmsprop, got adam. Use optimizer=sgd.",
        ),
        (
            {"patience": 3},
            "`patience` belongs to early stopping, which is off. Use early_stopping=true, or leave it out.",
        ),
        ({"kernel": 3}, "`kernel` belongs to net cnn, got net auto. Use net=cnn."),
        ({"net": "mlp", "conv": 8}, "`conv` belongs to net cnn, got net mlp. Use net=cnn."),
        (
            {"net": "cnn", "layer_norm": True},
            "net cnn starts and normalises as PyTorch does, got `layer_norm`. Leave it out.",
        ),
    ],
)
def test_refusals(settings: dict[str, object], message: str) -> None:
    with pytest.raises(PlanError) as caught:
        make_plan(**settings)
    assert str(caught.value) == message
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    "settings",
    [{"schedule": "ste:3"}, {"activation": "rel"}, {"kinds": "a=nmber"}, {"batch_norm": "hid"}, {"lr": float("nan")},
     {"hidden": (0,)}, {"init": "normal:x"}, {"loss": "huber:1:2"}, {"net": "linear", "hidden": 3}, {"seed": -1},
     {"nesterov": True}, {"time": "t", "group": "g"}, {"fold_column": "f", "group": "g"}, {"fold_column": "f", "repeats": 2}],
)  # fmt: skip
def test_all_refusals_are_plan_errors(settings: dict[str, object]) -> None:
    with pytest.raises(PlanError):
        make_plan(**settings)


def test_text_values_of_a_command_line_are_understood() -> None:
    plan = make_plan(
        target="a, b", hidden="130x3,2", batch_norm="input,hidden", kinds="zip=category,day=date", batch_size="64",
        lr="1e-3", init="normal:0.01", init_bias="-0.2", early_stopping="false", folds="7",
    )  # fmt: skip
    assert plan.target == ("a", "b")
    assert plan.hidden == (130, 130, 130, 2)
    assert plan.batch_norm == ("input", "hidden")
    assert plan.kinds == {"zip": "category", "day": "date"}
    assert (plan.batch_size, plan.lr, plan.init_bias, plan.early_stopping, plan.folds) == (64, 0.001, -0.2, False, 7)


def test_every_setting_has_help_and_a_group() -> None:
    for name, field in Plan.model_fields.items():
        assert field.description, name
        extra = field.json_schema_extra
        assert isinstance(extra, dict), name
        assert extra["group"] in ("data", "rows", "network", "training", "effort", "machine"), name
