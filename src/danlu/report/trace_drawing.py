"""What the page of a trace draws: columns of units with their numbers, packed as float32, within a bound."""

from __future__ import annotations

import base64
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from danlu.explanation.trace_records import TracedLayer, TraceRecord

MOST = 600_000
"""Numbers in a page: about 3 MB of text."""
ROWS = 16
STRONGEST = 12
"""Weights of a unit that are kept where a whole matrix is too much."""


def drawing(trace: TraceRecord) -> tuple[dict[str, Any], list[str]]:
    """Return what the script draws, and in words what was left out of it."""
    groups = _groups(trace)
    rows = min(ROWS, len(trace.rows))
    notes = [f"The first {ROWS} of {len(trace.rows)} rows are drawn."] if rows < len(trace.rows) else []
    left = MOST
    columns: list[dict[str, Any]] = []
    for layers in groups:
        column = _column(layers, rows, trace, left)
        left -= column.pop("numbers")
        if column["values"] is None:
            notes.append(f"{column['name']}: its {column['size']:,} units are left out.")
        columns.append(column)
    for column, layers in sorted(zip(columns, groups, strict=True), key=lambda pair: _weights(pair[1])):
        used, said = _with_weights(column, layers[0], left)
        left -= used
        notes += said
    _link(columns, groups, trace)
    target = None if trace.target is None else _pack(_flat(trace.target, trace)[:rows])
    facts = {"value": trace.loss, "name": trace.loss_name, "formula": trace.loss_formula, "target": target}
    chain = trace.chain
    asked = None if chain is None else {"weight": chain.weight, "index": list(chain.index), "row": chain.row}
    return {"columns": columns, "rows": list(trace.rows[:rows]), "loss": facts, "chain": asked, "lr": trace.lr}, notes


def _groups(trace: TraceRecord) -> list[list[TracedLayer]]:
    """Return the layers in columns: the input with what prepares it, then each weighted sum with what follows."""
    groups: dict[str, list[TracedLayer]] = {}
    for layer in trace.layers:
        base = layer.name.partition(".")[0].partition("[")[0]
        if layer.name in ("table", "image", "codes") or base.startswith("embedding"):
            continue
        groups.setdefault(base, []).append(layer)
    return list(groups.values())


def _flat(values: np.ndarray, trace: TraceRecord) -> np.ndarray:
    led = values.ndim > 0 and len(values) == len(trace.rows)
    return (
        values.reshape(len(values), -1)
        if led
        else np.broadcast_to(values.reshape(1, -1), (len(trace.rows), values.size))
    )


def _column(layers: Sequence[TracedLayer], rows: int, trace: TraceRecord, left: int) -> dict[str, Any]:
    """Return one column: its units' values and gradients, of the last step and of those of the same shape before it."""
    last = layers[-1]
    shape = list(last.outputs.shape[1:]) or [1]
    size = math.prod(shape)
    same = [layer for layer in layers if layer.outputs.shape == last.outputs.shape]
    needed = 2 * rows * size * len(same)
    fits = needed <= left
    steps = []
    for layer in same if fits else ():
        values, gradients = (_flat(part, trace)[:rows] for part in (layer.outputs, layer.gradients))
        steps.append(
            {
                "name": layer.name,
                "kind": layer.kind,
                "formula": layer.formula,
                "slope": layer.slope,
                "values": _pack(values),
                "gradients": _pack(gradients),
            }
        )
    return {
        "name": layers[0].name,
        "about": " → ".join(layer.kind for layer in layers if layer.kind != "input") or "input",
        "path": layers[0].path,
        "shape": shape,
        "size": size,
        "values": steps or None,
        "labels": _labels(trace, layers, size),
        "direct": same == list(layers),
        "local": _local(same, rows, trace) if fits else None,
        "numbers": needed if fits else 0,
        "weight": None,
        "bias": None,
        "from": None,
    }


def _labels(trace: TraceRecord, layers: Sequence[TracedLayer], size: int) -> list[str]:
    """Return the names of an input's units: columns of the table, and dimensions of embedded ones behind them."""
    names = list(layers[0].labels)
    if not names:
        return []
    for layer in trace.layers:
        if layer.name.startswith("embedding"):
            short = layer.path.removeprefix("embedding.") or layer.name
            names += [f"{short} #{i}" for i in range(layer.outputs.shape[-1])]
    return names if len(names) == size else list(layers[0].labels) if len(layers[0].labels) == size else []


def _local(same: Sequence[TracedLayer], rows: int, trace: TraceRecord) -> str | None:
    """Return the derivative of a column's last values by its first, where each depends on one alone."""
    product: np.ndarray | None = None
    for layer in same[1:]:
        if layer.local is None:
            return None
        product = layer.local if product is None else product * layer.local
    return None if product is None else _pack(_flat(product, trace)[:rows])


def _weights(layers: Sequence[TracedLayer]) -> int:
    return sum(parameter.values.size for parameter in layers[0].parameters)


def _with_weights(column: dict[str, Any], first: TracedLayer, left: int) -> tuple[int, list[str]]:
    """Add weights and biases as far as there is room; return the numbers used, and what was left out."""
    used, said = 0, []
    for parameter in first.parameters:
        role = "weight" if parameter.values.ndim > 1 else "bias" if parameter.name.endswith("bias") else None
        known = parameter.units in ("unit, input", "unit") or "channel" in parameter.units
        if role is None or not known:
            continue
        size = 3 * parameter.values.size
        entry: dict[str, Any] = {"name": parameter.name, "shape": list(parameter.values.shape)}
        parts = {"values": parameter.values, "gradients": parameter.gradients, "after": parameter.after}
        if size <= left - used:
            entry |= {key: _pack(part) for key, part in parts.items()}
        else:
            units = parameter.values.reshape(len(parameter.values), -1)
            kept = np.argsort(-np.abs(parameter.gradients.reshape(units.shape)), axis=1)[:, :STRONGEST]
            size = 4 * kept.size
            if size > left - used:
                said.append(f"{parameter.name}: its {parameter.values.size:,} numbers are left out.")
                continue
            entry |= {key: _pack(np.take_along_axis(part.reshape(units.shape), kept, 1)) for key, part in parts.items()}
            entry["kept"] = _pack(kept)
            said.append(
                f"{parameter.name}: of its {parameter.values.size:,} numbers the page holds the {STRONGEST} with the "
                "largest gradients of each unit."
            )
        column[role] = entry
        used += size
    return used, said


def _link(columns: list[dict[str, Any]], groups: list[list[TracedLayer]], trace: TraceRecord) -> None:
    """Say for each column which one it reads."""
    home = {layer.name: i for i, layers in enumerate(groups) for layer in layers}
    last = {i: layers[-1].name for i, layers in enumerate(groups)}
    for column, layers in zip(columns, groups, strict=True):
        inputs = [name for name in layers[0].inputs if name in home]
        if len(inputs) == 1:
            column["from"] = home[inputs[0]]
            readers = [layer for layer in trace.layers if last[home[inputs[0]]] in layer.inputs]
            weight = column["weight"]
            linear = weight is not None and len(weight["shape"]) == 2
            column["plain"] = linear and inputs[0] == last[home[inputs[0]]] and len(readers) == 1


def _pack(values: np.ndarray) -> str:
    """Return numbers as base64 of little-endian float32.

    >>> _pack(np.array([1.0]))
    'AACAPw=='
    """
    return base64.b64encode(np.ascontiguousarray(values, dtype="<f4").tobytes()).decode()
