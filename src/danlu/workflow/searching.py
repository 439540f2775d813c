"""The search that a plan asks for: checked before anything is read, and told apart from others by its data and plan."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from danlu.core.launch import launched
from danlu.core.plan import Plan
from danlu.core.records import Schema
from danlu.search import Facts
from danlu.search.defaults import is_plain
from danlu.search.halving import FEW_ROWS
from danlu.search.space import Space
from danlu.search.study import PLACES, connected, digest
from danlu.workflow.training import Trial
from danlu.workflow.tuning import Search

UNASKED = 64
"""Settings that are tried at most where a budget alone has time for a search: of more, more are lucky."""


def check_search(plan: Plan) -> None:
    """Refuse a space (PlanError) or a study (DataError) that no search can use, before anything is read."""
    if plan.search in (None, "off"):
        return
    if plan.space is not None:
        Space.read(plan.space)
    if plan.study is not None and launched().first and Path(plan.study).exists():
        with connected(Path(plan.study)):
            pass


def search_of(plan: Plan, trial: Trial, facts: Facts, schema: Schema) -> Search | None:
    """Return the search that a plan asks for, or that a budget alone has time for, if there is one."""
    asked = plan.search not in (None, "off")
    if not asked and not _unasked(plan, facts):
        return None
    values = np.ascontiguousarray(trial.examined.target.values)
    data = digest(schema.model_dump_json(), str(facts), hashlib.sha256(values.tobytes()).hexdigest())
    folds = digest(*(hashlib.sha256(rows.tobytes()).hexdigest() for rows in trial.folds.judged))
    own = plan.model_dump_json(exclude=PLACES)
    return Search(plan, facts, {"data": data, "plan": own, "folds": folds}, None if asked else UNASKED)


def _unasked(plan: Plan, facts: Facts) -> bool:
    """Return whether time that is left of a budget goes into a search: what is best is wanted, of a table that is not
    small, and the user has named no network. (Titanic, 3 splits: log-loss 0.365 without a search, 0.369 with one.)"""
    wanted = plan.search is None and plan.budget is not None and plan.effort in (None, "best")
    judged = plan.holdout != 0 and not plan.watch_test
    return wanted and judged and facts.rows >= FEW_ROWS and facts.image is None and not is_plain(plan)
