"""The product's own gradients: every layer and loss, on models that `fit` made, and with a mistake planted in a layer."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

import danlu
from danlu.core.errors import DataError, PlanError
from danlu.core.records import CodeColumn, FeatureLayout, NetworkSpec
from danlu.explanation.gradients_engine import EnginePoint, check_point, random_inputs
from danlu.explanation.gradients_records import GradientCheck
from danlu.networks import Network
from danlu.networks.layer import Own
from danlu.networks.layers import Activate, lay_layers
from danlu.networks.linear import Linear
from danlu.population.losses import make_loss

LAYOUT = FeatureLayout(numbers=("a", "b"), codes=(CodeColumn(name="c", slots=4, width=2),))
ROWS = {
    "a": [i * 0.37 % 5 for i in range(90)],
    "b": [["x", "y", "z"][i % 3] for i in range(90)],
    "y": [3 * (i * 0.37 % 5) + i % 3 + i * 0.2 % 1 for i in range(90)],
    "k": [["low", "high"][int(i * 0.37 % 5 > 2)] for i in range(90)],
}


def check(network: Network, *, loss: str | None = None, target: Tensor | None = None, **settings: Any) -> GradientCheck:
    weights_MP, state_MS = network.initial([1], torch.float64)
    made = None if loss is None else make_loss(loss)
    point = EnginePoint(
        network, weights_MP[0], state_MS[0], random_inputs(network, 16, 0), loss=made, target=target, **settings
    )
    return check_point(point, "network", "of", "at", tolerance=1e-6, most=30, seed=0)


@pytest.mark.parametrize(
    "settings",
    [
        {"hidden": (5, 4)},
        {"hidden": (5, 4), "activation": "gelu", "layer_norm": True},
        {"hidden": (6,), "batch_norm_input": True, "batch_norm_hidden": True, "activation": "tanh"},
        {"hidden": ()},
    ],
    ids=str,
)
@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_every_layer_is_right(settings: dict[str, Any], dropout: float) -> None:
    network = Network(NetworkSpec(layout=LAYOUT, outputs=2, **settings))
    found = check(network, dropout=dropout)
    assert found.verdict == "right"
    assert [each.name for each in found.parameters] == [slot.name for slot in network.parameters]


@pytest.mark.parametrize("loss", ["mse", "l1", "huber:0.5", "pinball:0.9", "poisson", "kl", "binary-cross-entropy"])
def test_every_loss_is_right(loss: str) -> None:
    target = torch.rand(1, 16, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    found = check(Network(NetworkSpec(layout=LAYOUT, outputs=2, hidden=(4,))), loss=loss, target=target)
    assert found.verdict == "right"


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_cross_entropy_is_right_with_smoothing(smoothing: float) -> None:
    target = torch.arange(16)[None] % 3
    network = Network(NetworkSpec(layout=LAYOUT, outputs=3, hidden=(4,)))
    assert check(network, loss="cross-entropy", target=target, smoothing=smoothing).verdict == "right"


class ForgetsItsSlope(Activate):
    """An activation whose way back lets the gradient through as it came."""

    def backward(self, grad_MBH: Tensor, own: Own, /) -> Tensor:  # noqa: ARG002
        return grad_MBH


class ForgetsItsBias(Linear):
    """A linear layer that never fills the gradient by its bias."""

    def backward(self, grad_MBH: Tensor, own: Own, /) -> Tensor:
        by_input = super().backward(grad_MBH, own)
        own.gradients[1].zero_()
        return by_input


def test_a_mistake_planted_in_a_layer_of_the_engine_is_found() -> None:
    spec = NetworkSpec(layout=LAYOUT, outputs=1, hidden=(4, 3), activation="tanh")
    plain = lay_layers(spec, Network(spec).input_width)
    bias = [ForgetsItsBias(p.name, p.inputs, p.outputs) if p.name == "hidden.1" else p for p in plain]  # type: ignore
    slope = [ForgetsItsSlope(p.name, "tanh", 3) if p.name == "hidden.1.activation" else p for p in plain]
    wrong = {
        name: {each.name for each in check(Network(spec, layers)).parameters if each.verdict == "wrong"}
        for name, layers in (("none", plain), ("bias", bias), ("slope", slope))
    }
    before = {"embedding.c.weight", "hidden.0.weight", "hidden.0.bias", "hidden.1.weight", "hidden.1.bias"}
    assert wrong == {"none": set(), "bias": {"hidden.1.bias"}, "slope": before}


def test_values_that_are_not_finite_are_refused_with_their_layer() -> None:
    network = Network(NetworkSpec(layout=LAYOUT, outputs=1, hidden=(4, 3)))
    weights_MP, state_MS = network.initial([1], torch.float64)
    network.named(weights_MP)["hidden.1.bias"][0, 2] = torch.inf
    point = EnginePoint(network, weights_MP[0], state_MS[0], random_inputs(network, 16, 0))
    with pytest.raises(DataError, match=r"out of the layer hidden\.1"):
        check_point(point, "network", "of", "at", tolerance=1e-6, most=5, seed=0)


def test_models_on_their_rows_and_on_random_ones() -> None:
    model = danlu.fit(ROWS, "y", epochs=2, repeats=1, folds=2, drop=("k",))
    on_rows, on_random = (danlu.check_gradients(model, x, member=1, most=20) for x in (ROWS, None))
    assert on_rows.verdict == on_random.verdict == "right"
    assert on_rows.of == "the loss mse, mean over rows"
    assert on_rows.inputs == "32 of 90 rows, seed 0"
    assert on_random.of.startswith("a random projection")
    assert on_rows.name.endswith("network 1 of 2")
    with pytest.raises(PlanError, match="from 0 to 1, got 2"):
        danlu.check_gradients(model, member=2)
    with pytest.raises(PlanError, match="a model has its own"):
        danlu.check_gradients(model, ROWS, loss="l1")


def test_models_of_classes_and_of_a_users_own_class() -> None:
    classes = danlu.fit(ROWS, "k", epochs=2, repeats=1, folds=2, drop=("y",), hidden=(4,), batch_norm="hidden")
    assert danlu.check_gradients(classes, ROWS, most=20).verdict == "right"

    class Own(nn.Module):
        def __init__(self, inputs: int, outputs: int) -> None:
            super().__init__()
            self.body = nn.Sequential(nn.Linear(inputs, 4), nn.Dropout(0.2), nn.Tanh(), nn.Linear(4, outputs))

        def forward(self, x: Tensor) -> Tensor:
            return self.body(x)

    own = danlu.fit(ROWS, "y", epochs=2, folds=2, drop=("k",), net=Own)
    found = danlu.check_gradients(own, ROWS)
    assert found.verdict == "right"
    assert [fault.where for fault in found.faults] == ["dropout"]
    assert found.parameters[0].name == "Own.body.0.weight"
