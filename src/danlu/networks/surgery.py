"""What is changed inside a copy of a user's module: dropout by Danlu's masks, batch norm with weights of rows."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import Any, cast

import torch
from torch import Tensor, nn

from danlu.core.errors import PlanError


@dataclass
class Now:
    """What the changed layers read while a member's forward pass runs; set before it.

    Shape: share_B, weights of rows divided by their sum; rows, a number, how many rows have a weight above 0 (both
        None: all rows count alike); masks, one a call of dropout: 0, or what a kept value is multiplied by.
        even, whether the weights are known to be equal.
    """

    share_B: Tensor | None = None
    rows: Tensor | None = None
    masks: tuple[Tensor, ...] | None = None
    even: bool = False
    calls: list[tuple[int, float]] = field(default_factory=list)
    """Numbers of values, and own rate, of each call of dropout so far."""

    def begin(self, share_B: Tensor | None = None, rows: Tensor | None = None, **masks: Tensor) -> None:
        """Begin the pass of one member; masks are named by their places."""
        self.share_B, self.rows = share_B, rows
        self.masks = tuple(masks[name] for name in sorted(masks, key=lambda n: int(n[4:]))) or None
        self.calls.clear()


class MemberDropout(nn.Module):
    """`nn.Dropout` whose masks come from outside, the next one at each call."""

    def __init__(self, p: float, now: Now) -> None:
        super().__init__()
        self.p, self.now = p, now

    def forward(self, x: Tensor) -> Tensor:
        """Drop some values, and scale up the others; nothing without masks."""
        place = len(self.now.calls)
        self.now.calls.append((x.numel(), self.p))
        return x if self.now.masks is None else x * self.now.masks[place].view(x.shape)


class MemberBatchNorm(nn.Module):
    """`nn.BatchNorm1d`, `2d` or `3d` with weights of rows: those of weight 0 (padding) do not count.

    With fewer than two values, a member uses its running moments and leaves them alone, as in `layers.BatchNorm`.
    """

    def __init__(self, norm: nn.modules.batchnorm._BatchNorm, now: Now) -> None:
        super().__init__()
        self.eps, self.momentum, self.now = norm.eps, norm.momentum, now
        self.register_parameter("weight", norm.weight)
        self.register_parameter("bias", norm.bias)
        for name in ("running_mean", "running_var", "num_batches_tracked"):
            self.register_buffer(name, getattr(norm, name))
        self.running_mean: Tensor
        self.running_var: Tensor
        self.num_batches_tracked: Tensor

    def forward(self, x: Tensor) -> Tensor:
        """Normalise `[B, C]` or `[B, C, ...]` over all but C, and move the running moments."""
        if self.now.even and self.momentum is not None and x.numel() > x.shape[1]:
            # torch's own kernel, several times as fast: all rows count alike.
            self.num_batches_tracked = self.num_batches_tracked + 1
            moments = (self.running_mean, self.running_var)
            return nn.functional.batch_norm(x, *moments, self.weight, self.bias, True, self.momentum, self.eps)
        shape = [-1] + [1] * (x.ndim - 2)
        share = x.new_ones(len(x)) / len(x) if self.now.share_B is None else self.now.share_B
        rows = x.new_tensor(float(len(x))) if self.now.rows is None else self.now.rows
        count = rows * (x[0, 0].numel() if x.ndim > 2 else 1)
        enough = count >= 2
        mean = torch.where(enough, _weighted(x, share), self.running_mean)
        centred = x - mean.view(shape)
        variance = torch.where(enough, _weighted(centred.square(), share), self.running_var)
        self._move(mean.detach(), variance.detach() * count / (count - 1).clamp(min=1), enough)
        scale = (variance + self.eps).rsqrt()
        if self.weight is None:
            return centred * scale.view(shape)
        return centred * (scale * self.weight).view(shape) + cast(Tensor, self.bias).view(shape)

    def _move(self, mean_C: Tensor, unbiased_C: Tensor, enough: Tensor) -> None:
        """Move the running moments; without a momentum they are the means of all batches so far."""
        self.num_batches_tracked = self.num_batches_tracked + enough.long()
        count = self.num_batches_tracked.clamp(min=1).to(mean_C.dtype)
        part = torch.where(enough, 1 / count if self.momentum is None else self.momentum * torch.ones_like(count), 0.0)
        self.running_mean = torch.lerp(self.running_mean, mean_C, part)
        # Where there were too few rows, the part is 0.
        self.running_var = torch.lerp(self.running_var, unbiased_C, part)


def _weighted(x: Tensor, share_B: Tensor) -> Tensor:
    """Return the mean of each channel, `[C]`, rows counted by their shares."""
    return share_B @ (x if x.ndim == 2 else x.flatten(2).mean(2))


def alike(share_B: Tensor | None) -> bool:
    """Return whether all rows count alike; asked on a CPU only, where the answer costs no waiting."""
    return share_B is None or (share_B.device.type == "cpu" and bool(share_B.min() == share_B.max()))


NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


def operate(module: nn.Module, now: Now, name: str) -> nn.Module:
    """Return a copy of a module in training mode whose dropout and batch norm are Danlu's; names stay.

    Arguments:
        now: what they will read.
        name: of the module, for errors.

    Raises:
        PlanError: a layer of these kinds cannot be replaced.
    """
    whole = copy.deepcopy(module).train()
    replaced: dict[int, nn.Module] = {}
    for place, layer in whole.named_modules(remove_duplicate=False):
        if id(layer) not in replaced and (other := _replacement(layer, now, f"{name}.{place}".strip("."))) is not None:
            replaced[id(layer)] = other
    for parent in list(whole.modules()):
        for child_name, child in list(parent._modules.items()):
            if child is not None and id(child) in replaced:
                parent._modules[child_name] = replaced[id(child)]
    return replaced.get(id(whole), whole).train()


def _replacement(layer: nn.Module, now: Now, place: str) -> nn.Module | None:
    """Return what replaces a layer, or None. Classes that inherit from these may compute something else."""
    kind: type[Any] = type(layer)
    if kind is nn.Dropout:
        rate = cast(nn.Dropout, layer).p
        if rate >= 1:
            raise PlanError("nn.Dropout must keep some values", f"{place} has p={rate:g}", "Use p=0.5.")
        return MemberDropout(rate, now)
    if kind not in NORMS:
        return None
    norm = cast(nn.modules.batchnorm._BatchNorm, layer)
    if norm.running_mean is None:
        raise PlanError(
            "a prediction must not depend on the other rows of its batch",
            f"{place} has track_running_stats=False",
            "Leave track_running_stats out.",
        )
    return MemberBatchNorm(norm, now)
