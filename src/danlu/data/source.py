"""Where a table comes from: a file, standard input, the table that ships with Danlu, or memory."""

from __future__ import annotations

import gzip
import importlib.resources
import io
import os
import sys
import zlib
from pathlib import Path

from danlu.core.addresses import POSTGRESQL, SQLITE, is_address
from danlu.core.errors import DataError, nearest
from danlu.data.arrow_file import read_arrow_file
from danlu.data.database import SQLITE_ENDINGS, check_asked, other_address
from danlu.data.frames import read_frame
from danlu.data.json_lines import read_json, read_json_lines
from danlu.data.parquet import read_parquet
from danlu.data.postgresql import read_postgresql
from danlu.data.sqlite import read_sqlite
from danlu.data.table import RawTable, ReadOptions
from danlu.data.text import read_text
from danlu.data.workbook import read_workbook

EMBEDDED = {"danlu:california": "california_housing.csv.gz", "california": "california_housing.csv.gz"}

_GZIP = b"\x1f\x8b"
_UNPACK = 1 << 24
_BOMB_BYTES, _BOMB_RATIO = 1 << 30, 200
"""More than 1 GB and 200 times the packed size is no table: numbers and words pack 3 to 30 times."""

_WHOLE_FILES = (".parquet", ".pq", ".xlsx", ".xlsm", ".xls", ".ods", ".feather", ".arrow", ".ipc", *SQLITE_ENDINGS)

_MAGIC = {
    b"PAR1": ("a Parquet file", "Rename it to end in .parquet."),
    b"PK\x03\x04": ("a zip archive or an Excel workbook", "Unpack it, or rename it to end in .xlsx."),
    b"\xd0\xcf\x11\xe0": ("an old Excel workbook", "Rename it to end in .xls."),
    b"ARROW1": ("an Arrow file", "Rename it to end in .arrow."),
    b"%PDF": ("a PDF document", "Save the table as CSV."),
    b"\x89PNG": ("a PNG image", "Give a table."),
    b"\xff\xd8\xff": ("a JPEG image", "Give a table."),
    b"GIF8": ("a GIF image", "Give a table."),
    b"SQLite format 3": ("an SQLite database", "Rename it to end in .sqlite."),
    b"\x89HDF": ("an HDF5 file", "Save the table as Parquet or CSV."),
    b"\x93NUMPY": ("a NumPy file", "Load it with numpy.load and give the array."),
    b"BZh": ("a bzip2 archive", "Unpack it first."),
    b"\xfd7zXZ": ("an xz archive", "Unpack it first."),
    b"\x28\xb5\x2f\xfd": ("a Zstandard archive", "Unpack it first."),
    b"7z\xbc\xaf": ("a 7-Zip archive", "Unpack it first."),
    b"\x7fELF": ("a program", "Give a table."),
    b"<!DOCTYPE html": ("a web page", "Download the file itself."),
    b"<html": ("a web page", "Download the file itself."),
}


def read(source: object, options: ReadOptions | None = None) -> RawTable:
    """Read a table.

    Arguments:
        source: a path (.csv, .tsv, .txt and other text, .jsonl, .json, .gz of these, .parquet, .feather, .arrow, .xlsx,
            .xls, .ods, .sqlite, .db), the address of a database (postgresql://..., sqlite:///...), "-" for standard
            input, "danlu:california" for the table that ships with Danlu, a data frame of any library with the Arrow
            PyCapsule interface, a NumPy array (columns c1, c2, ...) or a dict of columns.
        options: what need not be detected.

    Raises:
        DataError: the table cannot be read; says why, where (line number) and what to do.
        PlanError: an option makes no sense.

    >>> read({"area": [70.0, 82.5], "city": ["Oslo", None]}).names
    ('area', 'city')
    >>> read("danlu:california").rows
    20640
    """
    if isinstance(source, RawTable):
        return source
    options = options or ReadOptions()
    check_asked(source, options)
    if not isinstance(source, str | os.PathLike):
        return read_frame(source)
    name = os.fspath(source)
    try:
        if name == "-":
            return _read_bytes(sys.stdin.buffer.read(), "standard input", options, tabs=False)
        return read_address(name, options) if is_address(name) else _read_path(Path(name), name, options)
    except OSError as error:
        raise DataError(
            f"{name} must be readable", (error.strerror or str(error)).lower(), "Check the path and its permissions."
        ) from None


def _read_path(path: Path, name: str, options: ReadOptions) -> RawTable:
    if not path.exists():
        if name in EMBEDDED:
            data = importlib.resources.files("danlu.data") / "tables" / EMBEDDED[name]
            return _read_bytes(data.read_bytes(), "danlu:california", options, tabs=False)
        raise _absent(path)
    if path.is_dir():
        raise DataError(f"{path} must be a file", "it is a folder", "Name a file in it.")
    kind = path.suffix.lower()
    if path.is_file() and not path.stat().st_size:
        raise DataError(f"{path} must hold a table", "it is empty", "Give a file with a header and rows.")
    _check_kind(path, kind)
    if kind in (".parquet", ".pq"):
        return read_parquet(path, name)
    if kind in (".xlsx", ".xlsm", ".xls", ".ods"):
        return read_workbook(path, name, options)
    if kind in (".feather", ".arrow", ".ipc"):
        return read_arrow_file(path, name)
    if kind in SQLITE_ENDINGS:
        return read_sqlite(path, name, options)
    return _read_bytes(_whole(path), name, options, tabs=".tsv" in path.suffixes[-2:])


def _check_kind(path: Path, kind: str) -> None:
    """Refuse devices, which may never end, and pipes where a reader has to move back and forth."""
    if (path.is_char_device() or path.is_block_device()) and path.parent != Path("/dev/fd") and path.name != "stdin":
        raise DataError(f"{path} must be a file", "it is a device", "Give a file, or - for standard input.")
    if not path.is_file() and kind in _WHOLE_FILES:
        raise DataError(f"{path} must be a file to be read as {kind}", "it is a pipe or a socket", "Save it to a file.")


def _whole(path: Path) -> bytes:
    """Return a file's bytes, or refuse one that changes while it is read; of a pipe all that comes."""
    with path.open("rb") as file:
        before = os.fstat(file.fileno())
        data = file.read()
        after = os.fstat(file.fileno())
    if path.is_file() and ((before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns)):
        fact = f"it went from {before.st_size:,} to {after.st_size:,} bytes"
        raise DataError(f"{path} must not change while it is read", fact, "Wait until it is written, or copy it first.")
    return data


def read_address(address: str, options: ReadOptions) -> RawTable:
    """Read from a database that is given by its address."""
    if address.lower().startswith(POSTGRESQL):
        return read_postgresql(address, options)
    if not address.lower().startswith(SQLITE):
        raise other_address(address)
    path = Path(address[len(SQLITE) :])
    if not path.exists():
        raise _absent(path)
    if path.is_dir():
        raise DataError(f"{path} must be a file", "it is a folder", "Name a file in it.")
    return read_sqlite(path, address, options)


def _absent(path: Path) -> DataError:
    """Say that there is no such file, with the nearest name in its folder."""
    if not path.parent.is_dir():
        return DataError(f"{path} must be a file", f"there is no folder {path.parent}", "Check the path.")
    names = sorted(entry.name for entry in path.parent.iterdir() if not entry.name.startswith("."))
    remedy = nearest(path.name, names) if names else "The folder is empty."
    return DataError(f"{path} must be a file", "there is no such file", remedy)


def _read_bytes(data: bytes, name: str, options: ReadOptions, *, tabs: bool) -> RawTable:
    unpacked = _gunzip(data, name) if data.startswith(_GZIP) else data
    del data
    for magic, (what, remedy) in _MAGIC.items():
        if unpacked.startswith(magic):
            raise DataError(f"{name} must be text", f"it looks like {what}", remedy)
    ending = Path(name.lower().removesuffix(".gz")).suffix
    if ending in (".jsonl", ".ndjson"):
        return read_json_lines(unpacked, name, options)
    if ending == ".json" and (found := read_json(unpacked, name, options)) is not None:
        return found
    return read_text(unpacked, name, options, tabs=tabs)


def _gunzip(data: bytes, name: str) -> bytearray:
    """Unpack gzip, but not a bomb."""
    out = bytearray()
    try:
        with gzip.open(io.BytesIO(data)) as file:
            while block := file.read(_UNPACK):
                out += block
                if len(out) > max(_BOMB_BYTES, _BOMB_RATIO * len(data)):
                    raise DataError(
                        f"{name} must unpack to a table",
                        f"it unpacks to more than {_BOMB_RATIO} times its size",
                        "If it is sound, unpack it yourself.",
                    )
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        fact = str(error).rstrip(".")
        raise DataError(f"{name} must be a whole gzip file", fact, "Copy or download it again.") from None
    return out
