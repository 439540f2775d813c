"""Dropout by a stateless hash: the same mask for a member in any population, on any device, with nothing to save.

Four bytes of a 32-bit hash of (member key, epoch, step, layer, index) decide four values. The rate is
therefore rounded to 256ths (0.1 drops 26 of 256), and what is kept is scaled by exactly 256 / (256 - dropped).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor


def _signed(value: int, bits: int) -> int:
    """Return the low `bits` bits of a whole number as a signed integer, as a tensor holds them."""
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> (bits - 1) else value


# The finaliser of splitmix64 (Steele, Lea & Flood 2014), and "lowbias32" (C. Wellons, "Prospecting for hash
# functions", 2018). The odd 64-bit multipliers below spread small whole numbers over all bits.
_SPREAD = (0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0xD6E8FEB86659FD93)
_MIX64 = (_signed(0xBF58476D1CE4E5B9, 64), _signed(0x94D049BB133111EB, 64))
_MIX32 = (_signed(0x7FEB352D, 32), _signed(0x846CA68B, 32))


def _xor_shift(x: Tensor, shift: int, bits: int) -> Tensor:
    """Return x ^ (x >>> shift), in place; torch shifts signed integers arithmetically, hence the mask."""
    return x.bitwise_xor_((x >> shift).bitwise_and_((1 << (bits - shift)) - 1))


@lru_cache(maxsize=64)
def _base(count: int, device: torch.device) -> Tensor:
    """Return the hashed positions 0..count-1 as int32: the part of the hash that no step changes."""
    x = torch.arange(1, count + 1, dtype=torch.int32, device=device)
    x = _xor_shift(x, 16, 32).mul_(_MIX32[0])
    x = _xor_shift(x, 15, 32).mul_(_MIX32[1])
    return _xor_shift(x, 16, 32)


@dataclass(frozen=True)
class Drop:
    """Where the dropout of one training step takes its masks from.

    Arguments:
        rate_M: share of values to drop, in [0, 1), per member; rounded to 256ths.
        keys_M: int64 key of each member's stream.
        epoch: number of the epoch.
        step: number of the step within the epoch.
    """

    rate_M: Tensor
    keys_M: Tensor
    epoch: int
    step: int

    def seeds(self, layers: int) -> Tensor:
        """Return two 32-bit seeds a layer and member, int32 of shape [layers, M, 2]."""
        place = self.epoch * _SPREAD[0] + self.step * _SPREAD[1]
        offsets = [_signed(place + layer * _SPREAD[2], 64) for layer in range(1, layers + 1)]
        x = self.keys_M ^ torch.tensor(offsets, device=self.keys_M.device)[:, None]
        x = _xor_shift(x, 30, 64).mul_(_MIX64[0])
        x = _xor_shift(x, 27, 64).mul_(_MIX64[1])
        x = _xor_shift(x, 31, 64)
        return x.contiguous().view(torch.int32).view(layers, -1, 2)

    def dropped(self) -> Tensor:
        """Return how many of 256 byte values are dropped, uint8 [M]; 0 is an exact identity."""
        return (self.rate_M * 256).round().clamp(0, 255).to(torch.uint8)


def hashed_bytes(seeds_M2: Tensor, count: int) -> Tensor:
    """Return `count` pseudo-random bytes for each member, uint8 [M, count].

    Arguments:
        seeds_M2: two int32 seeds a member.
        count: bytes wanted; values with the same index are the same whatever the count is.
    """
    x = _base(-(-count // 4), seeds_M2.device) ^ seeds_M2[:, :1]
    x = _xor_shift(x.mul_(_MIX32[0]), 15, 32).add_(seeds_M2[:, 1:])
    x = _xor_shift(x.mul_(_MIX32[1]), 16, 32)
    return x.view(torch.uint8)[:, :count]


def drop_values(x_MBF: Tensor, seeds_M2: Tensor, dropped_M: Tensor) -> Tensor:
    """Return the values with some set to 0 and the others scaled up by the exact share that is kept.

    Arguments:
        x_MBF: values of M members.
        seeds_M2: int32 seeds of this step and layer.
        dropped_M: uint8, how many of 256 bytes drop a value.
    """
    dropped_M11 = dropped_M.to(x_MBF.dtype).view(-1, 1, 1)
    bytes_MBF = hashed_bytes(seeds_M2, x_MBF[0].numel()).view(x_MBF.shape)
    # Compared as floats, in place: torch compares bytes without vector instructions, at 7 times the time.
    keep = bytes_MBF.to(x_MBF.dtype).ge_(dropped_M11)
    return x_MBF * keep.mul_(256.0 / (256.0 - dropped_M11))
