"""What differs between models, and whether the one is better."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from danlu.core.errors import PlanError
from danlu.workflow.compare import compare, rows_hash
from danlu.workflow.fit import fit
from danlu.workflow.model import load as saved

if TYPE_CHECKING:
    from conftest import Danlu

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=300)
NUMBERS = {"x": X, "z": RANDOM.normal(size=300), "y": np.sin(2 * X) + RANDOM.normal(0, 0.1, 300)}
QUICK: dict[str, Any] = {"hidden": (16,), "repeats": 1, "schedule": "one-cycle"}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of four models: short, the same again, long, and one of other rows."""
    folder = tmp_path_factory.mktemp("models")
    short = fit(NUMBERS, "y", epochs=2, **QUICK)
    long = fit(NUMBERS, "y", epochs=100, lr=0.02, drop=("z",), **QUICK)
    other = fit({name: values[100:] for name, values in NUMBERS.items()}, "y", epochs=2, **QUICK)
    for name, model in (("short", short), ("again", short), ("long", long), ("other", other)):
        model.save(folder / f"{name}.danlu")
    return folder


def load(folder: Path, *names: str) -> list[Path]:
    return [folder / f"{name}.danlu" for name in names]


def test_the_better_one_is_called_better_from_both_sides(models: Path) -> None:
    (pair,) = compare(load(models, "short", "long")).pairs
    assert (pair.verdict, pair.rows) == ("better", 300)
    assert pair.high is not None
    assert pair.high < 0  # its error is smaller
    (back,) = compare(load(models, "long", "short")).pairs
    assert back.verdict == "worse"
    assert back.difference == pytest.approx(-(pair.difference or 0))


def test_the_difference_is_that_of_the_scores(models: Path) -> None:
    found = compare(load(models, "short", "long"))
    scores = [saved(path).run.scores["rmse"].value for path in load(models, "short", "long")]
    assert [found.pairs[0].value, found.pairs[0].other_value] == pytest.approx(scores, rel=1e-5)


def test_a_model_and_itself_are_not_told_apart_and_nothing_differs(models: Path) -> None:
    found = compare(load(models, "short", "again"))
    assert (found.data, found.plan) == ((), ())
    (pair,) = found.pairs
    assert (pair.verdict, pair.difference, pair.low, pair.high) == ("no clear difference", 0.0, 0.0, 0.0)


def test_scores_of_other_rows_are_not_compared(models: Path) -> None:
    found = compare(load(models, "short", "other"))
    (pair,) = found.pairs
    assert pair.verdict == "not comparable"
    assert pair.difference is None
    assert "different rows (300 rows and 200 rows" in pair.words
    assert found.models[0].rows != found.models[1].rows


def test_what_differs_in_data_and_plan_is_listed_and_nothing_else(models: Path) -> None:
    found = compare(load(models, "short", "long"))
    assert [(row.name, row.values) for row in found.data] == [("column z", ("number", "left out: dropped, as asked"))]
    assert {row.name: row.values for row in found.plan} == {
        "drop": ("–", "z"),
        "epochs": ("2", "100"),
        "lr": (next(r.values[0] for r in found.plan if r.name == "lr"), "0.02"),
        "parameters of a network": ("65", "49"),
    }


def test_a_paired_interval_is_narrower_than_those_of_the_scores(models: Path) -> None:
    kinds = {"kind": np.where(NUMBERS["y"] + RANDOM.normal(0, 0.5, 300) > 0, "up", "down")}
    table = NUMBERS | kinds
    one, two = (fit(table, "kind", epochs=60, lr=0.02, seed=seed, **QUICK) for seed in (1, 2))
    (pair,) = compare([one, two]).pairs
    score = one.run.scores["accuracy"]
    assert pair.metric == "accuracy"
    assert pair.value == pytest.approx(score.value)
    assert None not in (pair.low, pair.high, score.low, score.high)
    assert pair.high - pair.low < score.high - score.low  # type: ignore[operator]


def test_models_of_other_targets_and_tasks_are_not_compared(models: Path) -> None:
    other = fit({**NUMBERS, "w": NUMBERS["y"]}, "w", epochs=1, **QUICK)
    found = compare([models / "short.danlu", other])
    assert found.pairs[0].words == "They predict different targets: y and w."


def test_groups_and_weights_are_said(models: Path) -> None:
    table = {**NUMBERS, "house": np.arange(300) // 3, "w": np.ones(300)}
    one, two = (fit(table, "y", epochs=epochs, group="house", weight="w", **QUICK) for epochs in (1, 2))
    assert [note[:20] for note in compare([one, two]).pairs[0].notes] == [
        "rows that belong tog",
        "weights of rows are ",
    ]


def test_models_that_judged_other_parts_of_a_table_are_compared_on_what_both_judged() -> None:
    one = fit(NUMBERS, "y", epochs=1, holdout=0.3, seed=1, hidden=(16,))
    two = fit(NUMBERS, "y", epochs=1, holdout=0.3, seed=2, hidden=(16,))
    both = np.intersect1d(one.arrays["rows_N"], two.arrays["rows_N"])
    (pair,) = compare([one, two]).pairs
    assert pair.rows == len(both)
    assert 0 < pair.rows < 90
    assert "that both were judged on" in pair.notes[0]


def test_a_model_without_a_judged_row_is_not_compared() -> None:
    one = fit(NUMBERS, "y", epochs=1, holdout=0.3, hidden=(16,))
    two = fit(NUMBERS, "y", epochs=1, holdout=0, hidden=(16,))
    assert compare([one, two]).pairs[0].verdict == "not comparable"
    assert rows_hash(two.arrays) == ""


def test_one_model_cannot_be_compared() -> None:
    with pytest.raises(PlanError, match="needs two models, got 1"):
        compare(["a.danlu"])


def test_the_command_prints_80_columns_json_and_a_page(danlu: Danlu, models: Path, tmp_path: Path) -> None:
    words = list(map(str, load(models, "short", "long", "other")))
    ended = danlu("compare", *words, "-o", "c.html")
    assert ended.code == 0
    assert max(map(len, ended.out.splitlines())) <= 80
    assert "long is better than short on the same 300 rows" in " ".join(ended.out.split())
    assert "different rows" in " ".join(ended.out.split())
    page = (tmp_path / "c.html").read_text(encoding="utf-8")
    assert "chart-loss" in page
    assert danlu("compare", *words, "-o", "c.html").code == 5  # is there already
    answer = json.loads(danlu("compare", *words, "--json").out)
    assert [each["name"] for each in answer["models"]] == ["short", "long", "other"]
    assert [pair["verdict"] for pair in answer["pairs"]] == ["better", "not comparable"]
    assert danlu("compare", words[0]).code == 2
    assert danlu("compare", words[0], "nothing.danlu").code == 6


def test_the_page_is_drawn_and_names_stay_text(models: Path, tmp_path: Path) -> None:
    from danlu.workflow.compare import write_comparison
    from report.browser import tab

    found = [saved(path) for path in load(models, "short", "long")]
    names = ["<b>short", "<script>alert(1)"]
    path = write_comparison(compare(found, names), found, tmp_path / "c.html")
    with tab(width=360) as opened:
        page = opened.open(path.as_uri())
        page.wait_for_selector("html[data-ready=yes]")
        assert page.locator(".chart svg").count() == 3
        assert "<b>short" in page.inner_text("h1")
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        assert not opened.complaints
        assert opened.requests == [path.as_uri()]


def test_python_models_need_no_folder(models: Path) -> None:
    one = fit(NUMBERS, "y", epochs=1, name="one", **QUICK)
    assert [side.name for side in compare([one, one]).models] == ["one (1)", "one (2)"]
