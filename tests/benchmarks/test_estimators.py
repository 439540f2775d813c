"""benchmarks/estimators.py runs, names what is not there, and sums up by medians."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

BENCHMARK = Path(__file__).resolve().parents[2] / "benchmarks" / "estimators.py"


def test_a_round_times_every_tool_that_is_there(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    quick = ["--rounds", "2", "--epochs", "1", "--rows", "500", "--threads", "1", "--out", str(out)]
    only = [word for tool in ("danlu", "scikit-learn", "keras") for word in ("--only", tool)]
    command = [sys.executable, str(BENCHMARK), *quick, *only]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=120, env=os.environ)
    assert ran.returncode == 0, ran.stderr
    lines = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    timed = {line["tool"] for line in lines}
    assert {"danlu", "scikit-learn"} <= timed
    assert all(line["seconds"] > 0 and 20_000 < line["rmse"] < 300_000 for line in lines)
    assert sorted(line["round"] for line in lines if line["tool"] == "danlu") == [1, 2]
    assert ("keras" in timed) != ("left out: keras is not installed" in ran.stderr)
    (row,) = [line for line in ran.stdout.splitlines() if line.startswith("| danlu ")]
    seconds = sorted(line["seconds"] for line in lines if line["tool"] == "danlu")
    assert f"| {sum(seconds) / 2:.2f} ({seconds[0]:.2f} to {seconds[1]:.2f}) |" in row
    assert row.endswith("| 1.0 |")
