"""Fetching from a server of the test's own: the right content once, anything else never."""

from __future__ import annotations

import hashlib
import http.server
import os
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest

from danlu.data.images import fetch as module
from danlu.data.images.fetch import Pinned, fetch

CONTENT = bytes(range(256)) * 3000
FILE = Pinned("a.gz", len(CONTENT), hashlib.sha256(CONTENT).hexdigest())


class Server(http.server.BaseHTTPRequestHandler):
    """Gives /good/, /wrong/ (another byte), /short/ and /long/; counts what is asked for."""

    asked: ClassVar[Counter[str]] = Counter()

    def do_GET(self) -> None:
        kind = self.path.split("/")[1]
        self.asked[self.path] += 1
        content = {
            "good": CONTENT,
            "wrong": CONTENT[:-1] + b"!",
            "short": CONTENT[:-7],
            "long": CONTENT * 2,
            "torn": CONTENT[: len(CONTENT) // 2],
        }.get(kind)
        if content is None:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(CONTENT) if kind == "torn" else len(content)))
        self.end_headers()
        try:
            self.wfile.write(content)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("no_proxy", "*")
    Server.asked = Counter()
    running = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
    thread = threading.Thread(target=running.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{running.server_address[1]}"
    running.shutdown()
    running.server_close()
    thread.join()


def there(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name != ".lock")


def test_a_file_is_fetched_once(server: str, tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    for _ in range(2):
        fetch([FILE], [f"{server}/good/"], tmp_path / "new" / "folder", "The set", lambda *what: told.append(what))
    assert (tmp_path / "new" / "folder" / "a.gz").read_bytes() == CONTENT
    assert there(tmp_path / "new" / "folder") == ["a.gz"]
    assert Server.asked == {"/good/a.gz": 1}
    assert told[-1] == ("downloading a.gz", len(CONTENT), len(CONTENT))
    assert [done for _, done, _ in told] == sorted(done for _, done, _ in told)


def test_a_damaged_file_is_fetched_again(server: str, tmp_path: Path) -> None:
    (tmp_path / "a.gz").write_bytes(CONTENT[:-1] + b"?")
    fetch([FILE], [f"{server}/good/"], tmp_path, "The set")
    assert (tmp_path / "a.gz").read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("wrong", "wrong checksum"),
        ("short", f"{len(CONTENT) - 7:,} of {len(CONTENT):,} bytes"),
        ("long", "more than"),
        ("torn", "bytes"),
        ("missing", "Not Found"),
    ],
)
def test_other_content_is_refused_and_nothing_stays(
    server: str, tmp_path: Path, kind: str, words: str, refused
) -> None:
    refused(lambda: fetch([FILE], [f"{server}/{kind}/"], tmp_path, "The set"), "The set", words, "DANLU_DATA", kind)
    assert not there(tmp_path)


def test_the_next_mirror_is_tried(server: str, tmp_path: Path, refused) -> None:
    mirrors = [f"{server}/missing/", f"{server}/wrong/", "http://127.0.0.1:9/", f"{server}/good/"]
    fetch([FILE], mirrors, tmp_path, "The set")
    assert (tmp_path / "a.gz").read_bytes() == CONTENT
    refused(lambda: fetch([Pinned("b.gz", 5, "0" * 64)], mirrors[:3], tmp_path, "The set"), "missing", "wrong", ":9/")


def test_a_server_that_falls_silent_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused) -> None:
    import socket

    monkeypatch.setattr(module, "SECONDS", 0.2)
    monkeypatch.setenv("no_proxy", "*")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        refused(
            lambda: fetch([FILE], [f"http://127.0.0.1:{silent.getsockname()[1]}/"], tmp_path, "The set"), "timed out"
        )


def test_a_folder_that_cannot_be_written_is_said(server: str, tmp_path: Path, refused) -> None:
    (tmp_path / "file").write_bytes(b"")
    refused(lambda: fetch([FILE], [f"{server}/good/"], tmp_path / "file" / "in", "The set"), "cannot be written")


def test_two_processes_fetch_once_together(server: str, tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from danlu.data.images.fetch import Pinned, fetch\n"
        f"fetch([Pinned('a.gz', {FILE.bytes}, '{FILE.sha256}')], [sys.argv[1]], Path(sys.argv[2]), 'The set')"
    )
    command = [sys.executable, "-c", code, f"{server}/good/", str(tmp_path)]
    both = [subprocess.Popen(command, env=os.environ | {"OMP_NUM_THREADS": "1"}) for _ in range(2)]
    assert [each.wait(timeout=120) for each in both] == [0, 0]
    assert Server.asked == {"/good/a.gz": 1}
    assert (tmp_path / "a.gz").read_bytes() == CONTENT
