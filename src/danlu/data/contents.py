"""A hash of what a table holds: for rows that come from no file."""

from __future__ import annotations

import hashlib

import numpy as np
import pyarrow as pa
import pyarrow.types as pat

from danlu.data.compute import pc


def content_hash(table: pa.Table) -> str:
    """Return the SHA-256 of a plain table: of the names, types and cells of its columns, in the order of its rows.

    >>> rows = pa.table({"a": [1, None], "b": ["x", "y"]})
    >>> content_hash(rows) == content_hash(rows.slice(0, 1).to_batches()[0].schema.empty_table())
    False
    >>> content_hash(rows) == content_hash(pa.concat_tables([rows.slice(0, 1), rows.slice(1)]))
    True
    """
    digest = hashlib.sha256(str(table.num_rows).encode())
    for name, column in zip(table.column_names, table.columns, strict=True):
        digest.update(f"\n{name}\0{column.type}\n".encode())
        digest.update(np.packbits(pc.is_null(column).to_numpy()).tobytes())
        if not pat.is_null(column.type):
            for part in _cells(column):
                digest.update(part)
    return digest.hexdigest()


def _cells(column: pa.ChunkedArray) -> list[bytes]:
    """Return the cells of a column as bytes, least significant first; of text its lengths, then its characters."""
    kind = column.type
    if pat.is_string(kind) or pat.is_large_string(kind):
        texts = column.cast(pa.large_string()).fill_null("")
        lengths = pc.binary_length(texts).cast(pa.int64()).to_numpy().astype("<i8")
        return [lengths.tobytes(), *("".join(chunk.to_pylist()).encode() for chunk in texts.chunks)]
    if pat.is_boolean(kind):
        column = column.cast(pa.int8())
    elif pat.is_temporal(kind):
        column = column.cast(pa.int32() if kind.bit_width == 32 else pa.int64())
    values = column.fill_null(0).to_numpy()
    return [values.astype(values.dtype.newbyteorder("<")).tobytes()]
