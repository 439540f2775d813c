"""Differences find derivatives that are known exactly, and tell kinks, jumps and mistakes apart."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from danlu.explanation.gradients_compare import compare
from danlu.explanation.gradients_lines import Line, differences, lines_of
from danlu.explanation.gradients_records import Entry

TOLERANCE = 1e-6


class Function:
    """A function of one tensor, with its gradient."""

    epsilon = torch.finfo(torch.float64).eps

    def __init__(
        self, of: Callable[[Tensor], Tensor], x: float | list[float], slope: Callable[[Tensor], Tensor] | None = None
    ) -> None:
        self.of, self.slope = of, slope
        self.leaves = {"x": torch.tensor(x, dtype=torch.float64)}

    def terms(self) -> Tensor:
        return self.of(self.leaves["x"]).reshape(-1)

    def gradients(self) -> dict[str, Tensor | None]:
        if self.slope is not None:
            return {"x": self.slope(self.leaves["x"])}
        x = self.leaves["x"].clone().requires_grad_()
        return {"x": torch.autograd.grad(self.of(x).sum(), x)[0]}


def entries(function: Function) -> list[Entry]:
    lines = lines_of("x", function.leaves["x"], 10, torch.Generator().manual_seed(0))
    return compare(function, function.gradients(), lines, TOLERANCE, 0)


def verdicts(function: Function) -> list[str]:
    return [entry.verdict for entry in entries(function)]


EXACT: dict[str, tuple[Callable[[Tensor], Tensor], float, float]] = {
    "sin": (torch.sin, 0.7, math.cos(0.7)),
    "exp": (torch.exp, -3.0, math.exp(-3.0)),
    "a large number": (lambda x: x**2, 1e6, 2e6),
    "a small one": (torch.log, 1e-3, 1e3),
    "steep": (lambda x: torch.tanh(1e4 * x), 1e-5, 1e4 / math.cosh(0.1) ** 2),
    "beside a large constant": (lambda x: torch.stack([torch.sin(x), 0 * x + 1e9]), 0.7, math.cos(0.7)),
}


@pytest.mark.parametrize("name", EXACT)
def test_derivatives_are_exact_and_so_is_their_error(name: str) -> None:
    of, x, expected = EXACT[name]
    function = Function(of, x)
    sides = differences(function, Line("x", ()), 0.0)
    assert sides.central.value == pytest.approx(expected, rel=1e-6)
    assert abs(sides.central.value - expected) <= sides.central.error + 1e-15 * abs(expected)
    assert sides.smooth(TOLERANCE)
    assert verdicts(function) == ["right"]
    assert float(function.leaves["x"]) == x  # it was put back


@pytest.mark.parametrize("factor", [2.0, -1.0, 0.0, 1.001, 1 + 3e-6])
@pytest.mark.parametrize("name", EXACT)
def test_a_factor_is_wrong_at_every_step_size(name: str, factor: float) -> None:
    of, x, _ = EXACT[name]
    right = Function(of, x)
    wrong = Function(of, x, lambda x: factor * Function(of, x.tolist()).gradients()["x"])  # type: ignore[operator]
    assert verdicts(right) == ["right"]
    assert verdicts(wrong) == ["wrong"]


def test_sides_of_a_kink() -> None:
    sides = differences(Function(lambda x: torch.where(x > 0, 3 * x, -x), 0.0), Line("x", ()), 0.0)
    assert (sides.left.value, sides.right.value) == pytest.approx((-1.0, 3.0))
    assert not sides.smooth(TOLERANCE)
    assert sides.between(0.0, TOLERANCE)
    assert not sides.between(3.1, TOLERANCE)


@pytest.mark.parametrize("slope", [0.0, 1.0, 0.3])
def test_any_slope_between_both_sides_is_a_kink(slope: float) -> None:
    def back(x: Tensor) -> Tensor:
        return torch.where(x == 0, slope, (x > 0).double())

    assert verdicts(Function(torch.relu, [0.0, 1.0], back)) == ["kink", "right"]


def test_a_slope_beyond_both_sides_is_not_called_a_kink() -> None:
    def back(x: Tensor) -> Tensor:
        return torch.where(x == 0, 5.0, (x > 0).double())

    assert verdicts(Function(torch.relu, 0.0, back)) == ["unsure"]


def test_kinks_that_cancel_are_not_told() -> None:
    """relu(x) - relu(-x) is x, with the derivative 1; autograd says 0."""
    assert verdicts(Function(lambda x: torch.relu(x) - torch.relu(-x), 0.0)) == ["unsure"]


def test_several_kinks_at_once() -> None:
    """The value lies beside both sides, 2 and 1, but ReLU's slope at 0 is 0 by convention."""
    assert verdicts(Function(lambda x: 2 * torch.relu(x) - torch.relu(-x), 0.0)) == ["kink"]


def test_a_jump_is_not_told() -> None:
    assert verdicts(Function(lambda x: (x > 0).double() + 0 * x, 0.0)) == ["unsure"]


def test_rounding_is_no_mistake() -> None:
    """A gradient of 1e-9 beside a value of 1 cannot be seen; 4e-18 where 0 is right is what cancelling leaves."""
    assert verdicts(Function(lambda x: 1 + 1e-9 * x, 0.0)) == ["right"]
    left_over = Function(lambda x: x[0] + 0 * x[1], [1.0, 1.0], lambda _: torch.tensor([1.0, 4e-18]).double())
    assert verdicts(left_over) == ["right", "right"]


def test_large_leaves_are_sampled_and_moved_as_a_whole() -> None:
    lines = lines_of("x", torch.zeros(30, 20), 7, torch.Generator().manual_seed(0))
    indices = [line.index for line in lines]
    assert len(indices) == 8
    assert indices[-1] is None
    assert len(set(indices)) == 8
    assert lines[-1].towards is not None
    assert float(lines[-1].towards.norm()) == pytest.approx(1.0)
    assert [line.index for line in lines_of("x", torch.zeros(2, 2), 7, torch.Generator())] == [
        (0, 0), (0, 1), (1, 0), (1, 1)
    ]  # fmt: skip
    assert [line.index for line in lines_of("x", torch.zeros(()), 7, torch.Generator())] == [()]


smooth = st.sampled_from([torch.sin, torch.exp, torch.tanh, torch.sigmoid, torch.square, torch.nn.functional.softplus])


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    outer=smooth,
    inner=smooth,
    x=st.lists(st.floats(-3, 3), min_size=1, max_size=3),
    size=st.sampled_from([1e-6, 1.0, 1e6]),
    mistake=st.sampled_from([1.0, 1.001, 0.5, -1.0]),
)
def test_right_is_right_and_wrong_is_wrong(
    outer: Callable[[Tensor], Tensor],
    inner: Callable[[Tensor], Tensor],
    x: list[float],
    size: float,
    mistake: float,
) -> None:
    """Compositions at drawn points and of drawn sizes; entries too flat for the mistake to show may be right."""

    def of(x: Tensor) -> Tensor:
        return size * outer(inner(x))

    slope = Function(of, x).gradients()["x"]
    assert slope is not None
    found = entries(Function(of, x, lambda at: mistake * Function(of, at.tolist()).gradients()["x"]))  # type: ignore[operator]
    largest = float(slope.abs().max())
    for entry, true in zip(found, slope.tolist(), strict=True):
        if mistake == 1:
            assert entry.verdict == "right"
        elif abs(true) > 1e-3 * max(largest, size):
            assert entry.verdict == "wrong"
