"""The live page in Chromium: it follows a run to its end, whatever comes between."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from danlu.core.progress import About, Latest, Progress
from danlu.report.live.journal import Journal, journal_of
from report.browser import tab, until

if TYPE_CHECKING:
    from conftest import Served

HOSTILE = "<script>alert(1)</script>"
TARGET = '<img src=x onerror="alert(2)">'


def about() -> Progress:
    facts = {"name": "a", "source": "tables/<i>.csv", "target": (TARGET,), "task": "regression", "rows": 900}
    facts |= {"folds": "5 folds", "networks": 5, "parameters": 1000, "epochs": 40, "metric": "rmse", "columns": 3}
    return Progress(stage="preparing", about=About.model_validate(facts))


def at(epoch: int, **more: Any) -> Progress:
    """Return what five networks say after an epoch."""
    loss = tuple((1 + 0.1 * m) / epoch for m in range(5))
    latest = Latest(epoch=epoch, loss=loss, judged_epoch=epoch, metric=tuple(100 * v for v in loss))
    fields = {"stage": "train", "epoch": epoch, "epochs": 40, "members": 5, "active": 5, "latest": latest}
    return Progress.model_validate(fields | {"metric_name": "rmse", "seconds_left": 12.0} | more)


@pytest.fixture
def journal(served: Served, monkeypatch: pytest.MonkeyPatch) -> Iterator[Journal]:
    """Write the journal of the run that is served, every line of it."""
    monkeypatch.setattr("danlu.report.live.journal.FIRST_GAP", 0.0)
    monkeypatch.setattr("danlu.report.live.journal.GROWTH", 0.0)
    found = Journal(journal_of(served.watch.model))
    found(about())
    for epoch in range(1, 11):
        found(at(epoch))
    yield found
    found.close()


def drawn(page: Any, points: int) -> None:
    """Wait until the curves have so many points."""
    until(page, f"rounds.length > 0 && rounds.at(-1).loss.length >= {points}", seconds=60)
    page.wait_for_selector("#loss-chart svg .median", state="attached")


def epochs(page: Any) -> list[int]:
    """Return the epochs of the curve of losses."""
    return page.evaluate("rounds.at(-1).loss.map((p) => p.x)")


def test_it_draws_every_network_the_median_and_the_range(served: Served, journal: Journal) -> None:
    with tab() as opened:
        page = opened.open(served.address)
        drawn(page, 10)
        assert page.locator("#loss-chart .each").count() == 5
        assert page.locator("#metric-chart .band").count() == 1
        assert page.inner_text("#metric-title") == "RMSE on judged rows"
        assert "epoch 10 of 40, 5 networks, about 0:12 left" in page.inner_text("#words")
        assert page.inner_text("#state") == "running"
        assert page.title().startswith("25% ")
        page.hover("#loss-chart", position={"x": 400, "y": 100})
        assert re.match(r"epoch \d+\nmedian [\d.]+\nlowest", page.inner_text("#loss-chart .tip"))
        label = page.get_attribute("#loss-chart", "aria-label")
        assert label == "Training loss after epoch 10: median 0.12, from 0.1 to 0.14."
        assert not opened.complaints
        assert {url.rpartition("/")[0] + "/" for url in opened.requests} == {served.address}


def test_it_speaks_chinese_while_it_changes(served: Served, journal: Journal) -> None:
    with tab() as opened:
        page = opened.open(served.address)
        drawn(page, 10)
        page.click(".language")
        assert page.inner_text("#state") == "运行中"
        assert "epoch 10/40，5 个网络，约剩 0:12" in page.inner_text("#words")
        journal(at(11))
        drawn(page, 11)
        until(page, "document.getElementById('words').textContent.startsWith('epoch 11/40，5 个网络')")
        assert page.inner_text("#metric-title") == "评判行上的 RMSE"
        label = page.get_attribute("#loss-chart", "aria-label")
        assert label == "epoch 11 之后的训练损失：中位数 0.109，从 0.0909 到 0.127。"
        assert page.inner_text("#title") == TARGET
        assert page.evaluate("language.missing()") == []
        page.click(".language")
        assert "epoch 11 of 40, 5 networks" in page.inner_text("#words")
        assert not opened.complaints


def test_what_a_user_named_stays_text(served: Served, journal: Journal) -> None:
    with tab() as opened:
        asked: list[str] = []
        opened.page.on("dialog", lambda dialog: (asked.append(dialog.message), dialog.dismiss()))
        page = opened.open(served.address)
        drawn(page, 10)
        assert page.inner_text("#title") == TARGET
        assert page.inner_text("h1") == f"{TARGET} predicted from <i>.csv"
        assert TARGET in page.inner_text("#about")
        assert page.locator("main img, main script").count() == 0
        journal.write("failed", text=HOSTILE)
        page.wait_for_selector("#end:not([hidden])")
        assert page.inner_text("#end") == f"The run failed: {HOSTILE}"
        assert not asked
        assert not opened.complaints


def test_a_lost_connection_goes_on_where_it_was_and_a_reload_begins_again(served: Served, journal: Journal) -> None:
    with tab() as opened:
        page = opened.open(served.address)
        drawn(page, 10)
        served.watch.stopping = True  # every stream ends, as when a laptop sleeps
        until(page, "by('state').textContent === 'connection lost'")
        for epoch in range(11, 21):
            journal(at(epoch))
        served.watch.stopping = False
        drawn(page, 20)
        assert epochs(page) == list(range(1, 21))
        assert page.inner_text("#state") == "running"
        page.reload()
        drawn(page, 20)
        assert epochs(page) == list(range(1, 21))


def test_another_setting_begins_curves_of_its_own(served: Served, journal: Journal) -> None:
    with tab() as opened:
        page = opened.open(served.address)
        drawn(page, 10)
        for epoch in (1, 2, 3):
            journal(at(epoch, stage="train setting 2 of 2"))
        until(page, "rounds.length === 2 && rounds[1].loss.length === 3")
        page.wait_for_selector("#earlier:not([hidden])")
        assert page.inner_text("#rounds") == "train: 10 epochs, 5 networks, RMSE 12 (median)"


def test_a_killed_run_is_said_and_its_curves_stay(served: Served, journal: Journal) -> None:
    with tab() as opened:
        page = opened.open(served.address)
        drawn(page, 10)
        journal.close()
        page.wait_for_selector("#end:not([hidden])")
        assert page.inner_text("#state") == "killed"
        assert "in epoch 10 of 40" in page.inner_text("#end")
        page.reload()
        drawn(page, 10)
        page.wait_for_selector("#end:not([hidden])")


def test_of_a_saved_run_the_finished_page_takes_the_place(served: Served, journal: Journal) -> None:
    with tab() as opened:
        page = opened.open(served.address)
        drawn(page, 10)
        served.watch.model.mkdir()
        (served.watch.model / "manifest.json").write_text("{}")
        journal.write("saved", model="a.danlu")
        journal.close(remove=True)
        page.wait_for_selector("text=the finished page")


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [360, 1440])
def test_nothing_is_wider_than_the_window(served: Served, journal: Journal, width: int, dark: bool) -> None:
    with tab(width=width, dark=dark) as opened:
        page = opened.open(served.address)
        drawn(page, 10)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") != (
            "rgb(255, 255, 255)" if dark else "rgb(0, 0, 0)"
        )


@contextlib.contextmanager
def fitting(folder: Path, *words: str) -> Iterator[tuple[subprocess.Popen, str]]:
    """Run `danlu fit --watch` of a table with hostile names; yield the process, and the address that it says."""
    pytest.importorskip("uvicorn", reason="needs the extra `live`")
    x = np.random.default_rng(0).normal(size=400)
    rows = "\n".join(f"{a:.3f},{b:.3f}" for a, b in zip(x, np.sin(x), strict=True))
    (folder / "a.csv").write_text(f'"{HOSTILE}","<b>y</b>"\n{rows}\n')
    command = [sys.executable, "-m", "danlu", "fit", "a.csv", "--target", "<b>y</b>", "--watch", *words]
    command += ["-o", str(folder / "a.danlu")]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    with subprocess.Popen(
        command, cwd=folder, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, env=environment
    ) as run:
        assert run.stderr is not None
        said = b""
        while b"follow at" not in said:
            said = run.stderr.readline()
            assert said, "it ended"
        address = said.decode().split()[-1]
        try:
            yield run, address
        finally:
            run.kill()
            for number in servers(folder):
                os.kill(number, signal.SIGKILL)


def servers(folder: Path) -> list[int]:
    """Return the processes that serve a run in a folder; each ends by itself two minutes after the last look."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (process / "cmdline").read_bytes().split(b"\0")
            if b"watch" in words and str(folder / "a.danlu").encode() in words:
                found.append(int(process.name))
    return found


def test_a_real_run_is_followed_to_its_end(tmp_path: Path) -> None:
    with (
        tab() as opened,
        fitting(tmp_path, "--epochs", "100000", "--hidden", "64") as (run, address),
    ):
        page = opened.open(address)
        drawn(page, 2)
        page.reload()
        drawn(page, 3)
        assert page.inner_text("#title") == "<b>y</b>"
        run.send_signal(signal.SIGTERM)  # it ends now: how long it would take is the machine's affair
        page.wait_for_selector("#score", timeout=120_000)  # the finished page
        page.wait_for_selector("html[data-ready=yes]", timeout=60_000)
        assert page.url == address
        assert "<b>y</b>" in page.inner_text("h1")
        assert not [text for text in opened.complaints if "favicon" not in text]
        assert all(url.startswith((address, "data:")) for url in opened.requests)
        assert run.wait(60) == 0
        assert not journal_of(tmp_path / "a.danlu").exists()


def test_a_real_run_that_is_killed_is_known(tmp_path: Path) -> None:
    with tab() as opened, fitting(tmp_path, "--epochs", "100000", "--hidden", "64") as (run, address):
        page = opened.open(address)
        drawn(page, 2)
        os.kill(run.pid, signal.SIGKILL)
        page.wait_for_selector("#end:not([hidden])")
        assert page.inner_text("#state") == "killed"
