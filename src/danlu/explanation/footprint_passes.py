"""What Danlu's own networks take of memory: passes are recorded once on tensors that stay, and these are counted."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor

from danlu.core.plan import Plan
from danlu.explanation.footprint import COPIES, Footprint, LayerBytes, module_footprint
from danlu.networks import Network, Prepared, Program, Step
from danlu.networks.layer import Space
from danlu.networks.linear import Linear
from danlu.networks.modules import ModuleNetwork
from danlu.networks.network import Pass
from danlu.population import Members
from danlu.population.losses import LANES
from danlu.population.memory import Dry
from danlu.population.optimizers import make_optimizer

SHARED = "(shared)"
"""What layers write one after another into the same tensors, and what the last one's slope takes."""


def network_footprint(network: Network, plan: Plan, *, rows: int, networks: int = 1, name: str = "") -> Footprint:
    """Return what one member of a population takes: what its recorded passes keep, its numbers, and the optimizer's.

    The passes are laid out on torch's device "meta", as they would be on a real one, and nothing is computed. Of a
    user's own class, and of convolutions, one pass is really taken.

    Arguments:
        network: the architecture.
        plan: resolved; its optimizer, precision and type count.
        rows: of a batch; it is padded to a multiple of 32.
        networks: how many there are.
        name: of the network.
    """
    told, rows = rows, max(LANES, math.ceil(rows / LANES) * LANES)
    dtype = torch.float64 if plan.dtype == "float64" else torch.float32
    slots = len(make_optimizer(plan, Members.make(plan, 1)).slots)
    if isinstance(network, ModuleNetwork):
        return replace(_of_module(network, plan, rows, networks, name, dtype), padding=rows - told)
    low = plan.precision == "bfloat16"
    training = laid_out(network, rows, dtype, training=True, low=low, dropout=bool(plan.dropout))
    evaluation = laid_out(network, rows, dtype, training=False)
    layers = [
        LayerBytes(
            name=place,
            kind=kind,
            parameters=stored + moments,
            activations=training.forward.get(place, 0),
            prediction=evaluation.forward.get(place, 0),
            gradients=stored + training.backward.get(place, 0),
            optimizer=slots * stored,
        )
        for place, kind, stored, moments in _stored(network, dtype.itemsize)
    ]
    shared = LayerBytes(
        name=SHARED,
        activations=training.forward.get(SHARED, 0),
        prediction=evaluation.forward.get(SHARED, 0),
        gradients=training.backward.get(SHARED, 0),
    )
    kept = sum(training.forward.values()) + training.inputs
    return Footprint(
        network=name or "network",
        rows=rows,
        optimizer=plan.optimizer or "adam",
        layers=tuple(layer for layer in (*layers, shared, _copies(network, slots, dtype)) if not layer.empty),
        inputs=training.inputs,
        kept=kept,
        at_once=sum(evaluation.forward.values()),
        networks=networks,
        by=RECORDED,
        padding=rows - told,
    )


def _of_module(
    network: ModuleNetwork, plan: Plan, rows: int, networks: int, name: str, dtype: torch.dtype
) -> Footprint:
    """Return the footprint of one member of a class that torch runs, with what the engine keeps besides."""
    weights_MP, state_MS = network.initial([0], dtype)
    x = torch.zeros(rows, network.input_width, dtype=dtype)
    optimizer, momentum = plan.optimizer or "adam", plan.momentum or 0.0
    found = module_footprint(network.member(weights_MP[0], state_MS[0]), x, optimizer=optimizer, momentum=momentum)
    slots = len(make_optimizer(plan, Members.make(plan, 1)).slots)
    return Footprint(
        network=name or found.network,
        rows=rows,
        optimizer=optimizer,
        layers=(*found.layers, _copies(network, slots, dtype)),
        inputs=found.inputs,
        kept=found.kept,
        at_once=found.at_once,
        networks=networks,
    )


def _copies(network: Network, slots: int, dtype: torch.dtype) -> LayerBytes:
    """Return what the engine has of weights and optimizer besides those it works on: before the stretch of steps, and
    what is kept in the end; and one spare tensor of the optimizer. Padding of the weights counts here too."""
    flat, state = network.size * dtype.itemsize, network.state_size * dtype.itemsize
    padding = (network.size - network.count) * dtype.itemsize
    return LayerBytes(
        name=COPIES,
        parameters=2 * (flat + state) + padding,
        gradients=padding,
        optimizer=slots * padding + (slots + 1) * flat,
    )


class Layout:
    """The tensors of a pass that is laid out, as bytes by layer: of the way forward, and what the way back adds."""

    def __init__(self, run: Pass, inputs: Prepared) -> None:
        self.run, self.batch = run, inputs
        self.seen = {_place(t) for t in (run.weights_MP, run.state_MS, run.gradient_MP, *inputs)}
        self.inputs = sum(_size(t) for t in inputs)
        self.forward: dict[str, int] = {}
        self.backward: dict[str, int] = {}

    def count(self, into: dict[str, int]) -> None:
        """Count the tensors that have come since the last time, each at the first layer that has it."""
        *layers, outer, scratch = self.run.spaces
        names = [layer.name for layer in self.run.network.layers]
        for place, space in [(EMBEDDINGS, outer), *zip(names, layers, strict=True), (SHARED, scratch)]:
            into[place] = into.get(place, 0) + self._new(space)

    def _new(self, space: Space) -> int:
        total = 0
        for tensor in space.kept.values():
            if _place(tensor) not in self.seen:
                self.seen.add(_place(tensor))
                total += _size(tensor)
        return total


EMBEDDINGS = "(masks, embeddings)"
"""What stands before the first layer: masks of dropout, and embeddings beside the numbers."""
RECORDED = "Danlu's recorded passes"


def laid_out(
    network: Network,
    rows: int,
    dtype: torch.dtype = torch.float32,
    *,
    training: bool,
    low: bool = False,
    dropout: bool = False,
    device: str = "meta",
) -> Layout:
    """Lay out the passes of one member.

    Arguments:
        network: the architecture.
        rows: of a batch.
        dtype: of the weights.
        training: whether it is a training step, with the way back; else a prediction.
        low: whether products are in bfloat16.
        dropout: whether the step drops values.
        device: "meta", where nothing takes memory and nothing is computed; "cpu" really takes the passes.
    """
    dry = Dry() if device == "meta" else Program(record=False)
    weights_1P = torch.zeros(1, network.size, dtype=dtype, device=device)
    state_1S = torch.zeros(1, network.state_size, dtype=dtype, device=device)
    run = network.bind(weights_1P, state_1S, gradient=training, low=low and training)
    embedded = len(network.tables)
    width = network.inputs.prepared
    kind = torch.bfloat16 if run.split and training else dtype
    x = torch.zeros(1, rows, width + len(network.spec.layout.numbers) * (kind != dtype), dtype=kind, device=device)
    inputs = Prepared(x, torch.zeros(1, rows, embedded, dtype=torch.int64, device=device))
    layout = Layout(run, inputs)
    outputs = run.forward(inputs, _step(network, rows, dtype, training, dropout, device), dry)
    layout.count(layout.forward)
    if training:
        run.backward(torch.zeros_like(outputs))
        layout.count(layout.backward)
        layout.backward[SHARED] += outputs.numel() * outputs.element_size()
    return layout


def _step(network: Network, rows: int, dtype: torch.dtype, training: bool, dropout: bool, device: str) -> Step:
    """Return what a step has besides values: shares of rows for moments, and numbers for dropout."""
    if not training:
        return Step(training=False)
    like = torch.ones(1, dtype=dtype, device=device)
    moments = bool(network.state)
    return Step(
        training=True,
        share_MB1=(like / rows).expand(rows).reshape(1, rows, 1) if moments else None,
        rows_M11=(like * rows).view(1, 1, 1) if moments else None,
        seeds_M2=torch.zeros(1, 2, dtype=torch.int32, device=device) if dropout else None,
        dropped_M=torch.zeros(1, dtype=torch.uint8, device=device) if dropout else None,
        kept_M11=like.view(1, 1, 1) if dropout else None,
    )


def _stored(network: Network, item: int) -> Iterator[tuple[str, str, int, int]]:
    """Yield name, kind, and bytes of trained numbers and of running moments, of each layer."""
    tables = sum(math.prod(table.shape) for table in network.tables)
    yield EMBEDDINGS, "", tables * item, 0
    for layer in network.layers:
        stored, moments = (sum(math.prod(s.shape) for s in shapes) for shapes in (layer.parameters, layer.state))
        yield layer.name, type(layer).__name__ * isinstance(layer, Linear), stored * item, moments * item


def _place(tensor: Tensor) -> int:
    return tensor.untyped_storage()._cdata


def _size(tensor: Tensor) -> int:
    return tensor.untyped_storage().nbytes()
