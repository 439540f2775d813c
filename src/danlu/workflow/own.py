"""A class of the user's own on the walk: taken from the settings, tried out, and spoken of."""

from __future__ import annotations

from typing import Any

from danlu.core.errors import PlanError
from danlu.core.nets import IN_PYTHON
from danlu.core.plan import Plan
from danlu.core.records import Note
from danlu.networks import Network
from danlu.networks.custom import Custom, find
from danlu.networks.modules import ModuleNetwork


def take_class(settings: dict[str, Any]) -> tuple[Custom | None, dict[str, Any]]:
    """Return the class among keyword settings, if `net` is one and no text, and the settings with its name instead.

    Raises:
        PlanError: it is no class, and no function.
    """
    net = settings.get("net")
    if net is None or isinstance(net, str):
        return None, settings
    custom = find(net)
    assert custom is not None
    return custom, settings | {"net": custom.name + IN_PYTHON}


def with_dropout(resolved: Plan, network: Network) -> Plan:
    """Return the plan with the rate of a user's module: its greatest one where none was asked for.

    Raises:
        PlanError: a rate was asked for, but the module has no dropout.
    """
    if not isinstance(network, ModuleNetwork):
        return resolved
    if resolved.dropout is None:
        return resolved.model_copy(update={"dropout": network.dropout})
    if resolved.dropout and not network.layer.survey.drops:
        raise PlanError(
            "`dropout` sets the rate of nn.Dropout",
            f"{network.custom.name} has none",
            "Leave it out, or add nn.Dropout.",
        )
    return resolved


def own_notes(network: Network) -> tuple[Note, ...]:
    """Say how a user's class was called, and what its trial found."""
    if not isinstance(network, ModuleNetwork) or network.spec.module is None:
        return ()
    layout = network.spec.layout
    behind = network.input_width - len(layout.numbers)
    columns = f"{len(layout.numbers)} numbers" + (f" and {behind} columns of 0 and 1 behind them" if behind else "")
    if layout.image is not None:
        channels, height, width = layout.image
        columns = f"{network.input_width:,} pixels, flat: {channels} x {height} x {width}"
    call = network.custom.call(network.input_width, network.spec.outputs)
    texts = (f"{call} makes each one; its inputs are {columns}", *network.notes)
    return tuple(Note(topic="network", text=text) for text in texts)
