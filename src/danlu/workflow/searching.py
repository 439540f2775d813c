"""The search that a plan asks for: checked before anything is read, and told apart from others by its data and plan."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from danlu.core.launch import launched
from danlu.core.plan import Plan
from danlu.core.records import Schema
from danlu.search import Facts
from danlu.search.space import Space
from danlu.search.study import PLACES, connected, digest
from danlu.workflow.training import Trial
from danlu.workflow.tuning import Search


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
    """Return the search that a plan asks for, if it does."""
    if plan.search in (None, "off"):
        return None
    values = np.ascontiguousarray(trial.examined.target.values)
    data = digest(schema.model_dump_json(), str(facts), hashlib.sha256(values.tobytes()).hexdigest())
    folds = digest(*(hashlib.sha256(rows.tobytes()).hexdigest() for rows in trial.folds.judged))
    own = plan.model_dump_json(exclude=PLACES)
    return Search(plan, facts, {"data": data, "plan": own, "folds": folds})
