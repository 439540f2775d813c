"""The engine: one loop that trains all members of a population at once.

Time goes in *stretches* of whole epochs: one epoch, or several where epochs are of few steps, never beyond a
judging or the end of a member. Within a stretch nothing is read from the device; at its end losses are read, members
whose numbers became NaN or infinite are replayed and ended, members are judged, and ended ones leave the tensors.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from danlu.core.plan import Plan
from danlu.core.records import Breakdown, MemberRecord
from danlu.networks import Network, Program
from danlu.population.batches import Deck, Order, Rows, Shelf, Source
from danlu.population.captured import bucket, capture
from danlu.population.curves import Curves, epoch_means, judged_epochs, judges
from danlu.population.feed import Feed, Sizes, stacked
from danlu.population.losses import make_loss
from danlu.population.members import Members
from danlu.population.optimizers import Optimizer, State, make_optimizer, start
from danlu.population.progress import Reporter
from danlu.population.replay import Moment, replay
from danlu.population.schedules import Timetable
from danlu.population.snapshots import Snapshots
from danlu.population.step import Flat, Step
from danlu.population.stopping import PATIENCE, EarlyStopping

SHORT = 256
"""Epochs with fewer steps are joined to stretches of at most so many steps."""


@dataclass
class Stretch:
    """Some epochs of all active members: T steps, E epochs.

    Shape: noted_TQA on the device, also of steps that were not taken: losses, and of classes the shares of right rows;
        lr_TA, total_TA (sums of weights, 0 where a member had no rows) on the host; `begins` are the first steps of the
        epochs.
    """

    first: int
    before: Flat
    noted_TQA: Tensor
    lr_TA: list[np.ndarray]
    total_TA: list[np.ndarray]
    begins: list[int]


class Engine:
    """All state of a training run. A members are computed; M is the whole population."""

    def __init__(
        self,
        network: Network,
        shelf: Shelf,
        rows: Rows,
        members: Members,
        plan: Plan,
        reporter: Reporter,
        stop: Callable[[], bool] = lambda: False,
    ) -> None:
        self.network, self.shelf, self.rows, self.members, self.plan = network, shelf, rows, members, plan
        self.reporter, self.stop = reporter, stop
        self.epochs, self.epoch, self.interrupted = max(members.epochs), 0, False
        dtype, device = members.lr.dtype, shelf.matrices.x_NF.device
        loss = shelf.matrices.loss or make_loss(plan.loss or "mse")
        weight_N, single = shelf.matrices.loss_weight_N, not network.state_size
        ways = {"single": single, "augmented": members.moves is not None}
        self.deck = Deck(rows.fit, weight_N, plan.batch_size or "all", like=members.lr, before=rows.before, **ways)
        self.optimizer = make_optimizer(plan, members)
        self.timetable = Timetable(members)
        self.judgings = np.unique(np.concatenate([judged_epochs(e, plan.judge_every) for e in set(members.epochs)]))
        self.judges = judges(network, shelf, rows, reporter.metric, plan)
        self.curves = Curves(members.count)
        self.records: dict[int, MemberRecord] = {}

        weights_MP, state_MS, slots = _first(network, self.optimizer, members, dtype, device)
        self.kept_MP, self.kept_MS = weights_MP.clone(), state_MS.clone()
        # Places in the tensors; dead ones are computed and not looked at (`bucket`): ended members, or the last again.
        self.active = list(range(members.count))
        self.active += [members.count - 1] * (bucket(members.count, device) - members.count)
        self.alive = np.arange(members.count)
        self.flat = Flat(weights_MP, state_MS, slots).select(self.active)
        self.kept_slots = {} if members.begun is None else {name: slot.clone() for name, slot in slots.items()}
        if members.begun is not None:
            self.epoch = members.begun.epochs
            self.curves.skip(self.epoch, classes=not shelf.numeric)
        kind = {"low": plan.precision == "bfloat16", "classes": not shelf.numeric}
        self.step = Step(network, loss, self.optimizer, members.select(self.active), self.flat, **kind)
        patience = plan.patience or PATIENCE
        self.snapshots = Snapshots(network.size + network.state_size)
        self.snapshots.offer(self.epoch, weights_MP[0], state_MS[0])
        self.stopping = (
            EarlyStopping(self.flat.weights_MP.clone(), self.flat.state_MS.clone(), patience)
            if plan.early_stopping
            else None
        )
        self._regroup()

    def run(self) -> None:
        """Train until every member has ended, or the user stops."""
        while len(self.alive) and not self.interrupted:
            stretch = self.advance()
            self.close(stretch)
            self.judge()
            self.reporter.tell(self.epoch, len(self.alive))
            self._retire()
        self._forget()

    def _regroup(self) -> None:
        """Find the folds of the active members, and what follows from them."""
        fold_M = self.members.fold_M.tolist()
        self.fold_A = [fold_M[index] for index in self.active]
        self.folds = sorted(set(self.fold_A))
        self.place_A = [self.folds.index(fold) for fold in self.fold_A]
        self.repeat = {fold: self.members.repeats[i] for fold, i in zip(self.fold_A, self.active, strict=True)}
        self.steps_A = self.deck.steps_K[self.fold_A]
        self.least = int(self.steps_A.min())
        self.judged_source = Source(self.shelf, self.folds, self.place_A)
        source = self._source(self.folds, self.place_A, self.step)
        fixed = self.deck.deal(self.folds) if self.deck.constant(self.folds) else None
        most = int(self.steps_A.max())
        sizes = Sizes(
            members=len(self.active),
            width=self.deck.width,
            steps=most,
            stretch=max(SHORT, most),
            coefficients=len(self.optimizer.names),
            noted=len(self.step.noted_QM),
        )
        self.feed = Feed(source, sizes, self.flat.weights_MP, fixed)
        self.next: Callable[[], None] | None = None
        self.program: Program | None = None

    def _source(self, folds: Sequence[int], place_M: Sequence[int], step: Step) -> Source:
        """Return what gathers batches for a step to learn from."""
        return Source(self.shelf, folds, place_M, split=step.run.split, moves=step.members.moves)

    # A stretch of epochs

    def advance(self) -> Stretch:
        """Take the steps of one stretch, or of its beginning where the user stops."""
        steps = int(self.steps_A.max())
        judging = int(self.judgings[np.searchsorted(self.judgings, self.epoch, side="right")])
        count = min(judging - self.epoch, max(1, SHORT // steps))
        epochs = range(self.epoch, self.epoch + count)
        lr_TA, coefficients_TQA1 = self._rates(self.step, self.steps_A, self.active, epochs)
        stretch = Stretch(self.epoch, self.flat.clone(), self.feed.noted_TQM, [], [], [])
        self.feed.begin(coefficients_TQA1, stacked([self.step.seeds(epoch, steps) for epoch in epochs]))
        for epoch in epochs:
            order = self.feed.fixed or self._deal(self.folds, epoch)
            self.feed.deal(order)
            total_SA = order.total_SK[:, self.place_A]
            stretch.begins.append(len(stretch.lr_TA))
            for s in range(steps):
                if self.stop():
                    self.interrupted = True
                    return stretch
                self._take(s)
                stretch.lr_TA.append(lr_TA[len(stretch.lr_TA)])
                stretch.total_TA.append(total_SA[s])
                self.reporter.tell(epoch + (s + 1) / steps, len(self.alive))
        return stretch

    def _deal(self, folds: Sequence[int], epoch: int) -> Order:
        return self.deck.deal(folds, (self.plan.seed, [self.repeat[fold] for fold in folds], epoch))

    def _take(self, s: int) -> None:
        """Take step s of an epoch; members that have no rows in it stay as they are."""
        self.feed.lay(s)
        before = self.flat.clone() if s >= self.least else None
        if self.next is None:
            program = self.step.record(self.feed)
            self.program = program
            self.next = capture(program, (self.feed.t, self.feed.s), (*self.flat.tensors(), self.feed.noted_TQM))
        else:
            self.next()
        if before is not None:
            self.flat.restore(before, torch.from_numpy(s < self.steps_A).to(self.flat.weights_MP.device))

    def _rates(
        self, step: Step, steps_A: np.ndarray, active: Sequence[int], epochs: range
    ) -> tuple[np.ndarray, Tensor]:
        """Return the learning rates `[T, A]` and the optimizer's coefficients `[T, Q, A, 1]` of some epochs' steps."""
        local = np.arange(int(steps_A.max()))[:, None]
        taken_TA = np.concatenate([epoch * steps_A + np.minimum(local, steps_A - 1) for epoch in epochs])
        lr_TA = self.timetable.rates(active, taken_TA, steps_A)
        numbers = self.optimizer.coefficients(lr_TA, taken_TA + 1.0, step.members)
        like = self.flat.weights_MP
        table = np.stack([numbers[name] for name in self.optimizer.names], 1)[..., None]
        return lr_TA, torch.from_numpy(table).to(like.device, like.dtype)

    # The end of a stretch

    def close(self, stretch: Stretch) -> None:
        """Read what steps noted, and end members that are no longer finite."""
        if not stretch.lr_TA:
            return
        taken = len(stretch.lr_TA)
        begins = [first for first in stretch.begins if first < taken]
        finite_A = self.flat.finite().to(stretch.noted_TQA.dtype)
        read = torch.cat([stretch.noted_TQA[:taken].flatten(0, 1), finite_A[None]]).cpu().double().numpy()
        (loss_TA, *right), broken_A = read[:-1].reshape(taken, -1, len(finite_A)).swapaxes(0, 1), read[-1] == 0
        total_TA = np.stack(stretch.total_TA)
        broken_TA = ~np.isfinite(loss_TA) & (total_TA > 0)
        loss_EA = epoch_means(loss_TA, total_TA, begins)
        self.curves.loss.append(self._spread(loss_EA))
        for right_TA in right:
            right_EA = epoch_means(right_TA, total_TA, begins, counts=self.deck.weight_N is None)
            self.curves.accuracy.append(self._spread(np.where(np.isnan(loss_EA), np.nan, right_EA)))
        ends = [*begins[1:], len(loss_TA)]
        lr_EA = np.stack([stretch.lr_TA[end - 1] for end in ends])
        self.curves.lr.append(self._spread(lr_EA))
        self.epoch = stretch.first + len(begins)
        self.reporter.loss_A = loss_EA[-1, self.alive]
        self.reporter.read(self.epoch, self.curves.loss[-1][-1])
        broken = self._places(broken_A | broken_TA.any(0))
        for place in broken:
            self._break(place, stretch, len(begins), broken_TA[:, place])
        self._remove(broken)

    def _break(self, place: int, stretch: Stretch, epochs: int, broken_T: np.ndarray) -> None:
        """Replay a member from the beginning of the stretch, and keep its last finite numbers."""
        index, steps = self.active[place], self.step.select([place], stretch.before.select([place]))
        moments = self._moments(place, steps, range(stretch.first, stretch.first + epochs))
        breakdown, last = replay(index, steps, moments)
        if breakdown is None:
            # Rounded otherwise than in the population: what is known is when, and the stretch's beginning is kept.
            last = stretch.before.select([place])
            at = int(broken_T.argmax()) if broken_T.any() else len(broken_T) - 1
            epoch = int(np.searchsorted(stretch.begins, at, side="right")) - 1
            breakdown = Breakdown(
                member=index,
                epoch=stretch.first + epoch + 1,
                step=at - stretch.begins[epoch] + 1,
                layer="unknown",
                value="NaN or infinite",
                lr=float(stretch.lr_TA[at][place]),
            )
        self._end(place, "non-finite", breakdown.epoch, last, 0, breakdown)

    def _moments(self, place: int, step: Step, epochs: range) -> Iterator[Moment]:
        """Yield the steps of one member in some epochs, as it takes them alone."""
        fold, steps_A = self.fold_A[place], self.steps_A[[place]]
        source = self._source([fold], [0], step)
        lr_TA, coefficients_TQ11 = self._rates(step, steps_A, [self.active[place]], epochs)
        taken = 0
        for epoch in epochs:
            order = self._deal([fold], epoch)
            seeds = step.seeds(epoch, int(steps_A[0]))
            for s in range(int(steps_A[0])):
                own = None if seeds is None else seeds[s]
                batch = source.batch(order, s)
                yield Moment(epoch, s, batch, coefficients_TQ11[taken], own, float(lr_TA[taken, 0]))
                taken += 1

    def judge(self) -> None:
        """Judge the active members where this epoch is one to judge after, and end those that stop early."""
        if not np.isin(self.epoch, self.judgings) or self.interrupted or not len(self.alive):
            return
        self.curves.epochs.append(self.epoch)
        if self.active[first := self.alive[0]] == 0:
            self.snapshots.offer(self.epoch, self.flat.weights_MP[first], self.flat.state_MS[first])
        missing = np.full(len(self.active), np.nan)
        value = {
            name: judge(self.flat, self.judged_source, self.folds) if judge else missing
            for name, judge in self.judges.items()
        }
        for name, value_A in value.items():
            self.curves.judged[name].append(self._spread(value_A))
        shown = value["judged_JM"][self.alive]
        which = "judged_JM" if np.isfinite(shown).any() else "test_JM"
        self.reporter.metric_A = value[which][self.alive]
        self.reporter.judged(self.epoch, self.curves.judged[which][-1])
        watched_A = self.rows.sign * value["watched_JM"]
        loss_A = watched_A if self.stopping else self.curves.loss[-1][-1][self.active]
        self.timetable.judge(loss_A[self.alive], [self.active[place] for place in self.alive])
        if self.stopping is None:
            return
        stops_A = self.stopping.judge(watched_A, self.epoch, self.flat.weights_MP, self.flat.state_MS)
        last_A = np.array(self.members.epochs)[self.active] <= self.epoch
        stopped = self._places(stops_A & ~last_A)
        for place in stopped:
            self._end(place, "stopped early", self.epoch, self.flat, place)
        self._remove(stopped)

    def _retire(self) -> None:
        """End the members that have taken all their epochs."""
        done = self._places(np.array(self.members.epochs)[self.active] <= self.epoch)
        for place in done:
            self._end(place, "finished", self.epoch, self.flat, place)
        self._remove(done)

    def _end(
        self, place: int, ended: str, epochs: int, flat: Flat, at: int, breakdown: Breakdown | None = None
    ) -> None:
        """Record the end of an active member and keep its best numbers, or those of `flat` at place `at`."""
        index, fold = self.active[place], self.fold_A[place]
        best_epoch, weights_P, state_S = epochs, flat.weights_MP[at], flat.state_MS[at]
        if self.stopping is not None and self.stopping.best_epoch_M[place] > 0:
            best_epoch = int(self.stopping.best_epoch_M[place])
            weights_P, state_S = self.stopping.weights_MP[place], self.stopping.state_MS[place]
        self.kept_MP[index], self.kept_MS[index] = weights_P, state_S
        for name, kept_MP in self.kept_slots.items():
            kept_MP[index] = flat.slots[name][at]
        self.records[index] = MemberRecord.model_validate(
            {
                "index": index,
                "fold": fold,
                "repeat": self.members.repeats[index],
                "train_rows": len(self.rows.fit[fold]),
                "judged_rows": len(self.rows.judged[fold]),
                "epochs": epochs,
                "best_epoch": best_epoch,
                "ended": ended,
                "breakdown": breakdown,
            }
        )

    def _forget(self) -> None:
        """Let go of the recorded step: program, step and passes hold each other, and with them all their tensors."""
        if self.program is not None:
            self.program.calls.clear()
        self.step.run.owns.clear()
        self.next = self.program = None

    def _places(self, chosen_A: np.ndarray) -> list[int]:
        """Return the places of living members that are chosen."""
        return self.alive[chosen_A[self.alive]].tolist()

    def _spread(self, value_A: np.ndarray) -> np.ndarray:
        """Return values of the living members among all."""
        return self.curves.spread(value_A[..., self.alive], [self.active[place] for place in self.alive])

    def _remove(self, places: Sequence[int]) -> None:
        """Take ended members out of the tensors, as far as fewer are then computed."""
        if not places:
            return
        self.alive = np.setdiff1d(self.alive, places)
        size = bucket(len(self.alive), self.flat.weights_MP.device)
        if not len(self.alive) or size >= len(self.active):
            return
        dead = np.setdiff1d(np.arange(len(self.active)), self.alive)
        kept = [*self.alive.tolist(), *dead[: size - len(self.alive)].tolist()]
        self.alive = np.arange(len(self.alive))
        self.active = [self.active[place] for place in kept]
        self._forget()
        self.flat = self.flat.select(kept)
        self.step = self.step.select(kept, self.flat)
        if self.stopping is not None:
            self.stopping.select(kept)
        self._regroup()

    def finish(self) -> tuple[MemberRecord, ...]:
        """Record what the user stopped, and return the records of all members in their order."""
        for place in self.alive.tolist():
            self._end(place, "interrupted", self.epoch, self.flat, place)
        self.alive = self.alive[:0]
        return tuple(self.records[index] for index in range(self.members.count))


def _first(
    network: Network, optimizer: Optimizer, members: Members, dtype: torch.dtype, device: torch.device
) -> tuple[Tensor, Tensor, State]:
    """Return weights, moments and the optimizer's tensors before the first step: new ones, or where members go on."""
    begun = members.begun
    if begun is None or begun.weights_MP is None or begun.state_MS is None:
        weights_MP, state_MS = network.initial(members.keys, dtype, device)
        return weights_MP, state_MS, start(optimizer, weights_MP)
    weights_MP, state_MS = (tensor.to(device, dtype, copy=True) for tensor in (begun.weights_MP, begun.state_MS))
    slots = start(optimizer, weights_MP)
    return (
        weights_MP,
        state_MS,
        slots | {n: begun.slots[n].to(device, dtype, copy=True) for n in slots if n in begun.slots},
    )
