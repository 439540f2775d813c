"""Schedules against torch.optim.lr_scheduler."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch.optim import lr_scheduler

from danlu.core.errors import PlanError
from danlu.population.schedules import Plateau, Schedule

EPOCHS, STEPS, LR = 10, 4, 0.2


def rates(text: str, warmup: float = 0.0) -> np.ndarray:
    factors = Schedule.make(text, EPOCHS, warmup).factors(np.arange(EPOCHS * STEPS)[:, None], np.array([STEPS]))
    return LR * factors[:, 0]


def from_torch(make: Callable[[Any], Any], *, per_step: bool) -> np.ndarray:
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=LR)
    scheduler = make(optimizer)
    result = []
    for step in range(EPOCHS * STEPS):
        result.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if per_step or (step + 1) % STEPS == 0:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                if step + 1 < EPOCHS * STEPS:
                    scheduler.step()
    return np.array(result)


ORACLES: dict[str, tuple[Callable[[Any], Any], bool]] = {
    "constant": (lambda o: lr_scheduler.ConstantLR(o, factor=1.0), True),
    "step:3:0.5": (lambda o: lr_scheduler.StepLR(o, 3, 0.5), False),
    "exponential:0.8": (lambda o: lr_scheduler.ExponentialLR(o, 0.8), False),
    "cosine": (lambda o: lr_scheduler.CosineAnnealingLR(o, EPOCHS * STEPS), True),
    "cosine:0.1": (lambda o: lr_scheduler.CosineAnnealingLR(o, EPOCHS * STEPS, eta_min=0.1 * LR), True),
    "one-cycle": (lambda o: lr_scheduler.OneCycleLR(o, LR, total_steps=EPOCHS * STEPS, cycle_momentum=False), True),
    "one-cycle:0.6": (
        lambda o: lr_scheduler.OneCycleLR(o, LR, total_steps=EPOCHS * STEPS, pct_start=0.6, cycle_momentum=False),
        True,
    ),
}


@pytest.mark.parametrize("text", ORACLES)
def test_schedules_equal_torch(text: str) -> None:
    make, per_step = ORACLES[text]
    np.testing.assert_allclose(rates(text), from_torch(make, per_step=per_step), rtol=1e-12, atol=1e-15)


def test_warmup_rises_linearly_and_the_schedule_begins_behind_it() -> None:
    warm = rates("cosine", warmup=2.5)
    np.testing.assert_allclose(warm[:10], LR * np.arange(1, 11) / 10)
    assert warm[10] == LR
    np.testing.assert_allclose(warm[10 + 15], LR / 2)


def test_members_with_fewer_steps_an_epoch_reach_the_end_too() -> None:
    factors = Schedule.make("step:5:0.1", 10).factors(np.array([[15, 20]]), np.array([3, 4]))
    np.testing.assert_allclose(factors, [[0.1, 0.1]])


def test_plateau_equals_torch_per_member() -> None:
    generator = np.random.default_rng(0)
    losses = (
        np.maximum.accumulate(generator.uniform(0.5, 1.0, (60, 2)), axis=0)[::-1] + 0.3 * (np.arange(60) > 30)[:, None]
    )
    ours = Plateau(np.array([3, 3]), np.array([0.5, 0.5]), np.array([0.1, 0.02]))
    optimizers = [torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=lr) for lr in (0.1, 0.02)]
    schedulers = [lr_scheduler.ReduceLROnPlateau(o, patience=3, factor=0.5) for o in optimizers]
    for loss in losses:
        ours.judge(loss, np.array([0, 1]))
        for scheduler, value in zip(schedulers, loss, strict=True):
            scheduler.step(value)
        np.testing.assert_allclose(ours.lr_M, [o.param_groups[0]["lr"] for o in optimizers], rtol=1e-12)
    assert ours.lr_M[0] < 0.02


@pytest.mark.parametrize("text", ["step:0", "step:2.5", "step:3:1.5", "exponential:0", "cosine:-1", "cosine:0.1:0.2"])
def test_numbers_out_of_range_are_refused(text: str) -> None:
    with pytest.raises(PlanError, match="Use "):
        Schedule.make(text, 10)
