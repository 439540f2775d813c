"""Batches: every row once an epoch, keyed by fold; padding that weighs nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from danlu.population.batches import Deck, Shelf, Source

LIKE = torch.zeros(0)


@given(
    sizes=st.lists(st.integers(1, 150), min_size=1, max_size=4),
    batch=st.one_of(st.integers(1, 200), st.just("all")),
    epoch=st.integers(0, 3),
)
def test_an_epoch_takes_every_row_once(sizes: list[int], batch: int | str, epoch: int) -> None:
    folds = [np.arange(1000 * k, 1000 * k + n) for k, n in enumerate(sizes)]
    deck = Deck(folds, None, batch, like=LIKE)
    order = deck.deal(range(len(sizes)), (0, [0] * len(sizes), epoch))
    assert order.rows_SKB.shape[2] % 32 == 0
    for k, rows in enumerate(folds):
        real = order.weight_SKB[:, k] > 0
        assert sorted(order.rows_SKB[:, k][real].tolist()) == rows.tolist()
        assert bool(real.any(1)[: deck.steps_K[k]].all())
        assert not real[deck.steps_K[k] :].any()
        assert order.total_SK[:, k].sum() == len(rows)
        np.testing.assert_allclose(order.share_SKB[: deck.steps_K[k], k].sum(1), 1, rtol=1e-5)


def test_padding_repeats_a_row_of_the_fold_itself() -> None:
    deck = Deck([np.array([7, 9, 11])], None, 2, like=LIKE)
    order = deck.deal([0])
    assert set(order.rows_SKB[:, 0].unique().tolist()) == {7, 9, 11}
    assert order.weight_SKB.sum() == 3


def test_the_order_is_keyed_by_fold_and_epoch_and_no_other_fold_changes_it() -> None:
    folds = [np.arange(100), np.arange(100, 180)]
    deck = Deck(folds, None, 30, like=LIKE)
    both, alone = deck.deal([0, 1], (5, [0, 0], 3)), deck.deal([1], (5, [0], 3))
    assert torch.equal(both.rows_SKB[: len(alone.rows_SKB), 1], alone.rows_SKB[:, 0])
    for other in ((6, [0], 3), (5, [1], 3), (5, [0], 4)):
        assert not torch.equal(deck.deal([1], other).rows_SKB, alone.rows_SKB)


def test_all_rows_in_one_step_stay_in_order() -> None:
    deck = Deck([np.arange(10)], None, "all", like=LIKE)
    assert deck.constant([0])
    assert deck.deal([0], (0, [0], 5)).rows_SKB[0, 0, :10].tolist() == list(range(10))


def test_the_last_batch_is_kept_but_not_of_one_row_under_batch_norm() -> None:
    """21 rows in batches of 10: three steps, or two where the last row would have no variance."""
    assert Deck([np.arange(21)], None, 10, like=LIKE).steps_K.tolist() == [3]
    deck = Deck([np.arange(21), np.arange(22)], None, 10, like=LIKE, single=False)
    assert deck.steps_K.tolist() == [2, 3]
    assert (deck.deal([0]).weight_SKB > 0).sum() == 20


def test_weights_of_rows_become_shares() -> None:
    weight = torch.tensor([1.0, 3.0, 0.0, 5.0])
    order = Deck([np.array([0, 1, 2])], weight, "all", like=LIKE).deal([0])
    assert order.share_SKB[0, 0, :4].tolist() == pytest.approx([0.25, 0.75, 0, 0])
    assert order.total_SK.tolist() == [[4.0]]


@pytest.mark.parametrize("places", [[0, 1], [1, 0, 1]])
def test_rows_prepared_once_are_those_prepared_for_each_batch(world: Callable[..., Any], places: list[int]) -> None:
    table = world(rows=120)
    preparation = table.preparation(table.plan())
    deck = Deck(table.rows.fit, None, 50, like=LIKE)
    order = deck.deal([1, 3], (0, [0, 0], 2))
    batches = []
    for most in (0, 1 << 20):
        shelf = Shelf(table.matrices, preparation, scaled=True, most=most)
        assert (shelf.stored is None) == (most == 0)
        batches.append(Source(shelf, [1, 3], places).batch(order, 1))
    fresh, stored = batches
    for name in ("target", "share", "count"):
        assert torch.equal(getattr(fresh, name), getattr(stored, name))
    assert torch.equal(fresh.prepared.x_KBD, stored.prepared.x_KBD)
    assert torch.equal(fresh.prepared.slots_KBE, stored.prepared.slots_KBE)
    rows = order.rows_SKB[1][places]
    expected = preparation.pick([[1, 3][place] for place in places]).scaled(table.matrices.y[rows])
    assert torch.equal(stored.target, expected)
