"""Losses of stacked members: one number a member, the weighted mean over its batch.

Every loss is a function of outputs and target that gives one number a row, `[M, B]`; `weighted_mean`
makes it one number a member. Values and gradients are those of torch.nn.functional.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from danlu.core.errors import PlanError
from danlu.core.plan import split_setting

LANES = 32
"""Batches are padded to a multiple of this: tails of vector loops have other bits (ENGINE.md)."""

SCALED = ("mse", "l1", "huber", "pinball")
"""Losses whose targets are scaled by the preparation; the others need them as they are."""

RowLoss = Callable[[Tensor, Tensor, Tensor | None], Tensor]
"""(outputs_MBC, target_MBC or target_MB of classes, smoothing_M or None) -> loss_MB."""


@dataclass(frozen=True)
class Loss:
    """A loss by name: its value for each row, and whether its targets are scaled.

    >>> loss = make_loss("huber:1")
    >>> loss.rows(torch.tensor([[[3.0]]]), torch.tensor([[[0.0]]]), None)
    tensor([[2.5000]])
    """

    name: str
    rows: RowLoss
    scaled: bool


def make_loss(text: str) -> Loss:
    """Return the loss for a text such as "mse", "huber:0.5" or "pinball:0.9".

    Raises:
        PlanError: the number after the name is out of range.
    """
    name, numbers = split_setting(text)
    if name == "huber":
        delta = numbers[0] if numbers else 1.0
        if not delta > 0:
            raise PlanError("`loss` huber needs a width above 0", f"got {delta:g}", "Use loss=huber:1.")
        return Loss(name, _huber(delta), True)
    if name == "pinball":
        quantile = numbers[0] if numbers else 0.5
        if not 0 < quantile < 1:
            raise PlanError(
                "`loss` pinball needs a quantile between 0 and 1", f"got {quantile:g}", "Use loss=pinball:0.9."
            )
        return Loss(name, _pinball(quantile), True)
    return Loss(name, _PLAIN[name], name in SCALED)


def weighted_mean(loss_MB: Tensor, share_MB: Tensor) -> Tensor:
    """Return the mean over rows of each member, `[M]`; `share_MB` sums to 1 a member, 0 for padding."""
    return row_sum(loss_MB * share_MB)


def row_sum(value_MB: Tensor) -> Tensor:
    """Sum over the rows of each member, with the same bits for any number of members.

    A single long row would be split among threads, and its sum would differ from that of the same row
    among others; so long rows are summed in lanes first.
    """
    members, rows = value_MB.shape
    if rows < 1024 or rows % LANES:
        return value_MB.sum(1)
    return value_MB.view(members, rows // LANES, LANES).sum(1).sum(1)


def _over_outputs(loss_MBC: Tensor) -> Tensor:
    """Mean over outputs; a view where there is one."""
    return loss_MBC.squeeze(2) if loss_MBC.shape[2] == 1 else loss_MBC.mean(2)


def _mse(outputs: Tensor, target: Tensor, _: Tensor | None) -> Tensor:
    return _over_outputs((outputs - target).square())


def _l1(outputs: Tensor, target: Tensor, _: Tensor | None) -> Tensor:
    return _over_outputs((outputs - target).abs())


def _huber(delta: float) -> RowLoss:
    def rows(outputs: Tensor, target: Tensor, _: Tensor | None) -> Tensor:
        return _over_outputs(F.huber_loss(outputs, target, reduction="none", delta=delta))

    return rows


def _pinball(quantile: float) -> RowLoss:
    # Koenker & Bassett 1978: a truth above the prediction costs q, one below it 1 - q.
    def rows(outputs: Tensor, target: Tensor, _: Tensor | None) -> Tensor:
        above = target - outputs
        return _over_outputs(torch.maximum(quantile * above, (quantile - 1) * above))

    return rows


def _cross_entropy(logits: Tensor, target_MB: Tensor, smoothing_M: Tensor | None) -> Tensor:
    members, rows, classes = logits.shape
    log_p = F.log_softmax(logits, 2)
    missed = F.nll_loss(log_p.view(-1, classes), target_MB.reshape(-1), reduction="none").view(members, rows)
    if smoothing_M is None:
        return missed
    smoothing_M1 = smoothing_M[:, None]
    return missed * (1 - smoothing_M1) - log_p.mean(2) * smoothing_M1


def _binary_cross_entropy(logits: Tensor, target: Tensor, smoothing_M: Tensor | None) -> Tensor:
    # Classes 0 and 1 with one output, or shares in [0, 1] with one output each.
    truth = target if target.dim() == 3 else target[:, :, None].to(logits.dtype)
    if smoothing_M is not None:
        truth = truth * (1 - smoothing_M[:, None, None]) + smoothing_M[:, None, None] / 2
    return _over_outputs(F.binary_cross_entropy_with_logits(logits, truth, reduction="none"))


def _kl(logits: Tensor, target: Tensor, _: Tensor | None) -> Tensor:
    # Sum over outputs, as F.kl_div(reduction="batchmean").
    return F.kl_div(F.log_softmax(logits, 2), target, reduction="none").sum(2)


def _poisson(log_rate: Tensor, target: Tensor, _: Tensor | None) -> Tensor:
    return _over_outputs(log_rate.exp() - target * log_rate)


_PLAIN: dict[str, RowLoss] = {
    "mse": _mse,
    "l1": _l1,
    "cross-entropy": _cross_entropy,
    "binary-cross-entropy": _binary_cross_entropy,
    "kl": _kl,
    "poisson": _poisson,
}
