from __future__ import annotations

import re

import altair as alt
import numpy as np
import pytest
from sklearn.metrics import confusion_matrix

from danlu.report import charts, curves, opening, parts, tables, thin
from danlu.report.drivers import drivers
from danlu.report.failures import failures
from danlu.report.figures import records
from danlu.report.seen import seen


def drawn(run, arrays):
    """Return every chart of a run's page by its name."""
    found = [parts.score(run), seen(run), parts.training(run, arrays), drivers(run, arrays), failures(run, arrays)]
    return {chart.id: chart for part in found if part for chart in part.charts}


@pytest.mark.parametrize("name", ["regression", "stopped", "several", "two", "many", "hostile"])
def test_specifications_are_valid_vega_lite(name, examples):
    found = drawn(*examples.ALL[name]())
    assert found
    for chart in found.values():
        # A few rows do: the schema holds for each alike, and checking thousands is slow.
        datasets = {key: records(columns)[:3] for key, columns in chart.data.items()}
        alt.Chart.from_dict({**chart.spec, "datasets": datasets}, validate=True)
        fields = {field for columns in chart.data.values() for field in columns}
        assert all(field.isalpha() for field in fields), "names of fields are never the user's"


def test_score_chart_holds_the_scores(examples):
    run, _ = examples.regression()
    lines = opening.score_chart(run, opening.headline(run)).data["lines"]
    score = run.scores["rmse"]
    assert lines["name"] == ["Networks together", "One network", "Linear model", "Always the mean"]
    assert lines["x"] == [
        score.value,
        score.one_member,
        run.baselines["linear"]["rmse"],
        run.baselines["mean"]["rmse"],
    ]
    assert (lines["low"][0], lines["high"][0]) == (score.low, score.high)


def test_scatter_holds_the_rows_and_says_what_it_leaves_out(examples):
    run, arrays = examples.regression(rows=500)
    chart = drawn(run, arrays)["chart-fit-0"]
    points = chart.data["points"]
    np.testing.assert_allclose(points["x"], arrays["truth_NC"][:, 0], rtol=1e-4)
    np.testing.assert_allclose(points["y"], arrays["predicted_NC"][:, 0], rtol=1e-4)
    assert points["row"] == (arrays["rows_N"] + 1).tolist()
    assert chart.caption == "All 500 judged rows."
    run, arrays = examples.regression(rows=5_000)
    chart = drawn(run, arrays)["chart-fit-0"]
    assert len(chart.data["points"]["x"]) == 3_000
    assert chart.caption == "3,000 of 5,000 judged rows, drawn at random."
    place = {row + 1: i for i, row in enumerate(arrays["rows_N"].tolist())}
    at = [place[row] for row in chart.data["points"]["row"]]
    np.testing.assert_allclose(chart.data["points"]["x"], arrays["truth_NC"][at, 0], rtol=1e-4)


def test_errors_count_every_row(examples):
    run, arrays = examples.regression(rows=1_000)
    chart = drawn(run, arrays)["chart-errors"]
    error = (arrays["predicted_NC"] - arrays["truth_NC"])[:, 0]
    inside = sum(chart.data["bins"]["rows"])
    reach = np.abs(np.quantile(error, [0.01, 0.99])).max()
    assert inside == np.sum(np.abs(error) <= reach)
    assert f"{1_000 - inside} of 1,000 rows lie outside" in chart.caption


def test_rows_without_a_prediction_are_not_drawn(examples):
    run, arrays = examples.regression(rows=100)
    arrays["predicted_NC"][:7] = np.nan
    chart = drawn(run, arrays)["chart-fit-0"]
    assert len(chart.data["points"]["x"]) == 93
    assert chart.caption == "All 93 judged rows."


def test_probabilities_share_out_each_class(examples):
    run, arrays = examples.classification()
    bins = drawn(run, arrays)["chart-probability"].data["bins"]
    for side, label in (("s0", 0), ("s1", 1)):
        own = [i for i, s in enumerate(bins["side"]) if s == side]
        assert sum(bins["rows"][i] for i in own) == np.sum(arrays["truth_NC"] == label)
        assert sum(bins["share"][i] for i in own) == pytest.approx(1, abs=1e-3)


def test_curves_are_the_arrays(examples):
    run, arrays = examples.regression(members=3, epochs=20)
    chart = drawn(run, arrays)["chart-loss"]
    lines = chart.data["lines"]
    for m in range(3):
        own = [i for i, member in enumerate(lines["m"]) if member == m]
        assert [lines["x"][i] for i in own] == list(range(1, 21))
        np.testing.assert_allclose([lines["y"][i] for i in own], arrays["loss_EM"][:, m], rtol=1e-4)
    np.testing.assert_allclose(chart.data["middle"]["y"], np.median(arrays["loss_EM"], axis=1), rtol=1e-4)


def test_curves_of_many_members_and_epochs_are_thinned_and_say_so():
    epochs = np.arange(1, 5_001)
    values = np.linspace(3, 1, 5_000)[:, None] * np.ones(100)
    chart = curves.curve_chart(curves.Curves("c", "Loss", epochs, values))
    assert chart is not None
    assert len(chart.data["lines"]["x"]) <= thin.MOST_OF_ALL_CURVES
    assert "40 of 100 networks" in chart.caption
    points = len(chart.data["middle"]["x"])
    assert points <= thin.MOST_OF_A_CURVE
    assert f"{points} of 5,000 points of each curve are drawn" in chart.caption
    assert (chart.data["middle"]["x"][0], chart.data["middle"]["x"][-1]) == (1, 5_000)


def test_curves_end_where_a_network_ended(examples):
    run, arrays = examples.stopped()
    chart = drawn(run, arrays)["chart-judged"]
    lines = chart.data["lines"]
    for member in run.members:
        assert max(x for x, m in zip(lines["x"], lines["m"], strict=True) if m == member.index) == member.epochs
    best = chart.data["best"]
    assert dict(zip(best["m"], best["x"], strict=True)) == {m.index: m.best_epoch for m in run.members}


def test_curves_without_a_finite_value_are_not_drawn():
    assert curves.curve_chart(curves.Curves("c", "Loss", np.arange(3), np.full((3, 2), np.nan))) is None
    part = curves.curve_chart(curves.Curves("c", "Loss", np.arange(1, 3), np.array([[1.0, np.inf], [0.5, np.nan]])))
    assert part is not None
    assert set(part.data["lines"]["m"]) == {0}


@pytest.mark.parametrize(("values", "log"), [([1.0, 0.001], True), ([1.0, 0.5], False), ([1.0, 0.0], False)])
def test_curves_over_decades_get_a_logarithmic_axis(values, log):
    chart = curves.curve_chart(curves.Curves("c", "Loss", np.arange(1, 3), np.array(values)[:, None]))
    assert chart is not None
    assert ("log" in str(chart.spec["layer"][0]["encoding"]["y"]["scale"])) is log


def test_confusion_counts_are_those_of_scikit_learn(examples):
    _, arrays = examples.classification(23)
    truth, guessed = arrays["truth_NC"], arrays["predicted_NC"].argmax(axis=1)
    matrix = tables.counts(truth, guessed, 23)
    np.testing.assert_array_equal(matrix, confusion_matrix(truth, guessed, labels=range(23)))
    small, kept = tables.gathered(matrix, 15)
    assert small.sum() == len(truth)
    assert len(kept) == 15
    assert small.shape == (16, 16)


def test_thinning_keeps_ends_and_is_seeded():
    axis = np.unique(np.geomspace(1, 1_000_000, 500).astype(int))
    at = thin.along(axis, 50, logarithmic=True)
    assert len(at) <= 50
    assert (axis[at][0], axis[at][-1]) == (1, 1_000_000)
    np.testing.assert_array_equal(thin.some(9_000, 3_000, 4), thin.some(9_000, 3_000, 4))


def test_axis_ticks_of_a_logarithmic_scale_lie_inside():
    values = charts.numbers_axis(0.03, 40, log=True)["values"]
    assert all(0.03 <= value <= 40 for value in values)
    assert 2 <= len(values) <= 7


@pytest.mark.parametrize(("first", "last"), [(1, 1), (1, 2), (1, 3), (0, 2), (1, 4), (1, 5), (1, 30)])
def test_no_epoch_is_named_twice(first, last):
    import vl_convert  # draws as a page does

    x = alt.X("x:Q", scale=alt.Scale(nice=False, zero=False), axis=charts.epochs_axis(first, last))
    spec = charts.finish([alt.Chart(alt.NamedData(name="d")).mark_point().encode(x=x)], 60)
    spec |= {"width": 500, "datasets": {"d": [{"x": first}, {"x": last}]}}
    labels = re.findall(r">(\d+)</text>", vl_convert.vegalite_to_svg(spec))
    assert len(labels) == len(set(labels))
    assert last > 5 or labels[0] == str(first)
    assert len(labels) <= 8
