"""The folder of a model as files: named by their content, replaced whole, checked when read.

    NAME.danlu/
        manifest.json                        which files make up the model; replaced last, so it is the commit point
        run-<hash12>.json                    the Run record
        weights-<hash12>.safetensors         weights, running moments, preparation
        arrays-<hash12>.safetensors          curves and judged predictions

A process that dies at any point leaves the old model or the new one, and at most files that no manifest
names; the next save removes those. Nothing in a model names code to run.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import secrets
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from danlu.core.errors import ArtifactError, OutputError, nearest

try:
    import fcntl
except ImportError:  # Windows has none
    fcntl = None

FORMAT = 1
MANIFEST = "manifest.json"
MOST_MANIFEST = 100_000
"""Bytes; ours has about 700."""
ENDINGS = {"run": "json", "weights": "safetensors", "arrays": "safetensors"}
OURS = re.compile(r"(?:run-[0-9a-f]{12}\.json|(?:weights|arrays)-[0-9a-f]{12}\.safetensors)")
TEMPORARY = re.compile(rf"\.(?:{OURS.pattern}|manifest\.json)\.[0-9a-f]{{8}}\.tmp")

Role = Literal["run", "weights", "arrays"]


class Entry(BaseModel):
    """One file of a model."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    name: Annotated[str, Field(pattern=rf"^{OURS.pattern}$", max_length=40)]
    bytes: Annotated[int, Field(ge=0)]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Manifest(BaseModel):
    """What `manifest.json` says. `seal` is the SHA-256 of the rest, so that damage to it is noticed too."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    danlu: str
    files: dict[Role, Entry]
    format: Literal[1] = FORMAT
    seal: str = ""

    def text(self) -> bytes:
        """Return the one way this manifest is written."""
        content = self.model_dump(mode="json", exclude={"seal"})
        content["seal"] = _digest(json.dumps(content, sort_keys=True).encode())
        return (json.dumps(content, indent=2, sort_keys=True) + "\n").encode()


def check_output(path: str | Path, force: bool = False) -> None:
    """Check, before any training, that a model can be written to `path`.

    A new name in an existing folder can. So can the rest of a save that was cut short, and with `force` an
    existing model. Files, and folders that hold anything but a model, are never replaced.

    Raises:
        OutputError: the model cannot be written there.
    """
    with _as_output_error(path):
        folder = Path(path)
        if not folder.parent.is_dir():
            raise OutputError(
                "a model must be written into a folder that exists",
                f"`{folder.parent}` is {'a file' if folder.parent.exists() else 'not there'}",
                "Create it first, or choose another place with -o.",
            )
        try:
            folder.stat()
        except FileNotFoundError:
            _check_permission(folder.parent)
            return
        if not folder.is_dir():
            raise OutputError("a model must be a new folder", f"`{path}` is a file", "Choose another name with -o.")
        manifest = (folder / MANIFEST).exists()
        if not (_looks_ours(folder) if manifest else _is_remnant(folder)):
            raise OutputError(
                "a model replaces only a model",
                f"`{path or '.'}` is a folder of other things",
                "Choose another name with -o.",
            )
        if manifest and not force:
            raise OutputError(
                "a model must have a new name",
                f"`{path}` exists",
                "Use --force to replace it, or -o with another name.",
            )
        _check_permission(folder)


def write_folder(folder: Path, contents: Mapping[Role, bytes], version: str) -> None:
    """Write the files of a model, then its manifest, then remove what the manifest does not name.

    Of several processes that save to one folder, one waits for the other: the last one's model stays.

    Raises:
        OutputError: the disk is full, permission is missing or the like; what was there before is still whole.
    """
    entries = {role: _entry(role, content) for role, content in contents.items()}
    written: list[Path] = []
    committed = False
    with _as_output_error(folder), _alone_in(folder) as made_folder:
        try:
            for role, entry in entries.items():
                if not _holds(folder / entry.name, entry):
                    written.append(folder / entry.name)
                    _replace(folder / entry.name, contents[role])
            _sync_folder(folder)
            _replace(folder / MANIFEST, Manifest(danlu=version, files=entries).text())
            committed = True
            _sync_folder(folder)
        finally:
            if not committed:
                _undo(folder, written, made_folder)
        _remove_unnamed(folder, {entry.name for entry in entries.values()})


def read_manifest(folder: Path) -> Manifest:
    """Read and check the manifest of a model.

    Raises:
        ArtifactError: there is no model, it is damaged, or of a format that this version does not know.
    """
    try:
        with (folder / MANIFEST).open("rb") as file:
            text = file.read(MOST_MANIFEST + 1)
    except (OSError, ValueError) as error:
        raise _no_model(folder, error) from None
    if len(text) > MOST_MANIFEST:
        raise _damaged(folder, f"{MANIFEST} is too long to be one")
    try:
        content = json.loads(text)
        known = content["format"]
    except (ValueError, RecursionError, KeyError, TypeError):
        raise _damaged(folder, f"{MANIFEST} cannot be read") from None
    if known != FORMAT or isinstance(known, bool):
        raise ArtifactError(
            f"a model must be of format {FORMAT}",
            f"{folder} has format {known!r:.40}",
            "Read it with the version of Danlu that wrote it, or fit again.",
        )
    try:
        manifest = Manifest.model_validate_json(text)
    except ValidationError:
        raise _damaged(folder, f"{MANIFEST} does not list a model's files") from None
    if manifest.text() != text or set(manifest.files) != set(ENDINGS):
        raise _damaged(folder, f"{MANIFEST} was changed")
    return manifest


def read_file(folder: Path, entry: Entry) -> bytes:
    """Read one file of a model whole, and check its size and SHA-256 before anything looks into it.

    Raises:
        ArtifactError: it is missing, unreadable or not what the manifest says.
    """
    check_size(folder, entry)
    try:
        content = (folder / entry.name).read_bytes()
    except OSError as error:
        raise _damaged(folder, f"{entry.name} cannot be read ({error.strerror})") from None
    if len(content) != entry.bytes or _digest(content) != entry.sha256:
        raise _damaged(folder, f"{entry.name} is not what was written (SHA-256)")
    return content


def check_size(folder: Path, entry: Entry) -> None:
    """Check that a file of a model is there and as long as it was written.

    Raises:
        ArtifactError: it is not.
    """
    try:
        length = (folder / entry.name).stat().st_size
    except OSError:
        raise _damaged(folder, f"{entry.name} is missing") from None
    if length != entry.bytes:
        raise _damaged(folder, f"{entry.name} has {length} of {entry.bytes} bytes")


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _entry(role: Role, content: bytes) -> Entry:
    digest = _digest(content)
    return Entry(name=f"{role}-{digest[:12]}.{ENDINGS[role]}", bytes=len(content), sha256=digest)


def _holds(path: Path, entry: Entry) -> bool:
    """Return whether the file is already there, whole."""
    return path.is_file() and path.stat().st_size == entry.bytes and _digest(path.read_bytes()) == entry.sha256


def _replace(path: Path, content: bytes) -> None:
    """Write a file beside `path`, force it to disk, and rename it over `path`."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        with temporary.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise


@contextlib.contextmanager
def _alone_in(folder: Path) -> Generator[bool, None, None]:
    """Keep a folder to this process until the end, made where it is not there; yield whether it was made.

    Without this a process would remove, as unnamed, files that another has written and is about to name. Where the
    system has no such locks, nothing keeps them apart.
    """
    made_folder = False
    while True:
        if not folder.is_dir():
            with contextlib.suppress(FileExistsError):  # another process made it just now
                folder.mkdir()
                made_folder = True
        if fcntl is None:
            yield made_folder
            return
        handle = os.open(folder, os.O_RDONLY)
        try:
            with contextlib.suppress(OSError):  # a file system without locks
                fcntl.flock(handle, fcntl.LOCK_EX)
            if _is_at(handle, folder):
                yield made_folder
                return
        finally:
            os.close(handle)  # and with it the lock


def _is_at(handle: int, folder: Path) -> bool:
    """Return whether an open folder still stands at its path: who made it may have removed it again."""
    try:
        return os.path.samestat(os.fstat(handle), folder.stat())
    except FileNotFoundError:
        return False


def _sync_folder(folder: Path) -> None:
    """Force the folder's own entries to disk, where the system lets a folder be opened."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _undo(folder: Path, written: list[Path], made_folder: bool) -> None:
    """Remove what a failed save wrote, as far as possible: space on a full disk is worth having back."""
    with contextlib.suppress(OSError):
        for path in written:
            path.unlink(missing_ok=True)
        if made_folder:
            folder.rmdir()


def _remove_unnamed(folder: Path, named: set[str]) -> None:
    """Remove files of ours that the new manifest does not name; what cannot be removed does no harm."""
    for path in folder.iterdir():
        if path.name not in named and _ours(path.name):
            with contextlib.suppress(OSError):
                path.unlink()


def _ours(name: str) -> bool:
    return bool(OURS.fullmatch(name) or TEMPORARY.fullmatch(name))


def _is_remnant(folder: Path) -> bool:
    """Return whether a folder without a manifest holds nothing but what a save cut short leaves (or nothing)."""
    return all(_ours(path.name) for path in folder.iterdir())


def _looks_ours(folder: Path) -> bool:
    """Return whether a folder with a manifest is a model: ours by its manifest, or by the names of all its files."""
    try:
        read_manifest(folder)
    except ArtifactError:
        return all(path.name == MANIFEST or _ours(path.name) for path in folder.iterdir()) and any(
            _ours(path.name) for path in folder.iterdir()
        )
    return True


def _check_permission(folder: Path) -> None:
    if not os.access(folder, os.W_OK | os.X_OK):
        raise OutputError(
            "a model must be written where you may write", f"`{folder}` is read-only", "Choose another place with -o."
        )


@contextlib.contextmanager
def _as_output_error(path: str | Path) -> Generator[None, None, None]:
    """Turn what the operating system says into an `OutputError`."""
    try:
        yield
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        raise OutputError(
            f"the model could not be written to {path}",
            f"the system says: {reason}",
            "What was there before is unchanged. Make room, or choose another place with -o.",
        ) from None
    except ValueError as error:  # a NUL in the name
        raise OutputError("a model must have a name that files can have", str(error), "Choose another name.") from None


def _no_model(folder: Path, error: OSError | ValueError) -> ArtifactError:
    """Say that there is no model here, and where the nearest ones are."""
    with contextlib.suppress(OSError, ValueError):
        if folder.is_dir():
            inside = sorted(path.name for path in folder.glob("*.danlu") if path.is_dir())
            fact = f"`{folder}` has no {MANIFEST}"
            if isinstance(error, OSError) and not isinstance(error, FileNotFoundError | NotADirectoryError):
                fact = f"{folder / MANIFEST} cannot be read ({error.strerror})"
            remedy = f"Did you mean `{folder / inside[0]}`?" if inside else "Give the folder that `danlu fit -o` wrote."
            return ArtifactError("a model must be a folder that Danlu wrote", fact, remedy)
        fact = f"`{folder}` is a file" if folder.exists() else f"there is no `{folder}`"
        beside = {str(path): path for path in sorted(folder.parent.glob("*.danlu")) if path.is_dir()}
        remedy = nearest(str(folder), beside) if beside else "Give the folder that `danlu fit -o` wrote."
        return ArtifactError("a model must be a folder that Danlu wrote", fact, remedy)
    return ArtifactError("a model must be a folder that Danlu wrote", f"got {str(folder)!r:.80}", "Check its name.")


def _damaged(folder: Path, fact: str) -> ArtifactError:
    return ArtifactError(f"the model {folder} must be as it was written", fact, "Restore it from a copy, or fit again.")
