"""The local server of one run: its page, and a stream of what its journal says. Nothing else, and nobody else.

It listens on 127.0.0.1 only; the address holds a random token; a request must name this machine in `Host`, and come
from our own page where it has an `Origin`; pages may run only our script and ask only this server.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import secrets
import socket
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from danlu.report.live.journal import Reader, alive, ended, journal_of, ours
from danlu.report.live.page import live_page, policy_of

POLL, PING = 0.4, 15.0
"""Seconds between two looks at the journal, and between two signs of life on a silent connection."""
HERE = ("127.0.0.1", "localhost")
_HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


@dataclass
class Watch:
    """What is served: a run by the place of its model, and how its finished page is made.

    Attributes:
        model: the folder that the run writes.
        finished: makes the page of a saved model, from its records.
        token: stands in the address; who does not know it is told nothing.
        idle: seconds without a reader after which the server of a run that has ended ends as well; None: never.
    """

    model: Path
    finished: Callable[[], str]
    token: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    idle: float | None = None
    reading: int = 0
    """Open streams."""
    asked: float = field(default_factory=time.monotonic)
    """When the last request came."""
    stopping: bool = False

    @property
    def journal(self) -> Path:
        """Where the run writes what happens."""
        return journal_of(self.model)

    def state(self) -> str:
        """Return "running", "failed", "killed", "saved", or "nothing" where there is neither a run nor a model."""
        if ours(self.journal):
            end = ended(self.journal)
            if end is not None:
                return str(end["event"])
            return "running" if alive(self.journal) else "killed"
        return "saved" if (self.model / "manifest.json").is_file() else "nothing"

    @property
    def over(self) -> bool:
        """Whether the run has ended and nobody has asked for a while."""
        quiet = not self.reading and time.monotonic() - self.asked > (self.idle or 0.0)
        return self.idle is not None and quiet and self.state() != "running"


class Guard:
    """Lets only requests through that name this machine, come from no other page, and ask for something."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse, or pass on."""
        if scope["type"] != "http":
            return
        request = Request(scope)
        host, origin = request.headers.get("host", ""), request.headers.get("origin")
        answer: ASGIApp = self.app
        if not _is_here(f"http://{host}"):
            answer = PlainTextResponse("This server answers only to its own machine.\n", 421, _HEADERS)
        elif origin is not None and (not _is_here(origin) or urlsplit(origin).netloc != host):
            answer = PlainTextResponse("This server answers only to its own page.\n", 403, _HEADERS)
        elif request.method not in ("GET", "HEAD"):
            answer = PlainTextResponse("This server only shows.\n", 405, _HEADERS | {"Allow": "GET, HEAD"})
        await answer(scope, receive, send)


def _is_here(address: str) -> bool:
    """Return whether an address is on this machine; a port that was forwarded may be another one.

    >>> _is_here("http://localhost:8000"), _is_here("http://localhost.example.org"), _is_here("null")
    (True, False, False)
    """
    try:
        parts = urlsplit(address)
        return parts.scheme == "http" and parts.hostname in HERE and parts.username is None and parts.path == ""
    except ValueError:
        return False


def application(watch: Watch) -> ASGIApp:
    """Return what answers requests: the page, the stream, and the page of the model as it is saved."""

    def known(request: Request) -> bool:
        watch.asked = time.monotonic()
        return secrets.compare_digest(request.path_params["token"].encode(), watch.token.encode())

    async def page(request: Request) -> Response:
        if not known(request):
            return _unknown()
        state = await run_in_threadpool(watch.state)
        if state == "saved":
            return await _finished(watch)
        text = live_page(watch.model.name, saved=(watch.model / "manifest.json").is_file())
        return HTMLResponse(text, headers=_HEADERS | {"Content-Security-Policy": policy_of(text)})

    async def model(request: Request) -> Response:
        return await _finished(watch) if known(request) else _unknown()

    async def events(request: Request) -> Response:
        if not known(request):
            return _unknown()
        headers = _HEADERS | {"X-Accel-Buffering": "no"}
        after = request.headers.get("last-event-id", "")
        return StreamingResponse(_stream(watch, after), media_type="text/event-stream", headers=headers)

    routes = [
        Route("/{token}/", page),
        Route("/{token}/events", events),
        Route("/{token}/model", model),
    ]
    app = Starlette(routes=routes, exception_handlers={404: _not_found})
    app.router.redirect_slashes = False
    return Guard(app)


async def _not_found(request: Request, error: Exception) -> Response:  # noqa: ARG001
    return _unknown()


def _unknown() -> Response:
    return PlainTextResponse("There is nothing here. The whole address is needed, as it was printed.\n", 404, _HEADERS)


async def _finished(watch: Watch) -> Response:
    """Return the page of the saved model, as `danlu report` writes it."""
    try:
        text = await run_in_threadpool(watch.finished)
    except Exception as error:  # a model that is damaged, or is being replaced: say so, go on serving
        return PlainTextResponse(f"The model cannot be shown: {error}\n", 500, _HEADERS)
    return HTMLResponse(text, headers=_HEADERS | {"Content-Security-Policy": policy_of(text)})


async def _stream(watch: Watch, last: str) -> AsyncIterator[str]:
    """Yield what the journal says as server-sent events, from where a reader that comes again had stopped."""
    watch.reading += 1
    reader: Reader | None = None
    try:
        yield "retry: 1000\n\n"
        try:
            reader = await run_in_threadpool(Reader, watch.journal)
        except (OSError, ValueError):
            yield _message(["{" + f'"event":"{watch.state()}"' + "}"])
            return
        run, _, place = last.partition(":")
        if run == reader.run and re.fullmatch(r"\d{1,15}", place):
            reader.file.seek(0, 2)
            reader.place = int(place) if int(place) <= reader.file.tell() else 0
        async for message in _following(watch, reader):
            yield message
    finally:
        watch.reading -= 1
        watch.asked = time.monotonic()
        if reader is not None:
            reader.close()


async def _following(watch: Watch, reader: Reader) -> AsyncIterator[str]:
    """Yield the lines of a journal as they come, until it ends or its writer is gone."""
    pinged = time.monotonic()
    while not watch.stopping:
        gone = reader.gone()  # asked first: what was written before it went is then read below
        lines = reader.lines()
        if lines:
            yield _message(lines, f"{reader.run}:{reader.place}")
            pinged = time.monotonic()
            if json.loads(lines[-1]).get("event") in ("saved", "failed"):
                return
        elif gone:
            yield _message(['{"event":"killed"}'])
            return
        else:
            if time.monotonic() - pinged > PING:
                pinged = time.monotonic()
                yield ": still here\n\n"
            await asyncio.sleep(POLL)


def _message(lines: list[str], number: str = "") -> str:
    """Return one server-sent event: a list of what happened, with the place from which to go on.

    >>> _message(['{"event":"begun"}'], "a1:18")
    'id: a1:18\\ndata: [{"event":"begun"}]\\n\\n'
    """
    return (f"id: {number}\n" if number else "") + f"data: [{','.join(lines)}]\n\n"


def listening(port: int = 0) -> socket.socket:
    """Return a socket that listens on this machine alone; port 0 takes a free one.

    Raises:
        OSError: the port is taken.
    """
    found = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind(("127.0.0.1", port))
        found.listen(16)
    except OSError:
        found.close()
        raise
    return found


def serve(watch: Watch, at: socket.socket) -> None:
    """Serve until Ctrl-C, or until the run has ended and nobody looks any more."""
    config = uvicorn.Config(
        application(watch),
        log_level="critical",
        access_log=False,
        lifespan="off",
        ws="none",
        server_header=False,
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)

    async def run() -> None:
        task = asyncio.create_task(server.serve(sockets=[at]))
        while not task.done():
            await asyncio.wait([task], timeout=0.5)
            watch.stopping = server.should_exit
            if watch.over:
                server.should_exit = watch.stopping = True
        await task

    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(run())
