"""What a folder of images holds, from the names of its files alone: one folder per class, or images without labels."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from danlu.core.errors import DataError
from danlu.data.images.decode import ENDINGS, shown
from danlu.data.words import counted

IDX_NAME = re.compile(r"idx\d[-.]ubyte|\.idx(\d)?(\.gz)?$|-ubyte(\.gz)?$", re.IGNORECASE)
TRAIN, TEST, OTHER = ("train", "training"), ("test", "testing"), ("val", "valid", "validation", "dev")
TABLES = (".csv", ".tsv", ".txt", ".xlsx", ".parquet")
"""Endings of tables, which may name images."""
_ASIDE = {"thumbs.db", "desktop.ini", "__macosx"}
"""What operating systems leave in folders; like names that begin with a dot, they are passed over."""


class File(NamedTuple):
    """A file of an image: where it is, what it is called, its class, and what tells whether it has changed."""

    path: str
    name: str
    label: str | None
    stamp: tuple[int, int, int]
    """Bytes, and the times of the last change to the content and to the entry, in nanoseconds."""


@dataclass(frozen=True)
class Listing:
    """The images of a folder, by name; `test` where it has the folders train and test."""

    files: tuple[File, ...]
    test: tuple[File, ...] | None = None
    left: tuple[str, ...] = ()
    """Folders that were not read."""

    @property
    def labelled(self) -> bool:
        """Whether there is one folder per class."""
        return self.files[0].label is not None


def list_folder(folder: Path) -> Listing:
    """Return the images of a folder.

    Raises:
        DataError: it is empty, mixes files and folders, or holds what is no image.
    """
    files, folders = _entries(folder)
    if files and folders:
        tables = [entry.path for entry in files if entry.name.lower().endswith(TABLES)]
        raise DataError(
            f"{folder} must hold images, or one folder per class",
            f"it holds files ({files[0].name}) and folders ({folders[0].name})",
            f"Give {tables[0]} itself if it names the images." if tables else "Move the files or the folders away.",
        )
    if files:
        return Listing(tuple(_file(entry, entry.name, None) for entry in files))
    if not folders:
        raise DataError(f"{folder} must hold images, or one folder per class", "it is empty", "Check the path.")
    split = _split(folder, folders)
    return split if split is not None else Listing(_classes(folder, folders, ""))


def holds_idx(folder: Path) -> list[str]:
    """Return the names of the IDX files of a folder."""
    return sorted(entry.name for entry in _entries(folder)[0] if IDX_NAME.search(entry.name))


def one_file(path: Path) -> Listing:
    """Return the listing of a single image."""
    return Listing((stamped(path, path.name, None),))


def stamped(path: Path, name: str, label: str | None) -> File:
    """Return a file with what tells whether it has changed.

    Raises:
        DataError: it is not there, or is no file.
    """
    try:
        found = path.stat()
    except OSError as error:
        raise _unreadable(str(path), error) from None
    if not path.is_file():
        raise DataError(f"{path} must be a file", "it is something else", "Check the path.")
    return File(str(path), name, label, (found.st_size, found.st_mtime_ns, found.st_ctime_ns))


def _split(folder: Path, folders: Sequence[os.DirEntry[str]]) -> Listing | None:
    """Return the parts of a folder that has train and test, each with one folder per class; None of any other."""
    part = {entry.name.lower(): entry for entry in folders}
    train, test = (next((part[name] for name in names if name in part), None) for names in (TRAIN, TEST))
    others = [entry.name for entry in folders if entry.name.lower() in OTHER]
    if train is None or test is None or len(folders) != 2 + len(others):
        return None
    parts = []
    for entry in (train, test):
        inner_files, inner = _entries(Path(entry.path))
        if inner_files or not inner:
            raise DataError(
                f"{folder / entry.name} must hold one folder per class, as train and test lie side by side",
                f"it holds {inner_files[0].name}" if inner_files else "it is empty",
                "Sort its images into folders, or give one of both.",
            )
        parts.append(_classes(Path(entry.path), inner, f"{entry.name}/"))
    return Listing(parts[0], parts[1], tuple(others))


def _classes(folder: Path, folders: Sequence[os.DirEntry[str]], prefix: str) -> tuple[File, ...]:
    """Return the images of one folder per class, class after class."""
    found: list[File] = []
    for entry in folders:
        files, inner = _entries(Path(entry.path))
        if inner:
            raise DataError(
                f"{folder / entry.name} must hold images of one class",
                f"it holds the folder {inner[0].name}",
                "Give the folder whose own folders are the classes.",
            )
        if not files:
            raise DataError(
                f"{folder / entry.name} must hold images of one class", "it is empty", "Fill it, or remove it."
            )
        begin, label = f"{prefix}{entry.name}/", entry.name
        found += [_file(each, begin + each.name, label) for each in files]
    return tuple(found)


def _entries(folder: Path) -> tuple[list[os.DirEntry[str]], list[os.DirEntry[str]]]:
    """Return files and folders by name, without what operating systems leave there."""
    try:
        with os.scandir(folder) as scanned:
            there = [e for e in scanned if not e.name.startswith(".") and e.name.lower() not in _ASIDE]
        folders = [entry for entry in there if entry.is_dir()]
    except OSError as error:
        raise _unreadable(str(folder), error) from None
    inner = {entry.name for entry in folders}
    files = [entry for entry in there if entry.name not in inner]
    return _by_name(files), _by_name(folders)


def _by_name(entries: Iterable[os.DirEntry[str]]) -> list[os.DirEntry[str]]:
    return sorted(entries, key=lambda entry: entry.name)


def _file(entry: os.DirEntry[str], name: str, label: str | None) -> File:
    # Text and tuples only: path objects for 70,000 files take half a second.
    if "." + entry.name.rpartition(".")[2].lower() not in ENDINGS:
        raise DataError(
            "images must be PNG, JPEG or BMP files",
            f"{entry.path} does not end so",
            "Give it itself if it names the images." if entry.name.lower().endswith(TABLES) else "Convert or move it.",
        )
    try:
        found = entry.stat()
    except OSError as error:
        raise _unreadable(entry.path, error) from None
    if not name.isascii():
        name, label = shown(name), label if label is None else shown(label)
    return File(entry.path, name, label, (found.st_size, found.st_mtime_ns, found.st_ctime_ns))


def _unreadable(path: str, error: OSError) -> DataError:
    fact = (error.strerror or str(error)).lower()
    return DataError(f"{path} must be readable", fact, "Check the path and its permissions.")


def counted_classes(files: Sequence[File]) -> str:
    """Return the classes of files in words.

    >>> counted_classes([File("", "", label, (0, 0, 0)) for label in "aab"])
    '2 classes'
    """
    count = len({file.label for file in files})
    return counted(count, "class").replace("classs", "classes")
