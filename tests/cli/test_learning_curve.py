"""`danlu fit --learning-curve` and `danlu plot learning-curve`: what is printed, written and refused."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema

from danlu.workflow.model import load

ROOT = Path(__file__).resolve().parents[2]
QUICK = ("--hidden", "16", "--epochs", "30", "--batch-size", "32", "--lr", "0.01")


def test_it_is_printed_kept_and_drawn(danlu, houses: Path, tmp_path: Path) -> None:
    ended = danlu("fit", "houses.csv", "--target", "price", "--learning-curve", *QUICK)
    assert ended.code == 0, ended.err
    assert "learning curve, 6 sizes of 12 to 68 rows: 0:" in ended.err
    assert max(map(len, ended.out.splitlines())) <= 80
    assert "   12 rows" in ended.out
    assert "   96 rows" in ended.out
    assert "All 96 rows instead of half of them bring" in " ".join(ended.out.split())
    assert "learning curve" in ended.out.partition("time ")[2]

    model = load(tmp_path / "houses.danlu")
    curve = model.run.learning_curve
    assert curve is not None
    text = (tmp_path / "houses.html").read_text(encoding="utf-8")
    assert "Learning curve over training size: RMSE" in text
    assert text.count("chart-growth") == 2

    drawn = danlu("plot", "learning-curve", "houses.danlu", "--json")
    assert drawn.code == 0, drawn.err
    said = json.loads(drawn.out)
    assert said["data"]["rows"] == [point.rows for point in curve.points]
    assert said["data"]["value"] == [point.value for point in curve.points]
    for ending in ("png", "html"):
        assert danlu("plot", "learning-curve", "houses.danlu", "-o", f"c.{ending}").code == 0


def test_json_has_it_and_fits_the_schema(danlu, houses: Path) -> None:
    words = ("fit", "houses.csv", "--target", "price", *QUICK, "--json", "--no-page", "--force")
    schema = json.loads((ROOT / "docs" / "schema" / "fit.schema.json").read_text(encoding="utf-8"))
    said = json.loads(danlu(*words, "--learning-curve").out)
    jsonschema.validate(said, schema)
    curve = said["learning_curve"]
    assert curve["metric"] == "rmse"
    assert [point["rows"] for point in curve["points"]] == [12, 17, 24, 34, 48, 68, 96]
    assert curve["points"][-1]["value"] == said["score"]["rmse"]["value"]
    assert curve["last"]["rows"] == 96
    assert said["plan"]["learning_curve"] is True
    without = json.loads(danlu(*words).out)
    jsonschema.validate(without, schema)
    assert without["learning_curve"] is None
    assert without["score"] == said["score"]


def test_refusals(danlu, houses: Path) -> None:
    ended = danlu("fit", "houses.csv", "--target", "price", "--learning-curve", "--holdout", "0")
    assert ended.code == 2
    assert "`--learning-curve` needs judged rows, got --holdout 0" in ended.err
    assert danlu("fit", "houses.csv", "--target", "price", "--epochs", "1", "--no-page").code == 0
    ended = danlu("plot", "learning-curve", "houses.danlu")
    assert ended.code == 2
    assert "needs a model that was fitted with one, houses has none" in ended.err
    assert "--learning-curve" in ended.err
    assert danlu("plot", "learning-curve", "no.danlu").code == 6
