"""What a trace found, as plain records: numbers in float64, no tensors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class TracedParameter:
    """One parameter of a layer.

    name: as `--weight` takes it, e.g. "layer1.weight"; path: its own name in the network.
    values, gradients, after: the numbers, the loss's gradient by each, and what one update makes of them.
    units: what the entries of its shape are, e.g. "unit, input".
    """

    name: str
    path: str
    values: np.ndarray
    gradients: np.ndarray
    after: np.ndarray
    units: str = ""


@dataclass(frozen=True, eq=False)
class TracedLayer:
    """One step of the forward pass, in its order.

    name: layer1, layer2, ... for what has weights and sums up; `layer1.sigmoid` for what follows.
    path, kind, formula, slope: its name in the network, its class or function, what it computes, and its derivative.
    inputs: names of the layers whose outputs it reads.
    outputs: led by rows; of layer1, layer2, ... these are the weighted sums.
    gradients: of the loss by each of the outputs, in their shape.
    local: derivative of each output by the one input beside it, where the layer works on each number alone.
    """

    name: str
    path: str
    kind: str
    formula: str
    slope: str
    inputs: tuple[str, ...]
    outputs: np.ndarray
    gradients: np.ndarray
    parameters: tuple[TracedParameter, ...] = ()
    local: np.ndarray | None = None
    labels: tuple[str, ...] = ()
    """Names of the outputs, where they have some: the columns of a table."""


@dataclass(frozen=True)
class Factor:
    """One factor of a chain: what it is, its formula, and its number."""

    what: str
    formula: str
    value: float


@dataclass(frozen=True)
class Term:
    """One path out of a unit: to which unit, by what, times that unit's delta."""

    unit: str
    by: str
    coefficient: float
    delta: float
    product: float


@dataclass(frozen=True)
class Level:
    """The delta of one unit, opened: the product of `factors`, times the sum of `terms` where there are some.

    opened: the unit of the strongest term, which is the next level's.
    """

    unit: str
    row: int
    delta: float
    factors: tuple[Factor, ...]
    terms: tuple[Term, ...] = ()
    opened: str = ""

    @property
    def total(self) -> float:
        """The sum of the terms."""
        return sum(term.product for term in self.terms)


@dataclass(frozen=True)
class Share:
    """What one row, or one position of a row, adds: delta times input."""

    place: str
    delta: float | None
    input: float | None
    product: float


@dataclass(frozen=True)
class Chain:
    """The chain rule for one weight, factor by factor.

    factors: from the loss to the weight, for the row that adds most; their product is `row_product`.
    rows: what each row adds; `product` is their mean (`pooling` "mean"), or their sum.
    positions: where the weight acts more than once in a row (convolutions): their sum is what the row adds.
    levels: the unit's delta, opened layer by layer along the strongest path.
    product, autograd, difference: the same number three ways; `difference` by a central difference of `step`.
    agrees: whether product and autograd are the same but for rounding; `words` says what to make of it.
    """

    weight: str
    path: str
    index: tuple[int, ...]
    value: float
    after: float
    formula: str
    factors: tuple[Factor, ...]
    row: int
    row_product: float
    pooling: str
    rows: tuple[Share, ...]
    positions: tuple[Share, ...]
    levels: tuple[Level, ...]
    product: float
    autograd: float
    difference: float
    step: float
    agrees: bool
    words: str = ""
    others: tuple[Share, ...] = ()
    """What the other places add where the network uses the parameter; `product` holds them."""


@dataclass(frozen=True, eq=False)
class Descent:
    """Gradient descent: the loss in each epoch (before its update), and after the last one.

    gradient: "exact", or "forward-difference:0.0001"; dtype: what the parameters are kept in.
    """

    steps: int
    lr: float
    gradient: str
    dtype: str
    losses: tuple[float, ...]
    loss_after: float
    output: np.ndarray
    parameters: dict[str, np.ndarray]


@dataclass(frozen=True, eq=False)
class TraceRecord:
    """Every number of one step: forward, backward, update.

    Attributes:
        source: what was traced; `about` says more, one line.
        mode: "evaluation" or "training"; how batch norm and dropout behaved.
        rows: numbers of the rows, from 0.
        layers: in the order of the forward pass, the input first.
        output: `[N, C]`, of the last layer; `prediction` what it means in the user's units, of a Danlu model.
        target: as the loss sees it, or None.
        loss: its value; `loss_name` and `loss_formula` say what it is.
        update: in words: the rule that made each parameter's `after`; `lr` its learning rate.
        chain: of the weight asked for.
        descent: where steps were asked for.
        notes: what else should be known.
    """

    source: str
    about: str
    mode: str
    rows: tuple[int, ...]
    layers: tuple[TracedLayer, ...]
    output: np.ndarray
    target: np.ndarray | None
    loss: float
    loss_name: str
    loss_formula: str
    update: str
    lr: float
    prediction: np.ndarray | None = None
    chain: Chain | None = None
    descent: Descent | None = None
    notes: tuple[str, ...] = ()

    def layer(self, name: str) -> TracedLayer:
        """Return a layer by its name here, or in the network.

        Raises:
            PlanError: there is none.
        """
        from danlu.core.errors import PlanError, nearest  # noqa: PLC0415

        for each in self.layers:
            if name in (each.name, each.path):
                return each
        raise PlanError("a layer must be one of the network's", f"there is no `{name}`", nearest(name, self.names))

    @property
    def names(self) -> Sequence[str]:
        """Names of the layers, in order."""
        return [layer.name for layer in self.layers]

    @property
    def parameters(self) -> list[TracedParameter]:
        """All parameters, in the order of their layers."""
        return list({p.path: p for layer in self.layers for p in layer.parameters}.values())
