"""Images of several sizes brought to one, by a rule that can be written down: 64, 96x64, 96x64:crop."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from PIL import Image

from danlu.core.errors import PlanError

MOST_SIDE = 4096
USUAL_SIDE = 64
"""Longer side of images whose sizes differ, where none is asked for: two cores learn from it in minutes."""

Way = Literal["stretch", "crop", "pad"]


@dataclass(frozen=True)
class Resize:
    """A rule: the size, and what happens to an image of another shape.

    stretch: it is stretched. crop: scaled until it covers the size, and what sticks out is cut off on both sides. pad:
    scaled until it fits, and centred on black. Pixels between pixels are interpolated linearly; where an image gets
    smaller, all its pixels count (Pillow's BILINEAR).

    >>> Resize.parse("96x64:crop"), Resize.parse(64).text
    (Resize(width=96, height=64, way='crop'), '64x64:stretch')
    """

    width: int
    height: int
    way: Way = "stretch"

    @classmethod
    def parse(cls, rule: str | int) -> Resize:
        """Read SIZE or WIDTHxHEIGHT, and behind a colon stretch (the default), crop or pad.

        Raises:
            PlanError: it is none of these.
        """
        found = re.fullmatch(r"(\d{1,9})(?:[x×](\d{1,9}))?(?::(stretch|crop|pad))?", str(rule).strip().lower())
        if found is None:
            raise PlanError(
                "`resize` must be a size in pixels, or WIDTHxHEIGHT, and behind a colon stretch, crop or pad",
                f"got {rule!r:.60}",
                "Use resize=64, or resize=96x64:crop.",
            )
        width, height = int(found[1]), int(found[2] or found[1])
        if not (1 <= width <= MOST_SIDE and 1 <= height <= MOST_SIDE):
            raise PlanError(f"`resize` must be 1 to {MOST_SIDE:,} pixels a side", f"got {rule}", "Use resize=64.")
        way: Way = "crop" if found[3] == "crop" else "pad" if found[3] == "pad" else "stretch"
        return cls(width, height, way)

    @classmethod
    def usual(cls, sizes: Sequence[tuple[int, int]]) -> Resize:
        """Return the rule for images of these sizes (height, width): their median shape, at most 64 pixels a side.

        >>> Resize.usual([(30, 40), (300, 400), (600, 800)]).text
        '64x48:stretch'
        >>> Resize.usual([(30, 20), (30, 22)]).text
        '21x30:stretch'
        """
        height, width = np.median(np.asarray(sizes, dtype=np.float64), axis=0)
        scale = min(1.0, USUAL_SIDE / max(height, width))
        return cls(max(1, int(width * scale + 0.5)), max(1, int(height * scale + 0.5)))

    @property
    def text(self) -> str:
        """The rule as it is written into a model."""
        return f"{self.width}x{self.height}:{self.way}"

    @property
    def words(self) -> str:
        """The rule for the page."""
        how = {"stretch": "stretched", "crop": "scaled and cropped", "pad": "scaled and padded with black"}
        return f"{how[self.way]} to {self.width} x {self.height} pixels"

    def apply(self, image: Image.Image) -> Image.Image:
        """Return an image of mode L, RGB or F in the size of the rule."""
        size = (self.width, self.height)
        if image.size == size:
            return image
        if self.way == "stretch":
            return image.resize(size, Image.Resampling.BILINEAR)
        ratios = (self.width / image.width, self.height / image.height)
        if self.way == "crop":
            wide, high = self.width / max(ratios), self.height / max(ratios)
            left, top = (image.width - wide) / 2, (image.height - high) / 2
            return image.resize(size, Image.Resampling.BILINEAR, box=(left, top, left + wide, top + high))
        inner = tuple(min(most, max(1, round(side * min(ratios)))) for side, most in zip(image.size, size, strict=True))
        out = Image.new(image.mode, size)
        place = ((self.width - inner[0]) // 2, (self.height - inner[1]) // 2)
        out.paste(image.resize((inner[0], inner[1]), Image.Resampling.BILINEAR), place)
        return out

    def apply_array(self, pixels_NKHW: np.ndarray) -> np.ndarray:
        """Return uint8 or float32 images `[N, K, H, W]` in the size of the rule, channel by channel."""
        count, channels = pixels_NKHW.shape[:2]
        out = np.empty((count, channels, self.height, self.width), pixels_NKHW.dtype)
        for i in range(count):
            for k in range(channels):
                out[i, k] = np.asarray(self.apply(Image.fromarray(pixels_NKHW[i, k])))
        return out


def same_size(pixels_NKHW: np.ndarray, resize: Resize | None) -> tuple[np.ndarray, str]:
    """Return arrays as a rule asks, and the rule as it is kept: empty without one."""
    if resize is None:
        return pixels_NKHW, ""
    if pixels_NKHW.shape[2:] == (resize.height, resize.width):
        return pixels_NKHW, resize.text
    return resize.apply_array(pixels_NKHW), resize.text
