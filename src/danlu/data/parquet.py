"""Parquet files. Extension types are never registered (they can run pickled code), and refused by name."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from danlu.core.errors import DataError
from danlu.data.arrow import check_types, plain_table
from danlu.data.table import RawTable


def read_parquet(path: Path, source: str) -> RawTable:
    """Read a Parquet file.

    Raises:
        DataError: the file is broken or truncated, or a column is nested or of an extension type.
    """
    import pyarrow.parquet as pq  # noqa: PLC0415 - only those who read Parquet pay for it

    try:
        with pq.ParquetFile(path) as file:
            check_types(file.schema_arrow, source)
            table = file.read()
            table.validate(full=True)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        if isinstance(error, PermissionError):
            raise
        fact = (str(error).splitlines() or ["it is damaged"])[0].rstrip(".")
        raise DataError(f"{source} must be a whole Parquet file", fact, "Write or copy it again.") from None
    plain, notes = plain_table(table, source)
    return RawTable(plain, source, tuple(notes))
