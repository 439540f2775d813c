"""A field of colours as an image, beside what Pillow or the format itself says of it."""

from __future__ import annotations

import re
import struct
import zlib
from importlib.resources import files

import numpy as np

from danlu.report.pictures.field import COLOURS, as_url, png, probabilities


def unpacked(data: bytes) -> np.ndarray:
    """Read a PNG of 8 bits and four channels, by the format's own rules."""
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    at, chunks = 8, {}
    while at < len(data):
        (length,) = struct.unpack(">I", data[at : at + 4])
        kind, content = data[at + 4 : at + 8], data[at + 8 : at + 8 + length]
        assert struct.unpack(">I", data[at + 8 + length : at + 12 + length])[0] == zlib.crc32(kind + content)
        chunks[kind] = content
        at += 12 + length
    width, height = struct.unpack(">II", chunks[b"IHDR"][:8])
    rows = np.frombuffer(zlib.decompress(chunks[b"IDAT"]), np.uint8).reshape(height, 1 + 4 * width)
    assert (rows[:, 0] == 0).all()
    return rows[:, 1:].reshape(height, width, 4)


def test_an_image_is_what_was_written() -> None:
    image = np.random.default_rng(0).integers(0, 256, (5, 7, 4)).astype(np.uint8)
    np.testing.assert_array_equal(unpacked(png(image)), image)
    assert as_url(image).startswith("data:image/png;base64,iVBOR")


def test_the_lowest_row_is_at_the_bottom_and_doubt_is_clear() -> None:
    first = np.array([[1.0, 1.0], [0.5, 0.25]])
    image = probabilities(np.stack([first, 1 - first]), ("first", "second"))
    assert image[1, 0, :3].tolist() == list(COLOURS["first"])
    assert image[0, 1, :3].tolist() == list(COLOURS["second"])
    assert image[..., 3].tolist() == [[0, 57], [115, 115]]


def test_colours_are_those_of_the_theme() -> None:
    style = files("danlu.report").joinpath("theme.css").read_text(encoding="utf-8").partition("}")[0]
    for name, colour in COLOURS.items():
        found = re.search(rf"--{name}: #([0-9a-f]{{6}})", style)
        assert found is not None
        assert tuple(bytes.fromhex(found[1])) == colour
