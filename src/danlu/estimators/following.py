"""Progress of a fit: callbacks, and in a notebook one quiet line that becomes a summary. Scripts print nothing."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from danlu.core.records import Progress
from danlu.workflow.interrupt import stoppable
from danlu.workflow.model import Model


@contextmanager
def following(
    callbacks: Sequence[Callable[[Progress], Any]],
) -> Iterator[tuple[Callable[[Progress], None] | None, Callable[[], bool], Callable[[Model], None]]]:
    """Yield what the walk calls with its progress, what says whether to stop, and what is called with the model.

    Arguments:
        callbacks: each is called with every `Progress`, a few times a second; training ends, and keeps what there is,
            once one of them returns True. Ctrl-C does the same.
    """
    show, asked = _line(), False

    def tell(progress: Progress) -> None:
        nonlocal asked
        for callback in callbacks:
            asked |= callback(progress) is True
        if show is not None:
            show(in_a_line(progress))

    def done(model: Model) -> None:
        if show is not None:
            show(repr(model))

    with stoppable() as interrupted:
        yield (tell if callbacks or show is not None else None), (lambda: asked or interrupted()), done


def in_a_line(progress: Progress) -> str:
    """Return where training is.

    >>> in_a_line(Progress(stage="training", epoch=3, epochs=20, members=5, loss=0.25))
    'training: epoch 3 of 20, 5 networks, loss 0.25'
    """
    parts = [f"epoch {progress.epoch} of {progress.epochs}"] if progress.epochs else []
    parts += [f"{progress.members} networks"] if progress.members else []
    parts += [f"loss {progress.loss:.4g}"] if progress.loss is not None else []
    parts += [f"{progress.metric_name} {progress.metric:.4g}"] if progress.metric is not None else []
    return f"{progress.stage}: {', '.join(parts)}" if parts else progress.stage


class Line:
    """A line in the output of a notebook's cell; each text takes the place of the last one.

    All fits of one cell share it: a search of a hundred fits leaves one line.
    """

    def __init__(self) -> None:
        self.cell, self.handle = -1, None

    def show(self, shell: Any, text: str) -> None:
        """Show a text in the cell that a shell runs."""
        data = {"text/plain": text}
        if self.handle is None or shell.execution_count != self.cell:
            display = importlib.import_module("IPython.display").display
            self.cell, self.handle = shell.execution_count, display(data, raw=True, display_id=True)
        else:
            self.handle.update(data, raw=True)


LINE = Line()


def _line() -> Callable[[str], None] | None:
    """Return what shows a text in the place of the last one, in a notebook; None elsewhere."""
    module = sys.modules.get("IPython")
    shell = module.get_ipython() if module is not None else None
    if shell is None or type(shell).__name__ != "ZMQInteractiveShell":
        return None
    return lambda text: LINE.show(shell, text)
