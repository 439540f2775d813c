"""The program that reads a sheet of an .xls in a process of its own; it needs neither Danlu nor pyarrow.

A damaged .xls can make the library that reads it take all memory, or end the process (a chain of sectors that leads
back into itself): then only this process ends, at a limit of its own.

    python -P xls_process.py FILE INDEX      prints {"names": [...], "rows": [[...], ...]}; INDEX -1: names alone
"""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import sys
from typing import Any

FREE_MEMORY, BYTES_A_BYTE = 1 << 30, 64
"""Bytes of memory that this may take, and how many more for a byte of the file: a cell is 6 bytes there or more, and
about 100 here."""


def tagged(cell: Any) -> dict[str, Any]:
    """Return a cell that JSON has no type for, as an object that names its type.

    >>> tagged(datetime.date(2024, 1, 2))
    {'date': '2024-01-02'}
    """
    if isinstance(cell, datetime.timedelta):
        return {"timedelta": cell.total_seconds()}
    return {type(cell).__name__: cell.isoformat()}


def untagged(cell: dict[str, Any]) -> Any:
    """Return the cell that `tagged` wrote.

    >>> untagged({"time": "03:04:00"})
    datetime.time(3, 4)
    """
    if "timedelta" in cell:
        return datetime.timedelta(seconds=cell["timedelta"])
    for kind in (datetime.date, datetime.datetime, datetime.time):
        if kind.__name__ in cell:
            return kind.fromisoformat(cell[kind.__name__])
    return cell


def main(path: str, index: int) -> None:
    """Print what a workbook holds, or {"error": ...}."""
    from python_calamine import CalamineError, CalamineWorkbook, PasswordError  # noqa: PLC0415  only here

    with contextlib.suppress(ImportError, ValueError, OSError):  # there is no such limit on Windows
        import resource  # noqa: PLC0415

        most = FREE_MEMORY + BYTES_A_BYTE * os.path.getsize(path)  # noqa: PTH202
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
    try:
        if path.endswith(".xls"):
            book = CalamineWorkbook.from_path(path)
        else:  # an .xls under another ending; this way says less about what is wrong
            with open(path, "rb") as file:  # noqa: PTH123
                book = CalamineWorkbook.from_filelike(file)
        answer: dict[str, Any] = {"names": book.sheet_names}
        if 0 <= index < len(book.sheet_names):
            answer["rows"] = book.get_sheet_by_index(index).to_python(skip_empty_area=False)
    except PasswordError:
        answer = {"error": "it has a password"}
    except CalamineError as error:
        answer = {"error": str(error)}
    sys.stdout.write(json.dumps(answer, default=tagged))


if __name__ == "__main__":
    sys.stdout.reconfigure(encoding="utf-8")  # type: ignore[union-attr]
    main(sys.argv[1], int(sys.argv[2]))
