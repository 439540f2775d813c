"""The target: which task it asks for, its classes or its numbers, and what cannot be learnt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.types as pat

from danlu.core.errors import DataError
from danlu.core.parsing import split_setting
from danlu.core.plan import Plan, Task
from danlu.core.records import Note, TargetSchema
from danlu.data.amounts import amounts
from danlu.data.cells import Origin, as_text, compact, is_date, is_text, numbers, plain, text_codes
from danlu.data.columns import Target
from danlu.data.kinds import class_order
from danlu.data.spellings import amount_note

FEW_VALUES = 20
"""Whole numbers with at most so many different values may be meant as classes: the note says how to ask."""

_ONE_BY_ONE = "Give one target: each column of classes needs a model of its own."

_LOSS_TASK: dict[str, Task] = {
    "mse": "regression",
    "l1": "regression",
    "huber": "regression",
    "pinball": "regression",
    "poisson": "regression",
    "kl": "regression",
    "cross-entropy": "classification",
}


@dataclass(frozen=True)
class TargetCells:
    """One target column, for the rows in which every target is known."""

    cells: pa.ChunkedArray
    origin: Origin

    @property
    def numeric(self) -> bool:
        """Whether the cells are numbers by type."""
        kind = plain(self.cells).type
        return not (is_text(kind) or is_date(kind) or pat.is_boolean(kind))


def examine_target(targets: Sequence[TargetCells], plan: Plan) -> tuple[Target, tuple[Note, ...]]:
    """Return the target and what was inferred about it.

    Raises:
        DataError: the target is constant, has fewer than two classes, or does not fit task or loss.
    """
    loss = split_setting(plan.loss or "")[0]
    task = _asked(targets, plan, loss)
    if len(targets) > 1:
        if task == "classification":
            raise DataError(
                "a classification has one target",
                f"got {len(targets)}: {', '.join(t.origin.name for t in targets)}",
                "Give one target, or --task regression." if all(t.numeric for t in targets) else _ONE_BY_ONE,
            )
        return _regression(targets, loss), ()
    (target,) = targets
    if task is None and not target.numeric:
        if said := _written(target):
            return _regression(targets, loss), said
        task = "classification"
    if task == "classification":
        return _classification(target, loss), ()
    values = _numbers_of(target)
    if task is None:
        return _inferred(target, values, loss)
    return _regression(targets, loss), ()


def _written(target: TargetCells) -> tuple[Note, ...]:
    """Say that a target of text holds numbers, of which many differ: then it is one of numbers; else nothing."""
    if not is_text(target.cells.type):
        return ()
    codes, texts = text_codes(target.cells)
    texts = texts.take(pa.array(np.unique(codes)))
    found = amounts(texts, target.origin.decimal)
    if found is None or len(texts) <= (FEW_VALUES if found.plain else 2):
        return ()
    said = amount_note(found, texts, target.origin.name).partition(";")[0]
    return (Note(topic=target.origin.name, text=f"{said}; --task classification takes the texts as classes"),)


def _asked(targets: Sequence[TargetCells], plan: Plan, loss: str) -> Task | None:
    """Return the task that the plan asks for by task, by the target's kind or by its loss, or None."""
    kinds = {plan.kinds.get(target.origin.name) for target in targets}
    by_kind: dict[str | None, Task] = {
        "number": "regression",
        "category": "classification",
        "yes/no": "classification",
    }
    asked = plan.task or next((by_kind[kind] for kind in kinds if kind in by_kind), None) or _LOSS_TASK.get(loss)
    if _LOSS_TASK.get(loss, asked) != asked:
        raise DataError(
            f"`loss` {loss} belongs to a {_LOSS_TASK[loss]}",
            f"the task is {asked}",
            f"Leave `loss` out, or use --task {_LOSS_TASK[loss]}.",
        )
    return asked


def _inferred(target: TargetCells, values: np.ndarray, loss: str) -> tuple[Target, tuple[Note, ...]]:
    """Infer the task of one numeric target, and say so."""
    name = target.origin.name
    distinct = np.unique(values)
    if len(distinct) == 2 and loss in ("", "cross-entropy", "binary-cross-entropy"):
        note = "two different numbers, taken for two classes; --task regression predicts a number"
        return _classification(target, loss), (Note(topic=name, text=note),)
    notes: tuple[Note, ...] = ()
    if 2 < len(distinct) <= FEW_VALUES and np.array_equal(distinct, np.floor(distinct)):
        note = f"{len(distinct)} different whole numbers, predicted as a number; --task classification takes classes"
        notes = (Note(topic=name, text=note),)
    return _regression([target], loss), notes


def _numbers_of(target: TargetCells, *, alone: bool = True) -> np.ndarray:
    """Return a target's numbers, or refuse text and dates as the target of a regression."""
    rule = f"target `{target.origin.name}` must hold numbers for a regression" + ("" if alone else " of several")
    if is_date(target.cells.type):
        raise DataError(rule, "it holds dates", "Choose another target.")
    if not is_text(target.cells.type):
        return numbers(target.cells, target.origin)
    try:
        return numbers(target.cells, target.origin)
    except DataError as error:
        raise DataError(rule, error.fact, "Use --task classification." if alone else _ONE_BY_ONE) from error


def _regression(targets: Sequence[TargetCells], loss: str) -> Target:
    """Return numeric targets, float64 `[N, C]`, or refuse constant ones and those that the loss cannot have."""
    values_NC = np.stack([_numbers_of(target, alone=len(targets) == 1) for target in targets], axis=1)
    names = tuple(target.origin.name for target in targets)
    for column, name in enumerate(names):
        if loss != "kl" and (values_NC[:, column] == values_NC[0, column]).all():
            raise DataError(
                f"target `{name}` must vary", f"every row has {values_NC[0, column]:g}", "Choose another target."
            )
    _check_loss(values_NC, targets, loss)
    return Target(TargetSchema(names=names, task="regression", outputs=len(names)), values_NC)


def _check_loss(values_NC: np.ndarray, targets: Sequence[TargetCells], loss: str) -> None:
    """Refuse numeric targets outside the range of a loss, with the first row."""
    bounds = {
        "kl": (0.0, 1.0, "are probabilities from 0 to 1"),
        "poisson": (0.0, np.inf, "are counts or rates from 0 up"),
        "binary-cross-entropy": (0.0, 1.0, "are two classes or probabilities from 0 to 1"),
    }
    if loss not in bounds:
        return
    low, high, words = bounds[loss]
    outside = np.argwhere((values_NC < low) | (values_NC > high))
    if len(outside):
        row, column = outside[0]
        cell = float(values_NC[row, column])
        raise targets[column].origin.refusal(f"targets of loss {loss} {words}", row, cell, "Choose another loss.")
    if loss != "kl":
        return
    if len(targets) < 2:
        raise DataError("loss kl needs several targets, one per probability", "got one", "Use --loss mse.")
    sums = values_NC.sum(axis=1)
    wrong = np.flatnonzero(np.abs(sums - 1) > 1e-3)
    if len(wrong):
        kept = targets[0].origin.kept
        row = int(wrong[0]) if kept is None else int(kept[wrong[0]])
        raise DataError(
            "the targets of loss kl must sum to 1 in each row",
            f"row {row + 1} sums to {sums[wrong[0]]:.6g}",
            "Divide each row by its sum, or use --loss mse.",
        )


def _classification(target: TargetCells, loss: str) -> Target:
    """Return classes as int64 `[N]` and their names in order, or refuse what cannot be learnt."""
    name = target.origin.name
    codes, texts = text_codes(as_text(target.cells))
    _, used = compact(codes, len(texts))
    classes = texts.take(pa.array(used)).to_pylist()
    if len(classes) < 2:
        raise DataError(
            "a classification needs at least two classes",
            f"every row of target `{name}` is {classes[0]!r}",
            "Choose another target.",
        )
    if len(classes) > 2 and loss == "binary-cross-entropy":
        raise DataError(
            "loss binary-cross-entropy needs two classes",
            f"target `{name}` has {len(classes):,}",
            "Use --loss cross-entropy.",
        )
    if len(classes) > max(10, len(codes) / 2):
        raise DataError(
            "a classification needs several rows of a class",
            f"target `{name}` has {len(classes):,} classes in {len(codes):,} rows",
            "Use --task regression if it holds numbers, or choose another target.",
        )
    order = class_order(classes)
    place = np.empty(len(texts), dtype=np.int64)
    place[used[order]] = np.arange(len(order))
    values = place[codes]
    rows_C = np.bincount(values, minlength=len(order))
    schema = TargetSchema(
        names=(name,),
        task="classification",
        classes=tuple(classes[i] for i in order),
        outputs=len(order),
        positive=0 if rows_C[0] < rows_C[1] else 1,
    )
    return Target(schema, values)
