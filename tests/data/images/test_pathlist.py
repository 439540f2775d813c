"""A CSV of paths: classes, numbers, distributions; and paths that lead elsewhere."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from danlu.data.images import ImageOptions, is_images, read_images


@pytest.fixture
def base(tmp_path: Path, save, grey) -> Path:
    """Return a folder with pictures/0.png to pictures/3.png."""
    for i in range(4):
        save(tmp_path / "base" / "pictures" / f"{i}.png", grey(seed=i))
    return tmp_path / "base"


def table(base: Path, text: str, name: str = "labels.csv") -> Path:
    (base / name).write_text(text, encoding="utf-8")
    return base / name


def test_paths_and_classes(base: Path, grey) -> None:
    path = table(base, "file,kind\npictures/2.png,cat\npictures/0.png,dog\n./pictures/../pictures/2.png,dog\n")
    assert not is_images(path)
    assert is_images(path, images="file")
    images = read_images(path)
    assert images.labels.tolist() == ["cat", "dog", "dog"]
    assert images.target_names == ("kind",)
    assert images.names == ("pictures/2.png", "pictures/0.png", "pictures/2.png")
    assert np.array_equal(images.pixels_NKHW[1, 0], grey(seed=0))
    assert any("kind, the only column beside file" in note.text for note in images.notes)


def test_whole_numbers_floats_and_several_targets(base: Path) -> None:
    lines = "\n".join(f"pictures/{i}.png,{i},{i / 2},{1 - i / 4}" for i in range(4))
    path = table(base, f"file,n,x,y\n{lines}\n")
    assert read_images(path, target="n").labels.tolist() == [0, 1, 2, 3]
    x = read_images(path, target="x").labels
    assert x.dtype == np.float64
    assert x.tolist() == [[0.0], [0.5], [1.0], [1.5]]
    both = read_images(path, target="n, y")
    assert both.target_names == ("n", "y")
    assert both.labels.tolist() == [[0, 1], [1, 0.75], [2, 0.5], [3, 0.25]]


def test_distributions_are_said(base: Path) -> None:
    path = table(base, "file,p,q\npictures/0.png,0.25,0.75\npictures/1.png,1,0\n")
    images = read_images(path, target=["p", "q"])
    assert images.labels.tolist() == [[0.25, 0.75], [1.0, 0.0]]
    assert any("kl" in note.text for note in images.notes)


def test_a_table_beside_a_folder_begins_its_paths_there(base: Path, tmp_path: Path) -> None:
    path = table(tmp_path, "image,age\n0.png,3.5\n3.png,7.5\n")
    images = read_images(base / "pictures", labels=path)
    assert images.names == ("0.png", "3.png")
    assert images.labels.tolist() == [[3.5], [7.5]]


def test_paths_written_on_windows_are_read(base: Path) -> None:
    path = table(base, "file,kind\npictures\\0.png,cat\npictures\\1.png,dog\n")
    assert read_images(path).names == ("pictures/0.png", "pictures/1.png")


@pytest.mark.parametrize("cell", ["../secret.png", "/etc/secret.png", "pictures/../../secret.png", "..\\secret.png"])
def test_paths_that_leave_the_folder_are_refused(base: Path, save, grey, cell: str, refused) -> None:
    save(base.parent / "secret.png", grey())
    path = table(base, f"file,kind\npictures/0.png,cat\n{cell},dog\n")
    refused(lambda: read_images(path), "row 2", "leaves it", cell)


def test_an_absolute_path_inside_the_folder_is_fine(base: Path) -> None:
    path = table(base, f"file,kind\n{base.absolute() / 'pictures' / '0.png'},cat\n")
    assert read_images(path).names == ("pictures/0.png",)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("file,kind\npictures/9.png,cat\n", ("row 1", "pictures/9.png")),
        ("file,kind\npictures/0.png,cat\npictures,dog\n", ("name image files in every row",)),
        ("file,kind\npictures/0.png,cat\n,dog\n", ("name image files in every row",)),
        ("file,kind\npictures/0.png,cat\npictures/1.png,\n", ("row 2", "must have a label")),
        ("file,other,kind\npictures/0.png,pictures/1.png,cat\n", ("file and other",)),
        ("file,a,b\npictures/0.png,1,2\n", ("--target a",)),
        ("name,kind\nx,cat\n", ("none does",)),
    ],
)
def test_tables_that_are_not_clear_are_refused(base: Path, text: str, words: tuple[str, ...], refused) -> None:
    path = table(base, text)
    refused(lambda: read_images(path), *words)


def test_columns_are_named_or_refused(base: Path, refused) -> None:
    path = table(base, "file,other,kind\npictures/0.png,pictures/1.png,cat\npictures/1.png,pictures/0.png,dog\n")
    other = ImageOptions(images="other")
    assert read_images(path, target="kind", options=other).names == ("pictures/1.png", "pictures/0.png")
    refused(lambda: read_images(path, target="kinds", options=other), "kinds", "Did you mean `kind`?")
    refused(lambda: read_images(path, target="kind", options=ImageOptions(images="othr")), "othr", "`other`")
    refused(lambda: read_images(path, target="file,kind", options=other), "`file` holds", "numbers")


def test_without_labels_for_prediction(base: Path) -> None:
    unlabelled = ImageOptions(labelled=False)
    alone = table(base, "file\npictures/0.png\npictures/1.png\n", "alone.csv")
    assert read_images(alone).labels is None
    assert read_images(alone, target="kind", options=unlabelled).labels is None
    partly = table(base, "file,kind\npictures/0.png,cat\npictures/1.png,\n", "partly.csv")
    images = read_images(partly, options=unlabelled)
    assert images.labels is None
    assert "row 2 has no label" in images.notes[-1].text
    more = table(base, "file,a,b\npictures/0.png,1,2\npictures/1.png,1,2\n", "more.csv")
    assert read_images(more, options=unlabelled).labels is None


def test_a_broken_file_is_named(base: Path, refused) -> None:
    (base / "pictures" / "1.png").write_bytes(b"rubbish")
    path = table(base, "file,kind\npictures/0.png,cat\npictures/1.png,dog\n")
    refused(lambda: read_images(path), "1.png", "no such image")
