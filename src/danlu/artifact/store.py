"""Save a run as a model, and load it again: bytes in, checked records and tensors out."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.numpy import load as load_numpy
from safetensors.numpy import save as save_numpy
from safetensors.torch import load as load_torch
from safetensors.torch import save as save_torch

from danlu._version import __version__
from danlu.artifact.files import Entry, Manifest, Role, check_output, check_size, read_file, read_manifest, write_folder
from danlu.core.errors import ArtifactError
from danlu.core.records import Run

MOST_HEADER = 1_000_000
"""Bytes. A header of 20 MB took safetensors 4.9 s and 420 MB (TRAPS.md)."""
MOST_ENTRIES = 10_000

T = TypeVar("T")


class LazyArrays(Mapping[str, np.ndarray]):
    """The arrays beside a run, read (and checked) when the first of them is asked for."""

    def __init__(self, folder: Path, entry: Entry) -> None:
        self._folder, self._entry = folder, entry
        self._arrays: dict[str, np.ndarray] | None = None

    def _read(self) -> dict[str, np.ndarray]:
        if self._arrays is None:
            content = read_file(self._folder, self._entry)
            check_header(content, self._entry.name)
            self._arrays = _parsed(load_numpy, content, self._entry.name)
        return self._arrays

    def __getitem__(self, name: str) -> np.ndarray:
        return self._read()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._read())

    def __len__(self) -> int:
        return len(self._read())


@dataclass(frozen=True)
class Loaded:
    """A model as it was saved.

    tensors: "weights" [M, P], "state" [M, S], "fold" [M] int64, and "preparation.NAME".
    arrays: what `Run` says is kept beside it, by name.
    """

    run: Run
    tensors: dict[str, torch.Tensor]
    arrays: Mapping[str, np.ndarray]
    path: Path | None = None


def save(
    path: str | Path,
    run: Run,
    tensors: Mapping[str, torch.Tensor],
    arrays: Mapping[str, np.ndarray],
    *,
    force: bool = False,
) -> None:
    """Write a model to the folder `path`, whole or not at all. Equal content gives equal bytes.

    Numbers of the run that are not finite are written as null, and read as None.

    Raises:
        OutputError: something is there already (see `check_output`), or the disk is full or the like;
            a model that was there before is then still whole.
    """
    check_output(path, force)
    text = (run.model_dump_json(indent=1) + "\n").encode()
    Run.model_validate_json(text)  # What could not be read again must not be written.
    contents: dict[Role, bytes] = {
        "run": text,
        "weights": save_torch({name: _plain(tensor) for name, tensor in tensors.items()}),
        "arrays": save_numpy({name: np.array(array, order="C") for name, array in arrays.items()}),
    }
    write_folder(Path(path), contents, __version__)


def load(path: str | Path) -> Loaded:
    """Read the model in the folder `path`; every byte of the run and of the weights is checked first.

    Raises:
        ArtifactError: there is no model, it is damaged, or of a format that this version does not know.
    """
    folder = Path(path)
    manifest = read_manifest(folder)
    while True:
        try:
            return _load(folder, manifest)
        except ArtifactError:
            newer = read_manifest(folder)
            if newer == manifest:
                raise
            manifest = newer  # replaced while it was being read


def _load(folder: Path, manifest: Manifest) -> Loaded:
    """Read the files that a manifest names."""
    for entry in manifest.files.values():
        check_size(folder, entry)
    text = read_file(folder, manifest.files["run"])
    try:
        run = Run.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise ArtifactError(
            "the record of a run must be one that this version knows",
            f"`{'.'.join(map(str, first['loc']))}` in {manifest.files['run'].name}: {first['msg']}",
            f"The model was written by Danlu {manifest.danlu:.20}, this is {__version__}.",
        ) from None
    weights = manifest.files["weights"]
    content = read_file(folder, weights)
    check_header(content, weights.name)
    tensors = _parsed(load_torch, content, weights.name)
    return Loaded(run, tensors, LazyArrays(folder, manifest.files["arrays"]), folder)


def check_header(content: bytes, name: str) -> None:
    """Check that a safetensors header is short before safetensors parses it.

    Raises:
        ArtifactError: it is longer than 1 MB, has more than 10,000 entries, or is none.
    """
    length = int.from_bytes(content[:8], "little")
    if len(content) < 8 or length > min(MOST_HEADER, len(content) - 8):
        raise _unreadable(name, f"its header would have {length} bytes")
    try:
        header = json.loads(content[8 : 8 + length])
    except (ValueError, RecursionError):
        raise _unreadable(name, "its header is not JSON") from None
    if not isinstance(header, dict) or len(header) > MOST_ENTRIES:
        raise _unreadable(name, f"its header is not a list of at most {MOST_ENTRIES} tensors")


def _parsed(parse: Callable[[bytes], dict[str, T]], content: bytes, name: str) -> dict[str, T]:
    try:
        return parse(content)
    except (SafetensorError, KeyError, TypeError, ValueError, RuntimeError, OverflowError) as error:
        raise _unreadable(name, str(error)[:100]) from None


def _plain(tensor: torch.Tensor) -> torch.Tensor:
    """Return a tensor with memory of its own on the CPU, as safetensors wants it."""
    return tensor.detach().cpu().clone(memory_format=torch.contiguous_format)


def _unreadable(name: str, fact: str) -> ArtifactError:
    return ArtifactError(f"{name} must be a safetensors file", fact, "Restore the model from a copy, or fit again.")
