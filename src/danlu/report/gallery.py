"""Images on the page: some with what was predicted of them, the worst mistakes, and the first layer's weights."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping

import numpy as np
from PIL import Image

from danlu.core.records import Run
from danlu.report import words
from danlu.report.markup import Html, join, named, tag
from danlu.report.parts import Part

Arrays = Mapping[str, np.ndarray]
_BLUE, _WHITE, _ORANGE = np.array([0, 114, 178.0]), np.array([255, 255, 255.0]), np.array([213, 94, 0.0])
"""Below 0, 0, above 0: colours that the colour-blind tell apart."""


def gallery(run: Run, arrays: Arrays) -> Part | None:
    """Show images with their true and predicted class or number; nothing for a table."""
    shown = arrays.get("shown_GKHW")
    if shown is None or not len(shown):
        return None
    mistake_G = np.asarray(arrays["shown_mistake_G"], bool)
    sample, worst = np.flatnonzero(~mistake_G), np.flatnonzero(mistake_G)
    classes = bool(run.table.target.classes)
    what = "the most confident mistakes" if classes else "the largest errors"
    content = join(
        tag("p", _lead(run), class_="lead"),
        _cards(run, arrays, sample, "Images drawn at random"),
        join(tag("h3", what[0].upper() + what[1:]), _cards(run, arrays, worst, what)) if len(worst) else None,
        _first_weights(arrays),
    )
    return Part("images", "Images", content)


def _lead(run: Run) -> str:
    where = "the test part" if run.rows.test else "images that the networks did not learn from"
    how = "Below each: the truth, then the prediction where it differs, and how sure the networks are."
    if not run.table.target.classes:
        how = "Below each: the truth, then the prediction."
    return f"Drawn from {where}. {how} The second picture shows which pixels move the answer most (saliency)."


def _cards(run: Run, arrays: Arrays, places: np.ndarray, label: str) -> Html:
    """Return a grid of images with their words."""
    truth, predicted = np.asarray(arrays["shown_truth_GC"]), np.asarray(arrays["shown_predicted_GC"])
    saliency = arrays.get("saliency_GHW")
    cards = []
    for place in places:
        right, said, alt = _said(run, truth[place], predicted[place])
        picture = tag("img", src=png(np.asarray(arrays["shown_GKHW"][place])), alt=alt, loading="lazy")
        shares = None if saliency is None else np.asarray(saliency[place])
        heat = None if shares is None else tag("img", src=png(_heat(shares)), alt="", loading="lazy")
        caption = tag("figcaption", said)
        cards.append(tag("figure", tag("div", picture, heat), caption, class_="card" if right else "card wrong"))
    return tag("div", cards, class_="gallery", role="group", aria_label=label)


def _said(run: Run, truth_C: np.ndarray, predicted_C: np.ndarray) -> tuple[bool, Html, str]:
    """Return whether a prediction is right, its words, and words for those who cannot see the image."""
    target = run.table.target
    if target.classes:
        true, guess = target.classes[int(truth_C[0])], target.classes[int(predicted_C.argmax())]
        sure = f"{float(predicted_C.max()):.0%}"
        if true == guess:
            return True, join(named(true, 24), " ", tag("span", sure, class_="muted")), f"{true}, predicted so"
        wrong = tag("strong", "not ", named(guess, 24))
        return False, join(named(true, 24), ", ", wrong, " ", tag("span", sure, class_="muted")), f"{true}, not {guess}"
    true = ", ".join(words.number(float(value)) for value in truth_C)
    guess = ", ".join(words.number(float(value)) for value in predicted_C)
    return True, join(true, tag("span", f" → {guess}", class_="muted")), f"{true}, predicted {guess}"


def _first_weights(arrays: Arrays) -> Html | None:
    weights = arrays.get("first_UKHW")
    if weights is None or not len(weights):
        return None
    pictures = [tag("img", src=png(_signed(np.asarray(unit))), alt="", loading="lazy") for unit in weights]
    about = f"{len(weights)} units of the largest weights, of one network. Blue is below 0, orange above, white 0."
    return join(
        tag("h3", "What the first layer looks for"),
        tag("div", pictures, class_="units", role="img", aria_label=f"Weights of {len(weights)} first-layer units"),
        tag("p", about, class_="note"),
    )


def png(pixels: np.ndarray) -> str:
    """Return pixels `[K, H, W]` uint8 (1 or 3 channels) as the address of a PNG that is part of the page.

    >>> png(np.zeros((1, 2, 2), np.uint8))[:22]
    'data:image/png;base64,'
    """
    image = Image.fromarray(pixels[0] if len(pixels) == 1 else np.ascontiguousarray(np.moveaxis(pixels, 0, 2)))
    file = io.BytesIO()
    image.save(file, "PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"


def _heat(share_HW: np.ndarray) -> np.ndarray:
    """Return shares from 0 to 1 as a picture `[3, H, W]`, from white to orange."""
    return _blend(np.clip(share_HW, 0, 1))


def _signed(weight_KHW: np.ndarray) -> np.ndarray:
    """Return weights as a picture `[3, H, W]`: blue below 0, orange above; of colours their mean."""
    weight = weight_KHW.mean(0)
    return _blend(weight / max(float(np.abs(weight).max()), 1e-30))


def _blend(value_HW: np.ndarray) -> np.ndarray:
    share = np.abs(value_HW)[..., None]
    colour = np.where(value_HW[..., None] < 0, _BLUE, _ORANGE)
    return np.moveaxis((_WHITE * (1 - share) + colour * share).round().astype(np.uint8), 2, 0)
