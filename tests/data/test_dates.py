from __future__ import annotations

import datetime as dt

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from danlu.core.errors import DataError
from danlu.data.cells import Origin
from danlu.data.dates import PERIODS, cycle, orders_that_fit, seconds, shown, varying

HERE = Origin("day")
UTC = dt.UTC


def stamp(*parts: int) -> float:
    return dt.datetime(*parts, tzinfo=UTC).timestamp()  # type: ignore[misc]


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_timestamps_of_every_unit(unit: str) -> None:
    cells = pa.chunked_array([pa.array([dt.datetime(2020, 12, 31, 10), None]).cast(pa.timestamp(unit))])
    np.testing.assert_array_equal(seconds(cells, HERE), [stamp(2020, 12, 31, 10), np.nan])


def test_dates_and_times_of_day() -> None:
    days = pa.chunked_array([[dt.date(1969, 12, 31), None]])
    np.testing.assert_array_equal(seconds(days, HERE), [-86400, np.nan])
    np.testing.assert_array_equal(seconds(days.cast(pa.date64()), HERE), [-86400, np.nan])
    np.testing.assert_array_equal(seconds(pa.chunked_array([[dt.time(1, 2, 3)]]), HERE), [3723])


@pytest.mark.parametrize(
    ("text", "order", "expected"),
    [
        ("2020-12-31 10:00", "", (2020, 12, 31, 10)),
        ("2020-12-31T10:00:05Z", "", (2020, 12, 31, 10, 0, 5)),
        ("2020/1/2", "", (2020, 1, 2)),
        ("2020年3月4日", "", (2020, 3, 4)),
        ("03/04/2020", "day first", (2020, 4, 3)),
        ("03/04/2020", "month first", (2020, 3, 4)),
        ("31.12.2020 23:59", "day first", (2020, 12, 31, 23, 59)),
        ("20201231", "", (2020, 12, 31)),
        ("29/02/2020", "day first", (2020, 2, 29)),
    ],
)
def test_dates_written_as_text(text: str, order: str, expected: tuple[int, ...]) -> None:
    assert seconds(pa.chunked_array([[text, None]]), HERE, order)[0] == stamp(*expected)


def test_whole_numbers_of_eight_digits_are_dates_where_dates_are_wanted() -> None:
    assert seconds(pa.chunked_array([[20201231, 20200101]]), HERE)[0] == stamp(2020, 12, 31)


@pytest.mark.parametrize("text", ["29/02/2019", "31/04/2020", "2020-13-01", "2020-01-01 24:00", "soon"])
def test_days_that_do_not_exist_are_refused(text: str) -> None:
    with pytest.raises(DataError, match=r"must hold dates, row 2 has .*"):
        seconds(pa.chunked_array([["2020-01-01", text]]), HERE, "day first")


def test_the_whole_column_decides_the_order() -> None:
    assert list(orders_that_fit(pa.array(["03/04/2020", "31/12/2020"]))) == ["day first"]
    assert list(orders_that_fit(pa.array(["03/04/2020", "12/31/2020"]))) == ["month first"]
    assert list(orders_that_fit(pa.array(["10:30", "23:59"]))) == ["time of day"]
    assert not orders_that_fit(pa.array(["20201231"]))
    assert not orders_that_fit(pa.array(["2020-12-31", "x"]))


@given(st.datetimes(min_value=dt.datetime(1, 1, 1), max_value=dt.datetime(9999, 12, 31)))
def test_parts_equal_those_of_the_standard_library(moment: dt.datetime) -> None:
    moment = moment.replace(microsecond=0, tzinfo=UTC)
    value = np.array([moment.timestamp(), np.nan])
    expected = (moment.month - 1, moment.day - 1, moment.weekday(), moment.hour, moment.minute)
    assert tuple(cycle(value, part)[0] for part in PERIODS) == expected
    assert all(np.isnan(cycle(value, part)[1]) for part in PERIODS)


def test_only_parts_that_differ_vary() -> None:
    hours = np.array([stamp(2020, 1, 1, hour) for hour in range(3)])
    assert varying(hours) == ("hour",)
    assert varying(np.array([stamp(2020, 1, 6), stamp(2020, 1, 13)])) == ("monthday",)
    assert varying(np.array([stamp(1, 1, 1), stamp(9000, 1, 1)])) == ("weekday",)


def test_moments_are_shown_without_an_empty_time() -> None:
    assert shown(stamp(2020, 12, 31)) == "2020-12-31"
    assert shown(stamp(2020, 12, 31, 10)) == "2020-12-31 10:00:00"
