"""`danlu show --memory`: of a model, and of a class before any fit."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import danlu as package
from danlu.core.errors import PlanError

Danlu = Callable[..., Any]
FILE = """
from torch import nn


class Mlp(nn.Sequential):
    def __init__(self, inputs, outputs):
        super().__init__(nn.Linear(inputs, 256), nn.ReLU(), nn.Linear(256, outputs))


class Images(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(1, 6, 3), nn.ReLU(), nn.Flatten(), nn.Linear(6 * 26 * 26, 10))

    def forward(self, x):
        return self.body(x)
"""


@pytest.fixture
def net(tmp_path: Path) -> str:
    (tmp_path / "net.py").write_text(FILE)
    return "net.py:Mlp"


def test_a_class_before_any_fit(danlu: Danlu, net: str) -> None:
    words = ("show", net, "--memory", "--input-shape", "256,784", "--outputs", "10")
    ended = danlu(*words)
    assert (ended.code, ended.err) == (0, "")
    lines = [" ".join(line.split()) for line in ended.out.splitlines()]
    assert lines[0] == "net.py:Mlp one network, batches of 256 rows"
    # By hand: 4 x (784 x 256 + 256) = 803,840; 4 x 256 x 256 = 262,144 values; Adam twice the parameters.
    assert "0 Linear 803,840 262,144 803,840 1,607,680" in lines
    assert "1 ReLU 262,144 262,144" in lines
    assert "sum 814,120 262,144 534,528 814,120 1,628,240" in lines
    assert any("Training takes" in line for line in lines)
    assert max(map(len, ended.out.splitlines())) <= 80
    answer = json.loads(danlu(*words, "--json").out)
    assert answer["training"] == {
        "parameters": 814_120,
        "inputs": 802_816,
        "activations": 262_144,
        "gradients": 814_120,
        "optimizer": 1_628_240,
        "total": 4_321_440,
    }
    assert answer["prediction"]["total"] == 814_120 + 802_816 + 2 * 262_144
    assert answer["kept"] == 802_816 + 262_144
    assert answer["kept_by"] == "autograd"
    plain = json.loads(danlu(*words, "--json", "--optimizer", "sgd", "--batch-size", "32").out)
    assert (plain["training"]["optimizer"], plain["rows"]) == (0, 32)


def test_images(danlu: Danlu, net: str) -> None:
    answer = json.loads(danlu("show", "net.py:Images", "--memory", "--input-shape", "8,1,28,28", "--json").out)
    kept = {layer["name"]: layer["activations"] for layer in answer["layers"]}
    assert kept["body.1"] == 4 * 8 * 6 * 26 * 26
    assert kept["body.3"] == 0, "the values before it are kept already"


def test_a_model(danlu: Danlu, houses: Path) -> None:
    fitted = danlu("fit", "houses.csv", "--target", "price", "--hidden", "64,32", "--epochs", "3", "-q", "--no-page")
    assert fitted.code == 0, fitted.err
    ended = danlu("show", "houses.danlu", "--memory")
    assert ended.code == 0, ended.err
    assert "hidden.0 Linear" in ended.out
    assert "to train all 5 at once" in ended.out
    assert max(map(len, ended.out.splitlines())) <= 80
    answer = json.loads(danlu("show", "houses.danlu", "--memory", "--json").out)
    own = [layer for layer in answer["layers"] if not layer["name"].startswith("(")]
    run = package.load("houses.danlu").run
    assert sum(layer["parameters"] for layer in own) == 4 * run.parameters
    assert answer["rows"] == 96, "96 of 120 rows in a fold, all in one batch"
    assert answer["networks"] == 5
    assert answer["all"]["training"] == 5 * answer["training"]["total"]
    odd = danlu("show", "houses.danlu", "--memory", "--batch-size", "40").out
    assert odd.splitlines()[0].endswith("batches of 40 rows, filled up to 64")
    more = json.loads(danlu("show", "houses.danlu", "--memory", "--json", "--batch-size", "960").out)
    assert more["training"]["activations"] == pytest.approx(10 * answer["training"]["activations"], rel=0.01)
    sgd = json.loads(danlu("show", "houses.danlu", "--memory", "--json", "--optimizer", "sgd").out)
    assert sgd["training"]["optimizer"] < answer["training"]["optimizer"] / 3


def test_a_model_of_a_users_class(danlu: Danlu, houses: Path, net: str) -> None:
    words = ("fit", "houses.csv", "--target", "price", "--net", net, "--epochs", "2", "-q", "--no-page")
    assert danlu(*words).code == 0
    assert "0 Linear" in danlu("show", "houses.danlu", "--memory", "--net", net).out
    ended = danlu("show", "houses.danlu", "--memory")
    assert ended.code == 2
    assert "--net net.py:Mlp" in ended.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("net.py:Mlp", "--memory"), "needs the shape of a batch, got none.\nUse --input-shape 256,784"),
        (("net.py:Mlp", "--memory", "--input-shape", "a,b"), "must be whole numbers with commas"),
        (("net.py:Mlp", "--memory", "--input-shape", "256"), "must be rows and what each has"),
        (("net.py:Mlp", "--memory", "--input-shape", "256,0"), "must be rows and what each has"),
        (("net.py:Images", "--memory", "--input-shape", "8,3,28,28"), "given [8, 3, 28, 28] it raised RuntimeError"),
        (("net.py:Mpl", "--memory", "--input-shape", "8,3"), "Did you mean `Mlp`?"),
        (("net.py:Mlp", "--memory", "--input-shape", "8,3", "--optimizer", "adm"), "`--optimizer` must be"),
        (("net.py:Mlp", "--memory", "--input-shape", "8,3", "--batch-size", "0"), "`--batch-size` must be at least 1"),
        (("net.py:Mlp", "--memory", "--input-shape", "8,3", "--batch-size", "all"), "must be a number here"),
        (("net.py:Mlp",), "Add --memory"),
        (("x.danlu", "--optimizer", "adam"), "`--optimizer` says something of memory"),
        (("x.danlu", "--plan", "--memory"), "print different things"),
        (("x.danlu", "--memory"), "x.danlu"),
    ],
)
def test_what_cannot_be_shown(danlu: Danlu, net: str, words: tuple[str, ...], said: str) -> None:
    ended = danlu("show", *words)
    assert ended.code in (2, 6)
    assert " ".join(said.split()) in " ".join(ended.err.split())
    assert "Traceback" not in ended.err


def test_from_python(houses: Path) -> None:
    from torch import nn, zeros

    network = nn.Sequential(nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 10))
    found = package.footprint(network)
    assert (found.rows, found.inputs) == (256, 4 * 256 * 784)
    assert package.footprint(network, input_shape=zeros(8, 784), batch_size=16).inputs == 4 * 16 * 784
    made = package.footprint(lambda inputs, outputs: nn.Linear(inputs, outputs), input_shape=(4, 3), outputs=2)
    assert [(layer.name, layer.parameters) for layer in made.layers] == [("Linear", 32)]
    model = package.fit(houses, "price", hidden=(8,), epochs=2)
    assert package.footprint(model, batch_size=64).rows == 64
    with pytest.raises(PlanError, match="a model knows its columns"):
        package.footprint(model, input_shape=(2, 3))
    with pytest.raises(PlanError, match="needs the shape of a batch"):
        package.footprint(nn.Sequential(nn.Conv2d(1, 1, 1)))
    with pytest.raises(PlanError, match="`batch_size` must be at least 1"):
        package.footprint(network, batch_size=0)
    with pytest.raises(PlanError, match="needs a model, a module, or a class"):
        package.footprint("mlp")
