"""What a gradient is taken of: a loss by name, a function, or a random projection of the outputs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from danlu.core.errors import PlanError, nearest
from danlu.core.parsing import LOSSES, split_setting
from danlu.explanation.gradients_inputs import as_target, random_target
from danlu.explanation.gradients_module import Measure, projection
from danlu.networks.custom import said
from danlu.population.losses import make_loss


def make_measure(result: Any, y: Any, loss: str | Callable[..., Any] | None, seed: int) -> tuple[Measure, str]:
    """Return what makes terms of a module's outputs, and what that is in words.

    Arguments:
        result: what the module returned, for its shape.
        y: targets, or None.
        loss: name of one of Danlu's, a function of outputs and targets (of outputs alone without targets), or None:
            a mean squared error with targets of floats, cross-entropy with whole numbers, a projection without any.

    Raises:
        PlanError: they do not fit together.
    """
    if loss is None and y is None:
        return projection(result, seed), f"a random projection of the outputs {_shape(result)}, seed {seed}"
    if not isinstance(result, Tensor):
        raise PlanError("a loss needs a module that returns one tensor", f"it returned {type(result).__name__}")
    target = None if y is None else as_target(y, result.dtype, result.device)
    if callable(loss):
        return _called(loss, target, result)
    chosen = loss or _usual(target, result)
    if split_setting(chosen)[0] not in LOSSES:
        raise PlanError("`loss` must be one of Danlu's, or a function", f"got {chosen!r}", nearest(chosen, LOSSES))
    return _named(chosen, target, result, seed)


def _shape(result: Any) -> str:
    return str(list(result.shape)) if isinstance(result, Tensor) else type(result).__name__


def _usual(target: Tensor | None, result: Tensor) -> str:
    assert target is not None
    return "mse" if target.is_floating_point() or target.shape == result.shape else "cross-entropy"


def _called(loss: Callable[..., Any], target: Tensor | None, result: Tensor) -> tuple[Measure, str]:
    name = getattr(loss, "__name__", type(loss).__name__)
    given = () if target is None else (target,)

    def measure(outputs: Any) -> Tensor:
        return torch.as_tensor(loss(outputs, *given)).reshape(-1)

    try:
        value = measure(result)
    except Exception as error:
        shapes = f"outputs {list(result.shape)}" + ("" if target is None else f" and y {list(target.shape)}")
        raise PlanError(
            f"`loss` {name} must take the outputs", f"given {shapes} it raised {said(error).rstrip('.')}"
        ) from None
    if not value.is_floating_point():
        raise PlanError(f"`loss` {name} must return a float", f"it returned {value.dtype}")
    return measure, f"the loss {name}"


def _named(loss: str, target: Tensor | None, result: Tensor, seed: int) -> tuple[Measure, str]:
    """Return the mean of a loss of Danlu's over rows; everything behind the rows are outputs."""
    of, name = make_loss(loss), split_setting(loss)[0]

    def rows(outputs: Tensor) -> Tensor:
        return outputs.reshape(len(outputs), -1) if outputs.ndim else outputs.reshape(1, 1)

    outputs = rows(result)
    drawn = target is None
    truth = random_target(name, outputs, seed) if target is None else target
    classes = name == "cross-entropy" or (name == "binary-cross-entropy" and not truth.is_floating_point())
    truth = truth.reshape(-1).long() if classes else rows(truth.to(outputs.dtype))
    wanted = outputs.shape[:1] if classes else outputs.shape
    if truth.shape != wanted:
        fact = f"the outputs are {list(result.shape)}, y is {list((target if target is not None else truth).shape)}"
        raise PlanError(f"y must be {list(wanted)} for the loss {name}", fact)
    if classes and not 0 <= int(truth.min()) <= int(truth.max()) < max(2, outputs.shape[1]):
        raise PlanError(
            f"classes must be whole numbers from 0 to {max(2, outputs.shape[1]) - 1}", f"y holds {int(truth.max())}"
        )

    def measure(outputs: Any) -> Tensor:
        return of.rows(rows(outputs)[None], truth[None])[0] / len(truth)

    return measure, f"the loss {loss}, mean over rows" + (f", random targets, seed {seed}" if drawn else "")
