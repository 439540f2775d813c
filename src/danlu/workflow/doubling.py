"""What twice the rows bring, in numbers and in words: measured against half of them, expected beyond them all."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from danlu.core.records import Doubling, LearningPoint
from danlu.judging import GREATER_IS_BETTER
from danlu.judging.growth import FEWEST_POINTS, doubled, fit_law, saved
from danlu.judging.intervals import limits
from danlu.report.words import metric_name, metric_value, percent, place_of

NEAR_HALF = 0.05
"""Whole groups give about half of the rows."""


def to_error(name: str, value: np.ndarray) -> np.ndarray:
    """Return the error that a metric stands for, in which a floor and what is above it add up.

    >>> to_error("rmse", np.array([3.0])), to_error("accuracy", np.array([0.75]))
    (array([9.]), array([0.25]))
    """
    return 1 - value if GREATER_IS_BETTER[name] else np.square(value) if name == "rmse" else np.asarray(value)


def from_error(name: str, error: np.ndarray) -> np.ndarray:
    """Return the metric of an error: the reverse of `to_error`."""
    error = np.maximum(error, 0.0)
    return 1 - error if GREATER_IS_BETTER[name] else np.sqrt(error) if name == "rmse" else error


def doublings(
    name: str, points: Sequence[LearningPoint], value_SR: np.ndarray, seed: int, *, later: bool
) -> tuple[Doubling | None, Doubling | None, str]:
    """Return what the last doubling of the rows brought, what the next one is expected to bring, and both in words.

    Arguments:
        name: of the metric.
        points: of the curve, from the smallest size.
        value_SR: the metric of each size on R resamples of the judged rows, the same ones for all sizes.
        seed: of the run.
        later: whether sizes go back in time: twice the rows are then twice the history.
    """
    value_S = np.array([np.nan if point.value is None else point.value for point in points])
    last = _last(name, points, value_S, value_SR)
    expected, falls = _next(name, points, value_S, value_SR, seed)
    return last, expected, _words(name, points, last, expected, falls=falls, later=later)


def _last(name: str, points: Sequence[LearningPoint], value_S: np.ndarray, value_SR: np.ndarray) -> Doubling | None:
    """Compare all rows with half of them; None where there is no such size."""
    half = min(range(len(points)), key=lambda s: abs(points[s].share - 0.5))
    if abs(points[half].share - 0.5) > NEAR_HALF or not np.isfinite(value_S[[half, -1]]).all():
        return None
    before, after = _sizes_of(name, value_S[half]), _sizes_of(name, value_S[-1])
    if not before > 0:
        return None
    low, high = saved(_sizes_of(name, value_SR[half]), _sizes_of(name, value_SR[-1]))
    return Doubling(
        rows=points[-1].rows,
        value=float(value_S[-1]),
        low=points[-1].low,
        high=points[-1].high,
        saved=float(1 - after / before),
        saved_low=low,
        saved_high=high,
    )


def _next(
    name: str, points: Sequence[LearningPoint], value_S: np.ndarray, value_SR: np.ndarray, seed: int
) -> tuple[Doubling | None, bool]:
    """Return what the law of the curve expects of twice the rows, and whether the curve clearly falls at all."""
    rows_S, error_S = np.array([point.rows for point in points], np.float64), to_error(name, value_S)
    error_SR = to_error(name, value_SR)
    low, _ = saved(error_SR[0], error_SR[-1])
    falls = low is not None and low > 0
    law = fit_law(rows_S, error_S) if falls else None
    if law is None:
        return None, falls
    now_R, then_R = _sizes_of(name, from_error(name, doubled(law, rows_S, error_S, error_SR.T, seed))).T
    saved_low, saved_high = saved(now_R, then_R)
    now, then = (_sizes_of(name, from_error(name, np.array(law.at(n * law.rows)))) for n in (1, 2))
    # From what was measured of all rows, not from where the law has them.
    with np.errstate(divide="ignore", invalid="ignore"):
        low, high = limits(_sizes_of(name, _sizes_of(name, value_SR[-1]) * then_R / now_R))
    return (
        Doubling(
            rows=2 * points[-1].rows,
            value=float(_sizes_of(name, _sizes_of(name, value_S[-1]) * then / now)),
            low=low,
            high=high,
            saved=float(1 - then / now),
            saved_low=saved_low,
            saved_high=saved_high,
            exponent=law.exponent,
        ),
        True,
    )


def _sizes_of(name: str, value: np.ndarray) -> np.ndarray:
    """Return an error as people compare it: of a root of squares the root, of accuracy the share of wrong answers."""
    return 1 - value if GREATER_IS_BETTER[name] else value


def _words(
    name: str,
    points: Sequence[LearningPoint],
    last: Doubling | None,
    expected: Doubling | None,
    *,
    falls: bool,
    later: bool,
) -> str:
    """Say what doubling brings."""
    fewer, what = ("fewer", "wrong answers") if name == "accuracy" else ("less", "error")
    said, again = [], ""
    if last is not None:
        way = f"{percent(abs(last.saved))} {fewer if last.saved >= 0 else 'more'} {what}"
        clear = last.saved_low is None or last.saved_low > 0
        again = " again" if clear else ""
        no_gain = "" if clear else ": no clear gain"
        half = f"All {points[-1].rows:,} rows instead of half of them"
        said.append(f"{half} bring {way}{_between(last, fewer)}{no_gain}.")
    if expected is not None:
        value = metric_value(name, expected.value, place_of(expected.low, expected.high))
        twice = "A history twice as long" if later else "Twice the rows"
        said.append(
            f"{twice} ({expected.rows:,}) would bring {percent(expected.saved)} {fewer} {what}{again}"
            f"{_between(expected, fewer)}: {metric_name(name)} about {value}, if the curve goes on as it has."
        )
    elif len(points) < FEWEST_POINTS:
        said.append("There are too few sizes to say what twice the rows would bring.")
    elif not falls:
        said.append("The curve does not clearly fall: more rows of this kind would hardly help.")
    else:
        said.append("The curve follows no simple law, so what twice the rows would bring is not said.")
    return " ".join(said)


def _between(doubling: Doubling, fewer: str) -> str:
    """Write the interval of the share saved.

    >>> half = Doubling(rows=9, value=1, low=None, high=None, saved=-0.1, saved_low=-0.2, saved_high=0.05)
    >>> _between(half, "less")
    ' (20% more to 5.0% less)'
    """
    low, high = doubling.saved_low, doubling.saved_high
    if low is None or high is None:
        return ""
    if low >= 0:
        return f" ({percent(low)} to {percent(high)})"
    return f" ({percent(-low)} more to {percent(abs(high))} {fewer if high >= 0 else 'more'})"
