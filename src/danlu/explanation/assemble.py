"""From a pass to its record: every layer with its numbers, the update, and what was asked of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from danlu.explanation.addresses import find_weight, shown_name, units_of
from danlu.explanation.chain import chain_of
from danlu.explanation.formulas import formula_of, loss_formula
from danlu.explanation.recording import Node, Value
from danlu.explanation.trace_records import Chain, TracedLayer, TracedParameter, TraceRecord
from danlu.explanation.tracing import Pass, elementwise, label, push

Update = Callable[[Mapping[str, Tensor], Mapping[str, Tensor]], Mapping[str, Tensor]]
"""(parameters, gradients) by full name -> parameters after one update."""


def sgd(lr: float) -> Update:
    """Return the update of plain gradient descent."""
    return lambda own, gradients: {path: value - lr * gradients[path] for path, value in own.items()}


def assemble(  # noqa: PLR0913  a record of all that is known
    found: Pass,
    source: str,
    *,
    about: str = "",
    update: Update,
    rule: str,
    lr: float,
    first: Sequence[TracedLayer] = (),
    labels: Sequence[str] = (),
    preparation: str = "",
    notes: Sequence[str] = (),
) -> TraceRecord:
    """Return the record of a pass.

    Arguments:
        source: what was traced.
        update: makes each parameter's value after one step; `rule` is it in words.
        first: layers before those of the pass: the preparation of a table.
        labels: names of the inputs.
        preparation: what made them of those layers.
    """
    after = update(found.parameters, found.gradients)
    layers = [*first]
    for value in found.recorder.values:
        if value.node is None:
            layers.append(_source(found, value, labels, preparation))
        elif not value.node.moves and value.node.kind != "loss":
            layers.append(_layer(found, value, value.node, after))
    output = found.output.tensor
    outputs = output[0].numel() if output.ndim > 1 else 1
    mode = "training" if any(part.training for part in found.module.modules()) else "evaluation"
    return TraceRecord(
        source=source,
        about=about,
        mode=mode,
        rows=found.numbers,
        layers=tuple(layers),
        output=output.numpy(),
        target=None if found.target is None else found.target.numpy(),
        loss=found.loss,
        loss_name=found.loss_name,
        loss_formula=loss_formula(found.loss_name, outputs).value,
        update=rule,
        lr=lr,
        notes=tuple(notes),
    )


def chain_record(found: Pass, address: str, update: Update) -> Chain:
    """Return the chain rule of a weight, with what the update makes of it.

    Raises:
        PlanError: there is no such weight.
    """
    chain = chain_of(found, address)
    path, index = find_weight(found, address)
    after = float(update(found.parameters, found.gradients)[path][index])
    return replace(chain, after=after)


def _source(found: Pass, value: Value, labels: Sequence[str], preparation: str) -> TracedLayer:
    name, main = found.sources[value.number], value is found.leaf
    own = tuple(labels) if main and value.tensor.ndim == 2 and len(labels) == value.tensor.shape[1] else ()
    formula = preparation if main and preparation else "what goes in"
    return TracedLayer(name, "", "input", formula, "", (), value.tensor.numpy(), _gradient(value), labels=own)


def _layer(found: Pass, value: Value, node: Node, after: Mapping[str, Tensor]) -> TracedLayer:
    formula = formula_of(node.kind, node.module, node.module is not None and node.module.training)
    own = () if value.place else tuple(_parameter(found, path, after) for path in node.own.values())
    if not own and not value.place:
        own = tuple(_parameter(found, path, after) for path in _moved(node))
    return TracedLayer(
        name=label(found, value),
        path=found.title(node.path),
        kind=node.kind,
        formula=formula.value,
        slope=formula.slope,
        inputs=tuple(dict.fromkeys(_origin(found, each) for each in node.inputs)),
        outputs=value.tensor.numpy(),
        gradients=_gradient(value),
        parameters=own,
        local=_local(found, node, value),
    )


def _moved(node: Node) -> list[str]:
    """Return the parameters that reach a node through what only moves them: `x @ w.T`."""
    paths = []
    for value in node.inputs:
        while value.node is not None and value.node.moves and value.node.inputs:
            value = value.node.inputs[0]
        if value.node is not None and value.node.moves:
            paths += list(value.node.own.values())
    return paths


def _parameter(found: Pass, path: str, after: Mapping[str, Tensor]) -> TracedParameter:
    return TracedParameter(
        name=shown_name(found, path),
        path=found.title(path),
        values=found.parameters[path].numpy(),
        gradients=found.gradients[path].numpy(),
        after=after[path].numpy(),
        units=units_of(found, path),
    )


def _origin(found: Pass, value: Value) -> str:
    """Return the name of the layer that a value comes from, seen through what only moves numbers."""
    while value.node is not None and value.node.moves and value.node.inputs:
        value = value.node.inputs[0]
    if value.node is not None and value.node.moves:
        return shown_name(found, next(iter(value.node.own.values()), "")) or "a parameter"
    return label(found, value)


def _gradient(value: Value) -> np.ndarray:
    return np.zeros(tuple(value.tensor.shape)) if value.gradient is None else value.gradient.numpy()


def _local(found: Pass, node: Node, value: Value) -> np.ndarray | None:
    """Return the derivative of each output by the input beside it; None where a layer mixes its inputs."""
    if not elementwise(node) or not math.prod(value.tensor.shape):
        return None
    read = node.inputs[0]
    if read.tensor.shape != value.tensor.shape:
        return None
    return push(found, node, read, torch.ones_like(read.tensor))[0].numpy()
