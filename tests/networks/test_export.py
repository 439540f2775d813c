"""Export: a plain torch.nn.Module with the same predictions, whose state_dict loads elsewhere."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from danlu.core.records import CodeColumn, FeatureLayout, NetworkSpec
from danlu.networks import ACTIVATIONS, Network, Preparation, predict, to_torch

LAYOUT = FeatureLayout(
    numbers=("a", "b"),
    indicators=(1,),
    codes=(
        CodeColumn(name="s", slots=7, width=3),
        CodeColumn(name="t", slots=5),
        CodeColumn(name="u", slots=4, width=2),
    ),
)
GENERATOR = np.random.default_rng(0)
X = GENERATOR.normal(size=(300, 2))
X[::9, 1] = np.nan
CODES = np.stack([GENERATOR.integers(0, slots, 300) for slots in (7, 5, 4)], 1).astype(np.int32)
Y = 10 + 3 * GENERATOR.normal(size=(300, 1))
FOLDS = [np.arange(200), np.arange(100, 300)]

SETTINGS = [
    *({"activation": name, "layer_norm": True} for name in ACTIVATIONS),
    {"batch_norm_input": True, "batch_norm_hidden": True},
    {"hidden": (), "link": "exp"},
    {"outputs": 3, "link": "softmax"},
    {"outputs": 2, "link": "sigmoid", "batch_norm_hidden": True, "init_bias": 0.1, "dropout": 0.5},
]


def build(settings: dict[str, object], dtype: torch.dtype, keys: list[int]) -> tuple:
    network = Network(NetworkSpec(**({"layout": LAYOUT, "outputs": 1, "hidden": (8, 6)} | settings)))
    y = Y if network.spec.link == "identity" else None
    preparation = Preparation.fit(X.astype(str(dtype)[6:]), CODES, y, FOLDS, LAYOUT, dtype=dtype)
    weights, state = network.initial(keys, dtype)
    state += torch.rand(state.shape, generator=torch.Generator().manual_seed(keys[0]), dtype=dtype)
    return network, preparation, weights, state, [0, 1, 0]


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-6), (torch.float64, 1e-12)])
def test_saved_and_loaded_it_predicts_as_the_members_do(
    settings: dict[str, object], dtype: torch.dtype, tolerance: float, tmp_path: Path
) -> None:
    given = build(settings, dtype, [1, 2, 3])
    x = torch.as_tensor(X, dtype=dtype)
    expected = predict(*given, x, CODES).mean(0)
    save_file(to_torch(*given).state_dict(), tmp_path / "members.safetensors")
    elsewhere = to_torch(*build(settings, dtype, [7, 8, 9]))
    assert not torch.allclose(elsewhere(x, torch.as_tensor(CODES)), expected, atol=1e-3)
    elsewhere.load_state_dict(load_file(tmp_path / "members.safetensors"))
    ours = elsewhere(x, torch.as_tensor(CODES))
    assert not elsewhere.training
    assert ours.dtype == expected.dtype
    torch.testing.assert_close(ours, expected, rtol=tolerance, atol=tolerance)


def test_a_members_network_is_a_plain_sequential_that_anyone_can_build() -> None:
    given = build(
        {"batch_norm_hidden": True, "dropout": 0.25, "hidden": (8,), "init_bias": 0.0}, torch.float32, [1, 2, 3]
    )
    module = to_torch(*given)
    theirs = nn.Sequential(nn.Linear(13, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.25), nn.Linear(8, 1))
    theirs.load_state_dict(module.members[0].network.state_dict())
    assert [type(a) for a in theirs] == [type(a) for a in module.members[0].network]
    rows = torch.randn(5, 13)
    assert torch.equal(theirs.eval()(rows), module.members[0].network(rows))


def test_in_training_mode_it_behaves_as_torch_does() -> None:
    given = build({"dropout": 0.5, "batch_norm_hidden": True}, torch.float32, [1, 2, 3])
    module = to_torch(*given).train()
    x, codes = torch.as_tensor(X, dtype=torch.float32), torch.as_tensor(CODES)
    torch.manual_seed(0)
    assert not torch.equal(module(x, codes), module(x, codes))
    assert module.members[0].network[1].num_batches_tracked == 2
    module(x, codes).sum().backward()
    assert all(parameter.grad is not None for parameter in module.parameters())


def test_its_weights_are_its_own() -> None:
    network, preparation, weights, state, folds = build({}, torch.float32, [1, 2, 3])
    module = to_torch(network, preparation, weights, state, folds)
    before = {name: value.clone() for name, value in module.state_dict().items()}
    weights.zero_()
    state.zero_()
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
