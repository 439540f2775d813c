"""Settings of several shapes, trained one population after the other on the same data.

Members of other widths, depths or activations cannot lie in one tensor. Jobs are therefore grouped: those of equal
networks that are trained in the same way are one population, and all populations share the prepared table.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from danlu.core.errors import DanluError, Interrupted, TrainingError
from danlu.core.plan import Plan
from danlu.core.records import Progress
from danlu.networks import Network, Preparation
from danlu.population.batches import Matrices, Rows, Shelf
from danlu.population.curves import judged_epochs
from danlu.population.losses import make_loss
from danlu.population.members import Members
from danlu.population.train import Trained, assembled, survived
from danlu.population.waves import Population, Runner

COMMON = ("loss", "optimizer", "nesterov", "batch_size", "early_stopping", "patience", "seed", "precision")
"""Settings that all members of a population share; the others are numbers of each member."""


@dataclass(frozen=True)
class Job:
    """One setting to train: an architecture, its members, and the resolved plan."""

    network: Network
    members: Members
    plan: Plan


@dataclass
class Shelves:
    """The table as every fold prepares it, made once for losses that scale targets and once for the others.

    Arguments:
        matrices: the table on the device.
        preparation: of the K folds.
    """

    matrices: Matrices
    preparation: Preparation
    made: dict[bool, Shelf] = field(default_factory=dict)

    def of(self, loss: str) -> Shelf:
        """Return the shelf for a loss."""
        scaled = make_loss(loss).scaled
        if scaled not in self.made:
            self.made[scaled] = Shelf(self.matrices, self.preparation, scaled=scaled)
        return self.made[scaled]


def train_together(
    jobs: Sequence[Job],
    shelves: Shelves,
    rows: Rows,
    *,
    metric: str,
    on_progress: Callable[[Progress], None] | None = None,
    stop: Callable[[], bool] | None = None,
    at_once: int = 1,
    curves_alone: bool = True,
) -> list[Trained | DanluError]:
    """Train jobs of several shapes; what each gives is, bit for bit, what it gives alone.

    Arguments:
        jobs: their networks take what the preparation of the shelves gives.
        shelves: the table; keep it for the next call.
        rows: what each fold trains on, is judged on and watches; of all jobs.
        metric: shown for judged rows.
        on_progress: called at most ten times a second.
        stop: asked before every step; when true, training ends and what there is is kept.
        curves_alone: whether curves, too, must be what they are alone; else settings of other lengths are one
            population, and are judged after each other's epochs as well (not where early stopping counts judgings).
        at_once: populations that are trained side by side on a CPU, each with its share of the threads.

    Returns:
        for each job what it gave, or why it gave nothing: a TrainingError where all its members became NaN or infinite
        or memory cannot hold one of them, Interrupted where the user stopped before it was begun. `seconds` are those
        of the population that the job was part of.

    Raises:
        TrainingError: no job gave anything.
        Interrupted: stopped before the first step.
    """
    grouped = sorted(_groups(jobs, curves_alone=curves_alone), key=lambda group: -_work([jobs[i] for i in group]))
    populations = [_population([jobs[i] for i in group], shelves, rows) for group in grouped]
    runner = Runner(populations, metric=metric, on_progress=on_progress, stop=stop, at_once=at_once)
    results: dict[int, Trained | DanluError] = {}
    for group, outcome in zip(grouped, runner.run(), strict=True):
        begin = 0
        for i in group:
            end = begin + jobs[i].members.count
            try:
                results[i] = survived(assembled(outcome, range(begin, end)))
            except (TrainingError, Interrupted) as error:
                results[i] = error
            begin = end
    return _any_usable([results[i] for i in range(len(jobs))])


def _any_usable(results: list[Trained | DanluError]) -> list[Trained | DanluError]:
    """Return the results; raise the first error where there is nothing else."""
    errors = [result for result in results if isinstance(result, DanluError)]
    if errors and len(errors) == len(results):
        raise errors[0]
    return results


def _groups(jobs: Sequence[Job], *, curves_alone: bool) -> list[list[int]]:
    """Return which jobs are trained as one population."""
    groups: list[list[int]] = []
    for i, job in enumerate(jobs):
        own = (group for group in groups if all(_together(job, jobs[i], curves_alone=curves_alone) for i in group))
        home = next(own, None)
        if home is None:
            groups.append([i])
        else:
            home.append(i)
    return groups


def _together(job: Job, other: Job, *, curves_alone: bool) -> bool:
    """Return whether two jobs are one population: equal networks, common settings, judged after the same epochs."""
    if any(getattr(job.plan, name) != getattr(other.plan, name) for name in COMMON):
        return False
    free = not curves_alone and not job.plan.early_stopping
    return _equal(job.network, other.network) and (free or _judged_alike(job, other))


def _equal(network: Network, other: Network) -> bool:
    """Return whether networks compute alike; the rate of dropout is a number of each member."""
    specs = [each.spec.model_copy(update={"dropout": 0.0}) for each in (network, other)]
    return network is other or (type(network) is type(other) is Network and specs[0] == specs[1])


def _judged_alike(job: Job, other: Job) -> bool:
    """Return whether each is judged after the same epochs beside the other as alone: early stopping counts judgings."""
    own = [_judgings(each) for each in (job, other)]
    both = np.union1d(*own)
    return all(np.array_equal(both[both <= epochs[-1]], epochs) for epochs in own)


def _judgings(job: Job) -> np.ndarray:
    """Return the epochs after which any of a job's members is judged."""
    return np.unique(np.concatenate([judged_epochs(epochs, job.plan.judge_every) for epochs in job.members.epochs]))


def _work(jobs: Sequence[Job]) -> float:
    """Return what a population costs: the largest is begun first, so that a short one is the last to wait for."""
    return float(sum(job.network.size * sum(job.members.epochs) for job in jobs))


def _population(jobs: Sequence[Job], shelves: Shelves, rows: Rows) -> Population:
    first, *others = jobs
    layout = shelves.preparation.layout
    assert all(job.network.spec.layout == layout for job in jobs), "the networks take other columns than there are"
    members = first.members.join(*(job.members for job in others))
    return Population(first.network, shelves.of(first.plan.loss or "mse"), rows, members, first.plan)
