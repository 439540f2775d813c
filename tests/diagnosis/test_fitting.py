"""Overfitting and underfitting from records alone: what is said, and what is not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from danlu.core.checks import Checks
from danlu.core.plan import make_plan
from danlu.core.records import MemberRecord, Score
from danlu.diagnosis import diagnose
from danlu.diagnosis.fitting import is_close, risen

MEMBERS = tuple(
    MemberRecord(index=m, fold=m, repeat=0, train_rows=80, judged_rows=20, epochs=100, best_epoch=100, ended="finished")
    for m in range(5)
)
PLAN = make_plan(hidden=(512, 512), net="mlp", lr=0.001, epochs=100, dropout=0.0, weight_decay=0.0, optimizer="adam")


def curve(lowest: float, last: float, at: int = 20, epochs: int = 100) -> np.ndarray:
    """Return an error [E, M] that falls to its lowest and then rises evenly."""
    falling = np.linspace(3 * lowest, lowest, at, endpoint=False)
    values = np.concatenate([falling, np.linspace(lowest, last, epochs - at)])
    return np.repeat(values[:, None], 5, axis=1)


def found(judged: np.ndarray | None, train: float, end: float, metric: str = "rmse", **more: Any) -> dict[str, Any]:
    low, high = more.pop("interval", (0.9 * end, 1.1 * end))
    curves = {} if judged is None else {"judged_JM": judged, "judged_epochs_J": np.arange(1, len(judged) + 1)}
    scores = {metric: Score(value=end, low=low, high=high, rows=200, kind="out-of-fold")}
    checks = Checks(train={metric: train}, judged=end, left_over=more.pop("left_over", None))
    lines = {name: {metric: value} for name, value in more.pop("baselines", {"linear": 9.0}).items()}
    members = more.pop("members", MEMBERS)
    said = diagnose(members, curves, scores, lines, metric, more.pop("interrupted", False), checks, PLAN)
    return {finding.name: finding for finding in said}


def test_an_error_that_rose_again_is_overfitting() -> None:
    said = found(curve(1.0, 1.4), 0.05, 1.4)
    assert set(said) == {"overfitting"}
    finding = said["overfitting"]
    assert "rmse 0.05 on rows learnt from, 1.4 on rows not learnt from" in finding.evidence
    # The lowest mean of ten epochs is that of epochs 20 to 29 or so; the last that of 91 to 100.
    assert "it was 1.0" in finding.evidence
    for flag in ("--early-stopping", "--epochs 2", "--hidden 32", "--dropout", "--weight-decay", "--learning-curve"):
        assert flag in finding.cure
    assert "--net linear" not in finding.cure


def test_a_gap_alone_is_none() -> None:
    """Networks that fit all their rows are often the best there are: the error must have risen, or a line be better."""
    assert found(curve(1.0, 1.0), 0.001, 1.0) == {}
    assert found(curve(1.0, 1.03), 0.001, 1.03) == {}


def test_a_gap_with_a_better_line_is_overfitting_without_any_curve() -> None:
    said = found(None, 0.4, 1.4, baselines={"linear": 1.0, "mean": 2.0})
    assert set(said) == {"overfitting"}
    assert "linear: 1" in said["overfitting"].evidence
    assert "mean" not in said["overfitting"].evidence
    assert "--net linear" in said["overfitting"].cure
    # The training error is over half of the judged one, or the line is no surer: then it is only no better.
    assert set(found(None, 0.8, 1.4, baselines={"linear": 1.0})) == {"no-better-than-baseline"}
    assert set(found(None, 0.4, 1.4, baselines={"linear": 1.35})) == {"no-better-than-baseline"}


def test_more_is_better_for_accuracy() -> None:
    said = found(1 - curve(0.2, 0.35), 1.0, 0.65, "accuracy", baselines={"linear": 0.6}, interval=(0.62, 0.7))
    assert set(said) == {"overfitting"}
    assert "accuracy 1 on rows learnt from, 0.65 on rows not learnt from" in said["overfitting"].evidence
    falling = np.linspace(0.5, 0.65, 100)[:, None].repeat(5, axis=1)
    assert "overfitting" not in found(falling, 1.0, 0.65, "accuracy", baselines={})


def test_noise_is_no_rise() -> None:
    noisy = 1 + 0.2 * np.random.default_rng(0).standard_normal((100, 5))
    assert risen(MEMBERS, {"judged_JM": noisy}, "rmse") is None
    rise = risen(MEMBERS, {"judged_JM": curve(1.0, 1.4)}, "rmse")
    assert rise is not None
    # Means over ten epochs: the last is 1.4 less half a window of the slope 0.4 / 79.
    assert rise.last == pytest.approx(1.4 - 4.5 * 0.4 / 79)
    assert 15 <= rise.epoch <= 30


def test_networks_that_stopped_early_kept_their_best() -> None:
    stopped = tuple(m.model_copy(update={"ended": "stopped early", "best_epoch": 20}) for m in MEMBERS)
    assert found(curve(1.0, 1.4), 0.5, 1.0, members=stopped) == {}


def test_few_networks_that_rose_are_not_all_of_them() -> None:
    some = curve(1.0, 1.0)
    some[:, :2] = curve(1.0, 2.0)[:, :2]
    assert risen(MEMBERS, {"judged_JM": some}, "rmse") is None


def test_errors_that_trees_predict_are_underfitting() -> None:
    said = found(None, 1.1, 1.12, left_over=0.8)
    assert set(said) == {"underfitting"}
    assert "80% of what is left of the squared error" in said["underfitting"].evidence
    assert "--lr 0.01" in said["underfitting"].cure
    assert "--epochs 200" in said["underfitting"].cure
    assert found(None, 1.1, 1.12, left_over=0.1) == {}
    assert found(None, 0.8, 1.12, left_over=0.8) == {}, "the errors are not close together"
    assert set(found(None, 1.1, 1.12, left_over=0.8, interrupted=True)) == {"interrupted"}


def test_a_line_better_than_the_training_error_is_underfitting() -> None:
    said = found(None, 1.5, 1.5, baselines={"linear": 1.0}, interval=(1.4, 1.6))
    assert set(said) == {"underfitting"}
    assert "linear: 1" in said["underfitting"].evidence
    # A line that is better on new rows, but not than the training error, is only better.
    assert set(found(None, 1.3, 1.5, baselines={"linear": 1.35}, interval=(1.4, 1.6))) == {"no-better-than-baseline"}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"net": "linear", "hidden": ()}, "--hidden 128,128, or --net auto"),
        ({"hidden": (1,)}, "wider layers (--hidden 128,128)"),
        ({"dropout": 0.8}, "(--dropout)"),
        ({"weight_decay": 5.0, "l1": 0.1}, "(--weight-decay, --l1)"),
        ({"lr": 1e-6}, "--lr 0.001"),
        ({"lr": 0.01}, "--lr 0.1"),
        ({"activation": "identity"}, "--activation relu"),
        ({"net": "my.py:Net", "hidden": None}, "class of your own"),
    ],
)
def test_the_cure_names_what_the_plan_lacks(changes: dict[str, Any], words: str) -> None:
    checks = Checks(train={"rmse": 1.0}, judged=1.0, left_over=0.5)
    plan = PLAN.model_copy(update=changes)
    (finding,) = diagnose(MEMBERS, {}, {}, {}, "rmse", checks=checks, plan=plan)
    assert words in finding.cure


def test_close_is_a_matter_of_errors() -> None:
    assert is_close(0.97, 0.965, "accuracy")
    assert not is_close(0.99, 0.97, "accuracy")
    assert not is_close(None, 1.0, "rmse")
    assert is_close(0.0, 0.0, "rmse"), "nothing is left of either"
