"""The source keeps its shape: short files, short functions, no drawer for everything."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted((ROOT / "src").rglob("*.py"))
MOST_LINES, MOST_FUNCTION = 400, 60


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT / "src")))
def test_files_and_functions_are_short(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= MOST_LINES
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            # A docstring with its examples is for the reader, not part of what has to be held in mind.
            documented = node.body and isinstance(node.body[0], ast.Expr) and ast.get_docstring(node) is not None
            start = (node.body[0].end_lineno or node.lineno) if documented else node.lineno
            assert (node.end_lineno or start) - start <= MOST_FUNCTION, node.name


def test_nothing_is_called_utils() -> None:
    for path in SOURCES:
        assert not {"utils", "util", "helpers", "misc", "common"} & {path.stem, *path.parts}, path


def test_every_package_says_what_it_is() -> None:
    for path in SOURCES:
        assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))), path
