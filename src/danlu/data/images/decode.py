"""One file of an image, decoded: PNG, JPEG or BMP, as Pillow reads it; anything doubtful is refused by name.

What a file holds becomes 8-bit grey or red, green, blue by these rules: black and white becomes 0 and 255; a palette
becomes its colours (grey where all are grey); what is transparent lies on white; CMYK becomes RGB; a photo that
says how the camera was held is turned upright.
"""

from __future__ import annotations

import io
from collections import Counter
from dataclasses import dataclass, field
from pathlib import PurePath

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from danlu.core.errors import DataError
from danlu.data.images.sizes import Resize

ENDINGS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".jfif": "JPEG", ".bmp": "BMP"}
FORMATS = ("PNG", "JPEG", "BMP")
MOST_PIXELS = 1 << 26
"""Of one image: 67 million, more than cameras take. A file of a few kB can hold billions."""
WHOLE_PNG, SIXTEEN_BIT_AT = b"IEND", 24

_OTHERS = {
    b"GIF8": "a GIF image",
    b"RIFF": "a WebP image or a sound",
    b"II*\0": "a TIFF image",
    b"MM\0*": "a TIFF image",
    b"PK\x03\x04": "a zip archive",
    b"%PDF": "a PDF document",
    b"<svg": "an SVG drawing",
    b"<!DO": "a web page",
    b"<htm": "a web page",
    b"version https://git-lfs": "a pointer of Git LFS: the file itself was not fetched",
}


@dataclass(frozen=True)
class Form:
    """What every image is brought to: channels, height and width, and the rule for those of another size."""

    channels: int
    height: int
    width: int
    resize: Resize | None = None

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width."""
        return self.channels, self.height, self.width


@dataclass(frozen=True)
class Look:
    """What the head of a file says: size as it will be seen, and whether it has colours."""

    height: int
    width: int
    colour: bool


class OtherForm(Exception):
    """An image has another size, or colours, than those before it."""

    def __init__(self, name: str, look: Look) -> None:
        super().__init__(name)
        self.name, self.look = name, look


@dataclass
class Tally:
    """How many images something was done to, with the name of the first."""

    counts: Counter[str] = field(default_factory=Counter)
    first: dict[str, str] = field(default_factory=dict)

    def add(self, what: str, name: str) -> None:
        """Count one image."""
        self.counts[what] += 1
        self.first.setdefault(what, shown(name))

    def merge(self, other: Tally) -> None:
        """Count those of another."""
        self.counts.update(other.counts)
        for what, name in other.first.items():
            self.first.setdefault(what, name)


def shown(name: str) -> str:
    """Return a name that can be written as UTF-8: bytes of a file name that are none stand as \\udcXX."""
    return name.encode("utf-8", "backslashreplace").decode()


def look(data: bytes, name: str) -> Look:
    """Return what the head of a file says.

    Raises:
        DataError: it is not an image that Danlu reads.
    """
    return _look(_open(data, name), name)


def decode(data: bytes, name: str, form: Form, tally: Tally, *, to_grey: bool = False) -> np.ndarray:
    """Return an image as uint8 `[K, H, W]`.

    Arguments:
        data: the file.
        name: for messages.
        form: what it is brought to; its `resize` takes any size.
        tally: counts what was done.
        to_grey: whether colours may be turned into grey (ITU-R 601: 0.299 R + 0.587 G + 0.114 B).

    Raises:
        DataError: it cannot be read.
        OtherForm: it has another size, and there is no rule for that, or colours, and grey is wanted.
    """
    image = _open(data, name)
    seen = _look(image, name)
    other_size = form.resize is None and (seen.height, seen.width) != (form.height, form.width)
    if other_size or (seen.colour and form.channels == 1 and not to_grey):
        raise OtherForm(name, seen)
    return _pixels(data, image, name, form, tally)


def refused(name: str, fact: str, remedy: str = "Copy or convert it again, or move it away.") -> DataError:
    """Return the error that a file is not a whole image."""
    return DataError(f"{name} must be a whole PNG, JPEG or BMP image", fact, remedy)


def _open(data: bytes, name: str) -> Image.Image:
    """Return the image with its head read and its pixels not yet decoded."""
    if not data:
        raise refused(name, "it is empty")
    try:
        image = Image.open(io.BytesIO(data), formats=FORMATS)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise _bomb(name) from None
    except UnidentifiedImageError:
        raise refused(name, _content(data)) from None
    except Exception as error:  # a damaged head makes Pillow raise almost anything
        raise refused(name, f"it is damaged ({_said(error)})") from None
    if image.width * image.height > MOST_PIXELS:
        raise _bomb(name)
    if image.width < 1 or image.height < 1:
        raise refused(name, "it has no pixels")
    if image.mode[0] in "IF" or (image.format == "PNG" and data[SIXTEEN_BIT_AT] == 16):
        raise refused(name, "it has 16 bits or more a channel", "Save it with 8 bits a channel.")
    # A photo may carry a second, smaller picture (MPO): that is no animation, and the first one is the photo.
    if image.format != "MPO" and getattr(image, "is_animated", False):
        raise refused(name, f"it is animated ({getattr(image, 'n_frames', 2)} pictures)", "Save one of its pictures.")
    return image


def _look(image: Image.Image, name: str) -> Look:
    try:
        turned = _orientation(image) >= 5
        colour = not (image.mode in ("1", "L", "LA") or (image.mode in ("P", "PA") and _grey_palette(image)))
    except Exception as error:
        raise refused(name, f"it is damaged ({_said(error)})") from None
    height, width = (image.width, image.height) if turned else (image.height, image.width)
    return Look(height, width, colour)


def _orientation(image: Image.Image) -> int:
    """Return how the camera was held, 1 to 8; 5 and above swap rows and columns."""
    return int(image.getexif().get(0x0112, 1)) if "exif" in image.info else 1


def _grey_palette(image: Image.Image) -> bool:
    """Return whether all colours of a palette are grey; before the pixels are read it lies as the file has it."""
    if image.palette is None or not image.palette.palette:
        return False
    step = len(image.palette.rawmode or image.palette.mode)
    table = np.frombuffer(bytes(image.palette.palette), dtype=np.uint8)
    table = table[: len(table) // step * step].reshape(-1, step)
    return bool((table[:, :3] == table[:, :1]).all())


def _pixels(data: bytes, image: Image.Image, name: str, form: Form, tally: Tally) -> np.ndarray:
    known = ENDINGS.get(PurePath(name).suffix.lower())
    kind = "JPEG" if image.format == "MPO" else image.format
    if known is not None and known != kind:
        tally.add("other ending", name)
    orientation = _orientation(image)  # what stands behind the pixels of a PNG comes too late to count
    try:
        if form.resize is not None and kind == "JPEG":
            # Decoding at half or a quarter of the size is much faster; twice the size wanted remains at least.
            twice = 2 * max(form.width, form.height)
            image.draft(None, (twice, twice))
        image.load()
        if image.format == "PNG" and WHOLE_PNG not in data[-4096:] and WHOLE_PNG not in data:
            raise OSError("its end is missing")
        plain = _plain(image, orientation, name, tally)
        wanted = "L" if form.channels == 1 else "RGB"
        if plain.mode != wanted:
            tally.add("made grey" if wanted == "L" else "grey to colour", name)
            plain = plain.convert(wanted)
        if form.resize is not None:
            plain = form.resize.apply(plain)
    except DataError:
        raise
    except Exception as error:  # damaged pixels, too
        raise refused(name, f"it is truncated or damaged ({_said(error)})") from None
    array = np.asarray(plain)
    return array[None] if form.channels == 1 else array.transpose(2, 0, 1)


def _plain(image: Image.Image, orientation: int, name: str, tally: Tally) -> Image.Image:
    """Return an image of mode L or RGB, upright."""
    if orientation != 1:
        image = ImageOps.exif_transpose(image)
        tally.add("turned", name)
    if image.mode in ("L", "RGB") and "transparency" not in image.info:
        return image
    grey = image.mode in ("1", "L", "LA") or (image.mode in ("P", "PA") and _grey_palette(image))
    if image.mode in ("P", "PA"):
        tally.add("palette", name)
    if image.mode == "1":
        tally.add("black and white", name)
    if image.mode == "CMYK":
        tally.add("cmyk", name)
    if image.mode in ("LA", "PA", "RGBA", "La", "RGBa") or "transparency" in image.info:
        layer = image.convert("RGBA")
        if layer.getchannel("A").getextrema() != (255, 255):
            tally.add("transparent", name)
        white = Image.new("RGBA", layer.size, (255, 255, 255, 255))
        image = Image.alpha_composite(white, layer)
    image = image.convert("RGB") if image.mode != "RGB" else image
    return image.getchannel(0) if grey else image


def _bomb(name: str) -> DataError:
    return DataError(
        f"an image must have at most {MOST_PIXELS:,} pixels", f"{name} has more", "Make it smaller, or move it away."
    )


def _content(data: bytes) -> str:
    """Say what a file is that is no image of ours."""
    for magic, what in _OTHERS.items():
        if data.startswith(magic):
            return f"its content is {what}"
    return "its content is no such image"


def _said(error: Exception) -> str:
    return (str(error).strip().rstrip(".") or type(error).__name__)[:120]
