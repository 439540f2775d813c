"""Folders of images: classes, parts, sizes, colours; and folders that are refused."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from danlu.core.errors import SchemaError
from danlu.data.images import read_images
from danlu.data.images.folders import read_folder
from danlu.data.images.sets import Wish


@pytest.fixture
def animals(tmp_path: Path, save, grey) -> Path:
    """Return a folder of two classes: 3 cats and 2 dogs."""
    for i in range(5):
        save(tmp_path / "animals" / ("cat" if i < 3 else "dog") / f"{i}.png", grey(seed=i))
    return tmp_path / "animals"


def said(images) -> str:
    return "; ".join(f"{note.topic}: {note.text}" for note in images.notes)


def test_one_folder_per_class(animals: Path, grey) -> None:
    images = read_images(animals)
    assert images.pixels_NKHW.shape == (5, 1, 8, 6)
    assert images.pixels_NKHW.dtype == np.uint8
    assert images.pixels_NKHW.flags.c_contiguous
    for i in range(5):
        assert np.array_equal(images.pixels_NKHW[i, 0], grey(seed=i))
    assert images.labels.tolist() == ["cat"] * 3 + ["dog"] * 2
    assert images.names == ("cat/0.png", "cat/1.png", "cat/2.png", "dog/3.png", "dog/4.png")
    assert images.target_names == ("class",)
    assert images.test is None
    assert "2 classes" in said(images)
    assert images.schema.shape == (1, 8, 6)
    assert images.schema.resize == ""


def test_images_without_labels_keep_their_names(animals: Path) -> None:
    images = read_images(animals / "cat")
    assert images.labels is None
    assert images.names == ("0.png", "1.png", "2.png")
    single = read_images(animals / "dog" / "4.png")
    assert single.names == ("4.png",)
    assert np.array_equal(single.pixels_NKHW, read_images(animals).pixels_NKHW[4:])


def test_what_systems_leave_in_folders_is_passed_over(animals: Path) -> None:
    for name in (".DS_Store", "Thumbs.db", "cat/.DS_Store", "cat/desktop.ini"):
        (animals / name).write_bytes(b"x")
    (animals / "__MACOSX").mkdir()
    assert len(read_images(animals)) == 5


def test_train_and_test_are_two_parts_of_one_size(tmp_path: Path, save, grey) -> None:
    for part, size in (("train", 8), ("test", 10)):
        for name in ("a", "b"):
            save(tmp_path / part / name / "1.png", grey(size, size))
    save(tmp_path / "val" / "a" / "1.png", grey())
    images = read_images(tmp_path)
    assert images.test is not None
    assert images.pixels_NKHW.shape == images.test.pixels_NKHW.shape == (2, 1, 9, 9)
    assert images.test.labels.tolist() == ["a", "b"]
    assert images.test.names == ("test/a/1.png", "test/b/1.png")
    assert "val is not read" in said(images)


def test_a_class_that_is_missing_in_a_part_is_refused(tmp_path: Path, save, grey, refused) -> None:
    for name in ("train/a", "train/b", "test/a"):
        save(tmp_path / name / "1.png", grey())
    refused(lambda: read_images(tmp_path), "no test images of 'b'")
    save(tmp_path / "test" / "b" / "1.png", grey())
    save(tmp_path / "test" / "c" / "1.png", grey())
    refused(lambda: read_images(tmp_path), "no training images of 'c'")
    save(tmp_path / "test" / "1.png", grey())
    refused(lambda: read_images(tmp_path), "test", "1.png")


def test_several_sizes_become_their_median_and_it_is_said(tmp_path: Path, save, grey) -> None:
    for i, (height, width) in enumerate([(30, 40), (33, 44), (60, 80)]):
        save(tmp_path / f"{i}.png", grey(height, width, seed=i))
    images = read_images(tmp_path)
    assert images.pixels_NKHW.shape == (3, 1, 33, 44)
    assert images.schema.resize == "44x33:stretch"
    assert "sizes differ, from 40 x 30 to 80 x 60 pixels: stretched to 44 x 33 pixels; --resize" in said(images)
    assert np.array_equal(images.pixels_NKHW[1, 0], grey(33, 44, seed=1))
    expected = Image.fromarray(grey(60, 80, seed=2)).resize((44, 33), Image.Resampling.BILINEAR)
    assert np.array_equal(images.pixels_NKHW[2, 0], np.asarray(expected))


def test_large_images_of_several_sizes_become_64_pixels_a_side(tmp_path: Path, save, grey) -> None:
    save(tmp_path / "a.png", grey(200, 100))
    save(tmp_path / "b.png", grey(210, 100))
    assert read_images(tmp_path).schema.resize == "31x64:stretch"


@pytest.mark.parametrize("rule", ["5", "7x4:crop", "7x4:pad"])
def test_a_size_that_is_asked_for(animals: Path, save, grey, rule: str) -> None:
    save(animals / "dog" / "big.png", grey(100, 30))
    images = read_images(animals, resize=rule)
    assert images.pixels_NKHW.shape[2:] == ((5, 5) if rule == "5" else (4, 7))
    assert "as asked" in said(images)
    assert images.schema.resize.startswith("5x5" if rule == "5" else "7x4")


def test_colour_is_kept_where_one_image_has_it(animals: Path, save, grey) -> None:
    save(animals / "dog" / "z.jpg", grey(8, 6, channels=3), quality=95)
    images = read_images(animals)
    assert images.pixels_NKHW.shape == (6, 3, 8, 6)
    assert (images.pixels_NKHW[:5, 0] == images.pixels_NKHW[:5, 2]).all()
    assert "5 images are grey: the same value in red, green and blue (the first: " in said(images)
    as_grey = read_images(animals, colour="grey")
    assert as_grey.pixels_NKHW.shape == (6, 1, 8, 6)
    assert "turned into grey" in said(as_grey)
    assert read_images(animals / "cat", colour="colour").schema.channels == 3


def test_all_formats_and_endings(tmp_path: Path, save, grey) -> None:
    for name in ("a.png", "b.PNG", "c.bmp", "d.jpg", "e.JPEG"):
        save(tmp_path / name, np.full((8, 6), 77, np.uint8))
    assert np.abs(read_images(tmp_path).pixels_NKHW.astype(int) - 77).max() <= 1


def test_a_folder_that_mixes_files_and_folders_is_refused(animals: Path, save, grey, refused) -> None:
    save(animals / "x.png", grey())
    refused(lambda: read_images(animals), "x.png", "cat")


def test_other_folders_are_refused(tmp_path: Path, animals: Path, save, grey, refused) -> None:
    (tmp_path / "none").mkdir()
    refused(lambda: read_images(tmp_path / "none"), "none", "empty")
    (animals / "eel").mkdir()
    refused(lambda: read_images(animals), "eel", "empty")
    (animals / "eel" / "young").mkdir()
    refused(lambda: read_images(animals), "eel", "young")
    (animals / "eel" / "young").rmdir()
    (animals / "eel" / "notes.txt").write_text("slippery")
    refused(lambda: read_images(animals), "notes.txt", "PNG")
    refused(lambda: read_images(tmp_path / "nowhere"), "nowhere", "no such")


def test_a_bad_file_among_many_is_named(animals: Path, refused) -> None:
    whole = (animals / "dog" / "3.png").read_bytes()
    (animals / "dog" / "3.png").write_bytes(whole[:-20])
    refused(lambda: read_images(animals), f"dog{os.sep}3.png")
    (animals / "dog" / "3.png").write_bytes(b"GIF89a..........")
    refused(lambda: read_images(animals), f"dog{os.sep}3.png", "GIF")
    (animals / "dog" / "3.png").unlink()
    (animals / "dog" / "3.png").symlink_to(animals / "gone.png")
    refused(lambda: read_images(animals), f"dog{os.sep}3.png")


def test_a_file_that_may_not_be_read_is_named(animals: Path, refused) -> None:
    (animals / "cat" / "1.png").chmod(0)
    if os.access(animals / "cat" / "1.png", os.R_OK):
        pytest.skip("this user may read everything")
    refused(lambda: read_images(animals), "1.png", "permission")


def test_images_too_large_for_memory_are_refused(animals: Path, refused, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("danlu.data.images.sets._memory_left", lambda: 100)
    refused(lambda: read_images(animals), "memory", "--resize")


def test_progress_ends_at_the_number_of_files(animals: Path) -> None:
    told: list[tuple[str, int, int]] = []
    read_images(animals, progress=lambda *what: told.append(what))
    assert told[-1] == ("decoding", 5, 5)


def test_another_size_than_asked_for_exactly_is_refused_by_name(animals: Path, save, grey, refused) -> None:
    save(animals / "dog" / "big.png", grey(9, 9))
    refused(lambda: read_folder(animals, Wish(exact=(8, 6))), "big.png", "9 x 9", "6 x 8", error=SchemaError)


def test_many_blocks_in_several_threads_keep_their_order(tmp_path: Path, save, grey, monkeypatch) -> None:
    monkeypatch.setattr("danlu.data.images.many.BLOCK_FILES", 3)
    monkeypatch.setattr("danlu.data.images.many._threads", lambda: 4)
    for kind in ("bmp", "png"):  # one by one and together
        folder = tmp_path / kind
        for i in range(20):
            save(folder / f"{i:02}.{kind}", grey(seed=i))
        found = read_images(folder).pixels_NKHW
        assert all(np.array_equal(found[i, 0], grey(seed=i)) for i in range(20))


def test_names_that_are_no_utf_8_are_shown_and_read(tmp_path: Path, save, grey) -> None:
    folder = os.path.join(os.fsencode(tmp_path), b"\xff")  # noqa: PTH118  bytes
    try:
        os.mkdir(folder)  # noqa: PTH102
    except OSError:
        pytest.skip("this file system wants UTF-8")
    save(tmp_path / "x.png", Image.new("LA", (6, 8), (1, 0))).rename(Path(os.fsdecode(folder)) / "x.png")
    images = read_images(tmp_path)
    assert images.labels.tolist() == ["\\udcff"]
    assert images.names == ("\\udcff/x.png",)
    assert "\\udcff" in said(images)


def test_a_table_among_the_files_is_named_as_the_way_in(animals: Path, save, grey, refused) -> None:
    (animals / "labels.csv").write_text("file,kind\n")
    refused(lambda: read_images(animals), "labels.csv itself")
    (animals / "cat" / "labels.csv").write_text("file,kind\n")
    refused(lambda: read_images(animals / "cat"), "labels.csv", "Give it itself")
