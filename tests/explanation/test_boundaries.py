"""What 0, 1 and 2 hidden layers separate, with and without weight decay."""

from __future__ import annotations

import numpy as np
import pytest

from danlu.core.errors import PlanError, TrainingError
from danlu.explanation.boundaries import Boundaries, Plane, boundaries
from danlu.explanation.points import point_set


def plane(name: str, rows: int = 100, noise: float | None = None) -> Plane:
    x_N2, class_N = point_set(name, rows, noise)
    held_T2, held_class_T = point_set(name, 2000, noise, part="held out")
    return Plane(name, ("x", "y"), ("0", "1"), x_N2, class_N, held_T2, held_class_T)


@pytest.fixture(scope="module")
def found() -> dict[str, Boundaries]:
    return {name: boundaries(plane(name), members=3) for name in ("moons", "circles", "xor")}


def accuracy(each: Boundaries, layers: int, decay: bool) -> float:
    (one,) = [b for b in each.found if len(b.hidden) == layers and (b.weight_decay > 0) == decay]
    return one.accuracy


def test_no_hidden_layer_separates_only_what_a_line_separates(found: dict[str, Boundaries]) -> None:
    for name in ("circles", "xor"):
        for decay in (False, True):
            assert 0.4 < accuracy(found[name], 0, decay) < 0.6
            assert accuracy(found[name], 1, decay) > 0.83
            assert accuracy(found[name], 2, decay) > 0.83


def test_without_a_hidden_layer_the_boundary_is_one_straight_line(found: dict[str, Boundaries]) -> None:
    for each in found.values():
        for boundary in each.found:
            if boundary.hidden:
                continue
            for lines in boundary.member_lines:
                (line,) = lines
                along = line - line.mean(0)
                thickness = np.linalg.svd(along, compute_uv=False)[1]
                assert thickness < 1e-3 * np.linalg.norm(along)


def test_weight_decay_smooths_what_noise_bends(found: dict[str, Boundaries]) -> None:
    for each in found.values():
        plain, decayed = (
            next(b for b in each.found if len(b.hidden) == 2 and b.weight_decay == d) for d in (0.0, 0.01)
        )
        assert plain.train_accuracy == 1.0  # noise is learnt by heart
        assert decayed.train_accuracy < 0.98
        assert decayed.accuracy > plain.accuracy
        length = [sum(np.hypot(*(line[1:] - line[:-1]).T).sum() for line in b.lines) for b in (plain, decayed)]
        assert length[1] < length[0]


def test_fields_are_probabilities_that_the_lines_divide(found: dict[str, Boundaries]) -> None:
    each = found["moons"]
    for boundary in each.found:
        assert boundary.probability_CGG.shape == (2, len(each.y_G), len(each.x_G))
        np.testing.assert_allclose(boundary.probability_CGG.sum(0), 1, atol=1e-6)
        inside = each.plane.held_T2[:, 0] < each.x_G[-1]
        assert inside.any()
        assert len(boundary.accuracy_M) == 3
        assert len(boundary.member_lines) == 3
    last = each.found[-1].probability_CGG[1]
    at = [np.abs(axis[:, None] - each.plane.x_N2[:, i]).argmin(0) for i, axis in ((1, each.y_G), (0, each.x_G))]
    agree = (last[at[0], at[1]] > 0.5) == (each.plane.class_N == 1)
    assert agree.mean() > 0.85


def test_the_same_seed_gives_the_same_and_another_another() -> None:
    small = {"members": 2, "epochs": 30}
    first, again, other = (boundaries(plane("moons"), ((8,),), (0.0,), seed=s, **small) for s in (0, 0, 1))
    np.testing.assert_array_equal(first.found[0].probability_CGG, again.found[0].probability_CGG)
    assert not np.array_equal(first.found[0].probability_CGG, other.found[0].probability_CGG)


def test_three_classes() -> None:
    random = np.random.default_rng(0)
    class_N = np.arange(90) % 3
    x_N2 = np.array([[0.0, 0.0], [4.0, 0.0], [0.0, 4.0]])[class_N] + 0.3 * random.normal(size=(90, 2))
    three = Plane("three", ("a", "b"), ("r", "g", "b"), x_N2[:60], class_N[:60], x_N2[60:], class_N[60:])
    (only,) = boundaries(three, ((),), (0.0,), members=2).found
    assert only.accuracy == 1.0
    assert only.probability_CGG.shape[0] == 3


def test_refusals() -> None:
    with pytest.raises(PlanError, match="`members` must be from 1 to 100"):
        boundaries(plane("xor"), members=0)
    with pytest.raises(PlanError, match="`lr` must be above 0"):
        boundaries(plane("xor"), lr=0)
    with pytest.raises(TrainingError):
        boundaries(plane("xor"), ((8,),), (0.0,), members=2, lr=1e30, optimizer="sgd", epochs=50)
