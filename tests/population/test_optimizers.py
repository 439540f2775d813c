"""Optimizers against torch.optim, member by member, in float64 over 50 steps."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from danlu.core.plan import make_plan
from danlu.networks import Program
from danlu.population.members import Members
from danlu.population.optimizers import clip, make_optimizer, norm, penalise, start

STEPS, P = 50, 32
RATES = (0.1, 0.01, 0.3)

CASES: dict[str, tuple[dict[str, Any], type[torch.optim.Optimizer], dict[str, Any]]] = {
    "sgd": ({"optimizer": "sgd"}, torch.optim.SGD, {}),
    "sgd, decay": ({"optimizer": "sgd", "weight_decay": 0.1}, torch.optim.SGD, {"weight_decay": 0.1}),
    "sgd, momentum": (
        {"optimizer": "sgd", "momentum": 0.9, "weight_decay": 0.1},
        torch.optim.SGD,
        {"momentum": 0.9, "weight_decay": 0.1},
    ),
    "sgd, nesterov": (
        {"optimizer": "sgd", "momentum": 0.8, "nesterov": True},
        torch.optim.SGD,
        {"momentum": 0.8, "nesterov": True},
    ),
    "adam": ({"optimizer": "adam"}, torch.optim.Adam, {}),
    "adam, decay": ({"optimizer": "adam", "weight_decay": 0.1}, torch.optim.Adam, {"weight_decay": 0.1}),
    "adamw": ({"optimizer": "adamw", "weight_decay": 0.1}, torch.optim.AdamW, {"weight_decay": 0.1}),
    "rmsprop": ({"optimizer": "rmsprop", "weight_decay": 0.1}, torch.optim.RMSprop, {"weight_decay": 0.1}),
    "rmsprop, momentum": ({"optimizer": "rmsprop", "momentum": 0.9}, torch.optim.RMSprop, {"momentum": 0.9}),
    "adagrad": ({"optimizer": "adagrad", "weight_decay": 0.1}, torch.optim.Adagrad, {"weight_decay": 0.1}),
}


def gradient(weights: torch.Tensor, step: int) -> torch.Tensor:
    """The gradient of a bumpy function that differs from step to step; one weight never has any."""
    result = weights - 0.3 * torch.cos(weights * (step % 7 + 1)) + 0.1
    result[..., 0] = 0
    return result


@pytest.mark.parametrize("case", CASES)
def test_each_member_equals_torch(case: str) -> None:
    setting, oracle, options = CASES[case]
    plans = [make_plan(lr=lr, **setting) for lr in RATES]
    one = [Members.make(plan, 1, dtype=torch.float64) for plan in plans]
    members = one[0].join(*one[1:])
    first = torch.randn(3, P, dtype=torch.float64, generator=torch.Generator().manual_seed(0))

    ours, optimizer = first.clone(), make_optimizer(plans[0], members)
    state = start(optimizer, ours)
    lr_SM = np.broadcast_to(np.array(RATES), (STEPS, 3))
    numbers = optimizer.coefficients(lr_SM, np.arange(1.0, STEPS + 1)[:, None].repeat(3, 1), members)
    for s in range(STEPS):
        c = {name: torch.from_numpy(np.array(value[s]))[:, None] for name, value in numbers.items()}
        optimizer.step(ours, gradient(ours, s), state | {"spare": torch.empty_like(ours)}, c, Program())

    for m, lr in enumerate(RATES):
        theirs = first[m].clone().requires_grad_()
        torch_optimizer = oracle([theirs], lr=lr, **options)  # pyrefly: ignore
        for s in range(STEPS):
            theirs.grad = gradient(theirs.detach(), s)
            torch_optimizer.step()
        torch.testing.assert_close(ours[m], theirs.detach(), rtol=1e-10, atol=1e-12)


def test_a_member_without_momentum_is_the_same_beside_one_with_it() -> None:
    plain, heavy = (Members.make(make_plan(lr=0.1, optimizer="sgd", momentum=m), 1) for m in (0.0, 0.9))
    plan, weights = make_plan(optimizer="sgd", lr=0.1), torch.randn(2, P)
    results = []
    for members in (plain, plain.join(heavy)):
        optimizer, ours = make_optimizer(plan, members), weights[: members.count].clone()
        state = start(optimizer, ours)
        for s in range(10):
            numbers = optimizer.coefficients(
                np.full((1, members.count), 0.1), np.full((1, members.count), 1.0), members
            )
            c = {name: torch.from_numpy(np.array(v[0])).float()[:, None] for name, v in numbers.items()}
            optimizer.step(ours, gradient(ours, s), state | {"spare": torch.empty_like(ours)}, c, Program())
        results.append(ours[0])
    assert torch.equal(*results)


def test_clipping_equals_torch_per_member() -> None:
    gradients = torch.randn(3, P, dtype=torch.float64) * torch.tensor([[0.01], [1.0], [50.0]], dtype=torch.float64)
    most = torch.tensor([[1.0], [torch.inf], [2.0]], dtype=torch.float64)
    expected = []
    for row, limit in zip(gradients, most, strict=True):
        parameter = torch.zeros(P, dtype=torch.float64, requires_grad=True)
        parameter.grad = row.clone()
        torch.nn.utils.clip_grad_norm_([parameter], float(limit))
        expected.append(parameter.grad)
    torch.testing.assert_close(clip(gradients.clone(), most), torch.stack(expected), rtol=1e-12, atol=0)
    torch.testing.assert_close(norm(gradients)[:, 0], gradients.norm(dim=1))
    assert torch.equal(clip(gradients.clone(), most)[1], gradients[1])


def test_l1_is_autograds_gradient_on_weights_only() -> None:
    weights = torch.randn(2, 16, dtype=torch.float64)
    weights[:, 3] = 0
    penalised = (torch.arange(16) < 10).double()
    l1 = torch.tensor([[0.1], [0.7]], dtype=torch.float64)
    leaf = weights.clone().requires_grad_()
    (leaf.abs() * penalised * l1).sum().backward()
    ours = penalise(torch.zeros_like(weights), weights, l1, penalised)
    torch.testing.assert_close(ours, leaf.grad)
    assert not ours[:, 10:].any()
