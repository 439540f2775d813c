"""What a user's module does to its outputs last: read from autograd's graph, and from the outputs themselves."""

from __future__ import annotations

import copy
import math
import re
from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import Tensor, nn

from danlu.core.checks import Ending
from danlu.networks.custom import drawn_from

Limits = tuple[float | None, float | None]

FIXED: dict[str, tuple[str, float | None, float | None]] = {
    "Relu": ("ReLU", 0.0, None),
    "Sigmoid": ("sigmoid", 0.0, 1.0),
    "Hardsigmoid": ("hard sigmoid", 0.0, 1.0),
    "LogSigmoid": ("log-sigmoid", None, 0.0),
    "Tanh": ("tanh", -1.0, 1.0),
    "Softmax": ("softmax", 0.0, 1.0),
    "SafeSoftmax": ("softmax", 0.0, 1.0),
    "LogSoftmax": ("log-softmax", None, 0.0),
    "Softplus": ("softplus", 0.0, None),
    "Gelu": ("GELU", -0.17, None),
    "Silu": ("SiLU", -0.279, None),
    "Mish": ("mish", -0.309, None),
    "Hardswish": ("hard swish", -0.375, None),
    "Exp": ("exp", 0.0, None),
    "Abs": ("absolute value", 0.0, None),
}
"""Operations of torch, as autograd calls their way back, with their names and limits."""


def _threshold(node: Any) -> tuple[str, float | None, float | None]:
    return "threshold", float(node._saved_threshold), None


def _elu(node: Any) -> tuple[str, float | None, float | None]:
    scale = float(getattr(node, "_saved_scale", 1.0))
    return "SELU" if scale > 1 else "ELU", -float(node._saved_alpha) * scale, None


def _clamp(node: Any) -> tuple[str, float | None, float | None]:
    low, high = (getattr(node, f"_saved_{end}", None) for end in ("min", "max"))
    if isinstance(low, Tensor) or isinstance(high, Tensor):
        return "", None, None
    return "clamp", _number(low), _number(high)


def _hardtanh(node: Any) -> tuple[str, float | None, float | None]:
    low, high = float(node._saved_min_val), float(node._saved_max_val)
    return "ReLU6" if (low, high) == (0.0, 6.0) else "hard tanh", low, high


SAVED: dict[str, Callable[[Any], tuple[str, float | None, float | None]]] = {
    "Threshold": _threshold,
    "Elu": _elu,
    "Celu": _elu,
    "Clamp": _clamp,
    "ClampMin": _clamp,
    "ClampMax": _clamp,
    "Hardtanh": _hardtanh,
}
"""Operations whose limits are numbers that they were given."""
THROUGH = re.compile(
    r"(View|UnsafeView|ReshapeAlias|Squeeze|Unsqueeze|Clone|Alias|Transpose|T|Permute|ToCopy|Slice|Select|AsStrided|"
    r"Expand|NativeDropout|Contiguous|MaskedFill)Backward\d*"
)
"""Operations that only move values, or set some to 0."""
ZEROS = 0.01
"""Share of outputs exactly 0 from which on, where none is below 0, they count as cut off: a Linear gives none."""


def ending(module: nn.Module, x_BF: Tensor) -> Ending | None:
    """Return the activation that a module ends with, in training or in prediction; None where there is none.

    A copy of the module is run. Where autograd does not say it (an operation of the user's own), outputs of which many
    are exactly 0 and none below, or whose rows sum to 1, do.

    Arguments:
        module: one network, in the type of the inputs.
        x_BF: prepared rows, as it takes them.

    >>> ending(nn.Sequential(nn.Linear(2, 3), nn.ReLU()), torch.ones(4, 2)).activation
    'ReLU'
    >>> ending(nn.Linear(2, 3), torch.ones(4, 2))
    """
    module, outputs = copy.deepcopy(module), {}
    for training in (True, False):
        with drawn_from(0), torch.enable_grad():
            outputs[training] = module.train(training)(x_BF.clone())
    told = {training: _last(result) for training, result in outputs.items()}
    name, low, high, slope = told[True] if told[True][0] else told[False]
    values = outputs[False].detach()
    if not name:
        name, low, high = _by_values(values)
        slope = None
    if not name:
        return None
    only: Literal["", "training", "prediction"] = ""
    if told[True][0] and not told[False][0]:
        only = "training"
    elif told[False][0] and not told[True][0]:
        only = "prediction"
    return Ending(
        activation=name,
        low=low,
        high=high,
        slope=slope,
        only=only,
        zeros=float((values == 0).double().mean()) if values.numel() else 0.0,
        rows=len(values),
        outputs=values.shape[-1],
    )


def _last(outputs: Tensor) -> tuple[str, float | None, float | None, float | None]:
    """Return name, least and greatest value, and slope below 0, of the last operation; "" where it has no limits."""
    node: Any = outputs.grad_fn
    while node is not None and THROUGH.fullmatch(node.name()):
        node = next((following for following, _ in node.next_functions if following is not None), None)
    if node is None:
        return "", None, None, None
    operation = re.sub(r"Backward\d*$", "", node.name())
    if operation == "LeakyRelu":
        return "leaky ReLU", None, None, float(node._saved_negative_slope)
    name, low, high = SAVED[operation](node) if operation in SAVED else FIXED.get(operation, ("", None, None))
    return name, low, high, None


def _by_values(values: Tensor) -> tuple[str, float | None, float | None]:
    """Return what outputs look like: cut off at 0, or shares of 1."""
    if values.ndim != 2 or values.numel() < 100 or bool((values < 0).any()):
        return "", None, None
    if values.shape[1] > 1 and bool(((values.sum(1) - 1).abs() < 1e-4).all()):
        return "softmax", 0.0, 1.0
    if float((values == 0).double().mean()) >= ZEROS:
        return "ReLU", 0.0, None
    return "", None, None


def _number(value: Any) -> float | None:
    """Return a limit, None where there is none."""
    return None if value is None or not math.isfinite(float(value)) else float(value)
