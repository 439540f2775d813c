"""How much choosing flatters, against what is known of made candidates."""

from __future__ import annotations

import numpy as np
import pytest

from danlu.core.records import Score, TargetSchema
from danlu.core.searched import Searched
from danlu.judging.optimism import corrected, optimism

NUMBER = TargetSchema(names=("y",), task="regression", outputs=1)
KIND = TargetSchema(names=("k",), task="classification", classes=("a", "b"), outputs=2)


def equal_candidates(rows: int, count: int, seed: int) -> tuple[np.ndarray, list[np.ndarray]]:
    """Return a truth and predictions of candidates that are equally good: they differ by chance alone."""
    rng = np.random.default_rng(seed)
    truth = rng.normal(size=(rows, 1))
    return truth, [truth + rng.normal(size=(rows, 1)) for _ in range(count)]


def test_it_is_about_what_the_best_of_equal_candidates_gains_by_chance() -> None:
    said, true = [], []
    for seed in range(30):
        truth, candidates = equal_candidates(200, 12, seed)
        said.append(optimism(truth, candidates, ("rmse",), NUMBER, chooses="rmse", seed=seed)["rmse"])
        true.append(1.0 - min(np.sqrt(((c - truth) ** 2).mean()) for c in candidates))
    assert 0.7 < np.mean(said) / np.mean(true) < 1.5, (np.mean(said), np.mean(true))


def test_a_clear_winner_flatters_by_nothing() -> None:
    truth, candidates = equal_candidates(200, 5, 0)
    good = truth + 0.1 * np.random.default_rng(1).normal(size=truth.shape)
    assert optimism(truth, [good, *candidates], ("rmse", "mae"), NUMBER, chooses="rmse", seed=0) == {
        "rmse": 0,
        "mae": 0,
    }
    assert optimism(truth, [good], ("rmse",), NUMBER, chooses="rmse", seed=0) == {"rmse": 0}


def test_classes_are_chosen_by_one_metric_and_corrected_in_all() -> None:
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 2, 300)
    likely = [1 / (1 + np.exp(-(2 * truth - 1 + 2 * rng.normal(size=300)))) for _ in range(9)]
    said = optimism(
        truth, [np.stack([1 - p, p], 1) for p in likely], ("accuracy", "log-loss", "roc-auc"), KIND,
        rng.random(300), chooses="log-loss", seed=0,
    )  # fmt: skip
    assert 0 < said["log-loss"] < 0.2
    assert 0 <= said["accuracy"] < 0.1


def test_scores_are_moved_to_the_worse_side() -> None:
    found = {"rmse": 0.5, "r2": 0.1}
    searched = Searched(metric="rmse", greater=False, space={}, attempts=(), rungs=(), chosen=(0,), start=1.0, best=1.0,
                        optimism=found, seconds=1.0, words="")  # fmt: skip
    score = Score(value=2.0, low=1.0, high=3.0, rows=9, kind="out-of-fold")
    said = corrected({"rmse": score, "r2": score, "nll": score}, searched)
    assert (said["rmse"].value, said["rmse"].low, said["rmse"].flattered) == (2.5, 1.5, 0.5)
    assert (said["r2"].value, said["r2"].high) == (pytest.approx(1.9), pytest.approx(2.9))
    assert said["nll"] == score
    assert corrected({"rmse": score}, None) == {"rmse": score}
