"""Training of a population: the door to the engine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from danlu.core.errors import Interrupted, TrainingError
from danlu.core.plan import Plan
from danlu.core.records import MemberRecord, Progress
from danlu.networks import Network
from danlu.population.batches import Rows, Shelf
from danlu.population.engine import Engine
from danlu.population.members import Members
from danlu.population.progress import Reporter


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
        TrainingError: every member became NaN or infinite.
        Interrupted: stopped before the first step.
    """
    reporter = Reporter(on_progress, epochs=max(members.epochs), members=members.count, metric=metric)
    engine = Engine(network, shelf, rows, members, plan, reporter, stop or (lambda: False))
    engine.run()
    if engine.interrupted and not engine.epoch:
        raise Interrupted("a network needs at least one step", "training was stopped before it", "Start it again.")
    records = engine.finish()
    if all(record.ended == "non-finite" for record in records):
        raise _all_broken(records)
    reporter.tell(engine.epoch, sum(record.ended in ("finished", "interrupted") for record in records), always=True)
    curves = engine.curves.arrays()
    return Trained(engine.kept_MP, engine.kept_MS, records, curves, reporter.seconds, engine.interrupted)


def _all_broken(records: Sequence[MemberRecord]) -> TrainingError:
    """Say where the first member broke."""
    first = min((r.breakdown for r in records if r.breakdown), key=lambda b: (b.epoch, b.step))
    return TrainingError(
        "at least one network must keep finite numbers",
        f"all {len(records)} became NaN or infinite, the first in epoch {first.epoch}, step {first.step}: "
        f"{first.layer} is {first.value} at learning rate {first.lr:g}",
        "Use a lower learning rate (--lr), clip gradients (--clip 1), or scale the columns (--scale standard).",
    )
