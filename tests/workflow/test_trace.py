"""A model that was fitted, traced on real rows: its values, gradients and first step are the engine's own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F

import danlu
from danlu.core.errors import DataError, PlanError
from danlu.networks.predict import predict
from support.tables import flowers, houses


@pytest.fixture(scope="module")
def model() -> danlu.Model:
    """Return three networks with embeddings, batch norm and two hidden layers, in float64."""
    settings: dict[str, Any] = {"hidden": (12, 8), "batch_norm": ("input", "hidden"), "epochs": 2, "folds": 3}
    return danlu.fit(houses(), "price", net="auto", dtype="float64", repeats=1, **settings)


@pytest.fixture(scope="module")
def rows() -> dict[str, Any]:
    return houses(20, seed=5)


def test_outputs_are_those_of_the_predictor_for_each_member(model: danlu.Model, rows: dict[str, Any]) -> None:
    predictor = model._predictor
    encoded, _ = predictor.encode(model.read(rows))
    stacked = predict(
        predictor.network,
        predictor.preparation,
        predictor.weights_MP,
        predictor.state_MS,
        predictor.fold_M,
        encoded.x[2:6],
        encoded.codes[2:6],
    )
    for member in range(3):
        found = danlu.trace(model, rows, rows="2:6", member=member)
        assert found.rows == (2, 3, 4, 5)
        np.testing.assert_allclose(found.prediction, np.asarray(stacked[member]), rtol=1e-9)
        prepared = predictor.preparation.pick([predictor.fold_M[member]]).prepare(
            torch.tensor(encoded.x[2:6])[None], torch.tensor(encoded.codes[2:6])[None]
        )
        raw = predictor.network(
            predictor.weights_MP[member : member + 1], predictor.state_MS[member : member + 1], prepared
        )
        np.testing.assert_allclose(found.output, raw[0], rtol=1e-9, atol=1e-12)


def test_every_layer_is_named_and_gradients_are_those_of_autograd(model: danlu.Model, rows: dict[str, Any]) -> None:
    found = danlu.trace(model, rows, rows=[0, 3, 7], member=1)
    names = found.names
    assert names[:2] == ["table", "preparation"]
    assert "layer1.batchnorm" in names
    assert names[-1] == "layer3"
    network = model._predictor.network
    assert {parameter.path for parameter in found.parameters} == {slot.name for slot in network.parameters}
    module = found.live.module
    inputs, target = found.live.inputs, torch.tensor(found.target)
    loss = F.mse_loss(module(*inputs), target)
    assert found.loss == pytest.approx(loss.item(), rel=1e-12)
    own = dict(module.named_parameters())
    slopes = dict(zip(own, torch.autograd.grad(loss, list(own.values())), strict=True))
    by_path = {found.live.title(name): slope for name, slope in slopes.items()}
    for parameter in found.parameters:
        np.testing.assert_allclose(parameter.gradients, by_path[parameter.path], rtol=1e-9, atol=1e-14)


@pytest.mark.parametrize("train", [False, True])
def test_the_chain_gives_autograds_gradient_for_any_weight(
    model: danlu.Model, rows: dict[str, Any], train: bool
) -> None:
    found = danlu.trace(model, rows, rows="0:5", weight="hidden.0.weight[3,1]", train=train)
    assert found.mode == ("training" if train else "evaluation")
    assert found.chain.path == "hidden.0.weight"
    rng = np.random.default_rng(0)
    for parameter in found.parameters:
        place = tuple(int(rng.integers(size)) for size in parameter.values.shape)
        chain = found.explain(f"{parameter.path}[{','.join(map(str, place))}]")
        assert chain.agrees, (chain.weight, chain.product, chain.autograd)
        assert chain.difference == pytest.approx(chain.autograd, rel=1e-4, abs=1e-8)


def test_the_update_is_the_first_step_of_the_models_own_optimizer() -> None:
    plain = danlu.fit(
        houses(60), "price", net="mlp", hidden=(4,), optimizer="adamw", lr=0.02, weight_decay=0.1, epochs=1
    )
    found = danlu.trace(plain, houses(8, seed=1))
    assert "adamw" in found.update
    for parameter in found.parameters:
        own = torch.tensor(parameter.values).requires_grad_()
        own.grad = torch.tensor(parameter.gradients)
        torch.optim.AdamW([own], lr=0.02, weight_decay=0.1).step()
        np.testing.assert_allclose(parameter.after, own.detach(), rtol=1e-6, atol=1e-9)
    sgd = danlu.trace(plain, houses(8, seed=1), lr=0.5)
    for parameter in sgd.parameters:
        np.testing.assert_allclose(parameter.after, parameter.values - 0.5 * parameter.gradients, rtol=1e-14)


def test_classes_have_probabilities_and_the_models_own_loss() -> None:
    made = danlu.fit(flowers(90), "kind", net="mlp", hidden=(5,), label_smoothing=0.1, epochs=2, folds=3)
    found = danlu.trace(made, flowers(12, seed=2), weight="layer1[0,0]", rows="0:12")
    assert found.loss_name == "cross-entropy, labels smoothed by 0.1"
    logits, target = torch.tensor(found.output), torch.tensor(found.target)
    assert found.loss == pytest.approx(F.cross_entropy(logits, target, label_smoothing=0.1).item(), rel=1e-12)
    np.testing.assert_allclose(found.prediction, torch.softmax(logits, 1), rtol=1e-12)
    assert found.chain.agrees


def test_embeddings_are_layers_with_weights_of_their_own() -> None:
    table, rng = houses(200), np.random.default_rng(0)
    table["street"] = [f"street {i}" for i in rng.integers(0, 30, 200)]
    made = danlu.fit(table, "price", net="auto", epochs=1, folds=2, repeats=1)
    found = danlu.trace(made, table, rows="0:6", member=1)
    assert {"preparation", "codes", "embedding.street", "preparation.cat", "layer1"} <= set(found.names)
    weight = found.layer("embedding.street").parameters[0]
    code = int(found.layer("codes").outputs[2, 0])
    np.testing.assert_array_equal(found.layer("embedding.street").outputs[2], weight.values[code])
    chain = found.explain(f"embedding.street.weight[{code},1]")
    assert chain.product == pytest.approx(weight.gradients[code, 1], rel=1e-9)
    assert chain.difference == pytest.approx(chain.product, rel=1e-5)
    assert chain.factors[-1].value == 1.0
    unused = next(i for i in range(len(weight.values)) if not weight.gradients[i].any())
    assert found.explain(f"embedding.street.weight[{unused},0]").product == 0.0


def test_rows_and_members_that_do_not_exist_are_refused(model: danlu.Model, rows: dict[str, Any]) -> None:
    with pytest.raises(PlanError, match="`member` must be from 0 to 2, got 3"):
        danlu.trace(model, rows, member=3)
    with pytest.raises(PlanError, match="`rows` must be from 0 to 19, got 20"):
        danlu.trace(model, rows, rows=20)
    with pytest.raises(PlanError, match="Give the table"):
        danlu.trace(model)
    with pytest.raises(PlanError, match="`danlu fit` trains"):
        danlu.trace(model, rows, steps=3)
    without = rows | {"price": [None, *rows["price"][1:]]}
    with pytest.raises(DataError, match="row 0 has none"):
        danlu.trace(model, without)
    with pytest.raises(PlanError, match=r"there is no `hiden.0.weight`. Did you mean `hidden.0.weight`"):
        danlu.trace(model, rows, weight="hiden.0.weight[0,0]")
