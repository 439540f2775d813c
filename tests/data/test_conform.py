from __future__ import annotations

import datetime as dt
import re
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pytest

from danlu.core.errors import SchemaError
from danlu.core.plan import make_plan
from danlu.core.records import Schema
from danlu.data.columns import Conformed
from danlu.data.conform import conform
from danlu.data.examine import examine
from danlu.data.table import RawTable

TRAINED: dict[str, Any] = {
    "area": [50.0, 60.0, 80.0, 100.0],
    "town": ["B", "A", "B", "C"],
    "garden": ["yes", "no", "no", None],
    "sold": ["03/04/2020", "31/12/2020", "05/06/2021", "06/06/2021"],
    "flat": ["true", "false", "unknown", "true"],
    "note": ["x"] * 4,
    "price": [1.5, 2.5, 4.0, 9.0],
}


def raw(columns: Any, *, header: bool = True) -> RawTable:
    return RawTable(arrow=pa.table(columns), source="memory", notes=(), header=header)


def schema(columns: Any = TRAINED, *, header: bool = True, **settings: Any) -> Schema:
    return examine(raw(columns, header=header), make_plan(**settings)).schema


def conformed(changes: dict[str, Any], *, with_target: bool = False) -> Conformed:
    columns = TRAINED | changes
    columns = {name: cells for name, cells in columns.items() if cells is not None}
    return conform(raw(columns), schema(target="price"), with_target=with_target)


def values(found: Conformed, name: str) -> np.ndarray:
    return next(column.values for column in found.table.columns if column.name == name)


def said(found: Conformed) -> list[tuple[str, str]]:
    return [(note.topic, note.text) for note in found.warnings]


def test_the_table_learnt_from_conforms_without_a_word() -> None:
    table = raw(TRAINED)
    found = examine(table, make_plan(target="price"))
    again = conform(table, found.schema, with_target=True)
    assert again.warnings == ()
    assert again.target is not None
    np.testing.assert_array_equal(again.target.values, found.target.values)
    for ours, theirs in zip(again.table.columns, found.table.columns, strict=True):
        assert (ours.name, ours.kind, ours.values.dtype) == (theirs.name, theirs.kind, theirs.values.dtype)
        np.testing.assert_array_equal(ours.values, theirs.values)


def test_prediction_needs_neither_target_nor_what_was_left_out() -> None:
    found = conformed({"price": None, "note": None})
    assert found.target is None
    assert found.kept.tolist() == [0, 1, 2, 3]
    assert said(found) == []


def test_columns_are_matched_by_name_and_extra_ones_said() -> None:
    turned = dict(reversed(TRAINED.items())) | {"roof": [1] * 4, "colour": ["x"] * 4}
    found = conform(raw(turned), schema(target="price"), with_target=False)
    assert values(found, "area").tolist() == [50, 60, 80, 100]
    assert said(found) == [("columns", "2 columns not learnt from, ignored: roof, colour")]


def test_types_that_lose_nothing_are_taken() -> None:
    found = conformed({"area": ["50", " 60 ", "", "NA"], "town": ["A"] * 4, "flat": [True, False, True, None]})
    np.testing.assert_array_equal(values(found, "area"), [50, 60, np.nan, np.nan])
    assert values(found, "flat").tolist() == [1, 0, 1, -1]
    assert found.warnings[0].text == "2 missing cells, where none were missing in the table learnt from"


def test_numbers_are_found_among_levels_that_are_numbers() -> None:
    expected = schema({"zip": ["9", "10", "x", "9"], "y": [1.0, 2, 3, 4]}, target="y")
    found = conform(raw({"zip": [10.0, 9.0, None]}), expected, with_target=False)
    assert values(found, "zip").tolist() == [0, 1, -1]


def test_booleans_are_found_in_a_yes_no_column() -> None:
    assert values(conformed({"garden": [True, False, None, True]}), "garden").tolist() == [1, 0, -1, 1]


def test_dates_are_read_in_the_order_learnt() -> None:
    found = conformed({"sold": ["05/06/2020", "2020-06-05", None, "05.06.2020 00:00"]})
    expected = dt.datetime(2020, 6, 5, tzinfo=dt.UTC).timestamp()
    np.testing.assert_array_equal(values(found, "sold"), [expected, expected, np.nan, expected])
    assert values(conformed({"sold": [dt.date(2020, 6, 5)] * 4}), "sold")[0] == expected


def test_unseen_categories_are_counted_and_three_named() -> None:
    found = conformed({"town": ["Q", "A", "R", None], "garden": ["maybe", "yes", "no", "no"]})
    assert values(found, "town").tolist() == [-2, 0, -2, -1]
    assert values(found, "garden").tolist() == [-2, 1, 0, 0]
    assert said(found) == [
        ("town", "2 cells with a category that was not learnt: 'Q', 'R'"),
        ("town", "1 missing cell, where none were missing in the table learnt from"),
        ("garden", "1 cell with a category that was not learnt: 'maybe'"),
    ]
    assert "'P', 'Q', 'R' and 1 more" in said(conformed({"town": ["P", "Q", "R", "S"]}))[0][1]


def test_numbers_far_outside_are_counted() -> None:
    # Learnt from 50 to 100: up to one range further, 0 to 150, nothing is said.
    assert said(conformed({"area": [0.0, 150.0, 75.0, 60.0]})) == []
    found = conformed({"area": [-0.5, 150.5, 75.0, 1e300]})
    assert said(found) == [("area", "3 cells far outside those learnt from (50 to 100)")]


def test_an_empty_column_is_missing_everywhere() -> None:
    found = conformed({"area": pa.nulls(4), "town": pa.nulls(4), "sold": pa.nulls(4)})
    assert np.isnan(values(found, "area")).all()
    assert values(found, "town").tolist() == [-1] * 4
    assert np.isnan(values(found, "sold")).all()


def test_a_table_without_rows_conforms() -> None:
    table = raw(pa.table(TRAINED).slice(0, 0))
    found = conform(table, schema(target="price"), with_target=False)
    assert found.table.rows == 0
    assert all(len(column.values) == 0 for column in found.table.columns)


def test_scoring_leaves_out_rows_without_a_target() -> None:
    found = conformed({"price": [None, 1.0, None, 3.0]}, with_target=True)
    assert found.kept.tolist() == [1, 3]
    assert found.without_target == 2
    assert found.target is not None
    assert found.target.values.tolist() == [[1], [3]]
    assert values(found, "area").tolist() == [60, 100]


def test_classes_keep_their_numbers() -> None:
    columns = {"x": [1.5, 2.5, 4.0, 8.0], "y": [3, 10, 9, 10]}
    expected = schema(columns, target="y", task="classification")
    found = conform(raw(columns | {"y": [10.0, None, 9.0, 3.0]}), expected, with_target=True)
    assert found.target is not None
    assert found.target.values.tolist() == [2, 1, 0]
    with pytest.raises(SchemaError, match=r"only if its class was learnt, row 3 of column `y` has '4'\."):
        conform(raw(columns | {"y": ["10", None, "4", "3"]}), expected, with_target=True)


@pytest.mark.parametrize(
    ("changes", "with_target", "message"),
    [
        ({"area": None, "arae": [1.0] * 4}, False, "there is no `area`. Did you mean `arae`?"),
        ({"price": None}, True, "there is no `price`"),
        ({"area": ["50", "big", "1", "1"]}, False, "column `area` must hold numbers, row 2 has 'big'"),
        ({"area": [1.0, 2.0, 3.0, float("-inf")]}, False, "numbers must be finite, row 4 of column `area` has -inf."),
        ({"area": [dt.date(2020, 1, 1)] * 4}, False, "column `area` must hold numbers, it holds date32[day]"),
        ({"sold": ["soon"] * 4}, False, "column `sold` must hold dates, row 1 has 'soon'"),
        ({"town": [["A"]] * 4}, False, "column `town` must hold a category"),
    ],
)
def test_tables_that_do_not_fit(changes: dict[str, Any], with_target: bool, message: str) -> None:
    with pytest.raises(SchemaError, match=re.escape(message)):
        conformed(changes, with_target=with_target)


class TestWithoutHeader:
    COLUMNS: ClassVar = {"c1": [1.0, 2.0, 3.5], "c2": ["x", "y", "y"], "c3": [7, 7, 7], "c4": ["a", "b", "b"]}

    def expected(self) -> Schema:
        return schema(self.COLUMNS, header=False, target="c2")

    def test_columns_are_matched_by_position(self) -> None:
        found = conform(raw(self.COLUMNS, header=False), self.expected(), with_target=True)
        assert [column.name for column in found.table.columns] == ["c1", "c4"]

    def test_the_target_may_be_away(self) -> None:
        columns = {"c1": [9.0], "c2": [7], "c3": ["b"]}
        found = conform(raw(columns, header=False), self.expected(), with_target=False)
        assert values(found, "c1").tolist() == [9]
        assert values(found, "c4").tolist() == [1]

    def test_names_are_used_where_they_are_the_same(self) -> None:
        found = conform(raw({"c4": ["b"], "c1": [9.0]}), self.expected(), with_target=False)
        assert values(found, "c1").tolist() == [9]

    def test_another_width_is_refused(self) -> None:
        message = "the table must have 4 columns, or 3 without the target, as the one learnt from"
        with pytest.raises(SchemaError, match=message):
            conform(raw({"c1": [9.0], "c2": [1]}, header=False), self.expected(), with_target=False)

    def test_a_table_without_header_for_a_model_with_one_is_told_so(self) -> None:
        with pytest.raises(SchemaError, match="seems to have no header"):
            conform(raw(self.COLUMNS, header=False), schema(target="price"), with_target=False)
