"""`torchrun` with 1, 2 and 4 processes gives what one process gives, bit for bit, and never waits in vain."""

from __future__ import annotations

import json
import re
import shutil
import signal
import sqlite3
import subprocess
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import danlu
from support.tables import flowers, houses, write_csv
from support.torchrun import command, surroundings, torchrun

QUICK: dict[str, Any] = {"folds": 3, "repeats": 1, "epochs": 8, "hidden": "16", "lr": 0.01, "threads": 1}
ENDLESS = ("--target", "price", "--epochs", "5000000", "--hidden", "16", "--lr", "0.01", "--threads", "1", "--no-page")

DYING = """
import os, signal, sys
import danlu.workflow.fit as walk
from danlu.cli import main

fit = walk.fit

def dying(*args, on_progress, **named):
    def tell(progress):
        on_progress(progress)
        if progress.epoch >= 3 and os.environ["RANK"] == os.environ["DIES"]:
            os.kill(os.getpid(), signal.SIGKILL)

    return fit(*args, on_progress=tell, **named)

walk.fit = dying
main(sys.argv[1:])
"""


def options(settings: dict[str, Any]) -> list[str]:
    """Return settings as they are typed."""
    typed = []
    for name, value in settings.items():
        flag = "--" + name.replace("_", "-")
        typed += [flag] if value is True else [flag, str(value)]
    return typed


def spread(folder: Path, table: str, target: str, processes: int, settings: dict[str, Any]) -> danlu.Model:
    """Fit in several processes, check what was printed, and return the model."""
    name = f"{processes}.danlu"
    words = ["fit", table, "--target", target, "--json", "--no-page", "-o", name, *options(settings)]
    ended = torchrun(processes, words, folder)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.count("\n") == 1
    answer = json.loads(ended.stdout)
    assert answer["model"] == name
    assert ended.stderr.count("judging ...") == 1, "another process than the first spoke"
    model = danlu.load(folder / name)
    assert model.run.machine.get("processes", "1") == str(processes)
    return model


def check_same(folder: Path, one: danlu.Model, other: danlu.Model, name: str, new: dict[str, Any]) -> None:
    """Check that two models are equal to the last bit: weights, curves, scores, members, predictions."""
    for model, place in ((one, "one.danlu"), (other, "other.danlu")):
        shutil.rmtree(folder / place, ignore_errors=True)
        model.save(folder / place)
    files = [
        {
            role: entry["sha256"]
            for role, entry in json.loads((folder / place / "manifest.json").read_text())["files"].items()
        }
        for place in ("one.danlu", "other.danlu")
    ]
    assert files[0]["weights"] == files[1]["weights"], name
    assert files[0]["arrays"] == files[1]["arrays"], name
    assert one.run.members == other.run.members
    for kept in ("scores", "test", "baselines", "findings", "shipped", "refitted", "resolved", "inferred"):
        assert getattr(one.run, kept) == getattr(other.run, kept), kept
    np.testing.assert_array_equal(one.predict(new), other.predict(new))


def test_two_processes_give_what_one_gives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_csv(houses(), tmp_path / "houses.csv")
    one = danlu.fit("houses.csv", "price", **QUICK)
    two = spread(tmp_path, "houses.csv", "price", 2, QUICK)
    check_same(tmp_path, one, two, "2 processes", houses(40, seed=5))


CASES: dict[str, dict[str, Any]] = {
    "recipe": {"epochs": 8, "repeats": 1, "threads": 1},
    "early stopping, refit": {
        **(QUICK | {"epochs": 60, "lr": 0.05, "repeats": 2}),
        "early_stopping": True,
        "patience": 2,
        "refit": True,
    },
    "two threads, all rows": {**QUICK, "holdout": 0, "repeats": 3, "threads": 2, "batch_size": "all"},
    "fewer members than processes": {**QUICK, "folds": 2, "batch_norm": "input,hidden", "dropout": 0.2},
}
CASES["two threads, all rows"].pop("folds")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("task", "case", "numbers"),
    [
        ("houses", "recipe", (1, 2, 4)),
        ("flowers", "early stopping, refit", (2, 4)),
        ("houses", "two threads, all rows", (2,)),
        ("flowers", "fewer members than processes", (4,)),
    ],
)
def test_any_number_of_processes_gives_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, task: str, case: str, numbers: tuple[int, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    make, target = (houses, "price") if task == "houses" else (flowers, "kind")
    write_csv(make(), tmp_path / "table.csv")
    settings, new = CASES[case], make(40, seed=5)
    one = danlu.fit("table.csv", target, **settings)
    if case.startswith("early"):
        assert len({member.epochs for member in one.run.members}) > 1, "all ended at once"
        assert one.run.refitted == 2
    for processes in numbers:
        other = spread(tmp_path, "table.csv", target, processes, settings)
        check_same(tmp_path, one, other, f"{processes} processes", new)


@pytest.mark.parametrize("case", ["folds", pytest.param("holdout", marks=pytest.mark.slow)])
def test_two_processes_search_what_one_searches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: str) -> None:
    monkeypatch.chdir(tmp_path)
    settings = QUICK | {"epochs": 3, "batch_size": 256, "search": 12, "study": "s.study"}
    if case == "holdout":
        settings = {name: value for name, value in settings.items() if name != "folds"} | {"holdout": 0.2}
    write_csv(houses(5000 if case == "holdout" else 150), tmp_path / "houses.csv")
    one = danlu.fit("houses.csv", "price", **settings)
    (tmp_path / "s.study").rename(tmp_path / "one.study")
    two = spread(tmp_path, "houses.csv", "price", 2, settings)
    check_same(tmp_path, one, two, "a search", houses(40, seed=5))
    first, second = one.run.searched, two.run.searched
    assert first is not None
    assert second is not None
    timed = {"seconds": 0.0, "rungs": ()}
    assert first.model_copy(update=timed) == second.model_copy(update=timed)
    assert [rung.networks for rung in first.rungs] == [rung.networks for rung in second.rungs]
    rows = []
    for name in ("one.study", "s.study"):
        with sqlite3.connect(tmp_path / name) as study:
            asked = "select setting, folds, share, how, error, predicted from trainings order by 1, 2, 3"
            rows.append(study.execute(asked).fetchall())
            assert study.execute("select count(*) from searches").fetchone() == (1,)
    assert rows[0] == rows[1], "one process alone writes, and what one would write"
    shutil.rmtree(tmp_path / "2.danlu")
    again = spread(tmp_path, "houses.csv", "price", 2, settings).run.searched
    assert again is not None
    assert sum(rung.networks for rung in again.rungs) == 0, "every process knows what the study has"
    assert again.chosen == first.chosen


@pytest.mark.slow
@pytest.mark.parametrize("words", [["--study", "there"], ["--space", "gone.toml"], ["--search", "3"]])
def test_a_search_that_cannot_be_ends_all_processes(tmp_path: Path, words: list[str]) -> None:
    write_csv(houses(), tmp_path / "houses.csv")
    (tmp_path / "there").mkdir()
    ended = torchrun(2, ["fit", "houses.csv", "--target", "price", *options(QUICK), "--search", "8", *words], tmp_path)
    assert ended.returncode != 0
    assert ended.stderr.count("error: ") == 1
    codes = re.findall(r"exitcode +: (-?\d+)", ended.stderr)
    assert len(codes) == 2
    assert len(set(codes)) == 1


@pytest.mark.slow
@pytest.mark.parametrize("dies", [0, 1])
def test_a_killed_process_ends_all_of_them_and_leaves_no_model(tmp_path: Path, dies: int) -> None:
    write_csv(houses(), tmp_path / "houses.csv")
    (tmp_path / "dying.py").write_text(DYING, encoding="utf-8")
    began = time.monotonic()
    ended = torchrun(3, ["fit", "houses.csv", *ENDLESS], tmp_path, ["dying.py"], DIES=str(dies))
    assert time.monotonic() - began < 60, "only time-outs of minutes and hours ended it"
    assert ended.returncode != 0
    left = sorted(path.name for path in tmp_path.iterdir() if path.name != "houses.events.jsonl")
    assert left == ["dying.py", "houses.csv"], "but for what `danlu watch` reads of a run that was killed"
    if dies:
        assert "error: every process must stay until the end" in ended.stderr
    assert ended.stdout == ""


@pytest.mark.slow
def test_ctrl_c_keeps_what_there_is(tmp_path: Path) -> None:
    write_csv(houses(), tmp_path / "houses.csv")
    words = [*command(2), "fit", "houses.csv", *ENDLESS]
    with (tmp_path / "said.txt").open("w", encoding="utf-8") as said:
        run = subprocess.Popen(words, cwd=tmp_path, env=surroundings(), stdout=said, stderr=said)
        for _ in range(600):
            if "train: epoch" in (tmp_path / "said.txt").read_text(encoding="utf-8"):
                break
            time.sleep(0.1)
        run.send_signal(signal.SIGINT)
        run.wait(timeout=200)
    model = danlu.load(tmp_path / "houses.danlu")
    assert model.run.interrupted
    assert {member.ended for member in model.run.members} == {"interrupted"}
    assert (tmp_path / "said.txt").read_text(encoding="utf-8").count("stopping: ") == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "code", "kind"),
    [
        (["fit", "houses.csv", "--target", "nothing"], 3, "DataError"),
        (["fit", "gone.csv", "--target", "price"], 3, "DataError"),
        (["fit", "houses.csv", "--target", "price", "--fold", "3"], 2, "PlanError"),
        (["fit", "-", "--target", "price"], 2, "PlanError"),
        (["fit", "houses.csv", "--target", "price", "-o", "there"], 5, "OutputError"),
        (
            ["fit", "houses.csv", "--target", "price", *options({**QUICK, "lr": 1e30, "optimizer": "sgd"})],
            7,
            "TrainingError",
        ),
    ],
)
def test_all_processes_end_with_the_same_code_and_one_says_why(
    tmp_path: Path, words: list[str], code: int, kind: str
) -> None:
    write_csv(houses(), tmp_path / "houses.csv")
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "mine.txt").touch()
    ended = torchrun(2, [*words, "--json", "--no-page"], tmp_path)
    assert ended.returncode != 0
    error = json.loads(ended.stdout)["error"]
    assert (error["type"], error["exit_code"]) == (kind, code)
    assert ended.stderr.count("error: ") == 1
    assert re.findall(r"exitcode +: (-?\d+)", ended.stderr) == [str(code)] * 2


@pytest.mark.slow
def test_other_commands_are_done_by_the_first_process_alone(tmp_path: Path) -> None:
    table = write_csv(houses(), tmp_path / "houses.csv")
    danlu.fit(table, "price", **QUICK).save(tmp_path / "houses.danlu")
    ended = torchrun(2, ["predict", "houses.danlu", "houses.csv", "-o", "out.csv"], tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert ended.stderr.count("150 predictions in out.csv") == 1
    ended = torchrun(2, ["score", "houses.danlu", "gone.csv"], tmp_path)
    assert ended.returncode != 0
    assert ended.stderr.count("error: ") == 1


@pytest.mark.slow
def test_processes_with_other_tables_are_refused(tmp_path: Path) -> None:
    """As on two machines whose files differ: each process reads a table of its own."""
    for rank in range(2):
        write_csv(houses(seed=rank), tmp_path / f"{rank}.csv")
    (tmp_path / "own.py").write_text(
        "import os, sys, danlu\n"
        "try:\n"
        "    danlu.fit(os.environ['RANK'] + '.csv', 'price', epochs=2)\n"
        "except danlu.core.errors.DataError as error:\n"
        "    sys.stdout.write(f'refused: {error}\\n')\n",  # at once, since the other process writes there too
        encoding="utf-8",
    )
    ended = torchrun(2, [], tmp_path, ["own.py"])
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.count("refused: all processes must train on the same table") == 2
