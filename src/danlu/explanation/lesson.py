"""Lessons: small networks whose weights and inputs stand in a TOML file, made into real `torch.nn` modules."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from danlu.core.errors import DataError, PlanError, nearest
from danlu.core.parsing import LOSSES, split_setting
from danlu.explanation.descent import check_gradient
from danlu.networks.activations import ACTIVATIONS

KEYS = ("about", "inputs", "target", "loss", "lr", "dtype", "steps", "gradient", "weight", "layers")
LAYER_KEYS = ("weight", "bias", "activation")
DTYPES = ("float64", "float32")
MORE_ACTIVATIONS = ("softmax",)


@dataclass(frozen=True, eq=False)
class LessonLayer:
    """One layer: weight `[units, inputs]` (row = unit, as in PyTorch), bias `[units]` or None, activation or ""."""

    weight: np.ndarray
    bias: np.ndarray | None
    activation: str


@dataclass(frozen=True, eq=False)
class Lesson:
    """A network with numbers: inputs `[N, F]`, target `[N, C]` (`[N]` of classes), and how it learns.

    >>> lesson = read_lesson("three-sigmoids")
    >>> lesson.inputs.shape, [layer.weight.shape for layer in lesson.layers], lesson.layers[0].activation
    ((1, 2), [(3, 2), (1, 3)], 'sigmoid')
    """

    name: str
    about: str
    inputs: np.ndarray
    target: np.ndarray
    layers: tuple[LessonLayer, ...]
    loss: str = "mse"
    lr: float = 0.01
    dtype: str = "float64"
    steps: int = 0
    gradient: str = "exact"
    weight: str | None = None

    def module(self, dtype: str) -> nn.Module:
        """Return the network: `nn.Linear` and activations in float64, its numbers rounded to a type first."""
        parts: list[nn.Module] = []
        for layer in self.layers:
            units, inputs = layer.weight.shape
            linear = nn.Linear(inputs, units, layer.bias is not None, dtype=torch.float64)
            linear.weight.data = _rounded(layer.weight, dtype)
            if layer.bias is not None:
                linear.bias.data = _rounded(layer.bias, dtype)
            parts.append(linear)
            if layer.activation in MORE_ACTIVATIONS:
                parts.append(nn.Softmax(1))
            elif layer.activation:
                parts.append(ACTIVATIONS[layer.activation].module())
        return nn.Sequential(*parts)


def _rounded(values: np.ndarray, dtype: str) -> torch.Tensor:
    return torch.from_numpy(values.astype(dtype).astype(np.float64))


def lesson_names() -> list[str]:
    """Return the names of the lessons that ship with Danlu."""
    folder = files("danlu.explanation").joinpath("lessons")
    return sorted(entry.name.removesuffix(".toml") for entry in folder.iterdir() if entry.name.endswith(".toml"))


def is_lesson(source: str) -> bool:
    """Return whether a source is a lesson: a name of one, a TOML file, or its text."""
    return source in lesson_names() or source.endswith(".toml") or "\n" in source


def read_lesson(source: str) -> Lesson:
    """Read and check a lesson: by name, from a file, or from its text.

    Raises:
        PlanError: a key or a value is not what it must be, or shapes do not fit.
        DataError: it cannot be read, or holds a number that is not finite.
    """
    if "\n" in source:
        return make_lesson(_parsed(source, "the lesson"), "lesson")
    path = Path(source)
    if source in lesson_names() and not path.exists():
        text = files("danlu.explanation").joinpath("lessons", f"{source}.toml").read_text(encoding="utf-8")
        return make_lesson(_parsed(text, source), source)
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise DataError(
            "a lesson must be a TOML file", f"there is no {source}", nearest(path.stem, lesson_names())
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise DataError("a lesson must be a TOML file", f"{source} cannot be read: {error}") from None
    return make_lesson(_parsed(text, path.name), path.stem)


def _parsed(text: str, name: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise DataError(f"{name} must be TOML", str(error)) from None


def make_lesson(content: Mapping[str, Any], name: str) -> Lesson:
    """Return the lesson that a mapping of its keys describes.

    Raises:
        PlanError: a key or a value is not what it must be, or shapes do not fit.
    """
    _known(content, KEYS, "a lesson")
    for key in ("inputs", "target", "layers"):
        if not content.get(key) and content.get(key) != 0:
            raise PlanError(f"a lesson must have `{key}`", "it has none", _example(key))
    layers = content["layers"]
    if not isinstance(layers, list) or not all(isinstance(layer, dict) for layer in layers):
        raise PlanError("`layers` must be tables", f"got {layers!r:.60}", "Begin each with [[layers]].")
    inputs = _array(content["inputs"], "`inputs`", 2)
    made = _layers(layers, inputs.shape[1])
    loss = _loss(content.get("loss", "mse"))
    target = _target(content["target"], loss, len(inputs), len(made[-1].weight))
    return Lesson(
        name=name,
        about=str(content.get("about", "")),
        inputs=inputs,
        target=target,
        layers=made,
        loss=loss,
        lr=_positive(content.get("lr", 0.01)),
        dtype=check_dtype(content.get("dtype", "float64")),
        steps=check_steps(content.get("steps", 0)),
        gradient=check_gradient(content.get("gradient", "exact")),
        weight=content.get("weight"),
    )


def _layers(given: list[dict[str, Any]], width: int) -> tuple[LessonLayer, ...]:
    layers: list[LessonLayer] = []
    before = f"`inputs` have {width} columns"
    for i, layer in enumerate(given):
        name = f"layer{i + 1}"
        _known(layer, LAYER_KEYS, name)
        if "weight" not in layer:
            raise PlanError(
                f"{name} must have a `weight`", "it has none", "Write a row for each unit: [[0.8, 0.2], [0.4, 0.9]]."
            )
        weight = _array(layer["weight"], f"{name}.weight", 2)
        if weight.shape[1] != width:
            turned = " Transpose it: it seems to be [inputs, units]." if weight.shape[0] == width else ""
            raise PlanError(
                f"{name}.weight must have a column for each input",
                f"its shape is {_shape(weight)}, but {before}",
                f"A row is a unit, as in PyTorch: [units, {width}].{turned}",
            )
        bias = None
        if "bias" in layer:
            bias = _array(layer["bias"], f"{name}.bias", 1)
            if len(bias) != len(weight):
                raise PlanError(
                    f"{name}.bias must have a number for each unit",
                    f"its shape is {_shape(bias)}, that of {name}.weight {_shape(weight)}",
                    f"Give {len(weight)} numbers.",
                )
        layers.append(LessonLayer(weight, bias, _activation(layer.get("activation", ""), name)))
        width, before = len(weight), f"{name} gives {len(weight)}"
    return tuple(layers)


def _activation(activation: Any, name: str) -> str:
    known = [*ACTIVATIONS, *MORE_ACTIVATIONS]
    if activation in ("", "identity", "none", "linear"):
        return ""
    if activation not in known:
        raise PlanError(
            f"`activation` of {name} must be one that Danlu knows",
            f"got {activation!r}",
            nearest(str(activation), known),
        )
    return activation


def _loss(loss: Any) -> str:
    if not isinstance(loss, str) or split_setting(loss.partition(":")[0])[0] not in LOSSES:
        raise PlanError("`loss` must be one of Danlu's", f"got {loss!r}", nearest(str(loss), LOSSES))
    return loss


def _target(values: Any, loss: str, rows: int, outputs: int) -> np.ndarray:
    """Return targets `[N, C]`; of cross-entropy the classes `[N]`."""
    if loss == "cross-entropy":
        classes = _array(values if isinstance(values, list) else [values], "`target`", 1)
        if (
            len(classes) != rows
            or (classes != classes.round()).any()
            or not ((classes >= 0) & (classes < outputs)).all()
        ):
            raise PlanError(
                "`target` of cross-entropy must be the class of each row",
                f"got {values!r:.60}",
                f"Give {rows} whole numbers from 0 to {outputs - 1}.",
            )
        return classes.astype(np.int64)
    flat = isinstance(values, list) and not any(isinstance(value, list) for value in values)
    if not isinstance(values, list):
        values = [[values]]
    elif flat:
        values = [values] if rows == 1 else [[value] for value in values]
    target = _array(values, "`target`", 2)
    if target.shape != (rows, outputs):
        raise PlanError(
            "`target` must have a row for each input row, and a number for each output",
            f"its shape is {_shape(target)}, that of the outputs {rows} x {outputs}",
            "Write [[0], [1]] for two rows of one output.",
        )
    return target


def _array(values: Any, name: str, axes: int) -> np.ndarray:
    """Return nested lists as float64; one row may come without its outer brackets."""
    try:
        array = np.array(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise PlanError(f"{name} must be numbers in rows of one length", f"got {values!r:.80}") from None
    if array.ndim == axes - 1:
        array = array[None]
    if array.ndim != axes or not array.size:
        like = "[[1, 2], [3, 4]]" if axes == 2 else "[1, 2]"
        raise PlanError(
            f"{name} must be {'rows of numbers' if axes == 2 else 'a list of numbers'}",
            f"its shape is {_shape(array)}",
            f"Write {like}.",
        )
    if not np.isfinite(array).all():
        place = np.argwhere(~np.isfinite(array))[0].tolist()
        raise DataError("every value must be finite", f"{name}{place} is {array[tuple(place)]:g}")
    return array


def check_dtype(dtype: Any) -> str:
    """Return the type that parameters are kept in.

    Raises:
        PlanError: it is neither float64 nor float32.
    """
    if dtype not in DTYPES:
        raise PlanError("`dtype` must be float64 or float32", f"got {dtype!r}", nearest(str(dtype), DTYPES))
    return dtype


def check_steps(steps: Any) -> int:
    """Return how many steps of descent.

    Raises:
        PlanError: it is no whole number of at least 0.
    """
    if isinstance(steps, bool) or not isinstance(steps, int) or steps < 0:
        raise PlanError("`steps` must be a whole number of at least 0", f"got {steps!r}", "Use steps=100.")
    return steps


def _positive(lr: Any) -> float:
    if isinstance(lr, bool) or not isinstance(lr, int | float) or not (0 < lr < math.inf):
        raise PlanError("`lr` must be a number above 0", f"got {lr!r}", "Use lr=0.01.")
    return float(lr)


def check_lr(lr: float) -> float:
    """Return a learning rate.

    Raises:
        PlanError: it is not above 0, or not finite.
    """
    return _positive(lr)


def _known(content: Mapping[str, Any], keys: tuple[str, ...], what: str) -> None:
    for key in content:
        if key not in keys:
            raise PlanError(f"{what} has no key `{key}`", "", nearest(key, keys))


def _shape(array: np.ndarray) -> str:
    return " x ".join(map(str, array.shape)) or "one number"


def _example(key: str) -> str:
    return {"inputs": "Write inputs = [[1, 1]].", "target": "Write target = [[0]]."}.get(
        key, "Begin each layer with [[layers]]."
    )
