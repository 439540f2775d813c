"""Other images brought into the form that a model expects: for prediction, and for scoring."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from danlu.core.errors import SchemaError
from danlu.core.records import ImageSchema, Note
from danlu.data.images.sets import ImageSet, Wish
from danlu.data.images.sizes import Resize

GREY = (0.299, 0.587, 0.114)
"""Shares of red, green and blue in grey: ITU-R 601, as Pillow's."""


def wish_of(schema: ImageSchema) -> Wish:
    """Return how files are decoded so that they fit a model."""
    colour = "grey" if schema.channels == 1 else "colour"
    if schema.resize:
        return Wish(resize=Resize.parse(schema.resize), colour=colour)
    return Wish(colour=colour, exact=(schema.height, schema.width))


def fit_set(images: ImageSet, schema: ImageSchema) -> ImageSet:
    """Return images with the channels, size and type of value that a model expects.

    Raises:
        SchemaError: they have another size and the model has no rule, other values, or other channels.
    """
    said: list[Note] = []
    pixels = images.pixels_NKHW
    for step in (_values, _channels, _size):
        pixels, text = step(pixels, schema, images.source)
        said += [Note(topic="images", text=text)] if text else []
    test = fit_set(images.test, schema) if images.test is not None else None
    return replace(
        images,
        pixels_NKHW=np.ascontiguousarray(pixels),
        test=test,
        notes=(*images.notes, *said),
        resize=schema.resize,
    )


def _values(pixels_NKHW: np.ndarray, schema: ImageSchema, source: str) -> tuple[np.ndarray, str]:
    """Return pixels of the type that was learnt."""
    if schema.values == "uint8":
        if pixels_NKHW.dtype == np.uint8:
            return pixels_NKHW, ""
        low, high = float(pixels_NKHW.min()), float(pixels_NKHW.max())
        whole = low >= 0 and high <= 255 and bool((pixels_NKHW == np.floor(pixels_NKHW)).all())
        # Zeros and ones may be whole numbers, or the ends of a scale from 0 to 1.
        if not whole or high <= 1:
            raise SchemaError(
                "pixels must be whole numbers from 0 to 255, as those learnt from",
                f"{source} holds floats from {low:g} to {high:g}",
                "Bring them to 0 to 255 and give uint8.",
            )
        return pixels_NKHW.astype(np.uint8), "floats that are whole numbers, read as 0 to 255"
    if pixels_NKHW.dtype == np.uint8:
        raise SchemaError(
            f"pixels must be floats on the scale learnt from, {schema.low:g} to {schema.high:g}",
            f"{source} holds whole numbers from 0 to 255",
            "Scale them as those learnt from.",
        )
    width = schema.high - schema.low
    outside = ((pixels_NKHW < schema.low - width) | (pixels_NKHW > schema.high + width)).any(axis=(1, 2, 3))
    if not outside.any():
        return pixels_NKHW, ""
    return (
        pixels_NKHW,
        f"{int(outside.sum()):,} with pixels far outside those learnt from, {schema.low:g} to {schema.high:g}",
    )


def _channels(pixels_NKHW: np.ndarray, schema: ImageSchema, source: str) -> tuple[np.ndarray, str]:
    """Return pixels with as many channels as were learnt."""
    channels = pixels_NKHW.shape[1]
    if channels == schema.channels:
        return pixels_NKHW, ""
    if channels == 1 and schema.channels == 3:
        return np.repeat(pixels_NKHW, 3, axis=1), "grey: the same value in red, green and blue"
    if channels == 3 and schema.channels == 1:
        return to_grey(pixels_NKHW), "in colour: turned into grey (0.299 R + 0.587 G + 0.114 B)"
    raise SchemaError(
        f"images must have {schema.channels} channels, as those learnt from",
        f"{source} has {channels}",
        "Give the same channels.",
    )


def to_grey(pixels_NKHW: np.ndarray) -> np.ndarray:
    """Return colour images as grey ones `[N, 1, H, W]`; uint8 as Pillow does it, in whole numbers.

    >>> to_grey(np.array([255, 0, 0], np.uint8).reshape(1, 3, 1, 1)).tolist()
    [[[[76]]]]
    """
    if pixels_NKHW.dtype != np.uint8:
        share = np.asarray(GREY, dtype=pixels_NKHW.dtype).reshape(1, 3, 1, 1)
        return (pixels_NKHW * share).sum(axis=1, keepdims=True, dtype=pixels_NKHW.dtype)
    red, green, blue = (pixels_NKHW[:, k : k + 1].astype(np.uint32) for k in range(3))
    return ((red * 19595 + green * 38470 + blue * 7471 + 0x8000) >> 16).astype(np.uint8)


def _size(pixels_NKHW: np.ndarray, schema: ImageSchema, source: str) -> tuple[np.ndarray, str]:
    """Return pixels in the size that was learnt, by the rule of the model."""
    height, width = pixels_NKHW.shape[2:]
    if (height, width) == (schema.height, schema.width):
        return pixels_NKHW, ""
    if not schema.resize:
        raise SchemaError(
            f"images must have {schema.width} x {schema.height} pixels, as those learnt from",
            f"{source} has {width} x {height}",
            "Resize them, or fit with --resize, which then resizes here too.",
        )
    rule = Resize.parse(schema.resize)
    return rule.apply_array(pixels_NKHW), f"{width} x {height} pixels: {rule.words}"


def labels_known(images: ImageSet, classes: tuple[str, ...], source: Any) -> None:
    """Refuse labels that are not among classes.

    Raises:
        SchemaError: one is not, with the image that it is of.
    """
    if images.labels is None or images.labels.ndim != 1:
        return
    for place, label in enumerate(images.labels):
        if str(label) not in classes:
            name = images.names[place] if images.names else f"image {place + 1}"
            raise SchemaError(
                f"labels must be among the {len(classes)} classes learnt from",
                f"{name} of {source} is {str(label)!r:.60}",
                f"Known: {', '.join(classes[:12])}.",
            )
