"""Trials of small tables, as a fit has them before it trains."""

from __future__ import annotations

from typing import Any

import numpy as np

from danlu.core.plan import make_plan
from danlu.data import divide
from danlu.search import recipe
from danlu.workflow.fit import _built, _facts
from danlu.workflow.given import NOTHING
from danlu.workflow.material import gather
from danlu.workflow.training import Trial


def classes(rows: int, noise: float) -> dict[str, np.ndarray]:
    """Two classes by the sign of a number, some labels of which are turned round."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, rows))
    return {"x": x[0], "y": x[1], "z": np.where((x[0] > 0) ^ (rng.random(rows) < noise), "yes", "no")}


def trial_of(rows: int = 2050, noise: float = 0.0, **settings: Any) -> Trial:
    """Return the trial of a small named network on these classes."""
    given = {"target": "z", "folds": 5, "repeats": 1, "hidden": "8", "epochs": 2, "batch_size": 64}
    plan = make_plan(**given | settings)
    material = gather(classes(rows, noise), plan, None, NOTHING)
    resolved = recipe(plan, _facts(material.examined))
    folds = divide(material.examined, resolved)
    network, resolved = _built(plan, resolved, material.examined.schema, None)
    return Trial.prepare(network, material, folds, resolved)
