"""Whole jobs with a class of the user's own, from Python and from the command line."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import danlu
from danlu.cli import main
from danlu.cli.planfile import read_plan
from danlu.core.errors import PlanError
from danlu.core.plan import make_plan
from support.tables import flowers, houses, write_csv

QUICK: dict[str, Any] = {"epochs": 10, "folds": 3}
FILE = """
from torch import nn


class Net(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(inputs, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.1), nn.Linear(16, outputs)
        )

    def forward(self, x):
        return self.net(x)


class Branching(Net):
    def forward(self, x):
        return self.net(x) if x.sum() > 0 else self.net(x)
"""


class Mlp(nn.Module):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(inputs, 8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, outputs))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.net(x)


@pytest.fixture
def program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """`danlu WORDS` in a folder with houses.csv and my_net.py: exit code, output, errors."""
    monkeypatch.chdir(tmp_path)
    write_csv(houses(), tmp_path / "houses.csv")
    (tmp_path / "my_net.py").write_text(FILE)

    def run(*words: str) -> tuple[int, str, str]:
        capsys.readouterr()
        monkeypatch.setattr(sys, "stdin", io.StringIO())
        with pytest.raises(SystemExit) as ended:
            main(list(words))
        printed = capsys.readouterr()
        return int(ended.value.code or 0), printed.out, printed.err

    return run


@pytest.mark.parametrize(("table", "target"), [(houses, "price"), (flowers, "kind")])
def test_an_equal_mlp_learns_what_the_stacked_one_learns(table: Callable[[], Any], target: str) -> None:
    """Same first numbers, batches and steps: in float64 the same predictions."""
    setting = {"dtype": "float64", **QUICK}
    own, stacked = danlu.fit(table(), target, net=Mlp, **setting), danlu.fit(table(), target, hidden=(8, 8), **setting)
    assert own.run.parameters == stacked.run.parameters
    ours, theirs = own.arrays["predicted_NC"], stacked.arrays["predicted_NC"]
    np.testing.assert_allclose(ours, theirs, rtol=1e-4)


def test_a_class_in_python_is_kept_by_name_and_hash(tmp_path: Path) -> None:
    model = danlu.fit(houses(), "price", net=Mlp, **QUICK)
    module = model.run.network.module
    assert module is not None
    assert (model.run.plan.net, module.name) == ("Mlp (given in Python)", "Mlp")
    assert "Mlp" in repr(model)
    model.save(tmp_path / "m.danlu")
    again = danlu.load(tmp_path / "m.danlu", net=Mlp)
    np.testing.assert_array_equal(again.predict(houses()), model.predict(houses()))
    inner = again.to_torch().members[0].network
    assert type(inner) is Mlp
    assert (
        str(Path(__file__).name)
        not in (tmp_path / "m.danlu")
        .joinpath(next(path.name for path in (tmp_path / "m.danlu").glob("run-*.json")))
        .read_text()
    ), "a model never says where code is"

    without = danlu.load(tmp_path / "m.danlu")
    assert "Mlp" in repr(without)
    assert "Mlp" in without.report(tmp_path / "page.html").read_text()
    with pytest.raises(PlanError, match="needs the class Mlp again"):
        without.predict(houses())
    with pytest.raises(PlanError, match="must be the class Mlp that was trained, got Linear"):
        danlu.load(tmp_path / "m.danlu", net=nn.Linear)
    with pytest.raises(PlanError, match="Mlp was a class in Python"):
        danlu.fit(houses(), "price", plan=model.run.plan)
    plain = danlu.fit(houses(), "price", net="linear", **QUICK)
    plain.save(tmp_path / "plain.danlu")
    with pytest.raises(PlanError, match="this model's networks are Danlu's"):
        danlu.load(tmp_path / "plain.danlu", net=Mlp)


def test_from_a_file_on_the_command_line(program: Callable[..., tuple[int, str, str]], tmp_path: Path) -> None:
    net = ("--net", "my_net.py:Net")
    code, said, error = program("fit", "houses.csv", "--target", "price", *net, "--epochs", "5", "-q")
    assert (code, error) == (0, "")
    assert "Net(inputs=" in said
    assert "numbers" in said
    assert "--net" in said.partition("next")[2]

    code, said, _ = program("predict", "houses.danlu", "houses.csv", *net, "--json")
    assert code == 0
    predicted = json.loads(said)["predictions"]["prediction"]
    loaded = danlu.load(tmp_path / "houses.danlu", net="my_net.py:Net")
    np.testing.assert_allclose(predicted, loaded.predict("houses.csv"))
    assert program("score", "houses.danlu", "houses.csv", *net)[0] == 0

    for command in (("predict", "houses.danlu", "houses.csv"), ("score", "houses.danlu", "houses.csv")):
        code, _, error = program(*command)
        assert code == 2
        assert "Use --net my_net.py:Net." in error
    for command in ((), net):
        code, said, _ = program("show", "houses.danlu", *command)
        assert code == 0
        assert "my_net.py:Net, a class of your own" in said
    page = (tmp_path / "houses.html").read_text()
    assert "networks of my_net.py:Net" in page
    assert "--net my_net.py:Net" in page

    (tmp_path / "my_net.py").write_text(FILE.replace("16", "17"))
    for command in (("predict", "houses.danlu", "houses.csv", *net), ("show", "houses.danlu", *net)):
        code, _, error = program(*command)
        assert code == 2
        assert "another SHA-256" in error
    code, _, error = program("predict", "houses.danlu", "houses.csv", "--net", "my_net.py:Branching")
    assert code == 2
    assert "must be the class my_net.py:Net that was trained" in error


def test_networks_that_run_one_after_another_are_said(program: Callable[..., tuple[int, str, str]]) -> None:
    words = ("fit", "houses.csv", "--target", "price", "--net", "my_net.py:Branching", "--epochs", "2", "--folds", "2")
    code, said, _ = program(*words, "-q", "--no-page", "--json")
    assert code == 0
    assert "one after another" in json.loads(said)["inferred"]["network"]


def test_the_rate_of_dropout_can_be_asked_for(program: Callable[..., tuple[int, str, str]]) -> None:
    own = danlu.fit("houses.csv", "price", net="my_net.py:Net", **QUICK)
    assert own.run.resolved.dropout == 0.1
    more = danlu.fit("houses.csv", "price", net="my_net.py:Net", dropout=0.5, **QUICK)
    assert more.to_torch().members[0].network.net[3].p == 0.5
    assert not np.allclose(more.predict("houses.csv"), own.predict("houses.csv"))
    same = danlu.fit("houses.csv", "price", net="my_net.py:Net", dropout=0.1, **QUICK)
    np.testing.assert_array_equal(same.predict("houses.csv"), own.predict("houses.csv"))
    with pytest.raises(PlanError, match="Mlp has none"):
        danlu.fit("houses.csv", "price", net=Mlp, dropout=0.5, **QUICK)


def test_a_plan_file_names_the_class_beside_it(program: Callable[..., tuple[int, str, str]], tmp_path: Path) -> None:
    (tmp_path / "plan.toml").write_text('data = "houses.csv"\nnet = "my_net.py:Net"\n')
    assert read_plan(tmp_path / "plan.toml")["net"] == str(tmp_path / "my_net.py:Net")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"net": "mpl"}, r"`net` must be auto, linear, mlp, cnn, or FILE\.py:CLASS, got 'mpl'\. Did you mean `mlp`\?$"),
        ({"net": "my_net.py"}, "Name the class in it too"),
        ({"net": 3}, "`net` must be text"),
        ({"net": "n.py:N", "hidden": 8}, "decides its layers, got `hidden` too"),
        ({"net": "n.py:N", "init": "xavier"}, "decides its layers, got `init` too"),
        ({"net": "n.py:N", "precision": "bfloat16"}, "got `precision` bfloat16"),
    ],
)
def test_what_a_plan_cannot_ask_of_a_class(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(PlanError, match=message):
        make_plan(**settings)
