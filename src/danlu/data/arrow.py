"""Any Arrow table, from data frames or Parquet, into the few types that the rest of Danlu knows."""

from __future__ import annotations

import re

import pyarrow as pa
import pyarrow.types as pat

from danlu.core.errors import DataError
from danlu.core.records import Note
from danlu.data.compute import pc
from danlu.data.header import name_columns, quoted

_INDEX = re.compile(r"__index_level_\d+__")


def plain_table(table: pa.Table, source: str) -> tuple[pa.Table, list[Note]]:
    """Return a table with plain columns only, and without the unnamed index of a pandas data frame.

    Raises:
        DataError: no columns; a nested, binary or extension column; missing or double names.
    """
    check_types(table.schema, source)
    table = table.select([i for i, name in enumerate(table.column_names) if not _INDEX.fullmatch(name)])
    if not table.num_columns:
        raise DataError(f"{source} must have columns", "it has none", "Give a table with columns and rows.")
    wide = [name for i, name in enumerate(table.column_names) if _is_wide(table.column(i))]
    columns = [plain_column(table.column(i), name, source) for i, name in enumerate(table.column_names)]
    numbered = pa.table(columns, names=[str(i) for i in range(len(columns))])
    named, notes = name_columns(numbered, table.column_names, source)
    if wide:
        notes.append(Note(topic="codes", text=f"{quoted(wide)} kept as text: whole numbers above 2^63"))
    return named, notes


def _is_wide(column: pa.ChunkedArray) -> bool:
    """Return whether whole numbers are beyond int64."""
    return pat.is_uint64(column.type) and (pc.max(column).as_py() or 0) >= 2**63


def check_types(schema: pa.Schema, source: str) -> None:
    """Refuse columns of nested and extension types, by name."""
    for field in schema:
        kind = field.type
        if isinstance(kind, pa.BaseExtensionType):
            what = f"an extension type ({kind.extension_name})"
        elif pat.is_nested(kind):
            what = f"nested ({kind})"
        else:
            continue
        raise DataError(
            f"columns of {source} must hold plain cells", f"`{field.name}` is {what}", "Drop or unpack it before."
        )


def plain_column(column: pa.ChunkedArray, name: str, source: str) -> pa.ChunkedArray:
    """Return a column as int64, double, bool, a date or time, text, or null; NaN becomes null."""
    kind = column.type
    try:
        if pat.is_dictionary(kind):
            kind = _plain_type(kind.value_type)
            # pyarrow 26 cannot cast a dictionary of string views (polars' categories), but its words it can
            chunks = [chunk.dictionary.cast(kind).take(chunk.indices) for chunk in column.chunks]
            column = pa.chunked_array(chunks, kind)
        column = column.cast(pa.string() if _is_wide(column) else _plain_type(kind))
        if pat.is_duration(kind):
            column = pc.divide(column.cast(pa.float64()), {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9}[kind.unit])
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, KeyError):
        raise DataError(
            f"columns of {source} must hold numbers, dates, text, true or false",
            f"`{name}` holds {kind}",
            "Convert it, or drop it before.",
        ) from None
    if pat.is_float64(column.type) and pc.any(pc.is_nan(column)).as_py():
        column = pc.if_else(pc.is_nan(column), pa.scalar(None, pa.float64()), column)
    return column


def _plain_type(kind: pa.DataType) -> pa.DataType:
    """Return the type that stands for another one."""
    if pat.is_integer(kind) or pat.is_duration(kind):
        return pa.int64()
    if pat.is_floating(kind) or pat.is_decimal(kind):
        return pa.float64()
    if pat.is_date64(kind):
        return pa.date32()
    if pat.is_boolean(kind) or pat.is_null(kind) or (pat.is_temporal(kind) and not pat.is_interval(kind)):
        return kind
    return pa.string()
