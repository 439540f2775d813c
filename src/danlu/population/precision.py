"""Which type the products of hidden layers have: by the machine and what was measured, never by a timing."""

from __future__ import annotations

from typing import Literal

import torch

from danlu.core.records import NetworkSpec

Precision = Literal["float32", "bfloat16"]

LEAST_WIDTH = 64
"""From this width on products in bfloat16 are faster on processors that have them, unless one member trains alone.
Float32's time over bfloat16's, batches of 256 rows, three hidden layers, AdamW: 20 members 1.5 at 32 units, 2.1 at 64,
2.1 at 128, 2.4 at 256; 5 members 1.15 at 64; one member 0.6 at 32, 0.9 at 64, 1.3 at 128, 2.0 at 256 (2 cores AMD EPYC
Zen 5, torch 2.13.0, 2026-11-21, least of 5 or 6 runs)."""


def can_bfloat16(device: torch.device) -> bool:
    """Return whether a device multiplies bfloat16 faster than float32, as far as it says so."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    if device.type != "cpu":
        return False
    # Private questions of torch: where they are gone, the answer is no.
    asked = [getattr(torch.cpu, name, None) for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported")]
    return any(ask is not None and bool(ask()) for ask in asked)


def choose_precision(spec: NetworkSpec, device: torch.device) -> Precision:
    """Return the precision of products for a network on a device.

    >>> from danlu.core.records import FeatureLayout
    >>> linear = NetworkSpec(layout=FeatureLayout(numbers=("a",)), outputs=1)
    >>> choose_precision(linear, torch.device("cpu"))
    'float32'
    """
    wide = spec.conv is not None or max(spec.hidden, default=0) >= LEAST_WIDTH
    return "bfloat16" if wide and can_bfloat16(device) else "float32"
