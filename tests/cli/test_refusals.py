"""What cannot be learnt from is refused at the door: rule, fact, remedy, exit code, and never a traceback."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

HEAD = "area,sea,price\n"
BODY = "".join(f"{i},{'ab'[i % 2]},{3 * i + i % 7}\n" for i in range(20, 60))


def parquet_cut_short(path: Path) -> None:
    pq.write_table(pa.table({"area": list(range(1000)), "price": list(range(1000))}), path)
    path.write_bytes(path.read_bytes()[:-200])


def text(content: str) -> Callable[[Path], None]:
    return lambda path: path.write_text(content, encoding="utf-8") and None


def nothing(path: Path) -> None:
    """Leave no file."""


CASES: dict[str, tuple[str, Callable[[Path], object], list[str], int, str]] = {
    "no such file": ("missing.csv", nothing, [], 3, "missing.csv"),
    "empty file": ("t.csv", text(""), [], 3, "empty"),
    "header only": ("t.csv", text(HEAD), [], 3, "row"),
    "one row": ("t.csv", text(HEAD + "1,a,2\n"), [], 3, "row"),
    "target misspelt": ("t.csv", text(HEAD + BODY), ["--target", "prcie"], 3, "Did you mean `price`?"),
    "target constant": ("t.csv", text(HEAD + "1,a,5\n2,b,5\n3,a,5\n" * 5), [], 3, "must vary"),
    "one class": ("t.csv", text("x,price\n" + "1,yes\n2,yes\n" * 5), [], 3, "class"),
    "more folds than rows": ("t.csv", text(HEAD + BODY), ["--folds", "41"], 3, "40"),
    "a directory": ("t.csv", lambda path: path.mkdir(), [], 3, "folder"),
    "a picture called .csv": ("t.csv", lambda path: path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(64)), [], 3, "PNG"),
    "parquet cut short": ("t.parquet", parquet_cut_short, [], 3, "Parquet"),
    "infinity": ("t.csv", text(HEAD + BODY + "inf,a,5\n"), [], 3, "area"),
    "infinity in the target": ("t.csv", text(HEAD + BODY + "7,a,-inf\n"), [], 3, "price"),
    "two ways to divide": ("t.csv", text(HEAD + BODY), ["--folds", "3", "--holdout", "0.2"], 2, "one way"),
    "a ragged row": ("t.csv", text(HEAD + BODY + "1,2,3,4\n"), [], 3, "42"),
    "an unclosed quote": ("t.csv", text(HEAD + BODY + '1,"a,3\n'), [], 3, "quote"),
    "two columns of one name": ("t.csv", text("a,a,price\n" + "1,2,3\n4,5,7\n" * 9), [], 3, "`a`"),
    "nothing left to learn from": ("t.csv", text(HEAD + BODY), ["--drop", "area,sea"], 3, "column"),
    "negative weights": ("t.csv", text("w,x,price\n" + "-1,2,3\n1,5,7\n" * 9), ["--weight", "w"], 3, "weight"),
    "a device that is not there": ("t.csv", text(HEAD + BODY), ["--device", "cuda:7"], 2, "--device"),
}


@pytest.mark.parametrize("case", CASES)
def test_refused_at_the_door(case: str, danlu, tmp_path: Path) -> None:
    name, make, words, code, said = CASES[case]
    make(tmp_path / name)
    target = [] if "--target" in words else ["--target", "price"]
    ended = danlu("fit", name, *target, *words)
    assert ended.code == code, ended.err
    assert said in " ".join(ended.err.split()), ended.err
    assert ended.err.splitlines()[-1].rstrip().endswith((".", "?"))
    assert "Traceback" not in ended.err
    assert not list(tmp_path.glob("*.danlu"))
    assert not list(tmp_path.glob("*.html"))


def program(*words: str, folder: Path, before: Callable[[], None] | None = None) -> subprocess.Popen[str]:
    """Start the real program in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "danlu", *words],
        cwd=folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=before,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip


def test_ctrl_c_keeps_the_best_so_far(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(HEAD + BODY, encoding="utf-8")
    running = program("fit", "t.csv", "--target", "price", "--epochs", "10000000", "--no-page", folder=tmp_path)
    assert running.stderr is not None
    while "epoch" not in running.stderr.readline():
        assert running.poll() is None
    time.sleep(0.5)
    running.send_signal(signal.SIGINT)
    out, err = running.communicate(timeout=200)
    assert running.returncode == 0, err
    assert "Ctrl-C again" in err
    assert "was stopped before its end" in " ".join(out.split())
    assert (tmp_path / "t.danlu" / "manifest.json").is_file()


def small_files() -> None:
    """Let the process write files of 20 kB at most, as a full disk would."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))


def test_a_full_disk_leaves_the_old_model_whole(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(HEAD + BODY, encoding="utf-8")
    words = ["fit", "t.csv", "--target", "price", "--epochs", "2", "--no-page", "--force"]
    first = program(*words, folder=tmp_path)
    first.communicate(timeout=200)
    assert first.returncode == 0
    before = {path.name: path.read_bytes() for path in (tmp_path / "t.danlu").iterdir()}
    second = program(*words, "--seed", "9", folder=tmp_path, before=small_files)
    _, err = second.communicate(timeout=200)
    assert second.returncode == 5, err
    assert "Traceback" not in err
    assert {path.name: path.read_bytes() for path in (tmp_path / "t.danlu").iterdir()} == before
