"""Whole runs over tiny tables: what is done, what is not done again, and what is said."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

BENCHMARK = Path(__file__).resolve().parents[2] / "benchmarks" / "tables.py"
QUICK = ["--set", "epochs=1", "--set", "folds=2", "--set", "repeats=1", "--threads", "1"]
TOOL = "danlu epochs=1 folds=2 repeats=1"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with a small table under the name of the wine's, and one of the UCI sets."""
    rng = np.random.default_rng(0)
    (tmp_path / "tables").mkdir()
    wine = pd.DataFrame({"a": rng.random(100), "b": rng.choice(["x", "y"], 100), "quality": [5, 6] * 50})
    wine.to_csv(tmp_path / "tables" / "wine_quality_white.csv.gz", sep=";", index=False)
    uci = tmp_path / "uci-regression" / "yacht"
    uci.mkdir(parents=True)
    np.savetxt(uci / "data.txt", rng.random((60, 3)))
    files = {"index_features": [0, 1], "index_target": [2], "n_splits": [2]}
    for split in (0, 1):
        files |= {f"index_train_{split}": list(range(50)), f"index_test_{split}": list(range(50, 60))}
    for name, numbers in files.items():
        np.savetxt(uci / f"{name}.txt", numbers, fmt="%d")
    return tmp_path


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(BENCHMARK), *words, "--data", str(folder), "--out", str(folder / "out.jsonl")]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment, cwd=folder)


def lines(folder: Path, fails: bool = False) -> list[dict[str, object]]:
    found = [json.loads(line) for line in (folder / "out.jsonl").read_text().splitlines()]
    assert any("error" in line for line in found) == fails, found
    return found


def test_a_run_goes_on_where_it_was_and_sums_up(folder: Path) -> None:
    words = ["--tables", "wine_white", "--only", "linear", "--splits", "2", "--peers", sys.executable, "--threads", "1"]
    first = run(folder, *words)
    assert first.returncode == 0, first.stderr
    done = [(0, "linear"), (1, "linear")]
    assert [(r["split"], r["tool"]) for r in lines(folder)] == done
    assert {r["rows"] for r in lines(folder)} == {80}

    # A killed run: half of the second line is missing.
    text = (folder / "out.jsonl").read_text()
    (folder / "out.jsonl").write_text(text[: text.index("\n") + 40])
    assert "1 fits to do" in run(folder, *words).stderr
    assert [(r["split"], r["tool"]) for r in lines(folder)] == done
    assert "0 fits to do" in run(folder, *words).stderr
    assert "2 fits to do" in run(folder, *words, "--again", "--dry-run").stderr


def test_results_of_the_peers_are_taken_from_a_file(folder: Path) -> None:
    given = {
        "mode": "tables",
        "table": "wine_white",
        "split": 0,
        "tool": "catboost",
        "version": "9",
        "metric": "accuracy",
    }
    (folder / "peers.jsonl").write_text(json.dumps(given | {"score": 0.25, "seconds": 7.0, "log_loss": 1.5}) + "\n")
    words = ["--tables", "wine_white", "--splits", "1", *QUICK, "--peers-from", str(folder / "peers.jsonl")]
    said = run(folder, *words, "--note", "nothing else ran.", "--summary", str(folder / "summary.md"))
    assert said.returncode == 0, said.stderr
    assert "1 fits to do" in said.stderr
    assert [(r["tool"], r["rows"]) for r in lines(folder)] == [(TOOL, 80)]
    assert f"# Tables: {TOOL} beside its peers" in said.stdout
    assert "nothing else ran." in said.stdout
    assert "catboost 9" in said.stdout
    assert (folder / "summary.md").read_text() in said.stdout
    assert "0.2500 (7.0 s)" in said.stdout


def test_what_fails_is_kept_and_tried_again_only_when_asked(folder: Path) -> None:
    words = ["--tables", "wine_white", "--splits", "1", "--set", "epochs=0"]
    assert "`epochs` must be at least 1" in run(folder, *words).stderr
    assert "`epochs` must be at least 1" in str(lines(folder, fails=True)[0]["error"])
    assert "0 fits to do" in run(folder, *words).stderr
    assert "1 fits to do" in run(folder, *words, "--retry", "--dry-run").stderr


def test_uci_has_the_standard_splits(folder: Path) -> None:
    said = run(folder, "uci", "--tables", "yacht,boston", *QUICK)
    assert said.returncode == 0, said.stderr
    assert "not in the data: boston" in said.stderr
    assert [(r["mode"], r["split"], r["rows"], r["test_rows"]) for r in lines(folder)] == [
        ("uci", i, 50, 10) for i in (0, 1)
    ]
    assert "| yacht | 2 | " in said.stdout
    assert "± 0.000" in said.stdout  # both splits are the same rows


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--tables", "wine"], "no table is called wine"),
        (["--tables", "wine_white", "--only", "svm"], "no tool is called svm"),
        (["uci", "--tables", "boston"], "DANLU_DATA"),
        (["--set", "epochs"], "--set takes NAME=VALUE"),
    ],
)
def test_mistakes_are_said(folder: Path, words: list[str], said: str) -> None:
    failed = run(folder, *words)
    assert failed.returncode != 0
    assert said in failed.stderr


def test_the_peers_results_that_are_shipped_can_be_read() -> None:
    shipped = [json.loads(line) for line in BENCHMARK.with_name("peers_tables.jsonl").read_text().splitlines()]
    # The scores of the protocol's split, as measured when it was made.
    known = {("titanic", "catboost"): 0.8090, ("titanic", "lightgbm"): 0.8202, ("wine_white", "xgboost"): 0.6813}
    scores = {(r["table"], r["tool"]): r["score"] for r in shipped if r["split"] == 0}
    for place, score in known.items():
        assert scores[place] == pytest.approx(score, abs=5e-5)
    assert not any("error" in result for result in shipped)
