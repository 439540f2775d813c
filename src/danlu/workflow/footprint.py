"""What a model, a class or any module takes of memory: the door to `explanation.footprint`."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from danlu.core.errors import PlanError
from danlu.core.plan import make_plan
from danlu.explanation.footprint import Footprint, module_footprint
from danlu.explanation.footprint_passes import network_footprint
from danlu.networks.custom import find
from danlu.workflow.model import Model

BATCH = 256
"""Rows of a batch where nobody says how many: plain PyTorch's in the plan."""


def footprint(
    network: Model | nn.Module | Callable[..., nn.Module] | str,
    *,
    input_shape: Tensor | Sequence[int] | None = None,
    batch_size: int | None = None,
    optimizer: str | None = None,
    outputs: int = 1,
) -> Footprint:
    """Return what a network needs of memory, layer by layer, to train and to predict.

    Arguments:
        network: a model of Danlu; any `torch.nn.Module`; or a class of your own, as itself or as "FILE.py:CLASS",
            which is called with the numbers of inputs and outputs.
        input_shape: of a batch, rows first, such as (256, 784), or a batch itself; by default 256 rows as the first
            linear layer takes them. A model knows its own.
        batch_size: rows of a batch, in the place of those of the shape or of the model's plan.
        optimizer: sgd, adam, adamw, rmsprop or adagrad; by default the model's, else adam.
        outputs: that a class is called with.

    Raises:
        PlanError: the network cannot take such a batch, or there is no such optimizer or class.

    >>> network = nn.Sequential(nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 10))
    >>> found = footprint(network, batch_size=256)
    >>> [(layer.kind, layer.parameters, layer.activations) for layer in found.layers]
    [('Linear', 803840, 0), ('ReLU', 0, 262144), ('Linear', 10280, 0)]
    >>> found.training["optimizer"] == 2 * found.training["parameters"]
    True
    """
    if batch_size is not None and batch_size < 1:
        raise PlanError("`batch_size` must be at least 1", f"got {batch_size}", "Use batch_size=256.")
    if isinstance(network, Model):
        return _of_model(network, input_shape, batch_size, optimizer)
    name = ""
    if not isinstance(network, nn.Module):
        custom = find(network)
        if custom is None:
            raise PlanError("a footprint needs a model, a module, or a class", f"got {network!r}")
        name = custom.name
        network = custom.build(math.prod(_shape(input_shape, custom.name)[1:]), outputs)
    x = _batch(network, input_shape, batch_size)
    return module_footprint(network, x, optimizer=optimizer or "adam", name=name)


def _of_model(model: Model, input_shape: Any, batch_size: int | None, optimizer: str | None) -> Footprint:
    """Return the footprint of one member of a model, and how many were trained."""
    if input_shape is not None:
        rule = "`input_shape` belongs to a class or a module"
        raise PlanError(rule, "a model knows its columns", "Use batch_size=256 to change the rows.")
    run, plan = model.run, model.run.resolved
    if optimizer is not None:
        plan = make_plan(**(plan.model_dump(exclude_none=True) | {"optimizer": optimizer}))
    most = max((member.train_rows for member in run.members), default=1)
    asked = plan.batch_size if batch_size is None else batch_size
    rows = most if asked in (None, "all") else int(asked)
    rows = rows if batch_size is not None else min(rows, most)
    return network_footprint(model._predictor.network, plan, rows=rows, networks=len(run.members) or 1, name=run.name)


def _shape(input_shape: Any, name: str) -> tuple[int, ...]:
    """Return the shape of a batch.

    Raises:
        PlanError: there is none, or it is none.
    """
    if input_shape is None:
        raise PlanError(
            f"{name} needs the shape of a batch", "got none", "Use input_shape=256,784: rows first, then what each has."
        )
    shape = tuple(input_shape.shape if isinstance(input_shape, Tensor) else map(int, input_shape))
    if len(shape) < 2 or min(shape) < 1:
        words = ",".join(map(str, shape))
        raise PlanError("`input_shape` must be rows and what each has, all at least 1", f"got {words}", "Use 256,784.")
    return shape


def _batch(module: nn.Module, input_shape: Any, batch_size: int | None) -> Tensor:
    """Return a batch for a module: the one given, or zeros of its shape in the type of the parameters."""
    if isinstance(input_shape, Tensor):
        if batch_size is None:
            return input_shape
        return input_shape[:1].expand(batch_size, *input_shape.shape[1:]).clone()
    if input_shape is None:
        first = next((part for part in module.modules() if isinstance(part, nn.Linear | nn.Bilinear | nn.Conv2d)), None)
        input_shape = (BATCH, first.in_features) if isinstance(first, nn.Linear) else None
    shape = _shape(input_shape, type(module).__name__)
    like = next((p for p in module.parameters() if p.is_floating_point()), torch.zeros(0))
    return torch.zeros(batch_size or shape[0], *shape[1:], dtype=like.dtype, device=like.device)
