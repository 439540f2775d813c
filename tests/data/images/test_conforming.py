"""Other images in the form that a model learnt, or refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from danlu.core.errors import SchemaError
from danlu.core.records import ImageSchema
from danlu.data.images import conform_images, read_images

GREY = ImageSchema(channels=1, height=8, width=6)


def test_what_fits_is_unchanged(tmp_path: Path, save, grey) -> None:
    save(tmp_path / "a.png", grey())
    images = conform_images(tmp_path, GREY)
    assert np.array_equal(images.pixels_NKHW[0, 0], grey())
    assert images.names == ("a.png",)
    again = conform_images(images, GREY)
    assert again.pixels_NKHW is images.pixels_NKHW


def test_files_of_another_size_are_refused_by_name_or_resized_by_the_rule(tmp_path: Path, save, grey, refused) -> None:
    save(tmp_path / "a.png", grey())
    save(tmp_path / "b.png", grey(16, 12))
    refused(lambda: conform_images(tmp_path, GREY), "b.png", "12 x 16", "6 x 8", error=SchemaError)
    refused(lambda: conform_images(read_images(tmp_path), GREY), "b.png", error=SchemaError)
    ruled = GREY.model_copy(update={"resize": "6x8:crop"})
    images = conform_images(tmp_path, ruled)
    assert np.array_equal(images.pixels_NKHW[0, 0], grey())
    expected = Image.fromarray(grey(16, 12)).resize((6, 8), Image.Resampling.BILINEAR)
    assert np.array_equal(images.pixels_NKHW[1, 0], np.asarray(expected))


def test_a_set_read_otherwise_is_read_again_so_that_it_is_resized_once(tmp_path: Path, save, grey) -> None:
    for i, size in enumerate((20, 30, 40)):
        save(tmp_path / f"{i}.png", grey(size, size, seed=i))
    ruled = ImageSchema(channels=1, height=7, width=7, resize="7x7:stretch")
    from_set, from_source = conform_images(read_images(tmp_path), ruled), conform_images(tmp_path, ruled)
    assert np.array_equal(from_set.pixels_NKHW, from_source.pixels_NKHW)
    for i, size in enumerate((20, 30, 40)):
        once = Image.fromarray(grey(size, size, seed=i)).resize((7, 7), Image.Resampling.BILINEAR)
        assert np.array_equal(from_set.pixels_NKHW[i, 0], np.asarray(once))


def test_learning_and_predicting_see_the_same_pixels(tmp_path: Path, save, grey) -> None:
    """One image alone, whatever its size, gives what it gave among the others."""
    for i, size in enumerate((90, 120, 300)):
        save(tmp_path / f"{i}.jpg", grey(size, 2 * size, seed=i, channels=3))
    learnt = read_images(tmp_path)
    for i in range(3):
        alone = conform_images(tmp_path / f"{i}.jpg", learnt.schema)
        assert np.array_equal(alone.pixels_NKHW[0], learnt.pixels_NKHW[i])


def test_channels_are_brought_together(tmp_path: Path, save, grey) -> None:
    save(tmp_path / "a.png", np.full((8, 6, 3), (255, 0, 0), np.uint8))
    images = conform_images(tmp_path, GREY)
    assert (images.pixels_NKHW == 76).all()
    assert any("turned into grey" in note.text for note in images.notes)
    colours = ImageSchema(channels=3, height=8, width=6)
    assert conform_images(grey()[None], colours).pixels_NKHW.shape == (1, 3, 8, 6)
    pixels = grey(channels=3)[None]
    expected = np.asarray(Image.fromarray(pixels[0]).convert("L"))
    assert np.array_equal(conform_images(pixels, GREY).pixels_NKHW[0, 0], expected)


def test_other_channels_are_refused(refused) -> None:
    refused(lambda: conform_images(np.zeros((2, 2, 8, 6), np.uint8), GREY), "1 channels", "2", error=SchemaError)


@pytest.mark.parametrize(("values", "fact"), [((0.0, 1.0), "0 to 1"), ((0.5, 200.0), "0.5"), ((-3.0, 9.0), "-3")])
def test_floats_for_a_model_of_whole_numbers_are_refused(values: tuple[float, float], fact: str, refused) -> None:
    array = np.full((1, 8, 6), values[0])
    array[0, 0] = values[1]
    refused(lambda: conform_images(array, GREY), "whole numbers from 0 to 255", fact, error=SchemaError)


def test_floats_that_are_whole_numbers_are_those() -> None:
    array = np.zeros((1, 8, 6))
    array[0, 0] = 255.0
    assert conform_images(array, GREY).pixels_NKHW.dtype == np.uint8


def test_values_for_a_model_of_floats(refused) -> None:
    model = ImageSchema(channels=1, height=8, width=6, values="float", low=0.0, high=1.0)
    refused(lambda: conform_images(np.zeros((1, 8, 6), np.uint8), model), "0 to 1", error=SchemaError)
    assert not [n for n in conform_images(np.full((1, 8, 6), 1.5), model).notes if "outside" in n.text]
    images = conform_images(np.stack([np.full((8, 6), 255.0), np.zeros((8, 6))]), model)
    assert any("1 with pixels far outside" in note.text for note in images.notes)


def test_arrays_of_another_size(refused) -> None:
    refused(lambda: conform_images(np.zeros((1, 9, 9), np.uint8), GREY), "9 x 9", error=SchemaError)
    ruled = GREY.model_copy(update={"resize": "6x8:stretch"})
    assert conform_images(np.zeros((1, 9, 9), np.uint8), ruled).pixels_NKHW.shape == (1, 1, 8, 6)
    assert conform_images((np.zeros((2, 9, 9), np.uint8), ["a", "b"]), ruled).labels.tolist() == ["a", "b"]


def test_a_test_part_is_brought_along(tmp_path: Path) -> None:
    x, y = np.zeros((2, 9, 9), np.uint8), np.arange(2)
    both = {"x_train": x, "y_train": y, "x_test": x, "y_test": y}
    images = conform_images(both, GREY.model_copy(update={"resize": "6x8:pad"}))
    assert images.test is not None
    assert images.test.pixels_NKHW.shape == (2, 1, 8, 6)
