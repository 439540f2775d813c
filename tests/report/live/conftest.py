"""A server of a run, in a thread."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

PAGE = '<meta http-equiv="Content-Security-Policy" content="default-src &#x27;none&#x27;"><p>the finished page</p>'


@dataclass
class Served:
    """A server that runs in a thread, of the run of a.danlu."""

    watch: Any
    port: int

    def get(self, path: str, *, method: str = "GET", **headers: str) -> tuple[http.client.HTTPResponse, str]:
        """Return the answer and its text (of a stream: as far as it goes)."""
        line = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        line.request(method, path, headers=sent)
        answer = line.getresponse()
        text = answer.read().decode()
        line.close()
        return answer, text

    @property
    def root(self) -> str:
        """The path that holds the token."""
        return f"/{self.watch.token}/"

    @property
    def address(self) -> str:
        """Where a browser finds it."""
        return f"http://127.0.0.1:{self.port}{self.root}"


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    """Serve the run of a.danlu, or skip the test."""
    pytest.importorskip("starlette", reason="needs the extra `live`")
    uvicorn = pytest.importorskip("uvicorn", reason="needs the extra `live`")
    from danlu.report.live.server import Watch, application, listening

    watch = Watch(tmp_path / "a.danlu", lambda: PAGE)
    at = listening()
    config = uvicorn.Config(application(watch), log_level="critical", lifespan="off", ws="none")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [at]})
    thread.start()
    yield Served(watch, at.getsockname()[1])
    watch.stopping = server.should_exit = True
    thread.join(timeout=60)
    at.close()
