"""Rules for sizes: what they say, and what they do to pixels."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from danlu.core.errors import PlanError
from danlu.data.images.sizes import Resize, same_size


def test_a_rule_reads_and_writes_the_same() -> None:
    for text in ("64x64:stretch", "96x64:crop", "20x30:pad"):
        assert Resize.parse(text).text == text
    assert Resize.parse("28") == Resize.parse(28) == Resize(28, 28, "stretch")
    assert Resize.parse(" 96X64 ") == Resize(96, 64)
    assert Resize.parse("32:pad") == Resize(32, 32, "pad")


@pytest.mark.parametrize("rule", ["", "x", "0", "64x0", "-3", "64:zoom", "5000", "64x64x3", "1e3", "9" * 30])
def test_other_rules_are_refused(rule: str, refused) -> None:
    refused(lambda: Resize.parse(rule), "resize", error=PlanError)


def test_crop_covers_and_keeps_the_middle() -> None:
    pixels = np.zeros((4, 8), np.uint8)
    pixels[:, 2:6] = 200
    assert (np.asarray(Resize(4, 4, "crop").apply(Image.fromarray(pixels))) == 200).all()
    # Halving, the triangle filter takes weights 1, 3, 3, 1 of 8, and the outermost lies beyond the middle.
    assert (np.asarray(Resize(2, 2, "crop").apply(Image.fromarray(pixels))) == 200 * 7 / 8).all()


def test_pad_fits_and_centres_on_black() -> None:
    pixels = np.full((4, 8), 200, np.uint8)
    found = np.asarray(Resize(4, 4, "pad").apply(Image.fromarray(pixels)))
    assert found.tolist() == [[0] * 4, [200] * 4, [200] * 4, [0] * 4]


def test_stretch_takes_the_mean_of_what_falls_together() -> None:
    pixels = np.array([[0, 0, 100, 100], [0, 0, 100, 100]], np.float32)
    found = np.asarray(Resize(2, 1).apply(Image.fromarray(pixels)))
    # The triangle filter of halving reaches half a pixel into the neighbour: weights 3, 3, 1 of 7 at the border.
    assert np.allclose(found, [[100 / 7, 600 / 7]])


@pytest.mark.parametrize("way", ["stretch", "crop", "pad"])
def test_arrays_are_resized_as_files_are(way: str) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (3, 3, 9, 5)).astype(np.uint8)
    rule = Resize.parse(f"4x6:{way}")
    found, text = same_size(pixels, rule)
    assert text == rule.text
    assert found.shape == (3, 3, 6, 4)
    assert found.dtype == np.uint8
    for image, expected in zip(found, pixels, strict=True):
        whole = np.asarray(rule.apply(Image.fromarray(np.ascontiguousarray(expected.transpose(1, 2, 0)))))
        assert np.array_equal(image, whole.transpose(2, 0, 1))
    assert same_size(pixels, None)[0] is pixels


def test_floats_stay_floats() -> None:
    found, _ = same_size(np.full((1, 1, 4, 4), 0.25, np.float32), Resize(2, 2))
    assert found.dtype == np.float32
    assert np.allclose(found, 0.25)
