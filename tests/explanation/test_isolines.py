"""Lines of one value on a grid, beside lines that are known."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from danlu.explanation.isolines import chained, isolines

GRID = np.linspace(-2, 2, 81)
X, Y = np.meshgrid(GRID, GRID)


def test_a_straight_line_is_exact() -> None:
    pieces = isolines(2 * X - 1.03 * Y + 0.301, GRID, GRID)
    ends = pieces.reshape(-1, 2)
    np.testing.assert_allclose(2 * ends[:, 0] - 1.03 * ends[:, 1] + 0.301, 0, atol=1e-12)
    (line,) = chained(pieces)
    assert len(line) == len(pieces) + 1


def test_a_circle_closes() -> None:
    pieces = isolines(X**2 + Y**2, GRID, GRID, level=1.0)
    (line,) = chained(pieces)
    np.testing.assert_array_equal(line[0], line[-1])
    np.testing.assert_allclose(np.hypot(*line.T), 1.0, atol=2e-3)
    lengths = np.hypot(*(line[1:] - line[:-1]).T)
    assert abs(lengths.sum() - 2 * np.pi) < 0.01


def test_two_circles_are_two_lines() -> None:
    value = np.minimum((X - 1) ** 2 + Y**2, (X + 1) ** 2 + Y**2)
    assert len(chained(isolines(value, GRID, GRID, level=0.25))) == 2


def test_in_a_saddle_the_middle_decides() -> None:
    ends = np.array([0.0, 1.0])
    high = isolines(np.array([[1.0, -0.5], [-0.5, 1.0]]), ends, ends)
    low = isolines(np.array([[0.5, -1.0], [-1.0, 0.5]]), ends, ends)
    # A high middle joins the high corners: the lines cut off the low ones, at the lower right and the upper left.
    assert sorted(map(tuple, np.round(high.reshape(-1, 2, 2).mean(1), 3))) == [(0.167, 0.833), (0.833, 0.167)]
    assert sorted(map(tuple, np.round(low.reshape(-1, 2, 2).mean(1), 3))) == [(0.167, 0.167), (0.833, 0.833)]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000))
def test_lines_end_only_at_the_edge(seed: int) -> None:
    axis = np.sort(np.random.default_rng(seed).random(9))
    value = np.random.default_rng(seed + 1).normal(size=(9, 9))
    pieces = isolines(value, axis, axis)
    lines = chained(pieces)
    assert sum(len(line) - 1 for line in lines) == len(pieces)
    for line in lines:
        if not np.array_equal(line[0], line[-1]):
            for end in (line[0], line[-1]):
                assert np.isin(end, [axis[0], axis[-1]]).any()


def test_nothing_is_crossed_where_all_is_above() -> None:
    assert isolines(X**2 + 1, GRID, GRID).shape == (0, 4)
    assert chained(np.empty((0, 4))) == []
