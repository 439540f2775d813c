"""One fit of a tool, in this interpreter: the preparation, and scores against scikit-learn and arithmetic."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from table_tools import _intervals, answer, as_numbers_and_categories, read_case, scores

import danlu
from danlu.core.errors import PlanError


def request(folder: Path, train: pd.DataFrame, test: pd.DataFrame, **more: Any) -> dict[str, Any]:
    train.to_csv(folder / "train.csv", index=False)
    test.to_csv(folder / "test.csv", index=False)
    paths = {part: str(folder / f"{part}.csv") for part in ("train", "test")}
    return (
        {"tool": "linear", "target": "y", "task": "regression", "threads": 1, "settings": {}, "levels": []}
        | paths
        | more
    )


def line(rows: int, start: int = 0) -> pd.DataFrame:
    x = np.arange(start, start + rows) / 100
    return pd.DataFrame({"x": x, "word": np.where(x < 1, "low", "high"), "y": 3 * x + 1})


def test_a_linear_model_finds_a_line(tmp_path: Path) -> None:
    said = answer(request(tmp_path, line(200), line(50, 60)))
    assert (said["rows"], said["test_rows"], said["metric"]) == (200, 50, "rmse")
    assert said["score"] == said["rmse"] < 0.05  # Ridge's penalty of 1 leaves a little of 1.7
    assert said["seconds"] > 0 < said["cpu"]


def test_classes_are_named_by_the_training_rows(tmp_path: Path) -> None:
    train, test = line(200).assign(y=[0, 1] * 100), line(4).assign(y=[0, 1, 1, 2])
    case = read_case(request(tmp_path, train, test, task="classification"))
    assert case.classes == ["0", "1"]
    assert list(case.z) == [0, 1, 1, -1]
    said = scores(case, np.array([[0.8, 0.2], [0.4, 0.6], [0.9, 0.1], [0.5, 0.5]]))
    # A class that was never seen is wrong, and has no probability to be judged.
    assert said["accuracy"] == said["score"] == 0.5
    assert said["log_loss"] == pytest.approx(-np.log([0.8, 0.6, 0.1]).mean())
    assert said["auc"] == 0.5  # of two pairs, one is in order


def test_dates_become_numbers_and_unseen_words_missing(tmp_path: Path) -> None:
    days = pd.date_range("2020-01-31", periods=400, freq="D").strftime("%Y-%m-%d")
    train = pd.DataFrame({"day": days, "word": ["a", None] * 200, "n": range(400), "y": 1.0})
    case = read_case(request(tmp_path, train, train.head(2).assign(word=["b", None])))
    as_numbers_and_categories(case)
    assert case.words == ["word"]
    assert case.x.loc[1, ["day_year", "day_month", "day_day", "day_day_of_week"]].tolist() == [2020, 2, 1, 5]
    assert list(case.x["word"].cat.categories) == ["a", "missing"]
    assert case.z_x["word"].isna().tolist() == [True, False]


def test_danlu_gets_the_file_and_the_settings(tmp_path: Path) -> None:
    train = line(120).assign(y=["yes", "no", "no"] * 40)
    asked = request(tmp_path, train, train.head(30), tool="danlu", task="classification")
    said = answer(asked | {"settings": {"epochs": "1", "folds": "2", "repeats": "1", "threads": 1}})
    assert said["members"] == 2
    assert said["metric"] == "accuracy"
    assert 0 <= said["own"] <= 1
    assert said["log_loss"] > 0


def test_intervals_are_counted_on_the_test_rows(tmp_path: Path) -> None:
    """Of an interval of y +- 1 around y + shift, by hand; one level cannot be had."""

    class Sure:
        def predict_interval(self, data: str, level: float) -> np.ndarray:
            if level == 0.99:
                raise PlanError("too few rows", "", "")
            y = pd.read_csv(data)["y"].to_numpy()
            shift = np.array([0, 2, 0.5, -3])
            return np.stack([y + shift - 1, y + shift + 1], axis=1)

    test = line(4).assign(y=[0.0, 0.0, 2.0, 2.0])
    case = read_case(request(tmp_path, line(20), test, levels=[0.5, 0.99]))
    # Two of four inside; a width of 2, and the target's standard deviation is 1.
    assert _intervals(case, Sure()) == {"0.5": {"coverage": 0.5, "width": 2.0}}


def test_danlus_own_intervals_and_density_are_kept_where_it_has_them(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    train = line(300).assign(y=rng.normal(size=300))
    settings = {"epochs": "1", "folds": "2", "repeats": "1", "threads": 1}
    said = answer(request(tmp_path, train, train.head(100), tool="danlu", levels=[0.8], settings=settings))
    if hasattr(danlu.Model, "predict_interval"):
        # 100 rows of pure noise: five standard errors about the promise.
        assert abs(said["intervals"]["0.8"]["coverage"] - 0.8) < 0.2
        assert said["nll"] == pytest.approx(np.log(2 * np.pi * np.e) / 2, abs=0.25)
    assert said["rmse"] == pytest.approx(1, abs=0.25)
