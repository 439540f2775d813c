"""Figures of images: a gallery, the worst mistakes, first-layer weights, and saliency."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from danlu.core.records import TargetSchema
from danlu.report import words
from danlu.report.cards import (
    Card,
    about_weights,
    cards,
    figures,
    heat_map,
    lead,
    png,
    signed,
    units,
    worst_title,
)
from danlu.report.charts import Chart, finish
from danlu.report.figures import Figure, Panel
from danlu.report.markup import plain

Arrays = Mapping[str, np.ndarray]
ACROSS = 760
"""Width of a picture, in points."""
SIDE, LARGE, UNIT = 84, 300, 56
"""Width of an image among many, of one alone, and of a unit's weights."""
GAP, LINE = 11, 14


@dataclass(frozen=True)
class Tile:
    """What stands in one place of a grid: pictures beside each other, as addresses of PNGs, and lines below them."""

    pictures: tuple[str, ...]
    first: str = ""
    second: str = ""
    wrong: bool = False


def gallery(target: TargetSchema, arrays: Arrays, places: Sequence[int], where: str, name: str) -> Figure:
    """Draw images with their true and predicted class.

    Arguments:
        target: of the model.
        arrays: images as `workflow.gallery.pictured` gives them.
        places: which of them.
        where: these are from.
        name: of the model.
    """
    return _of_cards("gallery", f"Images, and what {name} makes of them", target, arrays, places, where)


def mistakes(target: TargetSchema, arrays: Arrays, places: Sequence[int], where: str, name: str) -> Figure:
    """Draw the worst mistakes, the worst first."""
    return _of_cards("mistakes", f"{worst_title(target)} of {name}", target, arrays, places, where)


def saliency(target: TargetSchema, arrays: Arrays, places: Sequence[int], where: str, name: str) -> Figure:
    """Draw images, and beside each which of its pixels move the answer most; one alone is drawn large."""
    title = f"Which pixels move the answer of {name}"
    of = where if len(places) > 1 else f"{where} (image {int(arrays['shown_rows_G'][places[0]]) + 1:,})"
    made = _of_cards("saliency", title, target, arrays, places, of, heat=True)
    image_GHW = np.asarray(arrays["saliency_GHW"])[list(places)]
    number_G = np.asarray(arrays["shown_rows_G"])[list(places)] + 1
    g, y, x = (index.ravel() for index in np.indices(image_GHW.shape))
    data = {
        "image": number_G[g].tolist(),
        "row": y.tolist(),
        "column": x.tolist(),
        "saliency": image_GHW.ravel().astype(np.float64).tolist(),
    }
    shown = [dict(zip(made.data, values, strict=True)) for values in zip(*made.data.values(), strict=True)]
    facts: dict[str, Any] = {"images": len(places), "shown": shown}
    if len(places) == 1:
        said = np.asarray(arrays["shown_predicted_GC"][places[0]], np.float64).tolist()
        facts["probabilities" if target.classes else "prediction"] = dict(
            zip(target.classes or target.names, said, strict=False)
        )
    return replace(made, data=data, facts=facts)


def weights(weights_UKHW: np.ndarray, name: str) -> Figure:
    """Draw the weights of first-layer units as pictures.

    Arguments:
        weights_UKHW: of units, or kernels of a convolution.
        name: of the model.
    """
    tiles = [Tile((png(signed(unit)),)) for unit in weights_UKHW]
    _, channels, height, width = weights_UKHW.shape
    label = f"Weights of {words.count(len(tiles), 'first-layer unit')}"
    chart, size = _grid("chart-weights", tiles, (UNIT, UNIT * height / width), label)
    u, k, y, x = (index.ravel() for index in np.indices(weights_UKHW.shape))
    return Figure(
        "weights",
        f"What the first layer of {name} looks for",
        (Panel(chart),),
        {
            "unit": (u + 1).tolist(),
            "channel": k.tolist(),
            "row": y.tolist(),
            "column": x.tolist(),
            "weight": weights_UKHW.ravel().astype(np.float64).tolist(),
        },
        {"units": len(tiles), "channels": channels, "height": height, "width": width},
        f"Each picture holds the weights of one unit, each where the pixel that it multiplies is. "
        f"{about_weights(weights_UKHW)}",
        columns=1,
        size=size,
        body=units(weights_UKHW),
    )


def _of_cards(
    kind: str,
    title: str,
    target: TargetSchema,
    arrays: Arrays,
    places: Sequence[int],
    where: str,
    *,
    heat: bool = False,
) -> Figure:
    """Draw images with their words, and where wanted their saliency."""
    shown = cards(target, arrays, places, heat=heat)
    _, _, height, width = np.shape(arrays["shown_GKHW"])
    side = LARGE if len(shown) == 1 else SIDE
    label = "; ".join(f"{card.number}: {card.alt}" for card in shown)
    chart, size = _grid(f"chart-{kind}", [_tile(card, side) for card in shown], (side, side * height / width), label)
    facts: dict[str, Any] = {"images": len(shown)}
    if target.classes and all(card.true for card in shown):
        facts["wrong"] = sum(card.wrong for card in shown)
    return Figure(
        kind,
        title,
        (Panel(chart),),
        _columns(target, arrays, places, shown),
        facts,
        lead(target, where, heat=heat),
        columns=1,
        size=size,
        body=figures(shown, title, "large" if len(shown) == 1 else "" if heat else "small"),
    )


def _columns(
    target: TargetSchema, arrays: Arrays, places: Sequence[int], shown: Sequence[Card]
) -> dict[str, list[Any]]:
    """Return what stands below the images, unrounded, as columns."""
    data: dict[str, list[Any]] = {"image": [card.number for card in shown]}
    if target.classes:
        data |= {
            "truth": [card.true or None for card in shown],
            "predicted": [card.said for card in shown],
            "probability": [card.sure for card in shown],
        }
        return data
    for kind in ("truth", "predicted"):
        values_GC = np.asarray(arrays[f"shown_{kind}_GC"], np.float64)[list(places)]
        for c, name in enumerate(target.names):
            values = [value if math.isfinite(value) else None for value in values_GC[:, c].tolist()]
            data[kind if len(target.names) == 1 else f"{kind}_{name}"] = values
    return data


def _tile(card: Card, side: float) -> Tile:
    """Return an image as a tile: the truth, or where that is right or unknown the prediction, and how sure it is."""
    pictures = (png(card.pixels),) if card.heat is None else (png(card.pixels), png(heat_map(card.heat)))
    letters = max(8, int(side * len(pictures) / 5.6))
    if card.sure is None:
        lines = (card.true, f"→ {card.said}") if card.true else (card.said, "")
    else:
        sure = f"{card.sure:.0%}"
        lines = (card.true, f"→ {_cut(card.said, letters - 6)} {sure}") if card.wrong else (card.said, sure)
    return Tile(pictures, _cut(lines[0], letters), _cut(lines[1], letters), card.wrong)


def _cut(text: str, most: int) -> str:
    text = plain(text)
    return text if len(text) <= most else text[: max(1, most - 1)] + "…"


def _grid(id_: str, tiles: Sequence[Tile], side: tuple[float, float], label: str) -> tuple[Chart, tuple[int, int]]:
    """Lay tiles in rows, and return the chart with its width and height in points.

    Places are in points: only a picture of a fixed size is made of it; a page lays its images out by itself.
    """
    import altair as alt  # noqa: PLC0415  only a picture needs it

    width, height = side
    most = max((len(tile.pictures) for tile in tiles), default=1)
    whole = width * most + 2 * (most - 1)
    has_text = any(tile.first or tile.second for tile in tiles)
    step_x, step_y = whole + GAP, height + GAP + (2 * LINE + 4 if has_text else 0)
    across = max(1, min(len(tiles), int((ACROSS + GAP) // step_x)))
    corners = [(i % across * step_x, i // across * step_y) for i in range(len(tiles))]
    size = (math.ceil(across * step_x), math.ceil(math.ceil(len(tiles) / across) * step_y))
    placed = list(zip(tiles, corners, strict=True))
    pictures = [(x + k * (width + 2), y, u) for t, (x, y) in placed for k, u in enumerate(t.pictures)]
    data: dict[str, dict[str, list[Any]]] = {
        "pictures": {
            "x": [x + width / 2 for x, _, _ in pictures],
            "y": [y + height / 2 for _, y, _ in pictures],
            "picture": [u for _, _, u in pictures],
        },
        "wrong": {"x": [c[0] - 2 for t, c in placed if t.wrong], "y": [c[1] - 2 for t, c in placed if t.wrong]},
        "texts": {
            "x": [c[0] for _, c in placed],
            "y": [c[1] + height + LINE for _, c in placed],
            "below": [c[1] + height + 2 * LINE for _, c in placed],
            "first": [t.first for t in tiles],
            "second": [t.second for t in tiles],
            "tone": ["wrong" if t.wrong else "right" for t in tiles],
        },
    }
    data["wrong"] |= {
        "x2": [x + whole + 4 for x in data["wrong"]["x"]],
        "y2": [y + height + 4 for y in data["wrong"]["y"]],
    }

    def at(field: str, axis: Any, end: int) -> Any:
        domain = [0, end] if axis is alt.X else [end, 0]
        return axis(f"{field}:Q", axis=None, title=None, scale=alt.Scale(domain=domain, nice=False, zero=False))

    def text(field: str, y: str, **more: Any) -> Any:
        mark = alt.Chart(alt.NamedData(name="texts")).mark_text(
            align="left", baseline="alphabetic", fontSize=11, **more
        )
        return mark.encode(x=at("x", alt.X, size[0]), y=at(y, alt.Y, size[1]), text=f"{field}:N")

    tones = alt.Scale(domain=["right", "wrong"], range=["var(--muted)", "var(--second)"])
    layers = [
        alt.Chart(alt.NamedData(name="wrong"))
        .mark_rect(filled=False, stroke="var(--second)", strokeWidth=2, cornerRadius=2)
        .encode(x=at("x", alt.X, size[0]), x2="x2:Q", y=at("y", alt.Y, size[1]), y2="y2:Q"),
        alt.Chart(alt.NamedData(name="pictures"))
        .mark_image(width=width, height=height, aspect=False, smooth=False)
        .encode(x=at("x", alt.X, size[0]), y=at("y", alt.Y, size[1]), url="picture:N"),
    ]
    if has_text:
        layers.append(text("first", "y", color="var(--ink)"))
        layers.append(text("second", "below").encode(color=alt.Color("tone:N", legend=None, scale=tones)))
    return Chart(id_, finish(layers, size[1]), data, label), size
