"""`danlu watch`: a page that follows a run, in any browser of this machine."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import threading
import webbrowser
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from danlu.cli.options import StrictCommand
from danlu.core.errors import ArtifactError, OutputError, PlanError

app = typer.Typer(add_completion=False)

NEEDED = ("starlette", "uvicorn")
IDLE = 120
"""Seconds that the server of `danlu fit --watch` stays after the end of the run, when no page is open."""


@app.command("watch", cls=StrictCommand, context_settings={"help_option_names": ["-h", "--help"]})
def watch_command(
    run: Annotated[str, typer.Argument(metavar="RUN", help="Folder of the model that is made, or was (NAME.danlu).")],
    *,
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="Of the page; 0 takes a free one.")] = 0,
    browser: Annotated[
        bool, typer.Option("--browser/--no-browser", help="Open the page where there is a screen.")
    ] = True,
    idle: Annotated[float | None, typer.Option("--idle", hidden=True)] = None,
) -> None:
    """Follow a run on a page in the browser.

    A run that goes on, has ended, or was killed. The page is served to this machine only, at an address that nobody can
    guess. Ctrl-C ends the page, not the run.
    """
    check_installed()
    from danlu.cli.terminal import err  # noqa: PLC0415
    from danlu.report.live.server import Watch, listening, serve  # noqa: PLC0415  loads the server

    place = Path(run)

    def finished() -> str:
        from danlu.report.page import page  # noqa: PLC0415
        from danlu.workflow.model import load  # noqa: PLC0415  loads torch

        model = load(place)
        return page(model.run, model.arrays)

    watch = Watch(place, finished, idle=idle)
    if watch.state() == "nothing":
        raise ArtifactError(
            f"{run} must be a run or a model", "there is neither", "Name what `danlu fit -o` names, as houses.danlu."
        )
    try:
        at = listening(port)
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise OutputError(f"port {port} must be free", why, "Leave --port out.") from None
    address = f"http://127.0.0.1:{at.getsockname()[1]}/{watch.token}/"
    typer.echo(address)
    sys.stdout.flush()
    if idle is None:
        say_how(err(), at.getsockname()[1])
        if browser and has_screen():
            webbrowser.open(address)
    serve(watch, at)


def check_installed() -> None:
    """Check that what serves a page is there.

    Raises:
        PlanError: it is not.
    """
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise PlanError(
            "a page that follows a run needs Starlette and uvicorn",
            f"{' and '.join(missing)} cannot be found",
            "Install them with: pip install 'danlu[live]'",
        )


def has_screen() -> bool:
    """Return whether a person sits before a screen: a terminal, and a display that a browser can open on."""
    if not sys.stderr.isatty() or "CI" in os.environ or "SSH_CONNECTION" in os.environ:
        return False
    return sys.platform in ("darwin", "win32") or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def say_how(console: Console, port: int) -> None:
    """Say how it ends, and from elsewhere how to reach it."""
    console.print("Open this address on this machine. Ctrl-C ends the page, not the run.", style="dim", soft_wrap=True)
    if "SSH_CONNECTION" in os.environ:
        console.print(f"From yours: ssh -L {port}:127.0.0.1:{port} THIS_MACHINE", style="dim", soft_wrap=True)


def watch_beside(place: Path, console: Console) -> threading.Event:
    """Start a server for a run of this process in one of its own, which costs training nothing, and say its address.

    It outlives the run, so that the page can be loaded again, until nobody has looked for two minutes.

    Returns:
        what is set once the address is said: a short run may be over before the server has started.
    """
    said = threading.Event()
    words = [sys.executable, "-m", "danlu", "watch", str(place), "--idle", str(IDLE)]
    nothing = subprocess.DEVNULL
    try:
        server = subprocess.Popen(words, stdin=nothing, stdout=subprocess.PIPE, stderr=nothing, start_new_session=True)
    except OSError as error:
        console.print(f"warning: the page could not be started: {error}", style="yellow", soft_wrap=True)
        said.set()
        return said
    threading.Thread(target=_say_address, args=(server, console, said), daemon=True).start()
    return said


def _say_address(server: subprocess.Popen[bytes], console: Console, said: threading.Event) -> None:
    assert server.stdout is not None
    with server.stdout as stream:
        address = stream.readline().decode(errors="replace").strip()
    if not address:
        console.print("warning: the page could not be started; danlu watch says why", style="yellow", soft_wrap=True)
        said.set()
        return
    console.print(f"follow at {address}", soft_wrap=True)
    said.set()
    if has_screen():
        webbrowser.open(address)
    server.wait()  # in this thread: nobody else asks how it ended
