"""Learning curve over training size: falls to the noise, changes nothing else, learns from nothing it is judged on."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

import danlu
from danlu.core.errors import DataError, PlanError
from danlu.core.records import LearningCurve, Progress
from danlu.data.growing import growing
from danlu.workflow.model import Model

NOISE = 0.5
QUICK: dict[str, Any] = {"hidden": (16,), "epochs": 40, "batch_size": 32, "lr": 0.01, "repeats": 1, "threads": 1}


def line(rows: int, seed: int = 0) -> dict[str, list[float]]:
    """Return y = 2a - b + noise, with columns that only mislead."""
    random = np.random.default_rng(seed)
    x = random.normal(size=(rows, 8))
    y = 2 * x[:, 0] - x[:, 1] + NOISE * random.normal(size=rows)
    return {f"x{i}": x[:, i].tolist() for i in range(8)} | {"y": y.tolist()}


def curve_of(model: Model) -> LearningCurve:
    assert model.run.learning_curve is not None
    return model.run.learning_curve


@pytest.fixture(scope="module")
def fitted() -> Model:
    return danlu.fit(line(500), "y", learning_curve=True, **QUICK)


def test_the_curve_falls_to_the_noise(fitted: Model) -> None:
    points = curve_of(fitted).points
    assert [point.rows for point in points] == [12, 25, 50, 100, 200, 400]
    assert [point.networks for point in points] == [5] * 6
    values = [point.value for point in points]
    assert None not in values
    assert values[0] > 1.6 * NOISE
    assert NOISE * 0.97 < values[-1] < 1.25 * NOISE
    assert all(b < a * 1.05 for a, b in pairwise(values))
    for point in points:
        assert point.low < point.value < point.high
        assert point.train < point.mean  # noise is learnt by heart
        assert point.spread > 0
    assert points[0].train < 0.3 * NOISE  # 12 rows are known by heart, 400 are not
    assert points[-1].train > 0.6 * NOISE


def test_its_last_point_is_the_score_of_the_run(fitted: Model) -> None:
    last, score = curve_of(fitted).points[-1], fitted.run.scores["rmse"]
    assert (last.value, last.low, last.high) == pytest.approx((score.value, score.low, score.high), rel=1e-9)
    assert (last.share, last.epochs) == (1.0, 40)


def test_every_size_takes_as_many_steps(fitted: Model) -> None:
    steps = [point.epochs * math.ceil(point.rows / 32) for point in curve_of(fitted).points]
    assert all(abs(each - steps[-1]) <= 0.05 * steps[-1] for each in steps)


def test_what_doubling_brings_is_said(fitted: Model) -> None:
    curve = curve_of(fitted)
    assert curve.last is not None
    assert curve.last.saved == pytest.approx(1 - curve.points[-1].value / curve.points[-2].value)
    assert curve.last.saved_low < curve.last.saved < curve.last.saved_high
    assert curve.words.startswith("All 400 rows instead of half of them bring ")
    if curve.next is not None:
        assert curve.next.rows == 800
        assert curve.next.low <= curve.next.value <= curve.next.high
        assert curve.next.high > NOISE * 0.9


def test_the_model_is_the_same_to_the_last_bit(fitted: Model) -> None:
    without = danlu.fit(line(500), "y", **QUICK)
    assert without.tensors.keys() == fitted.tensors.keys()
    for name, tensor in without.tensors.items():
        assert bool((tensor == fitted.tensors[name]).all()), name
    assert without.run.scores == fitted.run.scores
    assert without.run.members == fitted.run.members
    assert without.run.learning_curve is None
    assert "learning_curve" in fitted.run.seconds
    assert "learning_curve" not in without.run.seconds


def test_a_size_knows_only_its_own_rows() -> None:
    table = line(300)
    first = danlu.fit(table, "y", learning_curve=True, holdout=0.2, **QUICK)
    judged = first.arrays["rows_N"]
    train = np.setdiff1d(np.arange(300), judged)
    own = growing(train, [point.share for point in curve_of(first).points], key=(0, 0))[0]
    others = np.setdiff1d(train, own)
    spoilt = {name: np.array(values) for name, values in table.items()}
    spoilt["x0"][others] *= 40
    spoilt["y"][others] = -spoilt["y"][others] * 40
    second = danlu.fit(spoilt, "y", learning_curve=True, holdout=0.2, **QUICK)
    np.testing.assert_array_equal(second.arrays["rows_N"], judged)
    small, again = curve_of(first).points[0], curve_of(second).points[0]
    assert len(own) == small.rows
    assert (again.value, again.train) == pytest.approx((small.value, small.train), rel=1e-3)
    assert curve_of(second).points[-1].value > 5 * curve_of(first).points[-1].value


def test_classes_and_repeats() -> None:
    random = np.random.default_rng(0)
    x = random.normal(size=(240, 3))
    kind = np.where(x[:, 0] + 0.5 * random.normal(size=240) > 0, "yes", "no")
    table = {"a": x[:, 0], "b": x[:, 1], "c": x[:, 2], "kind": kind}
    model = danlu.fit(table, "kind", learning_curve=True, **QUICK | {"repeats": 2, "folds": 4})
    curve = curve_of(model)
    assert curve.metric == "accuracy"
    assert curve.drawn == "drawn at random, stratified by class"
    assert {point.networks for point in curve.points} == {8}
    assert curve.points[-1].value == pytest.approx(model.run.scores["accuracy"].value)
    assert curve.points[-1].mean == pytest.approx(model.run.scores["accuracy"].one_member)
    assert "wrong answers" in curve.words


def test_groups_are_never_on_both_sides() -> None:
    random = np.random.default_rng(0)
    group = np.repeat(np.arange(60), 6)
    table = {"secret": group * 1.0, "x": random.normal(size=360), "g": group, "y": random.normal(size=60)[group]}
    curve = curve_of(danlu.fit(table, "y", group="g", learning_curve=True, **QUICK))
    assert curve.drawn == "whole groups, drawn at random"
    # What is learnt by heart of a group is of no use for another: a leak would bring the error down to 0.
    assert min(point.value for point in curve.points) > 0.8
    assert all(point.rows % 6 == 0 for point in curve.points)


def test_in_time_smaller_sizes_are_a_shorter_history() -> None:
    random = np.random.default_rng(0)
    day = np.arange(400)
    slope = np.where(day < 200, -1.0, 1.0)  # the world turns over in the middle
    x = random.normal(size=400)
    table = {"day": day, "x": x, "y": slope * x + 0.1 * random.normal(size=400)}
    model = danlu.fit(table, "y", time="day", folds=2, learning_curve=True, drop=("day",), **QUICK)
    curve = curve_of(model)
    assert curve.drawn == "the latest rows before the judged ones"
    # The first fold learns from days 0 to 199 only, the second from 100 to 299: its latest half knows the new world.
    assert curve.points[-1].value == pytest.approx(model.run.scores["rmse"].value)
    assert curve.points[-2].value < curve.points[-1].value


def test_it_says_what_it_will_cost() -> None:
    told: list[Progress] = []
    danlu.fit(line(120), "y", learning_curve=True, on_progress=told.append, **QUICK)
    before = next(each for each in told if each.stage.startswith("learning curve"))
    assert before.stage == "learning curve, 6 sizes of 12 to 68 rows"
    assert before.seconds_left is not None
    assert before.seconds_left > 0
    assert told[-1].stage == "learning curve, size 6/6"
    assert told[-1].seconds_left == pytest.approx(0, abs=0.1)


def test_stopping_keeps_the_sizes_that_are_done() -> None:
    seen: list[str] = []

    def watch(progress: Progress) -> None:
        seen.append(progress.stage)

    def stop() -> bool:
        return any(stage.endswith("size 4/5") for stage in seen)

    model = danlu.fit(line(500), "y", learning_curve=True, on_progress=watch, stop=stop, **QUICK)
    assert [point.rows for point in curve_of(model).points] == [12, 25, 50, 400]
    assert curve_of(model).words == "There are too few sizes to say what twice the rows would bring."
    assert not model.run.interrupted
    assert any("sizes are missing" in note.text for note in model.run.inferred)


def test_it_is_kept_and_loaded(fitted: Model, tmp_path: Any) -> None:
    fitted.save(tmp_path / "m.danlu")
    assert danlu.load(tmp_path / "m.danlu").run.learning_curve == fitted.run.learning_curve


def test_refusals() -> None:
    with pytest.raises(PlanError, match="`learning_curve` needs judged rows, got holdout=0"):
        danlu.fit(line(50), "y", learning_curve=True, holdout=0)
    with pytest.raises(DataError, match="`learning_curve` needs 24 rows to learn from"):
        danlu.fit(line(25), "y", learning_curve=True)


def test_early_stopping_watches_rows_of_the_size() -> None:
    settings = QUICK | {"early_stopping": True, "patience": 5, "epochs": 60}
    curve = curve_of(danlu.fit(line(300), "y", learning_curve=True, **settings))
    assert curve.points[-1].value < 1.4 * NOISE
    assert curve.points[0].value > curve.points[-1].value
