"""Prediction: units, links, own rows, chunks, and finite whatever comes."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from danlu.core.records import CodeColumn, FeatureLayout, NetworkSpec
from danlu.networks import Network, Preparation, link, predict

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
X = GENERATOR.normal(size=(300, 2)).astype(np.float32)
X[::9, 1] = np.nan
CODES = np.stack([GENERATOR.integers(0, slots, 300) for slots in (7, 5, 4)], 1).astype(np.int32)
Y = 1e6 + 1e3 * GENERATOR.normal(size=(300, 1))
FOLDS = [np.arange(200), np.arange(100, 300)]
FOLD_M = [0, 1, 0]


def build(**settings: object) -> tuple[Network, Preparation, torch.Tensor, torch.Tensor]:
    network = Network(
        NetworkSpec(**({"layout": LAYOUT, "outputs": 1, "hidden": (8,), "activation": "silu"} | settings))
    )
    y = Y if network.spec.link == "identity" else None
    return network, Preparation.fit(X, CODES, y, FOLDS, LAYOUT), *network.initial([1, 2, 3])


def test_identity_predicts_in_user_units() -> None:
    network, preparation, weights, state = build()
    ours = predict(network, preparation, weights, state, FOLD_M, X, CODES)
    assert ours.shape == (3, 300, 1)
    assert ours.dtype == torch.float64
    own = preparation.pick(FOLD_M)
    inputs = own.prepare(torch.as_tensor(X)[None], torch.as_tensor(CODES)[None])
    raw = network(weights, state, inputs)
    expected = raw.double() * own.target_scale_KC[:, None] + own.target_centre_KC[:, None]
    torch.testing.assert_close(ours, expected, rtol=1e-9, atol=1e-3)


@pytest.mark.parametrize("chunk", [1, 32, 77, 1000])
def test_chunks_change_nothing(chunk: int) -> None:
    given = build(outputs=3, link="softmax")
    whole = predict(*given, FOLD_M, X, CODES)
    torch.testing.assert_close(predict(*given, FOLD_M, X, CODES, chunk=chunk), whole, rtol=0, atol=1e-6)


def test_many_members_are_predicted_in_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    given = build()
    whole = predict(*given, FOLD_M, X, CODES)
    monkeypatch.setitem(predict.__globals__, "CHUNK_VALUES", 256 * 12)
    torch.testing.assert_close(predict(*given, FOLD_M, X, CODES), whole, rtol=1e-9, atol=1e-3)


def test_each_member_predicts_its_own_rows() -> None:
    given = build(outputs=3, link="softmax")
    whole = predict(*given, FOLD_M, X, CODES)
    rows = [np.arange(200, 300), np.array([5, 3]), np.array([], dtype=np.int64)]
    own = predict(*given, FOLD_M, X, CODES, rows_per_member=rows, chunk=64)
    assert [tuple(part.shape) for part in own] == [(100, 3), (2, 3), (0, 3)]
    for m in range(2):
        torch.testing.assert_close(own[m], whole[m][rows[m]], rtol=0, atol=1e-6)


def test_no_rows_give_no_predictions() -> None:
    given = build()
    assert predict(*given, FOLD_M, X[:0], CODES[:0]).shape == (3, 0, 1)
    nothing = [np.array([], dtype=np.int64)] * 3
    assert [len(part) for part in predict(*given, FOLD_M, X, CODES, rows_per_member=nothing)] == [0, 0, 0]


def test_links() -> None:
    outputs = torch.tensor([[[0.2, -3.0, 1e4]]], dtype=torch.float64)
    assert torch.equal(link(outputs, "softmax"), torch.softmax(outputs, 2))
    assert torch.equal(link(outputs, "sigmoid"), torch.sigmoid(outputs))
    assert torch.equal(link(outputs, "identity"), outputs)
    assert torch.equal(link(outputs, "exp")[..., :2], outputs[..., :2].exp())
    assert link(outputs, "exp").isfinite().all()


@pytest.mark.parametrize("name", ["identity", "softmax", "sigmoid", "exp"])
@pytest.mark.parametrize("scale", ["none", "standard", "robust"])
def test_absurd_cells_give_finite_predictions(name: str, scale: str) -> None:
    network, _, weights, state = build(outputs=2, link=name, batch_norm_input=True, activation="relu", hidden=(64, 64))
    y = np.repeat(Y, 2, 1) if name == "identity" else None
    preparation = Preparation.fit(X, CODES, y, FOLDS, LAYOUT, scale)
    absurd = np.array([[1e30, -1e30], [np.inf, -np.inf], [np.nan, np.nan], [3e38, 1e-38]], dtype=np.float32)
    codes = np.array([[0, 0, 0], [6, 4, 3], [-1, 99, 99], [1, 1, 1]], dtype=np.int32)
    assert predict(network, preparation, weights, state, FOLD_M, absurd, codes).isfinite().all()


def test_float64_weights_predict_in_float64() -> None:
    network, _, weights, state = build(outputs=2, link="softmax")
    preparation = Preparation.fit(X, CODES, None, FOLDS, LAYOUT, dtype=torch.float64)
    ours = predict(network, preparation, weights.double(), state.double(), FOLD_M, X.astype(np.float64), CODES)
    assert ours.dtype == torch.float64
    torch.testing.assert_close(ours.sum(2), torch.ones(3, 300, dtype=torch.float64), rtol=0, atol=1e-14)
