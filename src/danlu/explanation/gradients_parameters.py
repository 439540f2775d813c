"""From entries to parameters: how many were checked, the worst of them, and in words what is wrong with the rest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from danlu.explanation.gradients_compare import compare
from danlu.explanation.gradients_lines import Point, lines_of
from danlu.explanation.gradients_records import VERDICTS, Entry, Fault, ParameterCheck, worst_of


def check_parameters(
    point: Point,
    gradients: Mapping[str, Tensor | None],
    *,
    inputs: Callable[[str], bool],
    most: int,
    tolerance: float,
    seed: int,
) -> list[ParameterCheck]:
    """Return a check of each leaf of a point.

    Arguments:
        gradients: analytic, by each leaf; one that is not finite is wrong without a closer look.
        inputs: tells from a leaf's name whether it is an input.
        most: entries of a leaf that are moved one by one.
    """
    generator = torch.Generator().manual_seed(seed)
    finite = {name: g is None or bool(g.isfinite().all()) for name, g in gradients.items()}
    lines = [
        line for name, leaf in point.leaves.items() if finite[name] for line in lines_of(name, leaf, most, generator)
    ]
    entries = compare(point, gradients, lines, tolerance, seed)
    found: dict[str, list[Entry]] = {name: [] for name in point.leaves}
    for line, entry in zip(lines, entries, strict=True):
        found[line.name].append(entry)
    return [
        _check(name, "input" if inputs(name) else "parameter", leaf, gradients[name], found[name], tolerance)
        for name, leaf in point.leaves.items()
    ]


def _check(
    name: str, kind: str, leaf: Tensor, gradient: Tensor | None, entries: Sequence[Entry], tolerance: float
) -> ParameterCheck:
    single = [entry for entry in entries if entry.index is not None]
    direction = next((entry for entry in entries if entry.index is None), None)
    lost = gradient is not None and not bool(gradient.isfinite().all())
    judged = [entry for entry in single if entry.verdict != "kink"]
    worst = max(entries, key=lambda entry: (VERDICTS.index(entry.verdict), entry.error), default=None)
    verdict = "wrong" if lost else worst_of(entry.verdict for entry in entries)
    error = max((entry.error for entry in (judged or [])), default=None)
    if direction is not None and direction.verdict == "wrong":
        error = max(error or 0.0, direction.error)
    return ParameterCheck.model_validate(
        {
            "name": name,
            "kind": kind,
            "shape": tuple(leaf.shape),
            "size": leaf.numel(),
            "checked": len(single),
            "verdict": verdict,
            "error": error,
            "worst": worst,
            "direction": direction,
            "counts": dict(Counter(entry.verdict for entry in single)),
            "text": _lost(gradient) if lost and gradient is not None else _words(gradient, leaf, entries, tolerance),
        }
    )


def _lost(gradient: Tensor) -> str:
    bad = ~gradient.isfinite()
    index = tuple(bad.nonzero()[0].tolist())
    count = f"{int(bad.sum())} of {gradient.numel()}"
    return f"{count} gradients are not finite, the first at {list(index)}: {gradient[index].item()}"


def _words(gradient: Tensor | None, leaf: Tensor, entries: Sequence[Entry], tolerance: float) -> str:
    """Say what is wrong, or where the kinks are; nothing where all is right."""
    verdict = worst_of(entry.verdict for entry in entries)
    single = [entry for entry in entries if entry.index is not None]
    bad = [entry for entry in entries if entry.verdict == verdict]
    if verdict == "right":
        return ""
    count = sum(entry.verdict == verdict for entry in single)
    of = f"{count} of {len(single)} entries" if len(single) > 1 else "its entry"
    first = max(bad, key=lambda entry: entry.error)
    numbers = f"{place(first)} has {first.analytic:.6g}, differences give {first.numeric:.6g}"
    if verdict == "kink":
        sides = "" if first.left is None else f", left {first.left:.4g} and right {first.right:.4g}"
        here = f"{place(first)} has {first.analytic:.4g}{sides}"
        return f"{of} at a kink, where any slope between both sides will do: {here}"
    if verdict == "unsure":
        return f"{of} cannot be told: {numbers}, give or take {first.numeric_error:.1e}"
    if gradient is None:
        return f"no gradient reaches it, though the outputs depend on it (detached?): {numbers}"
    if count == 0:
        return f"all entries checked are right, but all moved at once are not: {numbers}"
    guess = _pattern(leaf, single, tolerance)
    return f"{of} wrong{f', {guess}' if guess else ''}: {numbers}"


def place(entry: Entry) -> str:
    """Return where an entry lies: "[0, 2]"."""
    if entry.index is None:
        return "a random direction"
    return str(list(entry.index)) if entry.index else "it"


def _pattern(leaf: Tensor, entries: Sequence[Entry], tolerance: float) -> str:
    """Say what a wrong gradient looks like, where it is a multiple of the right one, or that transposed."""
    analytic, numeric = (np.array([getattr(e, name) for e in entries]) for name in ("analytic", "numeric"))
    room = max(1e-5, 10 * tolerance)
    if not analytic.any():
        return "as if it was forgotten: 0 everywhere"
    square = leaf.ndim == 2 and leaf.shape[0] == leaf.shape[1] and len(entries) == leaf.numel()
    size = np.abs(numeric).max()
    if square and leaf.shape[0] > 1:
        turned = numeric.reshape(leaf.shape).T.ravel()
        if np.abs(analytic - turned).max() <= room * size:
            return "as if it was transposed"
    power = float(numeric @ numeric)
    factor = float(analytic @ numeric) / power if power else 0.0
    if len(entries) > 1 and factor and np.abs(analytic - factor * numeric).max() <= room * abs(factor) * size:
        return "as if its sign was wrong" if abs(factor + 1) <= room else f"{factor:.6g} times what they should be"
    return ""


def unused(checks: Sequence[ParameterCheck], gradients: Mapping[str, Tensor | None]) -> list[Fault]:
    """Name the parameters that get no gradient, because nothing depends on them."""
    text = "unused: no gradient comes there, and the outputs do not depend on it"
    names = [each.name for each in checks if gradients[each.name] is None and each.verdict == "right"]
    return [Fault(kind="unused", where=some(names), text=text)] if names else []


def some(names: Sequence[str]) -> str:
    """Return the first of many names, and how many more there are.

    >>> some(["a", "b", "c", "d", "e", "f"])
    'a, b, c, d and 2 more'
    """
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
