"""Activations are torch's own, as functions and as modules."""

from __future__ import annotations

from typing import get_args

import pytest
import torch
from torch import nn

from danlu.core.plan import Activation
from danlu.networks.activations import ACTIVATIONS

TORCH = {
    "relu": nn.ReLU(),
    "leaky-relu": nn.LeakyReLU(0.01),
    "elu": nn.ELU(),
    "selu": nn.SELU(),
    "gelu": nn.GELU(approximate="none"),
    "silu": nn.SiLU(),
    "mish": nn.Mish(),
    "sigmoid": nn.Sigmoid(),
    "tanh": nn.Tanh(),
    "softplus": nn.Softplus(),
    "identity": nn.Identity(),
}


def test_every_activation_of_the_plan_is_there() -> None:
    assert set(ACTIVATIONS) == set(get_args(Activation)) == set(TORCH)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_function_and_module_equal_torch(name: str) -> None:
    x = torch.linspace(-8, 8, 321, dtype=torch.float64, requires_grad=True)
    expected = TORCH[name](x)
    assert torch.equal(ACTIVATIONS[name].function(x), expected)
    assert torch.equal(ACTIVATIONS[name].module()(x), expected)
    gradient = torch.autograd.grad(ACTIVATIONS[name].function(x).sum(), x)[0]
    assert torch.equal(gradient, torch.autograd.grad(expected.sum(), x)[0])


def test_known_values() -> None:
    """SEEDS.md A: ReLU's derivative at 0 is 0; sigmoid's peaks at 0.25, tanh's at 1, both at 0."""
    for name, slope in (("relu", 0.0), ("sigmoid", 0.25), ("tanh", 1.0)):
        x = torch.zeros(1, requires_grad=True)
        assert torch.autograd.grad(ACTIVATIONS[name].function(x).sum(), x)[0].item() == slope
