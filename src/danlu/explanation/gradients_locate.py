"""Which part of a module is at fault: each is checked by itself, at the inputs that it had in the whole."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from danlu.explanation.gradients_compare import compare
from danlu.explanation.gradients_lines import direction
from danlu.explanation.gradients_module import ModulePoint, projection
from danlu.explanation.gradients_records import Entry, Fault
from danlu.explanation.gradients_watch import Call, Watch

MOST_PARTS = 300
DIRECTIONS = 3
"""Random directions of each input and parameter: a mistake may lie beside one of them."""


def locate(whole: ModulePoint, watch: Watch, tolerance: float) -> list[Fault]:
    """Return the innermost parts whose own backward pass disagrees with their forward pass.

    Arguments:
        whole: the module, at its inputs.
        watch: of a pass of it.
    """
    parts = dict(whole.module.named_modules())
    first: dict[str, Call] = {}
    for call in watch.modules():
        first.setdefault(call.name, call)
    wrong: dict[str, list[tuple[str, Entry]]] = {}
    for name, call in list(first.items())[:MOST_PARTS]:
        found = _mistakes(parts[name], call, whole, tolerance)
        if found:
            wrong[name] = found
    faults = []
    for name, found in wrong.items():
        inner = f"{name}." if name else ""
        if not any(other != name and other.startswith(inner) for other in wrong):
            own = "" if name in _leaves(parts) else "its own code, not its parts: "
            faults.append(
                Fault(kind="backward", where=str(first[name].place), text=own + _words(found), severity="error")
            )
    return faults


def _leaves(parts: dict[str, Any]) -> set[str]:
    return {name for name, part in parts.items() if not any(True for _ in part.children())}


def _mistakes(part: torch.nn.Module, call: Call, whole: ModulePoint, tolerance: float) -> list[tuple[str, Entry]]:
    """Return what the part's gradient is wrong by, each with the worst of a few random directions."""
    assert call.given is not None
    args, kwargs = call.given
    try:
        point = ModulePoint(
            part,
            args,
            kwargs,
            projection(call.gave, whole.seed),
            input_names=lambda i: f"its input {i + 1}" if len(args) > 1 else "its input",
            epsilon=whole.epsilon,
            seed=whole.seed,
        )
        point.settle()
        gradients = point.gradients()
        lines = _lines(point, gradients, whole.seed)
        entries = compare(point, gradients, lines, tolerance, whole.seed)
    except Exception:
        return []  # It cannot run by itself: it needs what the whole prepares.
    found: dict[str, Entry] = {}
    for line, entry in zip(lines, entries, strict=True):
        if entry.verdict == "wrong" and (line.name not in found or entry.error > found[line.name].error):
            found[line.name] = entry
    return list(found.items())


def _lines(point: ModulePoint, gradients: dict[str, Tensor | None], seed: int) -> list[Any]:
    generator = torch.Generator().manual_seed(seed)
    finite = {name: g is None or bool(g.isfinite().all()) for name, g in gradients.items()}
    names = [name for name, leaf in point.leaves.items() if finite[name] and leaf.numel()]
    return [direction(name, point.leaves[name], generator) for name in names for _ in range(DIRECTIONS)]


def _words(found: Sequence[tuple[str, Entry]]) -> str:
    said = []
    for name, entry in found:
        wanted = f"{entry.analytic:.6g} along a random direction, differences give {entry.numeric:.6g}"
        times = entry.analytic / entry.numeric if entry.numeric else 0.0
        said.append(f"the gradient by {name} is wrong: {wanted}{f' ({times:.4g} times)' if times else ''}")
    return "; ".join(said)
