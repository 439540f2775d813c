"""docs/estimators.md does what it says."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "estimators.md"


def runner() -> ModuleType:
    """Return docs/learn.py as a module."""
    spec = importlib.util.spec_from_file_location("danlu_estimator_pages", ROOT / "docs" / "learn.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look for it
    spec.loader.exec_module(module)
    return module


def test_its_blocks_print_what_it_shows(tmp_path: Path) -> None:
    learn = runner()
    for block, ran in learn.run_page(PAGE.read_text(encoding="utf-8"), tmp_path):
        for code, old, new in ran:
            if new is not None:
                said = learn.difference(old, new, block.tolerance)
                assert not said, f"{code}{said}"


def test_its_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#\s]+)", PAGE.read_text(encoding="utf-8")):
        assert (PAGE.parent / target).exists(), target
