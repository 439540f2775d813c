"""Gradient descent on a small network, by exact gradients or by forward finite differences."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from danlu.core.errors import DataError, PlanError, nearest
from danlu.explanation.trace_records import Descent
from danlu.explanation.tracing import Pass

MOST_EVALUATIONS = 5_000_000
"""Forward passes by finite differences: one a parameter and step, some minutes."""
FORMS = ("exact", "forward-difference:0.0001")


def check_gradient(gradient: object) -> str:
    """Return how gradients are had: "exact", or "forward-difference:STEP".

    Raises:
        PlanError: it is neither.
    """
    name, _, step = str(gradient).partition(":")
    if name == "exact" and not step:
        return "exact"
    if name == "forward-difference":
        try:
            if 0 < float(step or 0.0001) < 1:
                return f"forward-difference:{float(step or 0.0001):g}"
        except ValueError:
            pass
        raise PlanError(
            "`gradient` forward-difference needs a step between 0 and 1", f"got {step!r}", f"Use {FORMS[1]}."
        )
    raise PlanError("`gradient` must be exact or forward-difference:STEP", f"got {gradient!r}", nearest(name, FORMS))


def descend(found: Pass, steps: int, lr: float, gradient: str, dtype: str) -> Descent:
    """Go down from where a pass stands; its module ends where it was.

    Parameters are arrays of `dtype`; what is computed from them is float64, as NumPy does where inputs are whole
    numbers. Forward differences move one parameter after another by a step, in its own type:
    (loss there - loss here) / step, all from the same point; then every parameter becomes itself - lr x that.

    Raises:
        PlanError: that many finite differences would take too long.
        DataError: a loss is not finite.
    """
    module = found.module
    own = dict(module.named_parameters())
    before = {path: parameter.detach().clone() for path, parameter in own.items()}
    arrays = {path: parameter.detach().numpy().astype(dtype) for path, parameter in own.items()}
    step = 0.0 if gradient == "exact" else float(gradient.partition(":")[2])
    if step and steps * sum(array.size for array in arrays.values()) > MOST_EVALUATIONS:
        raise PlanError(
            f"finite differences need one pass a parameter and step, at most {MOST_EVALUATIONS:,}",
            f"these are {steps * sum(array.size for array in arrays.values()):,}",
            "Use --gradient exact, or fewer steps.",
        )
    losses: list[float] = []
    try:
        for epoch in range(steps):
            losses.append(_loss(found, own, arrays, epoch))
            slopes = _differences(found, own, arrays, losses[-1], step) if step else _exact(found, module)
            for path, array in arrays.items():
                array[...] = array - slopes[path] * lr
        after = _loss(found, own, arrays, steps)
        with torch.no_grad():
            output = found.run_again()[0].numpy().copy()
    finally:
        for path, parameter in own.items():
            parameter.data.copy_(before[path])
    return Descent(steps, lr, gradient, dtype, tuple(losses), after, output, arrays)


def _put(own: dict[str, nn.Parameter], arrays: dict[str, np.ndarray]) -> None:
    for path, array in arrays.items():
        own[path].data.copy_(torch.from_numpy(array))


def _loss(found: Pass, own: dict[str, nn.Parameter], arrays: dict[str, np.ndarray], epoch: int) -> float:
    _put(own, arrays)
    loss = found.loss_now()
    if not np.isfinite(loss):
        raise DataError(
            "every value must be finite", f"the loss is {loss:g} in epoch {epoch + 1} first", "Lower the learning rate."
        )
    return loss


def _exact(found: Pass, module: nn.Module) -> dict[str, np.ndarray]:
    own = dict(module.named_parameters())
    slopes = torch.autograd.grad(found.run_again()[1], list(own.values()), allow_unused=True)
    return {
        path: np.zeros(own[path].shape) if slope is None else slope.numpy()
        for path, slope in zip(own, slopes, strict=True)
    }


def _differences(
    found: Pass, own: dict[str, nn.Parameter], arrays: dict[str, np.ndarray], loss: float, step: float
) -> dict[str, np.ndarray]:
    """Return (loss a step further - loss) / step for each parameter; the step is taken in the array's own type."""
    slopes = {}
    for path, array in arrays.items():
        slopes[path] = np.empty(array.shape)
        for index in np.ndindex(array.shape):
            here = own[path].data[index].item()
            own[path].data[index] = float(array[index] + array.dtype.type(step))
            slopes[path][index] = (found.loss_now() - loss) / step
            own[path].data[index] = here
    return slopes
