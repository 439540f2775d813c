"""Ctrl-C once: training ends, and what is best so far is kept. Ctrl-C twice: leave at once."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def stoppable(on_stop: Callable[[], None] | None = None) -> Iterator[Callable[[], bool]]:
    """Yield a function that says whether the user asked to stop.

    While the block runs, the first SIGINT or SIGTERM only sets the answer (and calls `on_stop`); the second
    SIGINT raises KeyboardInterrupt as usual. Outside the main thread no signal can be caught, and the
    answer is always no.
    """
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield asked.is_set
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def ask(number: int, frame: FrameType | None) -> None:
        if asked.is_set():
            signal.signal(signal.SIGINT, signal.default_int_handler)
            signal.default_int_handler(number, frame)
        asked.set()
        if on_stop is not None:
            on_stop()

    for number in before:
        signal.signal(number, ask)
    try:
        yield asked.is_set
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
