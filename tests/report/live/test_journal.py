"""What a run writes while it goes on, and how it is read by others."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from danlu.core.progress import About, Latest, Progress
from danlu.report.live import journal as module
from danlu.report.live.journal import Journal, Reader, alive, ended, journal_of, keeping, ours


def at(epoch: int, *, read: int | None = None, **more: object) -> Progress:
    latest = (
        None if read is None else Latest(epoch=read, loss=(0.5 / read, 1 / read), judged_epoch=read, metric=(3.0, None))
    )
    fields = {"stage": "train", "epoch": epoch, "epochs": 9, "members": 2, "active": 2, "latest": latest} | more
    return Progress.model_validate(fields)


def written(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return the time that journals go by, in a list of one."""
    now = [0.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    return now


def test_lines_of_training_come_at_most_twice_a_second_and_lose_no_last_epoch(
    tmp_path: Path, clock: list[float]
) -> None:
    journal = Journal(tmp_path / "a.events.jsonl")
    for tenth in range(20):
        clock[0] = tenth / 10
        journal(at(tenth // 3 + 1, read=max(1, tenth // 3)))
    journal(at(7))
    clock[0] = 2.05
    journal(at(7, stage="judging"))
    journal.close()
    lines = [line for line in written(journal.path) if line["event"] == "progress" and line["stage"] == "train"]
    assert [line["elapsed"] for line in lines] == [0.0, 0.5, 1.0, 1.5, 2.0]
    assert [line["read"] for line in lines] == [1, 1, 3, 5, 6]  # 0.3 s an epoch: the last one as well
    assert written(journal.path)[-1]["stage"] == "judging"


def test_gaps_grow_to_five_seconds_in_a_night(tmp_path: Path, clock: list[float]) -> None:
    journal = Journal(tmp_path / "a.events.jsonl")
    for clock[0] in range(36_000):
        journal(at(1, read=1, epochs=100_000))
    journal.close()
    assert journal.path.stat().st_size < 2_500_000
    last = written(journal.path)[-2:]
    assert last[1]["elapsed"] - last[0]["elapsed"] == 5


def test_numbers_are_rounded_those_that_are_none_are_null_and_of_many_networks_some_are_kept(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "a.events.jsonl")
    many = Latest(epoch=1, loss=tuple(i / 3 for i in range(100)))
    journal(at(2, latest=many))
    journal(at(3, stage="refit", read=3))
    journal.close()
    _, some, two = written(journal.path)
    assert len(some["loss"]) == len(some["networks"]) == 40
    assert (some["networks"][0], some["networks"][-1], some["loss"][-1]) == (0, 99, 33.0)
    assert two["metric"] == [3.0, None]
    assert two["loss"] == [0.16667, 0.33333]


def test_what_a_run_is_about_stands_in_it(tmp_path: Path) -> None:
    about = About(
        name="a", source="a.csv", target=("<b>\ud800",), task="regression", rows=9, folds="", networks=5, parameters=3,
        epochs=9, metric="rmse",
    )  # fmt: skip
    with keeping(tmp_path / "a.danlu") as journal:
        journal(Progress(stage="preparing", about=about))
        assert written(journal_of(tmp_path / "a.danlu"))[1]["target"] == ["<b>\ud800"]


def test_a_run_that_is_saved_leaves_nothing_and_readers_still_read_its_end(tmp_path: Path) -> None:
    path = journal_of(tmp_path / "a.danlu")
    with keeping(tmp_path / "a.danlu"):
        assert ours(path)
        assert alive(path)
        reader = Reader(path)
        assert not reader.gone()
        assert [json.loads(line)["event"] for line in reader.lines()] == ["begun"]
    assert not path.exists()
    assert reader.gone()
    assert json.loads(reader.lines()[0]) == {"event": "saved", "model": "a.danlu"}
    reader.close()


@pytest.mark.parametrize("error", [ValueError("no such column"), KeyboardInterrupt()])
def test_a_run_that_failed_says_why(tmp_path: Path, error: BaseException) -> None:
    with pytest.raises(type(error)), keeping(tmp_path / "a.danlu"):
        raise error
    path = journal_of(tmp_path / "a.danlu")
    end = ended(path)
    assert end is not None
    assert end["text"] == (str(error) or "stopped by hand before anything was kept")
    assert not alive(path)


def test_a_killed_run_is_known_at_once_and_the_next_one_takes_its_place(tmp_path: Path) -> None:
    path = tmp_path / "a.events.jsonl"
    code = "import sys, time; from pathlib import Path; from danlu.report.live.journal import Journal\n"
    code += "journal = Journal(Path(sys.argv[1])); print('there', flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE) as run:
        assert run.stdout is not None
        assert run.stdout.readline() == b"there\n"
        assert alive(path)
        assert ended(path) is None
        reader = Reader(path)
        other = Journal(path)  # of the same name: leaves the first one alone
        other.write("progress")
        other.close(remove=True)
        assert len(reader.lines()) == 1
        os.kill(run.pid, signal.SIGKILL)
        run.wait()
    assert not alive(path)
    assert reader.gone()
    again = Journal(path)
    assert alive(path)
    with Reader(path) as newer:
        assert newer.run != reader.run
    again.close()
    reader.close()


def test_a_file_of_others_is_left_alone(tmp_path: Path) -> None:
    path = journal_of(tmp_path / "a.danlu")
    path.write_text('{"mine": 1}\n')
    with keeping(tmp_path / "a.danlu") as journal:
        journal(at(1))
    assert path.read_text() == '{"mine": 1}\n'
    assert not ours(path)


def test_a_disk_that_is_full_ends_the_journal_and_not_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    with keeping(tmp_path / "a.danlu") as journal:
        monkeypatch.setattr(module.os, "write", full)
        journal(at(1))
        journal(at(2))


def test_a_line_that_is_being_written_waits(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "a.events.jsonl")
    reader = Reader(journal.path)
    assert len(reader.lines()) == 1
    assert journal.lock is not None
    os.write(journal.lock, b'{"event":')
    assert reader.lines() == []
    os.write(journal.lock, b'"x"}\n')
    assert reader.lines() == ['{"event":"x"}']
    with Reader(journal.path, after=reader.place) as later:
        assert later.lines() == []
    with Reader(journal.path, after=10**9) as other:  # of another file: from the beginning
        assert len(other.lines()) == 2
    journal.close()
    reader.close()


def test_where_no_lock_can_be_held_a_journal_is_alive_while_it_grows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "fcntl", None)
    journal = Journal(tmp_path / "a.events.jsonl")
    assert alive(journal.path)
    past = time.time() - 100
    os.utime(journal.path, (past, past))
    assert not alive(journal.path)
    journal.close()
