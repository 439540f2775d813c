"""Units that begin equal and stay equal, of Danlu's layers and of a user's."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from danlu.core.records import FeatureLayout, ModuleSpec, NetworkSpec
from danlu.networks.custom import Custom
from danlu.networks.modules import ModuleNetwork
from danlu.networks.network import Network
from danlu.networks.symmetry import equal_units

LAYOUT = FeatureLayout(numbers=("a", "b", "c"))


def network(**changes: Any) -> Network:
    return Network(NetworkSpec(layout=LAYOUT, outputs=1, hidden=(6, 4), **changes))


def test_random_weights_differ() -> None:
    made = network()
    first_MP, _ = made.initial([1, 2, 3])
    assert equal_units(made, first_MP, first_MP) == ()


def test_constant_weights_do_not() -> None:
    made = network(init="constant:0.5", init_bias=0.0)
    first_MP, _ = made.initial([1, 2])
    found = equal_units(made, first_MP, first_MP * 1.5, [3, 7])
    assert [(each.layer, each.units, each.distinct, each.members) for each in found] == [
        ("hidden.0", 6, 1, (3, 7)),
        ("hidden.1", 4, 1, (3, 7)),
    ]


def test_random_biases_part_constant_weights() -> None:
    made = network(init="constant:0.5", init_bias="default")
    first_MP, _ = made.initial([1])
    assert equal_units(made, first_MP, first_MP) == ()


def test_units_that_part_while_training_are_no_fault() -> None:
    made = network(init="constant:0.5", init_bias=0.0)
    first_MP, _ = made.initial([1])
    moved = first_MP + 0.01 * torch.randn(first_MP.shape, generator=torch.Generator().manual_seed(0))
    assert equal_units(made, first_MP, moved) == ()
    rounded = first_MP * (1 + 1e-6 * torch.randn(first_MP.shape, generator=torch.Generator().manual_seed(0)))
    assert len(equal_units(made, first_MP, rounded)) == 2


def test_weights_that_a_penalty_made_zero_are_no_fault() -> None:
    made = network()
    first_MP, _ = made.initial([1])
    assert equal_units(made, first_MP, torch.zeros_like(first_MP)) == ()


def test_half_of_the_units_must_be_alike() -> None:
    made = network()
    first_MP, _ = made.initial([1])
    weight, bias = made.named(first_MP)["hidden.0.weight"], made.named(first_MP)["hidden.0.bias"]
    weight[0, :, 1:3], bias[0, 1:3] = weight[0, :, :1], bias[0, 0]
    assert equal_units(made, first_MP, first_MP) == (), "4 of 6 are different"
    weight[0, :, 3], bias[0, 3] = weight[0, :, 0], bias[0, 0]
    (found,) = equal_units(made, first_MP, first_MP)
    assert (found.layer, found.distinct) == ("hidden.0", 3)


@pytest.mark.parametrize("bias", [True, False])
def test_layers_of_a_users_class(bias: bool) -> None:
    class Mine(nn.Module):
        def __init__(self, inputs: int, outputs: int) -> None:
            super().__init__()
            self.body = nn.Sequential(nn.Linear(inputs, 5, bias=bias), nn.ReLU(), nn.Linear(5, outputs))
            nn.init.constant_(self.body[0].weight, 0.1)
            if bias:
                nn.init.zeros_(self.body[0].bias)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.body(x)

    spec = NetworkSpec(layout=LAYOUT, outputs=1, module=ModuleSpec(name="Mine"))
    made = ModuleNetwork(spec, Custom("Mine", Mine))
    first_MP, _ = made.initial([1, 2])
    (found,) = equal_units(made, first_MP, first_MP)
    assert (found.layer, found.units, found.distinct) == ("body.0", 5, 1)
