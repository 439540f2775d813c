"""Every number of a step, held against arithmetic by hand, autograd and the tutorial's NumPy arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

import danlu
from danlu.core.errors import DataError, PlanError
from danlu.explanation.trace_records import Chain


def sigmoid(z: Any) -> Any:
    return 1 / (1 + np.exp(-z))


def test_the_first_weight_of_the_lesson_is_the_product_of_its_four_factors() -> None:
    found = danlu.trace("three-sigmoids", weight="layer1[0,0]")
    w, v = np.array([[0.8, 0.2], [0.4, 0.9], [0.3, 0.5]]), np.array([0.3, 0.5, 0.9])
    z = w @ np.ones(2)
    a = sigmoid(z)
    out = v @ a
    np.testing.assert_allclose(found.layer("layer1").outputs, [[1.0, 1.3, 0.8]], rtol=1e-15)
    np.testing.assert_allclose(found.layer("layer1.sigmoid").outputs[0].round(2), [0.73, 0.79, 0.69])
    assert found.output.round(3) == 1.233
    assert round(found.loss, 2) == 1.52
    by_hand = [-2 * (0 - out), 0.3, a[0] * (1 - a[0]), 1.0]
    np.testing.assert_allclose([factor.value for factor in found.chain.factors], by_hand, rtol=1e-14)
    np.testing.assert_allclose(np.round(by_hand, 6), [2.466424, 0.3, 0.196612, 1.0])
    assert [factor.formula for factor in found.chain.factors] == ["−2 (y − ŷ)", "w", "a (1 − a)", "x"]
    assert found.chain.product == pytest.approx(0.145479, abs=5e-7)
    assert found.chain.autograd == pytest.approx(found.chain.product, rel=1e-14)
    assert found.chain.difference == pytest.approx(found.chain.product, rel=1e-8)
    assert found.chain.after == pytest.approx(0.8 - 0.01 * found.chain.product, rel=1e-15)
    np.testing.assert_allclose(found.layer("layer1").gradients[0], by_hand[0] * v * a * (1 - a), rtol=1e-14)


TUTORIAL = {
    ("forward-difference:0.0001", "float64"): (0.00032757, 0.00030536, -0.017475),
    ("forward-difference:0.0001", "float32"): (0.00032771, 0.00030548, -0.017478),
    ("exact", "float64"): (0.00032619, 0.00030402, -0.017436),
}


@pytest.mark.parametrize(("gradient", "dtype"), TUTORIAL)
def test_the_three_descents_of_the_tutorial_are_told_apart(gradient: str, dtype: str) -> None:
    down = danlu.trace("three-sigmoids-biases", steps=100, gradient=gradient, dtype=dtype).descent
    assert down is not None
    assert (round(down.losses[0], 5), round(down.losses[1], 5)) == (0.33455, 0.31208)
    last = (float(f"{down.losses[99]:.5g}"), float(f"{down.loss_after:.5g}"), float(f"{down.output[0, 0]:.5g}"))
    assert last == TUTORIAL[gradient, dtype]


def test_a_descent_leaves_the_traced_step_alone() -> None:
    plain, after = danlu.trace("three-sigmoids-biases"), danlu.trace("three-sigmoids-biases", steps=5)
    for one, other in zip(plain.parameters, after.parameters, strict=True):
        np.testing.assert_array_equal(one.values, other.values)
        np.testing.assert_array_equal(one.after, other.after)


class Own(nn.Module):
    """Parameters, functions, a shortcut, a shared layer, numbers that ask for float32."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Parameter(torch.randn(4, 5) * 0.5)
        self.shift = nn.Parameter(torch.randn(5))
        self.shared = nn.Linear(5, 5)
        self.act = nn.ReLU(inplace=True)
        self.last = nn.Linear(5, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = torch.tanh(x.float() @ self.first + self.shift)
        h = h + self.act(self.shared(h))
        z = self.shared(h)
        z += z[:, :1] * torch.ones(1, dtype=torch.float32)
        return self.last(F.layer_norm(torch.sigmoid(z), (5,)))


def deep() -> nn.Module:
    layers: list[nn.Module] = []
    for _ in range(4):
        layers += [nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Tanh()]
    return nn.Sequential(*layers, nn.Linear(4, 1))


def conv() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 2, 3),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(2, 3, 2),
        nn.Flatten(),
        nn.Linear(12, 3),
        nn.Softmax(1),
    )


CASES: dict[str, tuple[Any, tuple[int, ...], tuple[int, ...], Any]] = {
    "own": (Own, (3, 4), (3, 2), None),
    "deep, batch norm over the rows": (deep, (5, 4), (5, 1), "huber:0.5"),
    "conv": (conv, (2, 1, 8, 8), (2, 3), F.mse_loss),
    "dropout": (lambda: nn.Sequential(nn.Linear(3, 6), nn.Dropout(), nn.GELU(), nn.Linear(6, 2)), (3, 3), (3, 2), "l1"),
    "recurrent": (lambda: nn.LSTM(2, 3), (4, 2), (4, 3), None),
}


@pytest.mark.parametrize("name", CASES)
def test_the_product_is_autograds_gradient_for_drawn_weights_of_any_network(name: str) -> None:
    make, inputs, targets, loss = CASES[name]
    torch.manual_seed(1)
    module, x, y = make(), torch.randn(inputs), torch.randn(targets)
    found = danlu.trace(module, x, y, loss, seed=3)
    rng = np.random.default_rng(0)
    assert {parameter.path for parameter in found.parameters} == {key for key, _ in module.named_parameters()}
    for parameter in found.parameters:
        place = tuple(int(rng.integers(size)) for size in parameter.values.shape)
        chain = found.explain(f"{parameter.path}[{','.join(map(str, place))}]")
        assert chain.agrees, (chain.weight, chain.product, chain.autograd)
        assert chain.autograd == parameter.gradients[place]
        assert chain.difference == pytest.approx(chain.autograd, rel=1e-4, abs=1e-8)
        assert_opened(chain)


def assert_opened(chain: Chain) -> None:
    """The numbers of a chain belong together: rows to the product, terms to deltas, each level to the one before."""
    if chain.rows:
        pool = np.mean if chain.pooling == "mean" else np.sum
        np.testing.assert_allclose(
            pool([row.product for row in chain.rows]) + sum(o.product for o in chain.others), chain.product, atol=1e-12
        )
    factors = np.prod([factor.value for factor in chain.factors])
    np.testing.assert_allclose(factors, chain.row_product, rtol=1e-8, atol=1e-14)
    for level in chain.levels:
        slopes = np.prod([factor.value for factor in level.factors])
        np.testing.assert_allclose(slopes * (level.total if level.terms else 1), level.delta, rtol=1e-7, atol=1e-13)
        for term in level.terms:
            assert term.product == pytest.approx(term.coefficient * term.delta)
    for level, following in zip(chain.levels, chain.levels[1:], strict=False):
        strongest = max(level.terms, key=lambda term: abs(term.product))
        assert level.opened == strongest.unit
        assert following.delta == pytest.approx(strongest.delta, rel=1e-12)


def test_gradients_and_values_are_those_of_torch() -> None:
    torch.manual_seed(0)
    module, x, y = conv().double(), torch.randn(2, 1, 8, 8).double(), torch.tensor([0, 2])
    found = danlu.trace(module, x, y)
    assert found.loss_name == "cross-entropy"
    outputs = module(x)
    loss = F.cross_entropy(outputs, y)
    loss.backward()
    np.testing.assert_allclose(found.output, outputs.detach(), rtol=1e-14)
    assert found.loss == pytest.approx(loss.item(), rel=1e-14)
    for parameter, (name, own) in zip(found.parameters, module.named_parameters(), strict=True):
        assert parameter.path == name
        assert own.grad is not None
        np.testing.assert_allclose(parameter.gradients, own.grad, rtol=1e-12)
        np.testing.assert_allclose(parameter.after, own.detach() - 0.01 * own.grad, rtol=1e-14)
    assert [layer.name for layer in found.layers][:4] == ["input", "layer1", "layer1.relu", "layer1.maxpool"]


def test_a_convolutions_gradient_is_a_sum_over_positions() -> None:
    torch.manual_seed(0)
    found = danlu.trace(conv(), torch.randn(1, 1, 8, 8), torch.rand(1, 3), "mse", weight="layer1[1,0,2,1]")
    layer, image = found.layer("layer1"), found.layer("input").outputs[0, 0]
    patch = image[2:8, 1:7]
    by_hand = (layer.gradients[0, 1] * patch).sum()
    assert found.chain.product == pytest.approx(by_hand, rel=1e-12)
    assert sum(p.product for p in found.chain.positions) == pytest.approx(by_hand, rel=1e-12)
    assert 1 < len(found.chain.positions) <= 36


def test_a_value_overwritten_before_the_backward_pass_is_refused() -> None:
    class Overwritten(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            h = torch.sigmoid(x)
            h += 1
            return h

    with pytest.raises(PlanError, match=r"modified by an inplace operation.*danlu gradients"):
        danlu.trace(nn.Sequential(nn.Linear(2, 1), Overwritten()), torch.ones(1, 2), torch.ones(1, 1))


def test_what_is_given_stays_as_it_is() -> None:
    module = deep()
    before = {key: value.clone() for key, value in module.state_dict().items()}
    danlu.trace(module, torch.randn(4, 4), torch.randn(4, 1), weight="layer1[0,0]", steps=2)
    assert all(torch.equal(value, before[key]) for key, value in module.state_dict().items())
    assert module.training
    assert next(module.parameters()).grad is None


class Half(torch.autograd.Function):
    """x², with half of its gradient."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(x)
        return x**2

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> torch.Tensor:  # pyrefly: ignore[bad-override]
        return grad * ctx.saved_tensors[0]


class Wrong(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(2, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return Half.apply(self.inner(x)).sum(1, keepdim=True)


def test_a_wrong_backward_pass_is_told_by_the_finite_difference() -> None:
    chain = danlu.trace(Wrong(), torch.randn(2, 2), torch.randn(2, 1), weight="inner.weight[0,1]").chain
    assert chain.agrees
    assert chain.difference == pytest.approx(2 * chain.autograd, rel=1e-6)
    assert "danlu gradients" in chain.words


def test_a_unit_can_be_opened() -> None:
    found = danlu.trace(deep().eval(), torch.randn(3, 4), torch.randn(3, 1))
    levels = found.delta("layer2[3]", row=1)
    assert levels[0].unit == "layer2[3]"
    assert levels[0].delta == pytest.approx(3 * found.layer("layer2").gradients[1, 3], rel=1e-12)
    assert len(levels[0].terms) == 4
    with pytest.raises(PlanError, match="layer2 has 4 units and 3 rows"):
        found.delta("layer2[4]")


REFUSED = {
    "nearest name": (
        {"weight": "layr1[0,0]"},
        r"there is no `layr1`. Did you mean `layer1`\? Its shape is 3 x 2 \(unit, input\)",
    ),
    "out of range": (
        {"weight": "layer1[3,0]"},
        r"shape 3 x 2 \(unit, input\), got \[3,0\]. .*layer1\[2,1\] is the last",
    ),
    "no place": ({"weight": "layer1"}, "got no place"),
    "no bias": ({"weight": "layer1.bias[0]"}, "there is no `layer1.bias`"),
    "no address": ({"weight": "layer1[a]"}, r"Write layer1.weight\[0,0\]"),
    "gradient": ({"steps": 2, "gradient": "forward"}, "forward-difference"),
    "dtype": ({"dtype": "float16"}, "float64 or float32"),
    "inputs": ({"x": [[1.0]]}, "a lesson has its own"),
    "lr": ({"lr": -1}, "above 0"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_is_refused(name: str) -> None:
    given, words = REFUSED[name]
    with pytest.raises(PlanError, match=words):
        danlu.trace("three-sigmoids", **given)


def test_shapes_that_do_not_fit_are_refused_with_the_layer() -> None:
    module = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(5, 1))
    with pytest.raises(PlanError, match=r"`2` \(Linear, a weight of \[1, 5\], so 5 inputs a row\).* given \[2, 4\]"):
        danlu.trace(module, torch.randn(2, 3), torch.randn(2, 1))
    with pytest.raises(PlanError, match=r"y must be \[2, 4\].*\[2, 3\]"):
        danlu.trace(module[:2], torch.randn(2, 3), torch.randn(2, 3), "mse")
    with pytest.raises(PlanError, match="two rows or more"):
        danlu.trace(deep(), torch.randn(1, 4), torch.randn(1, 1))


class Logarithm(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.log(x)


def test_a_value_that_is_not_finite_is_named_where_it_first_appears() -> None:
    module = nn.Sequential(nn.Linear(2, 2, bias=False), Logarithm(), nn.Linear(2, 1))
    module[0].weight.data = torch.tensor([[1.0, 1.0], [1.0, -1.0]])
    with pytest.raises(DataError, match=r"layer1.log\[1\] is -inf in row 1"):
        danlu.trace(module, torch.tensor([[2.0, 1.0], [1.0, 1.0]]), torch.zeros(2, 1))
    with pytest.raises(DataError, match=r"x\[0, 1\] is nan"):
        danlu.trace(module, torch.tensor([[2.0, float("nan")]]), torch.zeros(1, 1))
    root = nn.Sequential(nn.Linear(1, 1, bias=False), Root())
    root[0].weight.data.zero_()
    with pytest.raises(DataError, match=r"the gradient by layer1\[0\] is -?inf"):
        danlu.trace(root, torch.ones(1, 1), torch.ones(1, 1))


class Root(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.sqrt(x)
