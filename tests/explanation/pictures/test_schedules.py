"""Learning rates against torch's schedulers and arithmetic."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from danlu.core.errors import PlanError
from danlu.core.parsing import SCHEDULES
from danlu.core.plan import make_plan
from danlu.explanation.pictures.schedules import MOST_STEPS, rates


def test_all_schedules_are_drawn_unless_the_plan_has_one() -> None:
    assert rates([], make_plan(epochs=4), 3).schedules == SCHEDULES
    assert rates([], make_plan(epochs=4, schedule="cosine"), 3).schedules == ("cosine",)
    assert rates(["step:2:0.5"], make_plan(epochs=4, schedule="cosine"), 3).schedules == ("step:2:0.5",)


def test_one_cycle_is_torchs() -> None:
    found = rates(["one-cycle"], make_plan(epochs=5, lr=0.3), steps=8)
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=0.1)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.3, total_steps=40)
    expected = []
    for _ in range(40):
        expected.append(schedule.get_last_lr()[0])
        optimizer.step()
        if len(expected) < 40:
            schedule.step()
    np.testing.assert_allclose(found.rate_SK[:, 0], expected, rtol=1e-9)
    np.testing.assert_allclose(found.epoch_S, np.arange(40) / 8)


def test_warm_up_rises_in_a_straight_line() -> None:
    found = rates(["constant"], make_plan(epochs=4, lr=2.0, warmup=1), steps=4)
    assert found.rate_SK[:, 0].tolist() == [0.5, 1.0, 1.5, 2.0] + [2.0] * 12


def test_plateau_waits_for_a_loss_that_no_longer_falls() -> None:
    found = rates(["plateau:3:0.1"], make_plan(epochs=40), steps=2)
    assert found.stuck == 10
    # Best at epoch 10; epochs 11 to 14 are four judgings without gain, more than three: cut before epoch 15.
    assert found.rate_SK[found.epoch_S < 14, 0].tolist() == [1.0] * 28
    assert found.rate_SK[found.epoch_S == 14, 0] == pytest.approx([0.1])
    assert rates(["cosine"], make_plan(epochs=40), 2).stuck is None


def test_long_runs_are_thinned_with_both_ends_kept() -> None:
    found = rates(["exponential:0.999"], make_plan(epochs=1_000_000), steps=50)
    assert len(found.epoch_S) <= MOST_STEPS
    assert found.epoch_S[0] == 0
    assert found.epoch_S[-1] == 1_000_000 - 1 / 50


def test_unknown_schedules_are_refused_with_the_nearest() -> None:
    with pytest.raises(PlanError, match="Did you mean `cosine`"):
        rates(["cosin"], make_plan(), 10)
    with pytest.raises(PlanError, match="share"):
        rates(["exponential:2"], make_plan(), 10)
