"""The journal of a run: one file beside the model that is being made, a line of JSON for each thing that happened.

The process that trains only appends, a few short lines a second, and holds a lock on the file: whoever follows the run
reads the file from any place on, and a lock that is free says that the process is gone, however it ended. A run that
is saved removes its journal, because the model holds all of it; one that failed or was killed leaves it to be read.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from danlu._version import __version__
from danlu.core.progress import Latest, Progress
from danlu.report.thin import MOST_CURVES, even
from danlu.report.words import metric_name

try:
    import fcntl
except ImportError:  # not a POSIX system: a journal that grew lately is taken for one that is being written
    fcntl = None  # type: ignore[assignment]

FIRST_GAP, LAST_GAP = 0.5, 5.0
"""Seconds between two lines of training at least: they grow from one to the other with the time that it takes, so that
a night of training stays a few megabytes."""
GROWTH = 0.01
STALE = 60.0
"""Seconds after which a journal that did not grow is taken for dead where no lock can be held."""
DIGITS = 5
ENDS = ("saved", "failed")
"""Events after which there is nothing more."""


def journal_of(model: Path) -> Path:
    """Return where the journal of a model that is being made stands: beside it.

    >>> print(journal_of(Path("models/houses.danlu")))
    models/houses.events.jsonl
    """
    return model.parent / f"{model.name.removesuffix('.danlu')}.events.jsonl"


class Journal:
    """The writing end. A disk that is full ends the journal, never the training.

    Arguments:
        path: of the file; one that an earlier run left is replaced, any other file is left alone and nothing written.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.began, self.last = path, time.monotonic(), 0.0
        self.held: Progress | None = None
        self.lock: int | None = None
        with contextlib.suppress(OSError):
            self.lock = _opened(path)
        self.write("begun", run=secrets.token_hex(8), version=__version__, time=time.time())

    def write(self, event: str, **facts: Any) -> None:
        """Append one event."""
        if self.lock is None:
            return
        line = json.dumps({"event": event, **facts}, separators=(",", ":"), allow_nan=False) + "\n"
        try:
            os.write(self.lock, line.encode())
        except OSError:
            self.close()

    def __call__(self, progress: Progress) -> None:
        """Take what a progress bar is told; of training only now and then."""
        if progress.about is not None:
            self.write("about", **progress.about.model_dump(mode="json"))
        other = self.held is not None and (progress.stage, progress.wave) != (self.held.stage, self.held.wave)
        if self.held is not None and other and self.held.latest is not None:
            self._put(self.held)
        if self.held is not None and not other and progress.latest is None:
            progress = progress.model_copy(update={"latest": self.held.latest})
        gap = min(LAST_GAP, max(FIRST_GAP, GROWTH * self.elapsed))
        last = progress.latest is not None and progress.latest.epoch >= progress.epochs
        if self.held is None or other or last or self.elapsed - self.last >= gap:
            self._put(progress)
            progress = progress.model_copy(update={"latest": None})
        self.held = progress

    @property
    def elapsed(self) -> float:
        """Seconds since the run began."""
        return time.monotonic() - self.began

    def _put(self, progress: Progress) -> None:
        self.last = self.elapsed
        told = {name: getattr(progress, name) for name in _TOLD if getattr(progress, name) is not None}
        if progress.metric_name:
            told["metric_name"] = metric_name(progress.metric_name)
        self.write("progress", **told, elapsed=round(self.elapsed, 1), **_numbers(progress.latest))

    def close(self, *, remove: bool = False) -> None:
        """Let go of the file; the lock goes with it."""
        if self.lock is None:
            return
        if remove:
            self.path.unlink(missing_ok=True)
        os.close(self.lock)
        self.lock = None


_TOLD = ("stage", "epoch", "epochs", "wave", "waves", "members", "active", "seconds_left")


def _numbers(latest: Latest | None) -> dict[str, Any]:
    """Return each network's numbers as a line has them: of many networks some, and of all of them how many."""
    if latest is None:
        return {}
    shown = even(len(latest.loss), MOST_CURVES).tolist()
    rounded = {
        name: [None if values[i] is None else float(f"{values[i]:.{DIGITS}g}") for i in shown]
        for name, values in (("loss", latest.loss), ("metric", latest.metric))
        if values
    }
    return {"read": latest.epoch, "judged": latest.judged_epoch, "networks": shown, **rounded}


@contextmanager
def keeping(model: Path) -> Iterator[Journal]:
    """Keep a journal beside a model while it is being made: removed where the block ends well, closed with the reason
    where it does not."""
    journal = Journal(journal_of(model))
    try:
        yield journal
    except BaseException as error:
        asked = isinstance(error, KeyboardInterrupt)
        journal.write("failed", text="stopped by hand before anything was kept" if asked else str(error)[:2000])
        journal.close()
        raise
    journal.write("saved", model=model.name)
    journal.close(remove=True)


def _opened(path: Path) -> int | None:
    """Return an open and locked new file; None where the place is taken by another run, or by something else."""
    if path.exists():
        if not ours(path) or alive(path):
            return None
        path.unlink()
    number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
    if fcntl is not None:
        # A reader that asks whether we live holds the lock for a moment; a file system may have no locks.
        with contextlib.suppress(OSError):
            fcntl.flock(number, fcntl.LOCK_EX)
    return number


def ours(path: Path) -> bool:
    """Return whether a file is the journal of a run."""
    try:
        with path.open("rb") as file:
            first = json.loads(file.readline(4096))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(first, dict) and first.get("event") == "begun" and isinstance(first.get("run"), str)


def alive(path: Path) -> bool:
    """Return whether the process that writes a journal is still there."""
    try:
        with path.open("rb") as file:
            if fcntl is not None:
                try:
                    fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
                except BlockingIOError:
                    return True
                except OSError:  # no locks here
                    pass
                else:
                    return False
            return time.time() - os.fstat(file.fileno()).st_mtime < STALE
    except OSError:
        return False


class Reader:
    """The reading end, from any place on; goes on reading a file that has been removed.

    Arguments:
        path: of the journal.
        after: bytes that were read before.

    Raises:
        OSError: there is no such file.
        ValueError: it is no journal.
    """

    def __init__(self, path: Path, after: int = 0) -> None:
        self.path, self.file = path, path.open("rb")
        try:
            self.run = str(json.loads(self.file.readline())["run"])
        except (ValueError, KeyError, TypeError):
            self.file.close()
            raise ValueError(f"{path} is no journal") from None
        size = os.fstat(self.file.fileno()).st_size
        self.place = after if 0 <= after <= size else 0

    def lines(self, most: int = 500) -> list[str]:
        """Return whole lines that were not read yet; one that is still being written waits."""
        self.file.seek(self.place)
        found: list[str] = []
        while len(found) < most:
            line = self.file.readline()
            if not line.endswith(b"\n"):
                break
            self.place += len(line)
            found.append(line.decode(errors="replace").rstrip("\n"))
        return found

    def gone(self) -> bool:
        """Return whether nobody writes this very file any more."""
        try:
            same = _same(self.path, self.file.fileno())
        except OSError:
            return True
        return not same or not alive(self.path)

    def close(self) -> None:
        """Close the file."""
        self.file.close()

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _same(path: Path, number: int) -> bool:
    """Return whether a path still leads to an open file."""
    there, here = path.stat(), os.fstat(number)
    return (there.st_dev, there.st_ino) == (here.st_dev, here.st_ino)


def ended(path: Path) -> dict[str, Any] | None:
    """Return the event that a journal ends with, where the run said how it ended; None where it did not (yet)."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - 8192))
            last = json.loads(file.read().rstrip(b"\n").rpartition(b"\n")[2])
    except (OSError, ValueError, RecursionError):
        return None
    return last if isinstance(last, dict) and last.get("event") in ENDS else None
