"""Results stay readable whenever a run is killed, and belong to the source that gave them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from table_results import add_result, key_of, newest, read_results, source_version


def result(tool: str = "catboost", split: int = 0, version: str = "1", **more: Any) -> dict[str, Any]:
    return {"mode": "tables", "table": "t", "split": split, "tool": tool, "version": version, **more}


@pytest.mark.parametrize(
    ("written", "kept"), [("", [0, 1]), ("\n", [0, 1]), ('{"mode": "tab', [0, 1]), ("WHOLE", [0, 5, 1])]
)
def test_what_was_broken_off_is_forgotten_and_the_rest_goes_on(tmp_path: Path, written: str, kept: list[int]) -> None:
    path = tmp_path / "new" / "out.jsonl"
    add_result(path, result(split=0))
    with path.open("a") as file:
        file.write(json.dumps(result(split=5)) if written == "WHOLE" else written)
    assert [r["split"] for r in read_results(path)] == kept[:-1]
    add_result(path, result(split=1))
    assert [r["split"] for r in read_results(path)] == kept
    assert path.read_bytes().endswith(b"\n")


def test_a_result_is_kept_under_version_and_split() -> None:
    assert key_of(result("lightgbm", 3, "4.7")) == ("tables", "t", 3, "lightgbm", "4.7")


def test_danlus_version_changes_with_its_source(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    (tmp_path / "a.py").write_text("x = 1")
    (tmp_path / "inner" / "b.py").write_text("y = 2")
    first = source_version(tmp_path, "0.1.0")
    (tmp_path / "note.txt").write_text("not source")
    assert source_version(tmp_path, "0.1.0") == first
    (tmp_path / "inner" / "b.py").write_text("y = 3")
    changed = source_version(tmp_path, "0.1.0")
    assert changed != first
    assert changed.startswith("0.1.0+")


def test_the_last_result_without_an_error_is_shown_and_danlus_only_of_now() -> None:
    lines = [
        result(score=1), result(score=2), result(score=3, error="failed"),
        result("danlu", version="old", score=4), result("danlu", version="now", score=5),
        result("danlu lr=1", version="old", score=6), result("danlu", version="now", score=7) | {"mode": "uci"},
    ]  # fmt: skip
    shown = newest(lines, "tables", "now")
    assert {tool: r["score"] for (_, _, tool), r in shown.items()} == {"catboost": 2, "danlu": 5}
