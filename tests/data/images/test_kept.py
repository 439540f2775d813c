"""Decoded images in the cache: found again only where nothing has changed, whole or not at all."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from danlu.data.images import folders, kept, read_images
from danlu.data.images.many import Decoded


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list that grows with each decoding, and keep even few and new files."""
    decodings: list[int] = []
    real = folders.decode_files

    def decode(files, *rest) -> Decoded:
        decodings.append(len(files))
        return real(files, *rest)

    monkeypatch.setattr(folders, "decode_files", decode)
    monkeypatch.setattr(kept, "LEAST_FILES", 2)
    monkeypatch.setattr(kept, "SETTLED", -60.0)
    return decodings


@pytest.fixture
def pictures(tmp_path: Path, save, grey) -> Path:
    for i in range(4):
        save(tmp_path / "pictures" / "ab"[i % 2] / f"{i}.png", grey(seed=i))
    return tmp_path / "pictures"


def files(cache: Path) -> list[Path]:
    return sorted(path for path in (cache / "images").iterdir())


def test_the_second_reading_decodes_nothing_and_gives_the_same(pictures: Path, counted: list[int], cache: Path) -> None:
    first, second = read_images(pictures, resize=5), read_images(pictures, resize=5)
    assert counted == [4]
    assert np.array_equal(first.pixels_NKHW, second.pixels_NKHW)
    assert first.notes == second.notes
    assert first.schema == second.schema
    assert first.labels.tolist() == second.labels.tolist()
    assert len(files(cache)) == 1


def test_anything_that_changes_is_decoded_again(pictures: Path, counted: list[int], save, grey) -> None:
    read_images(pictures)
    path = pictures / "a" / "0.png"
    before = path.stat()
    new = grey(seed=9)
    save(path, new)  # another content with the same time
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert np.array_equal(read_images(pictures).pixels_NKHW[0, 0], new)
    assert counted == [4, 4]
    save(pictures / "a" / "9.png", grey())
    assert len(read_images(pictures)) == 5
    (pictures / "a" / "9.png").rename(pictures / "b" / "9.png")
    assert read_images(pictures).labels.tolist() == ["a"] * 2 + ["b"] * 3
    read_images(pictures, resize=4)
    read_images(pictures, colour="colour")
    assert counted == [4, 4, 5, 5, 5, 5]


@pytest.mark.parametrize("damage", ["cut", "flip", "head", "empty", "more"])
def test_a_damaged_file_of_the_cache_is_ignored_and_replaced(
    pictures: Path, counted: list[int], cache: Path, damage: str
) -> None:
    right = read_images(pictures).pixels_NKHW
    (path,) = files(cache)
    data = path.read_bytes()
    changed = {
        "cut": data[:-1],
        "flip": data[:-5] + bytes([data[-5] ^ 1]) + data[-4:],
        "head": data.replace(b'"shape":[4', b'"shape":[5'),
        "empty": b"",
        "more": data + b"x",
    }[damage]
    assert changed != data
    path.write_bytes(changed)
    assert np.array_equal(read_images(pictures).pixels_NKHW, right)
    assert counted == [4, 4]
    assert path.read_bytes() == data


def test_few_or_new_files_are_not_kept(pictures: Path, counted: list[int], cache: Path, monkeypatch) -> None:
    monkeypatch.setattr(kept, "SETTLED", 2.0)
    read_images(pictures)  # written a moment ago
    monkeypatch.setattr(kept, "SETTLED", -60.0)
    monkeypatch.setattr(kept, "LEAST_FILES", 5)
    read_images(pictures)
    assert counted == [4, 4]
    assert not (cache / "images").exists()


def test_a_cache_that_cannot_be_written_costs_only_time(
    pictures: Path, counted: list[int], cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache.parent.mkdir(exist_ok=True)
    cache.write_bytes(b"a file where the folder should be")
    images = read_images(pictures)
    assert len(images) == 4
    assert any(note.topic == "cache" for note in images.notes)
    cache.unlink()
    monkeypatch.setattr(kept, "MOST_SET", 10)
    assert any("not kept decoded" in note.text for note in read_images(pictures).notes)


def test_what_was_used_longest_ago_makes_room(pictures: Path, counted: list[int], cache: Path, monkeypatch) -> None:
    for size in (5, 6, 7):
        read_images(pictures, resize=size)
        for path in files(cache):
            os.utime(path, (path.stat().st_atime, path.stat().st_mtime - 100))
    read_images(pictures, resize=5)  # used again: now the newest
    torso = cache / "images" / ".x.pixels.12.tmp"
    torso.write_bytes(b"x")
    os.utime(torso, (0, time.time() - 100_000))
    monkeypatch.setattr(kept, "MOST_ALL", sum(path.stat().st_size for path in files(cache)))
    read_images(pictures, resize=8)
    assert counted == [4, 4, 4, 4]
    assert len(files(cache)) < 4
    assert not torso.exists()
    read_images(pictures, resize=5)
    assert len(counted) == 4, "the one used last is still there"
    read_images(pictures, resize=6)
    assert len(counted) == 5


def test_nothing_half_written_stays_when_writing_fails(
    pictures: Path, counted: list[int], cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: Path, target: Path) -> Path:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    images = read_images(pictures)
    assert "no space left" in " ".join(note.text for note in images.notes)
    assert not files(cache)


def test_notes_of_decoding_are_kept_too(tmp_path: Path, counted: list[int]) -> None:
    for i in range(3):
        Image.new("LA", (4, 4), (9, 0)).save(tmp_path / f"{i}.png")
    first, second = read_images(tmp_path), read_images(tmp_path)
    assert counted == [3]
    assert "3 images are transparent in places: laid on white" in first.notes[0].text
    assert first.notes == second.notes
