"""From a source to matrices: what is read, checked and encoded before any network exists."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from danlu.core.addresses import masked
from danlu.core.errors import DataError, PlanError
from danlu.core.plan import Plan
from danlu.core.records import Note, Rows, Schema
from danlu.data import Examined, ReadOptions, Target, conform, examine, examine_again, read
from danlu.data.database import is_database
from danlu.data.images import (
    ImageOptions,
    conform_images,
    conform_labelled,
    examine_images,
    image_notes,
    is_images,
    read_images,
)
from danlu.data.traps import find_traps
from danlu.features import Encoded, encode
from danlu.workflow.given import NOTHING, Given
from danlu.workflow.weighting import check_target


@dataclass(frozen=True)
class Material:
    """The table or images to learn from, and those to test on beside them, as matrices."""

    source: str
    examined: Examined
    encoded: Encoded
    test: Encoded | None
    test_target: Target | None
    notes: tuple[Note, ...]

    @property
    def rows(self) -> Rows:
        """Rows read, left out and used, those of the test table included."""
        test = 0 if self.test is None else len(self.test.x)
        return self.examined.rows.model_copy(update={"test": test})


def gather(source: Any, plan: Plan, test: Any = None, given: Given = NOTHING) -> Material:
    """Read, check and encode what to learn from, and what to test on where there is that.

    With a schema given, rows become what it says, as others before: training goes on.

    Raises:
        PlanError: the test part is to be watched, and there is none; metric or class weights do not fit the target.
        DataError: it cannot be read or learnt from.
        SchemaError: what to test on does not fit the other.
    """
    images = is_images(source, images=plan.images)
    material = _images(source, plan, test, given) if images else _table(source, plan, test, given.schema)
    if plan.watch_test and material.test is None:
        raise PlanError("`watch_test` needs a test table", "got none", "Give `test` too.")
    check_target(material.examined, plan)
    return material


def _table(source: Any, plan: Plan, test: Any, schema: Schema | None) -> Material:
    # A query is for what is a database of the two tables, or for both.
    options = ReadOptions.from_plan(plan, inherited=is_database(test))
    raw = read(source, options)
    examined = examine(raw, plan) if schema is None else examine_again(raw, plan, schema)
    examined = replace(examined, traps=find_traps(examined, plan))
    encoded = encode(examined.table, examined.schema, plan.dtype)
    notes = [*raw.notes, *examined.notes]
    if test is None:
        return Material(raw.source, examined, encoded, None, None, tuple(notes))
    tested = replace(options, inherited=True)
    if plan.test_table is not None:
        tested = replace(options, inherited=False, table=plan.test_table, query=None)
    if _same_file(source, test) and plan.test_table in (None, plan.table):
        raise DataError(
            "`test` must be another table than the one learnt from",
            f"got {masked(str(test))} twice",
            "Leave it out: folds judge.",
        )
    conformed = conform(read(test, tested), examined.schema, with_target=True)
    if conformed.target is None or not len(conformed.kept):
        raise DataError("the test table must have rows with a target", "got none", "Give one with known targets.")
    notes += [Note(topic=f"test: {note.topic}", text=note.text) for note in conformed.warnings]
    encoded_test = encode(conformed.table, examined.schema, plan.dtype)
    return Material(raw.source, examined, encoded, encoded_test, conformed.target, tuple(notes))


def _images(source: Any, plan: Plan, test: Any, given: Given) -> Material:
    options = ImageOptions(images=plan.images, task=plan.task)
    target = plan.target or None
    images = read_images(source, target=target, resize=plan.resize, colour=plan.colour, options=options)
    examined = examine_images(images, plan, given.schema, given.weight_N)
    encoded, notes = encode(examined.table, examined.schema), (*image_notes(images), *examined.notes)
    form = examined.schema.image
    assert form is not None
    tested = images.test if test is None else conform_images(test, form, target=target, options=options)
    if tested is None:
        return Material(images.source, examined, encoded, None, None, notes)
    conformed = conform_labelled(tested, examined.schema, with_target=True)
    return Material(images.source, examined, encoded, encode(conformed.table, examined.schema), conformed.target, notes)


def _same_file(first: Any, second: Any) -> bool:
    """Return whether both are paths of one file."""
    paths = [Path(source).resolve() for source in (first, second) if isinstance(source, str | Path)]
    return len(paths) == 2 and paths[0] == paths[1]


def stack(first: np.ndarray, second: np.ndarray | None) -> np.ndarray:
    """Return the rows of the first matrix followed by those of the second, if there is one."""
    return first if second is None else np.concatenate([first, second])
