"""Proposals: an even spread, then where a model of what was seen expects the best."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import pdist
from scipy.stats import qmc

from danlu.search.learnt import importance
from danlu.search.propose import APART, expected, propose, spread
from danlu.search.space import Choice, Range, Space

SPACE = Space({name: Range(0.0, 1.0) for name in ("lr", "dropout", "weight_decay")})


def bowl(place_ND: np.ndarray) -> np.ndarray:
    """Return errors with their least at (0.7, 0.2), whatever the third is."""
    return ((place_ND[:, :2] - [0.7, 0.2]) ** 2).sum(axis=1)


def test_the_spread_is_more_even_than_chance() -> None:
    even = qmc.discrepancy(spread(32, 4, seed=3))
    chance = np.median([qmc.discrepancy(np.random.default_rng(s).random((32, 4))) for s in range(20)])
    assert even < 0.5 * chance
    assert np.array_equal(spread(32, 4, seed=3), spread(32, 4, seed=3))


def test_a_model_finds_what_an_even_spread_does_not() -> None:
    seen = spread(16, 3, seed=0)
    found = expected(seen, bowl(seen), 8, seed=0)
    assert bowl(found).min() < bowl(seen).min()
    assert np.median(bowl(found)) < 0.5 * np.median(bowl(spread(24, 3, seed=0)[16:]))


def test_proposals_lie_apart_even_where_the_best_is_in_a_corner() -> None:
    seen = spread(16, 3, seed=1)
    found = expected(seen, seen.sum(axis=1), 8, seed=1)
    assert pdist(np.vstack([seen, found])).min() >= min(APART, pdist(seen).min())


def test_a_setting_that_broke_counts_as_the_worst() -> None:
    seen = spread(16, 3, seed=2)
    error = bowl(seen)
    error[:4] = np.inf
    assert np.isfinite(expected(seen, error, 4, seed=0)).all()


def test_proposals_begin_with_an_even_spread_and_are_the_same_again() -> None:
    first = propose(SPACE, [], 8, seed=5)
    assert np.array_equal(np.array(first), spread(8, 3, seed=5))
    seen = [(place, float(error)) for place, error in zip(first, bowl(np.array(first)), strict=True)]
    assert np.array_equal(propose(SPACE, seen, 3, seed=5), propose(SPACE, seen, 3, seed=5))


def test_importance_names_what_made_the_difference() -> None:
    place = spread(48, 3, seed=0)
    error = 3 * place[:, 1] + 0.3 * place[:, 0]
    found = importance(place, error.tolist(), SPACE.names)
    assert next(iter(found)) == "dropout"
    assert found["dropout"] > 0.7
    assert sum(found.values()) == pytest.approx(1)
    assert importance(place[:5], error[:5].tolist(), SPACE.names) == {}


def test_a_setting_of_choices_is_not_proposed_twice() -> None:
    space = Space({"hidden": Choice(((8,), (16,), (32,), (64,))), "epochs": Range(1, 4, whole=True)})
    first = [place for place in spread(10, 2, seed=4) if space.at(place)["hidden"] != (8,)]
    seen = [(place, float(place.sum())) for place in first] + [(spread(1, 2, seed=4)[0], 9.0)] * (10 - len(first))
    left = 16 - len({str(space.at(place)) for place, _ in seen})
    found = [str(space.at(place)) for place in propose(space, seen, left, seed=0)]
    assert len({*found, *(str(space.at(place)) for place, _ in seen)}) == 16, "all there are"
    assert len(propose(space, seen, left + 2, seed=0)) == left + 2, "then some come again"
