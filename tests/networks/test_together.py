"""Convolutions of several members at once give what they give one after another, and the table decides which."""

from __future__ import annotations

import pytest
import torch

from danlu.core.records import ConvSpec, FeatureLayout, NetworkSpec
from danlu.networks import Network, Prepared, Step, together
from danlu.networks.build import make_network
from danlu.networks.modules import ModuleNetwork


def network_of(conv: ConvSpec, side: int) -> ModuleNetwork:
    layout = FeatureLayout(numbers=(), image=(1, side, side))
    network = make_network(NetworkSpec(layout=layout, outputs=3, conv=conv), dtype="float64")
    assert isinstance(network, ModuleNetwork)
    return network


def passed(network: Network, rows: torch.Tensor) -> list[torch.Tensor]:
    """Outputs, gradient and running moments of a training pass of three members, and their predictions."""
    weights_MP, state_MS = network.initial([1, 2, 3], torch.float64)
    share_MB1 = torch.full((3, len(rows), 1), 1 / len(rows), dtype=torch.float64)
    step = Step(True, share_MB1, torch.full((3, 1, 1), float(len(rows)), dtype=torch.float64))
    inputs = Prepared(rows.expand(3, -1, -1).contiguous(), torch.zeros(3, len(rows), 0, dtype=torch.int64))
    run = network.bind(weights_MP, state_MS, gradient=True)
    outputs = run.forward(inputs, step).clone()
    gradient_MP = run.backward(torch.ones_like(outputs) / len(rows)).clone()
    return [outputs, gradient_MP, state_MS, network(weights_MP, state_MS, inputs).clone()]


@pytest.mark.parametrize(
    "conv",
    [
        ConvSpec(channels=(2, 3), padding=0, pool="max"),
        ConvSpec(channels=(4, 6), padding="same", pool="average", batch_norm=True),
        ConvSpec(channels=(4, 5, 6, 6), padding="same", pool="max", residual=True),
    ],
)
def test_at_once_is_one_after_another_but_for_rounding(conv: ConvSpec) -> None:
    network = network_of(conv, 12)
    rows = torch.rand(32, 144, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    found = []
    for at_once in (False, True):
        network.layer.rule = lambda _device, _members, at_once=at_once: at_once
        found.append(passed(network, rows))
    for alone, grouped in zip(*found, strict=True):
        torch.testing.assert_close(grouped, alone, rtol=1e-12, atol=1e-12)


def test_the_table_decides_by_device_products_and_members(monkeypatch: pytest.MonkeyPatch) -> None:
    conv = ConvSpec(channels=(4, 6), padding=0, pool="max")
    # 10 x 10 places x 4 x 9 products, then 3 x 3 x 6 x 36 behind the pooling.
    assert together.products(network_of(conv, 12).layer.module, 144) == 3600 + 1944
    monkeypatch.setattr(together, "MOST_PRODUCTS", {"cpu": 5544})
    rule = network_of(conv, 12).layer.rule
    assert rule is not None
    assert rule("cpu", 2)
    assert not rule("cpu", 1)
    assert not rule("cuda", 2)
    larger = network_of(conv, 14).layer.rule
    assert larger is not None
    assert not larger("cpu", 2)


def test_the_residual_network_takes_images_that_end_in_one_pixel() -> None:
    """12 x 12, halved three times: batch norm has one value a channel of one image, which it refuses in training."""
    network = network_of(ConvSpec(channels=(16, 32, 64, 64), padding="same", pool="max", residual=True), 12)
    assert network.layer.survey.outputs == 3
