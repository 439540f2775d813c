"""What explains a model: on rows not learnt from, found again in the file of the model, the same every time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

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


def test_layers_are_followed_from_before_the_first_step_to_the_end(model: danlu.Model) -> None:
    explained = model.run.explained
    assert explained.layer_epochs[0] == 0
    assert explained.layer_epochs[-1] == model.run.members[0].epochs == 60
    assert len(explained.layer_epochs) <= 13
    assert list(explained.layer_epochs) == sorted(set(explained.layer_epochs))
    assert [each.kind for each in explained.layer_courses] == [each.kind for each in explained.layers]
    for course, end in zip(explained.layer_courses, explained.layers, strict=True):
        assert course.output[-1] == pytest.approx(np.hypot(end.mean, end.spread), rel=1e-3)
        for values, last in ((course.gradient, end.gradient), (course.weight, end.weight)):
            assert bool(values) == (last is not None)
            assert not values or values[-1] == pytest.approx(last, rel=1e-3)
    weights = [each.weight for each in explained.layer_courses if each.weight]
    assert all(len(set(each)) > 3 for each in weights), "weights move"


def test_explanations_can_be_left_out_and_predictions_stay_the_same() -> None:
    rows = table(120)
    given = danlu.fit(rows, "price", folds=2, repeats=1, explain=True, **QUICK)
    without = danlu.fit(rows, "price", folds=2, repeats=1, explain=False, **QUICK)
    found = without.run.explained
    assert (found.importance, found.slices, found.worst, found.layers, found.layer_courses) == (None, None, (), (), ())
    assert len(found.spreads) == 4, "what data it saw costs nothing"
    assert given.run.explained.importance is not None
    assert np.array_equal(given.predict(rows), without.predict(rows))


class Own(torch.nn.Module):
    """A user's class whose layers have names."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.first = torch.nn.Linear(inputs, 12)
        self.block = torch.nn.Sequential(torch.nn.Tanh(), torch.nn.Linear(12, 4), torch.nn.ReLU())
        self.head = torch.nn.Linear(4, outputs)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.block(self.first(x)))


def test_layers_of_a_users_class_have_its_names_and_sizes(tmp_path) -> None:
    model = danlu.fit(table(120), "price", net=Own, folds=2, repeats=1, epochs=8, lr=0.02)
    layers = model.run.explained.layers
    assert [each.name for each in layers] == ["first", "block.0", "block.1", "block.2", "head"]
    assert [each.shape for each in layers] == [(12,), (12,), (4,), (4,), (1,)]
    assert sum(each.parameters for each in layers) == model.run.parameters
    assert layers[1].saturated is not None
    assert layers[3].dead is not None
    assert model.run.explained.layer_epochs == (0, 1, 2, 3, 4, 5, 6, 7, 8)
    page = model.report(tmp_path / "page.html").read_text()
    assert "<bdi>block.1</bdi>" in page


class Moody(torch.nn.Module):
    """A class that fails where its layers are looked at: that is left out, and the fit goes on."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.only = torch.nn.Linear(inputs, outputs)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.only._forward_hooks and len(x) == 60:
            raise RuntimeError("not like this")
        return self.only(x)


def test_a_class_that_does_not_bear_to_be_looked_at_is_left_alone() -> None:
    run = danlu.fit(table(120), "price", net=Moody, folds=2, repeats=1, epochs=3, lr=0.02).run
    assert run.explained.layers == ()
    assert run.explained.importance is not None
