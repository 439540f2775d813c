"""What the layers of one network look like at the end of training: what they give, what is dead, how gradients flow."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from danlu.core.explained import LayerCourse, LayerState
from danlu.explanation.gradients_loss import make_measure
from danlu.networks.export import MemberModule, side_by_side

RECTIFIED = (nn.ReLU, nn.ReLU6)
ENDS = {nn.Tanh: (-1.0, 1.0), nn.Sigmoid: (0.0, 1.0), nn.Softsign: (-1.0, 1.0), nn.Hardtanh: (-1.0, 1.0)}
"""Activations that saturate, and between what."""
NEAR = 0.01
"""Share of the way between the ends within which an output counts as saturated."""
MOST_LAYERS = 60


def layer_states(
    member: MemberModule, x_NF: Tensor, codes_NQ: Tensor, target: Tensor, loss: str
) -> tuple[LayerState, ...]:
    """Run rows forward and backward once, in evaluation mode, and describe every layer, in the order it ran.

    Arguments:
        member: one network, as `to_torch` gives it.
        x_NF: encoded numbers of the rows.
        codes_NQ: their codes.
        target: numbers `[N, C]` as the loss sees them, or class codes `[N]`.
        loss: name of the loss.
    """
    seen: list[tuple[str, nn.Module, Tensor]] = []

    def watch(name: str) -> object:
        def hook(module: nn.Module, _: object, output: object) -> None:
            if isinstance(output, Tensor) and output.is_floating_point():
                seen.append((name, module, output.detach()))

        return hook

    leaves = list(_leaves(member.network))
    handles = [module.register_forward_hook(watch(name)) for name, module in leaves]  # type: ignore[arg-type]
    try:
        with torch.no_grad():
            inputs = side_by_side(member.preparation(x_NF, codes_NQ), member.embeddings, member.plain, member.bins)
        member.network.zero_grad()
        with torch.enable_grad():
            outputs = member.network(inputs)
            measure, _ = make_measure(outputs, target.cpu().numpy(), loss, 0)
            measure(outputs).sum().backward()
    finally:
        for handle in handles:
            handle.remove()
    found = tuple(_state(name, module, output, len(x_NF)) for name, module, output in seen[:MOST_LAYERS])
    member.network.zero_grad()
    return found


def layer_courses(looks: Sequence[Sequence[LayerState]]) -> tuple[LayerCourse, ...]:
    """Return what each layer was at each of several looks at the same network; nothing where other layers ran.

    >>> begun = LayerState(name="a", kind="Linear", shape=(4,), parameters=8, mean=3.0, spread=4.0, weight=0.5)
    >>> layer_courses([[begun], [begun.model_copy(update={"weight": 0.7})]])[0].weight
    (0.5, 0.7)
    """
    if len({tuple((each.name, each.kind) for each in look) for look in looks}) != 1:
        return ()

    def over(states: Sequence[LayerState], name: str) -> tuple[float | None, ...]:
        found = tuple(_short(getattr(state, name)) for state in states)
        return () if all(value is None for value in found) else found

    return tuple(
        LayerCourse(
            name=states[0].name,
            kind=states[0].kind,
            output=tuple(_short((state.mean**2 + state.spread**2) ** 0.5) for state in states),
            **{name: over(states, name) for name in ("weight", "gradient", "dead", "saturated")},
        )
        for states in zip(*looks, strict=True)
    )


def _short(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.4g}")


def _leaves(network: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Yield modules that hold no others, and those that hold parameters of their own."""
    for name, module in network.named_modules():
        own = any(True for _ in module.parameters(recurse=False))
        if (own or not any(True for _ in module.children())) and not isinstance(module, nn.Dropout | nn.Identity):
            yield name or type(module).__name__.lower(), module


def _state(name: str, module: nn.Module, output: Tensor, rows: int) -> LayerState:
    """Describe one layer. Copies, where there are any, lead its output: rows are the axis that is as long as they."""
    values = output.double()
    axis = next((i for i, size in enumerate(values.shape) if size == rows), 0)
    unit_NU = values.movedim(axis, 0).reshape(len(values) if axis == 0 else rows, -1)
    rectified = isinstance(module, RECTIFIED)
    ends = next((ends for kind, ends in ENDS.items() if isinstance(module, kind)), None)
    saturated = None
    if ends is not None:
        near = NEAR * (ends[1] - ends[0])
        saturated = float(((unit_NU <= ends[0] + near) | (unit_NU >= ends[1] - near)).double().mean())
    own = list(module.parameters(recurse=False))
    return LayerState(
        name=name,
        kind=type(module).__name__,
        shape=tuple(size for i, size in enumerate(output.shape) if i != axis),
        parameters=sum(p.numel() for p in own),
        mean=_finite(unit_NU.mean()),
        spread=_finite(unit_NU.std(correction=0)),
        dead=float((unit_NU == 0).all(0).double().mean()) if rectified else None,
        zeros=float((unit_NU == 0).double().mean()) if rectified else None,
        saturated=saturated,
        gradient=_size([p.grad for p in own if p.grad is not None]),
        weight=_size([p.detach() for p in own]),
    )


def _size(tensors: list[Tensor]) -> float | None:
    """Return the root mean square of all numbers; None where there are none."""
    if not tensors:
        return None
    flat = torch.cat([t.double().flatten() for t in tensors])
    return _finite(flat.square().mean().sqrt())


def _finite(value: Tensor) -> float:
    number = float(value)
    return number if np.isfinite(number) else 0.0
