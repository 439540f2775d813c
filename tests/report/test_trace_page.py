"""The page of a trace: self-contained, bounded, escaped; what it holds are the record's numbers."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import danlu
from danlu.core.errors import OutputError
from danlu.report.trace_drawing import MOST, STRONGEST, drawing
from danlu.report.trace_page import trace_page


def held(page: str) -> dict:
    found = re.search(r'<script type="application/json" id="trace">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    return json.loads(found[1])


def numbers(text: str) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text), "<f4")


def test_the_page_holds_the_values_weights_and_gradients() -> None:
    found = danlu.trace("three-sigmoids", weight="layer1[0,0]")
    page = trace_page(found)
    data = held(page)
    assert [column["name"] for column in data["columns"]] == ["input", "layer1", "layer2"]
    middle = data["columns"][1]
    np.testing.assert_allclose(numbers(middle["values"][0]["values"]), [1.0, 1.3, 0.8], rtol=1e-6)
    np.testing.assert_allclose(numbers(middle["weight"]["values"]), [0.8, 0.2, 0.4, 0.9, 0.3, 0.5], rtol=1e-6)
    np.testing.assert_allclose(numbers(middle["local"]), found.layer("layer1.sigmoid").local[0], rtol=1e-6)
    assert data["columns"][2]["plain"]
    assert "0.145478528825" in page
    assert "−2 (y − ŷ)" in page


def test_it_asks_nobody_for_anything() -> None:
    page = trace_page(danlu.trace("three-sigmoids"))
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', page)
    assert policy is not None
    assert "default-src &#x27;none&#x27;" in policy[1]
    assert "unsafe" not in policy[1]
    assert not re.search(r'(?:src|href)="(?!#|data:)', page)
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", page)
    assert ' style="' not in page


def test_what_a_user_named_is_text() -> None:
    name = "</script><img src=x onerror=alert(1)>"
    table = {name: [float(i % 7) for i in range(40)], "y": [float(i) for i in range(40)]}
    model = danlu.fit(table, "y", net="mlp", hidden=(3,), epochs=1, folds=2, name=name)
    page = trace_page(danlu.trace(model, table))
    assert "<img" not in page
    assert held(page)["columns"][0]["labels"] == [name]


def test_large_matrices_are_thinned_and_said() -> None:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(700, 600), nn.ReLU(), nn.Linear(600, 2))
    found = danlu.trace(module, torch.randn(2, 700), torch.randn(2, 2), "mse")
    data, notes = drawing(found)
    assert any("layer1.weight" in note and f"the {STRONGEST} with the largest gradients" in note for note in notes)
    weight = data["columns"][1]["weight"]
    kept = numbers(weight["kept"]).reshape(600, STRONGEST).astype(int)
    gradients = np.abs(found.parameters[0].gradients)
    for unit in (0, 599):
        assert set(kept[unit]) == set(np.argsort(-gradients[unit])[:STRONGEST])
    np.testing.assert_allclose(
        numbers(weight["values"]).reshape(600, -1)[5], found.parameters[0].values[5, kept[5]], rtol=1e-6
    )
    assert len(trace_page(found)) < MOST * 4 * 4 / 3 + 300_000


def test_an_existing_page_is_replaced_only_when_asked(tmp_path: Path) -> None:
    found = danlu.trace("three-sigmoids-biases", steps=3)
    path = found.page(tmp_path / "page.html")
    assert "Loss over 3 epochs" in path.read_text(encoding="utf-8")
    with pytest.raises(OutputError):
        found.page(path, force=False)
