"""Decoded images of a folder, kept in the user's cache folder, so that they are decoded once.

A file of the cache is named by the hash of what it was made from: the folder, the name, size and times of every
file, how they were to be decoded, and the versions of Pillow and of this format. So a change to any file makes another
name, and nothing has to be invalidated. It is written whole or not at all; what is not as it was written is ignored.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
import shutil
import struct
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import PIL
from pydantic import BaseModel, ConfigDict, ValidationError

from danlu.core.caching import cache_folder
from danlu.core.records import Note
from danlu.data.images.listing import File
from danlu.data.images.many import Decoded

FORMAT = 1
MAGIC = b"danlu-images\n"
LEAST_FILES, LEAST_BYTES = 500, 1 << 24
"""Fewer files, of fewer bytes together, are decoded again as fast as they are looked up."""
MOST_SET, MOST_ALL = 4 << 30, 8 << 30
"""Bytes of one set, and of all: what was used longest ago is removed."""
SETTLED = 2.0
"""Seconds: a file changed so recently may change again without its time telling it (FAT counts in steps of 2 s)."""


class Head(BaseModel):
    """What stands before the pixels."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    shape: tuple[int, int, int, int]
    resize: str
    notes: tuple[Note, ...]
    sha256: str


def key_of(folder: Path, files: Sequence[File], wish: str) -> str:
    """Return the name of what decoding these files so gives."""
    made_from = json.dumps([FORMAT, PIL.__version__, str(folder.absolute()), wish])
    digest = hashlib.sha256(made_from.encode("utf-8", "surrogateescape"))
    lines = "\n".join(f"{file.name}\0{file.stamp}" for file in files)
    digest.update(lines.encode("utf-8", "surrogateescape"))
    return digest.hexdigest()[:32]


def is_worth_keeping(files: Sequence[File]) -> bool:
    """Return whether decoding files takes long enough to keep the result, and whether they are settled."""
    newest = max(max(file.stamp[1:]) for file in files)
    many = len(files) >= LEAST_FILES or sum(file.stamp[0] for file in files) >= LEAST_BYTES
    return many and newest < (time.time() - SETTLED) * 1e9


def recall(key: str) -> Decoded | None:
    """Return decoded images, or None where there are none that are whole."""
    try:
        with _path(key).open("rb") as file:
            if file.read(len(MAGIC)) != MAGIC:
                return None
            (length,) = struct.unpack("<I", file.read(4))
            if length > 1 << 20:
                return None
            head = Head.model_validate_json(file.read(length))
            size = int(np.prod(head.shape, dtype=np.int64))
            if os.fstat(file.fileno()).st_size != file.tell() + size:
                return None
            pixels = np.empty(head.shape, dtype=np.uint8)
            file.readinto(pixels.reshape(-1).data)
    except (OSError, RuntimeError, struct.error, ValidationError, ValueError):
        return None
    if hashlib.sha256(pixels.data).hexdigest() != head.sha256:
        return None
    with contextlib.suppress(OSError):
        os.utime(_path(key))  # used just now
    return Decoded(pixels, head.resize, head.notes)


def keep(key: str, decoded: Decoded) -> str:
    """Keep decoded images, and return in words why not, or nothing."""
    size = decoded.pixels_NKHW.nbytes
    if size > MOST_SET:
        return f"not kept decoded: {size / 1e9:,.1f} GB, more than {MOST_SET / 1e9:,.1f}"
    head = Head(
        shape=decoded.pixels_NKHW.shape,
        resize=decoded.resize,
        notes=decoded.notes,
        sha256=hashlib.sha256(decoded.pixels_NKHW.data).hexdigest(),
    )
    text = head.model_dump_json().encode("utf-8", "backslashreplace")
    try:
        path = _path(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        if shutil.disk_usage(path.parent).free < 2 * size:
            return "not kept decoded: the disk of the cache is nearly full"
        _make_room(path.parent, size)
        temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
        try:
            with temporary.open("xb") as file:
                file.write(MAGIC + struct.pack("<I", len(text)) + text)
                file.write(decoded.pixels_NKHW.reshape(-1).data)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except (OSError, RuntimeError) as error:
        return f"not kept decoded: {getattr(error, 'strerror', None) or error}".lower()
    return ""


def _path(key: str) -> Path:
    return cache_folder() / "images" / f"{key}.pixels"


def _make_room(folder: Path, size: int) -> None:
    """Remove what was used longest ago, until all and `size` more bytes are within the limit; and old torsos."""
    for torso in folder.glob(".*.tmp"):
        with contextlib.suppress(OSError):
            if torso.stat().st_mtime < time.time() - 86_400:
                torso.unlink()
    there = []
    for path in folder.glob("*.pixels"):
        with contextlib.suppress(OSError):
            there.append((path.stat().st_mtime, path.stat().st_size, path))
    total = size + sum(each[1] for each in there)
    for _, freed, path in sorted(there):
        if total <= MOST_ALL:
            return
        with contextlib.suppress(OSError):
            path.unlink()
            total -= freed
