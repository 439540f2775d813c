"""Images to learn from, or to score: their labels typed as a table's target is."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from danlu.core.errors import DataError, PlanError
from danlu.core.plan import Plan
from danlu.core.records import Note, Rows, Schema
from danlu.data.cells import Origin, plain
from danlu.data.columns import Conformed, Examined, Table
from danlu.data.conform import conform
from danlu.data.images.reading import conform_images
from danlu.data.images.sets import ImageSet
from danlu.data.table import RawTable
from danlu.data.targets import TargetCells, examine_target

_OF_TABLES = ("drop", "kinds", "sheet", "header", "missing", "group", "time", "weight", "fold_column")
"""Settings that speak of columns."""

_USUAL = ("class", "data", "format", "labels")
"""What is said of images that are learnt from, and would only be noise where they are predicted."""


def examine_images(
    images: ImageSet, plan: Plan, schema: Schema | None = None, weight_N: np.ndarray | None = None
) -> Examined:
    """Return what can be learnt from labelled images, or refuse it. Whole numbers as labels are classes.

    Arguments:
        images: with labels.
        plan: as asked.
        schema: what they become for networks that have learnt from others; None: what is learnt from these.
        weight_N: what each image counts.

    Raises:
        PlanError: a setting speaks of columns.
        DataError: there are no labels, too few images, or the labels cannot be learnt.
        SchemaError: they do not fit the schema.
    """
    for name in _OF_TABLES:
        if getattr(plan, name):
            raise PlanError(f"`{name}` belongs to tables", f"{images.source} holds images", "Leave it out.")
    count = len(images.pixels_NKHW)
    raw = label_table(images)
    if count < 2:
        raise DataError("at least two images are needed to learn from", f"got {count}", "Give more images.")
    special = {} if weight_N is None else {"weight": weight_N}
    rows = Rows(read=count, used=count)
    if schema is not None:
        found = conform_labelled(images, schema, with_target=True)
        assert found.target is not None
        return Examined(found.table, schema, found.target, special, found.kept, rows, found.warnings)
    labels = np.asarray(images.labels)
    if plan.task is None and labels.ndim == 1 and labels.dtype.kind != "f":
        plan = plan.model_copy(update={"task": "classification"})
    kept = np.arange(count)
    cells = [TargetCells(plain(raw.arrow.column(i)), Origin(name, kept)) for i, name in enumerate(raw.names)]
    target, notes = examine_target(cells, plan)
    return Examined(
        table=Table((), count, images.pixels_NKHW),
        schema=Schema(columns=(), target=target.schema, image=images.schema),
        target=target,
        special=special,
        kept=kept,
        rows=rows,
        notes=notes,
    )


def label_table(images: ImageSet, what_for: str = "learn from") -> RawTable:
    """Return the labels as a table of target columns.

    Raises:
        DataError: there are none.
    """
    if images.labels is None:
        raise DataError(
            f"images to {what_for} must have labels",
            f"{images.source} has none",
            "Put them into one folder per class, or give a CSV of paths and labels.",
        )
    labels = np.asarray(images.labels)
    columns = labels[:, None] if labels.ndim == 1 else labels
    names = images.target_names
    text = labels.dtype.kind in "OU"
    arrays = [pa.array(columns[:, i].astype(str) if text else columns[:, i]) for i in range(columns.shape[1])]
    return RawTable(pa.table(arrays, names=list(names)), images.source)


def conform_labelled(images: ImageSet, schema: Schema, *, with_target: bool) -> Conformed:
    """Bring other images into the shape that a model expects, with their target where it is wanted.

    Raises:
        DataError: there are no labels, where a target is wanted.
        SchemaError: an image does not fit, or a class was not learnt.
    """
    assert schema.image is not None
    fitting = conform_images(images, schema.image)
    count = len(fitting.pixels_NKHW)
    table, kept = Table((), count, fitting.pixels_NKHW), np.arange(count)
    unusual = tuple(note for note in fitting.notes if note.topic not in _USUAL)
    if not with_target:
        return Conformed(table, None, kept, unusual, 0)
    raw = label_table(fitting, "score")
    if len(raw.names) != len(schema.target.names):
        raise DataError(
            f"the labels must be those learnt: {', '.join(schema.target.names)}",
            f"got {len(raw.names)} columns",
            "Give labels of the same meaning.",
        )
    # Labels of a folder or an array have no name of their own: theirs is the model's.
    renamed = RawTable(raw.arrow.rename_columns(list(schema.target.names)), raw.source)
    found = conform(renamed, schema, with_target=True)
    return Conformed(table, found.target, kept, unusual, 0)


def image_notes(images: ImageSet) -> tuple[Note, ...]:
    """Return what was inferred in reading, those of the test part behind."""
    test = images.test.notes if images.test is not None else ()
    return (*images.notes, *(Note(topic="test", text=f"{note.topic}: {note.text}") for note in test))
