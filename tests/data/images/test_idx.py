"""IDX files: the format by hand, MNIST's from the shared data, and files that are not what they say."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from danlu.data.images.idx import is_idx, label_names, labels_beside, pairs, parse_idx, read_idx

CODES = {"u1": 8, "i1": 9, ">i2": 11, ">i4": 12, ">f4": 13, ">f8": 14}


def idx(array: np.ndarray, kind: str = "u1") -> bytes:
    head = bytes([0, 0, CODES[kind], array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape)
    return head + array.astype(kind).tobytes()


PIXELS = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)


@pytest.mark.parametrize("kind", list(CODES))
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_every_type_is_read_packed_or_not(kind: str, pack) -> None:
    found = parse_idx(pack(idx(PIXELS, kind)), "a")
    assert found.dtype == np.dtype(kind)
    assert np.array_equal(found, PIXELS)


def test_two_packed_files_one_behind_the_other_are_one() -> None:
    data = idx(PIXELS)
    assert np.array_equal(parse_idx(gzip.compress(data[:9]) + gzip.compress(data[9:]), "a"), PIXELS)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty"),
        (b"\x89PNG", "89 50 4e 47"),
        (idx(PIXELS)[:7], "cut short"),
        (idx(PIXELS)[:-1], "it holds 23"),
        (idx(PIXELS) + b"x", "more than 24"),
        (bytes([0, 0, 7, 3]) + idx(PIXELS)[4:], "00 00 07 03"),
        (bytes([0, 0, 8, 9]) + idx(PIXELS)[4:], "00 00 08 09"),
        (idx(np.zeros((0, 3, 4))), "0 x 3 x 4"),
        (bytes([0, 0, 8, 4]) + b"\xff" * 16 + b"xy", "memory"),
        (gzip.compress(idx(PIXELS), mtime=0)[:-12], "too early"),
        (b"\x1f\x8b" + b"rubbish" * 5, "gzip"),
    ],
)
def test_what_is_no_whole_idx_file_is_refused(data: bytes, words: str, refused) -> None:
    refused(lambda: parse_idx(data, "x-idx3-ubyte"), "x-idx3-ubyte", words)


def test_a_bomb_is_unpacked_no_further_than_its_head_says(refused) -> None:
    bomb = gzip.compress(idx(PIXELS) + bytes(300 << 20), compresslevel=1)
    refused(lambda: parse_idx(bomb, "bomb.gz"), "more than 24")


def test_labels_lie_beside_images_by_their_name(tmp_path: Path) -> None:
    for images, labels in (
        ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"),
        ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte"),
        ("t10k-images.idx3-ubyte", "t10k-labels.idx1-ubyte"),
        ("emnist-letters-test-images-idx3-ubyte", "emnist-letters-test-labels-idx1-ubyte.gz"),
    ):
        beside = tmp_path / labels
        beside.touch()
        assert labels_beside(tmp_path / images) == beside
        beside.unlink()
    assert labels_beside(tmp_path / "train-images-idx3-ubyte") is None
    assert label_names("pictures.idx") == []


def test_files_are_known_by_name_or_by_their_first_bytes(tmp_path: Path) -> None:
    def made(name: str, data: bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(data)
        return path

    assert is_idx(made("a-idx3-ubyte.gz", b""))
    assert is_idx(made("pictures", idx(PIXELS)))
    assert is_idx(made("pictures.gz", gzip.compress(idx(PIXELS))))
    assert not is_idx(made("numbers", idx(np.arange(3))))
    assert not is_idx(made("houses.csv.gz", gzip.compress(b"area,price\n1,2\n")))
    assert not is_idx(made("houses.csv", idx(PIXELS)))
    assert not is_idx(made("other.gz", gzip.compress(b"area,price\n1,2\n")))


def test_the_files_of_a_folder_are_paired(tmp_path: Path, refused) -> None:
    four = [f"{part}-{what}-ubyte.gz" for part in ("t10k", "train") for what in ("images-idx3", "labels-idx1")]
    assert pairs(tmp_path, four) == (tmp_path / four[2], tmp_path / four[0])
    assert pairs(tmp_path, four[2:]) == (tmp_path / four[2], None)
    refused(lambda: pairs(tmp_path, [*four, "more-images-idx3-ubyte"]), "more-images-idx3-ubyte")
    refused(lambda: pairs(tmp_path, four[1:2]), "none of images")


def test_mnist_begins_with_a_5(shared_data: Path) -> None:
    folder = shared_data / "mnist"
    labels = read_idx(folder / "train-labels-idx1-ubyte.gz")
    assert labels[:5].tolist() == [5, 0, 4, 1, 9]
    assert np.bincount(labels).tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    images = read_idx(folder / "train-images-idx3-ubyte.gz")
    assert images.shape == (60_000, 28, 28)
    assert round(float(images.mean()) / 255, 4) == 0.1307, "the mean that is quoted everywhere"
