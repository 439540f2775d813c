from __future__ import annotations

import altair as alt

from danlu.core.explained import Explained, LayerCourse
from danlu.report.figures import records
from danlu.report.inside import inside
from danlu.report.over_time import courses, key


def test_each_measure_has_a_chart_with_a_line_for_each_layer_that_has_it(examples) -> None:
    record, _ = examples.regression()
    found = dict(courses(record.explained))
    assert list(found) == ["What layers give", "Gradients", "Weights", "Units that are dead"]
    gradients = records(found["Gradients"].data["layers"])
    assert [(row["x"], row["y"]) for row in gradients if row["layer"] == "1. Linear"] == [
        (0, 0.1), (20, 0.01), (40, 1e-3), (60, 1e-4),
    ]  # fmt: skip
    assert {(row["layer"], row["role"]) for row in gradients} == {
        ("1. Linear", "first layer"),
        ("3. Linear", "last layer"),
    }
    assert found["Gradients"].spec["layer"][0]["encoding"]["y"]["scale"]["type"] == "log"
    assert found["Gradients"].label == (
        "Gradients over the epochs: 1. Linear from 0.10 to 0.00010; 3. Linear from 0.10 to 0.10."
    )
    dead = found["Units that are dead"]
    assert dead.label == "Units that are dead over the epochs: 2. ReLU from 0% to 100%."
    for chart in found.values():
        alt.Chart.from_dict({**chart.spec, "datasets": {"layers": records(chart.data["layers"])}}, validate=True)


def test_layers_between_are_grey_and_lie_below(examples) -> None:
    record, _ = examples.regression()
    rows = records(dict(courses(record.explained))["What layers give"].data["layers"])
    assert [row["role"] for row in rows[:4]] == ["layers between"] * 4
    assert [mark.colour for mark in key(record.explained)] == ["second", "first", "grey"]


def test_layers_seen_once_and_shares_that_stay_0_have_no_chart() -> None:
    once = LayerCourse(name="0", kind="ReLU", output=(1.0,), dead=(0.5,))
    assert courses(Explained(layer_epochs=(5,), layer_courses=(once,))) == []
    never = LayerCourse(name="0", kind="ReLU", output=(1.0, 2.0), dead=(0.0, 0.0))
    found = courses(Explained(layer_epochs=(0, 5), layer_courses=(never,)))
    assert [title for title, _ in found] == ["What layers give"]


def test_the_part_shows_them_below_the_table(examples) -> None:
    record, _ = examples.regression()
    part = inside(record)
    assert part is not None
    assert [chart.id for chart in part.charts] == [
        f"chart-layers-{n}" for n in ("output", "gradient", "weight", "dead")
    ]
    assert "The same network at 4 epochs, from 0 (before the first step) to 60" in part.html()
