"""Danlu: a well-tuned, honestly judged neural network from a table.

Names are loaded when they are first used, so that `import danlu` costs next to nothing.
"""

from __future__ import annotations

import importlib
import os
import sys
from typing import TYPE_CHECKING, Any

from danlu._version import __version__

if "torch" not in sys.modules:
    # Read when torch is loaded: threads that wait for each other soon sleep instead of spinning. Beside one other busy
    # process training was 1.8 times as fast so (0.5 s for 0.9 s), alone within 5%; two fits that spin on the same two
    # cores have stood still for minutes.
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")

if TYPE_CHECKING:
    from danlu.core.plan import Plan
    from danlu.estimators.images import ImageClassifier, ImageRegressor
    from danlu.estimators.modules import ModuleClassifier, ModuleRegressor
    from danlu.estimators.tables import TableClassifier, TableRegressor
    from danlu.explanation import facts
    from danlu.workflow.fit import fit
    from danlu.workflow.footprint import footprint
    from danlu.workflow.gradients import check_gradients
    from danlu.workflow.minimize import minimize
    from danlu.workflow.model import Model, load
    from danlu.workflow.plot import plot
    from danlu.workflow.trace import trace

_HOMES = {
    "ImageClassifier": "danlu.estimators.images",
    "ImageRegressor": "danlu.estimators.images",
    "ModuleClassifier": "danlu.estimators.modules",
    "ModuleRegressor": "danlu.estimators.modules",
    "TableClassifier": "danlu.estimators.tables",
    "TableRegressor": "danlu.estimators.tables",
    "check_gradients": "danlu.workflow.gradients",
    "facts": "danlu.explanation",
    "fit": "danlu.workflow.fit",
    "footprint": "danlu.workflow.footprint",
    "load": "danlu.workflow.model",
    "minimize": "danlu.workflow.minimize",
    "Model": "danlu.workflow.model",
    "Plan": "danlu.core.plan",
    "plot": "danlu.workflow.plot",
    "trace": "danlu.workflow.trace",
}

__all__ = [
    "ImageClassifier",
    "ImageRegressor",
    "ModuleClassifier",
    "ModuleRegressor",
    "TableClassifier",
    "TableRegressor",
    "Model",
    "Plan",
    "__version__",
    "check_gradients",
    "facts",
    "fit",
    "footprint",
    "load",
    "minimize",
    "plot",
    "trace",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'danlu' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
