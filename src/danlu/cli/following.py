"""Training as it is watched: one line that moves in a terminal, a line now and then elsewhere."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich.cells import cell_len
from rich.console import Console
from rich.progress import BarColumn, TaskID, TextColumn
from rich.progress import Progress as Bar
from rich.table import Column
from rich.text import Text

from danlu.cli.terminal import err
from danlu.core.records import Progress

BAR = 20
WIDE = 100
"""Columns of a terminal that has room for a bar beside the words."""
EVERY = 15.0
"""Seconds between two lines where there is no terminal."""

OnProgress = Callable[[Progress], None]
Stop = Callable[[], bool]


@contextmanager
def following(*, quiet: bool) -> Iterator[tuple[OnProgress, Stop]]:
    """Yield what to call with each `Progress`, and what says that the user asked to stop.

    The first Ctrl-C (or SIGTERM) asks to stop, the second leaves at once.
    """
    from danlu.workflow.interrupt import stoppable  # noqa: PLC0415  workflow loads torch

    console = err()

    def say_stopping() -> None:
        console.print("stopping: the best so far is kept and saved. Ctrl-C again leaves at once.")

    with stoppable(say_stopping) as stop:
        if quiet:
            yield lambda _: None, stop
        elif console.file.isatty() and not console.is_dumb_terminal and "CI" not in os.environ:
            with moving(console) as show:
                yield show, stop
        else:
            yield occasional(console), stop


def both(first: OnProgress, second: OnProgress | None) -> OnProgress:
    """Return what tells two that follow; the second may be nobody."""
    if second is None:
        return first

    def tell(progress: Progress) -> None:
        first(progress)
        second(progress)

    return tell


@contextmanager
def moving(console: Console) -> Iterator[OnProgress]:
    """Yield a callback that draws one line, with a bar where there is room, and takes it away at the end."""
    stage = TextColumn("{task.description}")
    words = TextColumn("{task.fields[words]}", table_column=Column(no_wrap=True, overflow="ellipsis"))
    wide = console.width >= WIDE
    # The bar comes before words that change their length, so that it stands still.
    columns = (stage, BarColumn(bar_width=BAR), words) if wide else (stage, words)
    with Bar(*columns, console=console, transient=True, refresh_per_second=8) as bar:
        task: TaskID = bar.add_task("reading", total=None, words="")

        def show(progress: Progress) -> None:
            say_traps(console, progress)
            say(console, progress.told)
            room = console.width - cell_len(progress.stage) - 1 - (BAR + 1 if wide else 0)
            said = in_words(progress)
            bar.update(
                task,
                description=progress.stage,
                total=progress.waves * progress.epochs or None,
                completed=(progress.wave - 1) * progress.epochs + progress.epoch,
                words=said if cell_len(said) <= room else in_words(progress, spread=False),
            )

        yield show


def occasional(console: Console) -> OnProgress:
    """Return a callback that prints a line when a stage begins, and every 15 seconds."""
    last_stage, last_time = "", 0.0

    def show(progress: Progress) -> None:
        nonlocal last_stage, last_time
        say_traps(console, progress)
        say(console, progress.told)
        now = time.monotonic()
        if progress.stage == last_stage and now - last_time < EVERY:
            return
        last_stage, last_time = progress.stage, now
        words = in_words(progress)
        console.print(f"{progress.stage}: {words}" if words else f"{progress.stage} ...", soft_wrap=True)

    return show


def say_traps(console: Console, progress: Progress) -> None:
    """Print what of the data may mislead, when a run says what it is about: before it trains."""
    for trap in () if progress.about is None else progress.about.traps:
        console.print(Text("data: ", style="yellow").append(trap, style="not bold default"), soft_wrap=True)


def say(console: Console, lines: Sequence[str]) -> None:
    """Print lines that are said once, the ones behind the first set in."""
    for place, line in enumerate(lines):
        console.print(f"{'  ' * (place > 0)}{line}", soft_wrap=True, markup=False, highlight=False)


def in_words(progress: Progress, *, spread: bool = True) -> str:
    """Write wave (of several), epoch, time left, and loss and metric of the median member, with or without spread.

    >>> in_words(Progress(stage="training", epoch=3, epochs=40, seconds_left=12.0, loss=0.25))
    'epoch 3/40, 0:12 left, loss 0.25'
    """
    parts = [f"wave {progress.wave}/{progress.waves}"] if progress.waves > 1 else []
    if progress.epochs:
        parts.append(f"epoch {progress.epoch}/{progress.epochs}")
    if progress.seconds_left is not None:
        parts.append(f"{_clock(progress.seconds_left)} left")
    of_loss, of_metric = (progress.loss_low, progress.loss_high), (progress.metric_low, progress.metric_high)
    parts += _spread("loss", progress.loss, *(of_loss if spread else (None, None)))
    parts += _spread(progress.metric_name, progress.metric, *(of_metric if spread else (None, None)))
    return ", ".join(parts)


def _clock(seconds: float) -> str:
    """Write a time as on a clock: 0:07, 12:30 or 1:05:00."""
    minutes, rest = divmod(math.ceil(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _spread(name: str, value: float | None, low: float | None, high: float | None) -> list[str]:
    if value is None:
        return []
    if low is None or high is None:
        return [f"{name} {_short(value)}"]
    return [f"{name} {_short(value)} ({_short(low)}-{_short(high)})" if low < high else f"{name} {_short(value)}"]


def _short(value: float) -> str:
    """Write two or three digits: the line stands beside a bar, and changes several times a second."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.2f}" if abs(value) >= 0.1 else f"{value:.2g}"
