from __future__ import annotations

import re
import time
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from danlu.core.errors import DataError
from danlu.core.plan import make_plan
from danlu.core.records import Rows, Schema, TargetSchema
from danlu.data.columns import Examined, Table, Target
from danlu.data.folds import Folds, divide, watched


def examined(
    rows: int | None = None, classes: Any = None, names: tuple[str, ...] | None = None, **special: Any
) -> Examined:
    """Return an examined table of which only rows, target and special columns matter."""
    if classes is None:
        assert rows is not None
        target = Target(TargetSchema(names=("y",), task="regression", outputs=1), np.arange(rows, dtype=float)[:, None])
    else:
        codes = np.asarray(classes, dtype=np.int64)
        rows = len(codes)
        names = names or tuple(f"class{i}" for i in range(int(codes.max()) + 1))
        schema = TargetSchema(names=("y",), task="classification", classes=names, outputs=len(names))
        target = Target(schema, codes)
    return Examined(
        table=Table((), rows),
        schema=Schema(columns=(), target=target.schema),
        target=target,
        special={name: np.asarray(values) for name, values in special.items()},
        kept=np.arange(rows),
        rows=Rows(read=rows, used=rows),
        notes=(),
    )


def divided(table: Examined, **settings: Any) -> Folds:
    for name in table.special:
        settings.setdefault("fold_column" if name == "fold" else name, f"the_{name}")
    return divide(table, make_plan(**settings))


def check(folds: Folds, rows: int, *, whole: bool = True) -> None:
    """Check what must hold for every division: disjoint, ascending, and each row judged once a repeat."""
    assert len(folds.train) == len(folds.judged) == len(folds.repeat)
    for train, judged in zip(folds.train, folds.judged, strict=True):
        assert train.dtype == judged.dtype == np.int64
        assert len(train)
        assert (np.diff(train) > 0).all()
        assert (np.diff(judged) > 0).all()
        assert not len(np.intersect1d(train, judged))
        if whole:
            assert len(train) + len(judged) == rows
    if folds.kind == "out-of-fold" and whole:
        for repeat in set(folds.repeat):
            together = np.concatenate([j for j, r in zip(folds.judged, folds.repeat, strict=True) if r == repeat])
            assert np.sort(together).tolist() == list(range(rows))


def same(first: Folds, second: Folds) -> bool:
    pairs = zip((*first.train, *first.judged), (*second.train, *second.judged), strict=True)
    return all(np.array_equal(a, b) for a, b in pairs)


@given(st.integers(2, 60), st.data())
def test_folds_of_numbers(rows: int, data: st.DataObject) -> None:
    settings = {"folds": data.draw(st.integers(2, rows)), "repeats": data.draw(st.integers(1, 3)), "seed": 7}
    folds = divided(examined(rows), **settings)
    check(folds, rows)
    assert len(folds.train) == settings["folds"] * settings["repeats"]
    sizes = [len(judged) for judged in folds.judged]
    assert max(sizes) - min(sizes) <= 1
    assert same(folds, divided(examined(rows), **settings))


@given(st.lists(st.integers(0, 4), min_size=4, max_size=80), st.integers(2, 4))
def test_folds_of_classes_are_alike(classes: list[int], count: int) -> None:
    folds = divided(examined(classes=classes), folds=count)
    check(folds, len(classes))
    for label in set(classes):
        per_fold = [int((np.array(classes)[judged] == label).sum()) for judged in folds.judged]
        assert max(per_fold) - min(per_fold) <= 1
    sizes = [len(judged) for judged in folds.judged]
    assert max(sizes) - min(sizes) <= 1


def test_rare_classes_are_named() -> None:
    folds = divided(examined(classes=[0] * 20 + [1] * 2 + [2] * 5, names=("many", "few", "enough")), folds=5)
    (note,) = folds.notes
    assert note.topic == "folds"
    assert note.text.endswith("fewer rows than the 5 folds are judged only in as many folds as they reach: few (2)")
    assert sum(np.isin([20, 21], judged).any() for judged in folds.judged) == 2
    assert folds.words == "5 folds, stratified by class"


def test_repeats_and_seeds_differ() -> None:
    folds = divided(examined(50), folds=5, repeats=2)
    assert folds.repeat == (0,) * 5 + (1,) * 5
    assert not np.array_equal(folds.judged[0], folds.judged[5])
    assert folds.words == "5 folds, 2 repeats"
    assert not same(folds, divided(examined(50), folds=5, repeats=2, seed=1))
    # The first repeat does not depend on how many follow.
    assert np.array_equal(folds.judged[0], divided(examined(50), folds=5).judged[0])


@pytest.mark.parametrize(("rows", "count"), [(2, 2), (3, 3), (100, 5)])
def test_five_folds_unless_asked_otherwise(rows: int, count: int) -> None:
    assert len(divided(examined(rows)).train) == count


@given(st.lists(st.integers(0, 3), min_size=5, max_size=100), st.sampled_from([0.1, 0.2, 0.5, 0.9]))
def test_holdout_of_classes(classes: list[int], share: float) -> None:
    folds = divided(examined(classes=classes), holdout=share, repeats=2)
    check(folds, len(classes))
    assert np.array_equal(folds.judged[0], folds.judged[1])
    assert len(folds.judged[0])
    if min(np.bincount(classes)[list(set(classes))]) > 1 / min(share, 1 - share):
        for label in set(classes):
            count = int((np.array(classes)[folds.judged[0]] == label).sum())
            assert abs(count - share * classes.count(label)) <= 1.5
    # A class is only judged where it can be learnt.
    if len(classes) > 20 and share <= 0.5:
        assert set(np.array(classes)[folds.judged[0]]) <= set(np.array(classes)[folds.train[0]])


def test_holdout_of_numbers() -> None:
    folds = divided(examined(1000), holdout=0.2)
    check(folds, 1000)
    assert (len(folds.judged[0]), folds.kind) == (200, "holdout")
    assert folds.words == "200 rows held out of 1,000, drawn at random"


def test_no_row_is_judged_at_holdout_zero() -> None:
    folds = divided(examined(10), holdout=0, repeats=3)
    assert (folds.kind, folds.repeat) == ("none", (0, 1, 2))
    assert [len(judged) for judged in folds.judged] == [0, 0, 0]
    assert all(train.tolist() == list(range(10)) for train in folds.train)


def test_given_folds() -> None:
    folds = divided(examined(6, fold=[0, 1, 2, 1, 0, 2]))
    check(folds, 6)
    assert [judged.tolist() for judged in folds.judged] == [[0, 4], [1, 3], [2, 5]]
    assert folds.words == "3 folds given by column the_fold"
    unlike = divided(examined(10, fold=[0] * 9 + [1]))
    assert "1 to 9 rows" in unlike.notes[0].text


groups_and_classes = st.integers(2, 12).flatmap(
    lambda count: st.lists(st.tuples(st.integers(0, count - 1), st.integers(0, 2)), min_size=4, max_size=80).filter(
        lambda pairs: len({group for group, _ in pairs}) > 1
    )
)


@given(groups_and_classes, st.booleans(), st.data())
def test_groups_are_never_split(pairs: list[tuple[int, int]], classify: bool, data: st.DataObject) -> None:
    groups = np.unique([group for group, _ in pairs], return_inverse=True)[1]
    classes = [label for _, label in pairs] if classify else None
    table = examined(len(pairs), classes, group=groups)
    count = data.draw(st.integers(2, int(groups.max()) + 1))
    for folds in (divided(table, folds=count, repeats=2), divided(table, holdout=0.3)):
        check(folds, len(pairs))
        for train, judged in zip(folds.train, folds.judged, strict=True):
            assert not set(groups[train]) & set(groups[judged])
            assert len(judged)


def test_folds_of_groups_are_balanced_and_alike() -> None:
    random = np.random.default_rng(0)
    sizes = random.integers(1, 40, 3000)
    groups = np.repeat(np.arange(3000), sizes)
    classes = np.repeat((random.random(3000) < 0.2).astype(int), sizes)
    folds = divided(examined(classes=classes, group=groups), folds=5, repeats=2)
    judged = np.array([len(rows) for rows in folds.judged])
    assert judged.max() < 1.02 * judged.min()
    share = np.array([classes[rows].mean() for rows in folds.judged])
    np.testing.assert_allclose(share, classes.mean(), atol=0.01)
    assert not np.array_equal(folds.judged[0], folds.judged[5])


@given(st.lists(st.integers(0, 30), min_size=4, max_size=100).filter(lambda times: len(set(times)) > 1), st.data())
def test_what_is_judged_is_strictly_later(times: list[int], data: st.DataObject) -> None:
    moments = np.array(times, dtype=float)
    table = examined(len(times), time=moments)
    count = data.draw(st.integers(2, max(2, len(set(times)) - 1))) if len(set(times)) > 2 else None
    for folds in (divided(table, folds=count), divided(table, holdout=0.2)):
        check(folds, len(times), whole=folds.kind == "holdout")
        judged = np.concatenate(folds.judged)
        assert len(np.unique(judged)) == len(judged)
        for train, rows in zip(folds.train, folds.judged, strict=True):
            assert moments[train].max() < moments[rows].min()
        # Windows are as long as each other, so that their networks can share a population.
        assert len({len(train) for train in folds.train}) == 1
        for rows in folds.judged:
            others = np.setdiff1d(judged, rows)
            assert not set(moments[rows]) & set(moments[others])


def test_time_folds_by_hand() -> None:
    folds = divided(examined(20, time=np.arange(20.0)[::-1]), folds=5)
    assert [judged.tolist() for judged in folds.judged] == [[8, 9], [6, 7], [4, 5], [2, 3], [0, 1]]
    assert folds.train[0].tolist() == list(range(10, 20))
    assert folds.train[4].tolist() == list(range(2, 12))
    assert folds.words == "5 folds in order of time, each learnt from the 10 rows just before"


def test_fewer_time_folds_where_times_are_equal() -> None:
    folds = divided(examined(100, time=[0.0] * 10 + [1.0] * 80 + [2.0, 3.0, 4.0] * 3 + [5.0]), folds=5)
    assert 1 <= len(folds.train) < 5
    assert "rows of equal time stay together" in folds.notes[0].text


@pytest.mark.parametrize(
    ("table", "settings", "message"),
    [
        (
            examined(4),
            {"folds": 5},
            "`folds` must be at most 4, the number of rows, got 5. Use folds=4, or holdout=0.2.",
        ),
        (examined(9, group=[0, 1, 2] * 3), {"folds": 4}, "at most 3, the number of groups, got 4."),
        (examined(9, time=[0.0, 1, 2] * 3), {"folds": 4}, "at most 2, the number of changes of `time`, got 4."),
        (examined(9, group=[0] * 9), {}, "`group` must have at least two different values, got one."),
        (examined(9, group=[0] * 9), {"holdout": 0.2}, "`group` must have at least two different values"),
        (examined(9, time=[0] * 9), {}, "`time` must have at least two different values"),
        (examined(9, fold=[0] * 9), {}, "`fold_column` must have at least two different values"),
    ],
)
def test_divisions_that_cannot_be(table: Examined, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=re.escape(message)):
        divided(table, **settings)


def test_half_a_million_rows_in_23_classes_take_well_under_a_second() -> None:
    random = np.random.default_rng(0)
    classes = np.concatenate([np.minimum(random.geometric(0.4, 493_979) - 1, 19), [20] * 20, [21] * 20, [22] * 2])
    start = time.perf_counter()
    divided(examined(classes=classes), folds=5)
    assert time.perf_counter() - start < 1


@given(st.integers(2, 200), st.sampled_from([None, "groups", "times"]))
def test_watched_rows_are_a_member_s_own(rows: int, how: str | None) -> None:
    train = np.arange(0, 2 * rows, 2)
    values = np.arange(2 * rows) // 6
    fit, watch = watched(train, seed=3, **({how: values} if how else {}))
    assert len(fit)
    assert len(watch)
    assert np.array_equal(np.sort(np.concatenate([fit, watch])), train)
    if how is None:
        assert len(watch) == max(1, round(0.1 * rows))
    elif values[train[0]] != values[train[-1]]:
        assert not set(values[fit]) & set(values[watch])
        assert how == "groups" or values[fit].max() < values[watch].min()
    assert np.array_equal(watch, watched(train, seed=3, **({how: values} if how else {}))[1])
