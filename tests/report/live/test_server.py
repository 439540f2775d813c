"""The local server: who is answered, and with what."""

from __future__ import annotations

import http.client
import json
import socket
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("starlette", reason="needs the extra `live`")
pytest.importorskip("uvicorn", reason="needs the extra `live`")

from danlu.core.progress import Latest, Progress
from danlu.report.live.journal import Journal, journal_of
from danlu.report.live.server import Watch, listening

if TYPE_CHECKING:
    from conftest import Served


def events(text: str) -> list[dict]:
    """Return what a stream said."""
    return [e for line in text.splitlines() if line.startswith("data: ") for e in json.loads(line[6:])]


def saved(served: Served) -> None:
    served.watch.model.mkdir()
    (served.watch.model / "manifest.json").write_text("{}")


def test_it_listens_on_this_machine_alone() -> None:
    with listening() as at:
        assert at.getsockname()[0] == "127.0.0.1"
        with pytest.raises(OSError, match="in use"):
            listening(at.getsockname()[1])


def test_without_the_token_there_is_nothing(served: Served) -> None:
    saved(served)
    assert served.get(served.root)[0].status == 200
    wrong = "x" * len(served.watch.token)
    for path in ("/", "/events", f"/{wrong}/", f"/{wrong}/events", f"/{wrong}/model", served.root[:-1], "/favicon.ico"):
        answer, text = served.get(path)
        assert answer.status == 404, path
        assert served.watch.token not in text
    assert len(served.watch.token) >= 32


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "localhost@evil.example", "", "[::1", "a:b:c"]
)
def test_another_host_is_refused(served: Served, host: str) -> None:
    saved(served)
    assert served.get(served.root, Host=host)[0].status == 421


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "https://localhost", "http://localhost:1"])
def test_another_origin_is_refused(served: Served, origin: str) -> None:
    saved(served)
    assert served.get(served.root, Origin=origin)[0].status == 403


def test_its_own_page_and_a_forwarded_port_are_answered(served: Served) -> None:
    saved(served)
    assert served.get(served.root, Host="localhost:9", Origin="http://localhost:9")[0].status == 200
    assert served.get(served.root, Origin=f"http://127.0.0.1:{served.port}")[0].status == 200


def test_nothing_can_be_sent(served: Served) -> None:
    saved(served)
    for method in ("POST", "PUT", "DELETE", "OPTIONS"):
        assert served.get(served.root, method=method)[0].status == 405


def test_no_page_may_ask_another_server_run_other_scripts_or_be_framed(served: Served) -> None:
    Journal(journal_of(served.watch.model)).close()
    answer, text = served.get(served.root)
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "connect-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "access-control-allow-origin" not in answer.headers
    assert len(text) < 110_000, "a third of it is its words in Chinese"


def test_the_page_of_a_saved_model_is_the_finished_one(served: Served) -> None:
    saved(served)
    answer, text = served.get(served.root)
    assert "the finished page" in text
    assert answer.headers["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert events(served.get(served.root + "events")[1]) == [{"event": "saved"}]


def test_a_model_that_cannot_be_shown_is_said(served: Served) -> None:
    saved(served)

    def broken() -> str:
        raise ValueError("it is damaged")

    served.watch.finished = broken
    answer, text = served.get(served.root)
    assert answer.status == 500
    assert answer.headers["Content-Type"].startswith("text/plain")
    assert "it is damaged" in text


def test_the_stream_ends_with_the_run_and_a_reader_goes_on_where_it_stopped(served: Served) -> None:
    journal = Journal(journal_of(served.watch.model))
    journal(Progress(stage="train", epoch=2, epochs=9, members=1, latest=Latest(epoch=1, loss=(0.5,))))
    assert served.watch.state() == "running"
    line = http.client.HTTPConnection("127.0.0.1", served.port, timeout=60)
    line.request("GET", served.root + "events")
    stream = line.getresponse()
    first = b""
    while b"data:" not in first or not first.endswith(b"\n\n"):
        first += stream.read1(4096)
    line.close()  # a reload, or a laptop that was closed
    place = next(text[4:] for text in first.decode().splitlines() if text.startswith("id: "))
    assert [e["event"] for e in events(first.decode())] == ["begun", "progress"]
    journal.write("failed", text="<b>no</b>")
    journal.close()
    again = served.get(served.root + "events", Last_Event_ID=place)[1]
    assert events(again) == [{"event": "failed", "text": "<b>no</b>"}]
    whole = served.get(served.root + "events")[1]
    assert [e["event"] for e in events(whole)] == ["begun", "progress", "failed"]
    other = served.get(served.root + "events", Last_Event_ID="of-another-run:40")[1]
    assert events(other) == events(whole)
    assert events(served.get(served.root + "events", Last_Event_ID=f"{place}000")[1]) == events(whole)
    assert served.watch.state() == "failed"
    assert "the finished page" not in served.get(served.root)[1]


def test_a_run_that_is_gone_without_a_word_was_killed(served: Served) -> None:
    Journal(journal_of(served.watch.model)).close()
    assert events(served.get(served.root + "events")[1])[1:] == [{"event": "killed"}]
    assert served.watch.state() == "killed"


def test_an_earlier_model_can_be_looked_at_while_the_next_is_made(served: Served) -> None:
    saved(served)
    journal = Journal(journal_of(served.watch.model))
    assert 'href="model"' in served.get(served.root)[1]
    assert "the finished page" in served.get(served.root + "model")[1]
    journal.close(remove=True)


def test_it_ends_only_when_the_run_has_ended_and_nobody_looks(tmp_path: Path) -> None:
    watch = Watch(tmp_path / "a.danlu", str, idle=0.0)
    watch.asked -= 1
    journal = Journal(journal_of(watch.model))
    assert not watch.over
    journal.close(remove=True)
    assert watch.over
    watch.reading = 1
    assert not watch.over
    assert not Watch(tmp_path / "a.danlu", str).over


def test_nobody_else_on_the_network_can_connect(served: Served) -> None:
    own = socket.gethostbyname(socket.gethostname())
    if own.startswith("127."):
        pytest.skip("needs an address besides the loopback")
    with pytest.raises(OSError, match="refused"):
        socket.create_connection((own, served.port), timeout=5)
