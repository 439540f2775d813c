"""Augmentation: images of a batch are moved, mirrored, turned or covered at random while a network learns.

What is drawn belongs to the row of a batch: the seed, the repeat, the fold and the epoch decide it, as they do the
order of rows (`Deck`). How far it moves an image is a number of each member, 0 for one that takes images as they are.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from danlu.core.parsing import split_setting

DRAWS = 6
"""Whole numbers drawn for an image of a batch: mirror, shift down and right, angle, middle of what is covered."""
RANGE = 1 << 30

USUAL = {"flip": 1.0, "shift": 2.0, "crop": 4.0, "rotate": 10.0, "cutout": 8.0}
"""Strengths where none is given."""


def strengths(names: Sequence[str]) -> dict[str, float]:
    """Read texts such as "flip", "shift:2", "rotate:10", "cutout:8": the strength of each way, 0 where it is not named.

    flip: 1, mirrored left to right half of the time. shift: by up to so many pixels each way; zeros come in. rotate: by
    up to so many degrees. cutout: a square of so many pixels a side is covered with zeros. "crop:4" is the field's
    name for a shift: 4 zeros are put around an image, and a window of its size is taken at random, which moves it by
    up to 4 pixels each way.

    >>> strengths(("flip", "crop"))
    {'flip': 1.0, 'shift': 4.0, 'rotate': 0.0, 'cutout': 0.0}
    """
    given = {name: (numbers or (USUAL[name],))[0] for name, numbers in map(split_setting, names)}
    given["shift"] = float(int(given.pop("crop", given.get("shift", 0.0))))
    given["cutout"] = float(int(given.get("cutout", 0.0)))
    return {name: float(given.get(name, 0.0)) for name in ("flip", "shift", "rotate", "cutout")}


@dataclass(frozen=True)
class Moves:
    """How far images are moved, for each member or for each row of a batch.

    Shape: all `[M]`, or `[R]`; int64, angles in radians.

    Arguments:
        turns: whether any is turned; what none does is left out.
        covers: whether any is covered.
    """

    flip: Tensor
    shift: Tensor
    angle: Tensor
    cutout: Tensor
    turns: bool
    covers: bool

    @classmethod
    def of(cls, flip_M: Tensor, shift_M: Tensor, rotate_M: Tensor, cutout_M: Tensor) -> Moves | None:
        """Return how members' images are moved; None where none are."""
        any_of = [bool((strength > 0).any()) for strength in (flip_M, shift_M, rotate_M, cutout_M)]
        if not any(any_of):
            return None
        flip, shift, cutout = (strength.to(torch.int64) for strength in (flip_M, shift_M, cutout_M))
        return cls(flip, shift, rotate_M * (math.pi / 180), cutout, turns=any_of[2], covers=any_of[3])

    def rows(self, width: int) -> Moves:
        """Return the moves of each row, where every member has so many."""
        each = (tensor.repeat_interleave(width) for tensor in (self.flip, self.shift, self.angle, self.cutout))
        return Moves(*each, turns=self.turns, covers=self.covers)


class Mover:
    """Takes images of a matrix as they are moved.

    Arguments:
        images_NP: pixels, one channel behind the other; kept once more with a border, and once more mirrored.
        image: channels, height and width.
        flip: whether any member's are mirrored.
        border: pixels that any member's are shifted by at most.
    """

    def __init__(self, images_NP: Tensor, image: tuple[int, int, int], flip: bool, border: int) -> None:
        self.image, self.border = image, border
        channels, height, width = image
        whole = images_NP.view(-1, *image)
        kept = whole.new_zeros(1 + flip, len(whole), channels, height + 2 * border, width + 2 * border)
        inner = kept[..., border : border + height, border : border + width]
        inner[0] = whole
        if flip:
            inner[1] = whole.flip(3)
        mirror, row, *steps = kept.stride()
        # All places of the window, without a copy: which is mirrored, which image, how far down and right.
        places = (*kept.shape[:2], 2 * border + 1, 2 * border + 1, *image)
        self.windows = kept.as_strided(places, (mirror, row, steps[1], steps[2], *steps))

    def take(self, rows_R: Tensor, draws_RD: Tensor, moves_R: Moves, into_RP: Tensor) -> None:
        """Fill rows with images, moved as drawn."""
        ways_R, least_R = 2 * moves_R.shift + 1, self.border - moves_R.shift
        down_R, right_R = (draws_RD[:, d] % ways_R + least_R for d in (1, 2))
        images = self.windows[draws_RD[:, 0] % 2 * moves_R.flip, rows_R, down_R, right_R]
        if moves_R.covers:
            images.masked_fill_(self._covered(draws_RD, moves_R.cutout)[:, None], 0)
        into_RP.copy_(images.flatten(1))

    def _covered(self, draws_RD: Tensor, cutout_R: Tensor) -> Tensor:
        """Return which pixels are covered, `[R, H, W]`: a square around any pixel."""
        _, height, width = self.image
        sides, size_R1 = [], cutout_R[:, None]
        for size, drawn in ((height, draws_RD[:, 4]), (width, draws_RD[:, 5])):
            before = torch.arange(size, device=drawn.device) - (drawn % size)[:, None] + size_R1 // 2
            sides.append((before >= 0) & (before < size_R1))
        return sides[0][:, :, None] & sides[1][:, None, :]

    def turn(self, x_RP: Tensor, draws_RD: Tensor, moves_R: Moves) -> None:
        """Turn prepared images in place, around their middle; pixels between pixels are interpolated.

        A row whose member turns none stays as it is, to the bit.
        """
        angle = (draws_RD[:, 3].to(x_RP.dtype) / RANGE * 2 - 1) * moves_R.angle
        cosine, sine, zero = angle.cos(), angle.sin(), torch.zeros_like(angle)
        _, height, width = self.image
        across, down = -sine * height / width, sine * width / height
        rows = (torch.stack([cosine, across, zero], 1), torch.stack([down, cosine, zero], 1))
        images = x_RP.view(-1, *self.image)
        grid = torch.nn.functional.affine_grid(torch.stack(rows, 1), list(images.shape), align_corners=False)
        turned = torch.nn.functional.grid_sample(images, grid, align_corners=False).flatten(1)
        x_RP.copy_(torch.where((moves_R.angle > 0)[:, None], turned, x_RP))
