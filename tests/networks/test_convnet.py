"""Convolutional networks: the layers that were asked for, and steps like PyTorch's."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from danlu.core.errors import PlanError
from danlu.core.records import ConvSpec, FeatureLayout, NetworkSpec
from danlu.networks import Prepared, Step
from danlu.networks.build import make_network
from danlu.networks.convnet import ConvNet
from danlu.networks.modules import ModuleNetwork


def spec_of(image: tuple[int, int, int], conv: ConvSpec, outputs: int, **more: object) -> NetworkSpec:
    layout = FeatureLayout(numbers=(), image=image)
    return NetworkSpec.model_validate({"layout": layout, "outputs": outputs, "conv": conv, **more})


def prepared(images_NKHW: torch.Tensor, members: int = 1) -> Prepared:
    flat = images_NKHW.flatten(1).expand(members, -1, -1).contiguous()
    return Prepared(flat, torch.zeros(members, len(images_NKHW), 0, dtype=torch.int64))


def test_the_network_of_seeds_e_has_its_layers_and_numbers() -> None:
    spec = spec_of((1, 32, 32), ConvSpec(channels=(6, 16), padding=0), 2, hidden=(512, 64))
    network = make_network(spec)
    assert network.count == 6_456_942
    assert isinstance(network, ModuleNetwork)
    assert isinstance(network.layer.module, ConvNet)
    assert network.layer.module.width == 12_544
    shapes = {slot.name.removeprefix("cnn."): slot.shape for slot in network.parameters}
    assert shapes["features.0.weight"] == (6, 1, 3, 3)
    assert shapes["features.2.weight"] == (16, 6, 3, 3)
    assert shapes["head.0.weight"] == (512, 12_544)
    assert network.notes == ()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_outputs_and_gradients_are_those_of_plain_pytorch(dtype: str) -> None:
    kind = getattr(torch, dtype)
    torch.manual_seed(0)
    images = torch.rand(32, 2, 9, 8, dtype=kind)
    plain = nn.Sequential(
        nn.Conv2d(2, 3, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(3, 5, 2), nn.ReLU(), nn.Flatten(), nn.Linear(30, 4)
    ).to(kind)
    spec = spec_of((2, 9, 8), ConvSpec(channels=(3,), padding=0, pool="max"), 4)
    with pytest.raises(PlanError, match="large enough"):
        make_network(spec_of((2, 9, 8), ConvSpec(channels=(3, 4, 5), padding=0, pool="max"), 4))
    del plain[3:5]
    plain[4] = nn.Linear(3 * 3 * 3, 4).to(kind)
    network = make_network(spec, dtype=dtype)
    weights_MP, state_MS = network.initial([7, 8], kind)
    named = network.named(weights_MP)
    for slot, parameter in zip(network.parameters, plain.parameters(), strict=True):
        parameter.data = named[slot.name][1].clone()
    run = network.bind(weights_MP, state_MS, gradient=True)
    outputs = run.forward(prepared(images, 2), Step(training=True))
    torch.testing.assert_close(outputs[1], plain(images).detach())
    gradient_MP = run.backward(torch.ones_like(outputs))
    plain(images).sum().backward()
    for slot, parameter in zip(network.parameters, plain.parameters(), strict=True):
        ours = gradient_MP[1, slot.offset : slot.offset + slot.numel].view(slot.shape)
        torch.testing.assert_close(ours, parameter.grad)


def test_the_residual_network_normalises_as_pytorch_where_rows_count_alike() -> None:
    conv = ConvSpec(channels=(4, 8), pool="max", residual=True)
    network = make_network(spec_of((1, 12, 12), conv, 3), dtype="float64")
    assert isinstance(network, ModuleNetwork)
    torch.manual_seed(1)
    images = torch.rand(32, 1, 12, 12, dtype=torch.float64)
    weights_MP, state_MS = network.initial([3], torch.float64)
    plain = network.member(weights_MP[0], state_MS[0]).train()
    run = network.bind(weights_MP, state_MS, gradient=True)
    share, rows = torch.full((1, 32, 1), 1 / 32, dtype=torch.float64), torch.full((1, 1, 1), 32.0, dtype=torch.float64)
    outputs = run.forward(prepared(images), Step(training=True, share_MB1=share, rows_M11=rows))
    torch.testing.assert_close(outputs[0], plain(images.flatten(1)).detach())
    after = network.member(weights_MP[0], state_MS[0])
    for (name, ours), (_, theirs) in zip(after.named_buffers(), plain.named_buffers(), strict=True):
        torch.testing.assert_close(ours, theirs, msg=name)


def test_rows_of_weight_0_do_not_count_in_its_batch_norm() -> None:
    conv = ConvSpec(channels=(4, 4), pool="average", residual=True)
    network = make_network(spec_of((1, 8, 8), conv, 2), dtype="float64")
    torch.manual_seed(2)
    images = torch.rand(32, 1, 8, 8, dtype=torch.float64)
    weights_MP, state_MS = network.initial([3], torch.float64)
    share = torch.zeros(1, 32, 1, dtype=torch.float64)
    share[:, :20] = 1 / 20
    few, whole = state_MS.clone(), state_MS.clone()
    step = Step(training=True, share_MB1=share, rows_M11=torch.full((1, 1, 1), 20.0, dtype=torch.float64))
    some = network.bind(weights_MP, few, gradient=True).forward(prepared(images), step)[0, :20]
    alone = Step(training=True, share_MB1=share[:, :20], rows_M11=torch.full((1, 1, 1), 20.0, dtype=torch.float64))
    only = network.bind(weights_MP, whole, gradient=True).forward(prepared(images[:20]), alone)[0]
    torch.testing.assert_close(some, only)
    torch.testing.assert_close(few, whole)


def test_products_in_bfloat16_are_near_and_prediction_is_exact() -> None:
    conv = ConvSpec(channels=(8, 8), pool="max", residual=True)
    network = make_network(spec_of((1, 16, 16), conv, 4))
    torch.manual_seed(3)
    images = torch.rand(32, 1, 16, 16)
    weights_MP, state_MS = network.initial([3])
    exact, rough = (network.bind(weights_MP, state_MS.clone(), gradient=True, low=low) for low in (False, True))
    step = Step(training=True, share_MB1=torch.full((1, 32, 1), 1 / 32), rows_M11=torch.full((1, 1, 1), 32.0))
    first, second = (run.forward(prepared(images), step).clone() for run in (exact, rough))
    assert not torch.equal(first, second)
    assert (first - second).abs().max() < 0.05 * first.abs().max()
    assert not rough.split
    gradients = [run.backward(torch.ones_like(first)) for run in (exact, rough)]
    cosine = nn.functional.cosine_similarity(*(g[:, : network.count] for g in gradients)).item()
    assert cosine > 0.99
