"""Files fetched once from the net into the user's cache: by a pinned SHA-256, written whole or not at all."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import os
import secrets
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from danlu.core.errors import DataError
from danlu.data.images.sets import Progress

SECONDS = 30
"""Of silence, after which a mirror is given up."""
WAIT = 1800
"""Seconds that a process waits for another one that fetches the same."""
BLOCK = 1 << 18


@dataclass(frozen=True)
class Pinned:
    """A file whose content is known in advance: name, bytes, SHA-256."""

    name: str
    bytes: int
    sha256: str


def fetch(files: Sequence[Pinned], mirrors: Sequence[str], folder: Path, title: str, progress: Progress = None) -> None:
    """See that `folder` holds the files; those that are there already and whole are not fetched again.

    Arguments:
        files: what is wanted.
        mirrors: addresses of folders, the first tried first; each ends in a slash.
        folder: is made where it is not there.
        title: of the set, for messages.
        progress: is told how many bytes of a file are there.

    Raises:
        DataError: no mirror gives a file of the right content, or the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # One process fetches; the others wait, and find what it has written.
        with FileLock(folder / ".lock", timeout=WAIT):
            for file in files:
                if not is_whole(folder / file.name, file):
                    _fetch_one(file, mirrors, folder, title, progress)
    except Timeout:
        raise _refusal(title, f"another process has been fetching it into {folder} for too long") from None
    except OSError as error:
        fact = f"the cache cannot be written: {(error.strerror or str(error)).lower()} ({folder})"
        raise _refusal(title, fact) from None


def is_whole(path: Path, file: Pinned) -> bool:
    """Return whether a file is there with the pinned content."""
    try:
        if path.stat().st_size != file.bytes:
            return False
        return hashlib.sha256(path.read_bytes()).hexdigest() == file.sha256
    except OSError:
        return False


def _fetch_one(file: Pinned, mirrors: Sequence[str], folder: Path, title: str, progress: Progress) -> None:
    """Fetch a file from the first mirror that has it, and put it into its place when it is whole."""
    facts = []
    for mirror in mirrors:
        temporary = folder / f".{file.name}.{secrets.token_hex(4)}.tmp"
        try:
            fact = _download(mirror + file.name, file, temporary, progress)
            if not fact:
                temporary.replace(folder / file.name)
                return
        except (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError, ValueError) as error:
            fact = str(getattr(error, "reason", None) or error) or type(error).__name__
        finally:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
        facts.append(f"{mirror}{file.name}: {fact}")
    raise _refusal(title, "; ".join(facts) or "no mirror is known")


def _download(address: str, file: Pinned, path: Path, progress: Progress) -> str:
    """Write what an address gives, and return what is wrong with it, or nothing."""
    digest, size = hashlib.sha256(), 0
    request = urllib.request.Request(address, headers={"User-Agent": "danlu"})
    with urllib.request.urlopen(request, timeout=SECONDS) as answer, path.open("xb") as out:
        # Never more than one byte too many, whatever the server sends.
        while size <= file.bytes and (block := answer.read(min(BLOCK, file.bytes + 1 - size))):
            out.write(block)
            digest.update(block)
            size += len(block)
            if progress is not None:
                progress(f"downloading {file.name}", min(size, file.bytes), file.bytes)
        out.flush()
        os.fsync(out.fileno())
    if size != file.bytes:
        return f"{'more than' if size > file.bytes else f'{size:,} of'} {file.bytes:,} bytes"
    return "" if digest.hexdigest() == file.sha256 else "wrong checksum (SHA-256)"


def _refusal(title: str, fact: str) -> DataError:
    return DataError(
        f"{title} must be found on this machine or downloaded",
        fact[:1000],
        "Put its four files into a folder, and name that folder in the variable DANLU_DATA.",
    )
