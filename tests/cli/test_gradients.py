"""`danlu gradients`: exit codes, the table at 80 columns, and one JSON object."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

NETS = """
import random
import torch
from torch import nn


class Square(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x**2

    @staticmethod
    def backward(ctx, grad):
        (x,) = ctx.saved_tensors
        return grad * x  # the 2 is forgotten


class Squared(nn.Module):
    def forward(self, x):
        return Square.apply(x)


class Net(nn.Sequential):
    def __init__(self, inputs, outputs):
        super().__init__(nn.Linear(inputs, 16), nn.ReLU(), nn.Linear(16, outputs))


class Bad(nn.Sequential):
    def __init__(self, inputs, outputs):
        super().__init__(nn.Linear(inputs, 8), Squared(), nn.Linear(8, outputs))


class Zero(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 1))
        nn.init.zeros_(self[0].weight)
        nn.init.zeros_(self[0].bias)


class Chance(nn.Linear):
    def forward(self, x):
        return super().forward(x) * random.SystemRandom().random()


class Broken(nn.Linear):
    def forward(self, x):
        hidden = torch.exp(super().forward(x))
        hidden *= 2
        return hidden
"""


@pytest.fixture
def nets(tmp_path: Path) -> Path:
    path = tmp_path / "nets.py"
    path.write_text(NETS, encoding="utf-8")
    return path


def test_a_right_module_leaves_with_0(danlu, nets: Path) -> None:
    ended = danlu("gradients", "nets.py:Net")
    assert ended.code == 0, ended.err
    lines = ended.out.splitlines()
    assert lines[0] == "nets.py:Net  all gradients are right"
    assert max(map(len, lines)) <= 80
    assert any(line.split()[:4] == ["0.weight", "16", "x", "8"] and "100 of 128" in line for line in lines)
    assert any(line.split()[:3] == ["0.bias", "16", "all"] and line.split()[-1] == "right" for line in lines)
    assert not ended.err


def test_a_mistake_leaves_with_1_and_is_named(danlu, nets: Path) -> None:
    ended = danlu("gradients", "nets.py:Bad", "--input-shape", "4,6", "--loss", "mse")
    said = " ".join(ended.out.split())
    assert ended.code == 1
    assert "nets.py:Bad a gradient is wrong" in said
    assert "0.weight: 48 of 48 entries wrong, 0.5 times what they should be" in said
    assert "at fault 1 (Squared): the gradient by its input is wrong" in said
    assert "2.weight: " not in said
    assert max(map(len, ended.out.splitlines())) <= 80


@pytest.mark.parametrize(
    ("name", "words", "code", "said"),
    [
        ("Zero", [], 0, "some at a kink"),
        ("Chance", ["--net", "x.py:Y"], 2, "`--net` does not belong here"),
        ("Bad", ["--input-shape", "4,0"], 2, "`--input-shape` must be whole numbers above 0"),
        ("Bad", ["--input-shape", "4,a"], 2, "`--input-shape` must be whole numbers with commas"),
        ("Net", ["--outputs", "5", "--loss", "cross-entropy"], 0, "2.bias 5 all 5"),
        ("Bad", ["--most", "0"], 2, "`--most` must be at least 1"),
        ("Bad", ["--tolerance", "2"], 2, "`--tolerance` must be between 0 and 1"),
        ("Bad", ["--loss", "mes"], 2, "mse"),
        ("Bad", ["--member", "3"], 2, "`--member` does not belong here"),
        ("Bad", ["--target", "y"], 2, "got no table"),
        ("Bd", [], 2, "Did you mean `Bad`?"),
    ],
)
def test_exit_codes_and_reasons(danlu, nets: Path, name: str, words: list[str], code: int, said: str) -> None:
    ended = danlu("gradients", f"nets.py:{name}", *words)
    assert ended.code == code, ended.err
    assert said in " ".join((ended.out + ended.err).split())
    assert "Traceback" not in ended.err


@pytest.mark.parametrize(
    ("name", "kind", "where", "verdict"),
    [
        ("Chance", "non-deterministic", "Chance", "unsure"),
        (
            "Broken",
            "in-place",
            f"`mul` in Broken (nets.py, line {NETS.splitlines().index('        hidden *= 2') + 1})",
            "wrong",
        ),
    ],
)
def test_json_of_what_cannot_be_compared(danlu, nets: Path, name: str, kind: str, where: str, verdict: str) -> None:
    nets.write_text(NETS + f"\n\ndef make():\n    return {name}(3, 2)\n", encoding="utf-8")
    ended = danlu("gradients", "nets.py:make", "--json")
    answer = json.loads(ended.out)
    assert ended.code == 1
    assert (answer["verdict"], answer["parameters"]) == (verdict, [])
    assert [(fault["kind"], fault["where"], fault["severity"]) for fault in answer["faults"]] == [
        (kind, where, "error")
    ]


def test_json_has_every_parameter_in_full_precision(danlu, nets: Path) -> None:
    ended = danlu("gradients", "nets.py:Bad", "--json", "--seed", "3", "--most", "10")
    answer = json.loads(ended.out)
    assert ended.code == 1
    assert (answer["module"], answer["data"], answer["verdict"], answer["seed"]) == ("nets.py:Bad", None, "wrong", 3)
    first = answer["parameters"][0]
    assert (first["name"], first["shape"], first["checked"], first["size"]) == ("0.weight", [8, 8], 10, 64)
    assert first["worst"]["analytic"] == pytest.approx(first["worst"]["numeric"] / 2, rel=1e-6)
    assert first["error"] == pytest.approx(0.5, rel=1e-6)
    assert answer["formula"].startswith("relative error = |analytic - numeric| / max(")


def test_a_table_and_a_model(danlu, nets: Path, houses: Path) -> None:
    ended = danlu("gradients", "nets.py:Net", "houses.csv", "--target", "price")
    assert ended.code == 0, ended.err
    assert "32 of 120 rows of houses.csv" in ended.out
    assert danlu("fit", "houses.csv", "--target", "price", "--epochs", "2", "--no-page").code == 0
    ended = danlu("gradients", "houses.danlu", "houses.csv", "--member", "1", "--most", "10")
    assert ended.code == 0, ended.err
    assert "network 1 of" in ended.out
    assert "the loss mse, mean over rows" in ended.out
    assert "hidden.0.weight" in ended.out
    ended = danlu("gradients", "houses.danlu", "--member", "99")
    assert ended.code == 2
    assert "`--member` must be from 0 to" in ended.err
    assert danlu("gradients", "none.danlu").code == 6
    assert "Use nets.py:CLASS" in danlu("gradients", "nets.py").err
