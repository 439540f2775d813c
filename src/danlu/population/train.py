"""Training of a population: the door to the engine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor

from danlu.core.errors import Interrupted, TrainingError
from danlu.core.plan import Plan
from danlu.core.records import MemberRecord, Note, Progress
from danlu.networks import Network
from danlu.population.batches import Rows, Shelf
from danlu.population.curves import Curves
from danlu.population.members import Members
from danlu.population.snapshots import Snapshot
from danlu.population.waves import Outcome, Population, Runner, merged


@dataclass
class Trained:
    """What training gives: the members in their original order, and what happened.

    `weights_MP` and `state_MS` are each member's best with early stopping, else its last (of a member that
    became non-finite: its last finite ones; of one that was never begun, because the user stopped in an earlier wave:
    its first ones, and its record has 0 epochs). `curves` holds `loss_EM` (mean training loss of each epoch), of
    classes `accuracy_EM` (share of an epoch's rows that got the right class in the step that learnt from them),
    `lr_E` (mean over members, at the end of the epoch), `judged_epochs_J`, `judged_JM`, `watched_JM` and
    `test_JM`; NaN where a member had ended or had no such rows.
    """

    weights_MP: Tensor
    state_MS: Tensor
    members: tuple[MemberRecord, ...]
    curves: dict[str, np.ndarray]
    seconds: float
    interrupted: bool
    slots: dict[str, Tensor] = field(default_factory=dict)
    """The optimizer's tensors `[M, P]`, of members that may go on and were all begun."""
    notes: tuple[Note, ...] = ()
    """What is to be said of how it went: waves, where memory could not hold all members at once."""
    snapshots: tuple[Snapshot, ...] = ()
    """The first member at some epochs; none where they were not kept."""

    def first(self, count: int) -> Trained:
        """Return the members of the first so many folds, without what goes on from them: to be judged."""
        own = [m for m in self.members if m.fold < count]
        index = [m.index for m in own]
        members = tuple(m.model_copy(update={"index": i}) for i, m in enumerate(own))
        return replace(self, weights_MP=self.weights_MP[index], state_MS=self.state_MS[index], members=members)

    def joined(self, other: Trained) -> Trained:
        """Return these members and behind them those of other folds of the same run, trained by themselves."""
        shift, folds = len(self.members), 1 + max(member.fold for member in self.members)
        moved = (m.model_copy(update={"index": m.index + shift, "fold": m.fold + folds}) for m in other.members)
        slots = {name: torch.cat([self.slots[name], other.slots[name]]) for name in self.slots if name in other.slots}
        return Trained(
            weights_MP=torch.cat([self.weights_MP, other.weights_MP]),
            state_MS=torch.cat([self.state_MS, other.state_MS]),
            members=(*self.members, *moved),
            curves={name: _side_by_side(name, self, other) for name in self.curves},
            seconds=self.seconds + other.seconds,
            interrupted=self.interrupted or other.interrupted,
            slots=slots,
            notes=tuple(dict.fromkeys((*self.notes, *other.notes))),
            snapshots=self.snapshots,
        )


def _side_by_side(name: str, first: Trained, second: Trained) -> np.ndarray:
    """Return a curve of two trainings, of each member, or the mean of theirs: at all epochs, or all that either was
    judged after; NaN where there is nothing."""
    curves = [part.curves[name] for part in (first, second)]
    judged_J = np.union1d(first.curves["judged_epochs_J"], second.curves["judged_epochs_J"])
    if name == "judged_epochs_J":
        return judged_J
    length = len(judged_J) if name.endswith("_JM") else max(map(len, curves))
    padded = []
    for part, curve in zip((first, second), curves, strict=True):
        of_judgings = name.endswith("_JM")
        rows = np.searchsorted(judged_J, part.curves["judged_epochs_J"]) if of_judgings else np.arange(len(curve))
        whole = np.full((length, *curve.shape[1:]), np.nan)
        whole[rows[: len(curve)]] = curve
        padded.append(whole)
    return np.nanmean(np.stack(padded), axis=0) if padded[0].ndim == 1 else np.concatenate(padded, axis=1)


def train(
    network: Network,
    shelf: Shelf,
    rows: Rows,
    members: Members,
    plan: Plan,
    *,
    metric: str,
    on_progress: Callable[[Progress], None] | None = None,
    stop: Callable[[], bool] | None = None,
) -> Trained:
    """Train the members of a population, each exactly as it would be trained alone.

    Where memory cannot hold all of them at once, they are trained in waves, with the same result.

    Arguments:
        network: the architecture of all members.
        shelf: the table on the device as each of the K folds prepares it; its type of floats is that of the members.
        rows: what each fold trains on, is judged on and watches.
        members: numbers and keys of the M members.
        plan: resolved; `patience` counts as 16 and `judge_every` as in `judged_epochs` where None.
        metric: shown for judged rows: rmse, mae, accuracy or log-loss.
        on_progress: called at most ten times a second.
        stop: asked before every step; when true, training ends and what there is is kept.

    Raises:
        TrainingError: every member became NaN or infinite, or memory cannot hold one of them.
        Interrupted: stopped before the first step.
    """
    return survived(
        train_unchecked(network, shelf, rows, members, plan, metric=metric, on_progress=on_progress, stop=stop)
    )


def train_unchecked(
    network: Network,
    shelf: Shelf,
    rows: Rows,
    members: Members,
    plan: Plan,
    *,
    metric: str,
    on_progress: Callable[[Progress], None] | None = None,
    stop: Callable[[], bool] | None = None,
) -> Trained:
    """Train as `train` does, and return also what has no finite member: others may have been trained elsewhere.

    Raises:
        TrainingError: memory cannot hold one member.
        Interrupted: stopped before the first step.
    """
    population = Population(network, shelf, rows, members, plan)
    (outcome,) = Runner([population], metric=metric, on_progress=on_progress, stop=stop).run()
    return assembled(outcome, range(members.count))


def assembled(outcome: Outcome, chosen: Sequence[int]) -> Trained:
    """Return what waves gave for some members of a population, as if these had been trained at once and alone.

    Raises:
        TrainingError: memory cannot hold one member.
        Interrupted: none of them was begun.
    """
    if outcome.error is not None:
        raise outcome.error
    found = {record.index: record for part in outcome.parts for record in part.records}
    begun = [i for i in chosen if i in found]
    if not begun:
        raise Interrupted("a network needs at least one step", "training was stopped before it", "Start it again.")
    weights_MP, state_MS = _tensors(outcome, chosen)
    records = [_placed(found.get(i) or never_begun(outcome.population, i), place) for place, i in enumerate(chosen)]
    epochs = max(found[i].epochs for i in begun)
    return Trained(
        weights_MP=weights_MP,
        state_MS=state_MS,
        members=tuple(records),
        curves=_columns(merged(outcome), chosen, epochs).arrays(),
        seconds=outcome.seconds,
        interrupted=outcome.interrupted,
        slots=_slots(outcome, chosen),
        notes=(*outcome.notes, *_missing(len(chosen) - len(begun), len(chosen))),
        snapshots=next((part.snapshots for part in outcome.parts if part.index[0] == chosen[0]), ()),
    )


def survived(trained: Trained) -> Trained:
    """Return what was trained.

    Raises:
        TrainingError: every member that was begun became NaN or infinite.
    """
    if not any(record.usable for record in trained.members):
        raise _all_broken([record for record in trained.members if record.epochs])
    return trained


def _tensors(outcome: Outcome, chosen: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Return weights and running moments of some members; the first ones of those that were never begun."""
    p, parts = outcome.population, outcome.parts
    if len(parts) == 1 and parts[0].index == list(chosen):
        return parts[0].weights_MP, parts[0].state_MS
    place = {index: row for row, index in enumerate(chosen)}
    device, dtype = p.shelf.matrices.x_NF.device, p.members.lr.dtype
    begun = {index for part in parts for index in part.index}
    missing = [index for index in chosen if index not in begun]
    weights_MP = torch.empty(len(chosen), p.network.size, dtype=dtype, device=device)
    state_MS = torch.empty(len(chosen), p.network.state_size, dtype=dtype, device=device)
    first = p.network.initial([p.members.keys[index] for index in missing], dtype, device)
    for index, weights, state in [(missing, *first), *((part.index, part.weights_MP, part.state_MS) for part in parts)]:
        rows = [row for row, i in enumerate(index) if i in place]
        into = [place[index[row]] for row in rows]
        weights_MP[into], state_MS[into] = weights[rows], state[rows]
    return weights_MP, state_MS


def _slots(outcome: Outcome, chosen: Sequence[int]) -> dict[str, Tensor]:
    """Return the optimizer's tensors of some members; nothing where they were not kept, or a member was not begun."""
    place = {index: (part, row) for part in outcome.parts for row, index in enumerate(part.index)}
    if not all(index in place for index in chosen):
        return {}
    names = place[chosen[0]][0].slots
    return {name: torch.stack([place[i][0].slots[name][place[i][1]] for i in chosen]) for name in names}


def _columns(curves: Curves, chosen: Sequence[int], epochs: int) -> Curves:
    """Return the curves of some members, up to the end of the last of them."""
    fewer, index = Curves(len(chosen)), list(chosen)
    fewer.loss = [loss_EM[:epochs, index] for loss_EM in curves.loss]
    fewer.accuracy = [accuracy_EM[:epochs, index] for accuracy_EM in curves.accuracy]
    fewer.lr = [lr_EM[:epochs, index] for lr_EM in curves.lr]
    fewer.epochs = [epoch for epoch in curves.epochs if epoch <= epochs]
    fewer.judged = {name: [row_M[index] for row_M in rows[: len(fewer.epochs)]] for name, rows in curves.judged.items()}
    return fewer


def _placed(record: MemberRecord, place: int) -> MemberRecord:
    """Return a record with the member's place among those that are returned."""
    broken = record.breakdown
    breakdown = None if broken is None else broken.model_copy(update={"member": place})
    return record.model_copy(update={"index": place, "breakdown": breakdown})


def never_begun(population: Population, index: int) -> MemberRecord:
    """Return the record of a member whose first step was never taken."""
    fold = int(population.members.fold_M[index])
    return MemberRecord(
        index=index,
        fold=fold,
        repeat=population.members.repeats[index],
        train_rows=len(population.rows.fit[fold]),
        judged_rows=len(population.rows.judged[fold]),
        epochs=0,
        best_epoch=0,
        ended="interrupted",
    )


def _missing(missing: int, of: int) -> tuple[Note, ...]:
    """Say how many members were never begun."""
    text = f"stopped before {missing} of {of} networks were begun: those that were are kept"
    return (Note(topic="stopped", text=text),) if missing else ()


def _all_broken(records: Sequence[MemberRecord]) -> TrainingError:
    """Say where the first member broke."""
    first = min((r.breakdown for r in records if r.breakdown), key=lambda b: (b.epoch, b.step))
    return TrainingError(
        "at least one network must keep finite numbers",
        f"all {len(records)} became NaN or infinite, the first in epoch {first.epoch}, step {first.step}: "
        f"{first.layer} is {first.value} at learning rate {first.lr:g}",
        "Use a lower learning rate (--lr), clip gradients (--clip 1), or scale the columns (--scale standard).",
    )
