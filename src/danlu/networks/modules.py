"""A population of a user's own modules: one layer of a `Network`, whose passes are torch's own, over all members.

`torch.func.vmap` runs the forward pass of all members at once, autograd the backward one. Training an MLP of two hidden
layers (32 to 256 units, 1 to 20 members, batches of 256 rows, AdamW) took 1.22 to 1.48 times the processor time of the
stacked layers, 1.49 at most with batch norm or dropout (one core, torch 2.13.0). Gradients by a list of leaves are a
little faster than by one flat leaf; `vmap(grad)` is slower for few members.
"""

from __future__ import annotations

import copy
import hashlib
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from danlu.core.errors import ArtifactError, PlanError
from danlu.core.records import ModuleSpec, NetworkSpec
from danlu.networks.convnet import ConvNet
from danlu.networks.custom import Custom, drawn_from
from danlu.networks.dropout import hash_into
from danlu.networks.layer import Layer, Own, Role, Shape, Step
from danlu.networks.network import Network
from danlu.networks.surgery import Now, alike, operate
from danlu.networks.together import rule_of
from danlu.networks.tryout import SLOW, Survey, sample, survey, try_out


class ModuleLayer(Layer):
    """A user's module as a layer of many members.

    Its slots are those of `named_parameters()`, in this order and with these names and shapes. Its state is made of
    buffers, and of parameters that are not trained; whole numbers are stored as floats. Buffers that floats cannot
    hold (or that are not finite) are no state, but those of the class.

    Arguments:
        module: one network, made by the user's class.
        spec: whether dropout has the module's own rates (`own_dropout`), or the members'.
        survey: what one pass of it showed.
        autocast: whether its products may be in bfloat16, where torch's autocast wants them.
    """

    def __init__(self, name: str, module: nn.Module, spec: ModuleSpec, survey: Survey, autocast: bool = False) -> None:
        self.name, self.module, self.spec, self.survey, self.autocast = name, module, spec, survey, autocast
        trained = {key: value for key, value in module.named_parameters() if value.requires_grad}
        frozen = {key: value for key, value in module.named_parameters() if not value.requires_grad}
        kept = frozen | {key: value for key, value in module.named_buffers() if _storable(value)}
        self.parameters = tuple(
            _shape(key, value, "weight" if value.ndim > 1 else "bias") for key, value in trained.items()
        )
        self.state = tuple(_shape(key, value, "mean") for key, value in kept.items())
        self.kinds = tuple(value.dtype for value in kept.values())
        self.names = tuple(shape.name for shape in (*self.parameters, *self.state))
        self.mapped, self.random, self.slow, self.seed = True, False, False, 0
        self.rule: Callable[[str, int], bool] | None = None
        """Decides in the place of `mapped`, by kind of device and number of members."""
        self._templates: dict[tuple[torch.device, torch.dtype, bool], tuple[nn.Module, Now]] = {}

    def forward(self, x_MBF: Tensor, own: Own, /) -> Tensor:
        """Compute `[M, B, C]`; when training, move the state as the module does."""
        x = own.cast("x", x_MBF, own.views[0].dtype)
        # What is drawn anew on the host, or decided there, cannot be part of a graph that a GPU runs by itself.
        own.do.capturable &= self.at_once(x_MBF) and not self.random
        run = own.made = Run(self, x, self._masks(x.shape[1], own), own)
        out = own.space("out", (*x.shape[:2], self.survey.outputs), x.dtype)
        own.do(run.forward, out)
        return out

    def backward(self, grad_MBH: Tensor, own: Own, /) -> Tensor:
        """Fill the gradients, by autograd."""
        run = own.made
        assert isinstance(run, Run)
        by_input = grad_MBH if own.first else own.space("by_input", run.x.shape, run.x.dtype)
        own.do(run.backward, grad_MBH, by_input)
        return by_input

    def at_once(self, x_MBF: Tensor) -> bool:
        """Return whether members run at once rather than one after another."""
        return self.mapped if self.rule is None else self.rule(x_MBF.device.type, len(x_MBF))

    def template(self, like: Tensor, training: bool) -> tuple[nn.Module, Now]:
        """Return the module in the type and place of a tensor, and what its changed layers read."""
        key = (like.device, like.dtype, training)
        if key not in self._templates:
            now = Now()
            changed = operate(self.module, now, self.name) if training else copy.deepcopy(self.module).eval()
            self._templates[key] = changed.to(like.device, like.dtype), now
        return self._templates[key]

    def _masks(self, rows: int, own: Own) -> dict[str, Tensor]:
        """Return dropout's factors for each call, `[M, values]`: 0, or what a kept value is multiplied by.

        All come from one hash, each call's bytes behind the last one's, as those of the stacked layers do.
        """
        step, do, space, drops = own.step, own.do, own.space, self.survey.drops
        if step.seeds_M2 is None or step.dropped_M is None or step.kept_M11 is None or not drops:
            return {}
        sizes = [values * rows for values, _ in drops]
        words, spare = (space(n, (len(step.seeds_M2), -(-sum(sizes) // 4)), torch.int32) for n in ("words", "spare"))
        hash_into(words, step.seeds_M2, do, spare)
        masks: dict[str, Tensor] = {}
        begin, bytes_MV, kind = 0, words.view(torch.uint8), own.views[0].dtype
        for i, (size, (_, rate)) in enumerate(zip(sizes, drops, strict=True)):
            count = round(256 * rate) if rate < 1 - 1 / 512 else 255
            own_rates = self.spec.own_dropout
            dropped: Tensor | int = count if own_rates else step.dropped_M.view(-1, 1)
            factor: Tensor | float = 256 / (256 - count) if own_rates else step.kept_M11.view(-1, 1)
            less = space(f"less{i}", (len(words), size), torch.int16)
            do(less.copy_, bytes_MV[:, begin : begin + size])
            do(less.sub_, dropped)
            do(less.bitwise_right_shift_, 15)  # -1 where dropped, else 0: faster on a CPU than comparing bytes
            mask = masks[f"mask{i}"] = space(f"mask{i}", less.shape, kind)
            do(torch.add, less, 1, out=mask)
            do(mask.mul_, factor)
            begin += size
        return masks

    @contextmanager
    def around(self, device: torch.device) -> Iterator[None]:
        """Give the module's own random numbers a stream that begins with `seed` and goes on from pass to pass; keep
        quiet about what the trial has said."""
        with warnings.catch_warnings() if self.slow else nullcontext():
            if self.slow:
                warnings.filterwarnings("ignore", SLOW)
            if not self.random:
                yield
                return
            with drawn_from(self.seed, device):
                self.seed = int(torch.randint(2**62, ()))
                yield


class Run:
    """A module bound to the tensors of some members, and to fixed inputs: what is run again in every step.

    Arguments:
        x: inputs `[M, B, F]`.
        masks: dropout's.
        own: the rest of what it is bound to.
    """

    def __init__(self, layer: ModuleLayer, x: Tensor, masks: dict[str, Tensor], own: Own) -> None:
        self.layer, self.moments, self.gradients = layer, own.moments, own.gradients
        self.training, self.learning, self.low = own.step.training, bool(own.gradients), own.low
        self.mapped = layer.at_once(x)
        self.template, self.now = layer.template(x, self.training)
        # Leaves over the same memory: the next pass sees what the optimizer wrote.
        self.x = x.detach().requires_grad_(self.learning and not own.first)
        leaves = [view.detach() for view in own.views]
        given = _given(own.step, masks) if self.training else {}
        self.parts: list[tuple[list[Tensor], Tensor, dict[str, Tensor]]]
        if self.mapped:
            self.parts = [(leaves, self.x, given)]
        else:
            each = range(len(x))
            picked = [{name: value[m] for name, value in given.items()} for m in each]
            self.parts = [([leaf[m] for leaf in leaves], self.x[m], picked[m]) for m in each]
        for part, _, _ in self.parts:
            for leaf in part:
                leaf.requires_grad_(self.learning)
        self.results: list[Tensor] = []

    def forward(self, out: Tensor) -> None:
        """Fill the outputs, and when training with a gradient keep the graph of it."""
        moments = [moment.clone() for moment in self.moments]  # whatever the module writes, evaluation changes nothing
        if isinstance(self.template, ConvNet):
            self.template.at_once = self.mapped
        with torch.set_grad_enabled(self.learning), self.layer.around(out.device):
            if self.mapped:
                results = [vmap(self._one, randomness="different")(self.parts[0][0], moments, *self.parts[0][1:])]
            else:
                results = [
                    self._one(leaves, [moment[m] for moment in moments], x, given)
                    for m, (leaves, x, given) in enumerate(self.parts)
                ]
        self.results = [outputs for outputs, _ in results] if self.learning else []
        for m, (outputs, after) in enumerate(results):
            (out if self.mapped else out[m]).copy_(outputs.detach())
            if self.training:
                for moment, value in zip(self.moments, after, strict=True):
                    (moment if self.mapped else moment[m]).copy_(value.detach())

    def backward(self, grad: Tensor, by_input: Tensor) -> None:
        """Fill the gradients, and that by the input where the layer is not the first."""
        results, self.results = self.results, []
        for m, (outputs, (leaves, x, _)) in enumerate(zip(results, self.parts, strict=True)):
            wanted = [*leaves, x] if self.x.requires_grad else leaves
            slope = grad if self.mapped else grad[m]
            found = torch.autograd.grad(outputs, wanted, slope, allow_unused=True, materialize_grads=True)
            into = [*self.gradients, by_input][: len(wanted)]
            for target, value in zip(into, found, strict=True):
                (target if self.mapped else target[m]).copy_(value)

    def _one(
        self, leaves: Sequence[Tensor], moments: Sequence[Tensor], x: Tensor, given: dict[str, Tensor]
    ) -> tuple[Tensor, list[Tensor]]:
        """Return one member's outputs `[B, C]`, and its state after them."""
        layer = self.layer
        self.now.begin(**given)
        self.now.even = not self.mapped and alike(self.now.share_B)
        state = [
            moment.to(kind) if not kind.is_floating_point else moment
            for moment, kind in zip(moments, layer.kinds, strict=True)
        ]
        if layer.autocast and not self.mapped:
            # Kernels channel by channel: convolutions of such images then take 0.6 of the time (torch 2.13, oneDNN).
            leaves = [leaf.contiguous(memory_format=torch.channels_last) if leaf.ndim == 4 else leaf for leaf in leaves]
        named = dict(zip(layer.names, [*leaves, *state], strict=True))
        with torch.autocast(x.device.type, torch.bfloat16, enabled=self.low):
            outputs = functional_call(self.template, named, (x.clone(),))  # it may write over its inputs
        return outputs.to(x.dtype), [named[shape.name].to(x.dtype) for shape in layer.state]


class ModuleNetwork(Network):
    """A user's own module as a network of M members at once.

    Making one tries it out: on two members, whose numbers are then thrown away.

    Arguments:
        spec: with a `module`; where that knows parameters already, those of the class must be the same. Without one,
            the class is Danlu's own (`convnet`), which needs no trial.
        custom: the class.
        dtype: what it will compute in.

    Attributes:
        notes: what the trial found, for the user.
        dropout: the greatest rate of the module's own dropout; members need a rate above 0 for any.

    Raises:
        PlanError: the class cannot be used as a network.
        ArtifactError: it has other parameters than those of the spec.

    >>> from danlu.core.records import FeatureLayout
    >>> spec = NetworkSpec(layout=FeatureLayout(numbers=("a", "b")), outputs=1, module=ModuleSpec(name="Linear"))
    >>> network = ModuleNetwork(spec, Custom("Linear", nn.Linear))
    >>> [(slot.name, slot.shape) for slot in network.parameters]
    [('Linear.weight', (1, 2)), ('Linear.bias', (1,))]
    >>> weights_MP, state_MS = network.initial([1, 2, 3])
    >>> weights_MP.shape
    torch.Size([3, 16])
    """

    def __init__(self, spec: NetworkSpec, custom: Custom, dtype: torch.dtype = torch.float32) -> None:
        inputs = Network(spec).input_width
        module = _made(custom, 0, inputs, spec.outputs)
        found = survey(module, custom, sample(spec.layout, inputs, dtype), spec.outputs, spec.layout.image)
        own = spec.module
        kept = own or ModuleSpec(name=custom.name, own_dropout=False)
        layer = ModuleLayer(custom.title, module, kept, found, autocast=own is None)
        if own is not None:
            known = own.model_copy(update={"layout": _same_layout(layer, own, custom)})
            spec = spec.model_copy(update={"module": known})
        super().__init__(spec, [layer])
        self.custom, self.layer = custom, layer
        self.dropout = max((rate for _, rate in found.drops), default=0.0)
        self.notes = try_out(self, layer, dtype) if own is not None else ()
        if own is None:
            layer.rule = rule_of(module, inputs)

    def initial(
        self, keys: Sequence[int], dtype: torch.dtype = torch.float32, device: torch.device | str = "cpu"
    ) -> tuple[Tensor, Tensor]:
        """Make one network per key by the user's class, with torch's generator seeded by it, and take its numbers.

        Arguments:
            keys: seed of each member's generator.
            dtype: type of the weights.
            device: where they lie.

        Returns:
            `weights_MP` (P padded with zeros to a multiple of 16) and `state_MS`.
        """
        weights_MP, state_MS = torch.zeros(len(keys), self.size, dtype=dtype), torch.zeros(len(keys), self.state_size)
        state_MS = state_MS.to(dtype)
        self.layer.seed = keys[0] if keys else 0
        for m, key in enumerate(keys):
            module = _made(self.custom, int(key), self.input_width, self.spec.outputs)
            own = {**dict(module.named_buffers()), **dict(module.named_parameters())}
            for flat_P, slots in ((weights_MP[m], self.parameters), (state_MS[m], self.state)):
                for slot in slots:
                    values = own[slot.stored.name].detach()
                    if values.shape != slot.shape:
                        raise _uneven(self.custom, slot.stored.name)
                    flat_P[slot.offset : slot.offset + slot.numel] = values.reshape(-1)
        return weights_MP.to(device), state_MS.to(device)

    @property
    def widest(self) -> int:
        """Values of a row in the module's widest layer."""
        return max(self.input_width, self.layer.survey.widest)

    @torch.no_grad()
    def member(self, weights_P: Tensor, state_S: Tensor) -> nn.Module:
        """Return one member as the user's own module, in evaluation mode."""
        module = copy.deepcopy(self.layer.module).to(weights_P.dtype)
        own = {**dict(module.named_buffers()), **dict(module.named_parameters())}
        for flat_P, slots in ((weights_P, self.parameters), (state_S, self.state)):
            for slot in slots:
                values = flat_P[slot.offset : slot.offset + slot.numel].view(slot.shape)
                own[slot.stored.name].data = values.to(own[slot.stored.name].dtype, copy=True)
        if not self.layer.spec.own_dropout:
            for part in module.modules():
                if type(part) is nn.Dropout:
                    part.p = self.spec.dropout
        return module.eval()


def _made(custom: Custom, key: int, inputs: int, outputs: int) -> nn.Module:
    """Make one network, with torch's generators seeded by a key; they go on as if nothing had been drawn."""
    with drawn_from(key):
        return custom.build(inputs, outputs)


def _uneven(custom: Custom, name: str) -> PlanError:
    return PlanError(
        f"{custom.name} must make networks of one shape",
        f"{name} differs between two of them",
        "Leave chance out of it.",
    )


def _given(step: Step, masks: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return what the changed layers of each member read, led by M."""
    if step.share_MB1 is None or step.rows_M11 is None:
        return masks
    return {"share_B": step.share_MB1[:, :, 0], "rows": step.rows_M11[:, 0, 0], **masks}


def _shape(name: str, value: Tensor, role: Role) -> Shape:
    return Shape(name, tuple(value.shape), role)


def _storable(value: Tensor) -> bool:
    """Return whether float32 holds a buffer: finite numbers, whole ones exactly."""
    if value.is_complex() or not bool(value.isfinite().all()):
        return False
    return value.is_floating_point() or torch.equal(value.float().to(value.dtype), value)


def _same_layout(layer: ModuleLayer, spec: ModuleSpec, custom: Custom) -> str:
    """Return the hash of what a class stores.

    Raises:
        ArtifactError: it is another than the one that is known.
    """
    layout = _layout_hash(layer)
    if spec.layout not in ("", layout):
        raise ArtifactError(
            f"{custom.name} must be the class that was trained",
            "its parameters have other names or shapes",
            "Restore the file as it was, or fit again.",
        )
    return layout


def _layout_hash(layer: ModuleLayer) -> str:
    """Return the SHA-256 of the names and shapes of all that is stored."""
    stored = [(shape.name, shape.shape) for shape in (*layer.parameters, *layer.state)]
    return hashlib.sha256(repr(stored).encode()).hexdigest()
