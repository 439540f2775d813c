"""Training that is spread over processes: each trains its share of the members, and every one gets all of them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from danlu.core.errors import DataError, Interrupted
from danlu.core.launch import launched
from danlu.core.plan import Plan
from danlu.core.records import MemberRecord, Note, Progress
from danlu.networks import Network
from danlu.population.batches import Rows, Shelf
from danlu.population.curves import Curves
from danlu.population.members import Members
from danlu.population.processes import agree, agreed, broadcast, tell_all
from danlu.population.train import Trained, never_begun, survived, train, train_unchecked
from danlu.population.waves import Population

OWN = {"data", "test", "device", "threads"}
"""Settings in which processes may differ: places of files, and machines."""


def train_spread(
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
    """Train the members of a population in all processes there are; the result is that of one, in every process.

    Arguments and errors are those of `population.train.train`. Progress is that of this process's share, `seconds` are
    those of the slowest.

    Raises:
        DataError: the processes have other tables, folds or settings than each other.
        TrainingError: every member became NaN or infinite, or a process has ended.
        Interrupted: every process was stopped before its first step.
    """
    launch = launched()
    if launch.alone:
        return train(network, shelf, rows, members, plan, metric=metric, on_progress=on_progress, stop=stop)
    agree()
    _check_same(network, shelf, rows, members, plan)
    sizes = [len(rows.fit[fold]) for fold in members.fold_M.tolist()]
    shares = [share(sizes, rank, launch.world) for rank in range(launch.world)]
    mine, own = shares[launch.rank], None
    with agreed(), suppress(Interrupted):
        if mine:
            chosen = members.select(mine)
            own = train_unchecked(network, shelf, rows, chosen, plan, metric=metric, on_progress=on_progress, stop=stop)
    return survived(gather(own, shares, Population(network, shelf, rows, members, plan)))


def share(sizes: Sequence[int], rank: int, world: int) -> list[int]:
    """Return which members one of several processes trains.

    Members are dealt from the one with most rows to the one with fewest, each to the process with the fewest rows so
    far: numbers of members and of rows are balanced. Processes beyond the number of members get none.

    Arguments:
        sizes: rows that each member trains on.
        rank: this process.
        world: number of processes.

    >>> [share([80] * 5, rank, 2) for rank in range(2)]
    [[0, 2, 4], [1, 3]]
    >>> [share([10, 90, 10, 90], rank, 2) for rank in range(2)]
    [[0, 1], [2, 3]]
    """
    loads, dealt = [0] * world, [list[int]() for _ in range(world)]
    for index in sorted(range(len(sizes)), key=lambda i: -sizes[i]):
        least = min(range(world), key=lambda r: (loads[r], len(dealt[r]), r))
        loads[least] += sizes[index]
        dealt[least].append(index)
    return sorted(dealt[rank])


def gather(own: Trained | None, shares: Sequence[Sequence[int]], population: Population) -> Trained:
    """Return what all processes trained, in the order of the members, in every process.

    Arguments:
        own: what this process trained; None where its share is empty, or was stopped before its first step.
        shares: the members of each process, by their numbers in the population.
        population: all members.

    Raises:
        Interrupted: no process took a step.
    """
    headers = tell_all(None if own is None else header_of(own))
    parts, notes = [], _notes(headers)
    for rank, (header, indices) in enumerate(zip(headers, shares, strict=True)):
        if header is None:
            continue
        arrays = arrays_of(own) if own is not None and rank == launched().rank else {}
        for name, (kind, shape) in header["arrays"].items():
            empty = torch.empty(shape, dtype=getattr(torch, kind))
            arrays[name] = broadcast(arrays.get(name, empty), rank)
        parts.append((indices, part_of(header, arrays)))
    if not parts:
        raise Interrupted("a network needs at least one step", "training was stopped before it", "Start it again.")
    missing = sorted({*range(population.members.count)} - {index for indices, _ in parts for index in indices})
    if missing:
        parts.append((missing, _never_begun(population, missing)))
        of = population.members.count
        text = f"stopped before {len(missing)} of {of} networks were begun: their processes were late"
        notes = (*notes, Note(topic="stopped", text=text))
    whole, device = joined(parts, seconds=max(part.seconds for _, part in parts)), population.members.lr.device
    return replace(whole, weights_MP=whole.weights_MP.to(device), state_MS=whole.state_MS.to(device), notes=notes)


def _never_begun(population: Population, indices: Sequence[int]) -> Trained:
    """Return members as they are before their first step."""
    members, like = population.members, population.members.lr
    first = population.network.initial([members.keys[index] for index in indices], like.dtype, like.device)
    weights_MP, state_MS = (tensor.cpu() for tensor in first)
    records = tuple(never_begun(population, index) for index in indices)
    return Trained(weights_MP, state_MS, records, Curves(len(indices)).arrays(), seconds=0.0, interrupted=True)


def joined(parts: Sequence[tuple[Sequence[int], Trained]], *, seconds: float) -> Trained:
    """Return parts of a population that were trained apart as one, in the order of the members.

    Arguments:
        parts: each with the numbers that its members have in the population. Curves get the length of the longest,
            NaN where members had ended; the learning rate is the mean over the members that still trained.
        seconds: what it took.
    """
    order = np.argsort(np.concatenate([indices for indices, _ in parts]))
    records = [_renumbered(record, i) for indices, t in parts for i, record in zip(indices, t.members, strict=True)]
    epochs = max(len(trained.curves["loss_EM"]) for _, trained in parts)
    judged_J = np.unique(np.concatenate([trained.curves["judged_epochs_J"] for _, trained in parts]))
    curves = {"lr_E": _mean_rate([trained for _, trained in parts], epochs), "judged_epochs_J": judged_J}
    for name in parts[0][1].curves:
        if name not in curves:
            columns = [_column(name, trained.curves, epochs, judged_J) for _, trained in parts]
            curves[name] = np.concatenate(columns, axis=1)[:, order]
    return Trained(
        weights_MP=torch.cat([trained.weights_MP for _, trained in parts])[order],
        state_MS=torch.cat([trained.state_MS for _, trained in parts])[order],
        members=tuple(records[place] for place in order),
        curves={name: curves[name] for name in parts[0][1].curves},
        seconds=seconds,
        interrupted=any(trained.interrupted for _, trained in parts),
        snapshots=next((trained.snapshots for indices, trained in parts if indices[0] == 0), ()),
    )


def _renumbered(record: MemberRecord, index: int) -> MemberRecord:
    broken = record.breakdown
    breakdown = None if broken is None else broken.model_copy(update={"member": index})
    return record.model_copy(update={"index": index, "breakdown": breakdown})


def _column(name: str, curves: dict[str, np.ndarray], epochs: int, judged_J: np.ndarray) -> np.ndarray:
    """Return the curve of some members at all epochs (`..._EM`) or judgings (`..._JM`), NaN where it has none."""
    value = curves.get(name, np.empty((0, curves["loss_EM"].shape[1])))
    length = epochs if name.endswith("_EM") else len(judged_J)
    rows = np.arange(len(value)) if name.endswith("_EM") else np.searchsorted(judged_J, curves["judged_epochs_J"])
    whole = np.full((length, value.shape[1]), np.nan)
    whole[rows] = value
    return whole


def _mean_rate(parts: Sequence[Trained], epochs: int) -> np.ndarray:
    """Return the mean learning rate of each epoch. Equal rates stay what they are, to the last bit."""
    rate_WE, weight_WE = np.full((len(parts), epochs), np.nan), np.zeros((len(parts), epochs))
    for place, trained in enumerate(parts):
        own = trained.curves["lr_E"]
        rate_WE[place, : len(own)] = own
        ends = np.array([record.epochs for record in trained.members])
        weight_WE[place, : len(own)] = np.maximum(1, (ends[:, None] > np.arange(len(own))).sum(0))
    least_E = np.fmin.reduce(rate_WE, 0)
    return least_E + np.nansum((rate_WE - least_E) * weight_WE, 0) / weight_WE.sum(0)


def _check_same(network: Network, shelf: Shelf, rows: Rows, members: Members, plan: Plan) -> None:
    """Refuse processes that would train on other tables, or otherwise, than the first."""
    digest = hashlib.blake2b(digest_size=16)
    settings = plan.model_dump_json(exclude=OWN)
    digest.update(f"{network.spec.model_dump_json()}{settings}{members.keys}".encode())
    matrices = shelf.matrices
    for values in (matrices.x_NF, matrices.codes_NQ, matrices.y, matrices.loss_weight_N, *rows.fit):
        if values is not None:
            digest.update(np.ascontiguousarray(torch.as_tensor(values).cpu().numpy()).data)
    said = tell_all(digest.hexdigest())
    other = next((rank for rank, each in enumerate(said) if each != said[0]), None)
    if other is not None:
        raise DataError(
            "all processes must train on the same table with the same settings",
            f"process {other} has another table, other settings or another kind of processor than process 0",
            "Give all machines the same files and options; name --precision where their processors differ.",
        )


def arrays_of(trained: Trained) -> dict[str, Tensor]:
    """Return all numbers of a result, on the CPU, by name."""
    curves = {name: torch.from_numpy(np.ascontiguousarray(value)) for name, value in trained.curves.items()}
    weights = {"weights_MP": trained.weights_MP, "state_MS": trained.state_MS}
    return {name: value.detach().cpu().contiguous() for name, value in (weights | curves).items()}


def header_of(trained: Trained) -> dict[str, Any]:
    """Return, as JSON, what else there is, and how the numbers look."""
    looks = {name: [str(value.dtype).split(".")[1], list(value.shape)] for name, value in arrays_of(trained).items()}
    return {
        "arrays": looks,
        "members": [record.model_dump(mode="json") for record in trained.members],
        "seconds": trained.seconds,
        "interrupted": trained.interrupted,
        "notes": [note.model_dump(mode="json") for note in trained.notes],
    }


def _notes(headers: Sequence[dict[str, Any] | None]) -> tuple[Note, ...]:
    """Return what processes have to say, each thing once, and which ones say it."""
    who: dict[Note, list[str]] = {}
    for rank, header in enumerate(headers):
        for note in map(Note.model_validate, [] if header is None else header["notes"]):
            who.setdefault(note, []).append(str(rank))
    return tuple(
        Note(topic=note.topic, text=f"{note.text} (process{'es' * (len(ranks) > 1)} {', '.join(ranks)})")
        for note, ranks in who.items()
    )


def part_of(header: dict[str, Any], arrays: dict[str, Tensor]) -> Trained:
    """Return a result from what was sent of it."""
    return Trained(
        weights_MP=arrays.pop("weights_MP"),
        state_MS=arrays.pop("state_MS"),
        members=tuple(MemberRecord.model_validate(record) for record in header["members"]),
        curves={name: value.numpy() for name, value in arrays.items()},
        seconds=header["seconds"],
        interrupted=header["interrupted"],
    )
