"""Initial weights: torch's distributions, and the same draw for a member in any population."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Generator, nn

from danlu.core.parsing import INITS
from danlu.core.records import CodeColumn, FeatureLayout, NetworkSpec
from danlu.networks import Network
from danlu.networks.initialise import INITIALISERS

LAYOUT = FeatureLayout(numbers=tuple(f"n{i}" for i in range(200)), codes=(CodeColumn(name="town", slots=9, width=4),))


def first_layer(init: str, keys: list[int], init_bias: float | str = "default") -> tuple[torch.Tensor, torch.Tensor]:
    network = Network(NetworkSpec(layout=LAYOUT, outputs=2, hidden=(300,), init=init, init_bias=init_bias))
    named = network.named(network.initial(keys)[0])
    return named["hidden.0.weight"], named["hidden.0.bias"]


def test_every_initialisation_of_the_plan_is_there() -> None:
    assert set(INITIALISERS) == set(INITS)


@pytest.mark.parametrize("init", [*INITS, "normal:0.01", "orthogonal:2", "kaiming:0.1"])
def test_a_member_starts_the_same_alone_and_in_any_population(init: str) -> None:
    spec = NetworkSpec(layout=LAYOUT, outputs=1, hidden=(16, 9), init=init, batch_norm_input=True)
    network = Network(spec)
    many, _ = network.initial([5, 6, 7, 8])
    alone, _ = network.initial([7])
    assert torch.equal(many[2], alone[0])
    assert init.startswith("constant") or not torch.equal(many[1], many[2])
    wide, _ = network.initial([7], torch.float64)
    assert torch.equal(wide, alone.double())
    assert not many[:, network.count :].any()


@pytest.mark.parametrize(
    ("init", "fill"),
    [
        ("default", lambda w, g: nn.init.uniform_(w, -1 / math.sqrt(204), 1 / math.sqrt(204), generator=g)),
        ("normal:0.1", lambda w, g: nn.init.normal_(w, 0, 0.1, generator=g)),
        ("uniform:0.3", lambda w, g: nn.init.uniform_(w, -0.3, 0.3, generator=g)),
        ("xavier", lambda w, g: nn.init.xavier_uniform_(w, generator=g)),
        ("xavier-normal", lambda w, g: nn.init.xavier_normal_(w, generator=g)),
        ("kaiming", lambda w, g: nn.init.kaiming_uniform_(w, nonlinearity="relu", generator=g)),
        ("kaiming-normal", lambda w, g: nn.init.kaiming_normal_(w, nonlinearity="relu", generator=g)),
        ("orthogonal", lambda w, g: nn.init.orthogonal_(w, generator=g)),
        ("constant:0.5", lambda w, _: nn.init.constant_(w, 0.5)),
    ],
)
def test_distribution_is_torchs(init: str, fill) -> None:
    ours = first_layer(init, [1])[0][0]
    expected = fill(torch.empty(300, 204), Generator().manual_seed(99)).T
    assert ours.shape == expected.shape
    assert ours.std().item() == pytest.approx(expected.std().item(), rel=0.02, abs=1e-6)
    assert ours.abs().max().item() == pytest.approx(expected.abs().max().item(), rel=0.25)
    assert abs(ours.mean().item() - expected.mean().item()) < 0.03 * expected.std().item() + 1e-6


def test_moments_of_the_papers() -> None:
    xavier = first_layer("xavier", [1, 2])[0]
    assert xavier.var().item() == pytest.approx(2 / (204 + 300), rel=0.02)
    kaiming = first_layer("kaiming", [1, 2])[0]
    assert kaiming.var().item() == pytest.approx(2 / 204, rel=0.02)
    orthogonal = first_layer("orthogonal:2", [1])[0][0].double()
    assert torch.allclose(orthogonal @ orthogonal.T, 4 * torch.eye(204, dtype=torch.float64), atol=1e-4)


@pytest.mark.parametrize("init", ["default", "normal:0.01"])
def test_default_bias_is_pytorchs_whatever_the_weights_are(init: str) -> None:
    bias = first_layer(init, list(range(20)))[1]
    limit = 1 / math.sqrt(204)
    assert limit * 0.98 < bias.abs().max() <= limit
    assert bias.std().item() == pytest.approx(limit / math.sqrt(3), rel=0.03)


def test_given_bias_fills_all_biases_also_before_batch_norm() -> None:
    network = Network(
        NetworkSpec(layout=LAYOUT, outputs=3, hidden=(8, 8), batch_norm_hidden=True, init_bias=-0.2, init="normal:0.1")
    )
    named = network.named(network.initial([1, 2])[0])
    for name in ("hidden.0.bias", "hidden.1.bias", "output.bias"):
        assert (named[name] == torch.tensor(-0.2)).all()


def test_the_embedding_of_unseen_levels_starts_at_zero() -> None:
    network = Network(NetworkSpec(layout=LAYOUT, outputs=1))
    table = network.named(network.initial([3])[0])["embedding.town.weight"]
    assert table.shape == (1, 9, 4)
    assert not table[:, 0].any()
    assert table[:, 1:].all()
