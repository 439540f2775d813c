"""Settings that are dealt to processes: each trains some of them, and every one gets what all of them gave."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from danlu.core import errors
from danlu.core.errors import DanluError, DataError, Interrupted, TrainingError
from danlu.core.launch import launched
from danlu.core.records import Progress
from danlu.population.batches import Rows
from danlu.population.curves import judged_epochs
from danlu.population.processes import agree, agreed, broadcast, tell_all
from danlu.population.shapes import Job, Shelves, train_together
from danlu.population.spread import OWN, arrays_of, header_of, part_of, share
from danlu.population.train import Trained


def train_dealt(
    jobs: Sequence[Job],
    shelves: Shelves,
    rows: Rows,
    *,
    metric: str,
    on_progress: Callable[[Progress], None] | None = None,
    stop: Callable[[], bool] | None = None,
) -> list[Trained | DanluError]:
    """Train jobs as `train_together` does, spread over all processes there are; each gets what all of them gave.

    Weights and curves are those that a job gives alone, bit for bit: of a population's judgings those are kept that
    come after its own epochs. Snapshots, which only the first job of a population has, are left out. The data must be
    the same everywhere: `train_spread`, which comes first, has seen to that.

    Returns:
        for each job what it gave, or why it gave nothing, as of `train_together`: also where none gave anything.

    Raises:
        DataError: the processes have other settings than each other.
        TrainingError: a process has ended.
    """
    launch, asked = launched(), {"metric": metric, "on_progress": on_progress, "stop": stop}
    if launch.alone:
        return _trained(jobs, shelves, rows, asked)
    agree()
    _check_same(jobs)
    sizes = [job.network.size * sum(job.members.epochs) for job in jobs]
    shares = [share(sizes, rank, launch.world) for rank in range(launch.world)]
    mine, own = shares[launch.rank], dict[int, Trained | DanluError]()
    with agreed():
        if mine:
            own = dict(zip(mine, _trained([jobs[i] for i in mine], shelves, rows, asked), strict=True))
    owner = {i: rank for rank, dealt in enumerate(shares) for i in dealt}
    headers: dict[str, Any] = {}
    for said in tell_all({str(i): _header(each) for i, each in own.items()}):
        headers |= said
    device = shelves.matrices.x_NF.device
    return [_sent(headers[str(i)], own.get(i), owner[i], device) for i in range(len(jobs))]


def _trained(jobs: Sequence[Job], shelves: Shelves, rows: Rows, asked: dict[str, Any]) -> list[Trained | DanluError]:
    """Train jobs in this process."""
    try:
        given = train_together(jobs, shelves, rows, curves_alone=False, **asked)
    except (TrainingError, Interrupted) as error:
        return [error] * len(jobs)
    return [each if isinstance(each, DanluError) else _alone(each, job) for each, job in zip(given, jobs, strict=True)]


def _alone(trained: Trained, job: Job) -> Trained:
    """Return what a job gave without what it has of its population: judgings after others' epochs, and snapshots."""
    own = np.concatenate([judged_epochs(epochs, job.plan.judge_every) for epochs in job.members.epochs])
    ends = [record.epochs for record in trained.members]
    kept_J = np.isin(trained.curves["judged_epochs_J"], np.concatenate([own, ends]))
    of_judgings = ("judged_epochs_J", *(name for name in trained.curves if name.endswith("_JM")))
    thinned = {name: trained.curves[name][kept_J[: len(trained.curves[name])]] for name in of_judgings}
    return replace(trained, curves=trained.curves | thinned, snapshots=())


def first_says(message: Any) -> Any:
    """Return the JSON value of the first process, in every process: what only it knows, or what hangs on the clock."""
    if launched().alone:
        return message
    agree()
    return tell_all(message if launched().first else None)[0]


def first_sends(tensor: Tensor | None) -> Tensor | None:
    """Return the first process's tensor of the CPU, in every process, or None where it has none."""
    if launched().alone:
        return tensor
    looks = first_says(None if tensor is None else [str(tensor.dtype).split(".")[1], list(tensor.shape)])
    if looks is None:
        return None
    kind, shape = looks
    own = tensor if launched().first and tensor is not None else torch.empty(shape, dtype=getattr(torch, kind))
    return broadcast(own.contiguous(), 0)


def _check_same(jobs: Sequence[Job]) -> None:
    """Refuse processes that would train other settings than the first."""
    told = [
        f"{job.network.spec.model_dump_json()}{job.plan.model_dump_json(exclude=OWN)}{job.members.keys}" for job in jobs
    ]
    said = tell_all(hashlib.blake2b("\0".join(told).encode(), digest_size=16).hexdigest())
    other = next((rank for rank, each in enumerate(said) if each != said[0]), None)
    if other is not None:
        raise DataError(
            "all processes must search the same settings",
            f"process {other} has others than process 0",
            "Give all machines the same files and options.",
        )


def _header(given: Trained | DanluError) -> dict[str, Any]:
    """Return, as JSON, what a job gave, but for its numbers, or why it gave nothing."""
    if isinstance(given, DanluError):
        return {"error": [type(given).__name__, given.rule, given.fact, given.remedy]}
    return header_of(given)


def _sent(
    header: dict[str, Any], own: Trained | DanluError | None, rank: int, device: torch.device
) -> Trained | DanluError:
    """Return what a job gave in the process that trained it."""
    if "error" in header:
        name, *said = header["error"]
        return own if isinstance(own, DanluError) else getattr(errors, name)(*said)
    arrays = arrays_of(own) if isinstance(own, Trained) else {}
    for name, (kind, shape) in header["arrays"].items():
        empty = torch.empty(shape, dtype=getattr(torch, kind))
        arrays[name] = broadcast(arrays.get(name, empty), rank)
    if isinstance(own, Trained):
        return own
    given = part_of(header, arrays)
    return replace(given, weights_MP=given.weights_MP.to(device), state_MS=given.state_MS.to(device))
