"""Augmentation: images of a batch are moved, mirrored, turned or covered at random while a network learns.

What is drawn belongs to the row of a batch: the seed, the repeat, the fold and the epoch decide it, as they do the
order of rows (`Deck`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from danlu.core.plan import split_setting

DRAWS = 6
"""Whole numbers drawn for an image of a batch: mirror, shift down and right, angle, middle of what is covered."""
RANGE = 1 << 30


@dataclass(frozen=True)
class Augment:
    """What happens to images: mirrored left to right half of the time, shifted by up to so many pixels each way (zeros
    come in), turned by up to so many degrees, and a square of so many pixels covered with zeros.

    >>> Augment.parse(("flip", "shift:2"))
    Augment(flip=True, shift=2, rotate=0.0, cutout=0)
    """

    flip: bool = False
    shift: int = 0
    rotate: float = 0.0
    cutout: int = 0

    @classmethod
    def parse(cls, names: Sequence[str]) -> Augment | None:
        """Read texts such as "flip", "shift:2", "rotate:10", "cutout:8"; None where there are none."""
        usual = {"flip": 1.0, "shift": 2.0, "rotate": 10.0, "cutout": 8.0}
        given = {name: (numbers or (usual[name],))[0] for name, numbers in map(split_setting, names)}
        if not given:
            return None
        sizes = {name: int(given.get(name, 0)) for name in ("shift", "cutout")}
        return cls(flip="flip" in given, rotate=float(given.get("rotate", 0.0)), **sizes)


class Mover:
    """Takes images of a matrix as they are moved.

    Arguments:
        images_NP: pixels, one channel behind the other; kept once more with a border, and once more mirrored.
        image: channels, height and width.
    """

    def __init__(self, images_NP: Tensor, image: tuple[int, int, int], augment: Augment) -> None:
        self.augment, self.image = augment, image
        channels, height, width = image
        border = augment.shift
        whole = images_NP.view(-1, *image)
        kept = whole.new_zeros(1 + augment.flip, len(whole), channels, height + 2 * border, width + 2 * border)
        inner = kept[..., border : border + height, border : border + width]
        inner[0] = whole
        if augment.flip:
            inner[1] = whole.flip(3)
        flip, row, *steps = kept.stride()
        # All places of the window, without a copy: which is mirrored, which image, how far down and right.
        places = (*kept.shape[:2], 2 * border + 1, 2 * border + 1, *image)
        self.windows = kept.as_strided(places, (flip, row, steps[1], steps[2], *steps))

    def take(self, rows_R: Tensor, draws_RD: Tensor, into_RP: Tensor) -> None:
        """Fill rows with images, moved as drawn."""
        augment, ways = self.augment, 2 * self.augment.shift + 1
        mirrored = draws_RD[:, 0] % 2 if augment.flip else torch.zeros_like(rows_R)
        images = self.windows[mirrored, rows_R, draws_RD[:, 1] % ways, draws_RD[:, 2] % ways]
        if augment.cutout:
            images.masked_fill_(self._covered(draws_RD)[:, None], 0)
        into_RP.copy_(images.flatten(1))

    def _covered(self, draws_RD: Tensor) -> Tensor:
        """Return which pixels are covered, `[R, H, W]`: a square around any pixel."""
        _, height, width = self.image
        size_covered = self.augment.cutout
        sides = []
        for size, drawn in ((height, draws_RD[:, 4]), (width, draws_RD[:, 5])):
            before = torch.arange(size, device=drawn.device) - (drawn % size)[:, None] + size_covered // 2
            sides.append((before >= 0) & (before < size_covered))
        return sides[0][:, :, None] & sides[1][:, None, :]

    def turn(self, x_RP: Tensor, draws_RD: Tensor) -> None:
        """Turn prepared images in place, around their middle; pixels between pixels are interpolated."""
        if not self.augment.rotate:
            return
        share = draws_RD[:, 3].to(x_RP.dtype) / RANGE * 2 - 1
        angle = share * math.radians(self.augment.rotate)
        cosine, sine, zero = angle.cos(), angle.sin(), torch.zeros_like(angle)
        _, height, width = self.image
        across, down = -sine * height / width, sine * width / height
        rows = (torch.stack([cosine, across, zero], 1), torch.stack([down, cosine, zero], 1))
        images = x_RP.view(-1, *self.image)
        grid = torch.nn.functional.affine_grid(torch.stack(rows, 1), list(images.shape), align_corners=False)
        x_RP.copy_(torch.nn.functional.grid_sample(images, grid, align_corners=False).flatten(1))
