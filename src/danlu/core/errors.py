"""The one error tree. Each class knows its exit code and its HTTP status.

    DanluError                 1   500   anything Danlu refuses or cannot do
    ├── PlanError              2   400   a setting is out of range, or two contradict each other
    ├── DataError              3   422   a file or table cannot be read, or cannot be learnt from
    │   └── SchemaError        4   422   a table does not fit the model it is given to
    ├── OutputError            5   409   a result cannot be written (exists, disk full, no permission)
    ├── ArtifactError          6   422   a model folder is missing, damaged or of another version
    ├── TrainingError          7   500   training ended without one usable network
    └── Interrupted          130   503   the user stopped before anything could be kept

A message says rule, fact, remedy: "`folds` must be at least 2, got 1. Use folds=5, or holdout=0.2."
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class DanluError(Exception):
    """Base of every error that Danlu raises on purpose.

    Arguments:
        rule: what must hold, without a full stop.
        fact: what was found instead, without a full stop; may be empty.
        remedy: what to do now, a whole sentence; may be empty.

    >>> print(PlanError("`folds` must be at least 2", "got 1", "Use folds=5, or holdout=0.2."))
    `folds` must be at least 2, got 1. Use folds=5, or holdout=0.2.
    """

    exit_code = 1
    http_status = 500

    def __init__(self, rule: str, fact: str = "", remedy: str = "") -> None:
        self.rule, self.fact, self.remedy = rule, fact, remedy
        sentence = f"{rule}, {fact}." if fact else f"{rule}."
        super().__init__(f"{sentence} {remedy}".strip())


class PlanError(DanluError):
    """A setting is out of range, or two settings contradict each other."""

    exit_code = 2
    http_status = 400


class DataError(DanluError):
    """A file or table cannot be read, or cannot be learnt from."""

    exit_code = 3
    http_status = 422


class SchemaError(DataError):
    """A table does not fit the model that it is given to."""

    exit_code = 4


class OutputError(DanluError):
    """A result cannot be written: it exists, the disk is full, permission is missing."""

    exit_code = 5
    http_status = 409


class ArtifactError(DanluError):
    """A model folder is missing, damaged, or written by a version that this one does not know."""

    exit_code = 6
    http_status = 422


class TrainingError(DanluError):
    """Training ended without one usable network."""

    exit_code = 7


class Interrupted(DanluError):
    """The user stopped the work before anything could be kept."""

    exit_code = 130
    http_status = 503


def nearest(name: str, known: Iterable[str]) -> str:
    """Return a remedy that names the nearest of the known names, or lists the first of them.

    >>> nearest("prise", ["price", "area"])
    'Did you mean `price`?'
    >>> nearest("zzz", ["price", "area"])
    'Known: price, area.'
    """
    known = list(known)
    lowered = {k.casefold(): k for k in known}
    close = difflib.get_close_matches(name.casefold(), lowered, n=1, cutoff=0.6)
    if close:
        return f"Did you mean `{lowered[close[0]]}`?"
    shown = ", ".join(known[:12]) + (f" and {len(known) - 12} more" if len(known) > 12 else "")
    return f"Known: {shown}."
