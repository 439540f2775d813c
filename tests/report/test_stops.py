from __future__ import annotations

import altair as alt
import pytest

from danlu.report import parts
from danlu.report.figures import records
from danlu.report.stops import key, stops_chart


def test_networks_that_all_ran_to_the_same_end_need_no_chart(examples) -> None:
    record, _ = examples.regression()
    assert stops_chart(record) is None


def test_each_network_has_its_end_its_best_epoch_and_the_reason(examples) -> None:
    record, _ = examples.broken()
    chart = stops_chart(record)
    assert chart is not None
    rows = records(chart.data["networks"])
    assert [row["x"] for row in rows] == sorted((m.epochs for m in record.members), reverse=True)
    found = {row["m"]: (row["x"], row["best"], row["why"]) for row in rows}
    assert found[3] == (4, 3, "broke down")
    assert found[7] == (6, 5, "broke down")
    assert found[0] == (60, 60, "ran to the end")
    assert [mark.text for mark in key(record)] == ["8 ran to the end", "2 broke down"]
    assert chart.caption == "Bar: 4 to 60 epochs. Ring: the epoch whose weights were kept."
    alt.Chart.from_dict({**chart.spec, "datasets": {"networks": rows}}, validate=True)


def test_of_many_networks_some_are_drawn_and_it_is_said(examples) -> None:
    record, arrays = examples.regression(members=200, epochs=30)
    short = record.members[5].model_copy(update={"ended": "interrupted", "epochs": 7, "best_epoch": 7})
    members = (*record.members[:5], short, *record.members[6:])
    record = record.model_copy(update={"members": members})
    chart = stops_chart(record)
    assert chart is not None
    assert chart.caption == "Bar: 7 to 30 epochs. 60 of 200 networks are drawn."
    assert 5 in chart.data["networks"]["m"], "the one that ended otherwise is the last in order, and drawn"
    part = parts.training(record, arrays)
    assert "chart-stops" in [each.id for each in part.charts]
    assert "1 stopped by hand" in part.html()


@pytest.mark.parametrize("amount", [1, 200])
def test_it_is_as_high_as_it_has_networks(examples, amount: int) -> None:
    record, _ = examples.stopped(members=10)
    record = record.model_copy(update={"members": (record.members * 20)[:amount]})
    chart = stops_chart(record)
    assert chart is not None
    assert chart.spec["height"] == (16 if amount == 1 else 60 * 8)
