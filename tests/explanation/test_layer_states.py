from __future__ import annotations

import numpy as np
import pytest
import torch

from danlu.core.records import FeatureLayout, NetworkSpec
from danlu.explanation.layer_states import layer_states
from danlu.networks import Network, Preparation, to_torch
from danlu.networks.export import MemberModule
from danlu.report.inside import judged


def member(activation: str, first: list[list[float]], bias: list[float], last: list[float]) -> MemberModule:
    """Return a network of one input and as many hidden units as there are biases, whose inputs are not scaled."""
    layout = FeatureLayout(numbers=("a",))
    spec = NetworkSpec(
        layout=layout, outputs=1, hidden=(len(bias),), activation=activation, scale="none", scale_target="none"
    )
    network = Network(spec)
    x_NF = torch.zeros(2, 1)
    preparation = Preparation.fit(
        x_NF, torch.zeros(2, 0, dtype=torch.int32), torch.zeros(2, 1), [np.arange(2)], layout, "none", "none"
    )
    flat = torch.zeros(1, network.initial([0])[0].shape[1])
    for slot, values in zip(network.parameters, (first[0], bias, last, [0.0]), strict=True):
        flat[0, slot.offset : slot.offset + slot.numel] = torch.tensor(values)
    return to_torch(network, preparation, flat, torch.zeros(1, 0), [0]).members[0]  # type: ignore[return-value]


def test_dead_units_and_gradients_by_hand() -> None:
    # relu(x) and relu(x - 9), times 2 and 3: for x of 1 and 2 the second unit is dead.
    only = member("relu", [[1.0, 1.0]], [0.0, -9.0], [2.0, 3.0])
    x_NF = torch.tensor([[1.0], [2.0]])
    linear, relu, output = layer_states(only, x_NF, torch.zeros(2, 0, dtype=torch.int32), torch.zeros(2, 1), "mse")
    assert [each.kind for each in (linear, relu, output)] == ["Linear", "ReLU", "Linear"]
    assert relu.dead == 0.5
    assert relu.zeros == 0.5
    assert relu.mean == pytest.approx((1 + 2) / 4)
    assert output.mean == pytest.approx((2 + 4) / 2)
    assert output.spread == pytest.approx(1.0)
    assert linear.parameters == 4
    assert linear.weight == pytest.approx(np.sqrt((1 + 1 + 0 + 81) / 4))
    # Outputs 2 and 4 with targets 0: the mean squared error's slopes by the outputs are 2 and 4.
    by_weight, by_bias = 2 * 1 + 4 * 2, 2 + 4
    assert output.gradient == pytest.approx(np.sqrt((by_weight**2 + 0 + by_bias**2) / 3))
    # Through the first unit alone, with weight 2: by its weight 2 (2 * 1 + 4 * 2), by its bias 2 (2 + 4).
    assert linear.gradient == pytest.approx(np.sqrt((20**2 + 12**2) / 4))
    assert all(parameter.grad is None for parameter in only.network.parameters())


def test_saturated_shares() -> None:
    only = member("tanh", [[1.0, 100.0]], [0.0, 0.0], [1.0, 1.0])
    states = layer_states(only, torch.full((4, 1), 0.1), torch.zeros(4, 0, dtype=torch.int32), torch.zeros(4, 1), "mse")
    assert states[1].kind == "Tanh"
    assert states[1].saturated == 0.5
    assert states[1].dead is None
    assert judged(states) == "No layer is saturated, and gradients reach all layers."
