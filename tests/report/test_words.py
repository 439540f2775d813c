from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from danlu.core.records import Score
from danlu.report import words


@pytest.mark.parametrize(
    ("half", "place"),
    # The Particle Data Group's own examples (Review of Particle Physics, introduction 5.3): 0.827 +- 0.119 is
    # written 0.83 +- 0.12, 0.827 +- 0.367 is written 0.8 +- 0.4.
    [(0.119, -2), (0.367, -1), (354, 1), (355, 2), (1.0, -1)],
)
def test_places_follow_the_particle_data_group(half, place):
    assert words.place_of(-half, half) == place


@pytest.mark.parametrize(
    ("value", "place", "text"),
    [
        (0.827, -2, "0.83"),
        (48_130, 3, "48,000"),
        (-0.4, 0, "0"),
        (-1.332e-15, -2, "0.00"),
        (1.5e15, None, "1.5 × 10¹⁵"),
        (2.5e-9, None, "2.5 × 10⁻⁹"),
        (-20_641.4, None, "−20,641"),
        (math.inf, None, "∞"),
        (math.nan, -1, "–"),
    ],
)
def test_numbers(value, place, text):
    assert words.number(value, place) == text


@given(st.floats(allow_nan=True, allow_infinity=True), st.none() | st.integers(-12, 12))
def test_every_number_can_be_written(value, place):
    text = words.number(value, place)
    assert text
    assert "-" not in text, "a minus sign, no hyphen"


@given(st.floats(1e-5, 1e11))
def test_four_digits_are_kept(value):
    read = float(words.number(value).replace(",", ""))
    assert read == pytest.approx(value, rel=6e-4)


@given(st.floats(allow_nan=True, allow_infinity=True))
def test_every_moment_and_duration_can_be_written(seconds):
    assert words.moment(seconds)
    assert words.duration(seconds)


def test_an_interval_without_ends_is_nothing():
    assert words.interval("rmse", Score(value=1.0, rows=3, kind="holdout")) == ""
