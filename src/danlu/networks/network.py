"""The network of a population: one flat leaf of weights for all members, and the layers that read it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Generator, Tensor

from danlu.core.records import NetworkSpec
from danlu.networks.dropout import Drop
from danlu.networks.initialise import draw
from danlu.networks.layers import Activate, BatchNorm, Dropout, Layer, LayerNorm, Linear, Own, Shape, Step, look_up
from danlu.networks.preparation import Prepared, prepared_width

Watch = Callable[[str, Tensor], None]


@dataclass(frozen=True)
class Slot:
    """One named tensor of each member: where it lies in the flat leaf, `[offset, offset + numel)`, and its shape.

    `penalised` is true of weights and embeddings, false of biases and norms: an L1 penalty takes the former only.
    """

    name: str
    shape: tuple[int, ...]
    offset: int
    penalised: bool
    stored: Shape

    @property
    def numel(self) -> int:
        """Return how many numbers one member has in this slot."""
        return math.prod(self.shape)


class Network:
    """A feed-forward network of M members at once.

    Per hidden layer: Linear, batch norm, layer norm, activation, dropout; then a last Linear. Embedded columns are
    looked up and set behind the prepared numbers; input batch norm applies to all of these. A Linear before batch norm
    has a bias only where `spec.init_bias` was given, because batch norm would take it away again.

    Arguments:
        spec: the architecture.

    >>> from danlu.core.records import FeatureLayout
    >>> network = Network(NetworkSpec(layout=FeatureLayout(numbers=("a", "b")), outputs=1, hidden=(8,)))
    >>> [(slot.name, slot.shape) for slot in network.parameters]
    [('hidden.0.weight', (2, 8)), ('hidden.0.bias', (8,)), ('output.weight', (8, 1)), ('output.bias', (1,))]
    >>> weights_MP, state_MS = network.initial([1, 2, 3])
    >>> weights_MP.shape
    torch.Size([3, 48])
    """

    def __init__(self, spec: NetworkSpec) -> None:
        self.spec = spec
        self.embedded = tuple(column for column in spec.layout.codes if column.width)
        self.tables = tuple(
            Shape(f"embedding.{column.name}.weight", (column.slots, column.width), "embedding")
            for column in self.embedded
        )
        self.input_width = prepared_width(spec.layout) + sum(column.width for column in self.embedded)
        self.layers: tuple[Layer, ...] = tuple(_build(spec, self.input_width))
        self.drops = len(spec.hidden)
        self.parameters = _lay_out(
            [(shape.name, shape) for shape in self.tables]
            + [(f"{layer.name}.{shape.name}", shape) for layer in self.layers for shape in layer.parameters]
        )
        self.state = _lay_out([(f"{layer.name}.{shape.name}", shape) for layer in self.layers for shape in layer.state])
        self.count = sum(slot.numel for slot in self.parameters)
        self.size = -(-self.count // 16) * 16
        self.state_size = sum(slot.numel for slot in self.state)

    def initial(
        self, keys: Sequence[int], dtype: torch.dtype = torch.float32, device: torch.device | str = "cpu"
    ) -> tuple[Tensor, Tensor]:
        """Draw the first weights of one member per key, and its running moments.

        Numbers are drawn on the CPU in float32, slot by slot, from a generator of the member's own, so a member starts
        the same in any population, in float64 and on a GPU.

        Arguments:
            keys: seed of each member's generator.
            dtype: type of the weights.
            device: where they lie.

        Returns:
            `weights_MP` (P padded with zeros to a multiple of 16) and `state_MS`.
        """
        weights_MP = torch.zeros(len(keys), self.size)
        for row_P, key in zip(weights_MP, keys, strict=True):
            generator = Generator().manual_seed(int(key))
            for slot in self.parameters:
                values = draw(slot.stored, self.spec.init, self.spec.init_bias, generator)
                row_P[slot.offset : slot.offset + slot.numel] = values.reshape(-1)
        state_S = [draw(slot.stored, self.spec.init, self.spec.init_bias, Generator()) for slot in self.state]
        start_S = torch.cat(state_S) if state_S else torch.zeros(0)
        return weights_MP.to(device, dtype), start_S.to(device, dtype).repeat(len(keys), 1)

    def named(self, weights_MP: Tensor) -> dict[str, Tensor]:
        """Return views of the flat leaf by name, `[M, ...]`; a Linear's weight is `[M, in, out]`."""
        return dict(zip((slot.name for slot in self.parameters), _views(weights_MP, self.parameters), strict=True))

    def named_state(self, state_MS: Tensor) -> dict[str, Tensor]:
        """Return views of the running moments by name, `[M, width]`."""
        return dict(zip((slot.name for slot in self.state), _views(state_MS, self.state), strict=True))

    def __call__(
        self,
        weights_MP: Tensor,
        state_MS: Tensor,
        prepared: Prepared,
        *,
        training: bool,
        weight_MB: Tensor | None = None,
        drop: Drop | None = None,
        watch: Watch | None = None,
    ) -> Tensor:
        """Compute the outputs of all members, before link and unscaling, `[M, B, C]`.

        Arguments:
            weights_MP: the flat leaf.
            state_MS: running moments; updated in place when training.
            prepared: inputs of each member, `[M, B, D]`, and the slots of embedded columns, `[M, B, E]`.
            training: whether batch norm uses and records the moments of the batch, and dropout acts.
            weight_MB: weights of rows for batch norm; None: all ones. Rows of weight 0 do not count.
            drop: where dropout takes its masks from; None: no dropout.
            watch: called with the name and the output of each layer, in order.
        """
        views = _views(weights_MP, self.parameters)
        moments = _views(state_MS, self.state)
        x = self._inputs(views, prepared)
        step = self._step(training, weight_MB, drop)
        used, kept = len(self.tables), 0
        for layer in self.layers:
            until, last = used + len(layer.parameters), kept + len(layer.state)
            x = layer(x, Own(views[used:until], moments[kept:last], step))
            used, kept = until, last
            if watch is not None:
                watch(layer.name, x)
        return x

    def _inputs(self, views: Sequence[Tensor], prepared: Prepared) -> Tensor:
        if not self.tables:
            return prepared.x_KBD
        looked_up = [look_up(views[i], prepared.slots_KBE[..., i]) for i in range(len(self.tables))]
        return torch.cat([prepared.x_KBD, *looked_up], 2)

    def _step(self, training: bool, weight_MB: Tensor | None, drop: Drop | None) -> Step:
        if not training:
            return Step(training=False)
        rows, share = None, None
        if weight_MB is not None and self.state:
            rows = (weight_MB > 0).sum(1, keepdim=True).to(weight_MB.dtype)
            total = weight_MB.sum(1, keepdim=True).clamp(min=torch.finfo(weight_MB.dtype).tiny)
            share = (weight_MB / total).unsqueeze(2)
        if drop is None or not self.drops:
            return Step(training, rows, share)
        return Step(training, rows, share, drop.seeds(self.drops), drop.dropped())


def _build(spec: NetworkSpec, width: int) -> list[Layer]:
    """List the layers of an architecture in the order of computation."""
    layers: list[Layer] = []
    if spec.batch_norm_input:
        layers.append(BatchNorm("input.batch_norm", width, spec.batch_norm_momentum))
    bias = not spec.batch_norm_hidden or spec.init_bias != "default"
    for i, (inputs, outputs) in enumerate(pairwise((width, *spec.hidden))):
        layers.append(Linear(f"hidden.{i}", inputs, outputs, bias))
        if spec.batch_norm_hidden:
            layers.append(BatchNorm(f"hidden.{i}.batch_norm", outputs, spec.batch_norm_momentum))
        if spec.layer_norm:
            layers.append(LayerNorm(f"hidden.{i}.layer_norm", outputs))
        layers += [Activate(f"hidden.{i}.activation", spec.activation, outputs), Dropout(f"hidden.{i}.dropout", i)]
    layers.append(Linear("output", spec.hidden[-1] if spec.hidden else width, spec.outputs))
    return layers


def _lay_out(named: Sequence[tuple[str, Shape]]) -> tuple[Slot, ...]:
    """Give each stored tensor its place, one behind the other."""
    slots: list[Slot] = []
    offset = 0
    for name, shape in named:
        slots.append(Slot(name, shape.shape, offset, shape.role in ("weight", "embedding"), shape))
        offset += slots[-1].numel
    return tuple(slots)


def _views(flat_MP: Tensor, slots: Sequence[Slot]) -> list[Tensor]:
    """Split the flat leaf once, and view each part in its shape: backward is then one concatenation."""
    sizes = [slot.numel for slot in slots]
    rest = flat_MP.shape[1] - sum(sizes)
    parts = flat_MP.split([*sizes, rest], 1)
    return [part.unflatten(1, slot.shape) for part, slot in zip(parts, slots, strict=False)]
