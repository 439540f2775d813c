"""Augmentation: each image is moved as was drawn, and what is drawn is the same in any population."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import danlu
from danlu.core.errors import PlanError
from danlu.core.plan import make_plan
from danlu.population.augment import DRAWS, RANGE, Augment, Mover
from danlu.population.batches import Deck

IMAGE = (2, 5, 7)


def images(count: int = 6) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(0).integers(1, 256, (count, 70), dtype=np.uint8))


def taken(augment: Augment, draws: list[list[int]]) -> torch.Tensor:
    pixels, into = images(), torch.zeros(len(draws), 70, dtype=torch.uint8)
    Mover(pixels, IMAGE, augment).take(torch.arange(len(draws)), torch.tensor(draws), into)
    return into.view(-1, *IMAGE)


def test_nothing_asked_changes_nothing() -> None:
    assert Augment.parse(()) is None
    assert torch.equal(taken(Augment(), [[7] * DRAWS] * 3), images()[:3].view(-1, *IMAGE))


def test_half_are_mirrored_left_to_right() -> None:
    got = taken(Augment(flip=True), [[0] * DRAWS, [1] * DRAWS])
    whole = images().view(-1, *IMAGE)
    assert torch.equal(got[0], whole[0])
    assert torch.equal(got[1], whole[1].flip(2))


def test_shifts_bring_zeros_in() -> None:
    """With a border of 2 a draw of 0 takes the window from the upper left: the image moves down and right by 2."""
    got = taken(Augment(shift=2), [[0, 0, 0, 0, 0, 0], [0, 4, 2, 0, 0, 0]])
    whole = images().view(-1, *IMAGE)
    assert torch.equal(got[0][:, 2:, 2:], whole[0][:, :-2, :-2])
    assert not got[0][:, :2].any()
    assert not got[0][:, :, :2].any()
    assert torch.equal(got[1][:, :-2], whole[1][:, 2:])
    assert not got[1][:, -2:].any()


def test_a_square_is_covered() -> None:
    got = taken(Augment(cutout=3), [[0, 0, 0, 0, 2, 3]])[0]
    covered = torch.zeros(5, 7, dtype=torch.bool)
    covered[1:4, 2:5] = True
    assert not got[:, covered].any()
    assert torch.equal(got[:, ~covered], images()[0].view(*IMAGE)[:, ~covered])


def test_images_are_turned_around_their_middle() -> None:
    picture = torch.zeros(1, 1, 9, 9)
    picture[0, 0, 4, 1:4] = 1
    mover = Mover(torch.zeros(1, 81, dtype=torch.uint8), (1, 9, 9), Augment(rotate=90))
    up, down, straight = (picture.flatten(1).clone() for _ in range(3))
    for x, drawn in ((up, RANGE - 1), (down, 0), (straight, RANGE // 2)):
        mover.turn(x, torch.tensor([[0, 0, 0, drawn, 0, 0]]))
    torch.testing.assert_close(straight.view(9, 9), picture[0, 0], atol=1e-5, rtol=0)
    torch.testing.assert_close(up.view(9, 9), picture[0, 0].rot90(1), atol=1e-4, rtol=0)
    torch.testing.assert_close(down.view(9, 9), picture[0, 0].rot90(-1), atol=1e-4, rtol=0)


def test_draws_are_keyed_by_fold_repeat_and_epoch() -> None:
    rows = [np.arange(0, 50), np.arange(50, 110)]
    deck = Deck(rows, None, 32, like=torch.zeros(1), augmented=True)
    together = deck.deal([0, 1], (3, [0, 0], 5))
    alone = deck.deal([1], (3, [0], 5))
    later = deck.deal([1], (3, [0], 6))
    assert together.draws_SKBD is not None
    assert alone.draws_SKBD is not None
    assert later.draws_SKBD is not None
    assert torch.equal(together.draws_SKBD[:2, 1], alone.draws_SKBD[:, 0])
    assert not torch.equal(alone.draws_SKBD, later.draws_SKBD)
    assert not deck.constant([0, 1])
    share = (together.draws_SKBD[..., 0] % 2).float()[together.weight_SKB > 0].mean()
    assert 0.3 < share < 0.7
    assert Deck(rows, None, 32, like=torch.zeros(1)).deal([0], (3, [0], 5)).draws_SKBD is None


@pytest.mark.parametrize("text", ["flop", "shift:0", "flip:2", "shift:1,shift:2", "cutout:-3"])
def test_what_is_refused(text: str) -> None:
    with pytest.raises(PlanError, match="`augment`"):
        make_plan(augment=text)


def test_a_member_learns_the_same_among_others() -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (96, 8, 8), dtype=np.uint8)
    labels = np.arange(96) % 3
    settings = {"hidden": (8,), "epochs": 3, "batch_size": 32, "folds": 3, "augment": "flip,shift:1,cutout:3"}
    whole = danlu.fit((pixels, labels), **settings)
    again = danlu.fit((pixels, labels), **settings)
    assert torch.equal(whole.tensors["weights"], again.tensors["weights"])
    plain = danlu.fit((pixels, labels), **settings | {"augment": "none"})
    assert not torch.equal(whole.tensors["weights"], plain.tensors["weights"])
    x, codes = whole.encode(pixels[:32])
    with torch.no_grad():
        exported = whole.to_torch()(x, codes).numpy()
    np.testing.assert_allclose(exported, whole.predict(pixels[:32], proba=True), rtol=1e-4, atol=1e-6)
    mirrored = whole.predict(pixels[:32, :, ::-1].copy(), proba=True)
    np.testing.assert_allclose(mirrored, whole.predict(pixels[:32], proba=True), rtol=1e-4, atol=1e-6)
