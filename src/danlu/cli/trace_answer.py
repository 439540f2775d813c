"""What `danlu trace --json` prints: docs/json.md."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from danlu._version import __version__

if TYPE_CHECKING:
    from danlu.explanation.trace_records import TracedLayer, TracedParameter, TraceRecord

MOST = 4096
"""Values of an array that are printed; larger ones only with --all."""


def trace_answer(trace: TraceRecord, *, everything: bool = False) -> dict[str, Any]:
    """Return a trace as plain values; arrays of more than `MOST` values are null, but for `everything`."""
    left_out: list[str] = []

    def numbers(array: np.ndarray, name: str) -> Any:
        if array.size <= MOST or everything:
            return array
        left_out.append(name)
        return None

    layers = [_layer(layer, numbers) for layer in trace.layers]
    down = trace.descent
    return {
        "source": trace.source,
        "about": trace.about,
        "mode": trace.mode,
        "rows": trace.rows,
        "loss": {"name": trace.loss_name, "formula": trace.loss_formula, "value": trace.loss},
        "output": trace.output,
        "prediction": trace.prediction,
        "target": trace.target,
        "update": {"rule": trace.update, "lr": trace.lr},
        "layers": layers,
        "chain": None if trace.chain is None else asdict(trace.chain),
        "descent": None if down is None else asdict(down) | {"loss_in_last": down.losses[-1]},
        "notes": trace.notes,
        "left_out": left_out,
        "version": __version__,
    }


def _layer(layer: TracedLayer, numbers: Any) -> dict[str, Any]:
    return {
        "name": layer.name,
        "path": layer.path,
        "kind": layer.kind,
        "formula": layer.formula,
        "inputs": layer.inputs,
        "labels": layer.labels,
        "shape": layer.outputs.shape,
        "outputs": numbers(layer.outputs, f"{layer.name}: outputs"),
        "gradients": numbers(layer.gradients, f"{layer.name}: gradients") if layer.gradients.size else None,
        "parameters": [_parameter(parameter, numbers) for parameter in layer.parameters],
    }


def _parameter(parameter: TracedParameter, numbers: Any) -> dict[str, Any]:
    name = parameter.name
    return {
        "name": name,
        "path": parameter.path,
        "units": parameter.units,
        "shape": parameter.values.shape,
        "values": numbers(parameter.values, f"{name}: values"),
        "gradient": numbers(parameter.gradients, f"{name}: gradient"),
        "after": numbers(parameter.after, f"{name}: after"),
    }
