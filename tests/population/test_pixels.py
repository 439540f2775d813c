"""Pixels: gathered from whole numbers as the preparation prepares them, bit for bit."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from danlu.core.records import FeatureLayout
from danlu.networks import Preparation, Program
from danlu.population.pixels import Pixels

IMAGE = (2, 3, 4)
LAYOUT = FeatureLayout(numbers=(), image=IMAGE)


def images(count: int = 50) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(0).integers(0, 256, (count, 24), dtype=np.uint8))


def fitted(pixels: torch.Tensor, scale: str, dtype: torch.dtype = torch.float32) -> Preparation:
    codes, folds = torch.zeros(len(pixels), 0, dtype=torch.int32), [torch.arange(20), torch.arange(10, 50)]
    return Preparation.fit(pixels, codes, None, folds, LAYOUT, scale, dtype=dtype)


@pytest.mark.parametrize("scale", ["none", "unit", "standard"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_batches_are_what_the_preparation_prepares(scale: str, dtype: torch.dtype) -> None:
    pixels = images()
    preparation = fitted(pixels, scale, dtype).pick([1, 0, 1])
    rows_MB = torch.tensor([[3, 4], [49, 0], [7, 7]])
    wanted = preparation.prepare(pixels[rows_MB], torch.zeros(3, 2, 0, dtype=torch.int32)).x_KBD
    got, do = torch.zeros(3, 2, 24, dtype=dtype), Program()
    gathered = Pixels(pixels, preparation)
    gathered.take(rows_MB, got, do)
    assert torch.equal(got, wanted)
    rows_MB.copy_(torch.tensor([[0, 1], [2, 3], [4, 5]]))
    do.run()
    assert torch.equal(got, preparation.prepare(pixels[rows_MB], torch.zeros(3, 2, 0, dtype=torch.int32)).x_KBD)
    low = torch.zeros(3, 2, 24, dtype=torch.bfloat16)
    gathered.take(rows_MB, low, Program())
    assert torch.equal(low, got.to(torch.bfloat16))


def test_unit_divides_by_255_and_standard_has_one_statistic_a_channel_and_fold() -> None:
    pixels = images()
    unit = fitted(pixels, "unit")
    assert (unit.centre_KF == 0).all()
    assert (unit.scale_KF == 255).all()
    standard = fitted(pixels, "standard", torch.float64)
    channels = pixels[10:].double().view(40, 2, 12)
    torch.testing.assert_close(standard.centre_KF[1].view(2, 12)[:, 5], channels.mean((0, 2)))
    torch.testing.assert_close(standard.scale_KF[1].view(2, 12)[:, 0], channels.std((0, 2), correction=0))


def test_floats_keep_their_range_or_are_brought_to_0_and_1() -> None:
    pixels = images().float() / 100 - 1
    assert (fitted(pixels, "none").scale_KF == 1).all()
    unit = fitted(pixels, "unit", torch.float64)
    learnt = pixels[:20].double()
    torch.testing.assert_close(unit.centre_KF[0], learnt.min().expand(24))
    torch.testing.assert_close(unit.scale_KF[0], (learnt.max() - learnt.min()).expand(24))
