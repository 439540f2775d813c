"""Members: numbers as tensors, keys by content."""

from __future__ import annotations

import math

from danlu.core.plan import make_plan
from danlu.population import Members


def test_keys_depend_on_seed_repeat_and_fold_only() -> None:
    plan = make_plan(lr=0.1, seed=3)
    five, two = Members.make(plan, 5), Members.make(plan, 2)
    assert five.keys[:2] == two.keys
    assert len(set(five.keys)) == 5
    assert Members.make(plan, 2, [0, 1]).keys[1] != two.keys[1]
    assert Members.make(make_plan(lr=0.5, seed=3), 2).keys == two.keys
    assert Members.make(make_plan(lr=0.1, seed=4), 2).keys != two.keys


def test_what_is_not_asked_for_is_off() -> None:
    members = Members.make(make_plan(lr=0.1, clip=2.0), 2).join(Members.make(make_plan(lr=0.2), 2).select([1]))
    assert members.count == 3
    assert members.clip.tolist() == [2.0, 2.0, math.inf]
    assert members.fold_M.tolist() == [0, 1, 1]
    assert members.momentum.tolist() == members.l1.tolist() == members.dropout.tolist() == [0.0] * 3
    assert members.select([2, 0]).lr.tolist() == members.lr[[2, 0]].tolist()
