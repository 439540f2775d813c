"""The two streams of the program: what it was asked for goes to standard output, all else to standard error."""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, TextIO, cast

from rich.console import Console
from rich.text import Text

if TYPE_CHECKING:
    from danlu.core.records import Note


def out() -> Console:
    """Return a console on standard output, 80 columns wide where there is no terminal."""
    return _console(stderr=False)


def err() -> Console:
    """Return a console on standard error, 80 columns wide where there is no terminal."""
    return _console(stderr=True)


def _console(stderr: bool) -> Console:
    stream = sys.stderr if stderr else sys.stdout
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors="replace")  # a terminal without our signs shows ? in their place
    if stream.isatty():
        return Console(stderr=stderr, highlight=False, emoji=False, markup=False)
    return Console(file=cast("TextIO", _Trimmed(stream)), width=80, highlight=False, emoji=False, markup=False)


class _Trimmed(io.TextIOBase):
    """What is written to a file or a pipe: lines end where their words do, tables as well."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """That of the stream, by which rich chooses its signs."""
        return self.stream.encoding or "utf-8"

    def write(self, text: str, /) -> int:
        """Write text without the spaces at the ends of its lines."""
        self.stream.write(re.sub(r" +(?=\n)", "", text))
        return len(text)

    def flush(self) -> None:
        """Flush the stream."""
        self.stream.flush()

    def fileno(self) -> int:
        """Return the stream's own number."""
        return self.stream.fileno()


def as_typed(text: str) -> str:
    """Name settings as they are typed here, not as in Python.

    >>> as_typed("taken for GB18030; encoding=... names another")
    'taken for GB18030; --encoding ... names another'
    """
    return re.sub(r"\b([a-z_]+)=\.\.\.", lambda found: f"--{found[1].replace('_', '-')} ...", text)


def say_notes(console: Console, notes: Iterable[Note]) -> None:
    """Print warnings, one line each."""
    for note in notes:
        said = Text("warning: ", style="yellow").append(f"{note.topic}: {as_typed(note.text)}", style="not bold")
        console.print(said, soft_wrap=True)
