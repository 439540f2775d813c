"""The network of a population: one flat leaf of weights for all members, and the layers that read it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Generator, Tensor

from danlu.core.records import NetworkSpec
from danlu.networks.dropout import keep_masks
from danlu.networks.initialise import draw
from danlu.networks.inputs import Inputs
from danlu.networks.layer import Layer, Own, Program, Shape, Space, Step
from danlu.networks.layers import lay_layers
from danlu.networks.linear import NARROW, Linear
from danlu.networks.preparation import Prepared, prepared_width

Watch = Callable[[str, Tensor], None]
EVALUATION = Step(training=False)


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
        layers: other layers than those the architecture lists.

    >>> from danlu.core.records import FeatureLayout
    >>> network = Network(NetworkSpec(layout=FeatureLayout(numbers=("a", "b")), outputs=1, hidden=(8,)))
    >>> [(slot.name, slot.shape) for slot in network.parameters]
    [('hidden.0.weight', (2, 8)), ('hidden.0.bias', (8,)), ('output.weight', (8, 1)), ('output.bias', (1,))]
    >>> weights_MP, state_MS = network.initial([1, 2, 3])
    >>> weights_MP.shape
    torch.Size([3, 48])
    """

    def __init__(self, spec: NetworkSpec, layers: Sequence[Layer] | None = None) -> None:
        self.spec = spec
        self.embedded = tuple(column for column in spec.layout.codes if column.width)
        tables = [(f"embedding.{column.name}.weight", (column.slots, column.width)) for column in self.embedded]
        self.tables = tuple(Shape(name, shape, "embedding") for name, shape in tables)
        self.inputs = Inputs(spec.layout, self.tables, prepared_width(spec.layout))
        self.input_width = self.inputs.width
        self.copies = spec.copies if spec.hidden else 1
        self.layers = tuple(lay_layers(spec, self.input_width) if layers is None else layers)
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

    @property
    def widest(self) -> int:
        """Values of a row in the widest layer."""
        return max(self.input_width, self.spec.outputs, *self.spec.hidden, 1)

    def named(self, weights_MP: Tensor) -> dict[str, Tensor]:
        """Return views of the flat leaf by name, `[M, ...]`; a Linear's weight is `[M, in, out]`."""
        return dict(zip((slot.name for slot in self.parameters), _views(weights_MP, self.parameters), strict=True))

    def named_state(self, state_MS: Tensor) -> dict[str, Tensor]:
        """Return views of the running moments by name, `[M, width]`."""
        return dict(zip((slot.name for slot in self.state), _views(state_MS, self.state), strict=True))

    def bind(self, weights_MP: Tensor, state_MS: Tensor, *, gradient: bool = False, low: bool = False) -> Pass:
        """Return the passes over the tensors of some members."""
        return Pass(self, weights_MP, state_MS, gradient=gradient, low=low)

    def __call__(self, weights_MP: Tensor, state_MS: Tensor, prepared: Prepared) -> Tensor:
        """Compute the outputs of all members in evaluation mode, before link and unscaling, `[M, B, C]`."""
        return self.bind(weights_MP, state_MS).forward(prepared)


class Pass:
    """A network bound to the tensors of some members: forward passes, and with a gradient also backward ones.

    What a pass computes with is kept for the next one, so a step allocates next to nothing. Outputs and gradients are
    written over by the next pass.

    Arguments:
        network: the architecture.
        weights_MP: the flat leaf; read at every pass.
        state_MS: running moments; updated in place when training.
        gradient: whether there will be backward passes; they fill `gradient_MP`.
        low: whether hidden layers' products are in bfloat16: all but those of the last layer, of narrow layers, and of
            a first layer behind batch norm.

    >>> from danlu.core.records import FeatureLayout
    >>> network = Network(NetworkSpec(layout=FeatureLayout(numbers=("a", "b")), outputs=1, hidden=(8,)))
    >>> weights_MP, state_MS = network.initial([1, 2, 3])
    >>> training = Pass(network, weights_MP, state_MS, gradient=True)
    >>> outputs = training.forward(Prepared(torch.ones(3, 32, 2), torch.zeros(3, 32, 0)), Step(training=True))
    >>> training.backward(torch.ones_like(outputs)).shape
    torch.Size([3, 48])
    """

    def __init__(
        self, network: Network, weights_MP: Tensor, state_MS: Tensor, *, gradient: bool = False, low: bool = False
    ) -> None:
        self.network, self.low = network, low
        self.weights_MP, self.state_MS = weights_MP, state_MS
        # Not zeros_like: on the device "meta" that makes torch import 0.25 s of modules.
        self.gradient_MP = weights_MP.new_zeros((weights_MP if gradient else weights_MP[:, :0]).shape)
        self.spaces = [Space(weights_MP.device) for _ in range(len(network.layers) + 2)]
        self.views, self.moments = _views(weights_MP, network.parameters), _views(state_MS, network.state)
        self.gradients = _views(self.gradient_MP, network.parameters) if gradient else []
        self.owns: list[Own] = []

    def forward(
        self, prepared: Prepared, step: Step = EVALUATION, do: Program | None = None, watch: Watch | None = None
    ) -> Tensor:
        """Compute the outputs of all members, before link and unscaling, `[M, B, C]`.

        Arguments:
            prepared: inputs of each member, `[M, B, D]`, and the slots of embedded columns, `[M, B, E]`; inputs as
                `split_numbers` gives them where the first layer's products are in bfloat16.
            step: shares of rows and dropout; by default evaluation, which has neither.
            do: records the operations, to be run again on the same tensors.
            watch: called with the name and the output of each layer, in order, before the next one overwrites it.
        """
        network, tables = self.network, len(self.network.tables)
        do = do or Program(record=False)
        *spaces, outer, scratch = self.spaces
        own = Own(self.views[:tables], (), self.gradients[:tables], outer, scratch, do, step)
        own.step = step = _with_moments(self._with_masks(step, prepared.x_KBD.shape[1], own), own)
        x = network.inputs.forward(*prepared, own)
        self.owns = []
        used, kept = tables, 0
        for i, layer in enumerate(network.layers):
            until, last = used + len(layer.parameters), kept + len(layer.state)
            parts = (self.views[used:until], self.moments[kept:last], self.gradients[used:until])
            low = self.low and step.training and _may_be_low(network, i)
            self.owns.append(Own(*parts, spaces[i], scratch, do, step, low, first=i == 0 and not tables))
            used, kept = until, last
            x = layer.forward(x, self.owns[-1])
            if watch is not None:
                watch(layer.name, x)
        self.owns.append(own)
        return x

    def _with_masks(self, step: Step, rows: int, own: Own) -> Step:
        """Return the step with a mask for each layer that drops, where there is dropout."""
        widths = self.network.spec.hidden
        if step.seeds_M2 is None or step.dropped_M is None or not widths:
            return step
        rows *= self.network.copies
        values = [rows * width for width in widths]
        masks_MV = keep_masks(step.seeds_M2, step.dropped_M, -(-sum(values) // 4) * 4, own)
        parts = masks_MV[:, : sum(values)].split(values, 1)
        shaped = (part.unflatten(1, (rows, width)) for part, width in zip(parts, widths, strict=True))
        return replace(step, masks=tuple(shaped))

    def backward(self, slope_MBC: Tensor) -> Tensor:
        """Fill and return `gradient_MP`, from the gradient of each member's loss by the outputs of the last forward.

        Operations are recorded where those of the forward pass were.
        """
        grad, layers = slope_MBC, self.network.layers
        for layer, own in zip(reversed(layers), reversed(self.owns[:-1]), strict=True):
            grad = layer.backward(grad, own)
        if self.network.tables:
            self.network.inputs.backward(grad, self.owns[-1])
        return self.gradient_MP

    @property
    def split(self) -> bool:
        """Whether training wants its inputs split."""
        return self.low and _may_be_low(self.network, 0) and not self.network.layers[0].autocast

    @property
    def bytes(self) -> int:
        """Bytes of all tensors between the passes."""
        return sum(space.bytes for space in self.spaces) + self.gradient_MP.numel() * self.gradient_MP.element_size()


def _with_moments(step: Step, own: Own) -> Step:
    """Return the step with what all layers with moments ask of the number of rows."""
    if step.rows_M11 is None or step.share_MB1 is None:
        return step
    do, rows_M11, space = own.do, step.rows_M11, own.space
    enough = do(torch.ge, rows_M11, 2, out=space("enough", rows_M11.shape, torch.bool))
    moved = do(torch.mul, step.share_MB1, enough, out=space("moved", step.share_MB1.shape, rows_M11.dtype))
    unbiased = do(torch.sub, rows_M11, 1, out=space("unbiased", rows_M11.shape, rows_M11.dtype))
    do(unbiased.clamp_min_, 1)
    # Fewer than two rows: 1 / 1, and for none 1 / 1 as well.
    counted = do(torch.clamp_min, rows_M11, 1, out=space("counted", rows_M11.shape, rows_M11.dtype))
    do(torch.div, counted, unbiased, out=unbiased)
    return replace(step, enough_M11=enough, unbiased_M11=unbiased, moved_MB1=moved)


def _may_be_low(network: Network, place: int) -> bool:
    """Return whether a layer's products may be in bfloat16."""
    layer = network.layers[place]
    if layer.autocast:
        return True
    if not isinstance(layer, Linear) or place == len(network.layers) - 1:
        return False
    behind_norm = network.spec.batch_norm_input and place == 1
    return not behind_norm and layer.outputs >= NARROW and layer.inputs > 1


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
    pairs = zip(parts, slots, strict=False)
    return [part.unflatten(1, slot.shape) if slot.shape else part.squeeze(1) for part, slot in pairs]
