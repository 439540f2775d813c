"""The engine: one loop that trains all members of a population at once.

Time goes in *stretches* of whole epochs: one epoch, or several where epochs are of few steps, never beyond a
judging. Within a stretch nothing is read from the device; at its end losses are read, members whose numbers
became NaN or infinite are replayed and ended, members are judged, and ended ones leave the tensors.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from danlu.core.errors import Interrupted, TrainingError
from danlu.core.plan import Plan
from danlu.core.records import Breakdown, MemberRecord, Progress
from danlu.networks import Network, Preparation
from danlu.population.batches import Batch, Deck, Matrices, Order, Rows, Shelf, Source
from danlu.population.curves import Curves, Judge, judged_epochs
from danlu.population.losses import make_loss
from danlu.population.members import Members
from danlu.population.optimizers import Coefficients, make_optimizer, start
from danlu.population.progress import Reporter
from danlu.population.replay import Moment, replay
from danlu.population.schedules import Plateau, Schedule
from danlu.population.step import Flat, Step
from danlu.population.stopping import PATIENCE, EarlyStopping

SHORT = 256
"""Epochs with fewer steps are joined to stretches of at most so many steps."""


@dataclass
class Trained:
    """What training gives: the members in their original order, and what happened.

    `weights_MP` and `state_MS` are each member's best with early stopping, else its last (of a member that
    became non-finite: its last finite ones). `curves` holds `loss_EM` (mean training loss of each epoch),
    `lr_E` (mean over members, at the end of the epoch), `judged_epochs_J`, `judged_JM`, `watched_JM` and
    `test_JM`; NaN where a member had ended or had no such rows.
    """

    weights_MP: Tensor
    state_MS: Tensor
    members: tuple[MemberRecord, ...]
    curves: dict[str, np.ndarray]
    seconds: float
    interrupted: bool


def train(  # noqa: PLR0913  the table, the members and what to tell: one call a stage
    network: Network,
    preparation: Preparation,
    matrices: Matrices,
    rows: Rows,
    members: Members,
    plan: Plan,
    *,
    metric: str,
    on_progress: Callable[[Progress], None] | None = None,
    stop: Callable[[], bool] | None = None,
) -> Trained:
    """Train the members of a population, each exactly as it would be trained alone.

    Arguments:
        network: the architecture of all members.
        preparation: of the K folds that `rows` has.
        matrices: the table on the device; its type of floats is that of the members.
        rows: what each fold trains on, is judged on and watches.
        members: numbers and keys of the M members.
        plan: resolved; `patience` counts as 16 and `judge_every` as in `judged_epochs` where None.
        metric: shown for judged rows: rmse, mae, accuracy or log-loss.
        on_progress: called at most ten times a second.
        stop: asked before every step; when true, training ends and what there is is kept.

    Raises:
        TrainingError: every member became NaN or infinite.
        Interrupted: stopped before the first step.
    """
    engine = Engine(network, preparation, matrices, rows, members, plan, metric)
    engine.reporter.on_progress = on_progress
    engine.stop = stop or engine.stop
    while engine.active and engine.epoch < engine.epochs and not engine.interrupted:
        stretch = engine.advance()
        engine.close(stretch)
        engine.judge()
        engine.reporter.tell(engine.epoch, len(engine.active))
    return engine.finish()


@dataclass
class Stretch:
    """Some epochs of all active members: T steps, E epochs.

    Shape: loss_TA on the device; lr_TA, total_TA (sums of weights, 0 where a member had no rows) on the host;
        `begins` are the first steps of the epochs.
    """

    first: int
    before: Flat
    loss_TA: list[Tensor]
    lr_TA: list[np.ndarray]
    total_TA: list[np.ndarray]
    begins: list[int]


class Engine:
    """All state of a training run. A members are active; M is the whole population."""

    def __init__(
        self,
        network: Network,
        preparation: Preparation,
        matrices: Matrices,
        rows: Rows,
        members: Members,
        plan: Plan,
        metric: str,
    ) -> None:
        assert plan.epochs is not None, "the plan must be resolved"
        self.network, self.rows, self.members, self.plan = network, rows, members, plan
        self.epochs, self.epoch, self.interrupted = plan.epochs, 0, False
        self.stop: Callable[[], bool] = lambda: False
        dtype, device = members.lr.dtype, matrices.x_NF.device
        loss = make_loss(plan.loss or "mse")
        self.shelf = Shelf(matrices, preparation, dtype=dtype, scaled=loss.scaled)
        self.deck = Deck(
            rows.fit, matrices.weight_N, plan.batch_size or "all", like=members.lr, single=not network.state_size
        )
        self.optimizer = make_optimizer(plan, members)
        self.schedule = Schedule.make(plan.schedule or "constant", self.epochs, plan.warmup or 0.0)
        self.lr_M = members.lr.cpu().double().numpy().copy()
        self.plateau = Plateau(*self.schedule.plateau, self.lr_M) if self.schedule.plateau else None
        self.judgings = judged_epochs(self.epochs, plan.judge_every)
        self.judges = _judges(network, self.shelf, rows, metric, plan)
        self.curves = Curves(members.count)
        self.reporter = Reporter(None, epochs=self.epochs, members=members.count, metric=metric)
        self.records: dict[int, MemberRecord] = {}

        weights_MP, state_MS = network.initial(members.keys, dtype, device)
        self.kept_MP, self.kept_MS = weights_MP.clone(), state_MS.clone()
        self.flat = Flat(weights_MP.requires_grad_(), state_MS, start(self.optimizer, weights_MP))
        self.step = Step(network, loss, self.optimizer, members)
        self.stopping = (
            EarlyStopping(self.kept_MP, self.kept_MS, plan.patience or PATIENCE) if plan.early_stopping else None
        )
        self.active = list(range(members.count))
        self._regroup()

    def _regroup(self) -> None:
        """Find the folds of the active members, and what follows from them."""
        fold_M = self.members.fold_M.tolist()
        self.fold_A = [fold_M[index] for index in self.active]
        self.folds = sorted(set(self.fold_A))
        self.place_A = [self.folds.index(fold) for fold in self.fold_A]
        self.repeat = {fold: self.members.repeats[i] for fold, i in zip(self.fold_A, self.active, strict=True)}
        self.steps_A = self.deck.steps_K[self.fold_A]
        self.source = Source(self.shelf, self.folds, self.place_A)
        constant = self.deck.constant(self.folds)
        self.fixed_order = self.deck.deal(self.folds) if constant else None
        self.fixed_batch = self.source.batch(self.fixed_order, 0) if self.fixed_order else None

    # A stretch of epochs

    def advance(self) -> Stretch:
        """Take the steps of one stretch, or of its beginning where the user stops."""
        steps = int(self.steps_A.max())
        judging = int(self.judgings[np.searchsorted(self.judgings, self.epoch, side="right")])
        count = min(judging - self.epoch, max(1, SHORT // steps))
        stretch = Stretch(self.epoch, self.flat.clone(), [], [], [], [])
        lr_TA, coefficients = self._rates(self.step, self.steps_A, self.active, range(self.epoch, self.epoch + count))
        for epoch in range(self.epoch, self.epoch + count):
            order = self.fixed_order or self._deal(self.folds, epoch)
            total_SA = order.total_SK[:, self.place_A]
            stretch.begins.append(len(stretch.loss_TA))
            for s in range(steps):
                if self.stop():
                    self.interrupted = True
                    break
                taken = len(stretch.loss_TA)
                stretch.loss_TA.append(self._take(order, s, coefficients[taken], epoch))
                stretch.lr_TA.append(lr_TA[taken])
                stretch.total_TA.append(total_SA[s])
                self.reporter.tell(epoch + (s + 1) / steps, len(self.active))
            if self.interrupted:
                break
        return stretch

    def _deal(self, folds: Sequence[int], epoch: int) -> Order:
        return self.deck.deal(folds, (self.plan.seed, [self.repeat[fold] for fold in folds], epoch))

    def _take(self, order: Order, s: int, c: Coefficients, epoch: int) -> Tensor:
        """Take step s of an epoch; members that have no rows in it stay as they are."""
        batch = self.fixed_batch or self.source.batch(order, s)
        took_A = s < self.steps_A
        if took_A.all():
            return self.step(self.flat, batch, c, (epoch, s))[0]
        before = self.flat.clone()
        loss_A, _ = self.step(self.flat, batch, c, (epoch, s))
        self.flat.restore(before, torch.from_numpy(took_A).to(loss_A.device))
        return loss_A

    def _rates(
        self, step: Step, steps_A: np.ndarray, active: Sequence[int], epochs: range
    ) -> tuple[np.ndarray, list[Coefficients]]:
        """Return the learning rates `[T, A]` and the optimizer's coefficients of all steps of some epochs."""
        local = np.arange(int(steps_A.max()))[:, None]
        taken_TA = np.concatenate([epoch * steps_A + np.minimum(local, steps_A - 1) for epoch in epochs])
        lr_TA = self.lr_M[list(active)] * self.schedule.factors(taken_TA, steps_A)
        numbers = self.optimizer.coefficients(lr_TA, taken_TA + 1.0, step.members)
        weights_MP = self.flat.weights_MP
        table = torch.from_numpy(np.stack(list(numbers.values()), 1)[..., None])
        rows = table.to(weights_MP.dtype).to(weights_MP.device).unbind(0)
        return lr_TA, [dict(zip(numbers, row.unbind(0), strict=True)) for row in rows]

    # The end of a stretch

    def close(self, stretch: Stretch) -> None:
        """Read the losses, and end members that are no longer finite."""
        if not stretch.loss_TA:
            return
        begins = [first for first in stretch.begins if first < len(stretch.loss_TA)]
        finite_A = self.flat.finite().to(stretch.loss_TA[0].dtype)
        read = torch.stack([*stretch.loss_TA, finite_A]).cpu().double().numpy()
        loss_TA, broken_A = read[:-1], read[-1] == 0
        total_TA = np.stack(stretch.total_TA)
        broken_TA = ~np.isfinite(loss_TA) & (total_TA > 0)
        with np.errstate(invalid="ignore", divide="ignore"):
            summed_EA = np.add.reduceat(np.where(total_TA > 0, loss_TA * total_TA, 0.0), begins)
            loss_EA = summed_EA / np.add.reduceat(total_TA, begins)
        loss_EA[~np.isfinite(loss_EA)] = np.nan
        self.curves.loss.append(self.curves.spread(loss_EA, self.active))
        ends = [*begins[1:], len(loss_TA)]
        self.curves.lr.append(np.array([stretch.lr_TA[end - 1].mean() for end in ends]))
        self.epoch = stretch.first + len(begins)
        self.reporter.loss_A = loss_EA[-1]
        broken = np.flatnonzero(broken_A | broken_TA.any(0)).tolist()
        for place in broken:
            self._break(place, stretch, len(begins), broken_TA[:, place])
        self._remove(broken)

    def _break(self, place: int, stretch: Stretch, epochs: int, broken_T: np.ndarray) -> None:
        """Replay a member from the beginning of the stretch, and keep its last finite numbers."""
        index, steps = self.active[place], self.step.select([place])
        moments = self._moments(place, steps, range(stretch.first, stretch.first + epochs))
        breakdown, last = replay(index, stretch.before.select([place]), steps, moments)
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
        source = Source(self.shelf, [fold], [0])
        lr_TA, coefficients = self._rates(step, steps_A, [self.active[place]], epochs)
        taken = 0
        for epoch in epochs:
            order = self._deal([fold], epoch)
            for s in range(int(steps_A[0])):
                batch: Batch = source.batch(order, s)
                yield Moment(epoch, s, batch, coefficients[taken], float(lr_TA[taken, 0]))
                taken += 1

    def judge(self) -> None:
        """Judge the active members where this epoch is one to judge after, and end those that stop early."""
        if not np.isin(self.epoch, self.judgings) or self.interrupted or not self.active:
            return
        self.curves.epochs.append(self.epoch)
        missing = np.full(len(self.active), np.nan)
        value = {
            name: judge(self.flat, self.source, self.folds) if judge else missing for name, judge in self.judges.items()
        }
        for name, value_A in value.items():
            self.curves.judged[name].append(self.curves.spread(value_A, self.active))
        shown = value["judged_JM"]
        self.reporter.metric_A = shown if np.isfinite(shown).any() else value["test_JM"]
        if self.plateau is not None:
            loss_A = value["watched_JM"] if self.stopping else self.curves.loss[-1][-1][self.active]
            self.plateau.judge(loss_A, np.array(self.active))
        if self.stopping is None:
            return
        stops_A = self.stopping.judge(
            value["watched_JM"], self.epoch, self.flat.weights_MP.detach(), self.flat.state_MS
        )
        if self.epoch < self.epochs:
            stopped = np.flatnonzero(stops_A).tolist()
            for place in stopped:
                self._end(place, "stopped early", self.epoch, self.flat, place)
            self._remove(stopped)

    def _end(
        self, place: int, ended: str, epochs: int, flat: Flat, at: int, breakdown: Breakdown | None = None
    ) -> None:
        """Record the end of an active member and keep its best numbers, or those of `flat` at place `at`."""
        index, fold = self.active[place], self.fold_A[place]
        best_epoch, weights_P, state_S = epochs, flat.weights_MP.detach()[at], flat.state_MS[at]
        if self.stopping is not None and self.stopping.best_epoch_M[place] > 0:
            best_epoch = int(self.stopping.best_epoch_M[place])
            weights_P, state_S = self.stopping.weights_MP[place], self.stopping.state_MS[place]
        self.kept_MP[index], self.kept_MS[index] = weights_P, state_S
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

    def _remove(self, places: Sequence[int]) -> None:
        """Take ended members out of the tensors."""
        if not places:
            return
        kept = [place for place in range(len(self.active)) if place not in set(places)]
        self.active = [self.active[place] for place in kept]
        if not self.active:
            return
        self.flat, self.step = self.flat.select(kept), self.step.select(kept)
        if self.stopping is not None:
            self.stopping.select(kept)
        self._regroup()

    def finish(self) -> Trained:
        """Record the members that trained to the end, and return what there is."""
        if self.interrupted and not self.epoch:
            raise Interrupted("a network needs at least one step", "training was stopped before it", "Start it again.")
        for place in range(len(self.active)):
            self._end(place, "interrupted" if self.interrupted else "finished", self.epoch, self.flat, place)
        records = tuple(self.records[index] for index in range(self.members.count))
        if all(record.ended == "non-finite" for record in records):
            raise _all_broken(records)
        self.reporter.tell(self.epoch, len(self.active), always=True)
        return Trained(
            self.kept_MP, self.kept_MS, records, self.curves.arrays(), self.reporter.seconds, self.interrupted
        )


def _judges(network: Network, shelf: Shelf, rows: Rows, metric: str, plan: Plan) -> dict[str, Judge | None]:
    """Return what judges each curve; None where there are no such rows."""
    loss = make_loss(plan.loss or "mse")
    assert not plan.early_stopping or rows.watched is not None, "early stopping needs rows to watch"
    judges: dict[str, Judge | None] = {"judged_JM": None, "watched_JM": None, "test_JM": None}
    if any(len(judged) for judged in rows.judged):
        judges["judged_JM"] = Judge(network, loss, shelf, rows.judged, metric)
    if plan.early_stopping and rows.watched is not None:
        judges["watched_JM"] = Judge(network, loss, shelf, rows.watched, None)
    if rows.test is not None and len(rows.test):
        judges["test_JM"] = Judge(network, loss, shelf, [rows.test] * len(rows.fit), metric)
    return judges


def _all_broken(records: Sequence[MemberRecord]) -> TrainingError:
    """Say where the first member broke."""
    first = min((r.breakdown for r in records if r.breakdown), key=lambda b: (b.epoch, b.step))
    return TrainingError(
        "at least one network must keep finite numbers",
        f"all {len(records)} became NaN or infinite, the first in epoch {first.epoch}, step {first.step}: "
        f"{first.layer} is {first.value} at learning rate {first.lr:g}",
        "Use a lower learning rate (--lr), clip gradients (--clip 1), or scale the columns (--scale standard).",
    )
