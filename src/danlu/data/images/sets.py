"""A set of images in memory, whatever it was read from.

Axes of pixels: N images, K channels (1 grey; 3 red, green, blue), H rows, W columns.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from danlu.core.errors import DataError
from danlu.core.records import ImageSchema, Note
from danlu.data.images.sizes import Resize

Colour = Literal["grey", "colour"]
Progress = Callable[[str, int, int], None] | None
"""Is told what is being done, how much of it is done, and how much there is in all."""


@dataclass(frozen=True)
class Wish:
    """How files are to be decoded.

    Arguments:
        resize: the rule for all; None keeps one size, and brings several to the usual one.
        colour: grey or colour; None is grey where all files are.
        exact: height and width that every file must have, instead of a rule.
    """

    resize: Resize | None = None
    colour: Colour | None = None
    exact: tuple[int, int] | None = None

    @property
    def text(self) -> str:
        """The wish in a form that can be compared."""
        return f"{self.resize.text if self.resize else ''} {self.colour or ''} {self.exact or ''}"


@dataclass(frozen=True)
class ImageSet:
    """Images, and what is to be predicted of them where that is known.

    Arguments:
        pixels_NKHW: `[N, K, H, W]`, uint8 or float32, C-contiguous.
        labels: `[N]` names of classes (str) or whole numbers (int64) before they are typed, or `[N, T]` numeric
            targets or distributions (float64); None where they are unknown.
        target_names: a name for each target; one for classes.
        names: path of each image, relative to the source; None for arrays.
        test: the test part, of sources that bring one.
        source: words for the page.
        notes: what was inferred.
        resize: rule by which all were brought to one size; empty where they had one.

    >>> images = ImageSet(np.zeros((2, 1, 4, 3), np.uint8), None, ("class",), None, None, "two arrays", ())
    >>> len(images), images.schema.shape, images.schema.values
    (2, (1, 4, 3), 'uint8')
    """

    pixels_NKHW: np.ndarray
    labels: np.ndarray | None
    target_names: tuple[str, ...]
    names: tuple[str, ...] | None
    test: ImageSet | None
    source: str
    notes: tuple[Note, ...]
    resize: str = ""
    again: Callable[[Wish], ImageSet] | None = field(default=None, compare=False, repr=False)
    """Reads the files again, decoded otherwise: so that an image is resized once, from the original."""

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.pixels_NKHW)

    @property
    def schema(self) -> ImageSchema:
        """What a model that learns from these expects of an image."""
        _, channels, height, width = self.pixels_NKHW.shape
        if self.pixels_NKHW.dtype == np.uint8:
            return ImageSchema(channels=channels, height=height, width=width, resize=self.resize)
        low, high = float(self.pixels_NKHW.min()), float(self.pixels_NKHW.max())
        return ImageSchema(
            channels=channels, height=height, width=width, resize=self.resize, values="float", low=low, high=high
        )


def to_be_judged(images: ImageSet) -> ImageSet:
    """Return the test part of images that bring one, with a note that says so; any others as they are."""
    test = images.test
    if test is None:
        return images
    text = f"the test part, {len(test):,} images; the {len(images):,} to learn from are left out"
    own = {note.topic for note in test.notes}
    said = (note for note in images.notes if note.topic not in own)
    source = f"the test part of {test.source}"
    return replace(test, source=source, notes=(Note(topic="images", text=text), *said, *test.notes))


def check_room(count: int, shape: tuple[int, int, int], item: int, source: str) -> None:
    """Refuse images that do not fit into memory.

    Raises:
        DataError: they need more than the machine has left, where that is known.
    """
    needed = count * shape[0] * shape[1] * shape[2] * item
    left = _memory_left()
    if left is not None and needed > left:
        raise DataError(
            f"{source} must fit into memory",
            f"it needs {needed / 1e9:,.1f} GB and {left / 1e9:,.1f} are left",
            "Use --resize with a smaller size.",
        )


def _memory_left() -> int | None:
    """Return the bytes that programs can still take without swapping; None where the system does not say."""
    try:
        with open("/proc/meminfo", encoding="ascii") as file:  # noqa: PTH123  no path of a user's
            for line in file:
                if line.startswith("MemAvailable:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return None
