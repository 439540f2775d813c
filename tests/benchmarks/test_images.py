"""The measurements of images run, with tiny settings, and their numbers are of the things they name."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from image_members import SIZES
from images import main, table


@pytest.mark.slow
def test_every_mode_runs(tmp_path: Path, shared_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DANLU_DATA", str(shared_data))
    path = tmp_path / "found.json"
    small = ["--rows", "600", "--files", "40", "--rounds", "1", "--epochs", "2", "--steps", "2", "--batch", "32"]
    modes = ["seeds-a", "equal", "mnist", "png", "members"]
    main([*modes, *small, "--members", "1,2", "--precision", "float32", "--threads", "1", "--json", str(path)])
    found = json.loads(path.read_text())
    for row in found["seeds-a"]:
        assert row["whole"] > 2 * row["train"] > 0
        assert row["loop whole"] > 2 * row["loop epoch"] > 0
        assert row["whole_ratio"] == pytest.approx(row["loop whole"] / row["whole"])
    for row in found["equal"]:
        assert len(row["danlu"]) == len(row["pytorch"]) == 2
        assert row["most_points_apart"] <= 0.2
    assert len(found["mnist"][0]["accuracy"]) == 2
    assert found["png"][0]["files"] == 40
    assert {(row["size"], row["members"]) for row in found["members"]} == {(size, m) for size in SIZES for m in (1, 2)}


def test_rows_are_shown_as_a_table() -> None:
    rows = [{"name": "a", "ratio": 1.23456}, {"name": "b", "ratio": [0.5, 2.0]}]
    assert table(rows).splitlines() == ["| name | ratio |", "| --- | --- |", "| a | 1.235 |", "| b | 0.5 2 |"]
