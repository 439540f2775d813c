"""`danlu.minimize` as it is asked: names, expressions, Python functions, starts and settings, and what is refused."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch

import danlu
from danlu.core.errors import DataError, PlanError
from danlu.explanation.functions import KNOWN
from danlu.explanation.minimize import minimize
from danlu.report.contour import figure


@pytest.mark.parametrize("name", KNOWN)
def test_known_minima_are_stationary_or_kinks(name: str) -> None:
    known = KNOWN[name]
    for place in known.minima(2):
        if name == "ackley":
            with pytest.raises(DataError, match=r"must be differentiable.*sqrt at 0"):
                minimize(name, place)
            continue
        found = minimize(name, place, optimizer="sgd", lr=1e-7, steps=3)
        assert np.abs(found.x_MN[0] - place).max() < 1e-5
        assert found.points[0].kind == "minimum"


def test_a_function_of_numbers_and_one_of_a_tensor_are_the_same() -> None:
    settings = {"optimizer": "adam", "lr": 0.05, "steps": 400}
    of_numbers = danlu.minimize(lambda x, y: (x - 1) ** 2 + torch.sin(y), (0, 0), **settings)
    of_tensor = danlu.minimize(lambda p: (p[0] - 1) ** 2 + torch.sin(p[1]), (0, 0), **settings)
    of_text = danlu.minimize("(x - 1)**2 + sin(y)", (0, 0), **settings)
    assert of_numbers.variables == ("x", "y")
    assert of_tensor.variables == ("x[0]", "x[1]")
    np.testing.assert_allclose(of_numbers.x_MN, of_text.x_MN, rtol=1e-9)
    np.testing.assert_allclose(of_tensor.x_MN, of_text.x_MN, rtol=1e-9)
    assert of_numbers.points[0].eigenvalues == pytest.approx(of_text.points[0].eigenvalues)


def test_a_function_of_one_number() -> None:
    found = danlu.minimize(lambda x: x**2 - 2 * x, 4.0, lr=0.05, steps=800)
    assert found.minima[0].x == pytest.approx([1.0])
    assert found.variables == ("x",)


def test_what_vmap_cannot_run_runs_one_after_another_and_that_is_said() -> None:
    def bent(p: torch.Tensor) -> torch.Tensor:
        return (p**2).sum() if p[0] > 0 else (2 * p**2).sum()

    found = danlu.minimize(bent, [[1.0, 1.0], [-1.0, 1.0]], optimizer="sgd", lr=0.1, steps=20)
    assert any("one after another" in note and "control flow" in note for note in found.notes)
    np.testing.assert_allclose(found.x_MN, [[0.8**20] * 2, [-(0.6**20), 0.6**20]], rtol=1e-9)


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (lambda *_: 3.0, "must return a tensor, it returned float"),
        (lambda x, y: torch.stack([x, y]), "must return one number"),
        (lambda x, y: x.detach() + y.detach(), "must be differentiable"),
        (lambda x, y: x + y + torch.rand(()), "the same value for the same x"),
        (lambda *x: 1 / 0 + x[0], "ZeroDivisionError"),
    ],
)
def test_python_functions_that_cannot_be_minimised(function, said: str) -> None:
    with pytest.raises(DataError, match=said):
        minimize(function, (1.0, 2.0))


def test_the_number_of_arguments_must_fit() -> None:
    with pytest.raises(PlanError, match="one number for each argument of the function, got 3 for x, y"):
        minimize(lambda x, y: x + y, (1, 2, 3))
    with pytest.raises(PlanError, match="number of variables must be known"):
        minimize(lambda p: (p**2).sum())
    assert minimize(lambda p: (p**2).sum(), variables=3, starts=5, steps=10).x_MN.shape == (5, 3)
    assert minimize(lambda *x: x[0] ** 2 + x[1] ** 2, (1.0, 1.0), steps=10).x_MN.shape == (1, 2)


def test_starts_by_name_and_number() -> None:
    assert minimize("b - a + b**2 + a**2", {"b": 2, "a": 1}, steps=1).start_SN.tolist() == [[1, 2]]
    assert minimize("x**2", 2, steps=1).start_SN.tolist() == [[2]]
    assert minimize("x + y**2", np.array([[1, 2], [3, 4]]), steps=1).start_SN.tolist() == [[1, 2], [3, 4]]


def test_spread_starts_lie_in_the_box_and_follow_the_seed() -> None:
    found = minimize("x**2 + y**2", starts=64, box=[(-1, 1), (10, 20)], steps=1)
    low, high = found.start_SN.min(0), found.start_SN.max(0)
    assert (low >= [-1, 10]).all()
    assert (high <= [1, 20]).all()
    # Every cell of an 8 x 8 partition of a Sobol sequence of 64 has one point.
    cells = np.floor((found.start_SN - [-1, 10]) / [0.25, 1.25]).astype(int)
    assert len({tuple(cell) for cell in cells.tolist()}) == 64
    same = minimize("x**2 + y**2", starts=64, box=(-1, 1, 10, 20), steps=1)
    assert same.start_SN.tolist() == found.start_SN.tolist()
    other = minimize("x**2 + y**2", starts=64, box=[(-1, 1), (10, 20)], steps=1, seed=1)
    assert other.start_SN.tolist() != found.start_SN.tolist()


def test_the_global_stream_of_random_numbers_is_left_alone() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    minimize("x**2", starts=4, steps=5)
    assert torch.equal(torch.rand(3), expected)


def test_a_rate_that_danlu_chooses_is_said_and_one_that_is_named_stays() -> None:
    found = minimize("himmelblau", starts=2, steps=5)
    assert found.settings[0].lr == 0.24  # a fiftieth of the box's width 12
    assert any("adam 0.24, falling to 0 along a cosine" in note for note in found.notes)
    named = minimize("x**2", 1.0, optimizer="sgd", lr=0.1, steps=9, every=1)
    np.testing.assert_allclose(named.path_x_KMN[:, 0, 0], 0.8 ** np.arange(10))
    assert not any("chosen" in note for note in named.notes)


def test_momentum_counts_for_those_that_have_it() -> None:
    found = minimize("x**2", 1.0, optimizer="sgd,adam", lr=0.1, momentum=0.5, steps=2, every=1)
    np.testing.assert_allclose(found.path_x_KMN[:, 0, 0], [1, 0.8, 0.8 - 0.5 * 0.2 - 0.16])
    assert "momentum counts for sgd only" in found.notes


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("himmelblu",), "Did you mean `himmelblau`"),
        ((3,), "must be a name, an expression or a Python function"),
        (("x**2", (1, 2)), "one number for each variable, got 2 for x"),
        (("x**2", "here"), "`start` must be finite numbers"),
        (("x**2", float("nan")), "`start` must be finite numbers"),
        (("x + y", {"x": 1}), "must name every variable once"),
    ],
)
def test_functions_and_starts_that_are_refused(arguments, said: str) -> None:
    with pytest.raises(PlanError, match=said):
        minimize(*arguments)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"steps": 0}, "`steps` must be a whole number from 1"),
        ({"steps": 2.5}, "`steps` must be a whole number"),
        ({"every": 11, "steps": 10}, "`every` must be a whole number from 1 to 10"),
        ({"starts": 0}, "`starts` must be a whole number"),
        ({"dtype": "float16"}, "`dtype` must be float32 or float64"),
        ({"box": (1, 1)}, "`box` must be a lowest and a higher value"),
        ({"box": "wide"}, "`box` must be"),
        ({"optimizer": "adamm"}, "optimizer"),
        ({"optimizer": ""}, "must have a value"),
        ({"lr": 0}, "`lr` must be above 0"),
        ({"lr": "fast"}, "lr"),
        ({"momentum": 0.5}, "`momentum` belongs to"),
        ({"schedule": "plateau"}, "a descent has none"),
        ({"schedule": "sideways"}, "schedule"),
        ({"weight_decay": 0.1}, "`weight_decay` must be a setting of a descent"),
        ({"start": (0, 0), "starts": 3}, "got both"),
        ({"variables": 3}, "one number for each variable"),
        ({"starts": 1_000_000, "every": 1, "steps": 50}, "paths must have at most"),
    ],
)
def test_settings_that_are_refused(settings, said: str) -> None:
    with pytest.raises(PlanError, match=said):
        minimize("himmelblau", **settings)


@pytest.mark.parametrize(
    ("text", "start", "said"),
    [
        ("abs(x) + y**2", (0, 1), r"at x = 0, y = 1, its slope by x is -1 before and 1 behind \(abs at 0\)"),
        ("x + max(y, 2*x)", (1, 2), r"its slope by x is 1 before and 3 behind \(max at 0\)"),
        ("sqrt(x)", 0.0, r"its gradient by x is inf \(sqrt at 0\)"),
        ("x**0.5 + y", (0.0, 1.0), r"its gradient by x is inf \(\*\* at 0\)"),
        ("log(x)", -1.0, "must be finite where it starts, at x = -1, it is nan"),
        ("1/x", 0.0, "it is inf"),
    ],
)
def test_where_there_is_no_derivative_is_refused_with_the_place(text: str, start, said: str) -> None:
    with pytest.raises(DataError, match=said):
        minimize(text, start)


def test_of_many_starts_only_those_without_a_value_end() -> None:
    found = minimize("log(x) + 1/x", starts=20, steps=800)
    lost = {broken.member for broken in found.broken}
    assert lost == set(np.flatnonzero(found.start_SN[:, 0] < 0))
    assert {broken.what for broken in found.broken} == {"f is NaN"}
    assert found.minima[0].x == pytest.approx([1.0])
    assert found.minima[0].starts == 20 - len(lost)


def test_a_record_is_plain_and_in_full_precision() -> None:
    record = minimize("himmelblau", [[0, 0], [1, 1]], lr=0.1, steps=300).record()
    assert record["path"] == record["paths"][0]["path"]
    assert len(record["paths"]) == 2
    assert record["paths"][1]["start"] == [1.0, 1.0]
    assert record["minima"][0].keys() >= {"x", "f", "starts"}
    assert record["known_minima"]["reached"] == len(record["minima"])


def test_many_variables() -> None:
    found = danlu.minimize("sum((x - 1)**4 + x**2)", starts=8, variables=200, steps=1500)
    # 4 (x - 1)³ + 2 x = 0 in every variable
    place = np.roots([4, -12, 14, -4])
    place = place[np.abs(place.imag) < 1e-9].real[0]
    assert found.minima[0].starts == 8
    np.testing.assert_allclose(found.minima[0].x, place, atol=1e-9)


def test_one_of_a_thing_is_no_plural() -> None:
    found = minimize("x**2", starts=1, optimizer="sgd", lr=0.5, steps=1)
    assert repr(found) == "<Danlu descent of expression: 1 start, 1 setting, 1 step, 1 minimum>"
    assert re.fullmatch(r"1 start, sgd.*, 1 step\.", figure(found).lead)
