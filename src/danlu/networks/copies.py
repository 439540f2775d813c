"""Copies inside a member: networks that share all weights but a few, trained side by side and averaged.

BatchEnsemble (Wen, Tran & Ba 2020) in the form that tables ask for (TabM: Gorishniy, Kotelnikov & Babenko 2025): each
copy flips and shifts the units of the first layer in its own way and has an output of its own; everything between is
shared, so that every row teaches the shared weights once a copy. The published form scales the inputs; scaling the
first layer's units instead leaves its product, the widest one, at the price of one copy.

Rows are laid out copy by copy, `[M, k * B, H]`; outputs are `[M * k, B, C]` in training and the copies' mean
prediction, `[M, B, C]`, in evaluation.
"""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor

from danlu.networks.layer import Layer, Own, Shape
from danlu.networks.linear import Linear


class Copies(Layer):
    """Makes k copies of every row: `x * scale_k + bias_k`; scales start at 1 or -1."""

    def __init__(self, name: str, copies: int, width: int, inputs: int) -> None:
        self.name, self.copies, self.width = name, copies, width
        self.parameters = (
            Shape("scale", (copies, width), "sign"),
            Shape("bias", (copies, width), "bias", inputs),
        )

    def forward(self, x_MBF: Tensor, own: Own, /) -> Tensor:
        """Compute `[M, B, H] -> [M, k * B, H]`."""
        scale, bias = (own.cast(n, v, x_MBF.dtype) for n, v in zip(("scale", "bias"), own.views, strict=True))
        members, rows, width = x_MBF.shape
        out = own.space("out", (members, self.copies * rows, width), x_MBF.dtype)
        out_MKBH = out.view(members, self.copies, rows, width)
        own.space.kept["x"] = x_MBF
        own.do(torch.addcmul, bias.unsqueeze(2), x_MBF.unsqueeze(1), scale.unsqueeze(2), out=out_MKBH)
        return out

    def backward(self, grad_MBH: Tensor, own: Own, /) -> Tensor:
        """Add the copies' gradients up."""
        x, do = own.space.kept["x"], own.do
        members, rows, width = x.shape
        grad = own.cast("grad", grad_MBH, x.dtype).view(members, self.copies, rows, width)
        spare = own.passing("copies", grad.shape, x.dtype)
        do(torch.mul, grad, x.unsqueeze(1), out=spare)
        for values, into in ((spare, own.gradients[0]), (grad, own.gradients[1])):
            total = own.passing("total", into.shape, x.dtype) if into.dtype != x.dtype else into
            do(torch.sum, values, 2, out=total)
            if total is not into:
                do(into.copy_, total)
        scale = own.space.kept.get("scale", own.views[0])
        do(torch.mul, grad, scale.unsqueeze(2), out=spare)
        out = own.space("by_input", x.shape, x.dtype)
        return do(torch.sum, spare, 1, out=out)


class Heads(Layer):
    """The outputs of k copies, each with weights of its own; in evaluation the mean of what they predict.

    Arguments:
        link: what turns outputs into predictions; their mean is taken there, and turned back into outputs.
    """

    def __init__(self, name: str, copies: int, inputs: int, outputs: int, link: str, *, side: int = 0) -> None:
        self.name, self.copies, self.link = name, copies, link
        self.each = Linear(name, inputs, outputs, dropped=True, side=side)
        self.parameters = tuple(
            Shape(shape.name, (copies, *shape.shape), shape.role, inputs) for shape in self.each.parameters
        )

    def forward(self, x_MBF: Tensor, own: Own, /) -> Tensor:
        """Compute `[M, k * B, H] -> [M * k, B, C]`; in evaluation `[M, B, C]`."""
        members, rows, width = x_MBF.shape
        x = x_MBF.reshape(members * self.copies, rows // self.copies, width)
        if x.data_ptr() != x_MBF.data_ptr():  # never of our own layers, whose outputs are contiguous
            raise AssertionError("copies need rows that lie one behind the other")
        inner = own.made = self._each(own, members)
        outputs = self.each.forward(x, inner)
        if own.step.training:
            return outputs
        pooled = own.space("pooled", (members, rows // self.copies, outputs.shape[2]), outputs.dtype)

        def pool() -> None:
            pooled.copy_(pool_copies(outputs.unflatten(0, (members, self.copies)), self.link))

        own.do(pool)
        return pooled

    def backward(self, grad_MBH: Tensor, own: Own, /) -> Tensor:
        """Fill the gradients of each copy's weights."""
        inner = own.made
        assert isinstance(inner, Own)
        by_input = self.each.backward(grad_MBH, inner)
        for into, whole in zip(own.gradients, inner.gradients, strict=True):
            own.do(into.copy_, whole.view(into.shape))
        return by_input.unflatten(0, (-1, self.copies)).flatten(1, 2)

    def _each(self, own: Own, members: int) -> Own:
        """Return what the layer of one copy works on, members and copies as one axis."""
        count, kept = members * self.copies, own.step.kept_M11
        views, gradients = [], []
        for shape, view in zip(self.each.parameters, own.views, strict=True):
            whole = own.space(f"each {shape.name}", (count, *shape.shape), view.dtype)
            own.do(whole.view(view.shape).copy_, view)
            views.append(whole)
            gradients.append(own.space(f"by {shape.name}", whole.shape, whole.dtype))
        step = own.step
        if kept is not None:
            repeated = own.space("kept", (count, 1, 1), kept.dtype)
            own.do(repeated.view(members, self.copies, 1).copy_, kept)
            step = replace(step, kept_M11=repeated)
        return replace(own, views=views, gradients=gradients, step=step)


def pool_copies(outputs_MKBC: Tensor, link: str) -> Tensor:
    """Return the outputs `[M, B, C]` that predict what copies predict in the mean.

    >>> logits = torch.tensor([[[[0.0, 0.0]], [[0.0, 1.0986123]]]])  # probabilities 1/2, 1/2 and 1/4, 3/4
    >>> torch.softmax(pool_copies(logits, "softmax"), 2)
    tensor([[[0.3750, 0.6250]]])
    """
    if link == "identity":
        return outputs_MKBC.mean(1)
    many = outputs_MKBC.shape[1]
    if link == "softmax":
        return torch.log_softmax(outputs_MKBC, 3).logsumexp(1) - math.log(many)
    if link == "exp":
        return outputs_MKBC.logsumexp(1) - math.log(many)
    yes, no = torch.nn.functional.logsigmoid(outputs_MKBC), torch.nn.functional.logsigmoid(-outputs_MKBC)
    return yes.logsumexp(1) - no.logsumexp(1)
