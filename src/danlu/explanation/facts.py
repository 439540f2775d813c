"""The formulas that lessons begin with, each a small function: numbers, lists or arrays in, float64 out.

Activations and losses are those that Danlu trains with (`networks.activations`, `population.losses`), asked for a few
numbers in float64; what these do not have is written here, and tested against autograd and SciPy. Logarithms are
natural unless `bits` is asked for: results are in nats, 1 nat = 1 / ln 2 = 1.4427 bits.

>>> from danlu import facts
>>> round(facts.cross_entropy([0, 1, 0], [0.05, 0.88, 0.07]), 3)
0.128
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from danlu.core.errors import PlanError, nearest
from danlu.networks.activations import ACTIVATIONS
from danlu.population.losses import make_loss

Array = np.ndarray
"""Float64; a plain float where the input is a single number."""


class WithGradient(NamedTuple):
    """A value, and its gradient by what the function says."""

    value: float
    gradient: Array


class Affine(NamedTuple):
    """Gradients by the weights and by the bias of `x @ weight + bias`."""

    weight: Array
    bias: Array


def _numbers(values: Any, name: str, shape: str = "") -> Array:
    """Return finite numbers as float64.

    Raises:
        PlanError: they are none.
    """
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise PlanError(f"`{name}` must be numbers", f"got {values!r}"[:100]) from None
    for place in np.argwhere(~np.isfinite(array)).tolist():
        raise PlanError(f"`{name}` must be finite", f"got {array[tuple(place)]} at {place}")
    if shape and array.ndim != shape.count(",") + 1:
        raise PlanError(f"`{name}` must be {shape}", f"got the shape {list(array.shape)}")
    return array


def _same_shape(one: Array, other: Array, names: str) -> None:
    if one.shape != other.shape:
        raise PlanError(f"{names} must have the same shape", f"got {list(one.shape)} and {list(other.shape)}")


def _distribution(values: Any, name: str) -> Array:
    """Return probabilities of outcomes, along the last axis.

    Raises:
        PlanError: one is negative, or they do not sum to 1.
    """
    p = _numbers(values, name)
    if p.ndim == 0:
        raise PlanError(f"`{name}` must be the probabilities of all outcomes", f"got the number {p:g}")
    sums = p.sum(-1)
    if (p < 0).any() or not np.allclose(sums, 1, atol=1e-6, rtol=0):
        fact = f"got {p.min():g}" if (p < 0).any() else f"they sum to {np.ravel(sums)[0]:.6g}"
        raise PlanError(f"`{name}` must be probabilities: at least 0, with the sum 1", fact)
    return p


def _plain(values: Array) -> Any:
    return float(values) if np.ndim(values) == 0 else values


def entropy(p: Any, *, bits: bool = False) -> Any:
    """Return the entropy H(p) = -sum of p log p: the mean surprise, in nats or bits.

    Shape: p [..., K] -> [...], a float for a single distribution; 0 log 0 = 0.

    >>> entropy([0.5, 0.5], bits=True), round(entropy([0.5, 0.5]), 4), entropy([1, 0])
    (1.0, 0.6931, 0.0)
    """
    p_K = _distribution(p, "p")
    return _plain(_in(-_times_log(p_K, p_K).sum(-1), bits))


def cross_entropy(p: Any, q: Any, *, bits: bool = False) -> Any:
    """Return H(p, q) = -sum of p log q: the mean surprise of one who expects q where p holds, in nats or bits.

    It is infinite where q is 0 and p is not. H(p, q) = H(p) + KL(p, q).

    Shape: p, q [..., K] -> [...].

    >>> round(cross_entropy([0, 1], [0.12, 0.88]), 3)
    0.128
    """
    p_K, q_K = _distribution(p, "p"), _distribution(q, "q")
    _same_shape(p_K, q_K, "`p` and `q`")
    return _plain(_in(-_times_log(p_K, q_K).sum(-1), bits))


def kl_divergence(p: Any, q: Any, *, bits: bool = False) -> Any:
    """Return KL(p, q) = sum of p log(p / q): what expecting q costs beyond the entropy of p; 0 for q = p alone.

    It is not symmetric, and infinite where q is 0 and p is not.

    Shape: p, q [..., K] -> [...], in nats or bits.

    >>> round(kl_divergence([0.5, 0.5], [0.9, 0.1]), 4), round(kl_divergence([0.9, 0.1], [0.5, 0.5]), 4)
    (0.5108, 0.3681)
    """
    p_K, q_K = _distribution(p, "p"), _distribution(q, "q")
    _same_shape(p_K, q_K, "`p` and `q`")
    return _plain(_in((_times_log(p_K, p_K) - _times_log(p_K, q_K)).sum(-1), bits))


def _times_log(p: Array, q: Array) -> Array:
    """Return p log q, 0 where p is 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(p > 0, p * np.log(q), 0.0) + 0.0


def _in(nats: Array, bits: bool) -> Array:
    return (nats / math.log(2) if bits else nats) + 0.0


def l1_norm(x: Any) -> float:
    """Return |x|_1 = sum of |x|.

    >>> l1_norm([3, -4])
    7.0
    """
    return float(np.abs(_numbers(x, "x")).sum())


def l2_norm(x: Any) -> float:
    """Return |x|_2 = root of the sum of x squared.

    The mean squared error of n numbers is l2_norm(error) ** 2 / n: between the two lie a root and a mean, so that
    `l2_norm(error) == sqrt(n * mean_squared_error)`.

    >>> l2_norm([3, -4]), mean_squared_error([3, -4], [0, 0])
    (5.0, 12.5)
    """
    return float(np.sqrt(np.square(_numbers(x, "x")).sum()))


def mean_squared_error(outputs: Any, targets: Any) -> float:
    """Return the mean of (output - target) squared, over all numbers; its unit is that of the target squared.

    >>> mean_squared_error([2.0], [1.0])
    1.0
    """
    return squared_error(outputs, targets).value


def squared_error(outputs: Any, targets: Any, *, halved: bool = False) -> WithGradient:
    """Return the mean squared error and its gradient by the outputs, 2 (output - target) / n; both halved if asked.

    >>> squared_error([1.5], [0.0])
    WithGradient(value=2.25, gradient=array([3.]))
    """
    out, truth = _numbers(outputs, "outputs"), _numbers(targets, "targets")
    _same_shape(out, truth, "`outputs` and `targets`")
    return _engine("mse", out.reshape(1, 1, -1), truth.reshape(1, 1, -1), out.shape, 0.5 if halved else 1.0)


def mse_gradient(w: Any, x: Any, y: Any) -> Any:
    """Return the gradient of (x w - y) squared by the weights w, the mean over rows: 2 x (x w - y).

    Shape: w [F], x [N, F], y [N] -> [F]; or a single number each.

    >>> mse_gradient(2, 1, 1)
    2.0
    """
    weights, rows, truth = _numbers(w, "w"), _numbers(x, "x"), _numbers(y, "y")
    w_F, x_NF, y_N = weights.reshape(-1), rows.reshape(-1, weights.size), truth.reshape(-1)
    if len(x_NF) != len(y_N):
        raise PlanError("`x` must have a row for each of `y`", f"got {list(rows.shape)} and {list(truth.shape)}")
    gradient_F = 2 * x_NF.T @ (x_NF @ w_F - y_N) / len(y_N)
    return _plain(gradient_F.reshape(weights.shape))


def softmax(z: Any) -> Array:
    """Return exp(z_k) / sum of exp(z): probabilities from logits, along the last axis; no overflow.

    >>> softmax([0.0, 0.0])
    array([0.5, 0.5])
    """
    return torch.softmax(_tensor(z, "z"), -1).numpy()


def log_softmax(z: Any) -> Array:
    """Return z_k - log of the sum of exp(z): the logarithm of softmax, finite where softmax itself rounds to 0.

    >>> log_softmax([0.0, 1000.0])
    array([-1000.,     0.])
    """
    return torch.log_softmax(_tensor(z, "z"), -1).numpy()


def softmax_jacobian(z: Any) -> Array:
    """Return how each probability changes with each logit: J[i, j] = p_i ((i = j) - p_j). Rows and columns sum to 0.

    Shape: z [K] -> [K, K], row i of output i.

    >>> softmax_jacobian([0.2317, 0.3873, 0.8968])[1].round(4)
    array([-0.0691,  0.2034, -0.1343])
    """
    p_K = softmax(_numbers(z, "z", "[K]"))
    return np.diag(p_K) - np.outer(p_K, p_K)


def activation(name: str, x: Any) -> Any:
    """Return an activation by its name in `danlu fit --activation`, elementwise.

    >>> activation("leaky-relu", [-2.0, 3.0])
    array([-0.02,  3.  ])
    """
    return _plain(_known(name).function(_tensor(x, "x")).numpy())


def derivative(name: str, x: Any) -> Any:
    """Return the derivative of an activation, elementwise: the very one that training uses.

    At 0 ReLU's is taken as 0, and leaky ReLU's as its slope below 0.

    >>> derivative("relu", [-1.0, 0.0, 2.0])
    array([0., 0., 1.])
    """
    known, x_ = _known(name), _tensor(x, "x")
    return _plain(known.slope(torch.ones_like(x_), x_, known.function(x_)).numpy())


def sigmoid_derivative(x: Any) -> Any:
    """Return s(x) (1 - s(x)), with s(x) = 1 / (1 + exp(-x)); 0.25 at most, at 0.

    >>> sigmoid_derivative(0)
    0.25
    """
    return derivative("sigmoid", x)


def tanh_derivative(x: Any) -> Any:
    """Return 1 - tanh(x) squared; 1 at most, at 0.

    >>> tanh_derivative(0)
    1.0
    """
    return derivative("tanh", x)


def relu_derivative(x: Any) -> Any:
    """Return 1 above 0, else 0.

    >>> relu_derivative([-3, 0, 3])
    array([0., 0., 1.])
    """
    return derivative("relu", x)


def leaky_relu_derivative(x: Any) -> Any:
    """Return 1 above 0, else 0.01.

    >>> leaky_relu_derivative([-3, 0, 3])
    array([0.01, 0.01, 1.  ])
    """
    return derivative("leaky-relu", x)


def _known(name: str) -> Any:
    if name not in ACTIVATIONS:
        raise PlanError("an activation must be one of Danlu's", f"got {name!r}", nearest(name, ACTIVATIONS))
    return ACTIVATIONS[name]


def logistic_regression_gradient(x: Any, y: Any, weight: Any, bias: float = 0.0) -> Affine:
    """Return the gradient of binary cross-entropy of sigmoid(x w + b), the mean over rows: x^T (p - y) / N.

    Shape: x [N, F], y [N] of 0 and 1 (or shares between), weight [F] -> [F], and a bias of one number.

    >>> logistic_regression_gradient([[1.0, 2.0]], [1], [0.0, 0.0])
    Affine(weight=array([-0.5, -1. ]), bias=array(-0.5))
    """
    x_NF, y_N, w_F = _numbers(x, "x", "[N, F]"), _numbers(y, "y", "[N]"), _numbers(weight, "weight", "[F]")
    _fits(x_NF, w_F, y_N, x_NF.shape[:1])
    logits = x_NF @ w_F + float(_numbers(bias, "bias"))
    slope_N = np.asarray(binary_cross_entropy(logits, y_N).gradient)
    return Affine(x_NF.T @ slope_N, np.asarray(slope_N.sum()))


def perceptron_gradient(x: Any, weight: Any, target: Any, bias: Any = 0.0, *, halved: bool = True) -> Affine:
    """Return the gradient of the squared error of sigmoid units, o = s(x w + b), summed over the outputs.

    The loss is the sum of (o_k - t_k) squared, halved by default, as lessons do: the 2 of the derivative is then gone.
    By weight j of unit k it is (o_k - t_k) o_k (1 - o_k) x_j, twice that where the loss is not halved.

    Shape: x [F]; one unit: weight [F], target a number -> [F], one number. Several: weight [F, K] (a column a unit, as
        Danlu keeps them), target [K] -> [F, K], [K].

    >>> perceptron_gradient([1.0, 1.0], [0.0, 0.0], 1.0)
    Affine(weight=array([-0.125, -0.125]), bias=array(-0.125))
    >>> perceptron_gradient([1.0], [[0.0, 0.0]], [0.0, 1.0], halved=False).weight
    array([[ 0.25, -0.25]])
    """
    x_F, w, t = _numbers(x, "x", "[F]"), _numbers(weight, "weight"), _numbers(target, "target")
    if w.ndim not in (1, 2):
        raise PlanError("`weight` must be [F], or [F, K] of several units", f"got {list(w.shape)}")
    _fits(x_F, w, t, w.shape[1:])
    before = x_F @ w + _numbers(bias, "bias")
    slope = (np.asarray(activation("sigmoid", before)) - t) * derivative("sigmoid", before) * (1 if halved else 2)
    return Affine(x_F[:, None] * slope if w.ndim == 2 else x_F * slope, np.asarray(slope))


def _fits(x: Array, weight: Array, target: Array, shape: tuple[int, ...]) -> None:
    """Refuse shapes that do not fit together."""
    if x.shape[-1] != weight.shape[0]:
        fact = f"x has {x.shape[-1]} inputs, weight {weight.shape[0]}"
        raise PlanError("`weight` must have an entry or a row for each input", fact)
    if target.shape != shape:
        raise PlanError(f"the target must have the shape {list(shape)}", f"got {list(target.shape)}")


def binary_cross_entropy(logits: Any, targets: Any) -> WithGradient:
    """Return the mean of -t log p - (1 - t) log(1 - p) with p = s(logit), and its gradient by the logits, (p - t) / n.

    Shape: logits, targets of one shape; targets are 0, 1 or shares between. In nats.

    >>> round(binary_cross_entropy([0.0], [1]).value, 4)
    0.6931
    """
    z, truth = _numbers(logits, "logits"), _numbers(targets, "targets")
    _same_shape(z, truth, "`logits` and `targets`")
    if truth.size and not 0 <= truth.min() <= truth.max() <= 1:
        raise PlanError("`targets` must be from 0 to 1", f"got {truth.min():g} to {truth.max():g}")
    return _engine("binary-cross-entropy", z.reshape(1, 1, -1), truth.reshape(1, 1, -1), z.shape)


def categorical_cross_entropy(logits: Any, classes: Any) -> WithGradient:
    """Return the mean of -log p of the true class, p = softmax(logits), and its gradient by the logits, (p - true) / N.

    Shape: logits [N, K], classes [N] of numbers from 0; or [K] and one number. In nats.

    >>> round(categorical_cross_entropy([0.0, math.log(0.88 / 0.12)], 1).value, 3)
    0.128
    """
    z, truth = _numbers(logits, "logits"), np.asarray(classes)
    if z.ndim not in (1, 2) or truth.shape != z.shape[:-1]:
        raise PlanError("`classes` must have a number for each row of logits", f"got {truth.shape} for {z.shape}")
    if truth.dtype.kind not in "iu" or not ((truth >= 0) & (truth < z.shape[-1])).all():
        raise PlanError(f"`classes` must be whole numbers from 0 to {z.shape[-1] - 1}", f"got {truth.tolist()}"[:80])
    return _engine("cross-entropy", z.reshape(1, -1, z.shape[-1]), truth.reshape(1, -1).astype(np.int64), z.shape)


def _engine(loss: str, outputs: Array, targets: Array, shape: tuple[int, ...], factor: float = 1.0) -> WithGradient:
    """Return a loss of the engine's, the mean over rows, with its slope: `[1, B, C]` and targets as it takes them."""
    value_MB, slope = make_loss(loss).of(torch.tensor(outputs), torch.tensor(targets), None)
    rows = value_MB.shape[1]
    return WithGradient(factor * float(value_MB.mean()), factor * slope().numpy().reshape(shape) / rows)


def xavier_variance(inputs: int, outputs: int, gain: float = 1.0) -> float:
    """Return the variance of first weights that keeps that of outputs and of gradients: gain^2 2 / (in + out).

    Glorot & Bengio 2010, equation 12: for activations with slope 1 at 0, such as tanh.

    >>> xavier_variance(300, 100)
    0.005
    """
    return gain**2 * 2 / (inputs + outputs)


def he_variance(inputs: int, slope: float = 0.0) -> float:
    """Return the variance of first weights that keeps that of outputs behind a ReLU: 2 / ((1 + slope^2) in).

    He et al. 2015, equations 10 and 15; `slope` is a leaky ReLU's below 0.

    >>> he_variance(200)
    0.01
    """
    return 2 / ((1 + slope**2) * inputs)


def _tensor(values: Any, name: str) -> Tensor:
    return torch.from_numpy(np.atleast_1d(_numbers(values, name)).copy()).reshape(np.shape(values))
