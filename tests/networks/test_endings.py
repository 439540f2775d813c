"""What a module ends with: read from autograd's graph, or seen in its outputs."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from danlu.networks.endings import ending

X = torch.randn(200, 4, generator=torch.Generator().manual_seed(0))


class Ends(nn.Module):
    def __init__(self, last: Callable[[Tensor], Tensor], training: bool | None = None) -> None:
        super().__init__()
        self.layer, self.last, self.only = nn.Linear(4, 3), last, training

    def forward(self, x: Tensor) -> Tensor:
        y = self.layer(x)
        return self.last(y) if self.only in (None, self.training) else y


@pytest.mark.parametrize(
    ("last", "name"),
    [
        (nn.ReLU(), "ReLU"),
        (nn.ReLU(inplace=True), "ReLU"),
        (nn.ReLU6(), "ReLU6"),
        (nn.Sigmoid(), "sigmoid"),
        (nn.Tanh(), "tanh"),
        (nn.Softmax(1), "softmax"),
        (nn.Softmin(1), "softmax"),
        (nn.LogSoftmax(1), "log-softmax"),
        (nn.LogSigmoid(), "log-sigmoid"),
        (nn.Softplus(), "softplus"),
        (nn.ELU(), "ELU"),
        (nn.SELU(), "SELU"),
        (nn.GELU(), "GELU"),
        (nn.SiLU(), "SiLU"),
        (nn.Mish(), "mish"),
        (nn.Hardtanh(), "hard tanh"),
        (nn.Hardsigmoid(), "hard sigmoid"),
        (nn.Hardswish(), "hard swish"),
        (nn.Threshold(0.0, 0.0), "threshold"),
        (lambda y: y.clamp(-2, 2), "clamp"),
        (torch.exp, "exp"),
        (torch.abs, "absolute value"),
    ],
)
def test_the_operation_and_its_true_limits(last: Callable[[Tensor], Tensor], name: str) -> None:
    found = ending(Ends(last), X)
    assert found is not None
    assert found.activation == name
    # The limits hold for any input, and are nearly reached.
    values = last(torch.cat([torch.linspace(-60, 60, 60_001)[:, None], torch.zeros(60_001, 2)], 1))[:, 0]
    for limit, end in ((found.low, values.min()), (found.high, values.max())):
        if limit is not None:
            assert float(end) == pytest.approx(limit, abs=2e-3)


@pytest.mark.parametrize(
    ("last", "name"),
    [
        (lambda y: y * (y > 0), "ReLU"),
        (lambda y: torch.where(y > 0, y, 0 * y), "ReLU"),
        (lambda y: y.exp() / y.exp().sum(1, keepdim=True), "softmax"),
    ],
)
def test_what_autograd_does_not_name_is_seen_in_the_outputs(last: Callable[[Tensor], Tensor], name: str) -> None:
    found = ending(Ends(last), X)
    assert found is not None
    assert found.activation == name


@pytest.mark.parametrize(
    "last",
    [
        lambda y: F.relu(y).view(-1).reshape(-1, 3).squeeze(),
        lambda y: F.dropout(F.relu(y), 0.5, True),
        lambda y: F.relu(y).t().t().contiguous(),
    ],
)
def test_moving_values_hides_nothing(last: Callable[[Tensor], Tensor]) -> None:
    found = ending(Ends(last), X)
    assert found is not None
    assert found.activation == "ReLU"


def test_a_slope_and_shares_of_zero() -> None:
    leaky = ending(Ends(nn.LeakyReLU(0.02)), X)
    assert leaky is not None
    assert (leaky.activation, leaky.slope) == ("leaky ReLU", pytest.approx(0.02))
    module = Ends(nn.ReLU())
    found = ending(module, X)
    assert found is not None
    assert found.zeros == pytest.approx(float((module(X) == 0).float().mean()))
    assert (found.rows, found.outputs) == (200, 3)


@pytest.mark.parametrize(("training", "only"), [(True, "training"), (False, "prediction"), (None, "")])
def test_one_pass_alone_is_named(training: bool | None, only: str) -> None:
    found = ending(Ends(nn.Softmax(1), training), X)
    assert found is not None
    assert found.only == only


def test_most_networks_end_with_a_linear_layer_and_are_left_as_they_were() -> None:
    module = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.BatchNorm1d(8), nn.Linear(8, 3)).eval()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    assert ending(module, X) is None
    assert not module.training
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
    assert ending(nn.Sequential(nn.Linear(4, 3), nn.PReLU()), X) is None, "its slope is learnt"
