"""What files are called, and whether a new one may be written."""

from __future__ import annotations

import re
from pathlib import Path

from danlu.core.addresses import address_name, is_address
from danlu.core.errors import OutputError


def model_name(source: str | Path, table: str | None = None) -> str:
    """Return what a model made from this source is called; from one table of a database, as that.

    >>> model_name("tables/houses.csv.gz"), model_name("-"), model_name("danlu:california")
    ('houses', 'table', 'california')
    >>> model_name("postgresql://ann:secret@db.example/houses"), model_name("houses.db", "sales.sold")
    ('houses', 'sold')
    """
    if table is not None:
        return re.sub(r"[^\w-]", "_", table.rpartition(".")[2]) or "table"
    name = address_name(str(source)) if is_address(source) else Path(source).name
    name = name.rpartition("danlu:")[2].removesuffix(".gz")
    return (Path(name).stem if Path(name).suffix else name).strip("-. ") or "table"


def check_new_file(path: Path, *, force: bool = False) -> None:
    """Refuse a path that no file can be written to, before any work is done for it.

    Raises:
        OutputError: it exists and `force` is not given, is a folder, or its folder does not exist.
    """
    if path.is_dir():
        raise OutputError(f"{path} must be a file", "it is a folder", "Name a file in it.")
    if path.exists() and not force:
        raise OutputError(f"{path} must not exist yet", "it does", "Use --force to replace it, or -o for another name.")
    if not path.parent.is_dir():
        raise OutputError(f"{path} must be in a folder", f"there is no {path.parent}", "Make the folder first.")
