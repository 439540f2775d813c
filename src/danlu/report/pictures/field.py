"""A field of colours as a small picture inside a chart: thousands of cells as one image, smooth at any size."""

from __future__ import annotations

import base64
import struct
import zlib

import numpy as np

COLOURS = {"first": (0, 114, 178), "second": (213, 94, 0), "third": (0, 158, 115), "grey": (138, 147, 157)}
"""The light theme's: an image has its colours once and for all. They are see-through, and so do on dark paper too."""


def png(rgba_YX4: np.ndarray) -> bytes:
    """Return an image as the bytes of a PNG file.

    Shape: uint8 `[Y, X, 4]`: red, green, blue, opacity; the first row is the upper one.

    >>> png(np.zeros((2, 3, 4), np.uint8))[:4]
    b'\\x89PNG'
    """
    height, width, _ = rgba_YX4.shape
    rows = np.zeros((height, 1 + 4 * width), np.uint8)  # each row begins with 0: stored as it is
    rows[:, 1:] = rgba_YX4.reshape(height, -1)
    header = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    parts = (b"IHDR", header), (b"IDAT", zlib.compress(rows.tobytes(), 9)), (b"IEND", b"")
    whole = [
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in parts
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(whole)


def as_url(rgba_YX4: np.ndarray) -> str:
    """Return an image as an address that holds it."""
    return "data:image/png;base64," + base64.b64encode(png(rgba_YX4)).decode()


def probabilities(probability_CYX: np.ndarray, colours: tuple[str, ...]) -> np.ndarray:
    """Return the colour of the likeliest class in each cell, the stronger the likelier it is.

    Arguments:
        probability_CYX: of each class; the first row is the lowest one.
        colours: of the classes, as the theme calls them.

    >>> probabilities(np.array([[[1.0, 0.5]], [[0.0, 0.5]]]), ("first", "second"))[0].tolist()
    [[0, 114, 178, 115], [0, 114, 178, 0]]
    """
    best_YX, classes = probability_CYX.argmax(0), len(probability_CYX)
    sure_YX = (probability_CYX.max(0) - 1 / classes) / (1 - 1 / classes)
    palette = np.array([COLOURS[name] for name in colours], np.uint8)
    opacity = (115 * np.clip(sure_YX, 0, 1)).astype(np.uint8)
    return np.concatenate([palette[best_YX], opacity[..., None]], axis=2)[::-1]
