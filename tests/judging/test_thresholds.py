"""Weights of classes: against every threshold there is, and against what theory says."""

from __future__ import annotations

import numpy as np
import pytest

from danlu.judging.metrics import measures
from danlu.judging.scores import decided
from danlu.judging.thresholds import _moved, chosen_weights, shares_weights

METRICS = ("accuracy", "balanced-accuracy", "f1")


def rare(seed: int, rows: int, share: float = 0.1) -> tuple[np.ndarray, np.ndarray]:
    """Return truth of a rare second class and its true probabilities."""
    rng = np.random.default_rng(seed)
    odds = rng.normal(np.log(share / (1 - share)), 1.5, rows)
    chance = 1 / (1 + np.exp(-odds))
    return (rng.random(rows) < chance).astype(int), np.stack([1 - chance, chance], axis=1)


def value(name: str, truth: np.ndarray, said: np.ndarray, weights: np.ndarray | None, w: np.ndarray) -> float:
    measure = measures(truth, said, (name,), w, guess_N=decided(said, weights))
    return float(measure(w[None])[name].value_R[0])


@pytest.mark.parametrize("name", METRICS)
@pytest.mark.parametrize("seed", range(4))
def test_no_threshold_is_better_than_the_one_found(name: str, seed: int) -> None:
    truth, said = rare(seed, 120, 0.3)
    said = np.round(said, 2)  # ties
    w = np.random.default_rng(seed).random(120)
    moved = _moved(name, truth, np.log(np.maximum(said, 1e-30)), np.zeros(2), 1, w, 1)
    ours = value(name, truth, said, np.array([1.0, np.exp(moved)]), w)
    every = [value(name, truth, said, np.array([t, 1 - t]), w) for t in np.arange(-0.005, 1.01, 0.01)]
    assert ours == pytest.approx(np.nanmax(every), abs=1e-12)


def test_thresholds_are_near_what_theory_says() -> None:
    truth, said = rare(0, 40_000)
    ones = np.ones(40_000)
    chosen = {name: chosen_weights(name, truth, said, ones, positive=1, seed=0)[0] for name in METRICS}
    # With true probabilities: accuracy 1/2, balanced accuracy the share of the class, f1 half of the best f1
    # (Lipton, Elkan and Narayanaswamy 2014).
    assert chosen["accuracy"] == pytest.approx(0.5, abs=0.05)
    assert chosen["balanced-accuracy"] == pytest.approx(truth.mean(), abs=0.03)
    best = value("f1", truth, said, np.array([chosen["f1"], 1 - chosen["f1"]]), ones)
    assert chosen["f1"] == pytest.approx(best / 2, abs=0.03)


@pytest.mark.parametrize("name", ["balanced-accuracy", "f1"])
def test_weights_of_many_classes_help_rows_they_were_not_chosen_on(name: str) -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 1.5, (8000, 4)) + np.log([0.7, 0.2, 0.07, 0.03])
    said = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    truth = (rng.random((8000, 1)) > said.cumsum(axis=1)).sum(axis=1).clip(0, 3)
    ones = np.ones(4000)
    weights = chosen_weights(name, truth[:4000], said[:4000], ones, positive=1, seed=0)
    assert weights.sum() == pytest.approx(1)
    before, after = (value(name, truth[4000:], said[4000:], w, ones) for w in (None, weights))
    assert after > before + 0.01


def test_a_class_without_rows_does_not_break_the_shares() -> None:
    weights = shares_weights(np.array([0, 0, 2]), 3, np.ones(3))
    assert np.isfinite(weights).all()
    assert weights[2] == pytest.approx(2 * weights[0])


def test_the_same_seed_gives_the_same_weights() -> None:
    truth, said = rare(1, 500)
    first, again = (chosen_weights("f1", truth, said, np.ones(500), positive=1, seed=4) for _ in range(2))
    assert np.array_equal(first, again)
