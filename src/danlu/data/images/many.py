"""Many files decoded into one array: first as if all were like the first, then anew where they are not."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass

import numpy as np

from danlu.core.errors import DataError, SchemaError
from danlu.core.records import Note
from danlu.data.images import fastpng
from danlu.data.images.decode import Form, Look, OtherForm, Tally, decode, look
from danlu.data.images.listing import File
from danlu.data.images.sets import Progress, Wish, check_room
from danlu.data.images.sizes import Resize
from danlu.data.words import counted

BLOCK_FILES, BLOCK_BYTES = 512, 1 << 23
"""A block is what one thread decodes at once: so many files, or so many bytes of files, whichever comes first."""
MOST_FILE = 1 << 29

_SAID = {
    "other ending": "hold another format than their ending says, and were read as what they hold",
    "palette": "have a palette: read as its colours",
    "transparent": "are transparent in places: laid on white",
    "black and white": "are black and white: read as 0 and 255",
    "cmyk": "are in CMYK: turned into red, green, blue",
    "turned": "say how the camera was held: turned upright",
    "made grey": "are in colour: turned into grey (0.299 R + 0.587 G + 0.114 B)",
    "grey to colour": "are grey: the same value in red, green and blue",
}


@dataclass(frozen=True)
class Decoded:
    """What files hold: uint8 `[N, K, H, W]`, the rule that sizes were unified by (or empty), and what was done."""

    pixels_NKHW: np.ndarray
    resize: str
    notes: tuple[Note, ...]


def decode_files(files: Sequence[File], wish: Wish, source: str, progress: Progress = None) -> Decoded:
    """Decode files, with as many threads as help.

    Raises:
        DataError: a file cannot be read (with its name), or all do not fit into memory.
        SchemaError: a file has not the size that `wish.exact` asks for.
    """
    head = look(_read(files[0]), files[0].path)
    form, note = _form(wish, [head]), None
    try:
        pixels, tally = _pass(files, form, wish, source, progress)
    except OtherForm as other:
        if wish.exact is not None and (other.look.height, other.look.width) != wish.exact:
            raise _other_size(wish.exact, other) from None
        looks = _looks(files, progress)
        form, note = _form(wish, looks), _size_note(looks, wish)
        try:
            pixels, tally = _pass(files, form, wish, source, progress)
        except OtherForm as changed:
            raise _changed(changed.name) from None
    notes = [Note(topic="images", text=_done(what, tally)) for what in _SAID if tally.counts[what]]
    if note is not None:
        assert form.resize is not None
        notes.insert(0, Note(topic="size", text=f"{note}: {form.resize.words}; --resize decides otherwise"))
    elif wish.resize is not None:
        notes.insert(0, Note(topic="size", text=f"as asked: {wish.resize.words}"))
    return Decoded(pixels, form.resize.text if form.resize else "", tuple(notes))


def _form(wish: Wish, looks: Sequence[Look]) -> Form:
    """Return what files that look so are brought to."""
    colour = wish.colour or ("colour" if any(each.colour for each in looks) else "grey")
    channels = 1 if colour == "grey" else 3
    sizes = {(each.height, each.width) for each in looks}
    if wish.resize is not None:
        return Form(channels, wish.resize.height, wish.resize.width, wish.resize)
    if wish.exact is not None:
        return Form(channels, *wish.exact)
    if len(sizes) == 1:
        return Form(channels, *sizes.pop())
    rule = Resize.usual([(each.height, each.width) for each in looks])
    return Form(channels, rule.height, rule.width, rule)


def _size_note(looks: Sequence[Look], wish: Wish) -> str | None:
    """Say that sizes differ, where they do and no rule was given."""
    areas = sorted({(each.height * each.width, each.width, each.height) for each in looks})
    if wish.resize is not None or len(areas) == 1:
        return None
    (_, w, h), (_, most_w, most_h) = areas[0], areas[-1]
    return f"sizes differ, from {w} x {h} to {most_w} x {most_h} pixels"


def _pass(files: Sequence[File], form: Form, wish: Wish, source: str, progress: Progress) -> tuple[np.ndarray, Tally]:
    """Decode all files into one form."""
    check_room(len(files), form.shape, 1, source)
    pixels = np.empty((len(files), *form.shape), dtype=np.uint8)
    stop, tally, done = threading.Event(), Tally(), 0
    small = _is_small_png(files[0], form)

    def work(block: range) -> tuple[int, Tally]:
        own = Tally()
        if not stop.is_set():
            _block(files, block, form, wish, pixels, own)
        return len(block), own

    pool = ThreadPoolExecutor(1 if small else _threads())
    try:
        tallies: dict[int, Tally] = {}
        waiting = {pool.submit(work, block): block.start for block in _blocks(files)}
        for future in as_completed(waiting):
            count, tallies[waiting[future]] = future.result()
            done += count
            if progress is not None:
                progress("decoding", done, len(files))
    finally:
        stop.set()
        pool.shutdown(cancel_futures=True)
    for start in sorted(tallies):
        tally.merge(tallies[start])
    return pixels, tally


def _block(files: Sequence[File], block: range, form: Form, wish: Wish, pixels_NKHW: np.ndarray, tally: Tally) -> None:
    """Decode one block of files into their places: plain small PNG together, all others one by one."""
    together: list[int] = []
    lines: list[bytes] = []
    for i in block:
        data = _read(files[i])
        plain = fastpng.plain_shape(data) if files[i].name[-4:] in (".png", ".PNG") else None
        if plain is not None and plain == form.shape:
            packed = fastpng.packed_lines(data, plain)
            if packed is not None:
                together.append(i)
                lines.append(packed)
                continue
        pixels_NKHW[i] = decode(data, files[i].path, form, tally, to_grey=wish.colour == "grey")
    if not together:
        return
    unfiltered = fastpng.unfilter(lines, form.shape)
    if unfiltered is not None:
        pixels_NKHW[together] = unfiltered
        return
    for i in together:
        pixels_NKHW[i] = decode(_read(files[i]), files[i].path, form, tally, to_grey=wish.colour == "grey")


def _is_small_png(file: File, form: Form) -> bool:
    """Return whether most files are likely to take the fast way, which threads only slow down."""
    return fastpng.plain_shape(_read(file)) == form.shape


def _looks(files: Sequence[File], progress: Progress) -> list[Look]:
    """Return what the heads of all files say."""
    found: list[Look] = []
    with ThreadPoolExecutor(_threads()) as pool:
        for each in pool.map(lambda file: look(_read(file), file.path), files, chunksize=64):
            found.append(each)
            if progress is not None and (len(found) % BLOCK_FILES == 0 or len(found) == len(files)):
                progress("looking at sizes", len(found), len(files))
    return found


def _blocks(files: Sequence[File]) -> Iterator[range]:
    start = 0
    size = 0
    for i, file in enumerate(files):
        size += file.stamp[0]
        if i + 1 - start >= BLOCK_FILES or size >= BLOCK_BYTES:
            yield range(start, i + 1)
            start, size = i + 1, 0
    if start < len(files):
        yield range(start, len(files))


def _threads() -> int:
    """Return how many processors this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:
        return os.cpu_count() or 1


def _read(file: File) -> bytes:
    size = file.stamp[0]
    if size > MOST_FILE:
        raise DataError(f"an image must have at most {MOST_FILE:,} bytes", f"{file.path} has {size:,}", "Move it away.")
    try:
        # Without a file object: that would take longer than all else that is done with a small file.
        handle = os.open(file.path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        try:
            data = os.read(handle, size + 1)
            while 0 < len(data) < size and (more := os.read(handle, size + 1 - len(data))):
                data += more
        finally:
            os.close(handle)
    except OSError as error:
        fact = (error.strerror or str(error)).lower()
        raise DataError(f"{file.path} must be readable", fact, "Check the path and its permissions.") from None
    if len(data) != size:
        raise _changed(file.path)
    return data


def _changed(path: str) -> DataError:
    return DataError("files must stay as they are while they are read", f"{path} has changed", "Start again.")


def _done(what: str, tally: Tally) -> str:
    return f"{counted(tally.counts[what], 'image')} {_SAID[what]} (the first: {tally.first[what]})"


def _other_size(exact: tuple[int, int], other: OtherForm) -> SchemaError:
    return SchemaError(
        f"images must have {exact[1]} x {exact[0]} pixels, as those learnt from",
        f"{other.name} has {other.look.width} x {other.look.height}",
        "Resize it, or fit with --resize, which then resizes here too.",
    )
