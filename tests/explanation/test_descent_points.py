"""Where descents end: kinds by the Hessian, against hand arithmetic and SciPy; statuses; kinks."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.optimize import minimize as scipy_minimize
from scipy.optimize import root

from danlu.explanation.descent_function import ExpressionFunction, PythonFunction, hessian, kink_at
from danlu.explanation.expression import parse
from danlu.explanation.functions import KNOWN
from danlu.explanation.minimize import minimize

FOUR = [(-3.779310, -3.283186), (-2.805118, 3.131312), (3.0, 2.0), (3.584428, -1.848126)]


def himmelblau_slope(p: np.ndarray) -> np.ndarray:
    x, y = p
    a, b = x * x + y - 11, x + y * y - 7
    return np.array([4 * x * a + 2 * b, 2 * a + 4 * y * b])


def himmelblau_curvature(x: float, y: float) -> np.ndarray:
    return np.array([[12 * x * x + 4 * y - 42, 4 * (x + y)], [4 * (x + y), 12 * y * y + 4 * x - 26]])


@pytest.fixture(scope="module")
def spread():
    return minimize("himmelblau", starts=200)


def test_spread_starts_find_all_four_minima(spread) -> None:
    np.testing.assert_allclose(sorted(p.x for p in spread.minima), FOUR, atol=1e-6)
    assert all(p.f < 1e-20 for p in spread.minima)
    assert sum(p.starts for p in spread.minima) == spread.count("converged") == 200
    assert spread.known_reached() == 4
    assert {m for p in spread.points for m in p.members} == set(range(200))


def test_the_counts_are_those_of_the_optimizers_own_ends(spread) -> None:
    for p in spread.minima:
        ends = spread.x_MN[list(p.members)]
        assert np.abs(ends - p.x).max() < 0.012  # a thousandth of the box
        assert spread.f_M[list(p.members)].min() == p.found_f


def test_eigenvalues_are_those_of_the_second_derivatives_by_hand(spread) -> None:
    for p in (*spread.points, *spread.others):
        np.testing.assert_allclose(p.eigenvalues, np.linalg.eigvalsh(himmelblau_curvature(*p.x)), rtol=1e-9)


def test_saddles_and_the_maximum_are_those_that_scipy_finds(spread) -> None:
    found = {p.kind: sorted(q.x for q in spread.others if q.kind == p.kind) for p in spread.others}
    expected: dict[str, list[tuple[float, ...]]] = {"saddle": [], "maximum": []}
    for begin in np.stack(np.meshgrid(np.linspace(-5, 5, 21), np.linspace(-5, 5, 21)), -1).reshape(-1, 2):
        solved = root(himmelblau_slope, begin, tol=1e-12)
        values = np.linalg.eigvalsh(himmelblau_curvature(*solved.x))
        kind = "maximum" if values.max() < 0 else "saddle" if values.min() < 0 else ""
        if solved.success and kind and np.abs(himmelblau_slope(solved.x)).max() < 1e-8:
            place = tuple(solved.x)
            if not any(np.allclose(place, other, atol=1e-5) for other in expected[kind]):
                expected[kind].append(place)
    assert {kind: len(places) for kind, places in found.items()} == {"saddle": 4, "maximum": 1}
    for kind, places in expected.items():
        np.testing.assert_allclose(sorted(places), found[kind], atol=1e-7)


@pytest.mark.parametrize("name", ["rosenbrock", "beale", "quadratic"])
def test_minima_are_those_of_scipy(name: str) -> None:
    found = minimize(name, starts=60)
    graph, output = parse(KNOWN[name].text).graph(2)

    def value(p: np.ndarray) -> float:
        return graph.evaluate([output], torch.from_numpy(p.copy())[None, :, None])[0].item()

    near = found.minima[0].found_x
    expected = scipy_minimize(value, near, method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-18})
    np.testing.assert_allclose(found.minima[0].x, expected.x, atol=1e-6)
    assert found.known_reached() == 1


def test_descending_along_the_ridge_stalls_at_the_saddle() -> None:
    found = minimize("saddle", [[1, 0], [1, 1e-6]], optimizer="sgd", lr=0.1, steps=60)
    assert found.status_M[0] == "stalled at a saddle"
    [point] = found.points
    assert (point.kind, point.eigenvalues, point.members) == ("saddle", (-2.0, 2.0), (0,))
    assert not found.minima


@pytest.mark.parametrize(
    ("text", "start", "settings", "status", "kind"),
    [
        ("(x - 1)**2", 3.0, {"optimizer": "sgd", "lr": 0.1, "steps": 400}, "converged", "minimum"),
        ("cos(x)", 0.0, {"lr": 0.1, "steps": 50}, "stalled", "maximum"),
        ("x**4", 1.0, {"lr": 0.05, "steps": 3000}, "converged", "minimum"),
        ("(x + y)**2", (1.0, 2.0), {"optimizer": "sgd", "lr": 0.1, "steps": 300}, "converged", "flat"),
        ("x**2", 1.0, {"optimizer": "sgd", "lr": 0.001, "steps": 50}, "still descending", None),
        ("x**2", 1.0, {"optimizer": "sgd", "lr": 1.0, "steps": 50}, "oscillating", None),
        ("x**2", 1.0, {"optimizer": "sgd", "lr": 1.1, "steps": 50}, "diverged", None),
        ("x**2", 1.0, {"optimizer": "sgd", "lr": 1e-30, "steps": 50}, "stalled", None),
        ("exp(-x)", 0.0, {"optimizer": "sgd", "lr": 0.1, "steps": 500}, "still descending", None),
    ],
)
def test_how_a_descent_ended(text, start, settings, status, kind) -> None:
    found = minimize(text, start, **settings)
    assert found.status_M == (status,)
    assert [p.kind for p in found.points] == ([kind] if kind else [])


def test_a_minimum_without_a_derivative_is_a_kink() -> None:
    found = minimize("abs(x) + 2*abs(y - 0.5)", (0.33, 0.9), optimizer="sgd", lr=0.05, steps=300)
    assert found.status_M == ("oscillating",)
    [point] = found.points
    assert point.kind == "kink"
    assert point.is_minimum
    assert point.eigenvalues == ()
    np.testing.assert_allclose(point.x, [0, 0.5], atol=1e-9)


def test_steps_that_shrink_come_to_rest_in_a_kink() -> None:
    found = minimize("ackley", (0.2, -0.1), lr=0.02, schedule="cosine", steps=2000)
    [point] = found.minima
    assert (point.kind, found.status_M) == ("kink", ("converged",))
    np.testing.assert_allclose(point.x, [0, 0], atol=1e-9)
    assert found.known_reached() == 1


def test_second_derivatives_of_a_function_that_has_them_once_only() -> None:
    class Once(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x**3

        @staticmethod
        @torch.autograd.function.once_differentiable
        def backward(ctx, slope):
            (x,) = ctx.saved_tensors
            return slope * 3 * x**2

    points = torch.tensor([[2.0, 1.0]], dtype=torch.float64)
    function = PythonFunction(lambda x, y: Once.apply(x) + x * y, 2, points)
    assert function.alone  # torch.func.vmap needs more of such a class
    np.testing.assert_allclose(hessian(function, points)[0], [[12, 1], [1, 0]], atol=1e-6)


@pytest.mark.parametrize(
    ("text", "x", "variable"),
    [
        ("abs(x) + y", (0.0, 1.0), 0),
        ("x + max(y, 2*x)", (1.0, 2.0), 0),
        ("relu(y) + 1e4*x**2", (3.0, 0.0), 1),
        ("abs(x)**1.5 + y", (0.0, 1.0), None),
        ("x*abs(x) + y", (0.0, 1.0), None),
        ("1e6*x**2 + y**2", (0.0, 1.0), None),
        ("abs(x) + y", (1e-3, 1.0), None),
        ("exp(20*x) + y", (0.5, 1.0), None),
    ],
)
def test_kinks_are_told_from_curvature(text: str, x: tuple[float, float], variable: int | None) -> None:
    kink = kink_at(ExpressionFunction(parse(text), 2), torch.tensor(x, dtype=torch.float64))
    assert (None if kink is None else kink.variable) == variable
