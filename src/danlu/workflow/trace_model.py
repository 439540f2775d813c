"""A saved model's network made ready for a trace: one member, prepared rows, targets as its loss sees them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from danlu.artifact import Predictor
from danlu.core.errors import DataError, PlanError
from danlu.core.plan import Plan
from danlu.core.records import FeatureLayout, Run
from danlu.data.images import ImageSet
from danlu.explanation.assemble import Update
from danlu.explanation.trace_records import TracedLayer
from danlu.features import Encoded
from danlu.networks import Network, Preparation, Program, to_torch
from danlu.networks import layers as ours
from danlu.networks.build import both_classes
from danlu.networks.export import MemberModule, side_by_side
from danlu.networks.modules import ModuleNetwork
from danlu.networks.predict import link
from danlu.population.losses import make_loss
from danlu.population.members import Members
from danlu.population.optimizers import make_optimizer, start
from danlu.population.schedules import Timetable
from danlu.workflow.model import Model

FEW = 4
"""Rows of a table that are traced where none are named."""
SCALES = {
    "none": "the numbers as they are, the median where missing",
    "unit": "(x − least) / (greatest − least)",
    "standard": "(x − mean) / standard deviation",
    "robust": "s / √(1 + (s / 3)²) with s = (x − median) / interquartile range",
}


class Member(nn.Module):
    """One member behind its preparation: embeddings and the network, before link and unscaling."""

    def __init__(self, embeddings: nn.ModuleList, network: nn.Module) -> None:
        super().__init__()
        self.embeddings, self.network = embeddings, network

    def forward(self, x_ND: Tensor, slots_NE: Tensor | None = None) -> Tensor:
        """Compute the outputs of prepared rows, `[N, D]`, bins spread, and the slots of embedded columns, `[N, E]`."""
        if slots_NE is None:
            return self.network(x_ND)
        looked_up = [table(slots_NE[:, i]) for i, table in enumerate(self.embeddings)]
        return self.network(torch.cat([x_ND, *looked_up], 1))


@dataclass(frozen=True, eq=False)
class Case:
    """All that a trace of a model's member needs."""

    module: Member
    inputs: tuple[Tensor, ...]
    target: Tensor
    loss: Any
    rows: tuple[int, ...]
    first: tuple[TracedLayer, ...]
    labels: tuple[str, ...]
    titles: dict[str, str]
    sources: tuple[str, ...]
    about: str
    predict: Callable[[Tensor], np.ndarray]
    preparation: str


def make_case(model: Model, data: Any, y: Any, loss: Any, member: int, rows: Sequence[int] | None) -> Case:
    """Return one member of a model with rows of a table.

    Raises:
        PlanError: there is no such member, or no such row.
        DataError: a row has no target, or the table cannot be read.
    """
    predictor: Predictor = model._predictor
    count = len(predictor.weights_MP)
    if not 0 <= member < count:
        raise PlanError(f"`member` must be from 0 to {count - 1}", f"got {member}", f"The model has {count} networks.")
    encoded, target, chosen = _rows(model, predictor, data, y, rows)
    network, spec, run = predictor.network, predictor.run.network, predictor.run
    part = slice(member, member + 1)
    plain = to_torch(
        network, predictor.preparation, predictor.weights_MP[part], predictor.state_MS[part], predictor.fold_M[part]
    ).members[0]
    assert isinstance(plain, MemberModule)
    plain = plain.double()
    x = torch.from_numpy(np.array(encoded.x)).double()
    with torch.no_grad():
        prepared = plain.preparation(x, torch.from_numpy(np.array(encoded.codes)))
    own: Preparation = plain.preparation.current()
    loss = loss or _own_loss(run.resolved)
    x_ND = side_by_side(prepared, (), plain.plain, plain.bins)
    inputs = (x_ND, prepared.slots_KBE) if len(plain.embeddings) else (x_ND,)

    def predict(outputs: Tensor) -> np.ndarray:
        return both_classes(link(outputs[None], spec.link, own)[0].numpy(), spec, run.table.target)

    return Case(
        module=Member(plain.embeddings, plain.network),
        inputs=inputs,
        target=_as_the_loss_sees(target, loss, own),
        loss=loss,
        rows=chosen,
        first=(_table(encoded, spec.layout),),
        labels=input_names(spec.layout, run),
        titles=_titles(network),
        sources=("preparation", "codes"),
        about=f"network {member} of {count}" + (", without mirror images" if spec.mirrored else ""),
        predict=predict,
        preparation=SCALES[spec.scale],
    )


def _rows(
    model: Model, predictor: Predictor, data: Any, y: Any, rows: Sequence[int] | None
) -> tuple[Encoded, np.ndarray, tuple[int, ...]]:
    """Return rows as matrices, their targets, and their numbers."""
    raw = model.read(data)
    count = len(raw) if isinstance(raw, ImageSet) else raw.rows
    chosen = tuple(range(min(FEW, count))) if rows is None else tuple(rows)
    if not chosen or any(not 0 <= row < count for row in chosen):
        wrong = [row for row in chosen if not 0 <= row < count]
        raise PlanError(
            f"`rows` must be from 0 to {count - 1}", f"got {wrong[0] if wrong else 'none'}", "Use rows=[0, 1]."
        )
    index = np.array(chosen)
    if isinstance(raw, ImageSet):
        labels = None if raw.labels is None else raw.labels[index]
        raw = replace(
            raw, pixels_NKHW=np.ascontiguousarray(raw.pixels_NKHW[index]), labels=labels, names=None, test=None
        )
    else:
        raw = raw.take(index)
    if y is not None:
        return predictor.encode(raw)[0], np.asarray(y), chosen
    known = predictor.truth(raw)
    assert known.target is not None
    if len(known.kept) != len(chosen):
        lost = next(row for i, row in enumerate(chosen) if i not in set(known.kept.tolist()))
        raise DataError("every traced row must have a target", f"row {lost} has none", "Choose others with --rows.")
    return predictor.encode(raw)[0], known.target.values, chosen


def _own_loss(plan: Plan) -> Any:
    """Return the plan's loss: its name, or a function where labels are smoothed."""
    name = plan.loss or "mse"
    if not plan.label_smoothing or not name.endswith("cross-entropy"):
        return name
    of, smoothing = make_loss(name), plan.label_smoothing

    def loss(outputs: Tensor, target: Tensor) -> Tensor:
        return of.rows(outputs[None], target[None], torch.tensor([smoothing], dtype=outputs.dtype)).mean()

    loss.__name__ = f"{name}, labels smoothed by {smoothing:g}"
    loss.reduction = "mean"  # pyrefly: ignore[missing-attribute]
    return loss


def _as_the_loss_sees(target: np.ndarray, loss: Any, own: Preparation) -> Tensor:
    """Return class numbers, or numbers in the units of the outputs."""
    tensor = torch.from_numpy(np.array(target))
    if not tensor.is_floating_point():
        return tensor
    tensor = (tensor[:, None] if tensor.ndim == 1 else tensor).double()
    if isinstance(loss, str) and not make_loss(loss).scaled:
        return tensor
    return own.scaled(tensor[None])[0].double()


def _table(encoded: Encoded, layout: FeatureLayout) -> TracedLayer:
    """Return the rows before preparation: numbers with gaps, then codes; or pixels."""
    if layout.image is not None:
        places = [f"{y},{x}" for y in range(layout.image[1]) for x in range(layout.image[2])]
        channels = ("red ", "green ", "blue ") if layout.image[0] == 3 else ("",) * layout.image[0]
        pixels = tuple(f"pixel {channel}{place}" for channel in channels for place in places)
        formula = "the pixels as they are read, one channel behind the other"
        return TracedLayer(
            "image", "", "image", formula, "", (), encoded.x.astype(np.float64), np.zeros((0,)), labels=pixels
        )
    numbers = layout.numbers
    values = np.concatenate([encoded.x.astype(np.float64), encoded.codes.astype(np.float64)], 1)
    names = (*numbers, *(f"{column.name} (code)" for column in layout.codes))
    formula = "the cells, less each column's constant; categories as codes: 0 unseen, 1 missing"
    return TracedLayer("table", "", "table", formula, "", (), values, np.zeros((0,)), labels=names)


def input_names(layout: FeatureLayout, run: Run) -> tuple[str, ...]:
    """Return what each prepared number is: a column, whether its cell is missing, or one level of a category."""
    if layout.image is not None:
        return ()
    names = [*layout.numbers, *(f"{layout.numbers[i]} is missing" for i in layout.indicators)]
    levels = {column.name: ("(unseen)", "(missing)", *column.levels) for column in run.table.columns}
    for column in layout.codes:
        if not column.width:
            known = levels.get(column.name, ())
            names += [f"{column.name} = {known[s] if s < len(known) else s}" for s in range(column.slots)]
    names += [f"{name}, bin {number + 1}" for name in layout.numbers for number in range(layout.bins)]
    return tuple(names)


def _titles(network: Network) -> dict[str, str]:
    """Return Danlu's own names of the layers of an exported member, by their paths there."""
    titles = {f"embeddings.{i}": table.name.removesuffix(".weight") for i, table in enumerate(network.tables)}
    if isinstance(network, ModuleNetwork):
        return titles | {"network": ""}
    place = 0
    for layer in network.layers:
        if isinstance(layer, ours.Dropout) and not network.spec.dropout:
            continue
        titles[f"network.{place}"] = layer.name
        place += 1
    return titles


def own_update(model: Model) -> tuple[Update, str, float]:
    """Return what the model's own optimizer makes of the weights in its first step, in words, and its learning rate.

    Momentum and moments begin at 0, as they did then.
    """
    plan = model.run.resolved
    members = Members.make(plan, 1, dtype=torch.float64)
    optimizer = make_optimizer(plan, members)
    rows = model.run.members[0].train_rows if model.run.members else model.run.rows.used
    batch = plan.batch_size if isinstance(plan.batch_size, int) else rows
    steps = max(1, math.ceil(rows / max(1, batch)))
    rate = Timetable(members).rates([0], np.zeros((1, 1)), np.array([steps]))
    numbers = optimizer.coefficients(rate, np.ones((1, 1)), members)
    c = {name: torch.from_numpy(np.array(value[0])).reshape(1, 1) for name, value in numbers.items()}

    def update(own: Mapping[str, Tensor], gradients: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        after = {}
        for path, value in own.items():
            flat = value.clone().reshape(1, -1)
            state = start(optimizer, flat) | {"spare": torch.zeros_like(flat)}
            optimizer.step(flat, gradients[path].clone().reshape(1, -1), state, c, Program(record=False))
            after[path] = flat.reshape(value.shape)
        return after

    left_out = [word for word, value in (("the L1 penalty", plan.l1), ("clipping", plan.clip)) if value]
    lr = float(rate[0, 0])
    warm = f" (warm-up; {plan.lr:g} after it)" if plan.lr and lr < plan.lr * 0.999 else ""
    without = f", without {' and '.join(left_out)}" if left_out else ""
    return update, f"the first step of the model's own {plan.optimizer}, learning rate {lr:.4g}{warm}{without}", lr
