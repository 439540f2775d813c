"""Which rows are learnt from and which are judged: folds, repeats, holdout, given folds, groups, time.

No row is judged by a network that has learnt from it, from its group, or from a later time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np

from danlu.core.errors import DataError
from danlu.core.plan import Plan
from danlu.core.records import Note
from danlu.core.seeds import stream
from danlu.data.columns import Examined
from danlu.data.fold_ways import deal, deal_groups, hold_out, hold_out_groups, later_parts
from danlu.data.words import counted

FOLDS = 5
LEARNT_FIRST = 0.5
"""Share of the rows before the first judged ones of time folds, and so the window that each fold learns from."""


@dataclass(frozen=True)
class Folds:
    """The division of the examined rows; entry k is fold `k % folds` of repeat `k // folds`.

    `train` and `judged` hold ascending int64 row numbers into the examined table. `words` say the
    division in one line; `notes` what is unusual about it.
    """

    train: tuple[np.ndarray, ...]
    judged: tuple[np.ndarray, ...]
    repeat: tuple[int, ...]
    kind: Literal["out-of-fold", "holdout", "none"]
    words: str
    notes: tuple[Note, ...] = ()


Pairs = list[tuple[np.ndarray, np.ndarray]]


def divide(examined: Examined, plan: Plan, given: Sequence[tuple[np.ndarray, np.ndarray]] = ()) -> Folds:
    """Divide the rows as the plan asks; 5 folds, or as many as there are rows or groups, where it does not.

    - folds: each row is judged once a repeat. Classes are spread alike; groups stay whole.
    - holdout: one share of rows is judged by every repeat; holdout 0 judges none.
    - fold_column: each of its values is one fold.
    - time: the later half of the rows is judged in `folds` parts; each part by networks that learnt from
      the window of rows just before it, as many rows for every part. Equal times stay together. With
      holdout the last share is judged.
    - given: pairs of row numbers of the raw table, to learn from and to judge, take the place of all these.

    Raises:
        DataError: more folds than rows, groups or times; a single group, time or given fold.
    """
    repeats = plan.repeats or 1
    if given:
        return _of_pairs(examined, given, repeats)
    if plan.holdout == 0:
        return _none(examined, repeats)
    if plan.holdout is not None:
        return _holdout(examined, plan.holdout, repeats, _generator(plan.seed, 0))
    if "fold" in examined.special:
        return _given(examined, plan, repeats)
    if "time" in examined.special:
        return _in_time(examined, plan, repeats)
    return _dealt(examined, plan, repeats)


def _generator(seed: int, repeat: int) -> np.random.Generator:
    """Return the random stream of one repeat's folds."""
    return np.random.Generator(np.random.PCG64(stream(seed, "folds", repeat)))


def _classes(examined: Examined) -> np.ndarray | None:
    """Return the class of each row, or None for a regression."""
    return examined.target.values if examined.target.schema.task == "classification" else None


def _pairs(fold_N: np.ndarray, folds: int) -> Pairs:
    """Return (train, judged) rows of each fold."""
    return [(np.flatnonzero(fold_N != fold), np.flatnonzero(fold_N == fold)) for fold in range(folds)]


def _repeated(pairs_of: Callable[[int], Pairs], repeats: int) -> tuple[Pairs, tuple[int, ...]]:
    """Return the pairs of all repeats, one after the other, and the repeat of each."""
    pairs: Pairs = []
    repeat_of: list[int] = []
    for repeat in range(repeats):
        more = pairs_of(repeat)
        pairs += more
        repeat_of += [repeat] * len(more)
    return pairs, tuple(repeat_of)


def _as_folds(
    pairs: Pairs, repeat: tuple[int, ...], kind: Literal["out-of-fold", "holdout"], words: str, notes: tuple[Note, ...]
) -> Folds:
    """Put a division together; repeats and training parts of unlike size are said."""
    repeats = repeat[-1] + 1
    if repeats > 1:
        words += f", {counted(repeats, 'repeat' if kind == 'out-of-fold' else 'seed')}"
    sizes = [len(train) for train, _ in pairs]
    if max(sizes) > 1.25 * min(sizes):
        text = f"training parts have {min(sizes):,} to {max(sizes):,} rows, so their networks are not equally good"
        notes = (*notes, Note(topic="folds", text=text))
    return Folds(tuple(t for t, _ in pairs), tuple(j for _, j in pairs), repeat, kind, words, notes)


def _none(examined: Examined, repeats: int) -> Folds:
    """Return the division that judges no row."""
    every, nothing = np.arange(examined.table.rows), np.empty(0, dtype=np.int64)
    words = f"all {examined.table.rows:,} rows are learnt from, none judged"
    if repeats > 1:
        words += f", {counted(repeats, 'seed')}"
    return Folds((every,) * repeats, (nothing,) * repeats, tuple(range(repeats)), "none", words)


def _holdout(examined: Examined, share: float, repeats: int, random: np.random.Generator) -> Folds:
    """Return the division that judges one share of the rows, the same in every repeat."""
    classes_N, rows = _classes(examined), examined.table.rows
    if "time" in examined.special:
        times_N = examined.special["time"]
        _need_several(times_N, "time")
        order, borders = later_parts(times_N, 1 - share, 1)
        held_N = np.zeros(rows, dtype=bool)
        held_N[order[borders[0] :]] = True
        how = "the last in time"
    elif "group" in examined.special:
        groups_N = examined.special["group"]
        _need_several(groups_N, "group")
        held_N = hold_out_groups(groups_N, share, random)
        how = f"{counted(len(np.unique(groups_N[held_N])), 'whole group')}"
    else:
        held_N = hold_out(classes_N, rows, share, random)
        how = "drawn at random" if classes_N is None else "stratified by class"
    pair = (np.flatnonzero(~held_N), np.flatnonzero(held_N))
    thing = "row" if examined.schema.image is None else "image"
    words = f"{counted(len(pair[1]), thing)} held out of {rows:,}, {how}"
    return _as_folds([pair] * repeats, tuple(range(repeats)), "holdout", words, ())


def _given(examined: Examined, plan: Plan, repeats: int) -> Folds:
    """Return the division that a column gives."""
    fold_N = examined.special["fold"]
    _need_several(fold_N, "fold_column")
    folds = int(fold_N.max()) + 1
    pairs, repeat = _repeated(lambda _: _pairs(fold_N, folds), repeats)
    return _as_folds(pairs, repeat, "out-of-fold", f"{folds} folds given by column {plan.fold_column}", ())


def _of_pairs(examined: Examined, given: Sequence[tuple[np.ndarray, np.ndarray]], repeats: int) -> Folds:
    """Return the division that pairs of row numbers give. Rows are judged once a repeat: a pair that judges a row for a
    second time belongs to the next one."""
    place = np.full(examined.rows.read, -1, dtype=np.int64)
    place[examined.kept] = np.arange(len(examined.kept))
    pairs: Pairs = []
    judged_RN: list[np.ndarray] = []
    repeat_of: list[int] = []
    for rows in given:
        train, judged = (np.unique(place[part][place[part] >= 0]) for part in rows)
        if len(train) < 2 or not len(judged):
            fact = f"one of them has {len(train):,} and {len(judged):,}"
            raise DataError("given folds need at least two rows to learn from and one to judge", fact, "Give others.")
        if np.isin(judged, train).any():
            raise DataError("no row may be judged by what has learnt from it", "a given fold has rows in both parts")
        repeat = next((r for r, seen in enumerate(judged_RN) if not seen[judged].any()), len(judged_RN))
        if repeat == len(judged_RN):
            judged_RN.append(np.zeros(len(examined.kept), dtype=bool))
        judged_RN[repeat][judged] = True
        pairs.append((train, judged))
        repeat_of.append(repeat)
    order = np.argsort(repeat_of, kind="stable")
    own = [repeat_of[k] for k in order]
    pairs = [pairs[k] for k in order] * repeats
    repeat = tuple(r * len(judged_RN) + k for r in range(repeats) for k in own)
    one = len(given) == 1
    words = "1 division of the rows, as given" if one else f"{len(given)} divisions of the rows, as given"
    return _as_folds(pairs, repeat, "holdout" if one else "out-of-fold", words, ())


def _in_time(examined: Examined, plan: Plan, repeats: int) -> Folds:
    """Return forward chaining: each part of the later half is judged after learning from the window before it."""
    times_N = examined.special["time"]
    _need_several(times_N, "time")
    folds = _count(plan, min(len(times_N), len(np.unique(times_N)) - 1), "changes of `time`")
    order, borders = later_parts(times_N, LEARNT_FIRST, folds)
    window = int(borders[0])
    pairs = [(np.sort(order[start - window : start]), np.sort(order[start:end])) for start, end in pairwise(borders)]
    notes = ()
    if len(pairs) < folds:
        text = f"{counted(len(pairs), 'fold')} instead of {folds}: rows of equal time stay together"
        notes = (Note(topic="folds", text=text),)
    words = f"{counted(len(pairs), 'fold')} in order of time, each learnt from the {window:,} rows just before"
    all_pairs, repeat = _repeated(lambda _: pairs, repeats)
    return _as_folds(all_pairs, repeat, "out-of-fold", words, notes)


def _dealt(examined: Examined, plan: Plan, repeats: int) -> Folds:
    """Return folds dealt at random: alike in every class, groups whole."""
    classes_N, rows = _classes(examined), examined.table.rows
    groups_N = examined.special.get("group")
    if groups_N is None:
        folds = _count(plan, rows, "rows")
        pairs, repeat = _repeated(
            lambda r: _pairs(deal(classes_N, rows, folds, _generator(plan.seed, r)), folds), repeats
        )
        words = f"{folds} folds" + ("" if classes_N is None else ", stratified by class")
        return _as_folds(pairs, repeat, "out-of-fold", words, _rare_classes(examined, folds))
    _need_several(groups_N, "group")
    folds = _count(plan, int(groups_N.max()) + 1, "groups")
    pairs, repeat = _repeated(
        lambda r: _pairs(deal_groups(groups_N, classes_N, folds, _generator(plan.seed, r)), folds), repeats
    )
    words = f"{folds} folds, whole groups of column {plan.group}"
    return _as_folds(pairs, repeat, "out-of-fold", words, _rare_classes(examined, folds))


def _count(plan: Plan, most: int, what: str) -> int:
    """Return the number of folds: as asked, or at most five; refuse more than there can be."""
    if plan.folds is not None and plan.folds > most:
        remedy = f"Use folds={most}, or holdout=0.2." if most > 1 else "Use holdout=0.2."
        raise DataError(f"`folds` must be at most {most:,}, the number of {what}", f"got {plan.folds:,}", remedy)
    return plan.folds or min(FOLDS, most)


def _need_several(values_N: np.ndarray, setting: str) -> None:
    """Refuse a special column that has one value only."""
    if (values_N == values_N[0]).all():
        raise DataError(f"`{setting}` must have at least two different values", "got one", f"Leave `{setting}` out.")


def _rare_classes(examined: Examined, folds: int) -> tuple[Note, ...]:
    """Name the classes that have fewer rows than there are folds."""
    classes_N = _classes(examined)
    if classes_N is None:
        return ()
    counts = np.bincount(classes_N, minlength=len(examined.target.schema.classes))
    rare = [f"{examined.target.schema.classes[c]} ({counts[c]})" for c in np.flatnonzero(counts < folds)]
    if not rare:
        return ()
    shown = ", ".join(rare[:10]) + (f" and {len(rare) - 10} more" if len(rare) > 10 else "")
    text = f"classes with fewer rows than the {folds} folds are judged only in as many folds as they reach: {shown}"
    return (Note(topic="folds", text=text),)


def watched(
    train_rows: np.ndarray,
    share: float = 0.1,
    *,
    seed: int,
    groups: np.ndarray | None = None,
    times: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Divide a member's own training rows into those to fit on and those that early stopping watches.

    Arguments:
        train_rows: row numbers, at least two.
        share: share of them to watch.
        seed: key of the random draw.
        groups: group of every row of the table; whole groups are watched, unless all rows are of one.
        times: time of every row of the table; the last rows in time are watched, unless all times are equal.

    Returns:
        (rows to fit on, rows to watch), ascending, none of them empty.

    >>> fit, watch = watched(np.arange(20), seed=0)
    >>> len(fit), len(watch)
    (18, 2)
    """
    assert len(train_rows) >= 2, "watching needs two rows"
    random = np.random.Generator(np.random.PCG64(stream(seed, "watched")))
    held_N = np.zeros(len(train_rows), dtype=bool)
    times_N = None if times is None else times[train_rows]
    groups_N = None if groups is None else np.unique(groups[train_rows], return_inverse=True)[1]
    if times_N is not None and (times_N != times_N[0]).any():
        order, borders = later_parts(times_N, 1 - share, 1)
        held_N[order[borders[0] :]] = True
    elif groups_N is not None and groups_N.any():
        held_N = hold_out_groups(groups_N, share, random)
    else:
        held_N = hold_out(None, len(train_rows), share, random)
    return np.sort(train_rows[~held_N]), np.sort(train_rows[held_N])
