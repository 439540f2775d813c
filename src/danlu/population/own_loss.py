"""A loss of the user's own: any function of outputs and targets, its slope by autograd."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from danlu.core.errors import PlanError
from danlu.population.losses import Loss, Slope

Function = Callable[[Tensor, Tensor], Tensor]
"""(outputs `[B, C]`, targets `[B, C]` or classes `[B]`) -> a loss for each row, `[B]` or `[B, C]`."""


def own_loss(function: Function, *, scaled: bool) -> Loss:
    """Return the loss that a function computes for the rows of all members, one behind the other.

    >>> loss = own_loss(torch.nn.L1Loss(reduction="none"), scaled=True)
    >>> value_MB, slope = loss.of(torch.tensor([[[3.0], [1.0]]]), torch.zeros(1, 2, 1), None)
    >>> value_MB, slope().flatten()
    (tensor([[3., 1.]]), tensor([1., 1.]))
    """

    def of(outputs_MBC: Tensor, target: Tensor, _: Tensor | None) -> tuple[Tensor, Slope]:
        leaf_RC = outputs_MBC.detach().flatten(0, 1).requires_grad_()
        with torch.enable_grad():
            loss_R = function(leaf_RC, target.flatten(0, 1))
            loss_R = loss_R.flatten(1).mean(1) if loss_R.dim() > 1 else loss_R

        def slope() -> Tensor:
            (slope_RC,) = torch.autograd.grad(loss_R.sum(), leaf_RC)
            return slope_RC.view_as(outputs_MBC)

        return loss_R.detach().view(outputs_MBC.shape[:2]).to(outputs_MBC.dtype), slope

    return Loss(name_of(function), of, scaled, capturable=False)


def name_of(function: Any) -> str:
    """Return what a function is called, for the eye."""
    return str(getattr(function, "__name__", type(function).__name__))


def try_loss(function: Function, outputs: int, target: Tensor) -> None:
    """Refuse a function that is no loss, before any network is trained by it.

    Arguments:
        outputs: columns C of the networks' outputs.
        target: those of some rows, `[B, C]` or classes `[B]`.

    Raises:
        PlanError: it raises an error, gives no number a row, or has no slope.
    """
    name = f"the loss {name_of(function)}"
    example_BC = torch.linspace(-1, 1, len(target) * outputs).view(len(target), outputs).requires_grad_()
    shapes = f"outputs {list(example_BC.shape)} and targets {list(target.shape)}"
    remedy = 'Return the loss of each row; of a loss of torch.nn use reduction="none".'
    try:
        value = function(example_BC, target)
    except Exception as error:
        said = (str(error).splitlines() or [""])[0]
        raise PlanError(f"{name} must take {shapes}", f"it raised {type(error).__name__}: {said}".rstrip(".")) from None
    if not isinstance(value, Tensor) or not value.dim() or len(value) != len(target):
        fact = f"it gave {list(value.shape) if isinstance(value, Tensor) else type(value).__name__} for {shapes}"
        raise PlanError(f"{name} must give one number a row", fact, remedy)
    if not value.requires_grad:
        raise PlanError(f"{name} must depend on the outputs", "it has no gradient", "Use operations of torch.")
    (slope_BC,) = torch.autograd.grad(value.sum(), example_BC, allow_unused=True, materialize_grads=True)
    for what, tensor in (("value", value), ("gradient", slope_BC)):
        if not bool(tensor.isfinite().all()):
            raise PlanError(f"{name} must be finite", f"its {what} is not, for {shapes}", "Clamp what it divides by.")
    if not bool(slope_BC.any()):
        raise PlanError(
            f"{name} must depend on the outputs", "its gradient is 0 everywhere", "Use operations of torch."
        )
