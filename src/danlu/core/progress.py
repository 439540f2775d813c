"""What is told while a run goes on, as plain records: bars, lines and the live page read these."""

from __future__ import annotations

from danlu.core.plan import Task
from danlu.core.record import Record


class Latest(Record):
    """What the members of a wave gave when they were last read, at the end of an epoch; None of those that had ended.

    Epochs are counted whole: 0 of a metric that was not judged yet.
    """

    epoch: int
    loss: tuple[float | None, ...]
    """Training loss of each member over that epoch."""
    judged_epoch: int = 0
    metric: tuple[float | None, ...] = ()
    """Metric of each member on its judged rows, after that epoch."""


class About(Record):
    """What a run is about, known before training: what a page that follows it opens with."""

    name: str
    source: str
    target: tuple[str, ...]
    task: Task
    classes: int = 0
    rows: int
    columns: int = 0
    left_out: int = 0
    image: tuple[int, int, int] | None = None
    """Channels, height and width."""
    folds: str
    """How rows were divided, in words."""
    networks: int
    parameters: int
    """Numbers learnt by one network."""
    epochs: int
    metric: str
    """That curves are of, on judged rows."""
    traps: tuple[str, ...] = ()
    """What of the data may make the score look better than it is, a sentence or two each."""


class Progress(Record):
    """What a progress bar shows, sent at most a few times a second. Epochs count from 1."""

    stage: str
    epoch: int = 0
    epochs: int = 0
    """Of the members of this wave; a bar over all waves is at `(wave - 1) * epochs + epoch` of `waves * epochs`."""
    wave: int = 1
    waves: int = 1
    """Memory holds the members of one wave at once; waves count from 1."""
    members: int = 0
    """Members of this wave, and those of them that still train."""
    active: int = 0
    loss: float | None = None
    """Training loss of the median member, and its lowest and highest over members."""
    loss_low: float | None = None
    loss_high: float | None = None
    metric_name: str = ""
    metric: float | None = None
    metric_low: float | None = None
    metric_high: float | None = None
    seconds_left: float | None = None
    latest: Latest | None = None
    """Each member's numbers, where there are new ones since the last record."""
    about: About | None = None
    """Once, before training."""
    told: tuple[str, ...] = ()
    """Lines to say once: what a search varies."""
