"""Whether the convolutions of several members run at once, or one member after another: a table of measurements.

At once they are one grouped convolution, which has no channels-last kernels, and whose results differ from those of
single ones by rounding (1e-5 of float32): a member is then not, bit for bit, what it is alone.

Milliseconds a member and step, at once over one after another; forward, back and AdamW, batches of 256, of 1, 2 and
5 members (torch 2.13, two cores of an AMD EPYC with AVX-512, least of 3 rounds of 10 steps):

| images, channels | products an image | float32 | bfloat16 |
| --- | --- | --- | --- |
| 12 x 12, 4-6 | 5,544 | 1.09 1.12 1.02 | 1.05 1.04 0.89 |
| 28 x 28, 6-16 | 141,048 | 0.99 1.30 1.36 | 0.85 1.10 1.05 |
| 28 x 28, residual 16-32-64-64 | 17,033,472 | 1.51 1.78 2.12 | 2.07 2.55 3.16 |

`python benchmarks/images.py members` measures again.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

MOST_PRODUCTS = {"cpu": 0, "cuda": 0}
"""Multiplications an image, up to which members at once are faster, by kind of device. On a CPU nothing worth
other bits is won at any size. On a GPU nothing has been measured."""


def rule_of(module: nn.Module, inputs: int) -> Callable[[str, int], bool]:
    """Return what decides, by kind of device and number of members, whether networks like this run at once.

    >>> rule = rule_of(nn.Sequential(nn.Unflatten(1, (1, 4, 4)), nn.Conv2d(1, 2, 3)), 16)
    >>> rule("cpu", 5)
    False
    """
    count = products(module, inputs)
    return lambda device, members: members > 1 and count <= MOST_PRODUCTS.get(device, 0)


def products(module: nn.Module, inputs: int) -> int:
    """Return how many multiplications the convolutions of a network take for one image.

    Arguments:
        module: takes flat images `[B, inputs]`.

    >>> products(nn.Sequential(nn.Unflatten(1, (1, 4, 4)), nn.Conv2d(1, 2, 3)), 16)
    72
    """
    found = 0

    def count(layer: nn.Module, _inputs: Any, output: Tensor) -> None:
        nonlocal found
        assert isinstance(layer, nn.Conv2d)
        found += output.numel() * layer.weight[0].numel()

    with torch.device("meta"), torch.no_grad():
        traced = copy.deepcopy(module).eval().to("meta")
        for layer in traced.modules():
            if isinstance(layer, nn.Conv2d):
                layer.register_forward_hook(count)
        traced(torch.zeros(1, inputs))
    return found
