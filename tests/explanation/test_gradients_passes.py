"""What passes do besides computing: chance, writing over, what is not finite, what is not used."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import danlu
from danlu.core.errors import DataError
from danlu.explanation.gradients_records import GradientCheck, ParameterCheck
from explanation.planted import Affine, Elementwise


@pytest.fixture(autouse=True)
def _same_numbers() -> Iterator[None]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


def seeded(make: Callable[[], nn.Module], seed: int = 0) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return make()


def by_name(check: GradientCheck) -> dict[str, ParameterCheck]:
    return {each.name: each for each in check.parameters}


def test_dropout_keeps_its_mask_and_is_named() -> None:
    net = seeded(lambda: nn.Sequential(nn.Linear(5, 8), nn.Dropout(0.5), nn.Linear(8, 2)))
    check = danlu.check_gradients(net)
    assert check.verdict == "right"
    assert [(fault.kind, fault.where) for fault in check.faults] == [("random", "1 (Dropout)")]
    assert "same ones (seed 0)" in check.faults[0].text
    assert not danlu.check_gradients(net.eval()).faults


def test_a_wrong_dropout_is_found_in_spite_of_its_chance() -> None:
    class Forgetful(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            keep = (torch.rand_like(x) > 0.5).double()
            return Elementwise(lambda x: 2 * keep * x, lambda g, _: keep * g)(x)

    check = danlu.check_gradients(nn.Sequential(seeded(lambda: nn.Linear(5, 8)), Forgetful()))
    assert check.verdict == "wrong"
    assert "1 (Forgetful)" in [fault.where for fault in check.faults if fault.kind == "backward"]


class Noise(nn.Module):
    """Adds numbers that no seed decides."""

    def __init__(self, *, always: bool) -> None:
        super().__init__()
        self.always = always

    def forward(self, x: Tensor) -> Tensor:
        return x + random.SystemRandom().random() if self.training or self.always else x


def test_chance_without_a_seed_is_named_and_not_judged() -> None:
    net = seeded(lambda: nn.Sequential(nn.Linear(4, 4), Noise(always=True), nn.Linear(4, 2)))
    check = danlu.check_gradients(net)
    assert check.verdict == "unsure"
    assert not check.right
    assert not check.parameters
    assert [(fault.kind, fault.where) for fault in check.faults] == [("non-deterministic", "1 (Noise)")]


def test_chance_in_training_alone_lets_evaluation_be_checked() -> None:
    net = seeded(lambda: nn.Sequential(nn.Linear(4, 4), Noise(always=False), nn.Linear(4, 2)))
    check = danlu.check_gradients(net)
    assert check.verdict == "right"
    assert "evaluation mode" in check.faults[0].text
    assert net.training


def test_numpys_and_pythons_generators_are_seeded_too() -> None:
    class Own(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x * np.random.rand() + random.random()  # noqa: NPY002

    before = random.getstate()
    check = danlu.check_gradients(nn.Sequential(nn.Linear(3, 2), Own()))
    assert check.verdict == "right"
    assert check.faults[0].where == "1 (Own)"
    assert random.getstate() == before


class WritesOver(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        y = torch.sigmoid(x)
        y += 1
        return y


@pytest.mark.parametrize(
    ("parts", "where"),
    [
        ((nn.Linear(4, 4), WritesOver(), nn.Linear(4, 2)), "`add` in 1 (WritesOver)"),
        ((nn.Linear(4, 4), nn.Sigmoid(), nn.ReLU(inplace=True)), "`relu` in 2 (ReLU)"),
        ((nn.Linear(4, 4), nn.ReLU(inplace=True), nn.Sigmoid(), nn.Dropout(0.5, inplace=True)), "`dropout` in 3 (Dropout)"),
    ],
    ids=["own code", "a layer", "the one of two that is broken"],
)  # fmt: skip
def test_broken_in_place_code_is_named(parts: tuple[nn.Module, ...], where: str) -> None:
    check = danlu.check_gradients(nn.Sequential(*parts))
    assert check.verdict == "wrong"
    (fault,) = check.faults
    assert fault.kind == "in-place"
    assert fault.where.startswith(where)


def test_in_place_code_that_is_right_is_right() -> None:
    class Cut(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            x[x < 0] = 0
            return x

    x = torch.randn(3, 4)
    before = x.clone()
    assert danlu.check_gradients(nn.Sequential(Cut(), nn.Linear(4, 4), nn.ReLU(inplace=True)), x).verdict == "right"
    assert torch.equal(x, before)


def test_a_backward_pass_of_another_shape_is_a_mistake() -> None:
    check = danlu.check_gradients(Affine(lambda g, x, w: (g @ w, x.T @ g, g.sum(0)), 4, 3))
    assert check.verdict == "wrong"
    assert check.faults[0].kind == "backward"
    assert "[4, 3]" in check.faults[0].text
    assert "[3, 4]" in check.faults[0].text


def test_a_gradient_that_is_not_finite_is_named_with_its_operation() -> None:
    class Root(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a = nn.Linear(4, 3, bias=False)

        def forward(self, x: Tensor) -> Tensor:
            return torch.sqrt(self.a(x) ** 2)

    check = danlu.check_gradients(Root(), torch.zeros(2, 4))
    assert check.verdict == "wrong"
    assert check.faults[0].kind == "non-finite"
    assert check.faults[0].where.startswith("`sqrt` in Root (test_gradients_passes.py, line ")
    assert "12 of 12 gradients are not finite" in by_name(check)["a.weight"].text


def test_a_value_that_is_not_finite_is_refused_with_its_place() -> None:
    class Log(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.log(x)

    with pytest.raises(DataError, match=r"NaN comes from `log` in 1 \(Log\) \(test_gradients_passes.py, line \d+\)"):
        danlu.check_gradients(nn.Sequential(nn.Identity(), Log()), -torch.ones(1, 3))
    with pytest.raises(DataError, match=r"x\[0, 1\] is inf"):
        danlu.check_gradients(nn.Linear(2, 2), [[1.0, float("inf")]])
    broken = nn.Linear(2, 2)
    broken.weight.data[1, 0] = float("nan")
    with pytest.raises(DataError, match=r"nan in weight\[1, 0\]"):
        danlu.check_gradients(broken)


def test_unused_and_frozen_parameters_are_named() -> None:
    class Spare(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.used, self.spare = nn.Linear(3, 2), nn.Linear(2, 2, bias=False)
            self.used.bias.requires_grad_(False)

        def forward(self, x: Tensor) -> Tensor:
            return self.used(x)

    check = danlu.check_gradients(Spare(), torch.ones(2, 3))
    assert check.verdict == "right"
    assert [(fault.kind, fault.where) for fault in check.faults] == [
        ("unused", "spare.weight"),
        ("frozen", "used.bias"),
    ]
