"""Where a member broke: its steps are taken again, alone, with every layer watched."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from danlu.core.records import Breakdown
from danlu.population.batches import Batch
from danlu.population.optimizers import norm
from danlu.population.step import Flat, Step


@dataclass(frozen=True)
class Moment:
    """One step of one member: epoch and step within it from 0, its batch, coefficients, seeds and learning rate."""

    epoch: int
    step: int
    batch: Batch
    coefficients_QM1: Tensor
    seeds_M2: Tensor | None
    lr: float


def replay(member: int, step: Step, moments: Iterable[Moment]) -> tuple[Breakdown | None, Flat]:
    """Return where the member's numbers first became NaN or infinite, and its tensors before that step.

    Arguments:
        member: its number, for the record.
        step: the step of this one member, bound to its tensors before the first of the moments; they are changed.
        moments: its steps since then, in order.

    Returns:
        no breakdown where every step is finite: another device or number of members may round otherwise.
    """
    start = step.flat
    before, gradient_norm = start.clone(), None
    for moment in moments:
        seen: list[tuple[str, str]] = []

        def watch(name: str, output: Tensor, seen: list[tuple[str, str]] = seen) -> None:
            if not seen and (value := _not_finite(output)):
                seen.append((name, value))

        loss_M = step(moment.batch, moment.coefficients_QM1, moment.seeds_M2, watch)
        gradient_MP = step.run.gradient_MP
        found = seen[0] if seen else _after(step, start, loss_M, gradient_MP)
        now = float(norm(gradient_MP))
        gradient_norm = now if now < float("inf") else gradient_norm
        if found is not None:
            layer, value = found
            return Breakdown(
                member=member,
                epoch=moment.epoch + 1,
                step=moment.step + 1,
                layer=layer,
                value=value,
                gradient_norm=gradient_norm,
                lr=moment.lr,
            ), before
        before = start.clone()
    return None, before


def _after(step: Step, flat: Flat, loss_M: Tensor, gradient_MP: Tensor) -> tuple[str, str] | None:
    """Name what is not finite behind the last layer: loss, gradient, weights or running moments."""
    if value := _not_finite(loss_M):
        return "loss", value
    network = step.network
    for what, tensor_MP in (("gradient of", gradient_MP), ("weights", flat.weights_MP)):
        for slot in network.parameters:
            if value := _not_finite(tensor_MP[:, slot.offset : slot.offset + slot.numel]):
                return f"{what} {slot.name}", value
    for slot in network.state:
        if value := _not_finite(flat.state_MS[:, slot.offset : slot.offset + slot.numel]):
            return slot.name, value
    return None


def _not_finite(tensor: Tensor) -> str:
    """Return "NaN", "infinite", or nothing where all is finite."""
    if bool(torch.isfinite(tensor).all()):
        return ""
    return "NaN" if bool(torch.isnan(tensor).any()) else "infinite"
