"""Sets with a name: from folders of DANLU_DATA in any layout, else fetched; always by their checksums."""

from __future__ import annotations

import gzip
import hashlib
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from danlu.data.images import is_images, named, read_images
from danlu.data.images.fetch import Pinned
from danlu.data.images.named import SETS, NamedSet, Part

NAMES = [part.packed.name for part in SETS["mnist"].parts]


def tiny(seed: int, classes: tuple[str, ...]) -> tuple[NamedSet, dict[str, bytes]]:
    """Return a set like MNIST with 6 training and 4 test images, and its files."""
    random = np.random.default_rng(seed)
    files: dict[str, bytes] = {}
    parts = []
    for at, count in enumerate((6, 4)):
        labels = (np.arange(count) + seed) % len(classes)  # the two sets differ in them
        images = random.integers(0, 256, (count, 5, 5))
        for name, array in zip(NAMES[2 * at :], (images, labels), strict=False):
            head = bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape)
            content = head + array.astype(np.uint8).tobytes()
            files[name] = gzip.compress(content, mtime=0)
            pinned = Pinned(name, len(files[name]), hashlib.sha256(files[name]).hexdigest())
            parts.append(Part(pinned, len(content), hashlib.sha256(content).hexdigest()))
    first, second, third, fourth = parts
    given = SETS["fashion-mnist" if seed else "mnist"]
    return NamedSet(given.title, (first, second, third, fourth), classes, given.folders, ()), files


@pytest.fixture
def sets(monkeypatch: pytest.MonkeyPatch) -> dict[str, dict[str, bytes]]:
    """Put two tiny sets in the place of the real ones, and return their files."""
    made = {"mnist": tiny(0, ("0", "1")), "fashion-mnist": tiny(1, ("Bag", "Coat"))}
    monkeypatch.setattr(named, "SETS", {name: each[0] for name, each in made.items()})
    return {name: each[1] for name, each in made.items()}


def write(folder: Path, files: dict[str, bytes], *, packed: bool = True) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        path = folder / (name if packed else name.removesuffix(".gz"))
        path.write_bytes(data if packed else gzip.decompress(data))
    return folder


@pytest.mark.parametrize(
    "layout",
    [
        "",
        "fashion-mnist",
        "dataset-fashion-mnist",
        "dataset-fashion-mnist/data/fashion",
        "FashionMNIST/raw",
        "data/fashion",
    ],
)
@pytest.mark.parametrize("packed", [True, False])
def test_every_layout_is_found(sets, tmp_path: Path, monkeypatch, layout: str, packed: bool) -> None:
    write(tmp_path / "other", sets["mnist"])  # the same names: must not be taken for it
    write(tmp_path / "data" / layout, sets["fashion-mnist"], packed=packed)
    monkeypatch.setenv(
        "DANLU_DATA", os.pathsep.join(map(str, (tmp_path / "no", tmp_path / "other", tmp_path / "data")))
    )
    images = named.read_named("fashion-mnist")
    assert images.pixels_NKHW.shape == (6, 1, 5, 5)
    assert images.labels.tolist() == ["Coat", "Bag"] * 3
    assert images.test is not None
    assert images.test.pixels_NKHW.shape == (4, 1, 5, 5)
    assert images.test.labels.tolist() == ["Coat", "Bag"] * 2
    assert "SHA-256" in images.notes[0].text
    assert named.read_named("mnist").labels.tolist() == ["0", "1"] * 3


def test_a_wrong_checksum_is_refused_by_name(sets, tmp_path: Path, monkeypatch, refused) -> None:
    folder = write(tmp_path / "mnist", sets["mnist"])
    monkeypatch.setenv("DANLU_DATA", str(tmp_path))
    for name, data in sets["mnist"].items():
        content = bytearray(gzip.decompress(data))
        content[-1] ^= 1
        (folder / name).write_bytes(gzip.compress(bytes(content)))
        refused(lambda: named.read_named("mnist"), str(folder / name), "wrong checksum")
        (folder / name).write_bytes(data[:-9])
        refused(lambda: named.read_named("mnist"), name)
        (folder / name).write_bytes(data)


def test_what_is_not_found_is_fetched_once_into_the_cache(sets, tmp_path: Path, cache: Path, monkeypatch) -> None:
    fetched = []

    def fetch(files, mirrors, folder, title, progress) -> None:
        fetched.append(title)
        write(folder, sets["mnist"])

    monkeypatch.setattr(named, "fetch", fetch)
    monkeypatch.setenv("DANLU_DATA", str(tmp_path))
    assert len(named.read_named("mnist")) == 6
    assert fetched == ["MNIST"]
    assert (cache / "data" / "mnist" / NAMES[0]).is_file()


def test_without_a_net_the_refusal_says_where_to_put_the_files(sets, refused) -> None:
    refused(lambda: named.read_named("mnist"), "MNIST", "DANLU_DATA")


def test_a_file_or_folder_of_that_name_comes_first(sets, tmp_path: Path, monkeypatch, save, grey) -> None:
    monkeypatch.chdir(tmp_path)
    assert is_images("mnist")
    assert is_images("danlu:fashion-mnist")
    assert not is_images("danlu:california")
    save(tmp_path / "mnist" / "1.png", grey())
    assert read_images("mnist").labels is None
    (tmp_path / "fashion-mnist").write_text("a,b\n1,2\n")
    assert not is_images("fashion-mnist")


@pytest.mark.parametrize("name", ["fashion-mnist", "mnist"])
def test_the_real_sets(shared_data: Path, tmp_path: Path, monkeypatch, name: str) -> None:
    monkeypatch.setenv("DANLU_DATA", str(shared_data))
    images = read_images(name)
    assert images.test is not None
    assert images.pixels_NKHW.shape == (60_000, 1, 28, 28)
    assert images.test.pixels_NKHW.shape == (10_000, 1, 28, 28)
    assert images.pixels_NKHW.dtype == np.uint8
    if name == "mnist":
        assert images.labels[:5].tolist() == ["5", "0", "4", "1", "9"]
        return
    first = ["Ankle boot", "T-shirt/top", "T-shirt/top", "Dress", "T-shirt/top"]
    assert images.labels[:5].tolist() == first
    assert {label: int((images.labels == label).sum()) for label in SETS[name].classes} == dict.fromkeys(
        SETS[name].classes, 6000
    )
    # The same files read as files: the labels of a known set have names there too.
    folder = shared_data / name
    plain = read_images(folder)
    assert plain.test is not None
    assert plain.labels[:5].tolist() == first
    assert plain.test.labels.tolist() == images.test.labels.tolist()
    assert np.array_equal(plain.pixels_NKHW, images.pixels_NKHW)
    for file in NAMES:
        assert hashlib.sha256((folder / file).read_bytes()).hexdigest() in {
            part.packed.sha256 for part in SETS[name].parts
        }
    debian = tmp_path / "share" / "dataset-fashion-mnist"
    shutil.copytree(folder, debian)
    for where in (debian, debian.parent):
        monkeypatch.setenv("DANLU_DATA", str(where))
        assert str(debian) in read_images(name).notes[0].text


def test_the_sets_have_the_sizes_of_their_papers() -> None:
    for wanted in SETS.values():
        assert [part.packed.name for part in wanted.parts] == NAMES
        assert [part.bytes for part in wanted.parts] == [16 + 60_000 * 784, 8 + 60_000, 16 + 10_000 * 784, 8 + 10_000]
        assert len({part.sha256 for part in wanted.parts}) == 4
        assert all(mirror.endswith("/") for mirror in wanted.mirrors)
        assert len(wanted.classes) == 10
