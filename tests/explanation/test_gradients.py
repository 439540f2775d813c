"""Mistakes are found where they are, kinks are told from them, and what is checked stays as it was."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import danlu
from danlu.core.errors import PlanError
from danlu.explanation.gradients_records import GradientCheck, ParameterCheck
from explanation.planted import Affine, Elementwise, right


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


MISTAKES: dict[str, tuple[Callable[..., Any], int, str, str]] = {
    "a factor is missing": (lambda g, x, w: (g @ w, 0.5 * g.T @ x, g.sum(0)), 3, "weight", "0.5 times"),
    "a wrong sign": (lambda g, x, w: (-g @ w, g.T @ x, g.sum(0)), 3, "x", "sign"),
    "transposed": (lambda g, x, w: (g @ w, x.T @ g, g.sum(0)), 5, "weight", "transposed"),
    "a forgotten bias, None": (lambda g, x, w: (g @ w, g.T @ x, None), 3, "bias", "no gradient reaches it"),
    "a forgotten bias, zeros": (lambda g, x, w: (g @ w, g.T @ x, 0 * g.sum(0)), 3, "bias", "forgotten"),
    "one thousandth too much": (lambda g, x, w: (g @ w, 1.001 * g.T @ x, g.sum(0)), 3, "weight", "1.001 times"),
    "a mean in the place of a sum": (lambda g, x, w: (g @ w, g.T @ x, g.mean(0)), 3, "bias", "0.25 times"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_planted_mistake_is_found_and_described(name: str) -> None:
    backward, outputs, where, words = MISTAKES[name]
    check = danlu.check_gradients(Affine(backward, outputs=outputs))
    assert check.verdict == "wrong"
    assert not check.right
    assert {each.name for each in check.parameters if each.verdict == "wrong"} == {where}
    assert words in by_name(check)[where].text
    assert [fault.where for fault in check.faults if fault.kind == "backward"] == ["Affine"]


def test_the_numbers_of_a_mistake_are_those_of_arithmetic() -> None:
    """y = w x with w = 3, x = 2, and a backward that forgets x: analytic 1, numeric 2, relative error 1/2."""

    class Times(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.w = nn.Parameter(torch.tensor([[3.0]]))
            self.layer = Affine(lambda g, _, w: (g @ w, g, g.sum(0)), 1, 1)

        def forward(self, x: Tensor) -> Tensor:
            return self.layer.function.apply(x, self.w, torch.zeros(1))

    check = danlu.check_gradients(Times(), [[2.0]], loss=lambda out: out.sum())
    worst = by_name(check)["w"].worst
    assert worst is not None
    assert (worst.index, worst.analytic, worst.verdict) == ((0, 0), 1.0, "wrong")
    assert worst.numeric == pytest.approx(2.0, abs=1e-8)
    assert worst.error == pytest.approx(0.5, abs=1e-8)
    assert by_name(check)["x"].worst.analytic == 3.0


def test_the_layer_at_fault_is_named_among_those_it_spoils() -> None:
    square = Elementwise(lambda x: x**2, lambda g, x: g * x)
    net = seeded(lambda: nn.Sequential(nn.Linear(6, 8), nn.Tanh(), square, nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 2)))
    check = danlu.check_gradients(net)
    assert {each.name for each in check.parameters if each.verdict == "wrong"} == {"0.weight", "0.bias", "x"}
    at_fault = [fault for fault in check.faults if fault.severity == "error"]
    assert [fault.where for fault in at_fault] == ["2 (Elementwise)"]
    assert "its input" in at_fault[0].text


def test_a_mistake_in_the_code_between_layers_is_that_of_the_module_around_them() -> None:
    class Detached(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Linear(4, 3), nn.Linear(3, 2)

        def forward(self, x: Tensor) -> Tensor:
            return self.b(self.a(x).detach())

    check = danlu.check_gradients(seeded(Detached))
    assert {each.name for each in check.parameters if each.verdict == "wrong"} == {"a.weight", "a.bias", "x"}
    assert "detached" in by_name(check)["a.weight"].text
    assert [fault.where for fault in check.faults] == ["Detached"]
    assert "its own code" in check.faults[0].text


def test_a_mistake_that_no_sample_meets_shows_when_all_entries_move() -> None:
    def backward(g: Tensor, x: Tensor, w: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        by_x, by_w, by_b = right(g, x, w)
        by_w = by_w.clone()
        by_w[7, 11] *= 2
        return by_x, by_w, by_b

    check = danlu.check_gradients(Affine(backward, 40, 30), most=5)
    weight = by_name(check)["weight"]
    assert (weight.checked, weight.size) == (5, 1200)
    assert weight.counts == {"right": 5}
    assert weight.direction is not None
    assert (weight.verdict, weight.direction.verdict) == ("wrong", "wrong")
    assert "all moved at once" in weight.text


ORACLE: dict[str, tuple[nn.Module, tuple[int, ...]]] = {
    "right": (Affine(right), (4, 5)),
    "exp": (Elementwise(torch.exp, lambda g, x: g * x.exp()), (3, 4)),
    "exp, wrong": (Elementwise(torch.exp, lambda g, x: g * x.exp() * 1.01), (3, 4)),
    "sine": (Elementwise(torch.sin, lambda g, x: g * x.cos()), (3, 4)),
    "sine, wrong": (Elementwise(torch.sin, lambda g, x: g * x.sin()), (3, 4)),
    "cube": (Elementwise(lambda x: x**3, lambda g, x: 3 * g * x**2), (3, 4)),
    "cube, wrong": (Elementwise(lambda x: x**3, lambda g, x: 3 * g * x), (3, 4)),
    "normalised": (nn.LayerNorm(4, dtype=torch.float64), (3, 4)),
    "softmax": (nn.Softmax(1), (3, 4)),
}


@pytest.mark.parametrize("name", ORACLE)
def test_verdicts_are_those_of_torchs_own_gradcheck(name: str) -> None:
    module, shape = ORACLE[name]
    module = module.double()
    x = torch.randn(shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64, requires_grad=True)
    named = dict(module.named_parameters())

    def call(x: Tensor, *values: Tensor) -> Tensor:
        return torch.func.functional_call(module, dict(zip(named, values, strict=True)), (x,))

    expected = torch.autograd.gradcheck(call, (x, *named.values()), raise_exception=False)
    assert danlu.check_gradients(module, x).right == expected
    assert expected == ("wrong" not in name)


def test_a_relu_at_zero_is_a_kink_and_no_mistake() -> None:
    net = nn.Sequential(nn.Linear(3, 4, bias=False), nn.ReLU(), nn.Linear(4, 2))
    check = danlu.check_gradients(net, np.zeros((2, 3)))
    x = by_name(check)["x"]
    assert check.verdict == "kink"
    assert check.right
    assert x.verdict == "kink"
    worst = x.worst
    assert worst is not None
    assert worst.analytic == 0
    assert worst.left != pytest.approx(worst.right)
    assert worst.left is not None
    assert worst.right is not None
    # Both sides by arithmetic: the derivative of sum(c V relu(W x)) by one input, from the left and from the right.
    kinks = {name: each.verdict for name, each in by_name(check).items()}
    assert kinks == {"0.weight": "right", "2.weight": "right", "2.bias": "right", "x": "kink"}


def test_a_network_that_starts_at_zero_has_kinks_only() -> None:
    net = seeded(lambda: nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 2)))
    for parameter in (net[0].weight, net[0].bias):
        nn.init.zeros_(parameter)
    check = danlu.check_gradients(net)
    assert check.verdict == "kink"
    assert by_name(check)["0.weight"].verdict == "kink"
    assert by_name(check)["2.weight"].verdict == "right"


@pytest.mark.parametrize(
    ("module", "x"),
    [
        (nn.ReLU(), [[0.0, 1.0, -1.0]]),
        (nn.MaxPool1d(2), [[[1.0, 1.0, 2.0, 3.0]]]),
        (nn.Hardtanh(), [[1.0, 0.5, -1.0]]),
        (nn.Softshrink(), [[0.5, 0.2, -2.0]]),
    ],
    ids=["relu", "max-pool tie", "hardtanh", "softshrink"],
)
def test_kinks_of_torchs_own_layers(module: nn.Module, x: list[Any]) -> None:
    check = danlu.check_gradients(module, x)
    assert check.verdict == "kink"
    assert by_name(check)["x"].counts["kink"] >= 1


def test_a_mistake_beside_a_kink_is_still_a_mistake() -> None:
    twice = Elementwise(lambda x: x.clamp(min=0), lambda g, x: 2 * g * (x > 0))
    check = danlu.check_gradients(twice, [[0.0, 1.0, -1.0]])
    assert by_name(check)["x"].counts == {"wrong": 2, "right": 1}


def test_entries_beside_a_kink_are_right() -> None:
    near = [[1e-4, -1e-4, 1e-6, -1e-6, 1e-7, -1e-7]]
    assert danlu.check_gradients(nn.ReLU(), near).verdict == "right"


def test_a_jump_is_not_called_right() -> None:
    class Jump(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.heaviside(x.detach(), torch.tensor(0.0)) + 0 * x

    assert danlu.check_gradients(Jump(), [[0.0]]).verdict in ("unsure", "wrong")


def test_a_module_of_float32_alone_is_checked_in_it_and_that_is_said() -> None:
    class Single(nn.Module):
        def __init__(self, factor: float) -> None:
            super().__init__()
            self.layer = nn.Linear(4, 3)
            self.act = Elementwise(lambda x: x**2, lambda g, x: factor * g * x)

        def forward(self, x: Tensor) -> Tensor:
            return self.act(self.layer(x.float()))

    check = danlu.check_gradients(seeded(lambda: Single(2)))
    assert (check.verdict, check.dtype, check.tolerance) == ("right", "float32", 1e-2)
    assert check.faults[0].kind == "precision"
    assert danlu.check_gradients(seeded(lambda: Single(2.2))).verdict == "wrong"


def test_fewer_bits_inside_are_noticed() -> None:
    class Inside(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.sin(x.float())

    check = danlu.check_gradients(nn.Sequential(nn.Linear(3, 3), Inside()))
    assert (check.verdict, check.dtype) == ("right", "float32")
    assert check.faults[0].where.startswith("`float` in 1 (Inside)")


def test_batch_norm_is_checked_over_its_batch_and_moments_stay() -> None:
    norm = nn.BatchNorm1d(3)
    net = seeded(lambda: nn.Sequential(nn.Linear(4, 3), norm, nn.Tanh()))
    before = {name: value.clone() for name, value in net.state_dict().items()}
    check = danlu.check_gradients(net)
    assert check.verdict == "right"
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert int(norm.num_batches_tracked) == 0
    # A bias before batch norm changes nothing: its gradient is 0, but for rounding.
    assert by_name(check)["0.bias"].verdict == "right"


def test_what_is_checked_stays_as_it_was() -> None:
    net = seeded(lambda: nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.Dropout(0.3)))
    net(torch.ones(2, 4)).sum().backward()
    grads = [p.grad.clone() for p in net.parameters()]
    values = [p.detach().clone() for p in net.parameters()]
    threads, state = torch.get_num_threads(), torch.get_rng_state()
    numpy_state = np.random.get_state()[1].tolist()  # noqa: NPY002
    danlu.check_gradients(net, torch.ones(3, 4))
    assert net.training
    assert all(torch.equal(p.grad, g) for p, g in zip(net.parameters(), grads, strict=True))
    assert all(torch.equal(p, v) for p, v in zip(net.parameters(), values, strict=True))
    assert all(p.dtype == torch.float32 for p in net.parameters())
    assert torch.equal(torch.get_rng_state(), state)
    assert np.random.get_state()[1].tolist() == numpy_state  # noqa: NPY002
    assert (torch.get_num_threads(), torch.get_default_dtype()) == (threads, torch.float32)


SHAPES: dict[str, tuple[Callable[[], nn.Module], list[int]]] = {
    "linear": (lambda: nn.Sequential(nn.Flatten(), nn.Linear(7, 2)), [4, 7]),
    "a convolution that fits one size": (
        lambda: nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(2 * 9 * 9, 2)),
        [4, 1, 11, 11],
    ),
    "embedding": (lambda: nn.Sequential(nn.Embedding(6, 2), nn.Flatten(), nn.Linear(10, 1)), [4, 5]),
    "lstm": (lambda: nn.LSTM(3, 2), [4, 5, 3]),
    "attention": (lambda: nn.TransformerEncoderLayer(4, 2, 4, batch_first=True), [4, 5, 4]),
    "bare parameters": (lambda: Affine(right, 6, 2), [4, 6]),
}


@pytest.mark.parametrize("name", SHAPES)
def test_shapes_of_random_inputs_come_from_the_layers(name: str) -> None:
    make, shape = SHAPES[name]
    check = danlu.check_gradients(seeded(make), most=20)
    assert check.verdict == "right"
    assert check.inputs.startswith(f"random x {shape}")


def test_several_inputs_and_several_outputs() -> None:
    class Both(nn.Module):
        def forward(self, a: Tensor, b: Tensor) -> dict[str, Tensor]:
            return {"product": a * b, "sum": a.sum(1)}

    check = danlu.check_gradients(Both(), (torch.ones(2, 3), torch.full((2, 3), 2.0)))
    assert [(each.name, each.verdict) for each in check.parameters] == [("x1", "right"), ("x2", "right")]


@pytest.mark.parametrize("loss", ["mse", "huber:1", "cross-entropy", "binary-cross-entropy", "kl", "poisson"])
def test_losses_by_name(loss: str) -> None:
    check = danlu.check_gradients(seeded(lambda: nn.Linear(4, 3)), loss=loss)
    assert check.verdict == "right"
    assert check.of == f"the loss {loss}, mean over rows, random targets, seed 0"


def test_the_gradient_is_that_of_the_loss() -> None:
    """(w x - y)^2 with w = 2, x = 1, y = 1: the gradient by w is 2."""
    one = nn.Linear(1, 1, bias=False)
    one.weight.data.fill_(2.0)
    for loss in (None, "mse", nn.MSELoss()):
        worst = by_name(danlu.check_gradients(one, [[1.0]], [[1.0]], loss))["weight"].worst
        assert worst is not None
        assert worst.analytic == 2.0
        assert worst.numeric == pytest.approx(2.0, abs=1e-8)


REFUSED: dict[str, tuple[Callable[[], Any], str]] = {
    "shapes that do not fit": (
        lambda: danlu.check_gradients(nn.Sequential(nn.Linear(5, 16), nn.Linear(8, 2))),
        r"1 \(Linear\) was given \[4, 16\], its weight is \[2, 8\]",
    ),
    "targets that do not fit": (
        lambda: danlu.check_gradients(nn.Linear(2, 3), torch.ones(2, 2), [0.0, 1.0], "mse"),
        r"y must be \[2, 3\] for the loss mse",
    ),
    "a class too many": (
        lambda: danlu.check_gradients(nn.Linear(2, 3), torch.ones(2, 2), [0, 3]),
        "from 0 to 2, y holds 3",
    ),
    "a loss misspelt": (lambda: danlu.check_gradients(nn.Linear(2, 3), loss="mes"), "Did you mean `mse`"),
    "no tensor": (lambda: danlu.check_gradients(nn.Linear(2, 3), "rows"), "`x` must be a tensor"),
    "no module": (lambda: danlu.check_gradients(3), "module"),
    "tolerance": (lambda: danlu.check_gradients(nn.Linear(2, 3), tolerance=0), "`tolerance` must be between 0 and 1"),
    "most": (lambda: danlu.check_gradients(nn.Linear(2, 3), most=0), "`most` must be at least 1"),
    "nothing to move": (lambda: danlu.check_gradients(nn.Identity(), torch.tensor([1])), "it has neither|floats"),
    "an unknown shape": (lambda: danlu.check_gradients(nn.LazyLinear(3)), "none of its layers tells one"),
    "a file without a class": (lambda: danlu.check_gradients("nets.py"), "Use nets.py:CLASS"),
    "a table for a module": (
        lambda: danlu.check_gradients(nn.Linear(2, 3), {"a": [1]}, target="a"),
        "a module was made already",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_with_the_reason(name: str) -> None:
    call, words = REFUSED[name]
    with pytest.raises(PlanError, match=words):
        call()


def test_the_same_seed_checks_the_same_entries() -> None:
    net = seeded(lambda: nn.Linear(30, 20))
    first, again, other = (danlu.check_gradients(net, most=7, seed=seed) for seed in (0, 0, 1))
    assert first == again
    assert first.parameters[0].checked == 7
    assert first.parameters[0].worst != other.parameters[0].worst


def test_a_class_in_a_file_is_called_and_checked(tmp_path: Path) -> None:
    path = tmp_path / "nets.py"
    path.write_text(
        "from torch import nn\n"
        "class Net(nn.Sequential):\n"
        "    def __init__(self, inputs, outputs):\n"
        "        super().__init__(nn.Linear(inputs, 4), nn.Tanh(), nn.Linear(4, outputs))\n",
        encoding="utf-8",
    )
    check = danlu.check_gradients(f"{path}:Net", input_shape=(5, 6))
    assert (check.name, check.verdict) == ("nets.py:Net", "right")
    assert by_name(check)["0.weight"].shape == (4, 6)
    assert by_name(check)["x"].shape == (5, 6)
    rows = {
        "a": [i * 0.7 % 5 for i in range(40)],
        "b": [i % 7 for i in range(40)],
        "y": [2.0 * i + i % 5 for i in range(40)],
    }
    on_table = danlu.check_gradients(f"{path}:Net", rows, target="y")
    assert on_table.verdict == "right"
    assert on_table.of == "the loss mse, mean over rows"
    assert on_table.inputs.startswith("32 of 40 rows")
    assert by_name(on_table)["x"].shape == (32, 2)
