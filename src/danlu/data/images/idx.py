"""IDX files, the format of MNIST: type and number of axes, the axes' lengths, the values; also packed (.gz)."""

from __future__ import annotations

import math
import re
import zlib
from pathlib import Path

import numpy as np

from danlu.core.errors import DataError
from danlu.data.images.listing import IDX_NAME
from danlu.data.images.sets import check_room

_TYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_GZIP = b"\x1f\x8b"
_MOST_HEAD = 4 + 4 * 4


def is_idx(path: Path) -> bool:
    """Return whether a file is named like an IDX file, or begins like one of images.

    Only files without the ending of something else are opened.
    """
    if IDX_NAME.search(path.name):
        return True
    if path.suffix.lower() not in ("", ".gz", ".idx", ".ubyte", ".bin", ".dat") or ".csv" in path.suffixes:
        return False
    try:
        with path.open("rb") as file:
            start = unpacked(file.read(512), 4, partly=True)
    except (OSError, zlib.error):
        return False
    return len(start) >= 4 and start[:2] == b"\0\0" and start[2] in _TYPES and start[3] in (3, 4)


def read_idx(path: Path) -> np.ndarray:
    """Return the array of an IDX file.

    Raises:
        DataError: it cannot be read, is no IDX file, or does not hold as many values as it says.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        fact = (error.strerror or str(error)).lower()
        raise DataError(f"{path} must be readable", fact, "Check the path and its permissions.") from None
    return parse_idx(data, str(path))


def parse_idx(data: bytes, name: str) -> np.ndarray:
    """Return the array that IDX data hold, packed or not.

    Raises:
        DataError: they are not a whole IDX file.

    >>> parse_idx(bytes([0, 0, 8, 1, 0, 0, 0, 2, 7, 9]), "two")
    array([7, 9], dtype=uint8)
    """
    try:
        head = unpacked(data, _MOST_HEAD, partly=True)
    except zlib.error as error:
        raise DataError(f"{name} must be a whole gzip file", str(error), "Copy or download it again.") from None
    kind, shape, start = _head(head, name)
    size = math.prod(shape) * kind.itemsize
    check_room(1, (1, 1, size), 1, name)
    try:
        content = unpacked(data, start + size)
    except zlib.error as error:
        raise DataError(f"{name} must be a whole gzip file", str(error), "Copy or download it again.") from None
    if len(content) != start + size:
        found = f"more than {size:,}" if len(content) > start + size else f"{len(content) - start:,}"
        raise DataError(
            f"{name} must hold the {size:,} bytes that its head says ({' x '.join(map(str, shape))})",
            f"it holds {found}",
            "Copy or download it again.",
        )
    return np.frombuffer(content, dtype=kind, offset=start).reshape(shape)


def labels_beside(path: Path) -> Path | None:
    """Return the file of labels that belongs to a file of images by its name, packed or not, if it is there."""
    for name in label_names(path.name):
        if path.with_name(name).is_file():
            return path.with_name(name)
    return None


def label_names(name: str) -> list[str]:
    """Return the names that the labels of a file of images may have; none where its name does not say images.

    >>> label_names("t10k-images-idx3-ubyte.gz")
    ['t10k-labels-idx1-ubyte.gz', 't10k-labels-idx1-ubyte']
    """
    if not re.search("images", name, re.IGNORECASE):
        return []
    renamed = re.sub(r"idx\d", "idx1", name.replace("images", "labels").replace("Images", "Labels"))
    bare = renamed.removesuffix(".gz")
    return [renamed, bare if renamed != bare else f"{bare}.gz"]


def pairs(folder: Path, names: list[str]) -> tuple[Path, Path | None]:
    """Return the files of training and of test images (or None) among the IDX files of a folder.

    Raises:
        DataError: it is not clear which they are.
    """
    images = sorted({name.removesuffix(".gz"): name for name in names if "images" in name.lower()}.values())
    test = [name for name in images if re.search(r"t10k|test", name, re.IGNORECASE)]
    train = [name for name in images if name not in test]
    if len(train) != 1 or len(test) > 1:
        raise DataError(
            f"{folder} must hold one IDX file of images to learn from, and at most one of test images (t10k or test)",
            f"it holds {', '.join(images) or 'none of images'}",
            "Name the file of images itself.",
        )
    return folder / train[0], folder / test[0] if test else None


def _head(data: bytes, name: str) -> tuple[np.dtype, tuple[int, ...], int]:
    """Return type, lengths of the axes and the place of the first value."""
    rule = f"{name} must be an IDX file"
    if len(data) < 4 or data[:2] != b"\0\0" or data[2] not in _TYPES or not 1 <= data[3] <= 4:
        fact = f"it begins with {data[:4].hex(' ')}" if data else "it is empty"
        raise DataError(rule, fact, "One of images begins with 00 00 08 03, one of labels with 00 00 08 01.")
    start = 4 + 4 * data[3]
    if len(data) < start:
        raise DataError(rule, "its head is cut short", "Copy or download it again.")
    shape = tuple(int.from_bytes(data[4 + 4 * i : 8 + 4 * i], "big") for i in range(data[3]))
    if 0 in shape:
        raise DataError(
            f"{name} must hold something", f"its head says {' x '.join(map(str, shape))}", "Check the file."
        )
    return np.dtype(_TYPES[data[2]]), shape, start


def unpacked(data: bytes, most: int, *, partly: bool = False) -> bytes:
    """Return the first `most` bytes of what may be packed, and one more where there is more.

    Raises:
        zlib.error: it is no whole gzip file; where `partly`, only if its beginning is none.
    """
    if not data.startswith(_GZIP):
        return data[: most + 1]
    unpack = zlib.decompressobj(wbits=31)
    content = unpack.decompress(data, most + 1)
    # Several packed files, one behind the other, are one.
    while unpack.eof and unpack.unused_data.startswith(_GZIP) and len(content) <= most:
        rest, unpack = unpack.unused_data, zlib.decompressobj(wbits=31)
        content += unpack.decompress(rest, most + 1 - len(content))
    if not partly and not unpack.eof and len(content) <= most:
        raise zlib.error("it ends too early")
    return content
