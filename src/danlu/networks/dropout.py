"""Dropout by a stateless hash: the same mask for a member in any population, on any device, with nothing to save.

Four bytes of a 32-bit hash of (member key, epoch, step, index) decide four values, layer after layer. The rate is
therefore rounded to 256ths (0.1 drops 26 of 256), and what is kept is scaled by exactly 256 / (256 - dropped).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from danlu.networks.layer import Own


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
    if device.type == "meta":  # laid out only; torch would load its decompositions for the bits, 1.2 s
        return torch.empty(count, dtype=torch.int32, device=device)
    x = torch.arange(1, count + 1, dtype=torch.int32, device=device)
    x = _xor_shift(x, 16, 32).mul_(_MIX32[0])
    x = _xor_shift(x, 15, 32).mul_(_MIX32[1])
    return _xor_shift(x, 16, 32)


@dataclass(frozen=True)
class Drop:
    """Where the dropout of some members takes its masks from.

    Arguments:
        rate_M: share of values to drop, in [0, 1), per member; rounded to 256ths.
        keys_M: int64 key of each member's stream.
    """

    rate_M: Tensor
    keys_M: Tensor

    def seeds(self, epoch: int, steps: Iterable[int]) -> Tensor:
        """Return two 32-bit seeds a step and member, int32 of shape [S, M, 2]; the second is odd."""
        offsets = [_signed(epoch * _SPREAD[0] + step * _SPREAD[1] + _SPREAD[2], 64) for step in steps]
        x = self.keys_M ^ torch.tensor(offsets, device=self.keys_M.device)[:, None]
        x = _xor_shift(x, 30, 64).mul_(_MIX64[0])
        x = _xor_shift(x, 27, 64).mul_(_MIX64[1])
        x = _xor_shift(x, 31, 64)
        seeds = x.contiguous().view(torch.int32).view(*x.shape, 2)
        seeds[..., 1] |= 1
        return seeds

    def kept(self) -> Tensor:
        """Return what kept values are multiplied by, `[M, 1, 1]` in the type of the rates: 1 / exact share kept."""
        return (256.0 / (256.0 - self.dropped().to(self.rate_M.dtype))).view(-1, 1, 1)

    def dropped(self) -> Tensor:
        """Return how many of 256 byte values are dropped, uint8 [M]; 0 is an exact identity."""
        return (self.rate_M * 256).round().clamp(0, 255).to(torch.uint8)


def hash_into(x_MW: Tensor, seeds_M2: Tensor, do: Callable[..., Any], spare_MW: Tensor) -> None:
    """Fill int32 words with the hash of their positions and two seeds a member: four random bytes each.

    Words with the same position are the same however many there are. Positions come hashed; a step adds one round to
    them, (position ^ seed) * odd seed: the high bits of that are 2-universal (Dietzfelbinger et al. 1997), and the low
    ones are xored with them.
    """
    do(torch.bitwise_xor, _base(x_MW.shape[1], x_MW.device), seeds_M2[:, :1], out=x_MW)
    do(x_MW.mul_, seeds_M2[:, 1:])
    do(torch.bitwise_right_shift, x_MW, 16, out=spare_MW)
    do(spare_MW.bitwise_and_, 0xFFFF)
    do(x_MW.bitwise_xor_, spare_MW)


def keep_masks(seeds_M2: Tensor, dropped_M: Tensor, values: int, own: Own) -> Tensor:
    """Return int16 with all bits set where a value is kept, and none where it is dropped, `[M, values]`.

    Those of all layers are made at once: fewer, larger operations. Bytes are compared by the sign of a difference:
    torch compares them without vector instructions, at many times the time.

    Arguments:
        seeds_M2: int32 seeds of this step.
        dropped_M: uint8, how many of 256 bytes drop a value.
        values: of all layers, a multiple of 4.
        own: where the operations run.
    """
    members = len(seeds_M2)
    words, spare = (own.space(name, (members, values // 4), torch.int32) for name in ("words", "spare"))
    hash_into(words, seeds_M2, own.do, spare)
    mask = own.space("mask", (members, values), torch.int16)
    own.do(mask.copy_, words.view(torch.uint8))
    last = own.space("last", (members, 1), torch.int16)
    own.do(last.copy_, dropped_M.view(-1, 1))
    own.do(last.sub_, 1)
    own.do(torch.sub, last, mask, out=mask)
    return own.do(mask.bitwise_right_shift_, 15)
