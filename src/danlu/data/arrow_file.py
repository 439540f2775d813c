"""Arrow files: Feather and Arrow IPC, as a file or as a stream."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from danlu.core.errors import DataError
from danlu.data.arrow import check_types, plain_table
from danlu.data.table import RawTable

_FILE, _FEATHER_1 = b"ARROW1", b"FEA1"


def read_arrow_file(path: Path, source: str) -> RawTable:
    """Read a Feather or Arrow IPC file (.feather, .arrow, .ipc), packed or not, or the stream form of it.

    Raises:
        DataError: the file is broken or truncated, a column is nested or of an extension type, or it is Feather's
            first form, which pyarrow no longer reads.
    """
    try:
        with pa.OSFile(str(path)) as file:
            magic = file.read(len(_FILE))
            file.seek(0)
            if magic.startswith(_FEATHER_1):
                raise DataError(
                    f"{source} must be Feather of version 2", "it is of version 1", "Write it again, or as Parquet."
                )
            reader = pa.ipc.open_file(file) if magic == _FILE else pa.ipc.open_stream(file)
            with reader:
                check_types(reader.schema, source)
                table = reader.read_all()
                # Offsets beyond the buffers would be read from anywhere in memory.
                table.validate(full=True)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        if isinstance(error, PermissionError):
            raise
        fact = (str(error).splitlines() or ["it ends too early"])[0].rstrip(".")
        raise DataError(f"{source} must be a whole Arrow file", fact, "Write or copy it again.") from None
    plain, notes = plain_table(table, source)
    return RawTable(plain, source, tuple(notes))
