"""What weights and units answer to: "layer1[0,0]", "layer1.bias[0]", or a parameter's own name with a place."""

from __future__ import annotations

import math
import re

from danlu.core.errors import PlanError, nearest
from danlu.explanation.formulas import short
from danlu.explanation.recording import Node, Value
from danlu.explanation.tracing import Pass, label

_ADDRESS = re.compile(r"(?P<name>[^\[\]]+?)\s*(?:\[(?P<index>[^\]]*)\])?")


def names_of(found: Pass) -> dict[str, str]:
    """Return every name that a parameter answers to, with its full name in the module: its own, and `layer1.bias`.

    A layer's own name stands for its weight.
    """
    names: dict[str, str] = {}
    for node in found.nodes:
        for last, path in node.own.items():
            names.setdefault(f"{_sum_of(found, node)}.{last}", path)
        matrices = [path for path in node.own.values() if found.parameters[path].ndim > 1]
        main = matrices if len(matrices) == 1 else list(node.own.values()) if len(node.own) == 1 else []
        if "weight" in node.own:
            main = [node.own["weight"]]
        for path in main:
            names.setdefault(_sum_of(found, node), path)
    for path in found.parameters:
        names.setdefault(found.title(path), path)
    return names


def _sum_of(found: Pass, node: Node) -> str:
    """Return the name of what a node that only moves a weight is a part of; else its own."""
    while node.moves and found.recorder.consumers.get(node.outputs[0].number):
        node = found.recorder.consumers[node.outputs[0].number][0]
    return node.name


def shown_name(found: Pass, path: str) -> str:
    """Return what a parameter is called here: "layer1.weight"."""
    for node in found.nodes:
        for last, own in node.own.items():
            if own == path:
                return f"{_sum_of(found, node)}.{last}"
    return found.title(path)


def find_weight(found: Pass, address: str) -> tuple[str, tuple[int, ...]]:
    """Return the parameter and the place that an address such as "layer1[0,0]" names.

    Raises:
        PlanError: there is none of that name, or the place lies outside of it.
    """
    match = _ADDRESS.fullmatch(address.strip())
    names = names_of(found)
    if match is None or (
        match["index"] is not None and not re.fullmatch(r"\s*-?\d+\s*(,\s*-?\d+\s*)*", match["index"])
    ):
        example = next(iter(names), "layer1")
        raise PlanError("`weight` must be a name and a place in brackets", f"got {address!r}", f"Write {example}[0,0].")
    name = match["name"].strip()
    if name not in names:
        near = nearest(name, names)
        guess = re.search(r"`(.*)`", near)
        shape = f" Its shape is {shape_words(found, names[guess[1]])}." if guess else ""
        raise PlanError("`weight` must name a weight of the network", f"there is no `{name}`", near + shape)
    path = names[name]
    shape = tuple(found.parameters[path].shape)
    index = tuple(int(part) for part in (match["index"] or "").split(",") if part.strip())
    if not index and math.prod(shape) == 1:
        index = (0,) * len(shape)
    if len(index) != len(shape) or any(not -size <= i < size for i, size in zip(index, shape, strict=True)):
        last = ",".join(str(size - 1) for size in shape)
        got = f"got [{','.join(map(str, index))}]" if index else "got no place"
        raise PlanError(
            f"`{name}` must be followed by a place in its shape {shape_words(found, path)}",
            got,
            f"Places begin at 0: {name}[{last}] is the last.",
        )
    return path, tuple(i % size for i, size in zip(index, shape, strict=True))


def shape_words(found: Pass, path: str) -> str:
    """Return a parameter's shape with what its places are: "3 x 2 (unit, input)"."""
    shape = found.parameters[path].shape
    units = units_of(found, path)
    return (" x ".join(map(str, shape)) or "one number") + (f" ({units})" if units else "")


def units_of(found: Pass, path: str) -> str:
    """Return what the places of a parameter are: "unit, input" of a weight."""
    size = found.parameters[path].ndim
    for node in found.nodes:
        if path in node.own.values():
            kind = short(node.kind)
            if size == 1:
                return "unit" if kind == "linear" else "channel" if kind.startswith("conv") else ""
            if kind == "linear":
                return "unit, input"
            if kind == "conv":
                return ", ".join(("output channel", "input channel", "row", "column", "depth")[:size])
            if kind == "embedding":
                return "code, dimension"
    return ""


def find_unit(found: Pass, address: str, row: int) -> tuple[Value, tuple[int, ...]]:
    """Return the value and the place that the address of a unit names: "layer1[0]".

    Raises:
        PlanError: there is no such layer, unit or row.
    """
    match = _ADDRESS.fullmatch(address.strip())
    values = {label(found, value): value for value in found.recorder.values if value.gradient is not None}
    if match is None or match["name"] not in values:
        raise PlanError("a unit must be one of the network's", f"there is no `{address}`", nearest(address, values))
    value = values[match["name"]]
    index = tuple(int(part) for part in (match["index"] or "").split(",") if part.strip().isdigit())
    place = (row, *index) if found.has_rows(value) else index
    shape = tuple(value.tensor.shape)
    if len(place) != len(shape) or any(not 0 <= i < size for i, size in zip(place, shape, strict=True)):
        inner = " x ".join(map(str, shape[1:])) or "1"
        raise PlanError(
            f"{match['name']} has {inner} units and {found.rows} rows",
            f"got {address}, row {row}",
            "Places begin at 0.",
        )
    return value, place
