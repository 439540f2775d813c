"""The commands on a small table, from the fit to the predictions."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import jsonschema
import pytest

from danlu.core.plan import Plan

ROOT = Path(__file__).resolve().parents[2]
QUICK = ("--folds", "3", "--repeats", "1", "--epochs", "30", "--hidden", "16", "--threads", "1", "--lr", "0.01")


@pytest.fixture
def model(danlu, houses: Path) -> str:
    """Fit a model in the test's folder, and return its name."""
    ended = danlu("fit", "houses.csv", "--target", "price", "--quiet", "--no-page", *QUICK)
    assert ended.code == 0, ended.err
    return "houses.danlu"


def table(path: Path) -> list[dict[str, str]]:
    """Return the rows of a CSV file."""
    return list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"))))


def test_fit_says_what_it_did_and_saves_model_and_page(danlu, houses: Path) -> None:
    ended = danlu("fit", "houses.csv", "--target", "price", *QUICK)
    assert ended.code == 0, ended.err
    assert "120 rows, target price (a number)" in ended.out
    assert "a linear model" in ended.out
    assert "danlu predict houses.danlu NEW.csv" in ended.out
    assert max(map(len, ended.out.splitlines())) <= 80
    assert (houses.parent / "houses.danlu" / "manifest.json").is_file()
    assert (houses.parent / "houses.html").read_text(encoding="utf-8").lower().startswith("<!doctype html>")
    assert "train: epoch" in ended.err


def test_fit_json_is_one_object_of_the_published_schema(danlu, houses: Path) -> None:
    ended = danlu("fit", "houses.csv", "--target", "price", "--json", "--test", "houses.csv", "--no-page", *QUICK)
    assert ended.code == 3  # the test table must be another one
    late = houses.with_name("late.csv")
    late.write_text(houses.read_text(encoding="utf-8"), encoding="utf-8")
    ended = danlu("fit", "houses.csv", "--target", "price", "--json", "--test", "late.csv", *QUICK)
    assert ended.code == 0, ended.err
    answer = json.loads(ended.out)
    jsonschema.validate(answer, json.loads((ROOT / "docs/schema/fit.schema.json").read_text(encoding="utf-8")))
    assert (answer["model"], answer["page"]) == ("houses.danlu", "houses.html")
    assert (answer["task"], answer["target"], answer["rows"]) == ("regression", ["price"], 120)
    assert answer["members"] == 3
    assert next(iter(answer["score"])) == answer["main_metric"] == "rmse"
    assert {"value", "low", "high", "rows", "kind", "per_target"} <= set(answer["score"]["rmse"])
    assert answer["score"]["rmse"]["kind"] == "out-of-fold"
    assert {"read", "prepare", "train", "total"} <= set(answer["seconds"])
    assert set(answer["baselines"]) == {"mean", "linear"}
    assert answer["test"]["rmse"] == answer["test_score"]["rmse"]["value"]
    assert ended.out.count("\n") == 1


def test_predict_writes_rows_in_their_order(danlu, model: str, houses: Path) -> None:
    ended = danlu("predict", model, "houses.csv", "--keep", "area")
    assert ended.code == 0, ended.err
    rows = list(csv.DictReader(io.StringIO(ended.out)))
    given = table(houses)
    assert [float(row["area"]) for row in rows] == [float(row["area"]) for row in given]
    assert all(
        abs(float(row["prediction"]) - float(true["price"])) < 250 for row, true in zip(rows, given, strict=True)
    )


def test_predict_to_a_file_and_as_json_say_the_same(danlu, model: str, houses: Path) -> None:
    assert danlu("predict", model, "houses.csv", "-o", "out.csv").code == 0
    refused = danlu("predict", model, "houses.csv", "-o", "out.csv")
    assert refused.code == 5
    assert "--force" in refused.err
    assert danlu("predict", model, "houses.csv", "-o", "out.csv", "--force").code == 0
    written = [float(row["prediction"]) for row in table(houses.with_name("out.csv"))]
    answer = json.loads(danlu("predict", model, "houses.csv", "--json").out)
    assert answer["predictions"]["prediction"] == pytest.approx(written)
    assert (answer["rows"], answer["columns"], answer["output"]) == (120, ["prediction"], None)


def test_predict_reads_standard_input(danlu, model: str, houses_text: str) -> None:
    ended = danlu("predict", model, "-", stdin=houses_text)
    assert ended.code == 0, ended.err
    assert len(ended.out.splitlines()) == 121


def test_what_does_not_fit_the_model_is_refused(danlu, model: str, houses: Path) -> None:
    houses.with_name("other.csv").write_text("area\n1\n2\n", encoding="utf-8")
    ended = danlu("predict", model, "other.csv")
    assert ended.code == 4
    assert "sea" in ended.err
    assert danlu("predict", model, "houses.csv", "--proba").code == 2
    assert danlu("predict", "none.danlu", "houses.csv").code == 6
    assert danlu("predict", model, "none.csv").code == 3


def test_score_show_and_report(danlu, model: str, houses: Path) -> None:
    ended = danlu("score", model, "houses.csv", "--json")
    assert ended.code == 0, ended.err
    assert set(json.loads(ended.out)["score"]) == {"rmse", "mae", "r2", "nll", "coverage", "width"}
    assert "RMSE" in danlu("score", model, "houses.csv").out
    shown = danlu("show", model)
    assert shown.code == 0, shown.err
    assert "coast, inland" in shown.out
    record = json.loads(danlu("show", model, "--json").out)
    assert record["table"]["target"]["names"] == ["price"]
    assert danlu("report", model).out == "houses.html\n"
    assert danlu("report", model).code == 5
    assert danlu("report", model, "--force", "--json").code == 0


def test_show_plan_fits_the_same_model_again(danlu, model: str, houses: Path) -> None:
    before = json.loads(danlu("show", model, "--json").out)
    houses.with_name("plan.toml").write_text(danlu("show", model, "--plan").out, encoding="utf-8")
    ended = danlu("fit", "plan.toml", "-o", "again.danlu", "--json", "--no-page")
    assert ended.code == 0, ended.err
    after = json.loads(ended.out)
    assert after["score"]["rmse"]["value"] == before["scores"]["rmse"]["value"]
    assert Plan(**after["plan"]) == Plan(**before["resolved"])


def test_outputs_are_checked_before_training(danlu, model: str, houses: Path) -> None:
    ended = danlu("fit", "houses.csv", "--target", "price", *QUICK)
    assert ended.code == 5
    assert "--force" in ended.err
    houses.with_name("new.html").write_text("mine", encoding="utf-8")
    ended = danlu("fit", "houses.csv", "--target", "price", "-o", "new.danlu", *QUICK)
    assert ended.code == 5
    assert "new.html" in ended.err
    assert not houses.with_name("new.danlu").exists()


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["none.csv", "--target", "price"], 3, "none.csv"),
        (["houses.csv", "--target", "prise"], 3, "Did you mean `price`?"),
        (["houses.csv"], 2, "--target"),
        (["houses.csv", "--target", "price", "--folds", "500"], 3, "`--folds` must be at most 120"),
        (["none.toml"], 2, "the plan file must exist"),
    ],
)
def test_what_cannot_be_done_is_refused(words: list[str], code: int, said: str, danlu, houses: Path) -> None:
    ended = danlu("fit", *words)
    assert (ended.code, said in ended.err) == (code, True), ended.err
    assert "Traceback" not in ended.err
