"""Danlu's errors as scikit-learn expects them: what is wrong with an argument is a `ValueError` there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from danlu.core.errors import DanluError, DataError, PlanError, SchemaError


class RefusedPlan(PlanError, ValueError):
    """A setting is out of range, or two settings contradict each other."""


class RefusedData(DataError, ValueError):
    """Rows cannot be learnt from."""


class RefusedSchema(SchemaError, ValueError):
    """Rows do not fit those learnt from."""


_AS = ((PlanError, RefusedPlan), (SchemaError, RefusedSchema), (DataError, RefusedData))


@contextmanager
def as_value_errors() -> Iterator[None]:
    """Raise Danlu's refusals of settings and data as errors that are a `ValueError` too, with the same words.

    >>> with as_value_errors():
    ...     raise PlanError("`lr` must be above 0", "got 0")
    Traceback (most recent call last):
        ...
    danlu.estimators.refusals.RefusedPlan: `lr` must be above 0, got 0.
    """
    try:
        yield
    except DanluError as error:
        for kind, refused in _AS:
            if isinstance(error, kind) and not isinstance(error, ValueError):
                raise refused(error.rule, error.fact, error.remedy) from error
        raise
