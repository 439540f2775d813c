"""From a source to matrices: what is read, checked and encoded before any network exists."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from danlu.core.errors import DataError
from danlu.core.plan import Plan
from danlu.core.records import Note, Rows
from danlu.data import Examined, RawTable, ReadOptions, Target, conform, examine, read
from danlu.features import Encoded, encode


@dataclass(frozen=True)
class Material:
    """The table to learn from, and the test table beside it, as matrices."""

    raw: RawTable
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


def gather(source: Any, plan: Plan, test: Any = None) -> Material:
    """Read, check and encode the table to learn from, and the test table where there is one.

    Raises:
        DataError: the table cannot be read or learnt from.
        SchemaError: the test table does not fit the other one.
    """
    options = ReadOptions.from_plan(plan)
    raw = read(source, options)
    examined = examine(raw, plan)
    encoded = encode(examined.table, examined.schema, plan.dtype)
    notes = [*raw.notes, *examined.notes]
    if test is None:
        return Material(raw, examined, encoded, None, None, tuple(notes))
    if _same_file(source, test):
        raise DataError(
            "`test` must be another table than the one learnt from", f"got {test} twice", "Leave it out: folds judge."
        )
    conformed = conform(read(test, options), examined.schema, with_target=True)
    if conformed.target is None or not len(conformed.kept):
        raise DataError("the test table must have rows with a target", "got none", "Give one with known targets.")
    notes += [Note(topic=f"test: {note.topic}", text=note.text) for note in conformed.warnings]
    encoded_test = encode(conformed.table, examined.schema, plan.dtype)
    return Material(raw, examined, encoded, encoded_test, conformed.target, tuple(notes))


def _same_file(first: Any, second: Any) -> bool:
    """Return whether both are paths of one file."""
    paths = [Path(source).resolve() for source in (first, second) if isinstance(source, str | Path)]
    return len(paths) == 2 and paths[0] == paths[1]


def stack(first: np.ndarray, second: np.ndarray | None) -> np.ndarray:
    """Return the rows of the first matrix followed by those of the second, if there is one."""
    return first if second is None else np.concatenate([first, second])
