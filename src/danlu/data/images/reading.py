"""Whatever holds images, read: folders, files, arrays and sets with a name."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from danlu.core.errors import DataError, PlanError, nearest
from danlu.core.plan import Task
from danlu.core.records import ImageSchema, Note
from danlu.data.images.arrays import Axes, label_notes, labels_of, names_of, pixels_of
from danlu.data.images.conforming import fit_set, labels_known, to_grey, wish_of
from danlu.data.images.decode import ENDINGS
from danlu.data.images.folders import read_folder, rule_of
from danlu.data.images.idx import is_idx, label_names, labels_beside, pairs, read_idx
from danlu.data.images.listing import TABLES, holds_idx
from danlu.data.images.named import SETS, classes_of, read_named
from danlu.data.images.npz import is_images_mapping, named_arrays, read_npz
from danlu.data.images.pathlist import read_paths
from danlu.data.images.sets import Colour, ImageSet, Progress, Wish, check_room
from danlu.data.images.sizes import same_size

__all__ = ["ImageOptions", "ImageSet", "conform_images", "is_images", "read_images"]


@dataclass(frozen=True)
class ImageOptions:
    """What is seldom said about how to read images.

    Arguments:
        images: column of a table that holds the paths.
        axes: how the axes of an array are read, NHW, NKHW or NHWK, where that is not clear.
        task: the classes of a training and a test part must be the same, but not the numbers of a regression.
        labelled: whether the labels of a table must all be known.
    """

    images: str | None = None
    axes: Axes | None = None
    task: Task | None = None
    labelled: bool = True


@dataclass(frozen=True)
class _Way:
    """All that was said about how to read."""

    target: tuple[str, ...]
    wish: Wish
    labels: Any
    options: ImageOptions
    progress: Progress


def is_images(source: Any, *, images: str | None = None) -> bool:
    """Return whether a source is images rather than a table; nothing but the first bytes of a file is read.

    Images are: a folder; a file .npz, .png, .jpg, .jpeg, .bmp or IDX; `fashion-mnist` and `mnist` where no file has
    that name; an array with 3 axes or more, a dict or a pair (images, labels) of such; a table only where `images`
    names its column of paths.

    >>> is_images(np.zeros((2, 8, 8))), is_images(np.zeros((2, 8))), is_images("houses.csv"), is_images("mnist")
    (True, False, False, True)
    """
    if isinstance(source, ImageSet):
        return True
    if not isinstance(source, str | os.PathLike):
        if isinstance(source, tuple | list):
            return len(source) == 2 and getattr(source[0], "ndim", 0) >= 3
        return is_images_mapping(source) or getattr(source, "ndim", 0) >= 3
    path = Path(source)
    if path.is_dir():
        return True
    if not path.exists():
        return _set_name(source) is not None or path.suffix.lower() in (".npz", *ENDINGS)
    kind = path.suffix.lower()
    return kind in (".npz", *ENDINGS) or is_idx(path) or (images is not None and _is_table(path))


def read_images(
    source: Any,
    *,
    target: str | Sequence[str] | None = None,
    resize: str | int | None = None,
    colour: Colour | None = None,
    labels: Any = None,
    classes_from: ImageSet | Sequence[str] | None = None,
    options: ImageOptions | None = None,
    progress: Progress = None,
) -> ImageSet:
    """Read images, and what is to be predicted of them.

    Arguments:
        source: what `is_images` takes for images, or a table with a column of paths.
        target: of a table the columns to predict; else names for the targets.
        resize: SIZE or WIDTHxHEIGHT in pixels, and behind a colon stretch (the default), crop or pad. Without it, files
            of several sizes are stretched to their median shape, at most 64 pixels a side, and this is said.
        colour: grey or colour; by default grey where all images are.
        labels: where labels lie that are not with the images: an array; an IDX file; a table of paths for a folder.
        classes_from: the classes that labels must be among: a set, or names.
        options: what is seldom said.
        progress: is told how far reading is.

    Raises:
        DataError: the images cannot be read, or labels do not fit them.
        SchemaError: a label is not among `classes_from`.
        PlanError: an option makes no sense.

    >>> read_images(np.zeros((2, 4, 4, 3), np.uint8), labels=["cat", "dog"]).pixels_NKHW.shape
    (2, 3, 4, 4)
    """
    if colour not in (None, "grey", "colour"):
        raise PlanError("`colour` must be grey or colour", f"got {colour!r:.40}", "Use colour=grey.")
    options = options or ImageOptions()
    wish = Wish(resize=rule_of(resize), colour=colour)
    found = _read(source, _Way(_names(target), wish, labels, options, progress))
    if options.task != "regression":
        _check_parts(found)
    if classes_from is not None:
        known = classes_from.labels if isinstance(classes_from, ImageSet) else classes_from
        labels_known(found, tuple(dict.fromkeys(map(str, () if known is None else known))), found.source)
    return found


def conform_images(
    source: Any,
    schema: ImageSchema,
    *,
    target: str | Sequence[str] | None = None,
    labels: Any = None,
    options: ImageOptions | None = None,
    progress: Progress = None,
) -> ImageSet:
    """Read images in the form that a model expects: its size by its rule, its channels, its type of values.

    Give the source itself rather than a set where images are files: they are then resized once, from the original.

    Arguments:
        source: a set, or what `read_images` takes.
        schema: what the model expects.
        target: as for `read_images`; so `labels`, `options` and `progress`. Without options, labels that are not all
            known are left out.

    Raises:
        DataError: the images cannot be read.
        SchemaError: they do not fit, and no rule of the model makes them.
    """
    wish = wish_of(schema)
    if not isinstance(source, ImageSet):
        source = _read(source, _Way(_names(target), wish, labels, options or ImageOptions(labelled=False), progress))
    elif source.again is not None and _is_other(source, schema):
        source = source.again(wish)
    return fit_set(source, schema)


def _is_other(images: ImageSet, schema: ImageSchema) -> bool:
    """Return whether files were decoded otherwise than a model asks for."""
    return images.pixels_NKHW.shape[1:] != schema.shape or images.resize not in ("", schema.resize)


def _read(source: Any, way: _Way) -> ImageSet:
    if isinstance(source, ImageSet):
        return source
    if not isinstance(source, str | os.PathLike):
        return _arrays(source, way)
    path = Path(source)
    if not path.exists():
        name = _set_name(source)
        if name is None:
            raise DataError(f"{path} must be images", "there is no such file or folder", nearest(str(path), SETS))
        return _finished(read_named(name, way.progress), way)
    return _path(path, way)


def _path(path: Path, way: _Way) -> ImageSet:
    """Read a file or folder that exists."""
    if path.is_dir():
        idx = holds_idx(path)
        if idx:
            train, test = pairs(path, idx)
            read = _idx(train, way)
            return replace(read, test=_idx(test, way)) if test is not None else read
        if way.labels is not None:
            return _table(_path_of(way.labels), path, way)
        return read_folder(path, way.wish, way.progress)
    if path.suffix.lower() in ENDINGS:
        return read_folder(path, way.wish, way.progress)
    if path.suffix.lower() == ".npz":
        return _mapping(read_npz(path), str(path), way)
    if is_idx(path):
        return _idx(path, way)
    if _is_table(path):
        return _table(path, None, way)
    raise DataError(
        f"{path} must be images",
        f"it ends in {path.suffix or 'nothing'}",
        "Give a folder of PNG, JPEG or BMP files, an IDX file, an .npz file, or a CSV of paths.",
    )


def _table(path: Path, folder: Path | None, way: _Way) -> ImageSet:
    """Read a table of paths, which begin in a folder, or in that of the table."""
    options = way.options
    return read_paths(
        path,
        way.wish,
        folder or path.parent,
        images=options.images,
        target=way.target,
        labelled=options.labelled,
        progress=way.progress,
    )


def _arrays(source: Any, way: _Way) -> ImageSet:
    """Read arrays: images alone, a pair of images and labels, or a dict."""
    if is_images_mapping(source):
        return _mapping({name: np.asarray(array) for name, array in source.items()}, "a dict of arrays", way)
    if isinstance(source, tuple | list) and len(source) == 2 and getattr(source[0], "ndim", 0) >= 3:
        source, labels = source
    else:
        labels = way.labels
    return _from_arrays(source, labels, ("the array", "the labels"), "arrays", way)


def _mapping(arrays: dict[str, np.ndarray], source: str, way: _Way) -> ImageSet:
    """Read arrays that lie under names."""
    named = named_arrays(arrays, source)

    def part(pair: tuple[str, str | None]) -> ImageSet:
        images, labels = pair
        given = way.labels if labels is None else arrays[labels]
        of = f"{labels} of {source}" if labels else "the labels"
        return _from_arrays(arrays[images], given, (f"{images} of {source}", of), source, way)

    read = part(named.train)
    if named.left:
        note = Note(topic="arrays", text=f"not read: {', '.join(named.left[:12])}")
        read = replace(read, notes=(*read.notes, note))
    return replace(read, test=part(named.test)) if named.test is not None else read


def _idx(path: Path, way: _Way) -> ImageSet:
    """Read an IDX file of images, with its labels from beside it."""
    images = read_idx(path)
    if images.ndim < 3:
        images_name = path.name.replace("labels", "images").replace("idx1", "idx3")
        remedy = (
            f"Give the images: {images_name}." if images_name != path.name else "Its name may be that of another file."
        )
        raise DataError(f"{path} must hold images (3 or 4 axes)", f"it has {images.ndim}, as labels do", remedy)
    beside = labels_beside(path) if way.labels is None else None
    given, notes = way.labels, ()
    if isinstance(given, str | os.PathLike):
        beside, given = _path_of(given), None
    if beside is not None:
        given = read_idx(beside)
        notes = (Note(topic="labels", text=f"from {beside.name}"),)
        classes = classes_of(given) if given.ndim == 1 and given.dtype == np.uint8 else ()
        if classes and classes != tuple("0123456789"):
            notes = (*notes, Note(topic="class", text="known labels: named " + ", ".join(classes)))
            given = np.array(classes, dtype=object)[given]
    elif given is None:
        looked = label_names(path.name)
        notes = (Note(topic="labels", text=f"none: there is no {looked[0]} beside it" if looked else "none"),)
    labels_name = str(beside) if beside is not None else "the labels"
    read = _from_arrays(images, given, (str(path), labels_name), str(path), way)
    return replace(read, notes=(*notes, *read.notes))


def _from_arrays(images: Any, labels: Any, names: tuple[str, str], source: str, way: _Way) -> ImageSet:
    """Return a set of arrays."""
    pixels, notes = pixels_of(images, names[0], way.options.axes)
    typed = None if labels is None else labels_of(labels, len(pixels), names[1])
    targets = names_of(way.target, typed)
    words = f"{source} ({len(pixels):,} images)"
    return _finished(ImageSet(pixels, typed, targets, None, None, words, (*notes, *label_notes(typed))), way)


def _finished(images: ImageSet, way: _Way) -> ImageSet:
    """Return a set that was not read from files of images in the size and with the channels asked for."""
    wish, said = way.wish, []
    pixels = images.pixels_NKHW
    if wish.colour == "grey" and pixels.shape[1] == 3:
        pixels = to_grey(pixels)
        said.append(Note(topic="images", text="in colour: turned into grey (0.299 R + 0.587 G + 0.114 B)"))
    if wish.colour == "colour" and pixels.shape[1] == 1 and wish.exact is None:
        pixels = np.repeat(pixels, 3, axis=1)
        said.append(Note(topic="images", text="grey: the same value in red, green and blue"))
    resize = images.resize
    if wish.resize is not None:
        check_room(
            len(pixels), (pixels.shape[1], wish.resize.height, wish.resize.width), pixels.itemsize, images.source
        )
        said.append(Note(topic="size", text=f"as asked: {wish.resize.words}"))
        pixels, resize = same_size(pixels, wish.resize)
    test = _finished(images.test, way) if images.test is not None else None
    if not said:
        return images
    return replace(
        images, pixels_NKHW=np.ascontiguousarray(pixels), test=test, notes=(*images.notes, *said), resize=resize
    )


def _check_parts(images: ImageSet) -> None:
    """Refuse classes that are missing in one of two parts."""
    train_classes, test_classes = _classes(images), _classes(images.test)
    if train_classes is None or test_classes is None:
        return
    missing = train_classes ^ test_classes
    if missing:
        one = sorted(missing)[0]
        raise DataError(
            "training and test images must have the same classes",
            f"there are no {'test' if one in train_classes else 'training'} images of {one!r}"
            + (f" and {len(missing) - 1} more" if len(missing) > 1 else ""),
            "Add some, leave the class out of both, or use --task regression for numbers.",
        )


def _classes(images: ImageSet | None) -> set[str] | None:
    """Return the different labels, where there are some and they are no floats."""
    if images is None or images.labels is None or images.labels.dtype.kind == "f":
        return None
    return {str(label) for label in dict.fromkeys(images.labels.tolist())}


def _names(target: str | Sequence[str] | None) -> tuple[str, ...]:
    return tuple(re.split(r"\s*,\s*", target.strip()) if isinstance(target, str) else target or ())


def _set_name(source: str | os.PathLike[str]) -> str | None:
    name = os.fspath(source).removeprefix("danlu:")
    return name if name in SETS else None


def _is_table(path: Path) -> bool:
    return any(suffix.lower() in TABLES for suffix in path.suffixes[-2:])


def _path_of(labels: Any) -> Path:
    if not isinstance(labels, str | os.PathLike):
        raise PlanError("`labels` of files must be a file", f"got {type(labels).__name__}", "Give its path.")
    return Path(labels)
