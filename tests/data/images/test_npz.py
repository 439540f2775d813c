"""NumPy's files: names of arrays, and nothing that could run or burst."""

from __future__ import annotations

import io
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest

from danlu.core.errors import DataError
from danlu.data.images.npz import named_arrays, read_npz

X = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)


def test_arrays_come_back(tmp_path: Path) -> None:
    for save in (np.savez, np.savez_compressed):
        save(tmp_path / "a.npz", x=X, y=np.array(["a", "b"]), ids=np.arange(2))
        found = read_npz(tmp_path / "a.npz")
        assert np.array_equal(found["x"], X)
        assert found["y"].tolist() == ["a", "b"]
        assert set(found) == {"x", "y", "ids"}


def test_the_names_that_people_use_are_known(refused) -> None:
    assert named_arrays(["y", "x"], "f").train == ("x", "y")
    assert named_arrays(["X", "y"], "f").train == ("X", "y")
    assert named_arrays(["images", "labels", "extra"], "f").left == ("extra",)
    keras = named_arrays(["x_test", "x_train", "y_train", "y_test"], "f")
    assert (keras.train, keras.test) == (("x_train", "y_train"), ("x_test", "y_test"))
    medical = named_arrays([f"{p}_{w}" for p in ("train", "val", "test") for w in ("images", "labels")], "f")
    assert medical.test == ("test_images", "test_labels")
    assert medical.left == ("val_images", "val_labels")
    assert named_arrays(["x"], "f").train == ("x", None)
    refused(lambda: named_arrays(["arr_0"], "f.npz"), "f.npz", "arr_0")
    refused(lambda: named_arrays(["x_train", "y_train", "x_test"], "f.npz"), "y_test")


class Trap:
    """Writes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.path,)


def test_objects_are_never_unpickled(tmp_path: Path, refused) -> None:
    trap = tmp_path / "sprung"
    np.savez(tmp_path / "a.npz", x=X, y=np.array([Trap(trap), 1], dtype=object))
    refused(lambda: read_npz(tmp_path / "a.npz"), "y.npy", "a.npz", "objects")
    with zipfile.ZipFile(tmp_path / "b.npz", "w") as archive:
        archive.writestr("x.npy", pickle.dumps(Trap(trap)))
    refused(lambda: read_npz(tmp_path / "b.npz"), "b.npz")
    (tmp_path / "c.npz").write_bytes(pickle.dumps(Trap(trap)))
    refused(lambda: read_npz(tmp_path / "c.npz"), "c.npz", "zip")
    assert not trap.exists()


def member(array: np.ndarray) -> bytes:
    out = io.BytesIO()
    np.save(out, array)
    return out.getvalue()


def test_a_zip_bomb_is_refused_before_it_unpacks(tmp_path: Path, refused) -> None:
    with zipfile.ZipFile(tmp_path / "bomb.npz", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr("x.npy", member(np.zeros((300, 1024, 1024), np.uint8)))
    refused(lambda: read_npz(tmp_path / "bomb.npz"), "bomb.npz", "unpacks from")


@pytest.fixture
def whole(tmp_path: Path) -> bytes:
    np.savez_compressed(tmp_path / "a.npz", x=np.random.default_rng(0).integers(0, 255, (9, 9, 9)), y=np.arange(9))
    return (tmp_path / "a.npz").read_bytes()


@pytest.mark.parametrize("cut", [3, 40, 200])
def test_truncated_files_are_refused(tmp_path: Path, cut: int, whole: bytes, refused) -> None:
    (tmp_path / "cut.npz").write_bytes(whole[:-cut])
    refused(lambda: read_npz(tmp_path / "cut.npz"), "cut.npz")


def test_a_changed_byte_is_refused_or_does_no_harm(tmp_path: Path, whole: bytes) -> None:
    right, noticed = read_npz(tmp_path / "a.npz"), 0
    for place in range(0, len(whole), 3):
        (tmp_path / "flip.npz").write_bytes(whole[:place] + bytes([whole[place] ^ 255]) + whole[place + 1 :])
        try:
            found = read_npz(tmp_path / "flip.npz")
        except DataError as error:
            noticed += "flip.npz" in str(error)
        else:
            assert all(np.array_equal(found[name], right[name]) for name in found if name in right)
    assert noticed > len(whole) / 3 * 0.8


def test_a_head_that_does_not_fit_what_follows_is_refused(tmp_path: Path, refused) -> None:
    data = member(X)
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("x.npy", data.replace(b"(2, 3, 4)", b"(9, 9, 9)"))
    refused(lambda: read_npz(tmp_path / "a.npz"), "x.npy", "24 bytes follow")
    with zipfile.ZipFile(tmp_path / "b.npz", "w") as archive:
        archive.writestr("x.npy", member(np.zeros(3, dtype=[("a", "u1"), ("b", "f4")])))
    refused(lambda: read_npz(tmp_path / "b.npz"), "x.npy", "numbers or text")
