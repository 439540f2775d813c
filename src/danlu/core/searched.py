"""What a search tried and learnt, as plain records: terminal, JSON, page and study are drawn from these."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from danlu.core.record import Record


class RungScore(Record):
    """How a setting did in one rung: on the rows of the first so many folds, each by networks that never saw it."""

    folds: int
    value: float | None
    """The search's metric; None where a network did not survive."""
    share: float = 1.0
    """Of the training rows that the networks learnt from. Scores of a part of them and of all do not compare."""


class Attempt(Record):
    """One setting that was tried."""

    number: int
    """From 1, in the order in which they were proposed; 0 is the setting that the search began with."""
    how: Literal["start", "earlier", "spread", "model"]
    """Where it came from: the setting before the search, an earlier search, an even spread over the space, or a model
    of those seen before."""
    setting: dict[str, Any]
    """Settings of the plan that vary, and their values."""
    place: tuple[float, ...]
    """Where it lies in the space, each setting from 0 to 1."""
    parameters: int
    """Numbers learnt by one network."""
    scores: tuple[RungScore, ...]
    curve: tuple[tuple[int, float | None], ...] = ()
    """Epochs, and the metric of the curves after them on the rows of the first folds; nothing of what an earlier
    process trained."""

    @property
    def last(self) -> RungScore:
        """Its score in the last rung that it came to."""
        return self.scores[-1]


class Rung(Record):
    """One rung: so many settings were trained on the first so many folds."""

    folds: int
    share: float = 1.0
    """Of the training rows that they learnt from."""
    settings: int
    networks: int
    """That were trained in it."""
    seconds: float


class Searched(Record):
    """What a search tried, kept and learnt."""

    metric: str
    """That settings are compared by, out of fold."""
    greater: bool
    """Whether more of it is better."""
    space: dict[str, str]
    """What varied, in words, by the name of the setting."""
    attempts: tuple[Attempt, ...]
    rungs: tuple[Rung, ...]
    chosen: tuple[int, ...]
    """Numbers of the settings whose networks were kept, the best first."""
    start: float | None
    """What the setting before the search gave on all folds."""
    best: float | None
    """What the best one gave on all folds: the value it was chosen by."""
    optimism: dict[str, float] = Field(default_factory=dict)
    """By how much choosing flatters each metric, in its own units; the scores of the run have it taken off."""
    importance: dict[str, float] = Field(default_factory=dict)
    """Share of the differences in the first rung that each setting explains, through a forest of trees."""
    seconds: float
    known: int = 0
    """How many trainings were taken from the study, not done again."""
    words: str
    """What came of it, in a sentence or two."""


def shown(value: Any) -> str:
    """Return a setting's value as an option takes it.

    >>> shown((256, 256)), shown(()), shown(0.003), shown(True)
    ('256x2', 'none', '0.003', 'yes')
    """
    if isinstance(value, tuple | list):
        if len(value) > 1 and len(set(value)) == 1:
            return f"{value[0]}x{len(value)}"
        return ",".join(map(str, value)) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)
