"""Activations against autograd and arithmetic; the facts of the tutorials hold."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from danlu.core.errors import PlanError
from danlu.explanation.pictures.activations import NAMES, activation_curves
from danlu.networks.activations import ACTIVATIONS

CURVES = {curve.name: curve for curve in activation_curves()}


def test_all_activations_and_the_step_are_there_on_minus_8_to_8() -> None:
    assert tuple(CURVES) == NAMES == ("step", *ACTIVATIONS)
    for curve in CURVES.values():
        assert curve.x_N[0] == -8
        assert curve.x_N[-1] == 8
        assert 0.0 in curve.x_N


@pytest.mark.parametrize("name", list(ACTIVATIONS))
def test_derivatives_are_autograds(name: str) -> None:
    curve = CURVES[name]
    x = torch.tensor(curve.x_N, requires_grad=True)
    module = ACTIVATIONS[name].module().double()
    y = module(x)
    y.sum().backward()
    np.testing.assert_allclose(curve.value_N, y.detach().numpy(), rtol=0, atol=1e-14)
    assert x.grad is not None
    np.testing.assert_allclose(curve.derivative_N, x.grad.numpy(), rtol=0, atol=1e-14)


def test_relu_at_zero() -> None:
    assert CURVES["relu"].at_zero == (0.0, 0.0)


def test_sigmoids_slope_peaks_at_a_quarter_at_zero_and_tanhs_at_one() -> None:
    assert CURVES["sigmoid"].steepest == (0.0, 0.25)
    assert CURVES["tanh"].steepest == (0.0, 1.0)
    assert CURVES["sigmoid"].derivative_N.max() == 0.25
    assert CURVES["tanh"].derivative_N.max() == 1.0


def test_which_are_odd() -> None:
    assert {name for name, curve in CURVES.items() if curve.odd} == {"tanh", "identity"}


def test_alive_ranges_are_those_of_the_tutorials() -> None:
    def whole(name: str) -> list[int | None]:
        alive = CURVES[name].alive
        assert alive is not None
        return [None if end is None else round(end) for end in alive]

    assert whole("sigmoid") == [-4, 4]
    assert whole("tanh") == [-2, 2]
    assert whole("softplus") == [-3, None]
    assert CURVES["relu"].alive == (0.0, None)
    assert CURVES["identity"].alive == (None, None)
    assert CURVES["step"].alive is None


def test_alive_ends_where_the_slope_is_a_twentieth_of_the_steepest() -> None:
    # sigmoid: s (1 - s) = 0.05 / 4; tanh is a sigmoid of twice the input; softplus: sigmoid(x) = 0.05.
    s = (1 + np.sqrt(1 - 0.05)) / 2
    end = np.log(s / (1 - s))
    assert CURVES["sigmoid"].alive == pytest.approx((-end, end), abs=1e-9)
    assert CURVES["tanh"].alive == pytest.approx((-end / 2, end / 2), abs=1e-9)
    low, high = CURVES["softplus"].alive or (0, 0)
    assert low == pytest.approx(np.log(0.05 / 0.95), abs=1e-9)
    assert high is None


def test_a_peak_between_the_points_is_found() -> None:
    # The derivative of gelu, Phi(x) + x phi(x), is largest where 2 phi(x) = x^2 phi(x): at the root of 2.
    at, slope = CURVES["gelu"].steepest
    assert at == pytest.approx(np.sqrt(2), abs=1e-6)
    assert slope == pytest.approx(1.128904, abs=1e-6)


def test_the_step_has_no_derivative_at_its_jump() -> None:
    step = CURVES["step"]
    assert set(step.value_N) == {0.0, 1.0}
    assert step.value_N[step.x_N == 0] == 1.0
    assert np.isnan(step.derivative_N[step.x_N == 0]).all()
    assert not step.derivative_N[step.x_N != 0].any()


def test_unknown_names_and_empty_ranges_are_refused() -> None:
    with pytest.raises(PlanError, match="Did you mean `tanh`"):
        activation_curves(["tahn"])
    with pytest.raises(PlanError, match="`low` must be below `high`"):
        activation_curves(low=1, high=1)
