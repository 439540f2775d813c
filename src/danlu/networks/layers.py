"""Member-first layers: each declares what it stores, and computes from views of the flat leaf for all members at once.

Weights of a Linear are `[M, in, out]`. A layer holds no tensors: what it computes with comes as `Own`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from math import gcd
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from danlu.networks.activations import ACTIVATIONS
from danlu.networks.dropout import drop_values

Role = Literal["weight", "bias", "scale", "shift", "embedding", "mean", "variance"]

EPSILON = 1e-5
"""Added to variances by batch and layer norm, as in torch."""


@dataclass(frozen=True)
class Shape:
    """A tensor that a layer stores for each member: its last name, its shape, and how it starts."""

    name: str
    shape: tuple[int, ...]
    role: Role
    fan_in: int = 1


@dataclass(frozen=True)
class Step:
    """What one forward pass has besides values.

    `share_MB1` are the weights of rows divided by their sum (None: all rows alike), `rows_M1` how many rows
    have a weight above 0, `seeds_LM2` and `dropped_M` dropout's (None: no dropout).
    """

    training: bool
    rows_M1: Tensor | None = None
    share_MB1: Tensor | None = None
    seeds_LM2: Tensor | None = None
    dropped_M: Tensor | None = None


class Own(NamedTuple):
    """What one layer computes with: its slots of `weights_MP`, its slots of `state_MS`, and the step."""

    views: Sequence[Tensor]
    moments: Sequence[Tensor]
    step: Step


class Layer(ABC):
    """One layer: `name` as in the list of parameters, what it stores, and its forward computation."""

    name: str
    parameters: tuple[Shape, ...] = ()
    state: tuple[Shape, ...] = ()

    @abstractmethod
    def __call__(self, x_MBF: Tensor, own: Own, /) -> Tensor:
        """Compute the layer's output `[M, B, H]` for all members."""


class _AlignedProduct(torch.autograd.Function):
    """`x @ weight + bias` whose gradient by `weight` has the same bits for a member at any place in any population."""

    @staticmethod
    def forward(ctx: Any, x_MBI: Tensor, weight_MIO: Tensor, bias_MO: Tensor | None) -> Tensor:
        """Compute the product."""
        ctx.save_for_backward(x_MBI, weight_MIO)
        return _product(x_MBI, weight_MIO, bias_MO)

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> tuple[Tensor | None, Tensor, Tensor | None]:
        """Return the gradients by input, weight and bias."""
        grad_MBO: Tensor = grad_outputs[0]
        x, weight = ctx.saved_tensors
        by_input = torch.bmm(grad_MBO, weight.transpose(1, 2)) if ctx.needs_input_grad[0] else None
        by_bias = grad_MBO.sum(1) if ctx.needs_input_grad[2] else None
        members, inputs, outputs = weight.shape
        more_inputs, more_outputs = -inputs % (16 // gcd(outputs, 16)), -outputs % (16 // gcd(inputs, 16))
        if more_inputs * outputs <= more_outputs * inputs:
            x = F.pad(x, (0, more_inputs))
        else:
            grad_MBO = F.pad(grad_MBO, (0, more_outputs))
        if members == 1:
            x, grad_MBO = x.expand(2, -1, -1), grad_MBO.expand(2, -1, -1)
        return by_input, torch.bmm(x.transpose(1, 2), grad_MBO)[:members, :inputs, :outputs], by_bias


def _product(x_MBI: Tensor, weight_MIO: Tensor, bias_MO: Tensor | None) -> Tensor:
    if bias_MO is None:
        return torch.bmm(x_MBI, weight_MIO)
    return torch.baddbmm(bias_MO.unsqueeze(1), x_MBI, weight_MIO)


def product(x_MBI: Tensor, weight_MIO: Tensor, bias_MO: Tensor | None) -> Tensor:
    """Return `x @ weight + bias` for all members, `[M, B, O]`.

    Measured with torch 2.13 and MKL on 2 cores (AVX-512), 336 shapes: the forward product, and the gradients by input
    and by bias, have the same bits for 1, 2, 5 and 19 members. The gradient by weight has not where inputs x outputs is
    no multiple of 16 (the results of later members then lie across cache lines, and MKL peels its loops differently),
    and not for a single member with 2 threads and a width up to 10 (MKL splits the sum over rows). In those cases
    columns of zeros, or the member a second time, restore it.
    """
    members, inputs, outputs = weight_MIO.shape
    split = members == 1 and min(inputs, outputs) <= 32 and torch.get_num_threads() > 1
    if x_MBI.device.type == "cpu" and torch.is_grad_enabled() and (split or inputs * outputs % 16):
        return _AlignedProduct.apply(x_MBI, weight_MIO, bias_MO)
    return _product(x_MBI, weight_MIO, bias_MO)


class Linear(Layer):
    """An affine layer, `x @ weight + bias`.

    A width of one is computed as two, the second filled with zeros: for a single member, one column would go to a
    matrix-vector kernel that rounds differently from the one for many members.
    """

    def __init__(self, name: str, inputs: int, outputs: int, bias: bool = True) -> None:
        self.name, self.inputs, self.outputs, self.bias = name, inputs, outputs, bias
        weight = Shape("weight", (inputs, outputs), "weight", inputs)
        self.parameters = (weight, Shape("bias", (outputs,), "bias", inputs)) if bias else (weight,)

    def __call__(self, x_MBF: Tensor, own: Own, /) -> Tensor:
        """Compute `[M, B, in] -> [M, B, out]`."""
        weight = own.views[0]
        narrow, thin = int(self.outputs == 1), int(self.inputs == 1)
        bias = own.views[1] if self.bias else None
        if narrow or thin:
            weight = F.pad(weight, (0, narrow, 0, thin))
            x_MBF = F.pad(x_MBF, (0, thin)) if thin else x_MBF
            bias = F.pad(bias, (0, 1)) if narrow and bias is not None else bias
        out = product(x_MBF, weight, bias)
        return out[..., :1] if narrow else out


class BatchNorm(Layer):
    """Batch norm with weighted moments: `BatchNorm1d` where all weights are equal; rows of weight 0 do not count.

    The step uses the biased variance, the running one is multiplied by n / (n - 1), n being the rows with a weight
    above 0. A member with fewer than two such rows uses its running moments and leaves them alone.
    """

    def __init__(self, name: str, width: int, momentum: float) -> None:
        self.name, self.width, self.momentum = name, width, momentum
        self.parameters = (Shape("weight", (width,), "scale"), Shape("bias", (width,), "shift"))
        self.state = (Shape("running_mean", (width,), "mean"), Shape("running_var", (width,), "variance"))

    def __call__(self, x_MBF: Tensor, own: Own, /) -> Tensor:
        """Normalise `[M, B, F]` over rows; when training, update the running moments in place."""
        mean, variance = (moment.unsqueeze(1) for moment in own.moments)
        if own.step.training:
            mean, variance = self._batch_moments(x_MBF, mean, variance, own.step)
        scale = own.views[0].unsqueeze(1) / torch.sqrt(variance + EPSILON)
        return (x_MBF - mean) * scale + own.views[1].unsqueeze(1)

    def _batch_moments(
        self, x_MBF: Tensor, running_mean_M1F: Tensor, running_variance_M1F: Tensor, step: Step
    ) -> tuple[Tensor, Tensor]:
        rows = float(x_MBF.shape[1])
        if step.share_MB1 is not None:
            return self._weighted_moments(x_MBF, running_mean_M1F, running_variance_M1F, step)
        if rows < 2:
            return running_mean_M1F, running_variance_M1F
        mean = x_MBF.mean(1, keepdim=True)
        variance = (x_MBF - mean).square().mean(1, keepdim=True)
        with torch.no_grad():
            running_mean_M1F += self.momentum * (mean - running_mean_M1F)
            running_variance_M1F += self.momentum * (variance * (rows / (rows - 1)) - running_variance_M1F)
        return mean, variance

    def _weighted_moments(
        self, x_MBF: Tensor, running_mean_M1F: Tensor, running_variance_M1F: Tensor, step: Step
    ) -> tuple[Tensor, Tensor]:
        assert step.rows_M1 is not None
        assert step.share_MB1 is not None
        rows = step.rows_M1.unsqueeze(2)
        enough = rows >= 2
        mean = (x_MBF * step.share_MB1).sum(1, keepdim=True)
        variance = ((x_MBF - mean).square() * step.share_MB1).sum(1, keepdim=True)
        # Copies, because the running moments change below, before backward reads them.
        mean = torch.where(enough, mean, running_mean_M1F)
        variance = torch.where(enough, variance, running_variance_M1F)
        with torch.no_grad():
            momentum = enough.to(mean.dtype) * self.momentum
            unbiased = variance * (rows / (rows - 1).clamp(min=1))
            running_mean_M1F += momentum * (mean - running_mean_M1F)
            running_variance_M1F += momentum * (unbiased - running_variance_M1F)
        return mean, variance


class LayerNorm(Layer):
    """Layer norm over the units of a layer, with weight and bias: torch's `LayerNorm`."""

    def __init__(self, name: str, width: int) -> None:
        self.name, self.width = name, width
        self.parameters = (Shape("weight", (width,), "scale"), Shape("bias", (width,), "shift"))

    def __call__(self, x_MBF: Tensor, own: Own, /) -> Tensor:
        """Normalise `[M, B, H]` over H."""
        return F.layer_norm(x_MBF, (self.width,), eps=EPSILON) * own.views[0].unsqueeze(1) + own.views[1].unsqueeze(1)


class Activate(Layer):
    """An activation by name.

    Odd widths are computed with one more column: two threads then share the values at a multiple of 32, and no value is
    computed by the tail of a vector loop, which rounds differently.
    """

    def __init__(self, name: str, activation: str, width: int) -> None:
        self.name, self.activation, self.width = name, activation, width

    def __call__(self, x_MBF: Tensor, _own: Own, /) -> Tensor:
        """Compute `[M, B, H] -> [M, B, H]`."""
        chosen = ACTIVATIONS[self.activation]
        if chosen.exact or self.width % 2 == 0:
            return chosen.function(x_MBF)
        return chosen.function(F.pad(x_MBF, (0, 1)))[..., :-1]


class Dropout(Layer):
    """Dropout by hash; nothing unless training with a `Drop`."""

    def __init__(self, name: str, index: int) -> None:
        self.name, self.index = name, index

    def __call__(self, x_MBF: Tensor, own: Own, /) -> Tensor:
        """Drop values of `[M, B, H]`."""
        if own.step.seeds_LM2 is None or own.step.dropped_M is None:
            return x_MBF
        return drop_values(x_MBF, own.step.seeds_LM2[self.index], own.step.dropped_M)


def look_up(table_MSW: Tensor, slots_MB: Tensor) -> Tensor:
    """Return each row's embedding, `[M, B, W]`, from a table of S slots a member.

    On a CPU by gathering (its backward adds rows in their order); elsewhere, where that would be an atomic scatter of
    unknown order, as the product of one-hot rows and the table.
    """
    if table_MSW.device.type == "cpu":
        return table_MSW.gather(1, slots_MB.unsqueeze(2).expand(-1, -1, table_MSW.shape[2]))
    one_hot = slots_MB.unsqueeze(2) == torch.arange(table_MSW.shape[1], device=table_MSW.device)
    return torch.bmm(one_hot.to(table_MSW.dtype), table_MSW)
