"""The sizes of a learning curve: how many, which rows, and for how long their networks are trained."""

from __future__ import annotations

import numpy as np
import pytest

from danlu.core.errors import DataError
from danlu.core.plan import make_plan
from danlu.data import divide, examine, read
from danlu.workflow.sizes import Sizes, sizes, stretched


def chosen(table: dict[str, list], **settings: object) -> Sizes:
    plan = make_plan(target="y", **settings)
    examined = examine(read(table), plan)
    return sizes(examined, divide(examined, plan), plan.seed)


def table(rows: int, **more: list) -> dict[str, list]:
    random = np.random.default_rng(0)
    return {"x": random.normal(size=rows).tolist(), "y": random.normal(size=rows).tolist()} | more


def test_each_size_is_half_of_the_next() -> None:
    found = chosen(table(2000))
    assert found.shares == (1 / 128, 1 / 64, 1 / 32, 1 / 16, 1 / 8, 1 / 4, 1 / 2, 1.0)
    assert [len(parts[0]) for parts in found.train] == [12, 25, 50, 100, 200, 400, 800, 1600]
    assert found.words == "7 sizes of 12 to 800 rows"
    assert not found.notes


def test_there_are_at_most_ten() -> None:
    found = chosen(table(40_000))
    assert len(found.shares) == 10
    assert found.shares[0] == 1 / 512


def test_few_rows_give_closer_sizes_and_a_note_where_they_are_few() -> None:
    found = chosen(table(100))
    assert [len(parts[0]) for parts in found.train] == [14, 20, 28, 40, 57, 80]
    assert found.shares[-3] == pytest.approx(0.5)
    short = chosen(table(40))
    assert [len(parts[0]) for parts in short.train] == [16, 23, 32]
    assert short.notes[0].text == "only 3 sizes: there are too few rows for more"


def test_too_few_rows_are_refused() -> None:
    with pytest.raises(DataError, match="needs 24 rows to learn from in every fold, got 16"):
        chosen(table(20))


def test_classes_need_rows_of_each() -> None:
    many = {"x": list(range(120)), "y": [f"c{i % 10}" for i in range(120)]}
    with pytest.raises(DataError, match="needs 80 rows"):
        chosen({name: values[:80] for name, values in many.items()}, folds=4)
    found = chosen(many, folds=4)
    counts = np.bincount(np.asarray(many["x"])[found.train[0][0]] % 10)
    assert counts.min() >= 3


def test_one_group_for_all_sizes_is_refused() -> None:
    with pytest.raises(DataError, match="several groups"):
        chosen(table(200, g=[i % 2 for i in range(200)]), group="g", folds=2)


def test_groups_that_give_the_same_part_twice_are_one_size() -> None:
    found = chosen(table(400, g=[i % 8 for i in range(400)]), group="g", folds=2)
    assert [len(parts[0]) for parts in found.train] == [50, 100, 150, 200]
    assert found.notes


def test_rows_without_weight_come_last() -> None:
    weight = [float(i % 2) for i in range(400)]
    found = chosen(table(400, w=weight), weight="w")
    assert all((np.array(weight)[rows] > 0).all() for parts in found.train[:-1] for rows in parts)


def test_as_many_steps_take_more_epochs() -> None:
    plan = make_plan(epochs=10, lr=0.1, schedule="exponential:0.9", warmup=2.0, early_stopping=True, patience=3)
    longer = stretched(plan, 4.0)
    assert (longer.epochs, longer.warmup, longer.judge_every, longer.patience) == (40, 8.0, 4, 3)
    share = float((longer.schedule or "").removeprefix("exponential:"))
    assert share**40 == pytest.approx(0.9**10)
    assert stretched(make_plan(epochs=10, schedule="cosine"), 3.0).schedule == "cosine"
    assert stretched(make_plan(epochs=10, schedule="step"), 2.0).schedule == "step:60:0.1"


def test_nobody_judges_on_the_way_unless_something_waits_for_it() -> None:
    assert stretched(make_plan(epochs=10, test="t.csv", watch_test=True), 2.0).judge_every == 20
    assert not stretched(make_plan(epochs=10, test="t.csv", watch_test=True), 2.0).watch_test
    assert stretched(make_plan(epochs=10, schedule="plateau"), 2.0).judge_every == 2
