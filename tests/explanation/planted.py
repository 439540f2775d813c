"""Modules with a mistake planted in them, and the same without."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

Back = Callable[..., Any]


def function(forward: Back, backward: Back) -> Any:
    """Return an autograd function whose backward takes the gradient and the inputs."""

    class Planted(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, *inputs: Tensor) -> Tensor:
            ctx.save_for_backward(*inputs)
            return forward(*inputs)

        @staticmethod
        def backward(ctx: Any, *grads: Tensor) -> Any:
            return backward(*grads, *ctx.saved_tensors)

    return Planted


class Elementwise(nn.Module):
    """A function of one tensor as a layer."""

    def __init__(self, forward: Back, backward: Back) -> None:
        super().__init__()
        self.function = function(forward, backward)

    def forward(self, x: Tensor) -> Tensor:
        return self.function.apply(x)


class Affine(nn.Module):
    """A linear layer with a backward pass of its own: (grad, x, weight) -> gradients by x, weight and bias."""

    def __init__(self, backward: Back, inputs: int = 5, outputs: int = 3) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.weight = nn.Parameter(torch.randn(outputs, inputs, generator=generator))
        self.bias = nn.Parameter(torch.randn(outputs, generator=generator))
        self.function = function(lambda x, w, b: x @ w.T + b, lambda g, x, w, _: backward(g, x, w))

    def forward(self, x: Tensor) -> Tensor:
        return self.function.apply(x, self.weight, self.bias)


def right(grad: Tensor, x: Tensor, w: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the gradients of x @ w.T + b by each."""
    return grad @ w, grad.T @ x, grad.sum(0)
