"""`danlu plot boundaries`, from the command line and in Python."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import danlu as package
from support.tables import flowers, write_csv

FAST = ("--members", "2", "--epochs", "300")


def test_xor_needs_a_hidden_layer(danlu) -> None:
    ended = danlu("plot", "boundaries", "xor", *FAST, "--json")
    assert ended.code == 0, ended.err
    said = json.loads(ended.out)
    assert said["file"] is None
    found = {(len(p["hidden"]), p["weight_decay"]): p for p in said["facts"]["panels"]}
    assert sorted(found) == [(0, 0.0), (0, 0.01), (1, 0.0), (1, 0.01), (2, 0.0), (2, 0.01)]
    assert found[0, 0.0]["accuracy"] < 0.6
    assert found[2, 0.01]["accuracy"] > 0.85
    assert len(found[1, 0.0]["accuracy_of_each"]) == 2
    data = said["data"]
    assert {len(column) for column in data.values()} == {6 * 72 * 72}
    np.testing.assert_allclose(np.add(data["p_0"], data["p_1"]), 1, atol=1e-6)


@pytest.mark.parametrize("ending", ["svg", "png", "pdf", "html"])
def test_pictures_hold_field_points_and_accuracy(danlu, tmp_path: Path, ending: str) -> None:
    ended = danlu("plot", "boundaries", "circles", "--points", "40", *FAST, "-o", f"b.{ending}")
    assert (ended.code, ended.out) == (0, f"b.{ending}\n"), ended.err
    written = (tmp_path / f"b.{ending}").read_bytes()
    if ending in ("svg", "html"):
        text = written.decode()
        assert text.count("data:image/png;base64,") == 6
        assert "0 hidden layers, held out: " in text
        assert "http-equiv" in text or "http://www.w3.org" in text


def test_a_table_of_ones_own(danlu, tmp_path: Path) -> None:
    table = flowers(150)
    table["length"][3] = None
    write_csv(table, tmp_path / "flowers.csv")
    words = ("plot", "boundaries", "flowers.csv", "--target", "kind")
    refused = danlu(*words)
    assert refused.code == 3
    assert "a plane has two number columns, the table has 3: length, width, noise" in refused.err
    ended = danlu(*words, "--columns", "length,width", *FAST, "--json")
    assert ended.code == 0, ended.err
    said = json.loads(ended.out)
    assert said["facts"]["points"] + said["facts"]["held_out"] == 149
    assert {"p_setosa", "p_versicolor", "p_virginica"} <= set(said["data"])
    assert all(panel["accuracy"] > 0.7 for panel in said["facts"]["panels"])
    near = danlu(*words, "--columns", "length,widht")
    assert near.code == 3
    assert "Did you mean width?" in near.err


def test_in_python_with_a_frame() -> None:
    figure = package.plot("boundaries", flowers(90), target="kind", columns="length,width", members=2, epochs=50)
    assert [panel.title.partition(",")[0] for panel in figure.panels[:3]] == [
        "0 hidden layers",
        "1 hidden layer",
        "2 hidden layers",
    ]
    assert figure.title == "Decision boundaries: the table"


def test_names_of_a_table_cannot_become_tags() -> None:
    table = flowers(60)
    hostile = {"</script><b>": table["length"], "datum.x": table["width"], "k": [f"<i>{k}" for k in table["kind"]]}
    figure = package.plot("boundaries", hostile, target="k", members=1, epochs=5)
    page = figure.html()
    assert "</script><b>" not in page
    assert "<i>setosa" not in page
    assert b"<svg" in figure.render("svg")[:100]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("moon",), 2, "Did you mean `moons`?"),
        (("xor", "--target", "y"), 2, "belongs to a table"),
        (("xor", "--members", "0"), 2, "must be from 1 to 100"),
        (("xor", "--width", "0"), 2, "must be from 1 to 4096"),
        (("xor", "--weight-decay", "0"), 2, "must be above 0"),
        (("xor", "--points", "1"), 2, "must be at least 4"),
        (("xor", "--activation", "rellu"), 2, "relu"),
        (("xor", "--lr", "-1"), 2, "must be above 0"),
        (("none.csv",), 2, "needs the column of the class"),
        (("none.csv", "--target", "y"), 3, "none.csv"),
        (("none.csv", "--target", "y", "--noise", "0.1"), 2, "belongs to a made set"),
    ],
)
def test_refusals(danlu, words: tuple[str, ...], code: int, said: str) -> None:
    ended = danlu("plot", "boundaries", *words)
    assert ended.code == code
    assert said in ended.err
    assert "Traceback" not in ended.err


def test_a_target_of_many_classes_is_refused(danlu, tmp_path: Path) -> None:
    table = flowers(60)
    table["kind"] = [f"k{i % 6}" for i in range(60)]
    write_csv(table, tmp_path / "f.csv")
    ended = danlu("plot", "boundaries", "f.csv", "--target", "kind", "--columns", "length,width")
    assert ended.code == 3
    assert "must have 2 to 4 classes, got 6" in ended.err
