"""Linear layers of all members: products in the weights' own type, or in bfloat16 with weights kept in float32."""

from __future__ import annotations

from math import gcd

import torch
from torch import Tensor

from danlu.networks.layer import Layer, Own, Shape

LOW = torch.bfloat16
NARROW = 16
"""Fewer outputs than this are computed as rows: MKL's products with few columns take up to 8 times as long."""


class Linear(Layer):
    """An affine layer, `x @ weight + bias`; weights are `[M, in, out]`.

    In bfloat16 the weights are rounded for the products, and sums are taken in float32; results and gradients by weight
    are rounded to bfloat16, because a CPU product cannot return anything else. A network's first layer then takes
    numbers in two parts, rounded and the rest (`split_numbers`): 8 bits would spoil a latitude.

    Arguments:
        split: how many of the first inputs come in two parts where products are in bfloat16.
        dropped: whether dropout comes right before it: what that keeps is scaled up here, on the weights, which are
            fewer than the values.
        side: which of two passing tensors takes the gradient by its inputs: neighbours, of which one reads the
            other's, differ.
    """

    def __init__(
        self,
        name: str,
        inputs: int,
        outputs: int,
        bias: bool = True,
        *,
        split: int = 0,
        dropped: bool = False,
        side: int = 0,
    ) -> None:
        self.name, self.inputs, self.outputs, self.bias = name, inputs, outputs, bias
        self.split, self.dropped, self.by_input = split, dropped, f"by_input {side}"
        self.narrow = outputs < NARROW
        weight = Shape("weight", (inputs, outputs), "weight", inputs)
        self.parameters = (weight, Shape("bias", (outputs,), "bias", inputs)) if bias else (weight,)

    def forward(self, x_MBF: Tensor, own: Own, /) -> Tensor:
        """Compute `[M, B, in] -> [M, B, out]`."""
        if self.narrow and not own.low:
            return self._narrow(x_MBF, own)
        x, weight = self._operands(x_MBF, own)
        out = own.space("out", (*x.shape[:2], self.outputs), x.dtype)
        if not self.bias:
            return own.do(torch.bmm, x, weight, out=out)
        bias = own.cast("bias", own.views[1], x.dtype)
        return own.do(torch.baddbmm, bias.unsqueeze(1), x, weight, out=out)

    def backward(self, grad_MBH: Tensor, own: Own, /) -> Tensor:
        """Fill the gradients by weight and bias, and return that by the input."""
        if self.narrow and not own.low:
            return self._narrow_backward(grad_MBH, own)
        x, weight = own.space.kept["operand"], own.space.kept["factor"]
        grad = own.cast("grad", grad_MBH, x.dtype, passing=True)
        rounded, into = x, own.gradients[0]
        if self.split and own.low:
            # Of inputs in two parts the rest is left out here: it is less than what rounds the gradient itself.
            rounded = own.space("rounded", (*x.shape[:2], self.inputs), x.dtype)
            own.do(rounded.copy_, x[..., : self.inputs])
        own.do(into.copy_, _by_weight(rounded, grad, own)[:, : self.inputs])
        self._rescale(into, own)
        if self.bias:
            by_bias = own.gradients[1] if not own.low else own.passing("by_bias", own.views[1].shape, grad.dtype)
            own.do(torch.sum, grad, 1, out=by_bias)
            if own.low:
                own.do(own.gradients[1].copy_, by_bias)
        if own.first:
            return grad
        width = max(2, self.inputs)
        by_input = own.passing(self.by_input, (*x.shape[:2], width), x.dtype)
        return own.do(torch.bmm, grad, weight[:, :width].transpose(1, 2), out=by_input)[..., : self.inputs]

    def _operands(self, x_MBF: Tensor, own: Own) -> tuple[Tensor, Tensor]:
        """Return input and weight as they are multiplied, and keep both for the way back."""
        weight, space = own.views[0], own.space
        if not own.low:
            x = self._widened(own.cast("x", x_MBF, weight.dtype), own)
            if self.inputs == 1:
                wider = space.aligned("weight", (len(weight), 2, self.outputs), x.dtype)
                own.do(wider[:, :1].copy_, weight)
                weight = wider
            weight = self._scaled(weight, own)
        else:
            x = own.cast("x", x_MBF, LOW)
            weight = self._scaled(weight, own)
            weight = self._twice(weight, own) if self.split else own.cast("weight", weight, LOW)
        space.kept["operand"], space.kept["factor"] = x, weight
        return x, weight

    def _scaled(self, weight: Tensor, own: Own) -> Tensor:
        """Return the weights scaled up by what dropout keeps, in their own type: mixed types take 5 times as long."""
        if not self.dropped or own.step.kept_M11 is None:
            return weight
        scaled = own.space.aligned("scaled", weight.shape, weight.dtype)
        return own.do(torch.mul, weight, own.step.kept_M11, out=scaled)

    def _twice(self, weight: Tensor, own: Own) -> Tensor:
        """Return the weights for inputs that come in two parts: behind them all, those of the numbers once more."""
        low = own.space("weight", (len(weight), self.inputs + self.split, self.outputs), LOW)
        own.do(low[:, : self.inputs].copy_, weight)
        own.do(low[:, self.inputs :].copy_, low[:, : self.split])
        return low

    def _widened(self, x: Tensor, own: Own) -> Tensor:
        """Give a single input column a second one of zeros: one column of one member would go to a kernel that rounds
        differently from the one for many members."""
        if self.inputs > 1:
            return x
        wider = own.space("two", (*x.shape[:2], 2), x.dtype)
        own.do(wider[..., :1].copy_, x)
        return wider

    def _rescale(self, by_weight: Tensor, own: Own) -> None:
        if self.dropped and own.step.kept_M11 is not None:
            own.do(by_weight.mul_, own.step.kept_M11)

    def _narrow(self, x_MBF: Tensor, own: Own) -> Tensor:
        """Compute the outputs as rows, `[M, out, B]`; one output as two, for the same reason as one input."""
        weight, space, do = own.views[0], own.space, own.do
        x = self._widened(own.cast("x", x_MBF, weight.dtype), own)
        members, _, width = x.shape
        # Zeros where new: a second row or column that is never written stays 0.
        turned = space.aligned("weight", (members, max(2, self.outputs), width), x.dtype)
        used = turned[:, : self.outputs, : self.inputs]
        do(used.copy_, weight.transpose(1, 2))
        if self.dropped and own.step.kept_M11 is not None:
            do(used.mul_, own.step.kept_M11)
        out = _few(turned, x.transpose(1, 2), "out", own)[:, : self.outputs]
        if self.bias:
            do(out.add_, own.views[1].unsqueeze(2))
        space.kept["operand"] = x
        return out.transpose(1, 2)

    def _narrow_backward(self, grad_MBH: Tensor, own: Own) -> Tensor:
        space, x, do = own.space, own.space.kept["operand"], own.do
        turned = space.kept["weight"]
        grad = space("grad", (len(x), turned.shape[1], x.shape[1]), x.dtype)
        do(grad[:, : self.outputs].copy_, grad_MBH.transpose(1, 2))
        into = own.gradients[0]
        by_weight = _by_weight(grad.transpose(1, 2), x, own)
        do(into.copy_, by_weight[:, : self.outputs, : self.inputs].transpose(1, 2))
        self._rescale(into, own)
        if self.bias:
            do(_sum_long, grad[:, : self.outputs], own.gradients[1])
        if own.first:
            return grad_MBH
        if self.outputs == 1:
            by_input = own.passing(self.by_input, (len(x), x.shape[1], self.inputs), x.dtype)
            return do(torch.mul, grad[:, :1].transpose(1, 2), turned[:, :1, : self.inputs], out=by_input)
        return _few(grad.transpose(1, 2), turned, self.by_input, own)[..., : self.inputs]


def split_numbers(x: Tensor, numbers: int) -> Tensor:
    """Return inputs in bfloat16, and behind them what rounding took from the first of them.

    Shape: [..., D] -> [..., D + numbers]. Together the two parts have 16 bits of the 24 of float32.

    >>> split_numbers(torch.tensor([[1.0039, 2.0]]), 1).tolist()
    [[1.0, 2.0, 0.00390625]]
    """
    rounded = x.to(LOW)
    return torch.cat([rounded, (x[..., :numbers] - rounded[..., :numbers]).to(LOW)], -1)


def _sum_long(values_MCB: Tensor, into_MC: Tensor) -> None:
    """Write the sum over the last axis: first in 32 lanes, because a single long row would be split among threads."""
    rows = values_MCB.shape[2]
    if rows < 1024 or rows % 32:
        torch.sum(values_MCB, 2, out=into_MC)
    else:
        torch.sum(values_MCB.unflatten(2, (rows // 32, 32)).sum(2), 2, out=into_MC)


def _alone(x: Tensor) -> bool:
    """Return whether MKL may split a product among threads, as it does for a single member only."""
    return len(x) == 1 and x.device.type == "cpu" and torch.get_num_threads() > 1


def _few(a: Tensor, b: Tensor, name: str, own: Own) -> Tensor:
    """Return the product of each member; a single member is computed twice where it would be split."""
    members = len(a)
    if _alone(a):
        a, b = a.expand(2, -1, -1), b.expand(2, -1, -1)
    out = own.space(name, (len(a), a.shape[1], b.shape[2]), a.dtype)
    return own.do(torch.bmm, a, b, out=out)[:members]


def _by_weight(x_MBI: Tensor, grad_MBO: Tensor, own: Own) -> Tensor:
    """Return `x.T @ grad` of each member, with the same bits for a member at any place in any population.

    Measured with torch 2.13 and MKL on 2 cores (AVX-512), 336 shapes: products forward, and gradients by input and by
    bias, have the same bits for 1, 2, 5 and 19 members. The gradient by weight has not where inputs x outputs is no
    multiple of 16 (the results of later members then lie across cache lines, and MKL peels its loops differently), and
    not for a single member with 2 threads and a width up to 10 (MKL splits the sum over rows). In those cases columns
    of zeros, or the member a second time, restore it.
    """
    members, inputs, outputs = len(x_MBI), x_MBI.shape[2], grad_MBO.shape[2]
    twice = min(inputs, outputs) <= 32 and _alone(x_MBI)
    more_inputs, more_outputs = -inputs % (16 // gcd(outputs, 16)), -outputs % (16 // gcd(inputs, 16))
    # On "meta" a pass is only laid out, to measure what it keeps.
    padded = x_MBI.device.type in ("cpu", "meta")
    if padded and more_inputs * outputs <= more_outputs * inputs:
        x_MBI = _padded(x_MBI, more_inputs, own)
    elif padded:
        grad_MBO = _padded(grad_MBO, more_outputs, own)
    if twice:
        x_MBI, grad_MBO = x_MBI.expand(2, -1, -1), grad_MBO.expand(2, -1, -1)
    out = own.passing("by_weight", (len(x_MBI), x_MBI.shape[2], grad_MBO.shape[2]), x_MBI.dtype)
    return own.do(torch.bmm, x_MBI.transpose(1, 2), grad_MBO, out=out)[:members, :inputs, :outputs]


def _padded(values: Tensor, more: int, own: Own) -> Tensor:
    """Return values with so many columns of zeros behind them."""
    if not more:
        return values
    wider = own.space("padded", (*values.shape[:2], values.shape[2] + more), values.dtype)
    own.do(wider[..., : values.shape[2]].copy_, values)
    return wider
