"""Small plain PNG files read together give Pillow's pixels, bit for bit."""

from __future__ import annotations

import io
import zlib

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from danlu.data.images import fastpng


def packed(image: Image.Image, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, "PNG", **options)
    return out.getvalue()


def pictures(channels: int) -> list[np.ndarray]:
    """Return noise, slopes and flat areas, for which Pillow chooses different filters."""
    random = np.random.default_rng(1)
    shape = (9, 7) if channels == 1 else (9, 7, 3)
    slope = np.add.outer(np.arange(9) * 11, np.arange(7) * 5).astype(np.uint8)
    slope = slope if channels == 1 else np.stack([slope, slope + 3, slope * 2], axis=2)
    smooth = np.cumsum(random.integers(0, 4, shape), axis=0).astype(np.uint8)
    return [random.integers(0, 256, shape).astype(np.uint8), slope, smooth, np.zeros(shape, np.uint8)]


@pytest.mark.parametrize("channels", [1, 3])
def test_they_are_what_pillow_reads(channels: int) -> None:
    files = [
        packed(Image.fromarray(each), **options) for each in pictures(channels) for options in ({}, {"optimize": True})
    ]
    shape = (channels, 9, 7)
    lines = []
    filters = set()
    for data in files:
        assert fastpng.plain_shape(data) == shape
        line = fastpng.packed_lines(data, shape)
        assert line is not None
        filters |= set(line[:: 1 + 7 * channels])
        lines.append(line)
    assert len(filters) > 2, "the example should use several filters"
    found = fastpng.unfilter(lines, shape)
    assert found is not None
    for data, pixels in zip(files, found, strict=True):
        expected = np.asarray(Image.open(io.BytesIO(data))).reshape(9, 7, channels).transpose(2, 0, 1)
        assert np.array_equal(pixels, expected)


def test_each_filter_of_the_standard_by_hand() -> None:
    """Second lines of 10 20 under 1 2, by each filter: none, sub, up, average, Paeth."""
    above = bytes([0, 1, 2])
    seconds = [
        bytes([0, 10, 20]),
        bytes([1, 10, 10]),
        bytes([2, 9, 18]),
        bytes([3, 10, 14]),  # 10 - floor((0 + 1) / 2), 20 - floor((10 + 2) / 2)
        bytes([4, 9, 10]),  # 10 - 1; left 10, above 2, corner 1: 10 + 2 - 1 = 11 is nearest to 10
    ]
    found = fastpng.unfilter([above + second for second in seconds], (1, 2, 2))
    assert found is not None
    assert found[:, 0].tolist() == [[[1, 2], [10, 20]]] * 5


def test_an_image_does_not_reach_into_the_next() -> None:
    up = bytes([2, 5, 6])  # "as above, plus": above the first line are zeros
    found = fastpng.unfilter([bytes([0, 200, 200]), up], (1, 1, 2))
    assert found is not None
    assert found[1, 0].tolist() == [[5, 6]]


def test_whatever_is_not_plain_is_left_to_pillow() -> None:
    plain = packed(Image.new("L", (3, 3)))
    assert fastpng.plain_shape(plain) == (1, 3, 3)
    for other in (
        packed(Image.new("LA", (3, 3))),
        packed(Image.new("P", (3, 3))),
        packed(Image.new("1", (3, 3))),
        packed(Image.new("I;16", (3, 3))),
        packed(Image.new("L", (200, 200))),
        plain[:30],
        b"GIF89a",
    ):
        assert fastpng.plain_shape(other) is None
    exif = Image.Exif()
    exif[0x0112] = 6
    frames = [Image.new("L", (3, 3), value) for value in (0, 9)]
    for unusual in (
        packed(Image.new("L", (3, 3)), transparency=0),
        packed(Image.new("L", (3, 3)), exif=exif),
        packed(frames[0], save_all=True, append_images=frames[1:]),
    ):
        assert fastpng.packed_lines(unusual, (1, 3, 3)) is None
    words = PngInfo()
    words.add_text("Title", "a bag")
    assert fastpng.packed_lines(packed(Image.new("L", (3, 3)), pnginfo=words), (1, 3, 3)) == bytes(12)


def test_no_damaged_byte_goes_unnoticed() -> None:
    pixels = pictures(1)[0]
    data = packed(Image.fromarray(pixels))
    shape = (1, 9, 7)
    right = fastpng.packed_lines(data, shape)
    for place in range(33, len(data)):
        damaged = data[:place] + bytes([data[place] ^ 16]) + data[place + 1 :]
        found = fastpng.packed_lines(damaged, shape)
        assert found is None or found == right, place
    assert all(fastpng.packed_lines(data[:length], shape) is None for length in range(33, len(data) - 4))


def test_lines_that_unpack_to_more_or_less_than_the_head_says_are_left_to_pillow() -> None:
    data = packed(Image.new("L", (3, 3)))
    head, content = data[:33], zlib.compress(bytes(1 << 20))
    crc = zlib.crc32(b"IDAT" + content).to_bytes(4, "big")
    bomb = head + len(content).to_bytes(4, "big") + b"IDAT" + content + crc + data[-12:]
    assert fastpng.packed_lines(bomb, (1, 3, 3)) is None
    assert fastpng.unfilter([bytes([9, 1, 2])], (1, 1, 2)) is None, "there is no filter 9"
