"""Why weights are drawn as they are: activations and gradients through a deep network, and the symmetric start."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from danlu.report.figures import Figure, Panel
from danlu.report.pictures.lines import Axis, Line, lines_chart, short, styled
from danlu.report.words import count, number

Record = Mapping[str, Any]
LEAST, MOST = 1e-9, 1e9
"""Ends that the axis of all panels may have at most: what leaves them is lost, whatever the optimizer."""


def initialisations(depths: Sequence[Record], starts: Sequence[Record], *, width: int, rate: float) -> Figure:
    """Draw the spread of activations and of gradients layer by layer, and units over steps of two starts.

    Arguments:
        depths: init, activation, activation_LM, gradient_LM, weight_variance and distinct of each measurement.
        starts: init, weight_SU, loss_S and distinct of each small network that was trained.
        width: units of a layer.
        rate: learning rate of the small networks.
    """
    layers, members = depths[0]["activation_LM"].shape
    inits = list(dict.fromkeys(depth["init"] for depth in depths))
    used = list(dict.fromkeys(depth["activation"] for depth in depths))
    panels = []
    ends = _ends(depths)
    for activation in used:
        own = [depth for depth in depths if depth["activation"] == activation]
        panels.append(_depth_panel(own, inits, "activation_LM", f"{activation}: activations", ends))
        panels.append(_depth_panel(own, inits, "gradient_LM", f"{activation}: gradients on the way back", ends))
    panels += [_start_panel(start) for start in starts]
    lead = (
        f"{count(layers, 'hidden layer')} of {count(width, 'unit')}, biases 0, inputs and the gradient by the outputs "
        f"standard normal. Each line is the standard deviation over rows and units, middle of "
        f"{count(members, 'network')}. A level line passes on what it gets."
    )
    if starts:
        lead += f" At the end: one weight of each unit of a small tanh network, over gradient descent at rate {rate:g}."
    return Figure(
        "initialisations",
        "What the start does to a deep network",
        tuple(panels),
        _columns(depths),
        _facts(depths, starts),
        lead,
        tuple(Line(init, [], [], **styled(i)).mark for i, init in enumerate(inits)),
        columns=2,
        size=(370, 200),
    )


def _columns(depths: Sequence[Record]) -> dict[str, list[Any]]:
    data: dict[str, list[Any]] = {
        "init": [],
        "activation": [],
        "layer": [],
        "network": [],
        "spread": [],
        "gradient": [],
    }
    for depth in depths:
        layers, members = depth["activation_LM"].shape
        data["init"] += [depth["init"]] * layers * members
        data["activation"] += [depth["activation"]] * layers * members
        data["layer"] += np.repeat(np.arange(1, layers + 1), members).tolist()
        data["network"] += list(range(members)) * layers
        data["spread"] += depth["activation_LM"].ravel().tolist()
        data["gradient"] += depth["gradient_LM"].ravel().tolist()
    return data


def _facts(depths: Sequence[Record], starts: Sequence[Record]) -> dict[str, Any]:
    """Return the ends of every line, and how many units differ after training."""
    found: dict[str, Any] = {}
    for depth in depths:
        forward, back = (np.median(depth[name], axis=1) for name in ("activation_LM", "gradient_LM"))
        found.setdefault(depth["activation"], {})[depth["init"]] = {
            "activation": {"first": float(forward[0]), "last": float(forward[-1])},
            "gradient": {"first": float(back[0]), "last": float(back[-1])},
            "weight_variance": depth["weight_variance"],
            "distinct_units": depth["distinct"],
        }
    trained = {
        start["init"]: {
            "units": start["weight_SU"].shape[1],
            "distinct_units": start["distinct"],
            "loss": {"first": float(start["loss_S"][0]), "last": float(start["loss_S"][-1])},
        }
        for start in starts
    }
    return found | ({"starts": trained} if trained else {})


def _ends(depths: Sequence[Record]) -> tuple[float, float]:
    """Return powers of ten that all lines lie between, as far as the axis may go."""
    found = np.concatenate([np.median(d[f], axis=1) for d in depths for f in ("activation_LM", "gradient_LM")])
    found = found[np.isfinite(found) & (found > 0)]
    low, high = (found.min(), found.max()) if len(found) else (0.1, 1.0)
    low, high = np.clip([low, high], LEAST, MOST)
    return float(10 ** np.floor(np.log10(low))), float(10 ** np.floor(np.log10(high) + 1))


def _depth_panel(
    depths: Sequence[Record], inits: list[str], field: str, title: str, axis_ends: tuple[float, float]
) -> Panel:
    layers = len(depths[0][field])
    lines, ends = [], []
    for depth in depths:
        middle = np.median(depth[field], axis=1)
        drawn = np.where(middle > 0, middle, np.nan)
        lines.append(Line(depth["init"], np.arange(1, layers + 1), drawn, **styled(inits.index(depth["init"]))))
        first, last = (middle[0], middle[-1]) if field == "activation_LM" else (middle[-1], middle[0])
        ends.append(f"{depth['init']} from {number(float(first), digits=2)} to {number(float(last), digits=2)}")
    way = "layer" if field == "activation_LM" else "layer (the way back goes from right to left)"
    lost = [_lost(depth["init"], np.median(depth[field], axis=1), axis_ends) for depth in depths]
    chart = lines_chart(
        f"chart-{depths[0]['activation']}-{field.partition('_')[0]}",
        lines,
        Axis(way, (1.0, max(2.0, float(layers))), whole=True),
        Axis("standard deviation", axis_ends, log=True),
        label=f"{title}: {'; '.join(ends)}.",
        caption=" ".join(filter(None, lost)),
        height=240,
    )
    return Panel(chart, title)


def _lost(init: str, middle_L: np.ndarray, axis_ends: tuple[float, float]) -> str:
    """Say what of a line cannot be seen, and why."""
    finite = np.isfinite(middle_L)
    if not finite.any():
        return f"{init} is not finite in any layer."
    if not finite.all():
        return f"{init} is not finite in {_where(~finite)}."
    if not (middle_L > 0).any():
        return f"{init} is 0 in every layer."
    low, high = axis_ends
    if (middle_L < low).any():
        return f"{init} is below {short(low)} in {_where(middle_L < low)}."
    return f"{init} is above {short(high)} in {_where(middle_L > high)}." if (middle_L > high).any() else ""


def _where(hidden_L: np.ndarray) -> str:
    """Write which layers these are.

    >>> _where(np.array([False, True, True])), _where(np.array([True, False, False]))
    ('layers 2 to 3', 'layer 1')
    """
    found = np.flatnonzero(hidden_L) + 1
    return f"layer {found[0]}" if len(found) == 1 else f"layers {found[0]} to {found[-1]}"


def _start_panel(start: Record) -> Panel:
    """Return the panel of one small network: as many lines as units, of which equal ones lie on each other."""
    steps, units = start["weight_SU"].shape
    low, high = float(start["weight_SU"].min()), float(start["weight_SU"].max())
    lines = [Line(f"unit {u + 1}", np.arange(steps), start["weight_SU"][:, u], width=1.4) for u in range(units)]
    first, last = (number(float(v), digits=2) for v in (start["loss_S"][0], start["loss_S"][-1]))
    same = (
        f"all {units} units are still equal"
        if start["distinct"] == 1
        else f"{start['distinct']} of {units} units differ"
    )
    said = f"After {steps - 1} steps {same}; loss {first}, then {last}."
    chart = lines_chart(
        f"chart-start-{start['init'].replace(':', '-').replace('.', '-')}",
        lines,
        Axis("step", (0.0, float(steps - 1)), whole=True),
        Axis("weight of the first input", (low - 0.08 * (high - low), high + 0.08 * (high - low))),
        label=f"Weights of {units} units from {start['init']}. {said}",
        caption=said,
        height=240,
    )
    equal = "a symmetric start" if start["distinct"] == 1 else "a random start"
    return Panel(chart, f"{start['init']}: {equal}")
