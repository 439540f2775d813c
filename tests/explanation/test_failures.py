from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from danlu.core.records import ColumnSchema
from danlu.data.columns import Column
from danlu.explanation.failures import mean_interval, slices, wilson


def write(low: float, high: float, kind: str) -> str:
    return f"{low:g} to {high:g}"


def number(name: str, values: np.ndarray) -> tuple[Column, ColumnSchema]:
    return Column(name, "number", values), ColumnSchema(name=name, kind="number")


def test_finds_the_slice_that_was_planted() -> None:
    rng = np.random.default_rng(0)
    town = rng.integers(0, 4, 2000).astype(np.int32)
    error = np.abs(rng.standard_normal(2000)) * np.where(town == 2, 3.0, 1.0)
    column = Column("town", "category", town), ColumnSchema(name="town", kind="category", levels=tuple("abcd"))
    found = slices(
        [column, number("noise", rng.standard_normal(2000))], error, "mean absolute error", write, share=False
    )
    assert found is not None
    assert found.looks == 4 + 5
    first = found.worst[0]
    assert (first.column, first.what, first.rows) == ("town", "c", int((town == 2).sum()))
    assert first.error == pytest.approx(float(error[town == 2].mean()))
    assert first.low > found.error
    assert all(each.low < found.error for each in found.worst[1:]), "nothing else is surely worse"
    assert all(each.error > found.error for each in found.worst)


def test_of_many_looks_at_noise_none_is_surely_worse() -> None:
    """With one slice in twenty called worse by chance, some of 250 would be without the correction."""
    rng = np.random.default_rng(3)
    columns = [number(f"c{i}", rng.standard_normal(1000)) for i in range(50)]
    error = (rng.random(1000) < 0.3).astype(float)
    found = slices(columns, error, "share wrong", write, share=True)
    assert found is not None
    assert found.looks == 250
    assert all(each.low <= found.error <= each.high for each in found.worst)


def test_fifths_hold_equally_many_rows_and_missing_cells_are_a_slice() -> None:
    values = np.append(np.arange(200.0), [np.nan] * 30)
    error = np.append(np.arange(200.0), [500.0] * 30)
    found = slices([number("a", values)], error, "mean absolute error", write, share=False)
    assert found is not None
    assert (found.worst[0].what, found.worst[0].rows) == ("missing", 30)
    assert found.looks == 6
    found = slices([number("a", values[:200])], error[:200], "mean absolute error", write, share=False)
    assert found is not None
    assert [(each.what, each.rows) for each in found.worst] == [("159 to 199", 41), ("119 to 158", 40)]


def test_slices_of_few_rows_are_not_looked_at() -> None:
    assert slices([number("a", np.arange(50.0))], np.ones(50), "mean absolute error", write, share=False) is None


def test_intervals_are_those_of_scipy() -> None:
    z = stats.norm.ppf(0.975)
    theirs = stats.binomtest(7, 40).proportion_ci(method="wilson")
    assert wilson(7 / 40, 40, z) == pytest.approx((theirs.low, theirs.high))
    values = np.random.default_rng(0).exponential(2, 500)
    low, high = stats.norm.interval(0.95, values.mean(), stats.sem(values))
    assert mean_interval(values, z) == pytest.approx((low, high))
