"""Arrays as images and labels: how their axes are read, which types they may have, one label for each image."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from danlu.core.errors import DataError, PlanError
from danlu.core.records import Note

Axes = Literal["NHW", "NKHW", "NHWK"]


def pixels_of(source: Any, name: str, axes: Axes | None = None) -> tuple[np.ndarray, tuple[Note, ...]]:
    """Return images as `[N, K, H, W]`, uint8 or float32, C-contiguous, and what was inferred.

    Arguments:
        source: `[N, H, W]`, `[N, K, H, W]` or `[N, H, W, K]`; uint8, floats (kept as they are), booleans (0 and 255)
            or other whole numbers from 0 to 255.
        name: of the array, for messages.
        axes: how to read the axes, where that is not clear.

    Raises:
        DataError: other axes or types, or values that are not finite.

    >>> pixels_of(np.zeros((5, 8, 8, 3), np.uint8), "x")[0].shape
    (5, 3, 8, 8)
    """
    try:
        array = np.asarray(source)
    except Exception as error:  # a tensor on a GPU, rows of several lengths
        raise DataError(f"{name} must be one array", str(error)[:120].rstrip("."), "Give a NumPy array.") from None
    if 0 in array.shape:
        raise DataError(f"{name} must hold images", f"its shape is {list(array.shape)}", "Give at least one image.")
    array, notes = _turned(array, name, axes)
    typed, said = _typed(array, name)
    return np.ascontiguousarray(typed), (*notes, *said)


def _turned(array: np.ndarray, name: str, axes: Axes | None) -> tuple[np.ndarray, tuple[Note, ...]]:
    """Return an array with the axes N, K, H, W."""
    shape = list(array.shape)
    if array.ndim not in (3, 4) or (axes is not None and len(axes) != array.ndim):
        raise DataError(
            f"{name} must have the axes {axes or '[N, H, W], [N, K, H, W] or [N, H, W, K]'}",
            f"its shape is {shape}",
            "Reshape it: N images, H rows, W columns, K channels.",
        )
    if array.ndim == 3:
        return array[:, None], ()
    first, last = array.shape[1], array.shape[3]
    if axes is None:
        usual = [way for way, length in (("NKHW", first), ("NHWK", last)) if length in (1, 3)]
        usual = usual or [way for way, length in (("NKHW", first), ("NHWK", last)) if length in (2, 4)]
        if not usual:
            raise DataError(
                f"{name} must have 1 to 4 channels",
                f"its shape is {shape}",
                "Give [N, K, H, W] or [N, H, W, K], of K channels: 1 is grey, 3 are red, green, blue.",
            )
        way = usual[0]
        note = f"{name} of shape {shape} was read as [{', '.join(way)}]"
        note += "; if it is [N, H, W, K], give np.moveaxis(x, -1, 1)" if len(usual) > 1 else ""
        notes: tuple[Note, ...] = (Note(topic="axes", text=note),)
    else:
        way, notes = axes, ()
    return (array if way == "NKHW" else array.transpose(0, 3, 1, 2)), notes


def _typed(array: np.ndarray, name: str) -> tuple[np.ndarray, tuple[Note, ...]]:
    """Return an array as uint8 or float32."""
    kind = array.dtype.kind
    if array.dtype == np.uint8:
        return array, ()
    if kind == "f":
        with np.errstate(over="ignore"):
            floats = array.astype(np.float32, copy=False)
        if not np.isfinite(floats).all():
            place = int(np.argwhere(~np.isfinite(floats))[0][0])
            raise DataError(
                f"{name} must be finite numbers",
                f"image {place + 1} holds NaN or infinity",
                "Correct it, or leave it out.",
            )
        return floats, ()
    if kind == "b":
        return array.astype(np.uint8) * np.uint8(255), (Note(topic="pixels", text=f"{name}: False is 0, True is 255"),)
    if kind in "iu":
        low, high = int(array.min()), int(array.max())
        if low >= 0 and high <= 255:
            return array.astype(np.uint8), (
                Note(topic="pixels", text=f"{name}: {array.dtype} from 0 to 255, kept as uint8"),
            )
        raise DataError(
            f"{name} must be whole numbers from 0 to 255, or floats",
            f"it holds {array.dtype} from {low} to {high}",
            "Divide it and give floats, or scale it to 0 to 255.",
        )
    raise DataError(f"{name} must hold numbers", f"it holds {array.dtype}", "Give uint8 or floats.")


def labels_of(source: Any, count: int, name: str) -> np.ndarray:
    """Return labels as names `[N]` (str), whole numbers `[N]` (int64), or numeric targets `[N, T]` (float64).

    Arguments:
        source: one label or row of numbers for each image.
        count: number of images.
        name: of the labels, for messages.

    Raises:
        DataError: another number of them, one that is missing, or of a type that is no label.

    >>> labels_of(["cat", "dog"], 2, "y").tolist(), labels_of([1.5, 2], 2, "y").shape
    (['cat', 'dog'], (2, 1))
    """
    labels = np.asarray(source)
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    numeric = labels.dtype.kind in "fiub"
    if labels.ndim not in (1, 2) or (labels.ndim == 2 and (not numeric or not labels.shape[1])):
        raise DataError(
            f"{name} must be one label for each image, or a row of numbers",
            f"it holds {labels.dtype} of shape {list(labels.shape)}",
            "Give [N], or numbers [N, T].",
        )
    if len(labels) != count:
        raise DataError(
            "there must be one label for each image",
            f"there are {len(labels):,} for {count:,} images ({name})",
            "Check both.",
        )
    if labels.ndim == 2 or labels.dtype.kind == "f":
        values = labels.reshape(count, -1).astype(np.float64)
        wrong = np.flatnonzero(~np.isfinite(values).all(axis=1))
        if len(wrong):
            raise DataError(
                f"{name} must be known and finite",
                f"that of image {wrong[0] + 1} is not",
                "Correct it, or leave it out.",
            )
        return values
    if numeric:
        return labels.astype(np.int64)
    return _texts(labels, name)


def _texts(labels: np.ndarray, name: str) -> np.ndarray:
    if labels.dtype.kind == "S":
        labels = np.char.decode(labels, "utf-8", "replace")
    if labels.dtype.kind not in "OU":
        raise DataError(f"{name} must be names or numbers", f"it holds {labels.dtype}", "Give class names or numbers.")
    texts = labels.tolist()
    for place, text in enumerate(texts):
        if not isinstance(text, str) or not text:
            fact = f"that of image {place + 1} is {text!r:.60}"
            raise DataError(f"{name} must be names or an array of numbers", fact, "Correct it, or leave the image out.")
    return np.array(texts, dtype=object)


def label_notes(labels: np.ndarray | None) -> tuple[Note, ...]:
    """Say where several numeric targets are distributions, or classes in disguise."""
    if labels is None or labels.ndim != 2 or labels.shape[1] < 2 or (labels < 0).any():
        return ()
    if np.abs(labels.sum(axis=1) - 1).max() > 1e-3:
        return ()
    if ((labels == 0) | (labels == 1)).all():
        text = "one 1 in each row, read as numbers: give class numbers (argmax) for a classification"
        return (Note(topic="target", text=text),)
    return (Note(topic="target", text="each row sums to 1: --loss kl learns distributions"),)


def names_of(target: str | Sequence[str] | None, labels: np.ndarray | None) -> tuple[str, ...]:
    """Return a name for each target: those asked for, else class, y, or y1, y2, ...

    Raises:
        PlanError: another number of names.

    >>> names_of(None, np.zeros((4, 2))), names_of("age", np.zeros((4, 1)))
    (('y1', 'y2'), ('age',))
    """
    width = 1 if labels is None or labels.ndim == 1 else labels.shape[1]
    asked = tuple(re.split(r"\s*,\s*", target.strip()) if isinstance(target, str) else target or ())
    if asked and labels is not None and len(asked) != width:
        raise PlanError(
            f"`target` must name {width} target{'s' if width > 1 else ''}",
            f"got {len(asked)}: {', '.join(asked)}",
            "Give a name for each, or leave it out.",
        )
    if asked:
        return asked
    if labels is None or labels.ndim == 1:
        return ("class",)
    return ("y",) if width == 1 else tuple(f"y{i + 1}" for i in range(width))
