"""The space of a search: ranges, choices and conditions, from TOML and from Python."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from danlu.core.errors import PlanError
from danlu.core.plan import Plan
from danlu.search import Facts, recipe
from danlu.search.halving import batches, default_space, likely, rungs, settings_for, trainings
from danlu.search.space import Choice, Range, Space, shown

TOML = """
epochs = {low = 5, high = 50, log = true}
hidden = ["64", "128,128", "none"]
layer_norm = [true, false]

[lr]
low = 1e-4
high = 0.1
log = true

[optimizer]
choices = ["sgd", "adamw"]

[momentum]
low = 0.5
high = 0.99
when = {optimizer = "sgd"}
"""


def test_a_space_is_read_from_toml(tmp_path: Path) -> None:
    (tmp_path / "space.toml").write_text(TOML)
    space = Space.read(tmp_path / "space.toml")
    assert space.names == ("epochs", "hidden", "layer_norm", "lr", "optimizer", "momentum")
    low, high = space.at([0.0] * 6), space.at([1.0] * 6)
    assert low == {"epochs": 5, "hidden": (64,), "layer_norm": True, "lr": 1e-4, "optimizer": "sgd", "momentum": 0.5}
    assert high == {"epochs": 50, "hidden": (), "layer_norm": False, "lr": 0.1, "optimizer": "adamw"}
    assert space.words()[-1].split("  ")[-1].strip() == "(with optimizer sgd)"
    assert space.words()[1].endswith("64 | 128x2 | none")


@given(st.floats(0, 1), st.booleans())
def test_a_place_in_a_range_is_found_again(u: float, log: bool) -> None:
    drawn = Range(0.001, 0.5, log=log)
    value = drawn.at(u)
    assert 0.001 <= value <= 0.5
    assert drawn.place(value) == pytest.approx(u, abs=2e-3 if log else 1e-3)


def test_a_log_range_is_even_in_its_logarithm() -> None:
    assert [Range(1, 1000, log=True, whole=True).at(u) for u in (0, 1 / 3, 2 / 3, 1)] == [1, 10, 100, 1000]


def test_a_choice_has_equal_parts() -> None:
    choice = Choice(("a", "b", "c"))
    assert [choice.at(u) for u in (0.0, 0.32, 0.34, 0.99, 1.0)] == ["a", "a", "b", "c", "c"]
    assert [choice.place(value) for value in "abc"] == pytest.approx([1 / 6, 1 / 2, 5 / 6])


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"lrr": {"low": 1, "high": 2}}, "`lrr` must be a setting to search"),
        ({"folds": [2, 5]}, "`folds` must be a setting to search"),
        ({"lr": {"low": 0.1, "high": 0.01}}, "`lr` must have low below high"),
        ({"lr": {"low": 0.0, "high": 0.01, "log": True}}, "`lr` must be above 0|low above 0"),
        ({"lr": {"low": 0.1, "hi": 0.01}}, "`lr` must have low and high, or choices"),
        ({"dropout": {"low": 0.1, "high": 2}}, "`dropout` must be below 1"),
        ({"hidden": ["64", "a lot"]}, "`hidden`"),
        ({"hidden": []}, "`hidden` must have low and high, or choices"),
        ({"optimizer": {"low": 1, "high": 2}}, "`optimizer`"),
        ({"momentum": {"low": 0.1, "high": 0.9, "when": "sgd"}}, "`when` of momentum"),
        ({"momentum": {"low": 0.1, "high": 0.9, "when": {"optimizer": "sdg"}}}, "`optimizer`"),
        ({}, "a space must name settings"),
        ([1], "a space must name settings"),
    ],
)
def test_what_is_no_space_is_refused(given: Any, said: str) -> None:
    with pytest.raises(PlanError, match=said):
        Space.read(given)


def test_a_file_that_is_no_space_is_refused(tmp_path: Path) -> None:
    (tmp_path / "broken.toml").write_text("lr = {low = ")
    for name in ("broken.toml", "absent.toml"):
        with pytest.raises(PlanError, match="a space must be"):
            Space.read(tmp_path / name)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("[lr]\nlow = -1.0\nhigh = 0.1\n", "s.toml: lr must be above 0.0, got -1.0. Use lr = 0.001."),
        ("[lr]\nlow = 1\nhigh = 0.1\n", "s.toml: lr must have low below high, got 1 and 0.1. Use low = 0.001,"),
        (
            "dropuot = [0.1]\n",
            "s.toml: dropuot must be a setting to search, it is no setting that can be searched. Did you",
        ),
        ("batch_size = [0]\n", "s.toml: batch_size must be at least 1, got 0. Use batch_size = 256, or all."),
    ],
)
def test_a_mistake_in_a_file_is_named_as_it_stands_there(tmp_path: Path, content: str, said: str) -> None:
    (tmp_path / "s.toml").write_text(content)
    with pytest.raises(PlanError) as refused:
        Space.read(str(tmp_path / "s.toml"))
    assert str(refused.value).removeprefix(f"{tmp_path}/").startswith(said)


def test_the_default_space_leaves_out_what_the_user_has_settled() -> None:
    facts = Facts(rows=5000, task="classification", classes=3, numbers=4)
    plan = Plan(hidden=(64,), epochs=10)
    space = default_space(plan, recipe(plan, facts), facts)
    assert "hidden" not in space.names
    assert "epochs" not in space.names
    assert "label_smoothing" in space.names
    own = default_space(Plan(), recipe(Plan(), facts), facts)
    start = recipe(Plan(), facts)
    for name, p in own.parameters.items():
        value, back = getattr(start, name), p.at(p.place(getattr(start, name)))
        assert back == (pytest.approx(value, rel=0.02) if isinstance(value, float) else value), name
    assert 0.3 < likely(own, start) < 4


@pytest.mark.parametrize("folds", [1, 2, 5, 10])
@pytest.mark.parametrize("settings", [8, 16, 32, 63, 64, 300])
def test_each_rung_has_more_folds_and_fewer_settings(settings: int, folds: int) -> None:
    for rows in (500, 50_000):
        steps = rungs(settings, folds, rows)
        assert steps[0].settings == settings
        assert steps[-1].folds == folds
        assert all((b.folds, b.share) > (a.folds, a.share) and b.settings < a.settings for a, b in pairwise(steps))
        assert steps[-1].share == 1
        assert trainings(settings, folds, rows) <= settings
        assert sum(batches(settings)) == settings
        assert settings_for(trainings(settings, folds, rows), folds, rows) >= settings


def test_a_holdout_of_many_rows_begins_with_a_part_of_them() -> None:
    assert [(step.share, step.settings) for step in rungs(40, 1, 5000)] == [(0.25, 40), (1, 10)]
    assert [(step.share, step.settings) for step in rungs(40, 1, 4999)] == [(1, 40)]
    assert trainings(40, 1, 5000) == 40 / 4 + 10
    assert settings_for(20, 1, 5000) == 40
    assert all(step.share == 1 for folds in (2, 5) for step in rungs(40, folds, 5000))


def test_32_settings_of_5_folds_are_less_than_ten_fits() -> None:
    assert trainings(32, 5) == pytest.approx(32 / 5 + 4 * 4 / 5)


def test_values_are_shown_as_options_take_them() -> None:
    assert [shown(v) for v in ((64, 32), (64,), 3, 0.0001, "relu", False)] == [
        "64,32",
        "64",
        "3",
        "0.0001",
        "relu",
        "no",
    ]
    assert np.isfinite(Range(0.1, 0.2).place(5.0))
