"""What a user's module is run on: the inputs that were given, or random ones of a shape that its layers tell."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from danlu.core.errors import DataError, PlanError
from danlu.explanation.gradients_watch import titles

GIVE = "Give x (a tuple for several inputs), or input_shape=4,8."
ROWS = 4
SIDES = (8, 12, 16, 28, 32, 64, 224)
"""Heights and widths of images that are tried, and then all up to 100."""


def as_inputs(x: Any, dtype: torch.dtype, device: torch.device) -> tuple[Tensor, ...]:
    """Return what was given as tensors: one, or several from a tuple. Whole numbers stay whole.

    Raises:
        PlanError: it cannot be made a tensor.
        DataError: a value is not finite.
    """
    parts = x if isinstance(x, tuple) else (x,)
    return tuple(
        _as_tensor(part, "x" if len(parts) == 1 else f"x{i + 1}", dtype, device) for i, part in enumerate(parts)
    )


def as_target(y: Any, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Return targets as a tensor; whole numbers are classes, and stay whole.

    Raises:
        PlanError: they cannot be made a tensor.
        DataError: a value is not finite.
    """
    return _as_tensor(y, "y", dtype, device)


def _as_tensor(values: Any, name: str, dtype: torch.dtype, device: torch.device) -> Tensor:
    try:
        tensor = values.detach() if isinstance(values, Tensor) else torch.from_numpy(np.array(values))
    except (TypeError, ValueError) as error:
        fact = f"got {type(values).__name__}: {error}".splitlines()[0].partition(". ")[0]
        raise PlanError(f"`{name}` must be a tensor, an array or a list of numbers", fact) from None
    tensor = tensor.to(device, dtype if tensor.is_floating_point() else tensor.dtype).clone()
    if tensor.is_floating_point() and not bool(tensor.isfinite().all()):
        place = (~tensor.isfinite()).nonzero()[0].tolist()
        raise DataError(f"`{name}` must hold finite numbers", f"{name}{place} is {tensor[tuple(place)].item()}")
    return tensor


def guess_inputs(
    module: nn.Module, dtype: torch.dtype, device: torch.device, seed: int, run: Callable[[Tensor], Any]
) -> tuple[Tensor, str]:
    """Return random inputs of the first shape that a layer tells and that runs, and how it was found.

    Where none runs, it is the first of all: running it again will say why.

    Arguments:
        seed: of the inputs, which are standard normal (of an embedding: drawn codes).
        run: the module's forward pass.

    Raises:
        PlanError: no layer tells a shape.
    """
    first: tuple[Tensor, str] | None = None
    for shape, codes, words in _candidates(module):
        generator = torch.Generator().manual_seed(seed)
        if codes:
            x = torch.randint(0, codes, shape, generator=generator)
        else:
            x = torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype)
        found = x.to(device), f"random x {list(shape)}, seed {seed} ({words})"
        first = first or found
        try:
            run(found[0])
        except Exception:
            continue
        return found
    if first is None:
        rule = f"{type(module).__name__} must be given an input whose shape it takes"
        raise PlanError(rule, "none of its layers tells one", GIVE)
    return first


def _candidates(module: nn.Module) -> Iterator[tuple[tuple[int, ...], int, str]]:
    """Yield shapes to try, how many codes an embedding has (0: numbers), and which layer tells."""
    for part, title in titles(module).items():
        for shape, codes in _told(part):
            yield shape, codes, f"{title} tells the shape"
    for name, parameter in module.named_parameters():
        for width in () if isinstance(parameter, nn.UninitializedParameter) else parameter.shape:
            yield (ROWS, width), 0, f"{name} {list(parameter.shape)} tells the width"
    if not any(True for _ in module.parameters()):
        yield (ROWS, 8), 0, "no layer tells a shape"


def _told(part: nn.Module) -> Iterator[tuple[tuple[int, ...], int]]:
    """Yield the shapes that one layer tells of its input."""
    if isinstance(part, nn.Embedding | nn.EmbeddingBag):
        yield (ROWS, 5), part.num_embeddings
        yield (ROWS,), part.num_embeddings
    elif isinstance(part, nn.modules.conv._ConvNd):
        sides = len(part.kernel_size)
        tried = (*SIDES, *range(1, 101)) if sides < 3 else (8, 16, 32)
        yield from (((ROWS, part.in_channels, *[side] * sides), 0) for side in tried)
    elif isinstance(part, nn.LayerNorm):
        yield (ROWS, *part.normalized_shape), 0
    elif isinstance(part, nn.BatchNorm2d | nn.BatchNorm3d):
        yield (ROWS, part.num_features, *[8] * (2 if isinstance(part, nn.BatchNorm2d) else 3)), 0
    elif isinstance(part, nn.RNNBase | nn.MultiheadAttention | nn.TransformerEncoderLayer):
        inner = getattr(part, "self_attn", part)
        yield (ROWS, 5, getattr(inner, "input_size", getattr(inner, "embed_dim", 0))), 0
    else:
        width = getattr(part, "in_features", getattr(part, "num_features", getattr(part, "input_size", None)))
        if isinstance(width, int) and width > 0:
            yield (ROWS, width), 0


def random_target(loss: str, outputs: Tensor, seed: int) -> Tensor:
    """Return targets that suit a loss, drawn with a seed: classes for cross-entropy, shares, counts, or numbers.

    Shape: outputs [B, C] -> [B] for classes, else [B, C].
    """
    generator = torch.Generator().manual_seed(seed + 1)
    drawn = torch.rand(outputs.shape, generator=generator, dtype=torch.float64).to(outputs)
    if loss == "cross-entropy":
        return (drawn[:, 0] * outputs.shape[1]).long()
    if loss == "kl":
        return drawn / drawn.sum(1, keepdim=True)
    if loss == "poisson":
        return (drawn * 5).floor()
    return drawn if loss == "binary-cross-entropy" else 2 * math.sqrt(3) * (drawn - 0.5)
