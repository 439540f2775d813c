"""What is heavy is loaded when it is needed: seen in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

HEAVY = ("torch", "sklearn", "pyarrow", "numpy", "pandas", "altair", "scipy")
LIST = "import json, sys; print(json.dumps(sorted(m for m in sys.modules)))"


def loaded_by(code: str) -> set[str]:
    """Return the top-level packages that a process has loaded after running the code."""
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\n{LIST}"], capture_output=True, text=True, check=True, timeout=200
    )
    return {name.partition(".")[0] for name in json.loads(done.stdout.splitlines()[-1])}


@pytest.mark.parametrize(
    "words", [[], ["--help"], ["--version"], ["fit", "--help"], ["predict", "--help"], ["fit", "x.csv", "--fold", "3"]]
)
def test_the_command_line_answers_without_loading_what_computes(words: list[str]) -> None:
    code = f"from danlu.cli import main\ntry: main({words!r})\nexcept SystemExit: pass"
    assert not loaded_by(code) & set(HEAVY)


def test_importing_danlu_loads_nothing_heavy() -> None:
    assert not loaded_by("import danlu; danlu.Plan; danlu.__version__") & set(HEAVY)


def test_the_help_does_not_even_load_pydantic() -> None:
    assert "pydantic" not in loaded_by("from danlu.cli import main\ntry: main(['--help'])\nexcept SystemExit: pass")


def test_scikit_learn_is_loaded_by_the_first_estimator() -> None:
    assert "sklearn" not in loaded_by("import danlu; 'TableRegressor' in dir(danlu)")
    assert "sklearn" in loaded_by("import danlu; danlu.TableRegressor()")


@pytest.mark.parametrize(("before", "expected"), [("", "1000"), ("import torch; ", None)])
def test_threads_that_wait_soon_sleep_where_torch_is_loaded_after_danlu(before: str, expected: str | None) -> None:
    code = f"{before}import danlu, os, json; print(json.dumps(os.environ.get('GOMP_SPINCOUNT')))"
    kept = {name: value for name, value in os.environ.items() if name != "GOMP_SPINCOUNT"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=200, env=kept
    )
    assert json.loads(done.stdout) == expected
