"""Losses and their gradients, by the functions that training runs, in float64."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from danlu.core.parsing import LOSSES, split_setting
from danlu.core.plan import make_plan
from danlu.population.losses import make_loss

DEFAULT = ("mse", "l1", "huber:1", "pinball:0.9", "binary-cross-entropy", "cross-entropy", "kl", "poisson")
SHARE = 0.7
"""The true share of the first of two outputs under the KL divergence."""
RATE = 2.0
"""The true count under the Poisson loss."""
assert {split_setting(name)[0] for name in DEFAULT} == set(LOSSES)


@dataclass(frozen=True)
class LossCurve:
    """A loss of one row on N points: its value, and its gradient by the network's output.

    by: what x is: error (prediction minus truth), probability (of the true class, or of the first of two outputs
        under the KL divergence) or log-rate (the output, whose exponential is the predicted count).
    truth: what is true, in words.
    lowest: where the value is least, (x, value); the edge where it falls to the end.
    """

    name: str
    by: str
    truth: str
    x_N: np.ndarray
    value_N: np.ndarray
    gradient_N: np.ndarray
    lowest: tuple[float, float]


def loss_curves(names: Sequence[str] = (), points: int = 401) -> list[LossCurve]:
    """Return losses by name ("huber:0.5"), all without one.

    Raises:
        PlanError: a name is unknown, or its number out of range.

    >>> [round(number, 6) for number in loss_at("cross-entropy", 0.88)]
    [0.127833, -0.12]
    >>> curve = loss_curves(["mse"])[0]
    >>> curve.by, curve.lowest
    ('error', (0.0, 0.0))
    """
    return [_curve(name, points) for name in names or DEFAULT]


def loss_at(name: str, x: float) -> tuple[float, float]:
    """Return value and gradient of a loss at one error, probability or logarithm of a rate."""
    value, gradient = _values(name, np.array([float(x)]))
    return float(value[0]), float(gradient[0])


def _curve(name: str, points: int) -> LossCurve:
    make_plan(loss=name)  # refuses unknown names, with the nearest
    kind = split_setting(name)[0]
    by, truth, low, high = _AXES[kind]
    x_N = np.linspace(low, high, points)
    value_N, gradient_N = _values(name, x_N)
    least = int(value_N.argmin())
    return LossCurve(name, by, truth, x_N, value_N, gradient_N, (round(float(x_N[least]), 12), float(value_N[least])))


_ERROR = ("error", "", -4.0, 4.0)
_AXES = {
    "mse": _ERROR,
    "l1": _ERROR,
    "huber": _ERROR,
    "pinball": _ERROR,
    "binary-cross-entropy": ("probability", "the class is 1", 0.005, 0.995),
    "cross-entropy": ("probability", "", 0.005, 0.995),
    "kl": ("probability", f"its true share is {SHARE:g}", 0.005, 0.995),
    "poisson": ("log-rate", f"the count is {RATE:g}", -3.0, 3.0),
}
"""Of each loss: what x is, what is true, and the ends of the axis."""


def _values(name: str, x_N: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return value and gradient by the first output, for one row a point."""
    loss = make_loss(name)
    x = torch.from_numpy(np.ascontiguousarray(x_N, np.float64))
    zero = torch.zeros_like(x)
    if loss.scaled:
        outputs, target = x[None, :, None], zero[None, :, None]
    elif loss.name == "poisson":
        outputs, target = x[None, :, None], torch.full((1, len(x), 1), RATE, dtype=x.dtype)
    elif loss.name == "binary-cross-entropy":
        outputs, target = torch.logit(x)[None, :, None], torch.ones(1, len(x), dtype=torch.long)
    else:  # two outputs, of which the first has the probability x
        outputs = torch.stack([torch.logit(x), zero], 1)[None]
        target = torch.zeros(1, len(x), dtype=torch.long)
        if loss.name == "kl":
            target = torch.tensor([SHARE, 1 - SHARE], dtype=x.dtype).expand(1, len(x), 2)
    value_MB, slope = loss.of(outputs, target, None)
    return value_MB[0].numpy().copy(), slope()[0, :, 0].numpy().copy()
