"""Arrays: axes, types, and one label for each image."""

from __future__ import annotations

import numpy as np
import pytest

from danlu.core.errors import PlanError
from danlu.data.images.arrays import label_notes, labels_of, names_of, pixels_of


def test_channels_are_found_in_front_or_behind() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (5, 3, 8, 6)).astype(np.uint8)
    first, notes = pixels_of(pixels, "x")
    behind, _ = pixels_of(pixels.transpose(0, 2, 3, 1), "x")
    assert np.array_equal(first, pixels)
    assert np.array_equal(behind, pixels)
    assert behind.flags.c_contiguous
    assert "[N, K, H, W]" in notes[0].text
    assert pixels_of(pixels[:, 0], "x")[0].shape == (5, 1, 8, 6)


def test_axes_that_may_be_read_twice_are_said_and_can_be_given() -> None:
    both = np.zeros((5, 3, 8, 3), np.uint8)
    read, notes = pixels_of(both, "x")
    assert read.shape == (5, 3, 8, 3)
    assert "np.moveaxis(x, -1, 1)" in notes[0].text
    assert pixels_of(both, "x", "NHWK")[0].shape == (5, 3, 3, 8)
    assert pixels_of(np.zeros((5, 8, 8, 4), np.uint8), "x")[0].shape == (5, 4, 8, 8)
    assert pixels_of(np.zeros((5, 12, 64, 64)), "x", "NKHW")[0].shape == (5, 12, 64, 64)


@pytest.mark.parametrize("shape", [(4, 4), (2, 3, 4, 5, 6), (5, 12, 64, 64), (0, 8, 8), (3, 0, 8)])
def test_other_axes_are_refused(shape: tuple[int, ...], refused) -> None:
    refused(lambda: pixels_of(np.zeros(shape, np.uint8), "x"), "x", str(list(shape)))


def test_types_are_kept_or_turned_without_loss() -> None:
    for kind in (np.float16, np.float32, np.float64):
        read, notes = pixels_of(np.full((2, 3, 4), 0.25, kind), "x")
        assert read.dtype == np.float32
        assert not notes
        assert (read == 0.25).all()
    whole, notes = pixels_of(np.array([[[0, 255]]], np.int64), "x")
    assert whole.dtype == np.uint8
    assert whole.tolist() == [[[[0, 255]]]]
    assert "int64" in notes[0].text
    assert pixels_of(np.array([[[True, False]]]), "x")[0].tolist() == [[[[255, 0]]]]


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (np.uint16(4095), "4095"),
        (np.int16(-1), "-1"),
        (np.float32("nan"), "NaN"),
        (np.float64(1e300), "infinity"),
        (np.complex64(1), "complex64"),
        (np.str_("a"), "<U1"),
    ],
)
def test_other_values_are_refused(value: np.generic, words: str, refused) -> None:
    array = np.zeros((3, 2, 2), value.dtype)
    array[1, 0, 0] = value
    refused(lambda: pixels_of(array, "x"), words)


def test_lists_and_tensors_are_arrays_too(refused) -> None:
    import torch

    assert pixels_of(torch.zeros(2, 1, 4, 4), "x")[0].shape == (2, 1, 4, 4)
    assert pixels_of([[[1, 2]], [[3, 4]]], "x")[0].tolist() == [[[[1, 2]]], [[[3, 4]]]]
    refused(lambda: pixels_of([[[1, 2]], [[3]]], "x"), "x must be one array")


def test_labels_by_their_type() -> None:
    assert labels_of(np.array([3, 1], np.uint8), 2, "y").dtype == np.int64
    assert labels_of(np.array([[3], [1]]), 2, "y").tolist() == [3, 1]
    assert labels_of(np.array([b"a", b"b"]), 2, "y").tolist() == ["a", "b"]
    assert labels_of([True, False], 2, "y").tolist() == [1, 0]
    assert labels_of([0.5, 1], 2, "y").tolist() == [[0.5], [1.0]]
    assert labels_of([[1, 2, 3], [4, 5, 6]], 2, "y").dtype == np.float64


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        ([1, 2], "2 for 3 images"),
        ([1, 2, 3, 4], "4 for 3 images"),
        ([0.0, np.nan, 1.0], "image 2"),
        ([[1.0], [np.inf], [2.0]], "image 2"),
        (["a", None, "b"], "image 2"),
        (["a", "", "b"], "image 2"),
        ([["a"] * 2] * 3, "shape [3, 2]"),
        (np.zeros((3, 2, 2)), "shape [3, 2, 2]"),
        (np.array(["2020-01-01"] * 3, "M8[D]"), "datetime64"),
    ],
)
def test_labels_that_do_not_fit_are_refused(labels: object, words: str, refused) -> None:
    refused(lambda: labels_of(labels, 3, "y"), words)


def test_rows_that_sum_to_1_are_said() -> None:
    assert "kl" in label_notes(np.array([[0.25, 0.75], [1.0, 0.0]]))[0].text
    assert "argmax" in label_notes(np.array([[0.0, 1.0], [1.0, 0.0]]))[0].text
    assert not label_notes(np.array([[2.0, -1.0], [1.0, 0.0]]))
    assert not label_notes(np.array([[1.0], [1.0]]))
    assert not label_notes(np.array([0, 1]))


def test_targets_have_names(refused) -> None:
    assert names_of(None, None) == names_of(None, np.array([1])) == ("class",)
    assert names_of(None, np.zeros((3, 1))) == ("y",)
    assert names_of(["age", "mass"], np.zeros((3, 2))) == ("age", "mass")
    refused(lambda: names_of("age", np.zeros((3, 2))), "age", error=PlanError)
