"""Images on the page: escaped, right or wrong, and none for a table."""

from __future__ import annotations

import base64
import io

import numpy as np
from PIL import Image

import danlu
from danlu.report.cards import png
from danlu.report.gallery import gallery


def model_of(names: tuple[str, str]) -> danlu.Model:
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (60, 6, 6, 3), dtype=np.uint8)
    labels = np.array([names[i % 2] for i in range(60)])
    return danlu.fit((images, labels), hidden=(4,), epochs=2)


def test_a_png_holds_the_pixels() -> None:
    pixels = np.arange(48, dtype=np.uint8).reshape(3, 4, 4)
    content = base64.b64decode(png(pixels).partition(",")[2])
    assert np.array_equal(np.moveaxis(np.asarray(Image.open(io.BytesIO(content))), 2, 0), pixels)


def test_images_stand_with_truth_and_prediction_and_names_are_text() -> None:
    model = model_of(("<b>cat", "dog & co"))
    part = gallery(model.run, model.arrays)
    assert part is not None
    text = str(part.html())
    assert "<b>cat" not in text
    assert "&lt;b&gt;cat" in text
    assert "The most confident mistakes" in text
    shown = len(model.arrays["shown_rows_G"])
    # Each image with its saliency, and the first layer's units.
    assert text.count("data:image/png") == 2 * shown + 4
    wrong = int((model.arrays["shown_truth_GC"][:, 0] != model.arrays["shown_predicted_GC"].argmax(1)).sum())
    assert text.count('class="card wrong"') == wrong > 0


def test_the_most_confident_mistakes_come_last_in_order() -> None:
    arrays = model_of(("a", "b")).arrays
    worst = arrays["shown_mistake_G"]
    sure = arrays["shown_predicted_GC"].max(1)[worst]
    assert (np.diff(sure) <= 1e-6).all()
    assert (arrays["shown_predicted_GC"].argmax(1)[worst] != arrays["shown_truth_GC"][worst, 0]).all()


def test_a_table_has_no_images() -> None:
    model = danlu.fit({"x": [i / 10 for i in range(60)], "y": [i / 5 for i in range(60)]}, "y", epochs=1, repeats=1)
    assert gallery(model.run, model.arrays) is None
