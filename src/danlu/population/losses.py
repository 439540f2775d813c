"""Losses of stacked members: one number a member, the weighted mean over its batch.

Every loss is a function of outputs and target that gives one number a row, `[M, B]`, and its slope by the outputs;
`weighted_mean` makes it one number a member. Values and gradients are those of torch.nn.functional.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from danlu.core.errors import PlanError
from danlu.core.parsing import split_setting
from danlu.networks import Program

LANES = 32
"""Batches are padded to a multiple of this: tails of vector loops have other bits (ENGINE.md)."""

SCALED = ("mse", "l1", "huber", "pinball")
"""Losses whose targets are scaled by the preparation; the others need them as they are."""

Slope = Callable[[], Tensor]
"""-> gradient of each row's loss by its outputs, `[M, B, C]`; computed only where it is wanted."""

RowLoss = Callable[[Tensor, Tensor, Tensor | None], tuple[Tensor, Slope]]
"""(outputs_MBC, target_MBC or target_MB of classes, smoothing_M or None) -> (loss_MB, slope)."""


@dataclass(frozen=True)
class Loss:
    """A loss by name: its value for each row with its slope, and whether its targets are scaled.

    >>> loss = make_loss("huber:1")
    >>> value_MB, slope = loss.of(torch.tensor([[[3.0]]]), torch.tensor([[[0.0]]]), None)
    >>> value_MB, slope()
    (tensor([[2.5000]]), tensor([[[1.]]]))
    """

    name: str
    of: RowLoss
    scaled: bool
    capturable: bool = True
    """Whether a GPU may run it as part of a recorded step; not what may decide things on the host."""

    def rows(self, outputs_MBC: Tensor, target: Tensor, smoothing_M: Tensor | None = None) -> Tensor:
        """Return the loss of each row, `[M, B]`."""
        return self.of(outputs_MBC, target, smoothing_M)[0]


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


def of_copies(loss: Loss, copies: int) -> Loss:
    """Return the loss of members with k copies each, whose outputs are `[M * k, B, C]`: the mean of the copies' losses.

    >>> loss = of_copies(make_loss("mse"), 2)
    >>> value_MB, slope = loss.of(torch.tensor([[[1.0]], [[3.0]]]), torch.tensor([[[0.0]]]), None)
    >>> value_MB, slope().flatten()
    (tensor([[5.]]), tensor([1., 3.]))
    """
    if copies == 1:
        return loss

    def of(outputs: Tensor, target: Tensor, smoothing_M: Tensor | None) -> tuple[Tensor, Slope]:
        smoothing = None if smoothing_M is None else smoothing_M.repeat_interleave(copies, 0)
        loss_NB, slope = loss.of(outputs, target.repeat_interleave(copies, 0), smoothing)
        return loss_NB.unflatten(0, (-1, copies)).mean(1), lambda: slope() / copies

    return Loss(loss.name, of, loss.scaled)


def weighted(slope_NBC: Tensor, share_MB: Tensor, out: Tensor) -> Tensor:
    """Write each row's slope times its share of the loss; several N of a member are its copies, one after another."""
    members = len(share_MB)
    share_M1B1 = share_MB[:, None, :, None]
    torch.mul(slope_NBC.unflatten(0, (members, -1)), share_M1B1, out=out.unflatten(0, (members, -1)))
    return out


def weighted_mean(loss_MB: Tensor, share_MB: Tensor, out: Tensor | None = None) -> Tensor:
    """Return the mean over rows of each member, `[M]`; `share_MB` sums to 1 a member, 0 for padding."""
    return row_sum(loss_MB * share_MB, out)


def hits(outputs_MBC: Tensor, classes_MB: Tensor) -> Tensor:
    """Return which rows get their true class, bool `[M, B]`: the class of the greatest output, the first of equal ones.

    A single output stands for two classes, and is above 0 for the second one.

    >>> hits(torch.tensor([[[0.1, 0.3], [0.2, 0.2]]]), torch.tensor([[1, 1]]))
    tensor([[ True, False]])
    """
    if outputs_MBC.shape[2] == 1:
        return (outputs_MBC[..., 0] > 0) == classes_MB
    # `argmax` gives the same classes and takes 2 to 3 times as long where they are few.
    return outputs_MBC.max(2).indices == classes_MB


def note_hits(outputs_MBC: Tensor, classes_MB: Tensor, share_MB: Tensor, into_M: Tensor, do: Program) -> None:
    """Add the operations that write down which share of each member's rows gets its true class, as `hits` has it.

    They write to tensors that stay: about 15 us of a step of one network and 256 rows, on one core.
    """
    guess_MB, right_MB = torch.empty_like(classes_MB), torch.empty_like(classes_MB, dtype=torch.bool)
    share_right_MB = torch.empty_like(share_MB)
    if outputs_MBC.shape[2] == 1:
        do(torch.gt, outputs_MBC[..., 0], 0, out=guess_MB)
    else:
        do(torch.max, outputs_MBC, 2, out=(torch.empty_like(outputs_MBC[..., 0]), guess_MB))
    do(torch.eq, guess_MB, classes_MB, out=right_MB)
    do(torch.mul, right_MB, share_MB, out=share_right_MB)
    do(row_sum, share_right_MB, into_M)


def row_sum(value_MB: Tensor, out: Tensor | None = None) -> Tensor:
    """Sum over the rows of each member, with the same bits for any number of members.

    A single long row would be split among threads, and its sum would differ from that of the same row
    among others; so long rows are summed in lanes first.
    """
    members, rows = value_MB.shape
    if rows >= 1024 and not rows % LANES:
        value_MB = value_MB.view(members, rows // LANES, LANES).sum(1)
    return torch.sum(value_MB, 1, out=out)


def _over_outputs(loss_MBC: Tensor) -> Tensor:
    """Mean over outputs; a view where there is one."""
    return loss_MBC.squeeze(2) if loss_MBC.shape[2] == 1 else loss_MBC.mean(2)


def _mse(outputs: Tensor, target: Tensor, _: Tensor | None) -> tuple[Tensor, Slope]:
    error = outputs - target
    return _over_outputs(error.square()), lambda: error * (2 / error.shape[2])


def _l1(outputs: Tensor, target: Tensor, _: Tensor | None) -> tuple[Tensor, Slope]:
    error = outputs - target
    return _over_outputs(error.abs()), lambda: error.sign() / error.shape[2]


def _huber(delta: float) -> RowLoss:
    def of(outputs: Tensor, target: Tensor, _: Tensor | None) -> tuple[Tensor, Slope]:
        loss = F.huber_loss(outputs, target, reduction="none", delta=delta)
        return _over_outputs(loss), lambda: (outputs - target).clamp_(-delta, delta) / outputs.shape[2]

    return of


def _pinball(quantile: float) -> RowLoss:
    # Koenker & Bassett 1978: a truth above the prediction costs q, one below it 1 - q.
    def of(outputs: Tensor, target: Tensor, _: Tensor | None) -> tuple[Tensor, Slope]:
        above = target - outputs
        loss = torch.maximum(quantile * above, (quantile - 1) * above)
        # At the kink the mean of both sides, as autograd of torch.maximum.
        return _over_outputs(loss), lambda: (0.5 - quantile - above.sign() / 2) / above.shape[2]

    return of


def _cross_entropy(logits: Tensor, target_MB: Tensor, smoothing_M: Tensor | None) -> tuple[Tensor, Slope]:
    classes = logits.shape[2]
    log_p = F.log_softmax(logits, 2)
    index_MB1 = target_MB.unsqueeze(2)
    missed = -log_p.gather(2, index_MB1).squeeze(2)
    if smoothing_M is None:
        one = torch.ones_like(missed[:1, :1, None]).expand(*missed.shape, 1)
        return missed, lambda: log_p.exp().scatter_add_(2, index_MB1, -one)
    smoothing_M1 = smoothing_M[:, None]
    loss = missed * (1 - smoothing_M1) - log_p.mean(2) * smoothing_M1

    def slope() -> Tensor:
        true = (smoothing_M1 - 1).expand_as(missed).unsqueeze(2)
        return log_p.exp().sub_(smoothing_M[:, None, None] / classes).scatter_add_(2, index_MB1, true)

    return loss, slope


def _binary_cross_entropy(logits: Tensor, target: Tensor, smoothing_M: Tensor | None) -> tuple[Tensor, Slope]:
    # Classes 0 and 1 with one output, or shares in [0, 1] with one output each.
    truth = target if target.dim() == 3 else target[:, :, None].to(logits.dtype)
    if smoothing_M is not None:
        truth = truth * (1 - smoothing_M[:, None, None]) + smoothing_M[:, None, None] / 2
    loss = F.binary_cross_entropy_with_logits(logits, truth, reduction="none")
    return _over_outputs(loss), lambda: (torch.sigmoid(logits) - truth) / logits.shape[2]


def _kl(logits: Tensor, target: Tensor, _: Tensor | None) -> tuple[Tensor, Slope]:
    # Sum over outputs, as F.kl_div(reduction="batchmean").
    log_p = F.log_softmax(logits, 2)
    loss = F.kl_div(log_p, target, reduction="none").sum(2)
    return loss, lambda: log_p.exp() * target.sum(2, keepdim=True) - target


def _poisson(log_rate: Tensor, target: Tensor, _: Tensor | None) -> tuple[Tensor, Slope]:
    rate = log_rate.exp()
    return _over_outputs(rate - target * log_rate), lambda: (rate - target) / rate.shape[2]


_PLAIN: dict[str, RowLoss] = {
    "mse": _mse,
    "l1": _l1,
    "cross-entropy": _cross_entropy,
    "binary-cross-entropy": _binary_cross_entropy,
    "kl": _kl,
    "poisson": _poisson,
}
