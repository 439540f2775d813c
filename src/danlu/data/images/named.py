"""Sets of images that have a name: looked for in the folders of DANLU_DATA, else downloaded into the cache, once."""

from __future__ import annotations

import hashlib
import os
import zlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from danlu.core.caching import cache_folder
from danlu.core.errors import DataError
from danlu.core.records import Note
from danlu.data.images.fetch import Pinned, fetch
from danlu.data.images.idx import parse_idx, unpacked
from danlu.data.images.sets import ImageSet, Progress

VARIABLE = "DANLU_DATA"
"""Environment variable: folders to look in, separated as those of PATH are."""


@dataclass(frozen=True)
class Part:
    """One of the four files of a set: as it is downloaded (packed), and its content unpacked."""

    packed: Pinned
    bytes: int
    sha256: str

    @property
    def stem(self) -> str:
        """Its name without .gz."""
        return self.packed.name.removesuffix(".gz")


@dataclass(frozen=True)
class NamedSet:
    """A set with a name: its files (training images and labels, test images and labels), classes and sources."""

    title: str
    parts: tuple[Part, Part, Part, Part]
    classes: tuple[str, ...]
    folders: tuple[str, ...]
    """Where in a folder of DANLU_DATA its files may lie, the folder itself aside."""
    mirrors: tuple[str, ...]


_NAMES = tuple(f"{part}-{what}-ubyte.gz" for part in ("train", "t10k") for what in ("images-idx3", "labels-idx1"))
_UNPACKED = (47_040_016, 60_008, 7_840_016, 10_008)


def _parts(sizes: tuple[int, ...], packed: tuple[str, ...], content: tuple[str, ...]) -> tuple[Part, Part, Part, Part]:
    first, second, third, fourth = (
        Part(Pinned(name, size, digest), length, inner)
        for name, size, digest, length, inner in zip(_NAMES, sizes, packed, _UNPACKED, content, strict=True)
    )
    return first, second, third, fourth


SETS = {
    "fashion-mnist": NamedSet(
        title="Fashion-MNIST",
        parts=_parts(
            (26_421_880, 29_515, 4_422_102, 5_148),
            (
                "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
                "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
                "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
                "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
            ),
            (
                "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
                "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
                "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
                "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
            ),
        ),
        classes=(
            "T-shirt/top",
            "Trouser",
            "Pullover",
            "Dress",
            "Coat",
            "Sandal",
            "Shirt",
            "Sneaker",
            "Bag",
            "Ankle boot",
        ),
        # The second is torchvision's, the third that of Debian's package, whose folder may also be named itself; the
        # last two are those of the set's own repository.
        folders=(
            "fashion-mnist",
            "FashionMNIST/raw",
            "dataset-fashion-mnist",
            "dataset-fashion-mnist/data/fashion",
            "data/fashion",
            "fashion",
        ),
        mirrors=(
            "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
            "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        ),
    ),
    "mnist": NamedSet(
        title="MNIST",
        parts=_parts(
            (9_912_422, 28_881, 1_648_877, 4_542),
            (
                "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
                "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
                "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
                "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
            ),
            (
                "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
                "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
                "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
                "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
            ),
        ),
        classes=tuple("0123456789"),
        folders=("mnist", "MNIST/raw", "dataset-mnist"),
        mirrors=(
            "https://ossci-datasets.s3.amazonaws.com/mnist/",
            "https://storage.googleapis.com/cvdf-datasets/mnist/",
        ),
    ),
}


def read_named(name: str, progress: Progress = None) -> ImageSet:
    """Return a set with a name, its test part with it.

    Raises:
        DataError: a file has the wrong content, or the set is neither found nor can be downloaded.
    """
    wanted = SETS[name]
    folder, contents = _look(name, wanted)
    if folder is None:
        try:
            folder = cache_folder() / "data" / name
        except RuntimeError as error:
            raise DataError("a home folder is needed to download into", str(error), f"Set {VARIABLE}.") from None
        fetch([part.packed for part in wanted.parts], wanted.mirrors, folder, wanted.title, progress)
        contents = _contents(folder, wanted)
    arrays = [parse_idx(content, part.stem) for content, part in zip(contents, wanted.parts, strict=True)]
    classes = np.array(wanted.classes, dtype=object)
    note = Note(topic="data", text=f"{wanted.title} from {folder}, checked by SHA-256")

    def part(at: int, test: ImageSet | None, notes: tuple[Note, ...]) -> ImageSet:
        pixels = np.ascontiguousarray(arrays[at][:, None])
        source = f"{wanted.title} ({len(pixels):,} images)"
        return ImageSet(pixels, classes[arrays[at + 1]], ("class",), None, test, source, notes)

    return part(0, part(2, None, ()), (note,))


def classes_of(labels: np.ndarray) -> tuple[str, ...]:
    """Return the names of classes whose numbers labels are, where these are exactly those of a set with names.

    >>> classes_of(np.array([9, 0], dtype=np.uint8))
    ()
    """
    head = bytes([0, 0, 8, 1]) + len(labels).to_bytes(4, "big")
    digest = hashlib.sha256(head + labels.tobytes()).hexdigest()
    found = (known.classes for known in SETS.values() for part in known.parts if part.sha256 == digest)
    return next(found, ())


def _look(name: str, wanted: NamedSet) -> tuple[Path | None, list[bytes]]:
    """Return the first folder of DANLU_DATA that holds the set, and its files unpacked."""
    for base in filter(None, os.environ.get(VARIABLE, "").split(os.pathsep)):
        for folder in (Path(base), *(Path(base) / inner for inner in wanted.folders)):
            if any(_place(folder, part) is None for part in wanted.parts):
                continue
            # The files of both sets have the same names: in a folder without a set's own name they may be the other's.
            if folder == Path(base) and _is_other(folder, name):
                continue
            return folder, _contents(folder, wanted)
    return None, []


def _place(folder: Path, part: Part) -> Path | None:
    """Return where a part lies, packed or not."""
    return next((path for path in (folder / part.packed.name, folder / part.stem) if path.is_file()), None)


def _is_other(folder: Path, name: str) -> bool:
    """Return whether the smallest file of a folder is that of another set."""
    return any(
        hashlib.sha256(_content(folder, other.parts[3])).hexdigest() == other.parts[3].sha256
        for key, other in SETS.items()
        if key != name
    )


def _contents(folder: Path, wanted: NamedSet) -> list[bytes]:
    """Return the four files unpacked and checked, side by side: unpacking does not hold the interpreter."""

    def checked(part: Part) -> bytes:
        content = _content(folder, part)
        if hashlib.sha256(content).hexdigest() != part.sha256:
            raise DataError(
                f"{_place(folder, part)} must be the file of {wanted.title}, unpacked SHA-256 {part.sha256[:12]}...",
                "it has the wrong checksum",
                "Copy or download it again, or move it away.",
            )
        return content

    with ThreadPoolExecutor(len(wanted.parts)) as pool:
        return list(pool.map(checked, wanted.parts))


def _content(folder: Path, part: Part) -> bytes:
    """Return a part unpacked, at most one byte more than it should have."""
    path = _place(folder, part) or folder / part.packed.name
    try:
        return unpacked(path.read_bytes(), part.bytes)
    except OSError as error:
        fact = (error.strerror or str(error)).lower()
        raise DataError(f"{path} must be readable", fact, "Check the path and its permissions.") from None
    except zlib.error as error:
        raise DataError(f"{path} must be a whole gzip file", str(error), "Copy or download it again.") from None
