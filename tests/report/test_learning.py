"""Training loss and accuracies in one chart: every value, two axes, and when there are panels of their own."""

from __future__ import annotations

import numpy as np
import pytest

from danlu.report.learning import training_curves
from danlu.report.outcomes import history


def test_loss_and_accuracies_share_one_chart(examples) -> None:
    run, arrays = examples.classification()
    (drawn,) = training_curves(run, arrays)
    lines, loss = drawn.chart.data["lines"], drawn.chart.data["loss"]
    for title, colour, name in (
        ("training accuracy", "second", "accuracy_EM"),
        ("Accuracy on judged rows", "first", "judged_JM"),
    ):
        own = [i for i, of in enumerate(lines["title"]) if of == title]
        assert {lines["series"][i] for i in own} == {colour}
        np.testing.assert_allclose([lines["y"][i] for i in own], arrays[name].T.ravel(), rtol=1e-4)
    np.testing.assert_allclose(loss["y"], arrays["loss_EM"].T.ravel(), rtol=1e-4)
    assert loss["x"] == list(range(1, 31)) * 5
    median = drawn.chart.data["middle"]["y"][:30]
    np.testing.assert_allclose(median, np.median(arrays["accuracy_EM"], axis=1), rtol=1e-4)
    assert [mark.text for mark in drawn.key] == [
        "training accuracy", "accuracy on judged rows", "training loss (right axis)",
    ]  # fmt: skip


def test_loss_has_an_axis_of_its_own_on_the_right(examples) -> None:
    (drawn,) = training_curves(*examples.classification())
    accuracies, losses = drawn.chart.spec["layer"]
    assert drawn.chart.spec["resolve"] == {"scale": {"y": "independent"}}
    sides = []
    for part in (accuracies, losses):
        axes = [mark["encoding"]["y"] for mark in part["layer"] if "x" in mark["encoding"]]
        sides.append({(axis["title"], axis["axis"].get("orient")) for axis in axes})
    assert sides == [{("accuracy", None)}, {("training loss", "right")}]


def test_the_label_says_where_each_curve_ends(examples) -> None:
    run, arrays = examples.classification()
    arrays["test_JM"] = arrays["judged_JM"] - 0.1
    (drawn,) = training_curves(run, arrays)
    ends = [np.median(arrays[name], axis=1)[-1] for name in ("accuracy_EM", "judged_JM", "test_JM")]
    for name, end in zip(("training accuracy", "on judged rows", "on the test table"), ends, strict=True):
        said = drawn.chart.label.partition(name)[2].partition(";")[0]
        assert float(said.split()[-1].strip("%.")) == pytest.approx(100 * end, abs=0.06)
    assert len(drawn.key) == 4


def test_rings_and_the_linear_model_are_by_the_axis_of_accuracies(examples) -> None:
    run, arrays = examples.classification()
    stopped = run.members[2].model_copy(update={"ended": "stopped early", "best_epoch": 7})
    members = (*run.members[:2], stopped, *run.members[3:])
    between = float(np.median(arrays["judged_JM"]))
    run = run.model_copy(update={"members": members, "baselines": {"linear": {"accuracy": between}}})
    (drawn,) = training_curves(run, arrays)
    best = drawn.chart.data["best"]
    assert (best["x"], best["m"], best["title"]) == ([7], [2], ["Accuracy on judged rows"])
    assert best["y"] == [pytest.approx(arrays["judged_JM"][6, 2], rel=1e-4)]
    assert drawn.chart.data["level"]["y"] == [between]
    assert "Rings" in drawn.chart.caption
    assert "Grey dashes: the linear model." in drawn.chart.caption


def test_other_metrics_keep_panels_of_their_own(examples) -> None:
    run, arrays = examples.classification()
    run = run.model_copy(update={"main_metric": "log-loss", "curve_metric": "log-loss"})
    assert [drawn.chart.id for drawn in training_curves(run, arrays)] == ["chart-learning", "chart-judged"]
    del arrays["accuracy_EM"]  # of a model that was trained before there was one
    assert [drawn.chart.id for drawn in training_curves(run, arrays)] == ["chart-loss", "chart-judged"]


def test_numbers_are_drawn_as_ever(examples) -> None:
    assert [drawn.chart.id for drawn in training_curves(*examples.regression())] == ["chart-loss", "chart-judged"]
    assert training_curves(examples.regression()[0], {}) == []


def test_a_picture_holds_every_value_of_every_curve(examples) -> None:
    run, arrays = examples.classification()
    arrays["accuracy_EM"][20:, 1] = np.nan
    figure = history(run, arrays)
    assert figure is not None
    assert (figure.kind, len(figure.panels), len(figure.key)) == ("curves", 1, 3)
    columns = [figure.data[name] for name in ("curve", "epoch", "network", "value")]
    kept = {(e, m): value for curve, e, m, value in zip(*columns, strict=True) if curve == "training accuracy"}
    assert len(kept) == 30 * 5 - 10
    assert all(arrays["accuracy_EM"][e - 1, m] == value for (e, m), value in kept.items())
    assert set(figure.facts["last_median"]) == {"loss", "training accuracy", "accuracy"}
    drawn = figure.render("svg").decode()
    assert "training loss (right axis)" in drawn
    assert "accuracy on judged rows" in drawn
