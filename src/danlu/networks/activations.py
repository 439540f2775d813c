"""Activations by name: torch's own function, and torch's own module for an exported network."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Activation(NamedTuple):
    """One activation: `function` on tensors of any shape, and `module`, which builds its `torch.nn` twin."""

    function: Callable[[Tensor], Tensor]
    module: Callable[[], nn.Module]
    exact: bool
    """Whether every element's bits are free of its place in the tensor: torch computes the last elements of a
    loop by another route, which rounds differently for the functions built on exp, log or erf."""


def _identity(x: Tensor) -> Tensor:
    return x


ACTIVATIONS: dict[str, Activation] = {
    "relu": Activation(F.relu, nn.ReLU, True),
    "leaky-relu": Activation(F.leaky_relu, nn.LeakyReLU, True),
    "elu": Activation(F.elu, nn.ELU, False),
    "selu": Activation(F.selu, nn.SELU, False),
    "gelu": Activation(F.gelu, nn.GELU, False),
    "silu": Activation(F.silu, nn.SiLU, False),
    "mish": Activation(F.mish, nn.Mish, False),
    "sigmoid": Activation(torch.sigmoid, nn.Sigmoid, False),
    "tanh": Activation(torch.tanh, nn.Tanh, False),
    "softplus": Activation(F.softplus, nn.Softplus, False),
    "identity": Activation(_identity, nn.Identity, True),
}
