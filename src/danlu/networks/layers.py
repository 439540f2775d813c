"""Layers between the products: normalisation, activations, dropout; each with both passes over all members."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor

from danlu.core.records import NetworkSpec
from danlu.networks.activations import ACTIVATIONS
from danlu.networks.copies import Copies, Heads
from danlu.networks.layer import Layer, Own, Program, Shape, bits
from danlu.networks.linear import Linear

_aten = torch.ops.aten
EPSILON = 1e-5
"""Added to variances by batch and layer norm, as in torch."""


class BatchNorm(Layer):
    """Batch norm with weighted moments: `BatchNorm1d` where all weights are equal; rows of weight 0 do not count.

    The step uses the biased variance, the running one is multiplied by n / (n - 1), n being the rows with a weight
    above 0. A member with fewer than two such rows uses its running moments and leaves them alone. Computed in the
    type of the weights, whatever the products' is.
    """

    def __init__(self, name: str, width: int, momentum: float) -> None:
        self.name, self.width, self.momentum = name, width, momentum
        self.parameters = (Shape("weight", (width,), "scale"), Shape("bias", (width,), "shift"))
        self.state = (Shape("running_mean", (width,), "mean"), Shape("running_var", (width,), "variance"))

    def forward(self, x_MBF: Tensor, own: Own, /) -> Tensor:
        """Normalise `[M, B, F]` over rows; when training, update the running moments in place."""
        (weight, bias), space, do = own.views, own.space, own.do
        centred = space("centred", x_MBF.shape, weight.dtype)
        do(centred.copy_, x_MBF)
        inverse = space("inverse", (len(weight), 1, self.width), weight.dtype)
        if own.step.training:
            self._centre(centred, inverse, own)
        else:
            mean, variance = (moment.unsqueeze(1) for moment in own.moments)
            do(centred.sub_, mean)
            do(torch.add, variance, EPSILON, out=inverse)
            do(inverse.rsqrt_)
        scale = space("scale", inverse.shape, weight.dtype)
        do(torch.mul, inverse, weight.unsqueeze(1), out=scale)
        # Rounded where products are: the layers that follow then have half the bytes to read.
        rounded = x_MBF.dtype != weight.dtype
        out = (own.passing if rounded else space)("spare", x_MBF.shape, weight.dtype)
        do(torch.addcmul, bias.unsqueeze(1), centred, scale, out=out)
        return own.cast("rounded", out, x_MBF.dtype)

    def _centre(self, centred: Tensor, inverse: Tensor, own: Own) -> None:
        """Subtract the mean, find 1 / deviation, and update the running moments."""
        space, do, step = own.space, own.do, own.step
        assert step.share_MB1 is not None
        assert step.enough_M11 is not None
        mean, variance = (space(name, inverse.shape, inverse.dtype) for name in ("mean", "variance"))
        spare = own.passing("spare", centred.shape, centred.dtype)
        running_mean, running_variance = (moment.unsqueeze(1) for moment in own.moments)
        _weighted_sum(centred, step.share_MB1, mean, spare, do)
        do(torch.where, step.enough_M11, mean, running_mean, out=mean)
        do(centred.sub_, mean)
        do(torch.mul, centred, centred, out=spare)
        _weighted_sum(spare, step.share_MB1, variance, spare, do)
        do(torch.where, step.enough_M11, variance, running_variance, out=variance)
        do(torch.add, variance, EPSILON, out=inverse)
        do(inverse.rsqrt_)
        # Where there are too few rows the moments are the running ones, and these moves lead nowhere.
        do(variance.mul_, step.unbiased_M11)
        do(running_mean.lerp_, mean, self.momentum)
        do(running_variance.lerp_, variance, self.momentum)

    def backward(self, grad_MBH: Tensor, own: Own, /) -> Tensor:
        """Return the gradient by the values before normalisation (Ioffe & Szegedy 2015, with weights of rows).

        With n the normalised value and s the row's share: scale * (g - s * (sum of g + n * sum of g n)).
        """
        space, do, centred = own.space, own.do, own.space.kept["centred"]
        assert own.step.moved_MB1 is not None
        inverse, scale = space.kept["inverse"], space.kept["scale"]
        grad, spare = (own.passing(name, centred.shape, centred.dtype) for name in ("moved", "spare"))
        by_scale, by_shift = (gradient.unsqueeze(1) for gradient in own.gradients)
        do(grad.copy_, grad_MBH)
        do(torch.mul, grad, centred, out=spare)
        do(torch.sum, spare, 1, keepdim=True, out=by_scale)
        do(by_scale.mul_, inverse)
        do(torch.sum, grad, 1, keepdim=True, out=by_shift)
        slope = space("slope", inverse.shape, inverse.dtype)
        do(torch.mul, by_scale, inverse, out=slope)
        do(torch.addcmul, by_shift, centred, slope, out=spare)
        do(grad.addcmul_, spare, own.step.moved_MB1, value=-1)
        return do(grad.mul_, scale)


def _weighted_sum(values: Tensor, share_MB1: Tensor, into: Tensor, spare: Tensor, do: Program) -> None:
    """Write the sum over rows, each times its share; `spare` may be the values themselves."""
    do(torch.mul, values, share_MB1, out=spare)
    do(torch.sum, spare, 1, keepdim=True, out=into)


class LayerNorm(Layer):
    """Layer norm over the units of a layer, with weight and bias: torch's `LayerNorm`, in the type of the weights."""

    def __init__(self, name: str, width: int) -> None:
        self.name, self.width = name, width
        self.parameters = (Shape("weight", (width,), "scale"), Shape("bias", (width,), "shift"))

    def forward(self, x_MBF: Tensor, own: Own, /) -> Tensor:
        """Normalise `[M, B, H]` over H."""
        (weight, bias), do = own.views, own.do
        x = own.cast("x", x_MBF, weight.dtype)
        out, normal = (own.space(name, x.shape, x.dtype) for name in ("out", "normal"))
        mean, inverse = (own.space(name, (*x.shape[:2], 1), x.dtype) for name in ("mean", "inverse"))
        own.space.kept["before"] = x
        width = (self.width,)
        do(_aten.native_layer_norm.out, x, width, None, None, EPSILON, out0=normal, out1=mean, out2=inverse)
        do(torch.addcmul, bias.unsqueeze(1), normal, weight.unsqueeze(1), out=out)
        return own.cast("rounded", out, x_MBF.dtype)

    def backward(self, grad_MBH: Tensor, own: Own, /) -> Tensor:
        """Return the gradient by the values before normalisation."""
        kept, space, do = own.space.kept, own.space, own.do
        normal = kept["normal"]
        grad, spare = (space(name, normal.shape, normal.dtype) for name in ("grad", "spare"))
        do(grad.copy_, grad_MBH)
        do(torch.sum, grad, 1, out=own.gradients[1])
        do(torch.mul, grad, normal, out=spare)
        do(torch.sum, spare, 1, out=own.gradients[0])
        do(grad.mul_, own.views[0].unsqueeze(1))

        def by_input(*args: object) -> Tensor:
            return _aten.native_layer_norm_backward(*args)[0]

        wanted = (True, False, False)
        moments = (kept["mean"], kept["inverse"], None, None, wanted)
        return own.store("by_input", grad, by_input, grad, kept["before"], (self.width,), *moments)


class Activate(Layer):
    """An activation by name; ReLU writes over its input.

    Odd widths are computed with one more column: two threads then share the values at a multiple of 32, and no value is
    computed by the tail of a vector loop, which rounds differently.
    """

    def __init__(self, name: str, activation: str, width: int) -> None:
        self.name, self.activation, self.width = name, activation, width
        self.padded = not ACTIVATIONS[activation].exact and width % 2 == 1

    def forward(self, x_MBF: Tensor, own: Own, /) -> Tensor:
        """Compute `[M, B, H] -> [M, B, H]`."""
        if self.activation == "relu":
            # Bfloat16 as integers: a fifth of the time. A NaN becomes 0 there, and shows in the gradient.
            own.do((bits(x_MBF) if x_MBF.dtype == torch.bfloat16 else x_MBF).clamp_min_, 0)
            own.space.kept["after"] = x_MBF
            return x_MBF
        x = self._even(x_MBF, "before", own)
        y = own.store("after", x, ACTIVATIONS[self.activation].function, x)
        return y[..., : self.width]

    def backward(self, grad_MBH: Tensor, own: Own, /) -> Tensor:
        """Return the gradient by the input; ReLU's at 0 is 0."""
        after = own.space.kept["after"]
        grad = own.cast("grad", grad_MBH, after.dtype)
        if self.activation == "relu" and after.dtype != torch.bfloat16:
            own.do(_aten.threshold_backward.grad_input, grad, after, 0, grad_input=grad)
            return grad
        if self.activation == "relu":
            # Integers of 1 where the unit is alive, else 0; times the bits of the gradient.
            alive = own.passing("alive", after.shape, bits(after).dtype)
            own.do(torch.clamp, bits(after), 0, 1, out=alive)
            own.do(bits(grad).mul_, alive)
            return grad
        grad = self._even(grad, "even", own)
        slope = ACTIVATIONS[self.activation].slope
        return own.store("by_input", grad, slope, grad, own.space.kept["before"], after)[..., : self.width]

    def _even(self, values: Tensor, name: str, own: Own) -> Tensor:
        """Return values with one more column where that is needed; kept by name."""
        if not self.padded:
            own.space.kept[name] = values
            return values
        wider = own.space(name, (*values.shape[:2], self.width + 1), values.dtype)
        own.do(wider[..., : self.width].copy_, values)
        return wider


class Dropout(Layer):
    """Dropout by hash, written over its input; nothing unless training with a `Drop`.

    What is kept is scaled up by the Linear behind it. Behind a ReLU that it writes over, the way back is the ReLU's
    alone: its gradient is 0 wherever its output is.

    Arguments:
        index: of its mask.
        behind_relu: whether the layer before it is a ReLU.
    """

    def __init__(self, name: str, index: int, width: int, behind_relu: bool = False) -> None:
        self.name, self.index, self.width, self.behind_relu = name, index, width, behind_relu

    def forward(self, x_MBF: Tensor, own: Own, /) -> Tensor:
        """Set some values of `[M, B, H]` to 0."""
        if not own.step.masks:
            return x_MBF
        x, mask = x_MBF, own.step.masks[self.index]
        own.made = self.behind_relu and x.is_contiguous()
        if not x.is_contiguous():
            x = own.space("x", x_MBF.shape, x_MBF.dtype)
            own.do(x.copy_, x_MBF)
        if x.element_size() != mask.element_size():
            wider = own.space("mask", mask.shape, bits(x).dtype)
            own.do(wider.copy_, mask)
            mask = wider
        own.space.kept["mask"] = mask
        own.do(bits(x).bitwise_and_, mask)
        return x

    def backward(self, grad_MBH: Tensor, own: Own, /) -> Tensor:
        """Let the gradient of dropped values be 0."""
        if not own.step.masks or own.made:
            return grad_MBH
        mask = own.space.kept["mask"]
        grad = own.cast("grad", grad_MBH, _FLOATS[mask.dtype])
        own.do(bits(grad).bitwise_and_, mask)
        return grad


_FLOATS = {torch.int16: torch.bfloat16, torch.int32: torch.float32, torch.int64: torch.float64}


def lay_layers(spec: NetworkSpec, width: int) -> list[Layer]:
    """List the layers of an architecture in the order of computation.

    Arguments:
        width: of the inputs, with embeddings.
    """
    layers: list[Layer] = []
    if spec.batch_norm_input:
        layers.append(BatchNorm("input.batch_norm", width, spec.batch_norm_momentum))
    bias = not spec.batch_norm_hidden or spec.init_bias != "default"
    copies = spec.copies if spec.hidden else 1
    for i, (inputs, outputs) in enumerate(pairwise((width, *spec.hidden))):
        split = 0 if i or spec.batch_norm_input else len(spec.layout.numbers)
        copied = copies > 1 and i == 0
        own_bias = bias and not copied
        layers.append(Linear(f"hidden.{i}", inputs, outputs, own_bias, split=split, dropped=i > 0, side=i % 2))
        if copied:
            layers.append(Copies(f"hidden.{i}.copies", copies, outputs, inputs))
        if spec.batch_norm_hidden:
            layers.append(BatchNorm(f"hidden.{i}.batch_norm", outputs, spec.batch_norm_momentum))
        if spec.layer_norm:
            layers.append(LayerNorm(f"hidden.{i}.layer_norm", outputs))
        layers.append(Activate(f"hidden.{i}.activation", spec.activation, outputs))
        layers.append(Dropout(f"hidden.{i}.dropout", i, outputs, spec.activation == "relu"))
    last, side = spec.hidden[-1] if spec.hidden else width, len(spec.hidden) % 2
    if copies > 1:
        return [*layers, Heads("output", copies, last, spec.outputs, spec.link, side=side)]
    layers.append(Linear("output", last, spec.outputs, dropped=bool(spec.hidden), side=side))
    return layers
