"""What a step of a network does, number by number: tensors and arithmetic in, plain records out."""

from __future__ import annotations

import importlib
from typing import Any


def __getattr__(name: str) -> Any:
    """Import `facts` when it is first used, as `danlu.facts`."""
    if name == "facts":
        return importlib.import_module("danlu.explanation.facts")
    raise AttributeError(f"module 'danlu.explanation' has no attribute {name!r}")
