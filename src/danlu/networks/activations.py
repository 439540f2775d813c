"""Activations by name: torch's own function and its slope, and torch's own module for an exported network."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Slope = Callable[[Tensor, Tensor, Tensor], Tensor]
"""(gradient by the output, input, output) -> gradient by the input."""

_aten = torch.ops.aten
SELU = (1.6732632423543772, 1.0507009873554805)
"""Alpha and scale of selu (Klambauer et al. 2017), as in torch."""


class Activation(NamedTuple):
    """One activation: `function` on tensors of any shape, its `slope`, and `module`, its `torch.nn` twin."""

    function: Callable[[Tensor], Tensor]
    slope: Slope
    module: Callable[[], nn.Module]
    exact: bool
    """Whether every element's bits are free of its place in the tensor: torch computes the last elements of a
    loop by another route, which rounds differently for the functions built on exp, log or erf."""


def _identity(x: Tensor) -> Tensor:
    return x


ACTIVATIONS: dict[str, Activation] = {
    "relu": Activation(F.relu, lambda g, _, y: _aten.threshold_backward(g, y, 0), nn.ReLU, True),
    "leaky-relu": Activation(
        F.leaky_relu, lambda g, x, _: _aten.leaky_relu_backward(g, x, 0.01, False), nn.LeakyReLU, True
    ),
    "elu": Activation(F.elu, lambda g, x, _: _aten.elu_backward(g, 1.0, 1.0, 1.0, False, x), nn.ELU, False),
    "selu": Activation(F.selu, lambda g, x, _: _aten.elu_backward(g, *SELU, 1.0, False, x), nn.SELU, False),
    "gelu": Activation(F.gelu, lambda g, x, _: _aten.gelu_backward(g, x), nn.GELU, False),
    "silu": Activation(F.silu, lambda g, x, _: _aten.silu_backward(g, x), nn.SiLU, False),
    "mish": Activation(F.mish, lambda g, x, _: _aten.mish_backward(g, x), nn.Mish, False),
    "sigmoid": Activation(torch.sigmoid, lambda g, _, y: _aten.sigmoid_backward(g, y), nn.Sigmoid, False),
    "tanh": Activation(torch.tanh, lambda g, _, y: _aten.tanh_backward(g, y), nn.Tanh, False),
    "softplus": Activation(F.softplus, lambda g, x, _: _aten.softplus_backward(g, x, 1, 20), nn.Softplus, False),
    "identity": Activation(_identity, lambda g, _x, _y: g, nn.Identity, True),
}
