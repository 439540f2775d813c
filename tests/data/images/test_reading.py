"""One door for all sources: what counts as images, arrays, pairs, dicts and files of arrays."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from danlu.core.errors import PlanError, SchemaError
from danlu.data.images import ImageOptions, is_images, read_images

X = np.random.default_rng(0).integers(0, 256, (6, 5, 4)).astype(np.uint8)
Y = np.array([0, 1, 2, 0, 1, 2])


def idx(array: np.ndarray) -> bytes:
    head = bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape)
    return head + array.astype(np.uint8).tobytes()


def test_what_counts_as_images(tmp_path: Path) -> None:
    for source in (X, (X, Y), [X, Y], {"x": X, "y": Y}, {"x_train": X}, tmp_path, "a.npz", "photo.JPG", "mnist"):
        assert is_images(source), source
    for source in ("a.csv", "-", "danlu:california", X[0], {"x": Y}, {"a": X}, (X[0], Y), [1, 2], 3, None, "x.parquet"):
        assert not is_images(source), source
    (tmp_path / "table.csv").write_text("a,b\n1,2\n")
    assert not is_images(tmp_path / "table.csv")


def test_arrays_pairs_dicts_and_npz_give_the_same(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=X, y=Y)
    for source, options in ((X, {"labels": Y}), ((X, Y), {}), ({"x": X, "y": Y}, {}), (tmp_path / "a.npz", {})):
        images = read_images(source, **options)
        assert np.array_equal(images.pixels_NKHW, X[:, None])
        assert images.labels.tolist() == Y.tolist()
        assert images.names is None
        assert images.test is None
    assert read_images(X).labels is None
    assert read_images(images) is images


def test_a_test_part_comes_with_its_source(tmp_path: Path, refused) -> None:
    np.savez(tmp_path / "a.npz", x_train=X, y_train=Y, x_test=X[:3], y_test=Y[:3], more=Y)
    images = read_images(tmp_path / "a.npz")
    assert images.test is not None
    assert images.test.labels.tolist() == [0, 1, 2]
    assert images.notes[-1].text == "not read: more"
    np.savez(tmp_path / "b.npz", x_train=X, y_train=Y, x_test=X[:2], y_test=Y[:2])
    refused(lambda: read_images(tmp_path / "b.npz"), "no test images of '2'")
    assert read_images(tmp_path / "b.npz", options=ImageOptions(task="regression")).test is not None
    np.savez(tmp_path / "c.npz", x_train=X, y_train=Y, x_test=X[:2], y_test=Y[:3])
    refused(lambda: read_images(tmp_path / "c.npz"), "y_test of", "3 for 2 images")


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_idx_files_with_labels_beside_them(tmp_path: Path, pack, refused) -> None:
    ending = ".gz" if pack is gzip.compress else ""
    for part, count in (("train", 6), ("t10k", 3)):
        (tmp_path / f"{part}-images-idx3-ubyte{ending}").write_bytes(pack(idx(X[:count])))
        (tmp_path / f"{part}-labels-idx1-ubyte{ending}").write_bytes(pack(idx(Y[:count])))
    alone = read_images(tmp_path / f"train-images-idx3-ubyte{ending}")
    assert alone.labels.tolist() == Y.tolist()
    assert alone.test is None
    assert f"from train-labels-idx1-ubyte{ending}" in alone.notes[0].text
    both = read_images(tmp_path)
    assert np.array_equal(both.pixels_NKHW, X[:, None])
    assert both.test is not None
    assert both.test.labels.tolist() == [0, 1, 2]
    refused(
        lambda: read_images(tmp_path / f"train-labels-idx1-ubyte{ending}"), "as labels do", "train-images-idx3-ubyte"
    )
    (tmp_path / f"train-labels-idx1-ubyte{ending}").write_bytes(pack(idx(Y[:5])))
    refused(lambda: read_images(tmp_path), "5 for 6 images")
    (tmp_path / f"train-labels-idx1-ubyte{ending}").unlink()
    without = read_images(tmp_path / f"train-images-idx3-ubyte{ending}")
    assert without.labels is None
    assert "there is no train-labels-idx1-ubyte" in without.notes[0].text
    given = tmp_path / f"t10k-labels-idx1-ubyte{ending}"
    assert read_images(tmp_path / f"t10k-images-idx3-ubyte{ending}", labels=given).labels.tolist() == [0, 1, 2]


def test_arrays_get_the_size_and_channels_asked_for() -> None:
    images = read_images((X, Y), resize="8x10", colour="colour")
    assert images.pixels_NKHW.shape == (6, 3, 10, 8)
    assert images.schema.resize == "8x10:stretch"
    assert read_images(np.repeat(X[..., None], 3, axis=3), colour="grey").pixels_NKHW.tolist() == X[:, None].tolist()
    floats = read_images(X / np.float64(255))
    assert floats.schema.values == "float"
    assert (floats.schema.low, floats.schema.high) == (np.float32(X.min() / 255), np.float32(X.max() / 255))


def test_classes_that_are_not_known_are_refused(refused) -> None:
    assert len(read_images((X, Y), classes_from=["0", "1", "2"])) == 6
    assert len(read_images((X, Y), classes_from=read_images((X, Y)))) == 6
    refused(lambda: read_images((X, Y), classes_from=["0", "1"]), "image 3", "'2'", error=SchemaError)


def test_options_that_make_no_sense_are_refused(tmp_path: Path, refused, save, grey) -> None:
    refused(lambda: read_images(X, resize="big"), "resize", error=PlanError)
    refused(lambda: read_images(X, colour="blue"), "colour", error=PlanError)
    refused(lambda: read_images((X, Y), target="a,b"), "a, b", error=PlanError)
    save(tmp_path / "a.png", grey())
    refused(lambda: read_images(tmp_path, labels=Y), "file", error=PlanError)
    (tmp_path / "x.pdf").write_bytes(b"%PDF")
    refused(lambda: read_images(tmp_path / "x.pdf"), "x.pdf", ".pdf")
