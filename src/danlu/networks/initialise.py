"""Initial weights: each member from its own generator, so that it starts the same in any population."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

import torch
from torch import Generator, Tensor, nn

from danlu.core.parsing import split_setting
from danlu.networks.layer import Shape

Draw = Callable[[Tensor, float | None, Generator], Tensor]


def _default(weight_OI: Tensor, _number: float | None, generator: Generator) -> Tensor:
    limit = 1 / math.sqrt(weight_OI.shape[1])
    return nn.init.uniform_(weight_OI, -limit, limit, generator=generator)


def _normal(weight_OI: Tensor, number: float | None, generator: Generator) -> Tensor:
    return nn.init.normal_(weight_OI, 0.0, 0.02 if number is None else number, generator=generator)


def _uniform(weight_OI: Tensor, number: float | None, generator: Generator) -> Tensor:
    limit = 0.1 if number is None else number
    return nn.init.uniform_(weight_OI, -limit, limit, generator=generator)


def _gain(number: float | None) -> float:
    return 1.0 if number is None else number


INITIALISERS: dict[str, Draw] = {
    "default": _default,
    "normal": _normal,
    "uniform": _uniform,
    "xavier": lambda w, number, g: nn.init.xavier_uniform_(w, _gain(number), generator=g),
    "xavier-normal": lambda w, number, g: nn.init.xavier_normal_(w, _gain(number), generator=g),
    "kaiming": lambda w, number, g: nn.init.kaiming_uniform_(w, number or 0.0, "fan_in", _rectifier(number), g),
    "kaiming-normal": lambda w, number, g: nn.init.kaiming_normal_(w, number or 0.0, "fan_in", _rectifier(number), g),
    "orthogonal": lambda w, number, g: nn.init.orthogonal_(w, _gain(number), generator=g),
    "constant": lambda w, number, _: nn.init.constant_(w, 0.0 if number is None else number),
}
"""Weights by name, drawn by `torch.nn.init` on `[out, in]`. The number after the name is, for normal, the standard
deviation (0.02); uniform, the limit (0.1); xavier and orthogonal, the gain (1); kaiming, the negative slope of a leaky
ReLU (0: a ReLU); constant, the value (0); default takes none."""


def _rectifier(number: float | None) -> Literal["relu", "leaky_relu"]:
    return "leaky_relu" if number else "relu"


def draw(shape: Shape, init: str, init_bias: float | Literal["default"], generator: Generator) -> Tensor:
    """Draw one parameter of one member, in float32.

    Linear weights follow `init`; biases are `init_bias`, or PyTorch's (uniform within 1/sqrt(inputs)) whatever `init`
    is; norms start as the identity. Embeddings are PyTorch's (standard normal), but slot 0 starts at zero: it stands
    for levels never seen in training, and stays at zero where no rare level trains it.
    """
    values = torch.empty(shape.shape)
    if shape.role == "weight":
        name, numbers = split_setting(init)
        *copies, inputs, outputs = shape.shape
        number = numbers[0] if numbers else None
        drawn = [
            INITIALISERS[name](torch.empty(outputs, inputs), number, generator).T for _ in range(math.prod(copies))
        ]
        return drawn[0] if not copies else torch.stack(drawn)
    if shape.role == "bias" and init_bias == "default":
        limit = 1 / math.sqrt(shape.fan_in)
        return nn.init.uniform_(values, -limit, limit, generator=generator)
    if shape.role == "embedding":
        nn.init.normal_(values, generator=generator)
        values[0] = 0.0
        return values
    if shape.role == "sign":
        return torch.randint(2, shape.shape, generator=generator).float().mul_(2).sub_(1)
    start = {"bias": init_bias, "scale": 1.0, "shift": 0.0, "mean": 0.0, "variance": 1.0}[shape.role]
    return values.fill_(float(start))
