"""Metrics and class weights on the command line: what is said, what is printed as JSON, what is refused."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import jsonschema
import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
QUICK = ("--folds", "3", "--repeats", "1", "--epochs", "20", "--hidden", "16", "--threads", "1", "--batch-size", "32")


@pytest.fixture
def patients(tmp_path: Path) -> Path:
    """Write a table with a rare class."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 2))
    ill = x[:, 0] + x[:, 1] + rng.normal(size=400) > 1.6
    path = tmp_path / "patients.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("a", "b", "state"))
        writer.writerows((f"{a:.3f}", f"{b:.3f}", "ill" if i else "well") for (a, b), i in zip(x, ill, strict=True))
    return path


@pytest.mark.usefixtures("patients")
def test_a_named_metric_is_the_first_line_of_the_summary_and_of_the_json(danlu) -> None:
    ended = danlu("fit", "patients.csv", "--target", "state", "--metric", "f1", "--quiet", *QUICK)
    assert ended.code == 0, ended.err
    assert "F1 of ill" in ended.out
    assert "class        ill from a probability of" in ended.out
    assert "Calibration error" in ended.out
    assert max(map(len, ended.out.splitlines())) <= 80
    ended = danlu("fit", "patients.csv", "--target", "state", "--metric", "f1", "--force", "--json", "-q", *QUICK)
    answer = json.loads(ended.out)
    jsonschema.validate(answer, json.loads((ROOT / "docs/schema/fit.schema.json").read_text(encoding="utf-8")))
    assert answer["main_metric"] == "f1"
    assert next(iter(answer["score"])) == "f1"
    assert answer["score"]["f1"]["of"] == "ill"
    assert answer["decision"]["metric"] == "f1"
    threshold = answer["decision"]["threshold"]
    assert answer["calibration"]["rows"] == 400
    assert {"brier", "ece"} <= set(answer["score"])

    ended = danlu("predict", "patients.danlu", "patients.csv", "--proba")
    rows = list(csv.DictReader(io.StringIO(ended.out)))
    assert {row["prediction"] for row in rows if float(row["p_ill"]) >= threshold} == {"ill"}
    assert {row["prediction"] for row in rows if float(row["p_ill"]) < threshold} == {"well"}
    ended = danlu("score", "patients.danlu", "patients.csv", "--json")
    assert next(iter(json.loads(ended.out)["score"])) == "f1"
    ended = danlu("show", "patients.danlu", "--plan")
    assert 'metric = "f1"' in ended.out


def test_class_weights_come_from_options_and_plan_files(danlu, patients: Path) -> None:
    weights = ("--class-weight", "ill=5,well=1")
    ended = danlu("fit", "patients.csv", "--target", "state", *weights, "--quiet", *QUICK)
    assert ended.code == 0, ended.err
    assert "ill from a probability of 0.17 on, by the class weights" in " ".join(ended.out.split())
    plan = danlu("show", "patients.danlu", "--plan").out
    patients.with_name("plan.toml").write_text(plan, encoding="utf-8")
    again = danlu("fit", "plan.toml", "--force", "--json", "-q")
    assert again.code == 0, again.err
    answer = json.loads(again.out)
    assert answer["decision"]["threshold"] == pytest.approx(1 / 6)
    assert answer["plan"]["class_weight"] == {"ill": 5, "well": 1}


@pytest.mark.usefixtures("patients")
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--metric", "rmse"), "needs a target of numbers"),
        (("--metric", "acc"), "must be one of"),
        (("--class-weight", "sick=2"), "there is no class 'sick'"),
        (("--class-weight", "balanced", "--task", "regression"), "needs a target of classes"),
    ],
)
def test_what_does_not_fit_is_refused_before_training(danlu, words: tuple[str, ...], said: str) -> None:
    ended = danlu("fit", "patients.csv", "--target", "state", *words, *QUICK)
    assert ended.code != 0
    assert said in " ".join(ended.err.split())
    assert "train: epoch" not in ended.err
