"""`danlu trace`: the numbers of the lessons by the command line, readable at 80 columns, refused clearly."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from cli.conftest import Danlu

NET = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.first = nn.Linear(inputs, 300)
        self.last = nn.Linear(300, outputs)

    def forward(self, x):
        return self.last(torch.relu(self.first(x)))
"""


def test_the_lesson_gives_the_four_factors(danlu: Danlu) -> None:
    ended = danlu("trace", "three-sigmoids", "--weight", "layer1[0,0]", "--json")
    assert ended.code == 0, ended.err
    answer = json.loads(ended.out)
    assert [round(factor["value"], 6) for factor in answer["chain"]["factors"]] == [2.466424, 0.3, 0.196612, 1.0]
    assert answer["chain"]["product"] == pytest.approx(0.145479, abs=5e-7)
    assert answer["loss"]["value"] == pytest.approx(1.520812, abs=5e-7)
    assert [layer["name"] for layer in answer["layers"]] == ["input", "layer1", "layer1.sigmoid", "layer2"]
    assert answer["layers"][1]["outputs"] == [pytest.approx([1.0, 1.3, 0.8])]
    assert answer["left_out"] == []


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--gradient", "forward-difference:0.0001"], [0.00032757, 0.00030536, -0.017475]),
        (["--gradient", "forward-difference:0.0001", "--dtype", "float32"], [0.00032771, 0.00030548, -0.017478]),
        ([], [0.00032619, 0.00030402, -0.017436]),
    ],
)
def test_the_three_descents_are_told_apart(danlu: Danlu, words: list[str], expected: list[float]) -> None:
    ended = danlu("trace", "three-sigmoids-biases", "--steps", "100", "--lr", "0.01", *words, "--json")
    descent = json.loads(ended.out)["descent"]
    found = [descent["losses"][99], descent["loss_after"], descent["output"][0][0]]
    assert [float(f"{value:.5g}") for value in found] == expected
    assert [round(loss, 5) for loss in descent["losses"][:2]] == [0.33455, 0.31208]


def test_all_of_it_is_readable_at_80_columns(danlu: Danlu) -> None:
    Path("net.py").write_text(NET, encoding="utf-8")
    for words in (
        ["three-sigmoids"],
        ["three-sigmoids-biases", "--steps", "100"],
        ["net.py:Net", "--input", "1,2;3,4", "--target", "0;1", "--weight", "first.weight[7,1]"],
    ):
        ended = danlu("trace", *words)
        assert ended.code == 0, ended.err
        assert max(map(len, ended.out.splitlines())) <= 80
        assert len(ended.out.splitlines()) < 90


def test_a_large_layer_is_summarised_unless_all_is_asked_for(danlu: Danlu) -> None:
    Path("net.py").write_text(NET, encoding="utf-8")
    words = ["trace", "net.py:Net", "--input", "1,2", "--target", "1"]
    few, everything = danlu(*words), danlu(*words, "--all")
    assert "and 598 more" in few.out
    assert "first.weight[299,1]" not in few.out
    assert "layer1.weight[299,1]" in everything.out
    answer = json.loads(
        danlu("trace", "net.py:Net", "--input", ";".join(["1,2"] * 20), "--target", ";".join("0" * 20), "--json").out
    )
    assert "layer1: outputs" in answer["left_out"]
    assert answer["layers"][1]["outputs"] is None
    assert answer["layers"][1]["shape"] == [20, 300]


def test_random_numbers_are_said(danlu: Danlu) -> None:
    Path("net.py").write_text(NET, encoding="utf-8")
    ended = danlu("trace", "net.py:Net")
    assert "random x" in ended.out
    assert "random targets, seed 0" in ended.out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["three-sigmoid"], "Lessons: three-sigmoids, three-sigmoids-biases"),
        (["three-sigmoids", "--weight", "layer1[0,2]"], "3 x 2 (unit, input), got [0,2]"),
        (["three-sigmoids", "--weight", "layr2[0,0]"], "Did you mean `layer2`"),
        (["three-sigmoids", "--row", "0", "--rows", "0:1"], "Leave one of them out"),
        (["three-sigmoids", "--input", "1,2"], "are for FILE.py:CLASS"),
        (["three-sigmoids", "table.csv"], "DATA belongs to a model"),
        (["three-sigmoids", "-o", "page.txt"], "must end in .html"),
        (["net.py"], "a file must be named with a class in it"),
        (["three-sigmoids", "--gradient", "exat", "--steps", "1"], "Did you mean `exact`"),
    ],
)
def test_mistakes_are_refused_in_words(danlu: Danlu, words: list[str], said: str) -> None:
    ended = danlu("trace", *words)
    assert ended.code in (2, 3)
    assert ended.out == ""
    assert said in " ".join(ended.err.split())


def test_a_saved_model_is_traced_on_rows_of_a_table_and_drawn(danlu: Danlu, houses: Path) -> None:
    fitted = danlu(
        "fit", str(houses), "--target", "price", "--hidden", "6", "--epochs", "1", "--folds", "2", "--no-page"
    )
    assert fitted.code == 0, fitted.err
    ended = danlu(
        "trace", "houses.danlu", str(houses), "--rows", "3:6", "--member", "1", "--weight", "hidden.0.weight[2,0]",
        "-o", "page.html", "--json",
    )  # fmt: skip
    assert ended.code == 0, ended.err
    answer = json.loads(ended.out)
    assert answer["rows"] == [3, 4, 5]
    assert answer["chain"]["product"] == pytest.approx(answer["chain"]["autograd"], rel=1e-9)
    assert answer["layers"][0]["labels"][0] == "area"
    assert Path("page.html").stat().st_size > 10_000
    again = danlu("trace", "houses.danlu", str(houses), "-o", "page.html")
    assert again.code == 5
