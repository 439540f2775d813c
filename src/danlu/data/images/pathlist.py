"""A CSV of paths and labels: images of any folder, with classes, numbers or distributions to predict."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from danlu.core.errors import DataError, nearest
from danlu.core.records import Note
from danlu.data.cells import Origin, as_text, is_date, is_number, is_text, missing_cells, numbers, plain
from danlu.data.images.arrays import label_notes
from danlu.data.images.decode import ENDINGS
from danlu.data.images.folders import decode_kept
from danlu.data.images.listing import File, stamped
from danlu.data.images.sets import ImageSet, Progress, Wish
from danlu.data.source import read
from danlu.data.table import RawTable
from danlu.data.words import counted


def read_paths(
    path: Path,
    wish: Wish,
    folder: Path,
    *,
    images: str | None = None,
    target: Sequence[str] = (),
    labelled: bool = True,
    progress: Progress = None,
) -> ImageSet:
    """Read the images that a CSV names, and what it says of them.

    Arguments:
        path: the CSV, or any other table that Danlu reads.
        wish: how images are decoded.
        folder: where relative paths begin, and what none may leave.
        images: column of the paths; by default the only one whose cells all end like images.
        target: columns to predict; by default the only other one.
        labelled: whether all labels must be known; else they are left out where one is missing.
        progress: is told how far decoding is.

    Raises:
        DataError: a path leaves the folder or is not there, a column is unknown, a label is missing.
    """
    raw = read(path)
    column = _paths_column(raw, images)
    files = _files(raw, column, folder)
    names = _targets(raw, column, target, labelled=labelled)
    labels, notes = _labels(raw, names, labelled=labelled)
    if names and not target:
        notes.insert(0, Note(topic="target", text=f"{names[0]}, the only column beside {column}"))
    decoded = decode_kept(folder, files, wish, progress)
    return ImageSet(
        decoded.pixels_NKHW,
        labels,
        tuple(names) or ("class",),
        tuple(file.name for file in files),
        None,
        f"{path} ({counted(len(files), 'image')})",
        (*raw.notes, *notes, *label_notes(labels), *decoded.notes),
        decoded.resize,
        lambda other: read_paths(
            path, other, folder, images=images, target=target, labelled=labelled, progress=progress
        ),
    )


def _paths_column(raw: RawTable, asked: str | None) -> str:
    """Return the column of the paths."""
    if asked is not None:
        if asked not in raw.names:
            raise DataError(
                f"{raw.source} must have the column of images", f"there is no `{asked}`", nearest(asked, raw.names)
            )
        return asked
    found = [name for name in raw.names if _all_images(raw.arrow.column(name))]
    if len(found) != 1:
        fact = f"{' and '.join(found)} all do" if found else "none does"
        raise DataError(
            f"one column of {raw.source} must name image files in every row (PNG, JPEG, BMP)", fact, "Name the column."
        )
    return found[0]


def _all_images(column: pa.ChunkedArray) -> bool:
    if not is_text(column.type) or not len(column):
        return False
    return all(cell and os.path.splitext(cell)[1].lower() in ENDINGS for cell in column.to_pylist())  # noqa: PTH122


def _files(raw: RawTable, column: str, base: Path) -> list[File]:
    """Return the files of all rows, refusing those outside the folder."""
    top = os.path.abspath(base)  # noqa: PTH100  no link is followed: what lies in the folder is the user's own choice
    files, seen = [], {}
    for row, cell in enumerate(as_text(raw.arrow.column(column)).to_pylist(), start=1):
        where = f"row {row} of {raw.source}"
        if not cell:
            raise DataError(
                f"column `{column}` must name an image in every row", f"{where} has none", "Fill it, or delete it."
            )
        path = os.path.normpath(os.path.join(top, cell if os.sep == "\\" else cell.replace("\\", "/")))  # noqa: PTH118
        if not path.startswith(top.rstrip(os.sep) + os.sep):
            raise DataError(
                f"paths must stay in the folder {base}", f"{where} leaves it: {cell[:200]}", "Move the image there."
            )
        if "\0" in path or not os.path.isfile(path):  # noqa: PTH113
            raise DataError(f"{where} must name a file in {base}", f"there is no {cell[:200]!r}", "Check the path.")
        if path not in seen:
            name = os.path.relpath(path, top).replace(os.sep, "/")
            if os.path.splitext(name)[1].lower() not in ENDINGS:  # noqa: PTH122
                raise DataError("images must be PNG, JPEG or BMP files", f"{where} names {cell[:200]}", "Convert it.")
            seen[path] = stamped(Path(path), name, None)
        files.append(seen[path])
    if not files:
        raise DataError(f"{raw.source} must name images", "it has no rows", "Add rows.")
    return files


def _targets(raw: RawTable, paths: str, asked: Sequence[str], *, labelled: bool) -> list[str]:
    """Return the columns to predict."""
    others = [name for name in raw.names if name != paths]
    if asked:
        for name in asked:
            if name not in others:
                if not labelled:
                    return []
                raise DataError(f"{raw.source} must have the target", f"there is no `{name}`", nearest(name, others))
        return list(asked)
    if len(others) > 1 and labelled:
        raise DataError(
            f"which columns of {raw.source} to predict must be clear",
            f"there are {', '.join(others[:8])}{' ...' if others[8:] else ''}",
            f"Name them: --target {others[0]}, or several with commas.",
        )
    return others if len(others) == 1 else []


def _labels(raw: RawTable, names: Sequence[str], *, labelled: bool) -> tuple[np.ndarray | None, list[Note]]:
    """Return labels as names, whole numbers or numbers, None where there are none."""
    if not names:
        return None, []
    cells = [plain(raw.arrow.column(name)) for name in names]
    missing = np.logical_or.reduce([missing_cells(column) for column in cells])
    if missing.all():
        return None, [Note(topic="target", text="no label is known")] if labelled else []
    if missing.any():
        row = int(np.flatnonzero(missing)[0]) + 1
        if not labelled:
            return None, [Note(topic="target", text=f"not read: row {row} has no label")]
        raise DataError(
            "every image must have a label", f"row {row} of {raw.source} has none", "Fill it, or delete the row."
        )
    if any(is_date(column.type) for column in cells):
        raise DataError("a label must be a name or a number", f"`{names[0]}` holds dates", "Choose another column.")
    if len(cells) == 1 and not is_number(cells[0].type):
        return np.array(as_text(cells[0]).to_pylist(), dtype=object), []
    if len(cells) == 1 and pa.types.is_integer(cells[0].type):
        return cells[0].to_numpy().astype(np.int64), []
    for name, column in zip(names, cells, strict=True):
        if not is_number(column.type):
            raise DataError(
                "several targets must be numbers", f"`{name}` holds {column.type}", "Give one target, or numbers."
            )
    return np.stack([numbers(c, Origin(n)) for n, c in zip(names, cells, strict=True)], axis=1), []
