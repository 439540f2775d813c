"""Convolutional networks as plain `torch.nn` modules: exactly the layers that were asked for, or a small residual one.

Images come flat, one channel behind the other, as the matrix of pixels holds them.
"""

from __future__ import annotations

import copy
from functools import partial

import torch
from torch import Tensor, nn

from danlu.core.errors import PlanError
from danlu.core.records import ConvSpec, NetworkSpec
from danlu.networks.activations import ACTIVATIONS
from danlu.networks.custom import Custom


class Block(nn.Module):
    """Two convolutions beside a shortcut (He et al. 2016, "Deep residual learning"), at one size and width."""

    def __init__(self, channels: int, kernel: int, activation: str) -> None:
        super().__init__()
        self.first = _conv(channels, channels, kernel, "same", bias=False)
        self.first_norm = nn.BatchNorm2d(channels)
        self.second = _conv(channels, channels, kernel, "same", bias=False)
        self.second_norm = nn.BatchNorm2d(channels)
        self.activation = ACTIVATIONS[activation].module()

    def forward(self, x: Tensor) -> Tensor:
        """Compute `[B, K, H, W] -> [B, K, H, W]`."""
        inner = self.activation(self.first_norm(self.first(x)))
        return self.activation(x + self.second_norm(self.second(inner)))


class Flat(nn.Module):
    """All values of an image in one row; in the order of channels, whatever the memory's is."""

    def forward(self, x: Tensor) -> Tensor:
        """Compute `[B, K, H, W] -> [B, K * H * W]`."""
        return x.flatten(1)


class ConvNet(nn.Module):
    """A convolutional network on flat images `[B, K * H * W]`; outputs `[B, C]`.

    Layers lie in `features` and `head`, by torch's own names and shapes.

    Arguments:
        image: channels, height and width.
        conv: the convolutions.
        hidden: widths of linear layers behind them.
        outputs: C.
        activation: after each convolution and hidden layer.
        dropout: after each hidden layer, or where there is none before the last layer.

    >>> net = ConvNet((1, 32, 32), ConvSpec(channels=(6, 16), padding=0), (512, 64), 2)
    >>> sum(p.numel() for p in net.parameters()), net.width
    (6456942, 12544)
    """

    def __init__(
        self,
        image: tuple[int, int, int],
        conv: ConvSpec,
        hidden: tuple[int, ...],
        outputs: int,
        activation: str = "relu",
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.image, self.at_once = image, False
        self.features = nn.Sequential(*(_residual if conv.residual else _plain)(image[0], conv, activation))
        self.width = self._width(conv)
        layers: list[nn.Module] = []
        inputs = self.width
        for outs in hidden:
            layers += [nn.Linear(inputs, outs), ACTIVATIONS[activation].module()]
            layers += [nn.Dropout(dropout)] if dropout else []
            inputs = outs
        layers += [nn.Dropout(dropout)] if dropout and not hidden else []
        self.head = nn.Sequential(*layers, nn.Linear(inputs, outputs))

    def _width(self, conv: ConvSpec) -> int:
        """Return how many values an image has behind the convolutions.

        Raises:
            PlanError: the image is too small for them.
        """
        try:
            with torch.no_grad():
                shape = copy.deepcopy(self.features).eval().to("meta")(torch.zeros(1, *self.image, device="meta")).shape
        except RuntimeError:
            shape = torch.Size((1, 0))
        if not shape[1]:
            size = f"{self.image[1]} x {self.image[2]}"
            raise PlanError(
                "images must be large enough for the convolutions",
                f"{size} pixels end before convolution {len(conv.channels)}",
                "Use fewer of them, --padding same, or --pool none.",
            )
        return shape[1]

    def forward(self, x: Tensor) -> Tensor:
        """Compute `[B, K * H * W] -> [B, C]`."""
        images = x.unflatten(1, self.image)
        if not self.at_once:  # several members are one grouped convolution, which has no such layout
            images = images.contiguous(memory_format=torch.channels_last)
        return self.head(self.features(images))


def _conv(inputs: int, outputs: int, kernel: int, padding: int | str, *, bias: bool) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, kernel, padding=padding, bias=bias)


def _pool(kind: str) -> list[nn.Module]:
    return [] if kind == "none" else [nn.MaxPool2d(2) if kind == "max" else nn.AvgPool2d(2)]


def _plain(channels: int, conv: ConvSpec, activation: str) -> list[nn.Module]:
    """Return what was asked for: convolution, batch norm where wanted, activation, pooling where wanted; again."""
    layers: list[nn.Module] = []
    for outputs in conv.channels:
        layers.append(_conv(channels, outputs, conv.kernel, conv.padding, bias=not conv.batch_norm))
        layers += [nn.BatchNorm2d(outputs)] if conv.batch_norm else []
        layers += [ACTIVATIONS[activation].module(), *_pool(conv.pool)]
        channels = outputs
    return [*layers, Flat()]


def _residual(channels: int, conv: ConvSpec, activation: str) -> list[nn.Module]:
    """Return a small residual network: a stem, then for each width a pooled convolution and a block, then the greatest
    value of each channel."""
    first, *wider = conv.channels
    layers: list[nn.Module] = [_conv(channels, first, conv.kernel, "same", bias=False), nn.BatchNorm2d(first)]
    layers.append(ACTIVATIONS[activation].module())
    for inputs, outputs in zip(conv.channels, wider, strict=False):
        layers += [_conv(inputs, outputs, conv.kernel, "same", bias=False), *_pool(conv.pool)]
        layers += [nn.BatchNorm2d(outputs), ACTIVATIONS[activation].module(), Block(outputs, conv.kernel, activation)]
    return [*layers, nn.AdaptiveMaxPool2d(1), Flat()]


def conv_class(spec: NetworkSpec) -> Custom:
    """Return what makes the networks of an architecture with convolutions."""
    assert spec.conv is not None
    assert spec.layout.image is not None
    made = partial(ConvNet, spec.layout.image, spec.conv, spec.hidden, activation=spec.activation, dropout=spec.dropout)
    return Custom("cnn", lambda inputs, outputs: made(outputs))  # noqa: ARG005  the image says how many inputs
