"""Populations are trained in waves: as many members at once as memory holds, and fewer where it runs out after all."""

from __future__ import annotations

import gc
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from danlu.core import devices
from danlu.core.errors import TrainingError
from danlu.core.plan import Plan
from danlu.core.records import MemberRecord, Note
from danlu.networks import Network
from danlu.population.batches import Rows, Shelf
from danlu.population.curves import Curves, judged_epochs
from danlu.population.engine import Engine
from danlu.population.members import Members
from danlu.population.memory import Meter, ran_out, too_large, waves
from danlu.population.progress import Course, Listener, Reporter
from danlu.population.room import Room, room, written
from danlu.population.snapshots import Snapshot

Stop = Callable[[], bool]


@dataclass(frozen=True)
class Population:
    """What `train` is called with."""

    network: Network
    shelf: Shelf
    rows: Rows
    members: Members
    plan: Plan

    @cached_property
    def judgings(self) -> np.ndarray:
        """Epochs after which any member is judged: the same in all waves, because early stopping counts judgings."""
        every = self.plan.judge_every
        return np.unique(np.concatenate([judged_epochs(epochs, every) for epochs in set(self.members.epochs)]))

    def work(self, index: Sequence[int]) -> float:
        """Return what training some members costs, in a unit of its own."""
        return float(self.network.size * sum(self.members.epochs[i] for i in index))


@dataclass(frozen=True)
class Part:
    """What one wave gives: some members of a population, by their numbers in it."""

    index: list[int]
    weights_MP: Tensor
    state_MS: Tensor
    records: tuple[MemberRecord, ...]
    curves: Curves
    interrupted: bool
    slots: dict[str, Tensor] = field(default_factory=dict)
    """The optimizer's tensors, of members that may go on."""
    snapshots: tuple[Snapshot, ...] = ()
    """Of the wave's first member."""


@dataclass
class Outcome:
    """What became of a population: its parts, what is to be said, or why there are none."""

    population: Population
    parts: list[Part] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    error: TrainingError | None = None
    interrupted: bool = False
    seconds: float = 0.0


@dataclass(frozen=True)
class Wave:
    """Members of one population that are trained at once."""

    outcome: Outcome
    index: list[int]


class Runner:
    """Trains populations wave by wave.

    Arguments:
        populations: in the order in which they are begun.
        metric: shown for judged rows.
        on_progress: called at most ten times a second for each wave.
        stop: asked before every step.
        at_once: waves that are trained side by side, on a CPU, each with its share of the threads and of the memory.
    """

    def __init__(
        self,
        populations: Sequence[Population],
        *,
        metric: str,
        on_progress: Listener = None,
        stop: Stop | None = None,
        at_once: int = 1,
    ) -> None:
        self.outcomes = [Outcome(population) for population in populations]
        self.stop, self.lock = stop or (lambda: False), threading.Lock()
        self.at_once = at_once if all(p.shelf.matrices.x_NF.device.type == "cpu" for p in populations) else 1
        self.queue = deque(wave for outcome in self.outcomes for wave in self._plan(outcome))
        work = sum(wave.outcome.population.work(wave.index) for wave in self.queue)
        self.course = Course(on_progress, metric=metric, work=work or 1.0, waves=len(self.queue))

    def run(self) -> list[Outcome]:
        """Train all of them; what the user stops, or memory cannot hold, stands in the outcomes."""
        at_once = min(self.at_once, len(self.queue))
        if at_once <= 1:
            self._work()
        else:
            threads = max(1, torch.get_num_threads() // at_once)
            with ThreadPoolExecutor(at_once) as pool:
                for done in [pool.submit(self._work, threads) for _ in range(at_once)]:
                    done.result()
        for wave in self.queue:
            wave.outcome.interrupted = True
        return self.outcomes

    def _plan(self, outcome: Outcome) -> list[Wave]:
        """Divide a population into waves, and say so where there are several."""
        p = outcome.population
        meter = Meter(p.network, p.shelf, p.rows, p.members, p.plan)
        free = room(p.shelf.matrices.x_NF.device)
        mine = None if free is None else Room(free.bytes // self.at_once, free.words)
        try:
            parts = waves(meter, mine)
        except TrainingError as error:
            outcome.error = error
            return []
        if len(parts) > 1 and free is not None:
            count, most = p.members.count, len(parts[0])
            text = f"{count} networks in {len(parts)} waves of {most}: at once they need {written(meter().total)}; "
            outcome.notes.append(Note(topic="memory", text=text + free.words))
        return [Wave(outcome, part) for part in parts]

    def _work(self, threads: int | None = None) -> None:
        """Train waves until there are no more, or the user stops."""
        if threads is not None:
            # Threads and the flushing of denormals are set for each thread of Python by itself.
            with devices.arithmetic(threads):
                self._work()
            return
        while (wave := self._next()) is not None:
            self._train(wave)
            # What still refers to itself would lie there beside the next wave; alone it is not worth 0.1 s.
            if self.queue:
                _release()

    def _next(self) -> Wave | None:
        with self.lock:
            return self.queue.popleft() if self.queue and not self.stop() else None

    def _train(self, wave: Wave) -> None:
        """Train a wave; where memory runs out, begin it again in halves: nothing is lost but time."""
        outcome, members = wave.outcome, wave.outcome.population.members
        epochs, work = max(members.epochs[i] for i in wave.index), outcome.population.work(wave.index)
        reporter = Reporter(self.course, epochs=epochs, members=len(wave.index), work=work)
        began = self.course.seconds
        try:
            part, failed = _engine(wave, reporter, self.stop), False
        except (MemoryError, RuntimeError) as error:
            if not ran_out(error):
                raise
            part, failed = None, True
        if failed:
            # Only here, where the error and with it the engine's tensors are gone.
            _release()
            self._halve(wave)
            self.course.forget(reporter, self.course.finished + len(self.queue))
            return
        self.course.finish(reporter)
        with self.lock:
            outcome.seconds += self.course.seconds - began
            outcome.interrupted |= part is None or part.interrupted
            if part is not None:
                outcome.parts.append(part)

    def _halve(self, wave: Wave) -> None:
        """Put a wave back in two halves, and no larger ones of its population are begun."""
        outcome, size = wave.outcome, len(wave.index)
        with self.lock:
            waiting = [wave, *(other for other in self.queue if other.outcome is outcome)]
            others = [other for other in self.queue if other.outcome is not outcome]
            if size == 1:
                outcome.error, waiting = too_large(None, ""), []
            else:
                text = f"memory ran out: waves of {size} networks became waves of {-(-size // 2)}, and were begun again"
                outcome.notes.append(Note(topic="memory", text=text))
            smaller = [Wave(outcome, part) for each in waiting for part in _divided(each.index, -(-size // 2))]
            self.queue = deque([*smaller, *others])


def _release() -> None:
    """Give back what nothing can reach any more."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def _divided(index: list[int], most: int) -> list[list[int]]:
    """Return parts of at most so many, of equal sizes as far as possible."""
    return [part.tolist() for part in np.array_split(index, -(-len(index) // most))]


def _engine(wave: Wave, reporter: Reporter, stop: Stop) -> Part | None:
    """Train the members of a wave; nothing where the user stops before the first step."""
    p = wave.outcome.population
    engine = Engine(p.network, p.shelf, p.rows, p.members.select(wave.index), p.plan, reporter, stop)
    engine.judgings = p.judgings
    engine.run()
    if engine.interrupted and not engine.epoch:
        return None
    records = tuple(_renumbered(record, wave.index) for record in engine.finish())
    reporter.tell(engine.epoch, sum(record.ended in ("finished", "interrupted") for record in records), always=True)
    kept = (engine.kept_MP, engine.kept_MS, records, engine.curves, engine.interrupted, engine.kept_slots)
    return Part(wave.index, *kept, tuple(engine.snapshots.kept))


def _renumbered(record: MemberRecord, index: Sequence[int]) -> MemberRecord:
    """Return a record with the member's number in the whole population."""
    number, broken = index[record.index], record.breakdown
    breakdown = None if broken is None else broken.model_copy(update={"member": number})
    return record.model_copy(update={"index": number, "breakdown": breakdown})


# All waves together


def merged(outcome: Outcome) -> Curves:
    """Return the curves of all members as if they had been trained at once; NaN where a member had ended."""
    whole = Curves(outcome.population.members.count)
    epochs = max(sum(map(len, part.curves.loss)) for part in outcome.parts)
    for name in ("loss", "accuracy", "lr"):
        values = [(part.index, np.concatenate(kept)) for part in outcome.parts if (kept := getattr(part.curves, name))]
        setattr(whole, name, [_placed(values, epochs, whole)] if values else [])
    whole.epochs = sorted({epoch for part in outcome.parts for epoch in part.curves.epochs})
    place = {epoch: row for row, epoch in enumerate(whole.epochs)}
    for name in whole.judged:
        values_JM = np.full((len(whole.epochs), whole.members), np.nan)
        for part in outcome.parts:
            rows = [place[epoch] for epoch in part.curves.epochs]
            if rows:
                values_JM[np.ix_(rows, part.index)] = np.stack(part.curves.judged[name])
        whole.judged[name] = list(values_JM)
    return whole


def _placed(values: Sequence[tuple[list[int], np.ndarray]], epochs: int, whole: Curves) -> np.ndarray:
    """Return values of all members at all epochs, from those of the waves."""
    result_EM = np.full((epochs, whole.members), np.nan)
    for index, value in values:
        result_EM[: len(value), index] = value
    return result_EM
