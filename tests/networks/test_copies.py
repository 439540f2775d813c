"""Numbers spread over bins, and copies that share weights: against torch, and against the solo run."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from danlu.core.records import CodeColumn, FeatureLayout, NetworkSpec
from danlu.networks import Network, Preparation, Prepared, Step, predict, to_torch
from danlu.networks.copies import pool_copies
from danlu.networks.inputs import bin_places, spread_over_bins
from danlu.population.losses import make_loss, of_copies, weighted

LAYOUT = FeatureLayout(numbers=("a", "b"), indicators=(1,), codes=(CodeColumn(name="c", slots=20, width=3),), bins=5)


def rows(count: int = 200) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return numbers with gaps and many equal values, codes, and a target."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(count, 2))
    x[: count // 2, 0] = 0.0
    x[rng.random(count) < 0.1, 1] = np.nan
    return x, rng.integers(0, 20, (count, 1)), np.nan_to_num(x).sum(1, keepdims=True)


def prepared(layout: FeatureLayout = LAYOUT, folds: int = 2) -> tuple[Preparation, Prepared]:
    """Return a preparation of folds, and all rows as they see them."""
    x, codes, y = rows()
    parts = [np.arange(k, len(x), 2) for k in range(folds)]
    own = Preparation.fit(x, codes, y, parts, layout, dtype=torch.float64)
    return own, own.prepare(torch.from_numpy(x)[None], torch.from_numpy(codes)[None])


def test_bins_are_the_piecewise_linear_encoding_of_the_paper() -> None:
    # Gorishniy et al. 2022, equation 1: 1 above the bin, 0 below it, else (x - low) / (high - low).
    edges = torch.tensor([0.0, 1.0, 4.0, 5.0, torch.inf], dtype=torch.float64).view(1, 1, 5)
    x = torch.tensor([-2.0, 0.25, 1.0, 2.5, 4.5, 5.0, 9.0], dtype=torch.float64).view(1, 7, 1)
    found = spread_over_bins(bin_places(x, edges)[0], 3)
    low, high = edges[0, 0, :3], edges[0, 0, 1:4]
    torch.testing.assert_close(found, ((x[0] - low) / (high - low)).clamp(0, 1))


def test_a_value_of_many_rows_is_an_edge_and_the_others_share_the_rest() -> None:
    x, codes, y = rows(2000)
    own = Preparation.fit(x, codes, y, [np.arange(2000)], LAYOUT, dtype=torch.float64)
    edges = own.edge_KFE[0, 0]
    finite = edges[edges.isfinite()]
    assert 0.0 in finite.tolist()
    assert len(finite) == 6
    assert (finite.diff() > 0).all()
    above = torch.from_numpy(x[1000:, 0])
    # The five other edges cut the rows that are not 0 into four parts of about as many.
    scaled = own.prepare(torch.from_numpy(x)[None], torch.from_numpy(codes)[None]).x_KBD[0, 1000:, 0]
    others = finite[finite != 0]
    counts = torch.histogram(scaled, others).hist
    assert counts.min() > len(above) / 4 - 3


def test_few_values_are_all_edges_and_a_constant_column_says_nothing() -> None:
    x = np.stack([np.tile([1.0, 2.0, 5.0], 20), np.full(60, 7.0)], 1)
    layout = LAYOUT.model_copy(update={"codes": (), "indicators": ()})
    own = Preparation.fit(x, np.zeros((60, 0), np.int64), x[:, :1], [np.arange(60)], layout, scale="none")
    assert own.edge_KFE[0, 0, :4].tolist() == [1.0, 2.0, 5.0, torch.inf]
    places = own.prepare(torch.from_numpy(x)[None], torch.zeros(1, 60, 0)).x_KBD[0, :, 2:]
    assert spread_over_bins(places, 5)[:3, :5].tolist() == [[0, 0, 0, 0, 0], [1, 0, 0, 0, 0], [1, 1, 0, 0, 0]]
    assert not spread_over_bins(places, 5)[:, 5:].any()


def spec(link: str = "identity", outputs: int = 1, copies: int = 3, bins: int = 5) -> NetworkSpec:
    """Return two hidden layers with copies."""
    return NetworkSpec.model_validate(
        {
            "layout": LAYOUT.model_copy(update={"bins": bins}),
            "outputs": outputs,
            "hidden": (16, 8),
            "layer_norm": True,
            "copies": copies,
            "link": link,
            "dropout": 0.25,
        }
    )


@pytest.mark.parametrize(("link", "loss", "outputs"), [("identity", "mse", 1), ("softmax", "cross-entropy", 3)])
def test_gradients_of_copies_equal_autograd(link: str, loss: str, outputs: int) -> None:
    _, seen = prepared()
    network = Network(spec(link, outputs))
    weights_MP, state_MS = network.initial([1, 2], torch.float64)
    generator = torch.Generator().manual_seed(3)
    shape = (2, 200, 1) if outputs == 1 else (2, 200)
    target = torch.randn(shape, generator=generator, dtype=torch.float64)
    target = target if outputs == 1 else (target.abs() * 2).long().clamp(max=2)
    share = torch.full((2, 200), 1 / 200, dtype=torch.float64)

    training = network.bind(weights_MP, state_MS, gradient=True)
    said = training.forward(seen, Step(training=True))
    assert said.shape == (2 * 3, 200, outputs)
    value_MB, slope = of_copies(make_loss(loss), 3).of(said, target, None)
    found = training.backward(weighted(slope(), share, torch.empty_like(said))).clone()

    # The same by hand, from the flat leaf.
    leaf = weights_MP.clone().requires_grad_()
    named = network.named(leaf)
    total = torch.zeros((), dtype=torch.float64)
    for m in range(2):
        w = {name: view[m] for name, view in named.items()}
        spread = spread_over_bins(seen.x_KBD[m, :, 3:], 5)
        x = torch.cat([seen.x_KBD[m, :, :3], spread, w["embedding.c.weight"][seen.slots_KBE[m, :, 0]]], 1)
        for k in range(3):
            h = (x @ w["hidden.0.weight"]) * w["hidden.0.copies.scale"][k] + w["hidden.0.copies.bias"][k]
            h = F.relu(F.layer_norm(h, (16,), w["hidden.0.layer_norm.weight"], w["hidden.0.layer_norm.bias"]))
            h = h @ w["hidden.1.weight"] + w["hidden.1.bias"]
            h = F.relu(F.layer_norm(h, (8,), w["hidden.1.layer_norm.weight"], w["hidden.1.layer_norm.bias"]))
            out = h @ w["output.weight"][k] + w["output.bias"][k]
            torch.testing.assert_close(said.detach().view(2, 3, 200, outputs)[m, k], out.detach())
            total = total + (F.mse_loss(out, target[m]) if outputs == 1 else F.cross_entropy(out, target[m])) / 3
    total.backward()
    torch.testing.assert_close(value_MB.mean(1).sum(), total.detach())
    assert leaf.grad is not None
    torch.testing.assert_close(found, leaf.grad)


@pytest.mark.parametrize(("link", "outputs"), [("identity", 2), ("softmax", 3), ("sigmoid", 1), ("exp", 1)])
def test_a_prediction_is_the_mean_of_the_copies_and_that_of_the_exported_module(link: str, outputs: int) -> None:
    own, _ = prepared()
    x, codes, _ = rows()
    network = Network(spec(link, outputs))
    weights_MP, state_MS = network.initial([1, 2], torch.float64)
    own = Preparation.fit(x, codes, np.zeros((200, outputs)), [np.arange(200)] * 2, LAYOUT, dtype=torch.float64)
    found = predict(network, own, weights_MP, state_MS, [0, 1], x, codes)
    assert isinstance(found, torch.Tensor)
    module = to_torch(network, own, weights_MP, state_MS, [0, 1]).double()
    with torch.no_grad():
        said = module(torch.from_numpy(x), torch.from_numpy(codes))
    torch.testing.assert_close(said, found.mean(0).double(), rtol=1e-9, atol=1e-9)


def test_copies_are_averaged_as_predictions() -> None:
    outputs = torch.randn(2, 4, 7, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    together = torch.softmax(pool_copies(outputs, "softmax"), 2)
    torch.testing.assert_close(together, torch.softmax(outputs, 3).mean(1), rtol=1e-6, atol=1e-6)
    one = outputs[..., :1]
    torch.testing.assert_close(torch.sigmoid(pool_copies(one, "sigmoid")), torch.sigmoid(one).mean(1))
    torch.testing.assert_close(pool_copies(one, "exp").exp(), one.exp().mean(1), rtol=1e-6, atol=1e-6)


def test_copies_begin_different() -> None:
    network = Network(spec())
    weights_MP, _ = network.initial([1])
    scale = network.named(weights_MP)["hidden.0.copies.scale"][0]
    assert set(scale.flatten().tolist()) == {-1.0, 1.0}
    assert len({tuple(row) for row in scale.tolist()}) == 3
    heads = network.named(weights_MP)["output.weight"][0]
    assert heads.abs().max() <= 1 / np.sqrt(8)
    assert not torch.equal(heads[0], heads[1])
