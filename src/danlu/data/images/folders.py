"""Folders of PNG, JPEG and BMP files as sets of images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from danlu.core.records import Note
from danlu.data.images import kept
from danlu.data.images.listing import File, counted_classes, list_folder, one_file
from danlu.data.images.many import Decoded, decode_files
from danlu.data.images.sets import ImageSet, Progress, Wish
from danlu.data.images.sizes import Resize
from danlu.data.words import counted


def read_folder(folder: Path, wish: Wish, progress: Progress = None) -> ImageSet:
    """Read a folder with one folder per class, one with train and test, one of images alone, or a single image.

    Raises:
        DataError: it holds what cannot be read.
    """
    listing = list_folder(folder) if folder.is_dir() else one_file(folder)
    said = [Note(topic="folders", text=f"{name} is not read") for name in listing.left]
    files = listing.files
    if listing.test is not None:
        # Both parts are looked at together: they get one size, and colours if either has them.
        files = (*files, *listing.test)
    decoded = decode_kept(folder, files, wish, progress)
    first = len(listing.files)
    train = _as_set(folder, listing.files, decoded.pixels_NKHW[:first], decoded.resize)
    test = None
    if listing.test is not None:
        test = _as_set(folder, listing.test, decoded.pixels_NKHW[first:], decoded.resize)
    if listing.labelled:
        said.insert(0, Note(topic="class", text=f"{counted_classes(files)}, named by the folders"))
    return ImageSet(
        train.pixels_NKHW,
        train.labels,
        train.target_names,
        train.names,
        test,
        train.source,
        (*said, *decoded.notes),
        decoded.resize,
        lambda other: read_folder(folder, other, progress),
    )


def decode_kept(folder: Path, files: Sequence[File], wish: Wish, progress: Progress = None) -> Decoded:
    """Decode files, or find them decoded in the cache.

    Raises:
        DataError: a file cannot be read.
    """
    if not kept.is_worth_keeping(files):
        return decode_files(files, wish, str(folder), progress)
    key = kept.key_of(folder, files, wish.text)
    found = kept.recall(key)
    if found is not None:
        return found
    decoded = decode_files(files, wish, str(folder), progress)
    why_not = kept.keep(key, decoded)
    if not why_not:
        return decoded
    return Decoded(decoded.pixels_NKHW, decoded.resize, (*decoded.notes, Note(topic="cache", text=why_not)))


def _as_set(folder: Path, files: Sequence[File], pixels_NKHW: np.ndarray, resize: str) -> ImageSet:
    labels = None if files[0].label is None else np.array([file.label for file in files], dtype=object)
    names = tuple(file.name for file in files)
    source = f"{folder} ({counted(len(files), 'image')})"
    return ImageSet(pixels_NKHW, labels, ("class",), names, None, source, (), resize)


def rule_of(resize: str | int | Resize | None) -> Resize | None:
    """Return a rule that may be given as text.

    Raises:
        PlanError: it is no rule.
    """
    return resize if resize is None or isinstance(resize, Resize) else Resize.parse(resize)
