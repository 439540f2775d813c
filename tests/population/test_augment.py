"""Augmentation: each image is moved as was drawn, and what is drawn is the same in any population."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import danlu
from danlu.core.errors import PlanError
from danlu.core.plan import make_plan
from danlu.core.records import FeatureLayout, NetworkSpec
from danlu.networks import Network, Preparation
from danlu.population import Matrices, Members, Rows, Shelf, train
from danlu.population.augment import DRAWS, RANGE, Mover, Moves, strengths
from danlu.population.batches import Deck

IMAGE = (2, 5, 7)


def images(count: int = 6) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(0).integers(1, 256, (count, 70), dtype=np.uint8))


def moves(flip: float = 0, shift: float = 0, rotate: float = 0, cutout: float = 0) -> Moves:
    found = Moves.of(*(torch.tensor([strength]) for strength in (flip, shift, rotate, cutout)))
    assert found is not None
    return found


def taken(draws: list[list[int]], **asked: float) -> torch.Tensor:
    pixels, into = images(), torch.zeros(len(draws), 70, dtype=torch.uint8)
    mover = Mover(pixels, IMAGE, bool(asked.get("flip")), int(asked.get("shift", 0)))
    mover.take(torch.arange(len(draws)), torch.tensor(draws), moves(**asked).rows(len(draws)), into)
    return into.view(-1, *IMAGE)


def test_nothing_asked_changes_nothing() -> None:
    assert not any(strengths(()).values())
    assert Moves.of(*torch.zeros(4, 3)) is None
    assert torch.equal(taken([[7] * DRAWS] * 3, rotate=1), images()[:3].view(-1, *IMAGE))


def test_half_are_mirrored_left_to_right() -> None:
    got = taken([[0] * DRAWS, [1] * DRAWS], flip=1)
    whole = images().view(-1, *IMAGE)
    assert torch.equal(got[0], whole[0])
    assert torch.equal(got[1], whole[1].flip(2))


def test_shifts_bring_zeros_in() -> None:
    """With a border of 2 a draw of 0 takes the window from the upper left: the image moves down and right by 2."""
    got = taken([[0, 0, 0, 0, 0, 0], [0, 4, 2, 0, 0, 0]], shift=2)
    whole = images().view(-1, *IMAGE)
    assert torch.equal(got[0][:, 2:, 2:], whole[0][:, :-2, :-2])
    assert not got[0][:, :2].any()
    assert not got[0][:, :, :2].any()
    assert torch.equal(got[1][:, :-2], whole[1][:, 2:])
    assert not got[1][:, -2:].any()


def test_a_crop_is_a_shift_by_as_many_pixels_as_are_put_around() -> None:
    """Each window of an image with a border of 2 zeros, as the field's random crop takes it, is a shift."""
    padded = torch.nn.functional.pad(images()[:1].view(1, *IMAGE), (2, 2, 2, 2))
    for down in range(5):
        for right in range(5):
            got = taken([[0, down, right, 0, 0, 0]], shift=2)
            assert torch.equal(got, padded[..., down : down + 5, right : right + 7])
    assert strengths(("crop:2",)) == strengths(("shift:2",))
    assert strengths(("crop",))["shift"] == 4


def test_strengths_are_those_of_each_member() -> None:
    """Rows of members that move less, among rows of one that moves more: as each is moved alone."""
    each = [{"shift": 2.0, "flip": 1.0}, {"cutout": 3.0}, {"rotate": 20.0}, {"shift": 1.0, "cutout": 2.0}]
    names = ("flip", "shift", "rotate", "cutout")
    whole = Moves.of(*(torch.tensor([one.get(name, 0.0) for one in each]) for name in names))
    assert whole is not None
    draws = torch.randint(RANGE, (4 * 3, DRAWS), generator=torch.Generator().manual_seed(0))
    rows, mover = torch.arange(12) % 6, Mover(images(), IMAGE, True, 2)
    into = torch.zeros(12, 70, dtype=torch.uint8)
    mover.take(rows, draws, whole.rows(3), into)
    x = into.float()
    mover.turn(x, draws, whole.rows(3))
    for m, asked in enumerate(each):
        part = slice(3 * m, 3 * m + 3)
        own, alone = moves(**asked), torch.zeros(3, 70, dtype=torch.uint8)
        narrow = Mover(images(), IMAGE, bool(asked.get("flip")), int(asked.get("shift", 0)))
        narrow.take(rows[part], draws[part], own.rows(3), alone)
        assert torch.equal(into[part], alone)
        turned = alone.float()
        narrow.turn(turned, draws[part], own.rows(3))
        assert torch.equal(x[part], turned)
        assert torch.equal(turned, alone.float()) == (not own.turns)


def test_a_square_is_covered() -> None:
    got = taken([[0, 0, 0, 0, 2, 3]], cutout=3)[0]
    covered = torch.zeros(5, 7, dtype=torch.bool)
    covered[1:4, 2:5] = True
    assert not got[:, covered].any()
    assert torch.equal(got[:, ~covered], images()[0].view(*IMAGE)[:, ~covered])


def test_images_are_turned_around_their_middle() -> None:
    picture = torch.zeros(1, 1, 9, 9)
    picture[0, 0, 4, 1:4] = 1
    mover = Mover(torch.zeros(1, 81, dtype=torch.uint8), (1, 9, 9), False, 0)
    up, down, straight = (picture.flatten(1).clone() for _ in range(3))
    for x, drawn in ((up, RANGE - 1), (down, 0), (straight, RANGE // 2)):
        mover.turn(x, torch.tensor([[0, 0, 0, drawn, 0, 0]]), moves(rotate=90).rows(1))
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


@pytest.mark.parametrize(
    "text", ["flop", "shift:0", "flip:2", "shift:1,shift:2", "crop:1,shift:2", "shift:1.5", "cutout:-3"]
)
def test_what_is_refused(text: str) -> None:
    with pytest.raises(PlanError, match="`augment`"):
        make_plan(augment=text)


@pytest.mark.parametrize(
    ("text", "remedy"),
    [("rotate:400", "180 degrees or less.* Use rotate:10"), ("cutout:0", "pixels above 0 after cutout.* Use cutout:2")],
)
def test_a_refusal_names_a_remedy_of_the_same_way(text: str, remedy: str) -> None:
    with pytest.raises(PlanError, match=remedy):
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


def test_members_of_other_strengths_train_together_as_each_alone() -> None:
    """One population of four strengths on images: weights bit for bit those of each strength's own population."""
    pixels = torch.from_numpy(np.random.default_rng(2).integers(0, 256, (96, 64), dtype=np.uint8))
    layout = FeatureLayout(numbers=(), image=(1, 8, 8))
    codes, labels = torch.zeros(96, 0, dtype=torch.int32), torch.arange(96) % 3
    rows = (np.arange(96),)
    preparation = Preparation.fit(pixels, codes, None, rows, layout, "unit", "none", torch.float32)
    shelf = Shelf(Matrices(pixels, codes, labels), preparation, scaled=False)
    network = Network(NetworkSpec(layout=layout, outputs=3, hidden=(8,), scale="unit", link="softmax"))
    plans = [
        make_plan(lr=0.01, epochs=2, batch_size=32, loss="cross-entropy", optimizer="adam", augment=augment)
        for augment in ("none", "flip,shift:1", "crop:2,cutout:3", "rotate:30")
    ]
    each = [Members.make(plan, 1) for plan in plans]
    judged = Rows(rows, (np.arange(0),))
    whole = train(network, shelf, judged, each[0].join(*each[1:]), plans[0], metric="accuracy")
    alone = [train(network, shelf, judged, one, plan, metric="accuracy") for one, plan in zip(each, plans, strict=True)]
    for m, one in enumerate(alone):
        assert torch.equal(whole.weights_MP[m], one.weights_MP[0])
        assert all(not torch.equal(one.weights_MP, other.weights_MP) for other in alone[:m])


def test_moves_wider_than_an_image_are_refused() -> None:
    pixels = np.zeros((20, 8, 8), np.uint8)
    with pytest.raises(PlanError, match="less than an image's size"):
        danlu.fit((pixels, np.arange(20) % 2), augment="shift:8")
    with pytest.raises(PlanError, match="got cutout for 8 x 8 pixels"):
        danlu.fit((pixels, np.arange(20) % 2), augment="cutout")  # 8 pixels where none are named
