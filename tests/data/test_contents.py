"""The hash of rows that come from no file."""

from __future__ import annotations

import datetime

import pyarrow as pa
import pytest

from danlu.data.contents import content_hash

MOMENT = datetime.datetime(2024, 1, 2, 3)
TABLE = pa.table(
    {
        "n": [1, None, 3],
        "x": [0.5, 1.5, None],
        "b": [True, None, False],
        "s": ["a", "bc", None],
        "day": [MOMENT.date(), None, MOMENT.date()],
        "at": [MOMENT, None, MOMENT],
        "time": pa.array([MOMENT.time(), None, MOMENT.time()], pa.time64("us")),
        "zoned": pa.array([MOMENT, None, MOMENT], pa.timestamp("us", "UTC")),
        "null": pa.nulls(3),
    }
)


def test_the_same_rows_however_they_are_cut() -> None:
    cut = pa.concat_tables([TABLE.slice(0, 1), TABLE.slice(1, 1), TABLE.slice(2)])
    padded = pa.concat_tables([TABLE.slice(2), TABLE]).slice(1)
    assert content_hash(cut) == content_hash(TABLE) == content_hash(padded)


@pytest.mark.parametrize(
    ("name", "column"),
    [
        ("n", [1, 0, 3]),
        ("x", [0.5, 1.5, 0.0]),
        ("b", [True, None, True]),
        ("s", ["ab", "c", None]),
        ("s", ["a", "bc", ""]),
        ("n", [1.0, None, 3.0]),
    ],
)
def test_any_change_is_another_hash(name: str, column: list[object]) -> None:
    place = TABLE.column_names.index(name)
    changed = TABLE.set_column(place, name, pa.array(column))
    assert content_hash(changed) != content_hash(TABLE)


def test_names_and_order_count() -> None:
    assert content_hash(TABLE.rename_columns(["m", *TABLE.column_names[1:]])) != content_hash(TABLE)
    assert content_hash(TABLE.take([1, 0, 2])) != content_hash(TABLE)
    assert content_hash(TABLE.slice(0, 2)) != content_hash(TABLE)
