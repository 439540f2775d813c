"""Losses against arithmetic by hand and autograd."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from danlu.core.errors import PlanError
from danlu.explanation.pictures.losses import DEFAULT, loss_at, loss_curves

CURVES = {curve.name: curve for curve in loss_curves()}


@pytest.mark.parametrize(
    ("name", "x", "value", "gradient"),
    [
        ("mse", 1.0, 1.0, 2.0),  # w = 2, x = 1, y = 1: the gradient of the lesson
        ("mse", -3.0, 9.0, -6.0),
        ("l1", -2.0, 2.0, -1.0),
        ("l1", 0.0, 0.0, 0.0),
        ("huber:1", 3.0, 2.5, 1.0),
        ("huber:0.5", 0.25, 0.03125, 0.25),
        ("pinball:0.9", -1.0, 0.9, -0.9),
        ("pinball:0.9", 1.0, 0.1, 0.1),
        ("cross-entropy", 0.88, -math.log(0.88), -0.12),
        ("binary-cross-entropy", 0.25, math.log(4), -0.75),
        ("kl", 0.5, 0.7 * math.log(1.4) + 0.3 * math.log(0.6), -0.2),
        ("poisson", 0.0, 1.0, -1.0),
    ],
)
def test_by_hand(name: str, x: float, value: float, gradient: float) -> None:
    assert loss_at(name, x) == pytest.approx((value, gradient), abs=1e-12)


def test_a_true_class_given_88_percent_costs_0_128() -> None:
    assert round(loss_at("cross-entropy", 0.88)[0], 3) == 0.128


@pytest.mark.parametrize("name", DEFAULT)
def test_gradients_are_the_slopes_of_the_values(name: str) -> None:
    curve = CURVES[name]
    middle = (curve.x_N[1:] + curve.x_N[:-1]) / 2
    slope = np.diff(curve.value_N) / np.diff(curve.x_N)
    gradient = np.array([loss_at(name, x)[1] for x in middle])
    if curve.by == "probability":  # the gradient is by the logit: dp = p (1 - p) dlogit
        slope = slope * middle * (1 - middle)
    np.testing.assert_allclose(gradient[5:-5], slope[5:-5], atol=0.02)


def test_kl_is_torchs() -> None:
    curve = CURVES["kl"]
    p = torch.tensor(np.stack([curve.x_N, 1 - curve.x_N], 1))
    truth = torch.tensor([0.7, 0.3], dtype=torch.float64).expand_as(p)
    np.testing.assert_allclose(curve.value_N, F.kl_div(p.log(), truth, reduction="none").sum(1), atol=1e-12)
    assert curve.lowest[0] == pytest.approx(0.7, abs=0.003)


def test_unknown_losses_are_refused_with_the_nearest() -> None:
    with pytest.raises(PlanError, match="huber"):
        loss_curves(["hubber"])
    with pytest.raises(PlanError, match="quantile"):
        loss_curves(["pinball:2"])
