"""Dropout's hash: the rate, independence, the same bits in any population, and exact identity at rate 0."""

from __future__ import annotations

from itertools import combinations

import torch
from scipy import stats

from danlu.core.seeds import stream
from danlu.networks.dropout import Drop, hash_into, keep_masks
from danlu.networks.layer import Own, Program, Space, Step

KEYS = torch.tensor([stream(0, "dropout", i) for i in range(6)])


def seeds_of(keys: torch.Tensor, epoch: int, step: int) -> torch.Tensor:
    return Drop(torch.zeros(len(keys)), keys).seeds(epoch, [step])[0]


def hashed_bytes(seeds: torch.Tensor, count: int) -> torch.Tensor:
    words = torch.zeros(len(seeds), -(-count // 4), dtype=torch.int32)
    hash_into(words, seeds, Program(), torch.zeros_like(words))
    return words.view(torch.uint8)[:, :count]


def mask_of(drop: Drop, seeds: torch.Tensor, values: int) -> torch.Tensor:
    own = Own((), (), (), *(Space(torch.device("cpu")) for _ in range(2)), Program(), Step(True))
    return keep_masks(seeds, drop.dropped(), values, own)


def masks(rates: list[float], keys: torch.Tensor, epoch: int, step: int) -> torch.Tensor:
    drop = Drop(torch.tensor(rates), keys)
    return -mask_of(drop, seeds_of(keys, epoch, step), 256 * 128).view(-1, 256, 128) * drop.kept()


def test_rate_is_the_quantised_rate_and_the_mean_is_kept() -> None:
    kept = masks([0.1, 0.25, 0.5, 0.9, 0.999, 0.0], KEYS, 3, 5)
    for mask, dropped in zip(kept, (26, 64, 128, 230, 255, 0), strict=True):
        count = int((mask == 0).sum())
        assert stats.binomtest(count, mask.numel(), dropped / 256).pvalue > 1e-4
        assert mask.max() == torch.tensor(256.0) / (256 - dropped)


def test_rate_0_is_the_identity_bit_for_bit() -> None:
    drop = Drop(torch.zeros(2), KEYS[:2])
    assert (mask_of(drop, seeds_of(KEYS[:2], 1, 0), 32 * 7) == -1).all()
    assert (drop.kept() == 1).all()


def test_a_member_drops_the_same_alone_and_among_others() -> None:
    together = masks([0.2] * 6, KEYS, 7, 11)
    for m in range(6):
        assert torch.equal(masks([0.2], KEYS[m : m + 1], 7, 11)[0], together[m])


def test_members_epochs_and_steps_are_independent() -> None:
    """Pairwise 2 x 2 tables of 'dropped here' against 'dropped there', 2 x 32768 values each, and shifted by one place."""
    tries = [masks([0.5, 0.5], KEYS[:2], e, s) for e, s in ((1, 0), (1, 1), (2, 0), (0, 1))]
    flat = [(member == 0).reshape(-1) for kept in tries for member in kept]
    flat.append(flat[0].roll(1))
    for a, b in combinations(flat, 2):
        both = int((a & b).sum())
        assert stats.binomtest(both, a.numel(), 0.25).pvalue > 1e-5


def test_bytes_are_uniform_in_each_of_the_four_places_and_between_neighbours() -> None:
    seeds = seeds_of(KEYS, 1, 0)
    values = hashed_bytes(seeds, 1 << 17).long()
    assert values.shape == (6, 1 << 17)
    for place in range(4):
        counts = values[:, place::4].flatten().bincount(minlength=256)
        assert stats.chisquare(counts.numpy()).pvalue > 1e-4
    pairs = (values[:, :-1] // 16 * 16 + values[:, 1:] // 16).flatten().bincount(minlength=256)
    assert stats.chisquare(pairs.numpy()).pvalue > 1e-4


def test_over_steps_one_value_is_dropped_as_often_as_the_rate_says() -> None:
    steps = torch.stack([hashed_bytes(seeds_of(KEYS[:1], 1, s), 64)[0] for s in range(2000)])
    counts = (steps < 64).sum(0)
    assert all(stats.binomtest(int(c), 2000, 0.25).pvalue > 1e-5 for c in counts)


def test_bytes_of_two_steps_are_independent_in_each_of_the_four_places() -> None:
    """276 pairs of 24 steps: one round between them must not leave the pattern of one step in the other."""
    steps = torch.stack([hashed_bytes(seeds_of(KEYS[:1], 1, s), 1 << 16)[0] for s in range(24)]).long()
    for place in range(4):
        for a, b in combinations(steps[:, place::4], 2):
            pairs = (a // 16 * 16 + b // 16).bincount(minlength=256)
            assert stats.chisquare(pairs.numpy()).pvalue > 1e-7


def test_known_bytes() -> None:
    """The hash in plain Python integers: a mask must be the same on every device and in every version."""
    key, epoch, step = 123456789, 2, 3
    m64, m32 = (1 << 64) - 1, (1 << 32) - 1
    spread = (0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0xD6E8FEB86659FD93)
    x = (key ^ (epoch * spread[0] + step * spread[1] + spread[2])) & m64
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9 & m64
    x = (x ^ x >> 27) * 0x94D049BB133111EB & m64
    x ^= x >> 31
    expected = b""
    for i in range(1, 4):
        v = (i ^ i >> 16) * 0x7FEB352D & m32
        v = (v ^ v >> 15) * 0x846CA68B & m32
        v = (v ^ v >> 16) ^ (x & m32)
        v = v * (x >> 32 | 1) & m32
        expected += (v ^ v >> 16).to_bytes(4, "little")
    seeds = seeds_of(torch.tensor([key]), epoch, step)
    assert bytes(hashed_bytes(seeds, 12)[0].tolist()) == expected
