"""What a fit shows: nothing in a script, one line in a notebook, whatever callbacks make of it."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from danlu import TableRegressor
from danlu.estimators import following


class ZMQInteractiveShell:
    """Stands for the notebook's shell, which is known by this name."""

    execution_count = 1


class Shown:
    """Keeps what a notebook would show in one cell."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.lines = 0

    def display(self, data: dict[str, str], **_: Any) -> Shown:
        self.lines += 1
        self.texts.append(data["text/plain"])
        return self

    def update(self, data: dict[str, str], **_: Any) -> None:
        self.texts.append(data["text/plain"])


def test_a_notebook_shows_one_line_that_becomes_a_summary(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = Shown()
    shell, place = ModuleType("IPython"), ModuleType("IPython.display")
    shell.__dict__["get_ipython"] = ZMQInteractiveShell
    place.__dict__["display"] = shown.display
    monkeypatch.setattr(following, "LINE", following.Line())
    monkeypatch.setitem(sys.modules, "IPython", shell)
    monkeypatch.setitem(sys.modules, "IPython.display", place)
    X = np.linspace(0, 1, 60)[:, None]
    model = TableRegressor(hidden=(4,), epochs=3, cv=2, random_state=0).fit(X, X[:, 0])
    assert shown.lines == 1
    assert any(text.startswith("train: epoch") for text in shown.texts)
    assert all("\n" not in text for text in shown.texts[:-1])
    assert shown.texts[-1] == repr(model.model_)
    model.fit(X, X[:, 0])
    assert shown.lines == 1  # all fits of a cell share their line
    monkeypatch.setattr(ZMQInteractiveShell, "execution_count", 2)
    model.fit(X, X[:, 0])
    assert shown.lines == 2
