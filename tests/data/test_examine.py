from __future__ import annotations

import datetime as dt
import re
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from danlu.core.errors import DanluError, DataError, PlanError
from danlu.core.plan import make_plan
from danlu.core.records import LeftOut
from danlu.data.columns import Examined
from danlu.data.examine import examine
from danlu.data.table import RawTable


def raw(columns: dict[str, Any]) -> RawTable:
    return RawTable(arrow=pa.table(columns), source="memory", notes=(), header=True)


HOUSES: dict[str, Any] = {
    "id": [11, 12, 14, 19, 13],
    "area": [50.0, None, 80.0, 120.0, 65.0],
    "town": ["B", "A", "B", None, "A"],
    "garden": ["yes", "no", "no", "yes", "yes"],
    "sold": [dt.date(2020, 1, day) for day in (1, 2, 3, 4, 5)],
    "price": [100.0, 150.5, None, 300.25, 120.0],
    "rooms": [2, 3, 3, 5, 2],
    "weight": [1.0, 2.0, 1.0, None, 0.0],
}


def examined(columns: dict[str, Any] = HOUSES, **settings: Any) -> Examined:
    return examine(raw(columns), make_plan(**settings))


def test_a_small_table_whole() -> None:
    found = examined(target="price")
    assert [(c.name, c.kind) for c in found.schema.columns] == [
        ("area", "number"),
        ("town", "category"),
        ("garden", "yes/no"),
        ("sold", "date"),
        ("rooms", "number"),
        ("weight", "number"),
    ]
    assert found.schema.left_out == (
        LeftOut(name="id", reason="row identifier: distinct numbers under the name of an identifier"),
    )
    assert found.kept.tolist() == [0, 1, 3, 4]
    assert (found.rows.read, found.rows.used, found.rows.without_target) == (5, 4, 1)
    assert found.target.values.tolist() == [[100], [150.5], [300.25], [120]]
    assert found.table.rows == 4
    np.testing.assert_array_equal(found.table.columns[0].values, [50, np.nan, 120, 65])
    assert found.table.columns[1].values.tolist() == [1, 0, -1, 0]
    assert [(n.topic, n.text) for n in found.notes] == [("rows", "1 of 5 rows has no target and is left out")]


def test_targets_by_number_and_several() -> None:
    found = examined(target="6,rooms")
    assert found.target.schema.names == ("price", "rooms")
    assert found.target.values.shape == (4, 2)
    assert "rooms" not in [column.name for column in found.schema.columns]


def test_one_text_is_several_targets_unless_it_is_a_name() -> None:
    plan = make_plan(target=("price,rooms",))
    assert examine(raw(HOUSES), plan).target.schema.names == ("price", "rooms")
    named = examine(raw(HOUSES | {"price,rooms": [1.0, 2.0, 3.0, 4.0, 5.0]}), plan)
    assert named.target.schema.names == ("price,rooms",)
    with pytest.raises(DataError, match="there is no column 'room'"):
        examine(raw(HOUSES), make_plan(target=("price,room",)))


def test_rows_without_a_weight_are_counted_apart() -> None:
    found = examined(target="price", weight="weight")
    assert found.kept.tolist() == [0, 1, 4]
    assert (found.rows.without_target, found.rows.without_weight) == (1, 1)
    assert found.special["weight"].tolist() == [1, 2, 0]
    assert LeftOut(name="weight", reason="gives the weights") in found.schema.left_out


def test_groups_folds_and_times() -> None:
    found = examined(target="rooms", group="town")
    codes = found.special["group"]
    assert codes.dtype == np.int64
    assert codes[0] == codes[2] != codes[1] == codes[4]
    assert codes[3] not in (codes[0], codes[1])
    assert set(codes) == {0, 1, 2}
    found = examined(target="rooms", fold_column="garden")
    assert found.special["fold"].tolist() in ([0, 1, 1, 0, 0], [1, 0, 0, 1, 1])
    found = examined(target="rooms", time="sold")
    assert np.diff(found.special["time"]).tolist() == [86400] * 4
    assert "sold" in [column.name for column in found.schema.columns]
    assert "sold" not in [c.name for c in examined(target="rooms", time="sold", drop="sold").schema.columns]


def test_time_as_text() -> None:
    columns = {"t": ["31/12/2020", "01/01/2020", "02/01/2020"], "x": [1.5, 2, 3], "y": [1.0, 2, 4]}
    assert np.argsort(examined(columns, target="y", time="t").special["time"]).tolist() == [1, 2, 0]
    columns["t"] = ["03/12/2020", "04/01/2020", "02/01/2020"]
    with pytest.raises(DataError, match="may have the day or the month first"):
        examined(columns, target="y", time="t")
    found = examined(columns, target="y", time="t", kinds="t=date")
    assert np.argsort(found.special["time"]).tolist() == [2, 1, 0]


def test_kinds_and_drop_are_honoured() -> None:
    found = examined(target="price", kinds="rooms=category,town=drop,1=number", drop="garden")
    kinds = {column.name: column.kind for column in found.schema.columns}
    assert kinds["rooms"] == "category"
    assert kinds["id"] == "number"
    left = {out.name: out.reason for out in found.schema.left_out}
    assert left == {"town": "as asked", "garden": "dropped, as asked"}


def test_a_column_that_counts_rows_is_kept_where_it_is_the_only_one() -> None:
    found = examined({"x": list(range(40)), "y": [i**2.0 for i in range(40)]}, target="y")
    assert [c.name for c in found.schema.columns] == ["x"]
    assert found.schema.left_out == ()
    assert found.notes[-1].topic == "x"


def test_refusals_name_rows_of_the_raw_table() -> None:
    columns = {"x": [1.0, 2.0, 3.0, float("inf")], "y": [None, 1.0, 2.0, 3.5]}
    with pytest.raises(DataError, match=r"row 4 of column `x` has inf\."):
        examined(columns, target="y")


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({}, PlanError, "`target` must name the column to predict"),
        ({"target": "prise"}, DataError, "there is no column 'prise'. Did you mean `price`?"),
        ({"target": "9"}, DataError, "there is no column '9'"),
        ({"target": "price,6"}, PlanError, "must name each column once"),
        ({"target": "price", "drop": "gardn"}, DataError, "Did you mean `garden`?"),
        ({"target": "price", "drop": "price"}, PlanError, "a target cannot be dropped"),
        ({"target": "price", "kinds": "romms=category"}, DataError, "Did you mean `rooms`?"),
        ({"target": "price", "group": "twon"}, DataError, "`group` must name a column"),
        ({"target": "price", "fold_column": "fold"}, DataError, "`fold_column` must name a column"),
        ({"target": "price", "time": "when"}, DataError, "`time` must name a column"),
        ({"target": "price", "weight": "wieght"}, DataError, "Did you mean `weight`?"),
        ({"target": "price", "weight": "price"}, PlanError, "have another role"),
        (
            {"target": "rooms", "fold_column": "town"},
            DataError,
            "a fold in every row, row 4 of column `town` has nothing",
        ),
        (
            {"target": "rooms", "time": "area"},
            DataError,
            "must be known in every row, row 2 of column `area` has nothing",
        ),
        (
            {"target": "price", "drop": "id,area,town,garden,sold,rooms,weight"},
            DataError,
            "a table needs a column to learn from, all are left out (`id`: dropped, as asked;",
        ),
    ],
)
def test_settings_that_do_not_fit_the_table(settings: dict[str, Any], error: type[DanluError], message: str) -> None:
    with pytest.raises(error, match=re.escape(message)):
        examined(**settings)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"x": [], "y": []}, "a table needs at least two rows to learn from, memory has only a header."),
        ({"x": [1], "y": [2]}, "a table needs at least two rows to learn from, memory has one."),
        ({"x": [1, 2], "y": pa.nulls(2)}, "at least two rows must have a target, 0 of 2 rows have one."),
        ({"x": [1, 2], "y": [1, None]}, "at least two rows must have a target, 1 of 2 rows has one."),
        ({"x": [5, 5], "y": [1, 2]}, "all are left out (`x`: constant: every cell is 5)"),
        ({"y": [1, 2]}, "a table needs a column to learn from, there is none beside the target."),
        ({"x": [1, 2], "y": [3, 3]}, "target `y` must vary"),
    ],
)
def test_tables_that_cannot_be_learnt_from(columns: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=re.escape(message)):
        examined(columns, target="y")


@pytest.mark.parametrize(
    ("weights", "message"),
    [([1, -2, 3], "must not be negative, row 2 of column `w` has -2.0"), ([0, 0, 0], "must be above 0 in some row")],
)
def test_weights_that_mean_nothing(weights: list[float], message: str) -> None:
    with pytest.raises(DataError, match=re.escape(message)):
        examined({"x": [1, 2, 4], "w": weights, "y": [1.5, 2, 3]}, target="y", weight="w")
