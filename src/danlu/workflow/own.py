"""A class of the user's own on the walk: taken from the settings, tried out, and spoken of."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch

from danlu.core.errors import PlanError
from danlu.core.nets import IN_PYTHON
from danlu.core.plan import Plan
from danlu.core.records import Note
from danlu.networks import Network
from danlu.networks.custom import Custom, find
from danlu.networks.modules import ModuleNetwork
from danlu.population.losses import Loss
from danlu.population.own_loss import name_of, own_loss, try_loss
from danlu.workflow.given import NOTHING, Given


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


def take_loss(settings: dict[str, Any], given: Given) -> tuple[Given, dict[str, Any]]:
    """Return the loss among keyword settings, if it is a function and no text, with what else was given."""
    loss = settings.get("loss")
    if not callable(loss):
        return given, settings
    return replace(given, loss=loss), {name: value for name, value in settings.items() if name != "loss"}


def loss_of(given: Given, network: Network, target: torch.Tensor) -> Loss | None:
    """Return the user's own loss, tried on some targets as the networks' outputs are; None where there is none.

    Raises:
        PlanError: the function is no loss.
    """
    if given.loss is None:
        return None
    try_loss(given.loss, network.spec.outputs, target[:8].cpu() if target.dim() == 1 else target[:8].cpu().float())
    return own_loss(given.loss, scaled=network.spec.link == "identity")


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


def own_notes(network: Network, given: Given = NOTHING, members: int = 1, device: str = "cpu") -> tuple[Note, ...]:
    """Say how a user's class was called, and what its trial found; and which functions are the user's own.

    Of convolutions it is said whether several members run at once on a device, as that is measured.
    """
    mine = "a function of your own"
    said = []
    if given.loss is not None:
        said.append(("loss", f"{name_of(given.loss)}, {mine}, in the place of the one by name"))
    if given.metric is not None:
        said.append(("metric", f"{given.metric.name}, {mine}, beside those by name"))
    if given.stop_on is not None:
        said.append(("stop_on", f"{given.stop_on.name}, {mine}, in the place of one by name"))
    if said:
        return (*(Note(topic=topic, text=text) for topic, text in said), *own_notes(network, NOTHING, members, device))
    if not isinstance(network, ModuleNetwork):
        return ()
    if network.spec.module is None:
        rule = network.layer.rule
        if members == 1 or rule is None:
            return ()
        how = "all at once" if rule(device, members) else "one after another"
        if how == "one after another" and device == "cpu":  # on others nothing has been measured
            how += ", which is not slower with convolutions than all at once"
        return (Note(topic="networks", text=how),)
    layout = network.spec.layout
    behind = network.input_width - len(layout.numbers)
    columns = f"{len(layout.numbers)} numbers" + (f" and {behind} columns of 0 and 1 behind them" if behind else "")
    if layout.image is not None:
        channels, height, width = layout.image
        columns = f"{network.input_width:,} pixels, flat: {channels} x {height} x {width}"
    call = network.custom.call(network.input_width, network.spec.outputs)
    texts = (f"{call} makes each one; its inputs are {columns}", *network.notes)
    return tuple(Note(topic="network", text=text) for text in texts)
