"""The names of settings as they are typed: `batch_size` in Python and TOML, `--batch-size` on the command line."""

from __future__ import annotations

import re

from danlu.core.errors import DanluError, PlanError
from danlu.core.plan import Plan

TYPED = {"kinds": "kind"}
"""Settings whose option has another name, because it is given once for each column."""
OTHERS = ("proba", "keep", "output", "force", "input_shape", "outputs", "member", "most", "tolerance")
"""Options that are no settings of the plan."""

# A column may be called like a setting: what is said to be a column, or proposed as one, stays as it is.
_QUOTED = re.compile(r"(?<!column )(?<!target )(?<!sheet )(?<!mean )`([a-z][a-z0-9_]*)`")
_ASSIGNED = re.compile(r"\b([a-z][a-z0-9_]*)=((?:[^\s.,]|[.,](?=\S))+)")


def flag(setting: str) -> str:
    """Return the option of a setting of the plan.

    >>> flag("batch_size"), flag("kinds")
    ('--batch-size', '--kind')
    """
    return "--" + TYPED.get(setting, setting).replace("_", "-")


def in_flags(text: str) -> str:
    """Write the settings that a message names as options.

    >>> in_flags("`folds` must be at least 2. Use folds=5, or holdout=0.2.")
    '`--folds` must be at least 2. Use --folds 5, or --holdout 0.2.'
    >>> in_flags("`price` is no setting; Use hidden=256,128.")
    '`price` is no setting; Use --hidden 256,128.'
    >>> in_flags("`weight` must name a column. Did you mean `time`?")
    '`--weight` must name a column. Did you mean `time`?'
    """
    text = _QUOTED.sub(lambda m: f"`{flag(m[1])}`" if _is_option(m[1]) else m[0], text)
    return _ASSIGNED.sub(lambda m: f"{flag(m[1])} {m[2]}" if _is_option(m[1]) else m[0], text)


def _is_option(name: str) -> bool:
    return name in Plan.model_fields or name in OTHERS


def as_flags(error: DanluError) -> DanluError:
    """Return the same error with options in the place of settings.

    The facts of other errors than `PlanError` are about tables and files, and are left alone.
    """
    fact = in_flags(error.fact) if isinstance(error, PlanError) else error.fact
    return type(error)(in_flags(error.rule), fact, in_flags(error.remedy))
