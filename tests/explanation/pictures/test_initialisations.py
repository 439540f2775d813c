"""Why Xavier and He: variances through depth against theory and a plain torch network; the symmetric start."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from danlu.core.errors import PlanError
from danlu.explanation.pictures import initialisations as pictures
from danlu.explanation.pictures.initialisations import Depth, depths, starts


@pytest.fixture(scope="module")
def found() -> dict[tuple[str, str], Depth]:
    return {(d.activation, d.init): d for d in depths()}


def ends(depth: Depth, name: str) -> tuple[float, float]:
    """Return the middle over networks in the first and the last layer."""
    middle = np.median(getattr(depth, name), axis=1)
    return float(middle[0]), float(middle[-1])


def test_xavier_has_the_variance_of_its_paper_and_keeps_that_of_linear_layers_both_ways() -> None:
    (depth,) = depths(["xavier-normal"], ["identity"], width=200, members=8)
    assert depth.weight_variance == pytest.approx(2 / (200 + 200), rel=0.02)
    for name in ("activation_LM", "gradient_LM"):
        spread = np.median(getattr(depth, name), axis=1)
        assert spread == pytest.approx(np.ones(20), rel=0.3)


def test_he_keeps_relu_alive_and_xavier_does_not(found) -> None:
    he, xavier = found["relu", "kaiming"], found["relu", "xavier"]
    assert he.weight_variance == pytest.approx(2 / 100, rel=0.05)  # bound sqrt(6 / n): variance 2 / n
    for name in ("activation_LM", "gradient_LM"):
        first, last = ends(he, name)
        assert 0.3 < last / first < 3
    # ReLU halves the mean square in every layer: over 19 layers a factor of 2 ** -9.5 = 0.0014.
    first, last = ends(xavier, "activation_LM")
    assert last / first == pytest.approx(2**-9.5, rel=0.6)


def test_small_and_default_weights_lose_everything(found) -> None:
    # tanh is straight near 0: each layer of normal:0.01 multiplies by 0.01 sqrt(100) = 0.1.
    small = found["tanh", "normal:0.01"]
    first, last = ends(small, "activation_LM")
    assert np.log10(last / first) == pytest.approx(-19, abs=1)
    first, last = ends(small, "gradient_LM")
    assert np.log10(first / last) == pytest.approx(-19, abs=1)
    # PyTorch's default has variance 1 / (3 n): a factor of 0.577 a layer.
    default = found["tanh", "default"]
    first, last = ends(default, "activation_LM")
    assert last / first == pytest.approx(3**-9.5, rel=0.6)


def test_a_pass_is_that_of_a_plain_torch_network() -> None:
    layers, width = 3, 16
    depth = depths(["xavier"], ["tanh"], layers=layers, width=width, members=1, seed=7)[0]
    network = pictures._network("xavier", "tanh", (width,) * layers, width)
    key = pictures.stream(7, "initialisations", 0)
    named = network.named(network.initial([key], torch.float64)[0])
    generator = torch.Generator().manual_seed(pictures.stream(7, "initialisations", "rows"))
    x, slope = torch.randn(2, pictures.ROWS, width, generator=generator, dtype=torch.float64)
    kept = []
    for i in range(layers):
        x = torch.tanh(x @ named[f"hidden.{i}.weight"][0]).requires_grad_()
        x.retain_grad()
        kept.append(x)
    (x @ named["output.weight"][0]).backward(slope)
    for i, values in enumerate(kept):
        assert values.grad is not None
        assert depth.activation_LM[i, 0] == pytest.approx(values.detach().std(correction=0).item(), rel=1e-12)
        assert depth.gradient_LM[i, 0] == pytest.approx(values.grad.std(correction=0).item(), rel=1e-12)


def test_units_that_start_equal_stay_equal() -> None:
    equal, random = starts()
    assert (equal.init, equal.distinct) == ("constant:0.5", 1)
    assert (random.init, random.distinct) == ("xavier", 8)
    assert np.ptp(equal.weight_SU, axis=1).max() < 1e-12
    assert abs(equal.weight_SU[-1, 0] - equal.weight_SU[0, 0]) > 0.05  # it learns, but one feature only
    assert random.loss_S[-1] < 0.5 * equal.loss_S[-1]


def test_equal_weights_give_equal_units_in_a_deep_network_too() -> None:
    constant, random = depths(["constant:0.01", "default"], ["tanh"], layers=3, width=32)
    assert (constant.distinct, random.distinct) == (1, 32)


def test_wrong_names_are_refused_with_the_nearest() -> None:
    with pytest.raises(PlanError, match="Did you mean `xavier`"):
        depths(["xaver"])
    with pytest.raises(PlanError, match="Did you mean `tanh`"):
        depths(activations=["tahn"])
    with pytest.raises(PlanError, match="at least 1"):
        depths(layers=0)
