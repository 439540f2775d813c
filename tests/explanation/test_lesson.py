"""Lessons are checked before anything is computed."""

from __future__ import annotations

import numpy as np
import pytest

import danlu
from danlu.core.errors import DataError, PlanError
from danlu.explanation.lesson import lesson_names, make_lesson, read_lesson

GOOD = {
    "inputs": [[1, 2], [3, 4]],
    "target": [[0], [1]],
    "layers": [
        {"weight": [[0.1, 0.2], [0.3, 0.4], [0.5, 0.6]], "bias": [1, 2, 3], "activation": "relu"},
        {"weight": [[1, 1, 1]]},
    ],
}

REFUSED = {
    "weight": (
        {"layers": [{"weight": [[0.1, 0.2, 0.3], [1, 2, 3]]}]},
        r"layer1.weight must have a column for each input, its shape is 2 x 3, but `inputs` have 2 columns.*Transpose it",
    ),
    "second": (
        {"layers": [{"weight": [[1, 1], [1, 1], [1, 1]]}, {"weight": [[1, 1]]}]},
        "layer2.weight must .* its shape is 1 x 2, but layer1 gives 3",
    ),
    "bias": (
        {"layers": [{"weight": [[1, 1]], "bias": [1, 2]}]},
        "layer1.bias .* shape is 2, that of layer1.weight 1 x 2",
    ),
    "target": ({"target": [[0, 1]]}, "its shape is 1 x 2, that of the outputs 2 x 1"),
    "key": ({"input": [[1, 2]]}, "no key `input`. Did you mean `inputs`"),
    "layer key": ({"layers": [{"weights": [[1, 1]]}]}, "layer1 has no key `weights`. Did you mean `weight`"),
    "activation": ({"layers": [{"weight": [[1, 1]], "activation": "sigmod"}]}, "Did you mean `sigmoid`"),
    "ragged": ({"layers": [{"weight": [[1, 1], [1]]}]}, "rows of one length"),
    "loss": ({"loss": "mes"}, "Did you mean `mse`"),
    "steps": ({"steps": -1}, "at least 0"),
    "lr": ({"lr": 0}, "above 0"),
    "classes": ({"loss": "cross-entropy", "target": [0, 3]}, "whole numbers from 0 to 0"),
    "none": ({"layers": []}, r"Begin each layer with \[\[layers\]\]"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_lesson_that_does_not_fit_is_refused(name: str) -> None:
    change, words = REFUSED[name]
    with pytest.raises(PlanError, match=words):
        make_lesson(GOOD | change, "lesson")


def test_numbers_must_be_finite() -> None:
    with pytest.raises(DataError, match=r"`inputs`\[0, 1\] is inf"):
        make_lesson(GOOD | {"inputs": [[1, float("inf")], [1, 1]]}, "lesson")


def test_a_lesson_may_have_several_rows() -> None:
    lesson = make_lesson(GOOD, "lesson")
    found = danlu.trace(lesson, weight="layer1[2,1]")
    hidden = np.maximum(lesson.inputs @ np.array([[0.1, 0.3, 0.5], [0.2, 0.4, 0.6]]) + [1, 2, 3], 0)
    out = hidden.sum(1)
    np.testing.assert_allclose(found.output[:, 0], out, rtol=1e-15)
    error = 2 * (out - [0, 1])
    np.testing.assert_allclose(found.chain.product, np.mean(error * 1 * 1 * lesson.inputs[:, 1]), rtol=1e-14)
    np.testing.assert_allclose([row.product for row in found.chain.rows], error * lesson.inputs[:, 1], rtol=1e-14)


def test_lessons_come_by_name_by_text_and_from_a_file(tmp_path) -> None:
    assert lesson_names() == ["three-sigmoids", "three-sigmoids-biases"]
    text = "inputs = [2]\ntarget = 1\n[[layers]]\nweight = [[3]]\n"
    assert read_lesson(text).layers[0].weight.tolist() == [[3.0]]
    path = tmp_path / "mine.toml"
    path.write_text(text, encoding="utf-8")
    assert danlu.trace(path).loss == 25.0
    with pytest.raises(DataError, match=r"there is no three-sigmoid\.toml\. Did you mean `three-sigmoids`"):
        read_lesson("three-sigmoid.toml")
    with pytest.raises(DataError, match="must be TOML"):
        read_lesson("inputs = [\n")
