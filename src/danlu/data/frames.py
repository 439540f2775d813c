"""Tables in memory: data frames of any library (Arrow PyCapsule interface), NumPy arrays, dicts of columns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from danlu.core.errors import DataError
from danlu.data.arrow import plain_table
from danlu.data.table import RawTable


def read_frame(source: object) -> RawTable:
    """Read a table in memory; an index of its rows is not a column.

    Raises:
        DataError: not a table, or with columns that are not plain.
    """
    name, header = type(source).__name__, True
    if isinstance(source, pa.Table):
        table = source
    elif isinstance(source, Mapping):
        name = "the table"
        table = _from_columns({str(key): values for key, values in source.items()}, list(source))
    elif isinstance(source, np.ndarray):
        name, header = "the array", source.dtype.names is not None
        table = _from_array(source)
    elif hasattr(source, "__arrow_c_stream__"):
        name = f"the {name}"
        table = _from_stream(source, name)
    else:
        raise DataError(
            "a table must be a path, a data frame, a NumPy array or a dict of columns",
            f"got {name}",
            "Give the name of a file, or convert it to one of these.",
        )
    plain, notes = plain_table(table, name)
    return RawTable(plain, name, tuple(notes), header)


def _from_stream(source: Any, name: str) -> pa.Table:
    try:
        if type(source).__module__.split(".")[0] == "pandas":
            # The same as its Arrow stream, but without the index and the warning about names that are numbers.
            source = source.set_axis([str(column) for column in source.columns], axis=1)
            return pa.Table.from_pandas(source, preserve_index=False)
        return pa.table(source)
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise _unreadable(name, error) from None


def _from_columns(columns: Mapping[str, Any], keys: list[Any]) -> pa.Table:
    if len(columns) < len(keys):
        raise DataError("columns must have different names", "two of the dict's keys are the same text", "Rename one.")
    arrays = {key: _array(key, values) for key, values in columns.items()}
    lengths = {key: len(array) for key, array in arrays.items()}
    if len(set(lengths.values())) > 1:
        first, *_ = lengths
        other = next(key for key in lengths if lengths[key] != lengths[first])
        raise DataError(
            "columns must all have the same number of rows",
            f"`{first}` has {lengths[first]} and `{other}` has {lengths[other]}",
            "Give one cell a row, None where it is missing.",
        )
    return pa.table(arrays)


def _from_array(array: np.ndarray) -> pa.Table:
    if array.dtype.names is not None:
        return _from_columns({name: array[name] for name in array.dtype.names}, list(array.dtype.names))
    if array.ndim not in (1, 2):
        raise DataError(
            "an array must have rows and columns",
            f"got {array.ndim} axes",
            "Reshape it to (rows, columns); images have functions of their own.",
        )
    columns = array.reshape(len(array), -1).T if array.size else array.reshape(0, 0)
    names = [f"c{i + 1}" for i in range(len(columns))]
    return _from_columns(dict(zip(names, columns, strict=True)), names)


def _array(name: str, values: Any) -> pa.Array | pa.ChunkedArray:
    """Return one column; NaN and None are missing."""
    try:
        if isinstance(values, pa.Array | pa.ChunkedArray):
            return values
        if isinstance(values, np.ndarray) and values.dtype.kind == "M" and np.datetime_data(values.dtype)[0] in "YMWhm":
            values = values.astype("datetime64[s]")
        if isinstance(values, np.ndarray) and values.dtype.kind in "SU":
            values = values.astype(str).tolist()
        if isinstance(values, np.ndarray):
            return pa.array(np.ascontiguousarray(values), from_pandas=True)
        if hasattr(values, "__arrow_c_stream__"):
            return pa.chunked_array(values)
        return pa.array(list(values), from_pandas=True)
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise _unreadable(f"column `{name}`", error) from None


def _unreadable(name: str, error: Exception) -> DataError:
    fact = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
    return DataError(f"{name} must hold cells of one kind", fact, "Give numbers, dates, text, true or false.")
