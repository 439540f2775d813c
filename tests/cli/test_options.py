"""The options of `danlu fit` are the settings of the plan, no more and no less."""

from __future__ import annotations

from typing import Any

import pytest
from typer.main import get_command

from danlu.cli.fit import app
from danlu.cli.flags import flag, in_flags
from danlu.cli.options import PANELS, given, is_switch
from danlu.core.paths import model_name
from danlu.core.plan import Plan, make_plan

OUTPUT = {"data", "output", "force", "page", "as_json", "quiet", "watch"}


def plan_of(*words: str) -> Plan:
    """Return the plan that `danlu fit x.csv WORDS` asks for."""
    context = get_command(app).make_context("fit", ["x.csv", *words])
    return make_plan(**given({name: value for name, value in context.params.items() if name not in OUTPUT}))


def test_every_setting_is_an_option_with_its_own_line_of_help_and_its_panel() -> None:
    options: dict[str, Any] = {param.name: param for param in get_command(app).params}
    assert set(options) == set(Plan.model_fields) | OUTPUT
    for name, field in Plan.model_fields.items():
        if name == "data":
            continue
        assert options[name].opts[0] == flag(name)
        assert options[name].help.startswith(field.description)
        assert isinstance(field.json_schema_extra, dict)
        assert options[name].rich_help_panel == PANELS[str(field.json_schema_extra["group"])]
        assert options[name].is_bool_flag == is_switch(field)


@pytest.mark.parametrize(
    ("words", "name", "value"),
    [
        (["--target", "price"], "target", ("price",)),
        (["-t", "a,b"], "target", ("a", "b")),
        (["--target", "3"], "target", ("3",)),
        (["--drop", "id", "--drop", "zip, street"], "drop", ("id", "zip", "street")),
        (["--drop", 'id,"Size, m2"'], "drop", ("id", "Size, m2")),
        (
            ["--kind", "zip=category", "--kinds", "day=date,a=b=number"],
            "kinds",
            {"zip": "category", "day": "date", "a=b": "number"},
        ),
        (["--missing", "-999"], "missing", ("-999",)),
        (["--hidden", "130x3,64"], "hidden", (130, 130, 130, 64)),
        (["--hidden", "none"], "hidden", ()),
        (["--batch-size", "all"], "batch_size", "all"),
        (["--batch-size", "64"], "batch_size", 64),
        (["--init-bias", "-0.2"], "init_bias", -0.2),
        (["--init-bias", "default"], "init_bias", "default"),
        (["--early-stopping"], "early_stopping", True),
        (["--no-early-stopping"], "early_stopping", False),
        (["--no-header"], "header", False),
        ([], "header", None),
        (["--refit"], "refit", True),
        ([], "refit", False),
        (["--batch-norm", "input,hidden"], "batch_norm", ("input", "hidden")),
        (["--holdout", "0"], "holdout", 0.0),
        (["--lr=1e-3"], "lr", 0.001),
        (["--seed", "7"], "seed", 7),
        (["--loss", "huber:1"], "loss", "huber:1"),
        (["--budget", "5m"], "budget", 300.0),
        (["--neighbours", "longitude,latitude"], "neighbours", (("longitude", "latitude"),)),
        (["--neighbours", "all"], "neighbours", ((),)),
        (["--neighbours", "off"], "neighbours", ()),
    ],
)
def test_words_become_settings(words: list[str], name: str, value: object) -> None:
    plan = plan_of(*words)
    assert getattr(plan, name) == value
    assert plan == make_plan(**{name: value})


@pytest.mark.parametrize("name", list(Plan.model_fields))
def test_messages_name_options_as_they_are_typed(name: str) -> None:
    assert in_flags(f"`{name}` must be right. Use {name}=3.") == f"`{flag(name)}` must be right. Use {flag(name)} 3."


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("houses.csv", "houses"),
        ("a/b/houses.v2.csv.gz", "houses.v2"),
        ("California", "California"),
        ("danlu:california", "california"),
        ("-", "table"),
        ("房价.xlsx", "房价"),
    ],
)
def test_a_model_is_called_after_its_table(source: str, name: str) -> None:
    assert model_name(source) == name
