"""What happens to values and gradients in a deep network at its start, by how its weights are drawn.

All is measured on the product's own networks: one forward and one backward pass of a population, members from
different seeds (Glorot & Bengio 2010, He et al. 2015).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import get_args

import numpy as np
import torch

from danlu.core.errors import PlanError, nearest
from danlu.core.parsing import split_setting
from danlu.core.plan import Activation, make_plan
from danlu.core.records import FeatureLayout, NetworkSpec
from danlu.core.seeds import stream
from danlu.networks import Network, Pass, Prepared, Step

INITS = ("normal:0.01", "default", "xavier", "kaiming", "orthogonal")
ROWS = 128
SYMMETRIC = ("constant:0.5", "xavier")
UNITS, STEPS, RATE = 8, 200, 0.1
"""The small network that is trained from an equal and from a random start."""


@dataclass(frozen=True)
class Depth:
    """Spread of activations and gradients in each of L hidden layers, of M members.

    activation_LM: standard deviation over rows and units of what each hidden layer gives.
    gradient_LM: of the gradient by what each hidden layer gives, where the gradient by the outputs is standard normal.
    weight_variance: of the second layer's weights, over the members.
    distinct: units of the last hidden layer whose weighted sums differ from all others', of the first member.
    """

    init: str
    activation: str
    activation_LM: np.ndarray
    gradient_LM: np.ndarray
    weight_variance: float
    distinct: int


@dataclass(frozen=True)
class Start:
    """One weight of each of U hidden units over S steps of gradient descent, and how many units differ at the end."""

    init: str
    weight_SU: np.ndarray
    loss_S: np.ndarray
    distinct: int


def depths(
    inits: Sequence[str] = (),
    activations: Sequence[str] = ("tanh", "relu"),
    *,
    layers: int = 20,
    width: int = 100,
    members: int = 3,
    seed: int = 0,
) -> list[Depth]:
    """Measure every initialisation with every activation in a network of square layers.

    Raises:
        PlanError: a name is unknown, or a number out of range.

    >>> found = depths(["xavier"], ["identity"], layers=10, width=64)[0]
    >>> found.activation_LM.shape, round(found.weight_variance * 64, 1)
    ((10, 3), 1.0)
    """
    if layers < 1 or width < 1 or members < 1:
        raise PlanError("`layers`, `width` and `members` must be at least 1", f"got {min(layers, width, members)}")
    for init in inits:
        make_plan(init=init)  # refuses unknown names, with the nearest
    known = get_args(Activation)
    for name in activations:
        if name not in known:
            raise PlanError("`activation` must be one that Danlu knows", f"got {name}", nearest(name, known))
    keys = [stream(seed, "initialisations", m) for m in range(members)]
    generator = torch.Generator().manual_seed(stream(seed, "initialisations", "rows"))
    x_BD, slope_BC = torch.randn(2, ROWS, width, generator=generator, dtype=torch.float64)
    sizes = (width,) * layers
    return [
        _measured(_network(init, activation, sizes, width), init, activation, (keys, x_BD, slope_BC))
        for activation in activations
        for init in inits or INITS
    ]


def _network(init: str, activation: str, hidden: tuple[int, ...], width: int, outputs: int | None = None) -> Network:
    layout = FeatureLayout(numbers=tuple(f"x{i}" for i in range(width)))
    spec = NetworkSpec(
        layout=layout, outputs=outputs or width, hidden=hidden, activation=activation, init=init, init_bias=0.0
    )
    return Network(spec)


def _measured(
    network: Network, init: str, activation: str, given: tuple[list[int], torch.Tensor, torch.Tensor]
) -> Depth:
    """Pass forward and backward once, and measure after every hidden layer."""
    keys, x_BD, slope_BC = given
    members = len(keys)
    weights_MP, state_MS = network.initial(keys, torch.float64)
    training = network.bind(weights_MP, state_MS, gradient=True)
    spread: dict[str, np.ndarray] = {}
    sums: list[torch.Tensor] = []

    def see(name: str, values: torch.Tensor) -> None:
        layer = _layer_of(name)
        if layer not in spread:  # its weighted sums
            sums[:] = [values[0].clone()] if layer != "output" else sums
        spread[layer] = _spread(values)  # the last of a layer's parts is its activation

    empty = torch.zeros(members, len(x_BD), 0)
    training.forward(Prepared(x_BD.expand(members, -1, -1).contiguous(), empty), Step(training=True), watch=see)
    hidden = [name for name in spread if name != "output"]
    gradients = _gradients(network, training, slope_BC.expand(members, -1, -1).contiguous())
    weight = network.named(weights_MP)[f"hidden.{min(1, len(hidden) - 1)}.weight"]
    return Depth(
        init,
        activation,
        np.stack([spread[name] for name in hidden]),
        np.stack([gradients[name] for name in hidden]),
        float(weight.var(correction=0)),
        _distinct(sums[0].T),
    )


def _gradients(network: Network, training: Pass, slope_MBC: torch.Tensor) -> dict[str, np.ndarray]:
    """Walk back layer by layer; return the spread of the gradient by the output of each hidden layer."""
    found: dict[str, np.ndarray] = {}
    grad = slope_MBC
    for layer, own in zip(reversed(network.layers), reversed(training.owns[:-1]), strict=True):
        name = _layer_of(layer.name)
        if name != "output" and name not in found:
            found[name] = _spread(grad)  # the first part met on the way back is the activation
        grad = layer.backward(grad, own)
    return found


def _layer_of(name: str) -> str:
    """Return the hidden layer that a part belongs to.

    >>> _layer_of("hidden.3.activation"), _layer_of("hidden.3"), _layer_of("output")
    ('hidden.3', 'hidden.3', 'output')
    """
    return ".".join(name.split(".")[:2])


def _spread(values_MBH: torch.Tensor) -> np.ndarray:
    return values_MBH.flatten(1).std(dim=1, correction=0).numpy()


def _distinct(values_UN: torch.Tensor) -> int:
    """Count units whose numbers differ from those of all others by more than rounding."""
    values = values_UN.numpy()
    scale = np.abs(values).max() or 1.0
    return len(np.unique(np.round(values / scale, 9), axis=0))


def starts(inits: Sequence[str] = SYMMETRIC, *, seed: int = 0) -> list[Start]:
    """Train a small network from each start, by gradient descent on all of its rows.

    Units that start equal have equal gradients, and so stay equal for ever.

    >>> [(start.init, start.distinct) for start in starts()]
    [('constant:0.5', 1), ('xavier', 8)]
    """
    generator = torch.Generator().manual_seed(stream(seed, "initialisations", "starts"))
    x_BD = torch.rand(64, 2, generator=generator, dtype=torch.float64) * 2 - 1
    y_B1 = torch.sin(3 * x_BD[:, :1]) * x_BD[:, 1:]
    return [_trained(init, x_BD, y_B1, stream(seed, "initialisations", 0)) for init in inits]


def _trained(init: str, x_BD: torch.Tensor, y_B1: torch.Tensor, key: int) -> Start:
    network = _network(init, "tanh", (UNITS,), x_BD.shape[1], outputs=1)
    weights_MP, state_MS = network.initial([key], torch.float64)
    training = network.bind(weights_MP, state_MS, gradient=True)
    prepared = Prepared(x_BD[None].contiguous(), torch.zeros(1, len(x_BD), 0))
    weight_MIH = network.named(weights_MP)["hidden.0.weight"]
    seen, losses = [], []
    for _ in range(STEPS + 1):
        error_MBC = training.forward(prepared, Step(training=True)) - y_B1
        seen.append(weight_MIH[0, 0].numpy().copy())
        losses.append(float(error_MBC.square().mean()))
        weights_MP -= RATE * training.backward(error_MBC * (2 / len(x_BD)))
    return Start(init, np.array(seen), np.array(losses), _distinct(weight_MIH[0].T))


def is_symmetric(init: str) -> bool:
    """Return whether all units of a layer start equal."""
    return split_setting(init)[0] == "constant"
