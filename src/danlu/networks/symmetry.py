"""Units of a layer that are equal: they compute the same, get the same gradient, and so stay equal for ever."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from danlu.core.checks import EqualUnits
from danlu.networks.linear import Linear
from danlu.networks.modules import ModuleNetwork
from danlu.networks.network import Network

ROUNDING = 1e-3
"""Share of a unit's own size by which units that began equal may differ: rounding moves them apart a little in many
steps; weights that learn differently move by more in a few."""
UNITS_ALONG_ROWS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)
"""Layers of torch whose weights are `[units, ...]`."""


def equal_units(
    network: Network, first_MP: Tensor, weights_MP: Tensor, index: Sequence[int] | None = None
) -> tuple[EqualUnits, ...]:
    """Return the layers of which at most half of the units are different, before training and after it.

    Weights that only became equal (an L1 penalty makes them 0), or that began equal and then parted (a last layer that
    begins at 0), are none.

    Arguments:
        network: the architecture.
        first_MP: weights before training.
        weights_MP: weights after it.
        index: what the M members are called; by default 0, 1, ....

    >>> from danlu.core.records import FeatureLayout, NetworkSpec
    >>> spec = NetworkSpec(layout=FeatureLayout(numbers=("a",)), outputs=1, hidden=(8,), init="constant:1", init_bias=0)
    >>> network = Network(spec)
    >>> first_MP, _ = network.initial([1, 2])
    >>> [(found.layer, found.distinct, found.units) for found in equal_units(network, first_MP, first_MP)]
    [('hidden.0', 1, 8)]
    """
    index = range(len(weights_MP)) if index is None else index
    first, last = network.named(first_MP), network.named(weights_MP)
    found = []
    for layer, names, transposed in _layers(network):
        distinct = {}
        for place, member in enumerate(index):
            before, after = (_units([named[name][place] for name in names], transposed) for named in (first, last))
            if 2 * (count := _distinct(before, after)) <= len(before):
                distinct[member] = count
        if distinct:
            units = first[names[0]].shape[2 if transposed else 1]
            found.append(EqualUnits(layer=layer, units=units, distinct=max(distinct.values()), members=tuple(distinct)))
    return tuple(found)


def _layers(network: Network) -> Iterator[tuple[str, tuple[str, ...], bool]]:
    """Yield the name of each layer whose units must differ, the names of its tensors, and whether units are columns."""
    if not isinstance(network, ModuleNetwork):
        for layer in network.layers[:-1]:
            if isinstance(layer, Linear):
                yield layer.name, tuple(f"{layer.name}.{shape.name}" for shape in layer.parameters), True
        return
    known = {slot.name for slot in network.parameters}
    for name, module in network.layer.module.named_modules():
        begin = ".".join(part for part in (network.layer.name, name) if part)
        names = tuple(each for each in (f"{begin}.weight", f"{begin}.bias") if each in known)
        if isinstance(module, UNITS_ALONG_ROWS) and names and names[0].endswith(".weight"):
            yield name or network.layer.name, names, False


def _units(tensors: Sequence[Tensor], transposed: bool) -> np.ndarray:
    """Return what each unit has, `[units, numbers]` in float64: its weights, and its bias where there is one."""
    weight, *bias = [tensor.detach().cpu().double() for tensor in tensors]
    rows = [weight.T if transposed else weight.flatten(1), *(each[:, None] for each in bias)]
    return torch.cat(rows, 1).contiguous().numpy()


def _distinct(before: np.ndarray, after: np.ndarray) -> int:
    """Return how many units are different, where those that began equal may differ by rounding."""
    # Equal rows have equal sums, to the last bit; a thousand random ones have not.
    mark = (before * np.cos(np.arange(before.shape[1]))).sum(axis=1)
    _, first, group = np.unique(mark, return_index=True, return_inverse=True)
    if len(first) * 2 > len(before):
        return len(first)
    leader = first[group]
    size = np.abs(after[leader]).max(axis=1)
    parted = (np.abs(after - after[leader]).max(axis=1) > ROUNDING * size) | (before != before[leader]).any(axis=1)
    return len(first) + int(parted.sum())
