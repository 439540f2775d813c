"""`danlu watch`, `danlu fit --watch`, `danlu show --history` and `danlu report --tensorboard`."""

from __future__ import annotations

import importlib.util
import json
import sys
import urllib.request
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow.parquet as pq
import pytest

from danlu.cli import watch as module

if TYPE_CHECKING:
    from conftest import Danlu

QUICK = ("--epochs", "2", "--hidden", "8", "--no-page", "-q")


@pytest.fixture
def without(monkeypatch: pytest.MonkeyPatch):
    """Return a function that hides packages."""
    found = importlib.util.find_spec

    def hide(*names: str) -> None:
        monkeypatch.setattr(
            importlib.util, "find_spec", lambda name, *more: None if name in names else found(name, *more)
        )

    return hide


def test_without_the_extra_it_is_said_before_training(danlu: Danlu, houses: Path, without, tmp_path: Path) -> None:
    without("uvicorn")
    for words in (("watch", "a.danlu"), ("fit", str(houses), "--target", "price", "--watch", *QUICK)):
        ended = danlu(*words)
        assert ended.code == 2
        assert "a page that follows a run needs Starlette and uvicorn, uvicorn cannot be found." in ended.err
        assert "pip install 'danlu[live]'" in ended.err
    assert [path.name for path in tmp_path.iterdir()] == ["houses.csv"]


def test_what_is_neither_a_run_nor_a_model_is_refused(danlu: Danlu, tmp_path: Path) -> None:
    pytest.importorskip("uvicorn", reason="needs the extra `live`")
    (tmp_path / "empty.danlu").mkdir()
    for name in ("nothing.danlu", "empty.danlu"):
        ended = danlu("watch", name)
        assert ended.code == 6
        assert f"{name} must be a run or a model, there is neither." in " ".join(ended.err.split())


def test_a_port_that_is_taken_is_refused(danlu: Danlu, tmp_path: Path) -> None:
    pytest.importorskip("uvicorn", reason="needs the extra `live`")
    from danlu.report.live.journal import Journal
    from danlu.report.live.server import listening

    Journal(tmp_path / "a.events.jsonl").close()
    with listening() as at:
        ended = danlu("watch", "a.danlu", "--port", str(at.getsockname()[1]))
    assert ended.code == 5
    assert "already in use" in ended.err


def test_a_finished_run_is_served_as_its_page(danlu: Danlu, houses: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("uvicorn", reason="needs the extra `live`")
    from danlu.report.live import server

    assert danlu("fit", str(houses), "--target", "price", "-o", "a.danlu", *QUICK).code == 0
    served = []

    def look(watch: server.Watch, at) -> None:
        served.append((watch.state(), watch.finished()))
        at.close()

    monkeypatch.setattr(server, "serve", look)
    ended = danlu("watch", "a.danlu")
    assert ended.code == 0
    address = urllib.request.Request(ended.out.strip())
    assert address.host.startswith("127.0.0.1:")
    assert "Ctrl-C" in ended.err
    assert served[0][0] == "saved"
    assert 'id="score"' in served[0][1]


@pytest.mark.parametrize(
    ("platform", "facts", "screen"),
    [
        ("linux", {"DISPLAY": ":0"}, True),
        ("linux", {"WAYLAND_DISPLAY": "wayland-0"}, True),
        ("linux", {}, False),
        ("darwin", {}, True),
        ("linux", {"DISPLAY": ":0", "CI": "1"}, False),
        ("darwin", {"SSH_CONNECTION": "1 2 3 4"}, False),
    ],
)
def test_a_browser_is_opened_only_before_a_screen(
    monkeypatch: pytest.MonkeyPatch, platform: str, facts: dict[str, str], screen: bool
) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "CI", "SSH_CONNECTION"):
        monkeypatch.delenv(name, raising=False)
    for name, value in facts.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    assert module.has_screen() is screen
    monkeypatch.setattr(sys.stderr, "isatty", lambda: False, raising=False)
    assert not module.has_screen()


def test_a_run_that_cannot_learn_leaves_its_reason(danlu: Danlu, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,b\n1,2\n2,3\n")
    ended = danlu("fit", "t.csv", "--target", "nope", "-q", "--no-page")
    assert ended.code == 3
    last = json.loads((tmp_path / "t.events.jsonl").read_text().splitlines()[-1])
    assert last["event"] == "failed"
    assert "nope" in last["text"]


def test_history_is_written_once_and_alone(danlu: Danlu, houses: Path, tmp_path: Path) -> None:
    assert danlu("fit", str(houses), "--target", "price", "-o", "a.danlu", *QUICK).code == 0
    assert not (tmp_path / "a.events.jsonl").exists()
    assert danlu("show", "a.danlu", "--history", "h.parquet").out == "h.parquet\n"
    assert set(pq.read_table(tmp_path / "h.parquet")["part"].to_pylist()) == {"train", "judged"}
    assert danlu("show", "a.danlu", "--history", "h.parquet").code == 5
    assert danlu("show", "a.danlu", "--history", "x.csv", "--plan").code == 2
    answer = json.loads(danlu("show", "a.danlu", "--history", "h.csv", "--json").out)
    assert answer["rows"] == len((tmp_path / "h.csv").read_text().splitlines()) - 1


def test_event_files_need_the_extra_and_say_where_they_are(danlu: Danlu, houses: Path, without) -> None:
    assert danlu("fit", str(houses), "--target", "price", "-o", "a.danlu", *QUICK).code == 0
    if importlib.util.find_spec("tensorboard") is not None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of TensorBoard's own
            assert danlu("report", "a.danlu", "--tensorboard", "logs").out == "logs/a\n"
            assert danlu("report", "a.danlu", "--tensorboard", "logs").code == 5
            answer = json.loads(danlu("report", "a.danlu", "--tensorboard", "logs", "--force", "--json").out)
            assert answer["tensorboard"][-1] == "logs/a/median"
    assert danlu("report", "a.danlu", "--tensorboard", "logs", "-o", "x.html").code == 2
    without("tensorboard")
    ended = danlu("report", "a.danlu", "--tensorboard", "logs")
    assert ended.code == 2
    assert "pip install 'danlu[tensorboard]'" in ended.err
