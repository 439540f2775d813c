"""Facts against SciPy, autograd, arithmetic by hand, and the engine that they share."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.special
import scipy.stats
import torch
from torch.nn import functional as F

from danlu import facts
from danlu.core.errors import PlanError
from danlu.networks.activations import ACTIVATIONS
from danlu.networks.initialise import draw
from danlu.networks.layer import Shape
from danlu.population.losses import make_loss

LOGITS = (0.2317, 0.3873, 0.8968)
"""Of SEEDS.md C."""


def distributions(seed: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    return random.dirichlet(np.ones(5), 4), random.dirichlet(np.ones(5), 4)


def test_the_softmax_jacobian_has_the_numbers_of_the_lesson() -> None:
    jacobian = facts.softmax_jacobian(LOGITS)
    np.testing.assert_array_equal(jacobian[1].round(4), [-0.0691, 0.2034, -0.1343])
    np.testing.assert_array_equal(jacobian[2].round(4), [-0.1150, -0.1343, 0.2493])


def test_the_softmax_jacobian_is_autograds_and_sums_to_zero() -> None:
    z = torch.tensor(LOGITS, dtype=torch.float64)
    expected = torch.autograd.functional.jacobian(lambda z: torch.softmax(z, 0), z)
    np.testing.assert_allclose(facts.softmax_jacobian(LOGITS), expected.numpy(), atol=1e-16)
    np.testing.assert_allclose(facts.softmax_jacobian(LOGITS).sum(0), 0, atol=1e-16)
    np.testing.assert_allclose(facts.softmax_jacobian(LOGITS).sum(1), 0, atol=1e-16)


def test_a_true_class_given_088_costs_0128() -> None:
    assert round(facts.cross_entropy([0, 1, 0], [0.05, 0.88, 0.07]), 3) == 0.128
    assert facts.cross_entropy([0, 1, 0], [0.05, 0.88, 0.07]) == pytest.approx(-math.log(0.88), rel=1e-15)
    logits = np.log([0.05, 0.88, 0.07])
    assert round(facts.categorical_cross_entropy(logits, 1).value, 3) == 0.128


def test_the_gradient_of_mse_is_2() -> None:
    assert facts.mse_gradient(w=2, x=1, y=1) == 2.0


def test_mse_gradient_is_autograds() -> None:
    random = np.random.default_rng(0)
    w, x, y = random.normal(size=3), random.normal(size=(7, 3)), random.normal(size=7)
    leaf = torch.tensor(w, requires_grad=True)
    loss = F.mse_loss(torch.tensor(x) @ leaf, torch.tensor(y))
    by_grad = torch.autograd.grad(loss, leaf, retain_graph=True)[0]
    loss.backward()
    assert torch.equal(by_grad, leaf.grad)
    np.testing.assert_allclose(facts.mse_gradient(w, x, y), by_grad.numpy(), rtol=1e-13)


# SciPy


@pytest.mark.parametrize("seed", range(3))
def test_entropies_are_scipys(seed: int) -> None:
    p, q = distributions(seed)
    np.testing.assert_allclose(facts.entropy(p), scipy.stats.entropy(p, axis=1), rtol=1e-13)
    np.testing.assert_allclose(facts.entropy(p, bits=True), scipy.stats.entropy(p, axis=1, base=2), rtol=1e-13)
    np.testing.assert_allclose(facts.kl_divergence(p, q), scipy.special.rel_entr(p, q).sum(1), rtol=1e-12)
    np.testing.assert_allclose(facts.cross_entropy(p, q), facts.entropy(p) + facts.kl_divergence(p, q), rtol=1e-12)
    np.testing.assert_allclose(
        facts.kl_divergence(p, q, bits=True), scipy.stats.entropy(p, q, axis=1, base=2), rtol=1e-12
    )


def test_entropy_by_hand() -> None:
    assert facts.entropy([0.25] * 4, bits=True) == 2.0
    assert facts.entropy([1, 0]) == 0.0
    assert facts.kl_divergence([0.5, 0.5], [0.5, 0.5]) == 0.0
    assert facts.kl_divergence([0.5, 0.5], [1, 0]) == math.inf
    assert facts.cross_entropy([1, 0], [0, 1]) == math.inf


def test_softmax_is_scipys_without_overflow() -> None:
    z = np.random.default_rng(0).normal(size=(5, 4)) * 300
    np.testing.assert_allclose(facts.softmax(z), scipy.special.softmax(z, axis=1), rtol=1e-12)
    np.testing.assert_allclose(facts.log_softmax(z), scipy.special.log_softmax(z, axis=1), rtol=1e-12)
    assert np.isfinite(facts.log_softmax([0.0, 1e5])).all()


def test_between_norm_and_mean_squared_error_lie_a_root_and_a_mean() -> None:
    random = np.random.default_rng(0)
    a, b = random.normal(size=12), random.normal(size=12)
    assert facts.l2_norm(a - b) == pytest.approx(np.linalg.norm(a - b), rel=1e-15)
    assert facts.l2_norm(a - b) == pytest.approx(math.sqrt(12 * facts.mean_squared_error(a, b)), rel=1e-14)
    assert facts.l1_norm(a) == pytest.approx(np.linalg.norm(a, 1), rel=1e-15)


# Activations


@pytest.mark.parametrize("name", sorted(ACTIVATIONS))
def test_derivatives_are_autograds(name: str) -> None:
    x = torch.linspace(-6, 6, 49, dtype=torch.float64, requires_grad=True)  # with 0 in it
    y = ACTIVATIONS[name].function(x)
    (expected,) = torch.autograd.grad(y.sum(), x)
    np.testing.assert_allclose(facts.derivative(name, x.detach().numpy()), expected.numpy(), rtol=1e-14, atol=1e-300)
    np.testing.assert_array_equal(facts.activation(name, x.detach().numpy()), y.detach().numpy())


def test_where_derivatives_peak() -> None:
    x = np.linspace(-8, 8, 1601)
    sigmoid, tanh = facts.sigmoid_derivative(x), facts.tanh_derivative(x)
    assert (sigmoid.max(), x[sigmoid.argmax()]) == (0.25, 0)
    assert (tanh.max(), x[tanh.argmax()]) == (1.0, 0)
    assert facts.relu_derivative(0) == 0
    assert facts.leaky_relu_derivative([0.0, 1e-9]).tolist() == [0.01, 1.0]
    np.testing.assert_allclose(facts.activation("tanh", -x), -facts.activation("tanh", x), atol=0)


# Gradients


def test_logistic_regression_is_autograds() -> None:
    random = np.random.default_rng(0)
    x, w, y = random.normal(size=(9, 4)), random.normal(size=4), (random.random(9) > 0.5).astype(float)
    weight, bias = torch.tensor(w, requires_grad=True), torch.tensor(0.3, dtype=torch.float64, requires_grad=True)
    F.binary_cross_entropy_with_logits(torch.tensor(x) @ weight + bias, torch.tensor(y)).backward()
    found = facts.logistic_regression_gradient(x, y, w, 0.3)
    np.testing.assert_allclose(found.weight, weight.grad.numpy(), rtol=1e-12)
    np.testing.assert_allclose(found.bias, bias.grad.numpy(), rtol=1e-12)


@pytest.mark.parametrize("units", [None, 3])
@pytest.mark.parametrize("halved", [True, False])
def test_perceptrons_are_autograds(units: int | None, halved: bool) -> None:
    random = np.random.default_rng(1)
    shape = () if units is None else (units,)
    x, w, t, b = random.normal(size=4), random.normal(size=(4, *shape)), random.random(shape), random.normal(size=shape)
    weight, bias = torch.tensor(w, requires_grad=True), torch.tensor(b, requires_grad=True)
    error = torch.sigmoid(torch.tensor(x) @ weight + bias) - torch.tensor(t)
    (error.square().sum() / (2 if halved else 1)).backward()
    found = facts.perceptron_gradient(x, w, t, b, halved=halved)
    np.testing.assert_allclose(found.weight, weight.grad.numpy(), rtol=1e-12)
    np.testing.assert_allclose(found.bias, bias.grad.numpy(), rtol=1e-12)


def test_a_perceptrons_gradient_is_twice_as_large_where_the_loss_is_not_halved() -> None:
    halved, whole = (facts.perceptron_gradient([1, 2], [0.5, -0.1], 1, halved=h) for h in (True, False))
    np.testing.assert_allclose(whole.weight, 2 * halved.weight, rtol=1e-15)


def test_cross_entropies_are_torchs() -> None:
    random = np.random.default_rng(2)
    logits, classes, shares = random.normal(size=(6, 4)), random.integers(0, 4, 6), random.random((6, 4))
    z = torch.tensor(logits, requires_grad=True)
    loss = F.cross_entropy(z, torch.tensor(classes))
    (slope,) = torch.autograd.grad(loss, z)
    found = facts.categorical_cross_entropy(logits, classes)
    assert found.value == pytest.approx(loss.item(), rel=1e-13)
    np.testing.assert_allclose(found.gradient, slope.numpy(), rtol=1e-12, atol=1e-16)
    loss = F.binary_cross_entropy_with_logits(z, torch.tensor(shares))
    (slope,) = torch.autograd.grad(loss, z)
    both = facts.binary_cross_entropy(logits, shares)
    assert both.value == pytest.approx(loss.item(), rel=1e-13)
    np.testing.assert_allclose(both.gradient, slope.numpy(), rtol=1e-12)


def test_cross_entropy_with_probabilities_is_that_with_logits() -> None:
    logits = np.random.default_rng(3).normal(size=(5, 3))
    classes = np.array([0, 2, 1, 1, 0])
    by_hand = facts.cross_entropy(np.eye(3)[classes], facts.softmax(logits)).mean()
    assert facts.categorical_cross_entropy(logits, classes).value == pytest.approx(by_hand, rel=1e-13)


def test_the_engines_kl_is_the_divergence() -> None:
    p, q = distributions(4)
    logits, target = torch.tensor(np.log(q))[None], torch.tensor(p)[None]
    np.testing.assert_allclose(make_loss("kl").rows(logits, target)[0].numpy(), facts.kl_divergence(p, q), rtol=1e-12)


def test_squared_error_is_torchs() -> None:
    out, truth = torch.randn(3, 4, dtype=torch.float64, requires_grad=True), torch.randn(3, 4, dtype=torch.float64)
    loss = F.mse_loss(out, truth)
    loss.backward()
    found = facts.squared_error(out.detach().numpy(), truth.numpy())
    assert found.value == pytest.approx(loss.item(), rel=1e-14)
    np.testing.assert_allclose(found.gradient, out.grad.numpy(), rtol=1e-14)
    halved = facts.squared_error(out.detach().numpy(), truth.numpy(), halved=True)
    assert halved.value == found.value / 2
    np.testing.assert_array_equal(halved.gradient, found.gradient / 2)


@pytest.mark.parametrize(
    ("init", "expected"),
    [
        ("xavier", facts.xavier_variance(300, 200)),
        ("xavier-normal:2", facts.xavier_variance(300, 200, gain=2)),
        ("kaiming", facts.he_variance(300)),
        ("kaiming-normal:0.5", facts.he_variance(300, slope=0.5)),
    ],
)
def test_first_weights_of_the_engine_have_these_variances(init: str, expected: float) -> None:
    weight = draw(Shape("weight", (300, 200), "weight", 300), init, 0.0, torch.Generator().manual_seed(0))
    assert float(weight.double().var()) == pytest.approx(expected, rel=0.02)  # 60,000 numbers: 0.6% one sigma


def test_lists_arrays_and_single_numbers() -> None:
    assert isinstance(facts.sigmoid_derivative(0), float)
    assert facts.sigmoid_derivative([[0.0]]).shape == (1, 1)
    assert facts.softmax([[0, 0], [0, 0]]).dtype == np.float64
    assert facts.relu_derivative(np.float32(3)) == 1


REFUSED: dict[str, tuple[Callable[[], Any], str]] = {
    "no distribution": (lambda: facts.entropy([0.5, 0.6]), "sum to 1.1"),
    "negative": (lambda: facts.entropy([1.5, -0.5]), "-0.5"),
    "not finite": (lambda: facts.softmax([0, float("nan")]), r"nan at \[1\]"),
    "text": (lambda: facts.l2_norm("x"), "must be numbers"),
    "shapes": (lambda: facts.kl_divergence([0.5, 0.5], [1, 0, 0]), "same shape"),
    "a class too many": (lambda: facts.categorical_cross_entropy([0.0, 1.0], 2), "from 0 to 1"),
    "no activation": (lambda: facts.derivative("rleu", 1), "Did you mean `relu`"),
    "weights that do not fit": (lambda: facts.perceptron_gradient([1, 2], [1, 2, 3], 0), "x has 2 inputs, weight 3"),
    "rows": (lambda: facts.mse_gradient([1.0], [[1.0], [2.0]], [1.0]), "a row for each"),
    "shares": (lambda: facts.binary_cross_entropy([0.0], [2]), "from 0 to 1"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    call, words = REFUSED[name]
    with pytest.raises(PlanError, match=words):
        call()
