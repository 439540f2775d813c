"""Danlu: a well-tuned, honestly judged neural network from a table.

Names are loaded when they are first used, so that `import danlu` costs next to nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from danlu._version import __version__

if TYPE_CHECKING:
    from danlu.core.plan import Plan
    from danlu.workflow.fit import fit
    from danlu.workflow.model import Model, load

_HOMES = {
    "fit": "danlu.workflow.fit",
    "load": "danlu.workflow.model",
    "Model": "danlu.workflow.model",
    "Plan": "danlu.core.plan",
}

__all__ = ["Model", "Plan", "__version__", "fit", "load"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'danlu' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
