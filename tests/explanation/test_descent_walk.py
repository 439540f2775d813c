"""Descents against torch.optim and SEEDS' numbers; what breaks is named where it first does."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from danlu.explanation.descent_records import DescentRecord
from danlu.explanation.minimize import minimize

CASES: dict[str, tuple[dict[str, Any], type[torch.optim.Optimizer], dict[str, Any]]] = {
    "sgd": ({"optimizer": "sgd", "lr": 0.002}, torch.optim.SGD, {}),
    "momentum": ({"optimizer": "sgd", "lr": 0.002, "momentum": 0.9}, torch.optim.SGD, {"momentum": 0.9}),
    "nesterov": (
        {"optimizer": "sgd", "lr": 0.002, "momentum": 0.8, "nesterov": True},
        torch.optim.SGD,
        {"momentum": 0.8, "nesterov": True},
    ),
    "adam": ({"optimizer": "adam", "lr": 0.05}, torch.optim.Adam, {}),
    "adamw": ({"optimizer": "adamw", "lr": 0.05}, torch.optim.AdamW, {"weight_decay": 0.0}),
    "rmsprop": ({"optimizer": "rmsprop", "lr": 0.02}, torch.optim.RMSprop, {}),
    "adagrad": ({"optimizer": "adagrad", "lr": 0.3}, torch.optim.Adagrad, {}),
}


def himmelblau(x: torch.Tensor) -> torch.Tensor:
    return (x[0] ** 2 + x[1] - 11) ** 2 + (x[0] + x[1] ** 2 - 7) ** 2


@pytest.mark.parametrize("case", CASES)
def test_every_step_is_torchs(case: str) -> None:
    settings, oracle, options = CASES[case]
    found = minimize("himmelblau", (0.5, -1.0), steps=60, every=1, **settings)
    x = torch.tensor([0.5, -1.0], dtype=torch.float64, requires_grad=True)
    optimizer = oracle([x], lr=settings["lr"], **options)
    for step in range(61):
        value = himmelblau(x)
        np.testing.assert_allclose(found.path_x_KMN[step, 0], x.detach().numpy(), rtol=1e-9, atol=1e-12)
        assert found.path_f_KM[step, 0] == pytest.approx(value.item(), rel=1e-8, abs=1e-12)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
    assert found.path_step_K.tolist() == list(range(61))


def himmelblau_by_adam(dtype: str) -> DescentRecord:
    return minimize("himmelblau", (0, 0), optimizer="adam", lr=0.001, steps=20_000, dtype=dtype)


def test_the_tutorials_numbers_in_float32() -> None:
    found = himmelblau_by_adam("float32")
    f = dict(zip(found.path_step_K.tolist(), found.path_f_KM[:, 0].tolist(), strict=True))
    assert list(f) == list(range(0, 20_001, 2_000))
    assert f[0] == 170
    assert f"{f[2_000]:.4f}" == "13.7309"
    assert f"{f[4_000]:.6f}" == "0.014859"
    assert f[16_000] == 0
    assert found.path_x_KMN[8, 0].tolist() == [3, 2]
    assert found.status_M == ("converged",)


def test_the_tutorials_numbers_in_float64() -> None:
    found = himmelblau_by_adam("float64")
    assert f"{found.path_f_KM[1, 0]:.4f}" == "13.7308"
    assert f"{found.path_f_KM[4, 0]:.0e}" == "4e-27"


def test_a_member_equals_its_solo_run_among_others() -> None:
    starts = np.random.default_rng(0).uniform(-5, 5, (37, 2))
    together = minimize("himmelblau", starts, optimizer="adam,sgd,rmsprop", lr="0.01,0.003", steps=300, dtype="float32")
    for setting, s in ((0, 5), (1, 36), (3, 0), (5, 20)):
        name, lr = together.settings[setting].optimizer, together.settings[setting].lr
        alone = minimize("himmelblau", starts[s], optimizer=name, lr=lr, steps=300, dtype="float32")
        member = setting * 37 + s
        assert together.path_x_KMN[:, member].tolist() == alone.path_x_KMN[:, 0].tolist()
        assert together.f_M[member] == alone.f_M[0]


def test_all_combinations_are_members() -> None:
    found = minimize("quadratic", (1, 1), optimizer=["adam", "sgd"], lr=[0.1, 0.01], steps=10)
    names = [(setting.optimizer, setting.lr) for setting in found.settings]
    assert names == [("adam", 0.1), ("adam", 0.01), ("sgd", 0.1), ("sgd", 0.01)]
    assert found.members == 4
    # sgd on x² + 10 y²: x becomes x (1 - 2 lr) and y becomes y (1 - 20 lr) in each step.
    np.testing.assert_allclose(found.x_MN[2], [0.8**10, (-1.0) ** 10], rtol=1e-12)
    np.testing.assert_allclose(found.x_MN[3], [0.98**10, 0.8**10], rtol=1e-12)


def test_a_schedule_changes_the_rate_as_in_torch() -> None:
    found = minimize("x**2", 1.0, optimizer="sgd", lr=0.1, steps=4, every=1, schedule="step:2:0.5")
    # f' = 2x: factors 0.8, 0.8, then half the rate: 0.9, 0.9.
    np.testing.assert_allclose(found.path_x_KMN[:, 0, 0], [1, 0.8, 0.64, 0.576, 0.5184], rtol=1e-12)


def test_the_path_ends_behind_the_last_step_whatever_every_is() -> None:
    found = minimize("x**2", 1.0, optimizer="sgd", lr=0.1, steps=10, every=4)
    assert [row["step"] for row in found.path()] == [0, 4, 8, 10]
    assert found.path()[-1]["x"][0] == pytest.approx(0.8**10)
    assert found.path()[-1]["f"] == pytest.approx(0.8**20)


def test_a_member_that_breaks_is_named_with_step_and_x_and_the_others_go_on() -> None:
    # x³ from -1 by SGD: x - 3 lr x², which runs off; from 0.5 it goes towards 0.
    found = minimize("x**3", [[0.5], [-1.0]], optimizer="sgd", lr=0.1, steps=600, every=1)
    x, step = -1.0, 0
    while np.isfinite(x**3):
        x, step = x - 0.3 * x * x, step + 1
        if abs(x) > 1e150:
            break
    [broken] = found.broken
    assert broken.member == 1
    assert broken.step == step
    assert broken.x[0] == pytest.approx(x, rel=1e-6)
    assert broken.what == "f is minus infinity"
    assert found.status_M[1] == "diverged"
    assert np.isnan(found.path_x_KMN[step + 1 :, 1]).all()
    assert not np.isnan(found.path_x_KMN[: step + 1, 1]).any()
    assert np.isfinite(found.path_x_KMN[:, 0]).all()
    assert found.x_MN[1, 0] == broken.x[0]


def test_f_that_is_infinite_only_for_a_while_ends_the_start_too() -> None:
    found = minimize("x**2", [[3e19], [1.0]], optimizer="sgd", lr=0.3, steps=50, dtype="float32")
    assert [(b.member, b.step, b.what) for b in found.broken] == [(0, 0, "f is infinite")]


def test_a_gradient_that_is_not_finite_is_named_by_its_variable() -> None:
    # By SGD with rate 1 on x² / 2 + sqrt(y - 1): x is 0 after one step; y falls below 1 some steps later.
    found = minimize("x**2/2 + sqrt(y - 1)", (1.0, 1.25), optimizer="sgd", lr=0.25, steps=10)
    assert found.broken[0].step == 1
    assert found.broken[0].what == "the gradient by y is infinite"
    assert found.broken[0].x == (0.75, 1.0)


def test_the_user_can_stop() -> None:
    calls: list[int] = []

    def stop() -> bool:
        return bool(calls)

    found = minimize(
        "himmelblau", (0, 0), lr=0.001, steps=5_000, on_step=lambda taken, *_: calls.append(taken), stop=stop
    )
    assert found.interrupted
    assert found.steps == calls[0] < 5_000
    assert found.path_step_K[-1] == calls[0]
