"""NumPy's .npz files, and dicts of arrays: x and y, or x_train, y_train, x_test, y_test; nothing is unpickled."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from danlu.core.errors import DataError
from danlu.data.images.sets import check_room

BOMB_BYTES, BOMB_RATIO = 1 << 28, 200
"""More than 270 MB and 200 times the packed size are no images: those of MNIST pack 5 times."""

_ALONE = (("x", "y"), ("X", "y"), ("X", "Y"), ("images", "labels"), ("data", "target"))
_PARTS = (
    (("x_train", "y_train"), ("x_test", "y_test")),
    (("X_train", "y_train"), ("X_test", "y_test")),
    (("train_images", "train_labels"), ("test_images", "test_labels")),
)


@dataclass(frozen=True)
class Named:
    """The names under which images and labels lie, `None` where there are none, and names that are not read."""

    train: tuple[str, str | None]
    test: tuple[str, str | None] | None
    left: tuple[str, ...]


def named_arrays(there: Iterable[str], source: str) -> Named:
    """Return which arrays are images and which are labels, by their names.

    Raises:
        DataError: no name is known, or images have no labels though the other part has.

    >>> named_arrays(["x", "y", "ids"], "a.npz")
    Named(train=('x', 'y'), test=None, left=('ids',))
    """
    names = list(there)
    for first, second in _PARTS:
        if first[0] in names:
            train, test = _pair(first, names), _pair(second, names) if second[0] in names else None
            if test is not None and (train[1] is None) != (test[1] is None):
                raise DataError(
                    f"{source} must have labels for both parts or none",
                    f"it has {', '.join(names)}",
                    f"Add {first[1] if train[1] is None else second[1]}.",
                )
            return Named(train, test, _rest(names, train, test))
    for pair in _ALONE:
        if pair[0] in names and (pair[1] in names or pair[0] != "X"):
            train = _pair(pair, names)
            return Named(train, None, _rest(names, train, None))
    if "X" in names:
        return Named(("X", None), None, _rest(names, ("X", None), None))
    raise DataError(
        f"{source} must hold arrays named x and y, or x_train, y_train, x_test and y_test",
        f"it holds {', '.join(names[:12]) or 'nothing'}",
        "Save it as np.savez(file, x=images, y=labels).",
    )


def is_images_mapping(source: Any) -> bool:
    """Return whether a dict holds images under a known name, and not columns of a table."""
    if not isinstance(source, Mapping):
        return False
    names = [pair[0] for pair in _ALONE] + [parts[0][0] for parts in _PARTS]
    return any(getattr(source[name], "ndim", 0) >= 3 for name in names if name in source)


def read_npz(path: Path) -> dict[str, np.ndarray]:
    """Return the arrays of an .npz file that images and labels lie in, and None for those that are not read.

    Raises:
        DataError: it is damaged, holds objects (which would have to be unpickled), or unpacks to far too much.
    """
    rule = f"{path} must be a whole .npz file"
    try:
        with zipfile.ZipFile(path) as archive:
            members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
            named = named_arrays(members, str(path))
            wanted = [*named.train, *(named.test or ())]
            return {name: _array(archive, members[name], path) for name in wanted if name is not None} | {
                name: np.empty(0) for name in named.left
            }
    except OSError as error:
        fact = (error.strerror or str(error)).lower()
        raise DataError(f"{path} must be readable", fact, "Check the path and its permissions.") from None
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        fact = str(error)[:120].rstrip(".") or "it ends too early"
        raise DataError(rule, fact, "Copy it, or save it again with np.savez.") from None


def _array(archive: zipfile.ZipFile, info: zipfile.ZipInfo, path: Path) -> np.ndarray:
    """Return one array, after its head was looked at."""
    name = f"{info.filename} in {path}"
    if info.file_size > max(BOMB_BYTES, BOMB_RATIO * info.compress_size):
        raise DataError(
            f"{path} must unpack to images",
            f"{info.filename} unpacks from {info.compress_size:,} to {info.file_size:,} bytes",
            "If it is sound, save it again with np.savez, unpacked.",
        )
    try:
        with archive.open(info) as file:
            shape, dtype = _head(file)
            start = file.tell()
    except ValueError as error:
        raise DataError(f"{name} must be a NumPy array", str(error)[:120].rstrip("."), "Save it again.") from None
    if dtype.hasobject:
        raise DataError(
            f"{name} must hold numbers or text",
            "it holds Python objects, and unpickling them may run any program",
            "Save it as an array of numbers, or of text: y.astype(str).",
        )
    if dtype.kind not in "biufUS" or int(np.prod(shape, dtype=object)) * dtype.itemsize != info.file_size - start:
        fact = f"its head says {dtype} {list(shape)}, and {info.file_size - start:,} bytes follow"
        raise DataError(f"{name} must be an array of numbers or text", fact, "Save it again with np.savez.")
    check_room(1, (1, 1, info.file_size), 1, name)
    with archive.open(info) as file:
        return np.lib.format.read_array(file, allow_pickle=False)


def _head(file: IO[bytes]) -> tuple[tuple[int, ...], np.dtype]:
    """Return shape and type of an array in NumPy's format.

    Raises:
        ValueError: it is none.
    """
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read(file)
    return shape, dtype


def _pair(names: tuple[str, str], there: list[str]) -> tuple[str, str | None]:
    return names[0], names[1] if names[1] in there else None


def _rest(names: list[str], *pairs: tuple[str, str | None] | None) -> tuple[str, ...]:
    taken = {name for pair in pairs if pair for name in pair}
    return tuple(name for name in names if name not in taken)
