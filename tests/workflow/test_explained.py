"""What explains a model: on rows not learnt from, found again in the file of the model, the same every time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import danlu
from danlu.core.records import Run

QUICK: dict[str, Any] = {"hidden": (32,), "lr": 0.02, "batch_size": 32, "epochs": 60}


def table(rows: int = 400) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    size, noise = rng.uniform(0, 10, rows), rng.standard_normal(rows)
    town = rng.choice(["north", "south", "west"], rows)
    day = np.datetime64("2020-01-01") + rng.integers(0, 300, rows)
    price = 5 * size + 8 * (town == "north") + 0.1 * rng.standard_normal(rows)
    price = price + np.where(town == "west", 6 * rng.standard_normal(rows), 0)
    return {"size": size, "town": town, "noise": noise, "day": day.astype(str), "price": price}


@pytest.fixture(scope="module")
def model() -> danlu.Model:
    return danlu.fit(table(), "price", folds=4, repeats=2, seed=1, **QUICK)


def test_the_columns_that_matter_come_first(model: danlu.Model) -> None:
    found = model.run.explained.importance
    assert found is not None
    assert [each.column for each in found.columns[:2]] == ["size", "town"]
    assert found.columns[0].low is not None
    assert found.columns[0].low > 1
    noise = next(each for each in found.columns if each.column == "noise")
    assert noise.value < 0.1 * found.columns[0].value
    assert (found.metric, found.kind, found.rows, found.of_rows) == ("rmse", "out-of-fold", 400, 400)
    # The networks of both repeats judge together here, as they do for the score.
    assert found.base == pytest.approx(model.run.scores["rmse"].value, rel=1e-5)


def test_predictions_along_a_column_rise_with_it(model: danlu.Model) -> None:
    first = model.run.explained.dependence[0]
    assert first.column == "size"
    mean = model.arrays["dependence_QGC"][0, : len(first.values), 0]
    assert np.polyfit(first.values, mean, 1)[0] == pytest.approx(5, rel=0.25)
    single = model.arrays["single_QIG"]
    assert single.shape[1] == 40
    assert np.isfinite(single[0, :, : len(first.values)]).all()


def test_the_kind_of_rows_that_was_made_hard_is_found(model: danlu.Model) -> None:
    found = model.run.explained.slices
    assert found is not None
    assert (found.worst[0].column, found.worst[0].what) == ("town", "west")
    assert found.worst[0].low > found.error


def test_the_worst_row_is_the_one_with_the_largest_error(model: danlu.Model) -> None:
    truth, said = (np.asarray(model.arrays[name]).ravel() for name in ("truth_NC", "predicted_NC"))
    row = int(model.arrays["rows_N"][np.abs(said - truth).argmax()])
    worst = model.run.explained.worst[0]
    assert worst.row == row + 1
    assert abs(worst.error) == pytest.approx(np.abs(said - truth).max(), rel=1e-5)
    cells = dict(zip(model.run.explained.worst_columns, worst.cells, strict=True))
    assert cells["town"] == table()["town"][row]
    assert float(cells["size"]) == pytest.approx(table()["size"][row], rel=1e-3)


def test_spreads_count_every_cell(model: danlu.Model) -> None:
    explained = model.run.explained
    assert [each.name for each in explained.spreads] == ["size", "town", "noise", "day"]
    assert all(sum(each.counts) + each.beyond + each.missing == 400 for each in explained.spreads)
    assert all(sum(each.counts) + each.beyond == 400 for each in explained.target)


def test_layers_are_those_of_the_network(model: danlu.Model) -> None:
    layers = model.run.explained.layers
    assert sum(each.parameters for each in layers) <= model.run.parameters
    assert {each.kind for each in layers} >= {"Linear"}
    assert all(each.gradient is None or each.gradient > 0 for each in layers)


def test_it_is_kept_with_the_model_and_the_same_in_the_next_run(model: danlu.Model, tmp_path) -> None:
    again = danlu.fit(table(), "price", folds=4, repeats=2, seed=1, **QUICK)
    loaded = danlu.load(model.save(tmp_path / "model.danlu"))

    def told(run: Run) -> dict[str, Any]:
        return run.explained.model_dump(exclude={"cost", "memory"})

    assert told(loaded.run) == told(model.run) == told(again.run)
    assert np.array_equal(loaded.arrays["single_QIG"], again.arrays["single_QIG"], equal_nan=True)
    assert "What drives predictions?" in loaded.report(tmp_path / "page.html").read_text()


def test_rows_of_a_test_table_serve_where_none_were_judged() -> None:
    rows = table()
    test = {name: cells[:100] for name, cells in rows.items()}
    learnt = {name: cells[100:] for name, cells in rows.items()}
    run = danlu.fit(learnt, "price", test=test, holdout=0, **QUICK).run
    found = run.explained.importance
    assert found is not None
    assert (found.kind, found.rows, found.columns[0].column) == ("test", 100, "size")
    assert found.base == pytest.approx(run.test["rmse"].value, rel=1e-5)


def test_classes_are_judged_by_the_log_loss_with_the_accuracy_beside() -> None:
    rows = table(300)
    rows["dear"] = np.where(rows.pop("price") > 25, "yes", "no")
    run = danlu.fit(rows, "dear", folds=3, repeats=1, **QUICK).run
    found, slices = run.explained.importance, run.explained.slices
    assert found is not None
    assert slices is not None
    assert (found.metric, found.second_metric) == ("log-loss", "accuracy")
    assert found.columns[0].column == "size"
    assert found.columns[0].second is not None
    assert found.columns[0].second > 0.1
    assert slices.error == pytest.approx(1 - (run.scores["accuracy"].value or 0))
    assert {each.truth for each in run.explained.worst} <= {"yes", "no"}
    assert all(each.truth != each.predicted for each in run.explained.worst)


def test_a_fit_without_any_row_to_judge_on_has_no_importance() -> None:
    explained = danlu.fit(table(60), "price", holdout=0, epochs=2, hidden=(8,)).run.explained
    assert explained.importance is None
    assert explained.slices is None
    assert len(explained.spreads) == 4
