"""Images as cards: a picture, its heat map, and what was said of it."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from PIL import Image

from danlu.core.records import Run, TargetSchema
from danlu.report import words
from danlu.report.markup import Html, join, named, tag

Arrays = Mapping[str, np.ndarray]
MOST_NUMBERS = 4
"""Targets whose numbers stand below an image."""
_BLUE, _WHITE, _ORANGE = np.array([0, 114, 178.0]), np.array([255, 255, 255.0]), np.array([213, 94, 0.0])
"""Below 0, 0, above 0: colours that the colour-blind tell apart."""


@dataclass(frozen=True)
class Card:
    """One image with its words.

    Attributes:
        number: in its set, from 1.
        pixels: `[K, H, W]` uint8.
        heat: how strongly each pixel moves the answer, `[H, W]` from 0 to 1; None where that is not shown.
        true: the true class or numbers; "" where unknown.
        said: what was predicted.
        sure: the probability of the class that was predicted; None of numbers.
        wrong: whether the class is another than the true one.
    """

    number: int
    pixels: np.ndarray
    heat: np.ndarray | None
    true: str
    said: str
    sure: float | None
    wrong: bool

    @property
    def alt(self) -> str:
        """Words for those who cannot see it."""
        known = f"{self.true}, predicted" if self.true else "predicted"
        return f"{known} {'so' if self.true == self.said else self.said}"


def worst_title(target: TargetSchema) -> str:
    """Return what the worst mistakes are called."""
    return "The most confident mistakes" if target.classes else "The largest errors"


def drawn_from(run: Run) -> str:
    """Return where the images kept with a model are from."""
    return "the test part" if run.rows.test else "images that the networks did not learn from"


def lead(target: TargetSchema, where: str, *, heat: bool) -> str:
    """Return what to see."""
    how = "Below each: the truth, then the prediction where it differs, and how sure the networks are of it."
    if not target.classes:
        how = "Below each: the truth, then the prediction."
    second = " The second picture shows which pixels move the answer most (saliency)." if heat else ""
    return f"Drawn from {where}. {how}{second}"


def cards(target: TargetSchema, arrays: Arrays, places: Iterable[int], *, heat: bool = True) -> list[Card]:
    """Return some of the images that arrays hold, as `workflow.gallery.pictured` gives them."""
    saliency = arrays.get("saliency_GHW") if heat else None
    guessed = arrays.get("shown_guessed_G")
    found = []
    for place in places:
        truth_C = np.asarray(arrays["shown_truth_GC"][place], np.float64)
        predicted_C = np.asarray(arrays["shown_predicted_GC"][place])
        known = bool(np.isfinite(truth_C).all())
        sure: float | None = None
        if target.classes:
            guess = int(predicted_C.argmax()) if guessed is None else int(guessed[place])
            true, said = target.classes[int(truth_C[0])] if known else "", target.classes[guess]
            sure = float(predicted_C[guess])
        else:
            true, said = _numbers(truth_C) if known else "", _numbers(predicted_C)
        pixels = np.asarray(arrays["shown_GKHW"][place])
        shares = None if saliency is None else np.asarray(saliency[place])
        number = int(arrays["shown_rows_G"][place]) + 1
        found.append(Card(number, pixels, shares, true, said, sure, bool(target.classes) and known and true != said))
    return found


def _numbers(values_C: np.ndarray) -> str:
    shown = ", ".join(words.number(float(value), digits=3) for value in values_C[:MOST_NUMBERS])
    return shown + (", …" if len(values_C) > MOST_NUMBERS else "")


def figures(shown: list[Card], label: str, size: str = "") -> Html:
    """Return a grid of images with their words; `size` is small, large, or "" for pairs of pictures."""
    return tag(
        "div", [_figure(card) for card in shown], class_=f"gallery {size}".strip(), role="group", aria_label=label
    )


def _figure(card: Card) -> Html:
    picture = tag("img", src=png(card.pixels), alt=card.alt, loading="lazy")
    heat = None if card.heat is None else tag("img", src=png(heat_map(card.heat)), alt="", loading="lazy")
    sure = None if card.sure is None else tag("span", f" {card.sure:.0%}", class_="muted")
    if card.sure is None:
        said = join(card.true, tag("span", " → ", card.said, class_="muted")) if card.true else join(card.said)
    elif card.wrong:
        said = join(named(card.true, 24), tag("strong", " → ", named(card.said, 24)), sure)
    else:
        said = join(named(card.said, 24), sure)
    pictures = tag("div", picture, heat, class_=None if heat else "alone")
    caption = tag("figcaption", said)
    return tag(
        "figure", pictures, caption, class_="card wrong" if card.wrong else "card", title=f"image {card.number:,}"
    )


def units(weights_UKHW: np.ndarray) -> Html:
    """Return weights of first-layer units as pictures."""
    pictures = [tag("img", src=png(signed(np.asarray(unit))), alt="", loading="lazy") for unit in weights_UKHW]
    label = f"Weights of {len(weights_UKHW)} first-layer units"
    return tag("div", pictures, class_="units", role="img", aria_label=label)


def about_weights(weights_UKHW: np.ndarray) -> str:
    """Return which units these are, and what the colours mean."""
    which = f"{words.count(len(weights_UKHW), 'unit')} of the largest weights, of one network."
    if weights_UKHW.shape[1] == 3:
        return f"{which} Each of red, green and blue is brighter where its weight is above 0; grey is 0."
    return f"{which} Blue is below 0, orange above, white 0."


def png(pixels: np.ndarray) -> str:
    """Return pixels `[K, H, W]` uint8 (1 or 3 channels) as the address of a PNG that is part of the page.

    >>> png(np.zeros((1, 2, 2), np.uint8))[:22]
    'data:image/png;base64,'
    """
    image = Image.fromarray(pixels[0] if len(pixels) == 1 else np.ascontiguousarray(np.moveaxis(pixels, 0, 2)))
    file = io.BytesIO()
    image.save(file, "PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"


def heat_map(share_HW: np.ndarray) -> np.ndarray:
    """Return shares from 0 to 1 as a picture `[3, H, W]`, from white to orange."""
    return _blend(np.clip(share_HW, 0, 1))


def signed(weight_KHW: np.ndarray) -> np.ndarray:
    """Return weights as a picture `[3, H, W]`: blue below 0, orange above; of three channels each its own colour.

    >>> signed(np.array([[[-1.0, 0.0, 1.0]]])).T.tolist()  # three pixels of one channel
    [[[0, 114, 178]], [[255, 255, 255]], [[213, 94, 0]]]
    >>> signed(np.array([-1.0, 0.0, 1.0]).reshape(3, 1, 1)).ravel().tolist()  # one pixel of three
    [0, 128, 255]
    """
    share = weight_KHW / max(float(np.abs(weight_KHW).max()), 1e-30)
    if len(share) == 3:
        return np.round((share + 1) * 127.5).astype(np.uint8)
    return _blend(share.mean(0) / max(float(np.abs(share.mean(0)).max()), 1e-30))


def _blend(value_HW: np.ndarray) -> np.ndarray:
    share = np.abs(value_HW)[..., None]
    colour = np.where(value_HW[..., None] < 0, _BLUE, _ORANGE)
    return np.moveaxis((_WHITE * (1 - share) + colour * share).round().astype(np.uint8), 2, 0)
