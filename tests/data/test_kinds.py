from __future__ import annotations

import datetime as dt

import numpy as np
import pyarrow as pa
import pytest

from danlu.core.errors import DataError
from danlu.core.plan import KindName
from danlu.core.records import ColumnSchema
from danlu.data.cells import Origin
from danlu.data.columns import Column
from danlu.data.kinds import LEVELS_MOST, Decision, decide


def decided(cells: object, name: str = "a", wanted: KindName | None = None) -> Decision:
    return decide(pa.chunked_array([cells if isinstance(cells, pa.Array) else pa.array(cells)]), Origin(name), wanted)


def kept(cells: object, name: str = "a", wanted: KindName | None = None) -> tuple[Column, ColumnSchema]:
    decision = decided(cells, name, wanted)
    assert decision.column is not None
    assert decision.schema is not None
    assert not decision.left_out
    return decision.column, decision.schema


def test_a_number_with_missing_cells() -> None:
    column, schema = kept([None, 3.5, -1.0, None])
    assert schema == ColumnSchema(name="a", kind="number", missing=2, low=-1, high=3.5, example="3.5")
    np.testing.assert_array_equal(column.values, [np.nan, 3.5, -1, np.nan])


def test_whole_numbers_with_few_values_stay_numbers() -> None:
    assert kept([0, 1, 1, 0])[1].kind == "number"


@pytest.mark.parametrize(
    ("texts", "levels"),
    [
        (["Yes", "No", None], ("No", "Yes")),
        (["n", "y"], ("n", "y")),
        (["ja", "nein"], ("nein", "ja")),
        (["oui", "non"], ("non", "oui")),
        (["是", "否"], ("否", "是")),
        ([True, False, None], ("false", "true")),
    ],
)
def test_yes_or_no_has_no_first(texts: list[object], levels: tuple[str, str]) -> None:
    column, schema = kept(texts)
    assert (schema.kind, schema.levels) == ("yes/no", levels)
    assert column.values.dtype == np.int32
    spelt = [str(text).lower() if isinstance(text, bool) else text for text in texts]
    assert column.values.tolist() == [-1 if text is None else levels.index(text) for text in spelt]


def test_two_texts_that_are_no_known_pair_are_a_category() -> None:
    assert kept(["m", "f", "m"])[1].kind == "category"
    assert kept(["m", "f", "m"], wanted="yes/no")[1].kind == "yes/no"


def test_yes_or_no_of_three_cells_is_refused() -> None:
    with pytest.raises(DataError, match="two different cells to be yes/no, it has 3"):
        decided(["a", "b", "c"], wanted="yes/no")


def test_levels_are_sorted_and_codes_are_their_positions() -> None:
    column, schema = kept(["b", None, "a", "c", "b"])
    assert schema.levels == ("a", "b", "c")
    assert (schema.missing, schema.example) == (1, "b")
    assert column.values.tolist() == [1, -1, 0, 2, 1]


def test_numbers_wanted_as_a_category_are_spelt_and_sorted_as_numbers() -> None:
    column, schema = kept([10.0, 9.0, None, 9.0], wanted="category")
    assert schema.levels == ("9", "10")
    assert column.values.tolist() == [1, 0, -1, 0]


def test_unused_entries_of_a_dictionary_are_no_levels() -> None:
    cells = pa.DictionaryArray.from_arrays(pa.array([2, 0, 2], pa.int8()), pa.array(["z", "unused", "b"]))
    column, schema = kept(cells)
    assert schema.levels == ("b", "z")
    assert column.values.tolist() == [0, 1, 0]


def test_of_too_many_levels_the_most_frequent_are_kept() -> None:
    texts = [f"{i:06d}" for i in range(LEVELS_MOST + 5)]
    decision = decided(texts + texts[5:], wanted="category")
    assert decision.schema is not None
    assert decision.column is not None
    assert decision.schema.levels == tuple(texts[5:])
    assert decision.column.values[:6].tolist() == [-2, -2, -2, -2, -2, 0]
    assert "100,005 levels" in decision.note


@pytest.mark.parametrize(
    ("cells", "name", "reason"),
    [
        ([7, 7, 7], "a", "constant: every cell is 7"),
        (["x", "x"], "a", "constant: every cell is x"),
        ([dt.date(2020, 1, 1)] * 2, "a", "constant: every cell is 2020-01-01"),
        (pa.nulls(3), "a", "all cells are missing"),
        ([float("nan"), None], "a", "all cells are missing"),
        (["", " "], "a", "all cells are missing"),
        (list(range(1, 31)), "a", "row identifier: counts the rows by ones"),
        ([*range(100, 130), *range(131, 160)], "a", "row identifier: counts the rows by ones"),
        ([5, 9, 2], "customerID", "row identifier: distinct numbers under the name of an identifier"),
        ([5, 9, 2], "__index_level_0__", "row identifier: distinct numbers under the name of an identifier"),
        ([f"{i:04d}-XY" for i in range(30)], "a", "row identifier: 30 different texts in 30 rows"),
        ([f"pics/{i}.JPG" for i in range(30)], "a", "paths of images: --images with its name learns from them"),
        (
            [f"The quick brown fox number {i} jumps" for i in range(20)],
            "a",
            "free text: 7 words a cell, 20 different texts in 20 rows",
        ),
        ([[1, 2], [3]], "a", "cells of type list<item: int64> are not read"),
    ],
)
def test_what_is_left_out_and_why(cells: object, name: str, reason: str) -> None:
    assert decided(cells, name).left_out == reason


@pytest.mark.parametrize(
    ("cells", "name"),
    [
        (list(np.arange(30) + 0.0), "a"),  # floats, all distinct
        ([5, 9, 5], "customerID"),  # not distinct
        ([5, 9, 2], "paid"),  # ends in id, but is a word
        (list(range(1990, 2021)), "year"),
        (list(range(1, 11)), "x"),  # too few rows to tell
        ([7, 7, None], "a"),  # missing cells may tell something
        ([3, 1, 2, *range(4, 40)], "a"),
    ],
)
def test_numbers_that_look_like_identifiers_but_are_not(cells: list[object], name: str) -> None:
    assert kept(cells, name)[1].kind == "number"


def test_half_distinct_texts_stay_a_category() -> None:
    assert len(kept([f"T{i}" for i in range(70)] * 2)[1].levels) == 70


def test_a_wanted_kind_overrules_the_look_of_an_identifier() -> None:
    assert kept(list(range(1, 31)), wanted="number")[1].kind == "number"
    assert decided([1.5, 2.5], wanted="drop").left_out == "as asked"
    assert decided([1.5, 2.5], wanted="id").left_out == "identifier, as asked"


def test_a_date_counts_from_the_first_one_seen() -> None:
    column, schema = kept([None, dt.date(2020, 1, 3), dt.date(2020, 1, 1)])
    assert (schema.kind, schema.unit, schema.missing) == ("date", 86400, 1)
    assert schema.shift == column.values[1] == dt.datetime(2020, 1, 3, tzinfo=dt.UTC).timestamp()
    assert schema.parts == ("monthday", "weekday")
    assert schema.example == "2020-01-03"
    assert schema.low == schema.shift - 2 * 86400


def test_dates_as_text_are_read_where_there_is_one_way() -> None:
    decision = decided(["03/04/2020", "31/12/2020"])
    assert decision.schema is not None
    assert decision.schema.date_order == "day first"
    assert decision.note == "dates written as 03/04/2020, read with day first"


def test_ambiguous_dates_stay_a_category_unless_asked_for() -> None:
    decision = decided(["03/04/2020", "05/06/2020"])
    assert decision.schema is not None
    assert decision.schema.kind == "category"
    assert "--kind a=date" in decision.note
    assert kept(["03/04/2020", "05/06/2020"], wanted="date")[1].example == "2020-04-03"
    assert kept(["03/04/2020", "05/16/2020"], wanted="date")[1].date_order == "month first"


def test_eight_digits_are_a_date_only_where_asked_for() -> None:
    assert kept([20201231, 20200101])[1].kind == "number"
    assert kept([20201231, 20200101], wanted="date")[1].example == "2020-12-31"


@pytest.mark.parametrize(
    "values",
    [
        [1600000037, 1600000038, 1600000100],
        [20240115123045, 20240116000000, 20231231235959],
        [1e9 + 0.25, 1e9 + 0.5, 1e9],
    ],
)
def test_shifted_numbers_survive_float32(values: list[float]) -> None:
    _, schema = kept(values)
    shifted = np.float32((np.array(values, dtype=np.float64) - schema.shift) / schema.unit)
    spread = max(values) - min(values)
    np.testing.assert_allclose(
        shifted.astype(np.float64) * schema.unit + schema.shift, values, rtol=0, atol=spread * 2**-23
    )


@pytest.mark.parametrize("values", [[0, 255, 3], [1990, 2010, 2000], [-122.2, -118.9, -120.0], [1, 2**31, 5]])
def test_numbers_that_float32_holds_are_not_shifted(values: list[float]) -> None:
    schema = kept(values)[1]
    assert (schema.shift, schema.unit) == (0, 1)


@pytest.mark.parametrize("values", [[1e300, -1e300, 3.0], [1.7e308, -1.7e308, 0.0], [1e-300, 2e-300, 0.0]])
def test_the_unit_makes_extreme_magnitudes_tame(values: list[float]) -> None:
    schema = kept(values)[1]
    scaled = np.abs((np.array(values) - schema.shift) / schema.unit)
    assert 1 <= scaled.max() <= 2
    assert np.log2(schema.unit).is_integer()
