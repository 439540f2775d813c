"""`danlu plot` of models of images: what stands below each is what the model says, and others are refused."""

from __future__ import annotations

import base64
import io
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import danlu
from danlu.core.errors import DataError, PlanError
from danlu.report.figures import Figure

KINDS = ("gallery", "mistakes", "saliency")


def bars(count: int, seed: int, classes: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Colour images [N, 8, 6, 3] with a bright row; its third is the class, but for some labels that are wrong."""
    random = np.random.default_rng(seed)
    images = random.integers(0, 120, (count, 8, 6, 3), dtype=np.uint8)
    labels = np.arange(count) % classes
    for image, label in zip(images, labels, strict=True):
        image[2 * label + random.integers(0, 2)] = 250
    wrong = random.random(count) < 0.2
    return images, np.array([f"<{c}>" for c in np.where(wrong, (labels + 1) % classes, labels)])


@pytest.fixture(scope="module")
def model() -> danlu.Model:
    images, labels = bars(240, 0)
    return danlu.fit((images, labels), test=bars(90, 1), hidden=(16,), epochs=15, repeats=3, seed=3)


@pytest.fixture(scope="module")
def table() -> danlu.Model:
    rows = {"x": [i / 10 for i in range(60)], "y": [i / 5 for i in range(60)]}
    return danlu.fit(rows, "y", epochs=1, repeats=1, hidden=(4,))


def pixels_in(figure: Figure) -> list[np.ndarray]:
    """Return the pictures in a figure, [H, W, 3]."""
    found = []
    for address in figure.panels[0].chart.data["pictures"]["picture"]:
        content = base64.b64decode(address.partition(",")[2])
        found.append(np.asarray(Image.open(io.BytesIO(content)).convert("RGB")))
    return found


def test_the_gallery_says_what_the_model_predicts_of_the_test_images(model: danlu.Model) -> None:
    images, labels = bars(90, 1)
    figure = danlu.plot("gallery", model)
    place = np.array(figure.data["image"]) - 1
    assert len(place) == 40
    assert figure.data["truth"] == labels[place].tolist()
    assert figure.data["predicted"] == model.predict(images[place]).tolist()
    sure = model.predict(images[place], proba=True).max(1)
    np.testing.assert_allclose(figure.data["probability"], sure, rtol=1e-5)
    for shown, own in zip(pixels_in(figure), images[place], strict=True):
        assert np.array_equal(shown, own)
    assert figure.facts["wrong"] == (labels[place] != model.predict(images[place])).sum()


def test_images_that_are_given_are_drawn_as_the_kept_ones(model: danlu.Model) -> None:
    kept, given = danlu.plot("gallery", model), danlu.plot("gallery", model, bars(90, 1))
    for name in ("image", "truth", "predicted"):
        assert kept.data[name] == given.data[name]
    np.testing.assert_allclose(kept.data["probability"], given.data["probability"], rtol=1e-5)
    assert danlu.plot("mistakes", model).data["image"] == danlu.plot("mistakes", model, bars(90, 1)).data["image"]
    number = kept.data["image"][4]
    alone = [danlu.plot("saliency", model, *data, image=number) for data in ((), (bars(90, 1),))]
    assert alone[0].data["image"] == alone[1].data["image"] == [number] * 48
    np.testing.assert_allclose(alone[0].data["saliency"], alone[1].data["saliency"], rtol=1e-4, atol=1e-6)


def test_mistakes_are_wrong_and_the_surest_first(model: danlu.Model) -> None:
    images, labels = bars(90, 1)
    figure = danlu.plot("mistakes", model, (images, labels), most=5)
    predicted, sure = model.predict(images), model.predict(images, proba=True).max(1)
    wrong = np.flatnonzero(predicted != labels)
    assert figure.data["image"] == (wrong[np.argsort(-sure[wrong], kind="stable")][:5] + 1).tolist()
    assert all(t != p for t, p in zip(figure.data["truth"], figure.data["predicted"], strict=True))


def test_images_without_labels_have_predictions_alone(model: danlu.Model) -> None:
    images, _ = bars(9, 4)
    figure = danlu.plot("gallery", model, images)
    assert figure.data["truth"] == [None] * 9
    assert figure.data["predicted"] == model.predict(images).tolist()
    assert "wrong" not in figure.facts
    with pytest.raises(DataError, match="mistakes need images with labels"):
        danlu.plot("mistakes", model, images)


def test_weights_are_those_of_the_first_layer(model: danlu.Model) -> None:
    figure = danlu.plot("weights", model)
    assert figure.facts == {"units": 16, "channels": 3, "height": 8, "width": 6}
    own = model.to_torch().members[0].network[0].weight.detach().numpy()
    largest = own[np.argsort(-(own**2).sum(1), kind="stable")]
    np.testing.assert_allclose(np.reshape(figure.data["weight"], (16, -1)), largest, rtol=1e-6)
    other = danlu.plot("weights", model, member=1)
    assert other.data["weight"] != figure.data["weight"]
    normed = danlu.fit(bars(60, 0), hidden=(4,), batch_norm=("input",), epochs=1, repeats=1)
    own = normed.to_torch().members[0].network[1].weight.detach().numpy()
    drawn = np.reshape(danlu.plot("weights", normed).data["weight"], (4, -1))
    np.testing.assert_allclose(np.sort(drawn, 0), np.sort(own, 0), rtol=1e-6)
    kernels = danlu.plot("weights", danlu.fit(bars(60, 0), net="cnn", conv=(5,), hidden=(), epochs=1))
    assert kernels.facts == {"units": 5, "channels": 3, "height": 3, "width": 3}


@pytest.mark.parametrize("kind", [*KINDS, "weights", "confusion"])
def test_each_is_written_as_a_picture_and_as_a_page_with_names_as_text(
    model: danlu.Model, kind: str, tmp_path: Path
) -> None:
    figure = danlu.plot(kind, model)
    assert figure.save(tmp_path / "p.png").read_bytes().startswith(b"\x89PNG")
    assert figure.save(tmp_path / "p.pdf").read_bytes().startswith(b"%PDF")
    svg = figure.save(tmp_path / "p.svg").read_text(encoding="utf-8")
    page = figure.save(tmp_path / "p.html").read_text(encoding="utf-8")
    for text in (svg, page):
        assert not re.search("<[0-9]>", text)
        assert not re.search("""(src|href)=["']?https?:""", text)
    if kind != "confusion":
        assert svg.count("data:image/png") >= len(figure.panels[0].chart.data["pictures"]["x"]) > 0
        assert "<script" not in page


def test_the_confusion_matrix_counts_the_rows(model: danlu.Model) -> None:
    images, labels = bars(90, 1)
    figure = danlu.plot("confusion", model, (images, labels))
    predicted = model.predict(images)
    for truth, guess, rows in zip(figure.data["truth"], figure.data["predicted"], figure.data["rows"], strict=True):
        assert rows == ((labels == truth) & (predicted == guess)).sum()
    assert danlu.plot("confusion", model).facts["rows"] == 24  # a tenth of 240 was judged


def test_without_judged_images_those_of_the_test_part_are_drawn() -> None:
    tested = bars(60, 1)
    model = danlu.fit(bars(90, 0), test=tested, holdout=0, hidden=(4,), epochs=2)
    matrix = danlu.plot("confusion", model).facts
    assert matrix["rows"] == 60
    assert matrix["accuracy"] == pytest.approx((model.predict(tested[0]) == tested[1]).mean())
    from danlu.report.page import page

    assert "of 60 test images are right" in page(model.run, model.arrays)


def test_images_that_were_all_learnt_from_leave_the_weights() -> None:
    model = danlu.fit(bars(60, 0), holdout=0, hidden=(4,), epochs=1)
    assert danlu.plot("weights", model).facts["units"] == 4
    for kind in KINDS:
        with pytest.raises(DataError, match="all images were learnt from"):
            danlu.plot(kind, model)
        assert danlu.plot(kind, model, bars(30, 2)).facts["images"] > 0


def test_numbers_have_the_largest_errors(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    images, numbers = random.integers(0, 256, (80, 5, 5), dtype=np.uint8), random.normal(size=(80, 2))
    model = danlu.fit((images, numbers), task="regression", hidden=(4,), epochs=1, repeats=1)
    figure = danlu.plot("mistakes", model, (images, numbers), path=tmp_path / "m.svg")
    predicted = model.predict(images)
    size = np.abs((predicted - numbers) / numbers.std(0)).mean(1)
    assert figure.data["image"] == (np.argsort(-size, kind="stable")[:24] + 1).tolist()
    first = figure.data["image"][0] - 1
    assert figure.data["truth_y1"][0] == numbers[first, 0]
    with pytest.raises(PlanError, match="a confusion matrix needs classes"):
        danlu.plot("confusion", model)


def test_models_of_tables_are_refused(table: danlu.Model) -> None:
    for kind in (*KINDS, "weights"):
        with pytest.raises(PlanError, match="learnt from a table"):
            danlu.plot(kind, table)


def test_numbers_out_of_range_are_refused(model: danlu.Model) -> None:
    kept = set(danlu.plot("gallery", model).data["image"] + danlu.plot("mistakes", model).data["image"])
    lost = next(number for number in range(1, 91) if number not in kept)
    with pytest.raises(PlanError, match=f"{lost} is not among those of the test part"):
        danlu.plot("saliency", model, image=lost)
    with pytest.raises(PlanError, match="got 10 of 9"):
        danlu.plot("saliency", model, bars(9, 2), image=10)
    with pytest.raises(PlanError, match="`member` must be from 0 to 2"):
        danlu.plot("weights", model, member=5)
    with pytest.raises(PlanError, match="`most` must be at least 1"):
        danlu.plot("gallery", model, most=0)
