"""The chain rule for one weight: from the loss back to it, factor by factor, deltas opened layer by layer."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from danlu.explanation.addresses import find_weight, shown_name
from danlu.explanation.formulas import formula_of, loss_formula, short
from danlu.explanation.recording import Node, Value
from danlu.explanation.trace_records import Chain, Factor, Level, Share, Term
from danlu.explanation.tracing import SUMS, Pass, label, push

EXACT, CLOSE = 1e-8, 1e-4
"""Relative differences that rounding explains: between product and autograd, and between those and a difference."""


def chain_of(found: Pass, address: str) -> Chain:
    """Return the chain rule for one weight, checked against autograd and a central finite difference.

    Arguments:
        address: "layer1[0,0]", "layer1.bias[0]", or the parameter's own name with a place.

    Raises:
        PlanError: there is no such weight.
    """
    path, index = find_weight(found, address)
    uses = [
        (value, change, value.gradient * change)
        for value, change in _uses(found, path, index)
        if value.gradient is not None
    ]
    autograd = float(found.gradients[path][index])
    product = math.fsum(float(part.sum()) for _, _, part in uses)
    difference, step = central_difference(found, path, index)
    main = max(range(len(uses)), key=lambda i: float(uses[i][2].abs().sum()), default=-1)
    if uses:
        opened: dict[str, Any] = _opened(found, *uses[main], path, index)
    else:
        opened = {
            "row": found.numbers[0],
            "factors": (),
            "row_product": 0.0,
            "rows": (),
            "positions": (),
            "levels": (),
            "formula": "0: nothing uses it",
        }
    others = (
        [
            Share(label(found, value), None, None, float(part.sum()))
            for i, (value, _, part) in enumerate(uses)
            if i != main
        ]
        if len(uses) > 1
        else []
    )
    # Where rows cancel out (a bias before batch norm) what is left is rounding of the parts.
    parts = sum(float(part.abs().sum()) for _, _, part in uses)
    agrees = abs(product - autograd) <= EXACT * max(abs(product), abs(autograd), 1e-4 * parts)
    name = shown_name(found, path)
    return Chain(
        weight=f"{name}[{','.join(map(str, index))}]" if index else name,
        path=found.title(path),
        index=index,
        value=float(found.parameters[path][index]),
        after=float("nan"),
        pooling="mean" if found.pooled > 1 or found.rows == 1 else "sum",
        product=product,
        autograd=autograd,
        difference=difference,
        step=step,
        agrees=agrees,
        words=_words(product, autograd, difference, agrees=agrees, used=bool(uses)),
        others=tuple(others),
        **opened,
    )


def _words(product: float, autograd: float, difference: float, *, agrees: bool, used: bool) -> str:
    if not used:
        return "Nothing that the loss depends on uses this parameter."
    if not agrees:
        off = f"The product differs from autograd's gradient by {product - autograd:.3g}"
        return f"{off}: a part of the network hides from the chain."
    if abs(autograd - difference) > CLOSE * max(abs(autograd), abs(difference), 1e-6):
        return (
            "The finite difference is another: the loss has a kink close by (ReLU at 0), or a backward pass is wrong; "
            "`danlu gradients` tells them apart."
        )
    return ""


def central_difference(found: Pass, path: str, index: tuple[int, ...]) -> tuple[float, float]:
    """Return the slope of the loss from a step of one weight both ways, and that step."""
    parameter = dict(found.module.named_parameters())[path]
    before = parameter.data[index].item()
    step = 6e-6 * max(1.0, abs(before))
    losses = []
    try:
        for moved in (before + step, before - step):
            parameter.data[index] = moved
            losses.append(found.loss_now())
    finally:
        parameter.data[index] = before
    return (losses[0] - losses[1]) / ((before + step) - (before - step)), step


def _uses(found: Pass, path: str, index: tuple[int, ...]) -> Iterator[tuple[Value, Tensor]]:
    """Yield each value that a parameter enters, with its derivative by one entry; mere moves are passed through."""
    start = torch.zeros_like(found.parameters[path].detach())
    start[index] = 1.0
    waiting: list[tuple[Node, Value | str, Tensor]] = [(n, path, start) for n in found.nodes if path in n.own.values()]
    while waiting:
        node, at, tangent = waiting.pop(0)
        for value, change in zip(node.outputs, push(found, node, at, tangent), strict=True):
            if node.moves:
                waiting += [(after, value, change) for after in found.recorder.consumers.get(value.number, [])]
            else:
                yield value, change


def _opened(
    found: Pass, value: Value, change: Tensor, part: Tensor, path: str, index: tuple[int, ...]
) -> dict[str, Any]:
    """Return rows, positions, levels and factors of the place where a weight acts."""
    led, scale = found.has_rows(value), float(found.pooled)
    assert value.gradient is not None
    delta = value.gradient * scale
    change_R, delta_R, part_R = (t if led else t[None] for t in (change, delta, part * scale))
    numbers = found.numbers if led else (found.numbers[0],)
    rows = [_share(n, change_R[r], delta_R[r], part_R[r]) for r, n in enumerate(numbers)] if len(numbers) > 1 else []
    row = max(range(len(numbers)), key=lambda r: abs(float(part_R[r].sum())))
    first = part_R[row]
    places = [tuple(p) for p in change_R[row].nonzero().tolist()] or [_unit(first, index)]
    places.sort(key=lambda p: -abs(float(first[p])))
    positions = [
        Share(f"[{','.join(map(str, p))}]", float(delta_R[row][p]), float(change_R[row][p]), float(first[p]))
        for p in places
    ]
    at = (row, *places[0]) if led else places[0]
    levels = open_levels(found, value, at)
    what, formula = _last(found, value, path)
    if len(places) > 1:
        factors = [
            Factor(
                f"delta of {label(found, value, at)} times {what}, summed",
                f"Σ over {len(places)} positions",
                float(first.sum()),
            )
        ]
    else:
        factors = [*_towards(levels), Factor(what, formula, float(change_R[row][places[0]]))]
    return {
        "row": numbers[row],
        "factors": tuple(factors),
        "row_product": float(first.sum()),
        "rows": tuple(rows),
        "positions": tuple(positions) if len(places) > 1 else (),
        "levels": tuple(levels),
        "formula": " × ".join(in_product(factor.formula) for factor in factors),
    }


def in_product(formula: str) -> str:
    """Put brackets around a formula that cannot stand in a product without them.

    >>> in_product("a (1 − a)"), in_product("1 − a²"), in_product("1 where z > 0, else 0")
    ('a (1 − a)', '(1 − a²)', '(1 where z > 0, else 0)')
    """
    outside = re.sub(r"\([^()]*\)|\[[^\]]*\]", "", re.sub(r"\([^()]*\)", "", formula))
    return f"({formula})" if re.search(r" [−+] |, ", outside) else formula


def _share(row: int, change: Tensor, delta: Tensor, part: Tensor) -> Share:
    """Return what one row adds; delta and input where it acts at one place only."""
    places = change.nonzero()
    if len(places) > 1:
        return Share(f"row {row}", None, None, float(part.sum()))
    if not len(places):
        return Share(f"row {row}", None, 0.0, 0.0)
    place = tuple(places[0].tolist())
    return Share(f"row {row}", float(delta[place]), float(change[place]), float(part[place]))


def _unit(part: Tensor, index: tuple[int, ...]) -> tuple[int, ...]:
    """Return the place of a unit where its input is 0, so that nothing else tells which it is."""
    if part.ndim == 1 and index and index[0] < len(part):
        return (index[0],)
    return (min(index[0], len(part) - 1) if index and part.ndim else 0, *[0] * (part.ndim - 1))[: part.ndim]


def _last(found: Pass, value: Value, path: str) -> tuple[str, str]:
    """Return the last factor in words and as a formula: the input that the weight multiplies."""
    node = value.node
    assert node is not None
    if found.parameters[path].ndim <= 1 and short(node.kind) in SUMS:
        return "a bias's input", "1"
    if short(node.kind) in SUMS:
        return "input", "x"
    if short(node.kind) in ("batchnorm", "layernorm", "groupnorm", "instancenorm"):
        scale = path.endswith("weight")
        return ("normalised value", "(z − mean) / √(var + ε)") if scale else ("a shift's input", "1")
    if short(node.kind) == "embedding":
        return "whether the row has this code", "1"
    return "derivative by the weight", "∂a/∂w"


def _towards(levels: list[Level]) -> list[Factor]:
    """Return the delta's factors, from the loss to the unit; a sum over paths is one of them."""
    first = levels[0]
    if not first.terms:
        return list(reversed(first.factors))
    layer = first.terms[0].unit.partition("[")[0]
    summed = Factor(f"sum over {len(first.terms)} paths to {layer}, opened below", "Σ weight × delta", first.total)
    return [summed, *reversed(first.factors)] if first.factors else [summed]


def open_levels(found: Pass, value: Value, at: tuple[int, ...]) -> list[Level]:
    """Return the delta of an element, opened layer by layer along its strongest path, down to the loss."""
    levels: list[Level] = []
    following: tuple[Value, tuple[int, ...]] | None = (value, at)
    while following is not None and len(levels) <= len(found.nodes):
        level, following = open_level(found, *following)
        levels.append(level)
    return levels


def open_level(found: Pass, value: Value, at: tuple[int, ...]) -> tuple[Level, tuple[Value, tuple[int, ...]] | None]:
    """Return the delta of one element as factors and the sum over its paths, and where the strongest path leads."""
    scale = float(found.pooled)
    assert value.gradient is not None
    unit, row = label(found, value, at), found.numbers[at[0] if found.has_rows(value) and at else 0]
    delta, factors = float(value.gradient[at]) * scale, []
    terms: list[Term] = []
    ahead: list[tuple[Value, tuple[int, ...]]] = []
    while True:
        terms, ahead = _paths(found, value, at)
        if len(terms) != 1:
            break
        node = ahead[0][0].node
        assert node is not None
        if node.kind == "loss":
            slope = loss_formula(found.loss_name, _outputs(found)).slope
            factors.append(Factor(f"the loss by {label(found, value, at)}", slope, terms[0].coefficient * scale))
            terms = []
            break
        if not node.moves:
            factors.append(_factor(found, node, terms[0], ahead[0][0]))
        value, at = ahead[0]
    if not terms and not ahead:
        if found.recorder.consumers.get(value.number) or not delta:
            factors.append(Factor("no path leads to the loss from here", "0", 0.0))
        else:
            unseen = float(value.gradient[at]) * scale
            factors.append(Factor("what follows cannot be seen: autograd's gradient", "∂L/∂a", unseen))
    terms = [_scaled(term, scale) for term in terms]
    best = max(range(len(terms)), key=lambda i: abs(terms[i].product)) if terms else None
    opened = "" if best is None else terms[best].unit
    order = sorted(terms, key=lambda term: -abs(term.product))
    return Level(unit, row, delta, tuple(factors), tuple(order), opened), None if best is None else ahead[best]


def _outputs(found: Pass) -> int:
    tensor = found.output.tensor
    return tensor[0].numel() if tensor.ndim > 1 else 1


def _scaled(term: Term, scale: float) -> Term:
    return Term(term.unit, term.by, term.coefficient, term.delta * scale, term.product * scale)


def _paths(found: Pass, value: Value, at: tuple[int, ...]) -> tuple[list[Term], list[tuple[Value, tuple[int, ...]]]]:
    """Return every element that the next calls make of one, with its local derivative and its own gradient."""
    tangent = torch.zeros_like(value.tensor)
    tangent[at] = 1.0
    terms, ahead = [], []
    for node in found.recorder.consumers.get(value.number, []):
        for out, change in zip(node.outputs, push(found, node, value, tangent), strict=True):
            if out.gradient is None:
                continue
            for place in map(tuple, change.nonzero().tolist()):
                coefficient, delta = float(change[place]), float(out.gradient[place])
                row = f" of row {found.numbers[place[0]]}" if found.has_rows(out) and at and place[0] != at[0] else ""
                terms.append(
                    Term(
                        label(found, out, place) + row,
                        _by(node, label(found, out, place), at),
                        coefficient,
                        delta,
                        coefficient * delta,
                    )
                )
                ahead.append((out, place))
    return terms, ahead


def _by(node: Node, unit: str, at: tuple[int, ...]) -> str:
    if short(node.kind) == "linear":
        return f"weight {unit[:-1]},{at[-1]}]" if unit.endswith("]") else "weight"
    return "weight" if short(node.kind) in SUMS else formula_of(node.kind, node.module, _trains(node)).slope


def _trains(node: Node) -> bool:
    return node.module is not None and node.module.training


def _factor(found: Pass, node: Node, term: Term, out: Value) -> Factor:
    if short(node.kind) in SUMS:
        return Factor(term.by, "w", term.coefficient)
    return Factor(
        f"slope of {label(found, out)}", formula_of(node.kind, node.module, _trains(node)).slope, term.coefficient
    )
