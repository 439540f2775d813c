"""What scikit-learn calls X, as the columns of a table: arrays, lists, and data frames of any library."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator

from danlu.estimators.scikit import validate_data


def is_frame(X: Any) -> bool:
    """Return whether X has columns of its own: a data frame of pandas, polars or another library, or an Arrow table.

    >>> is_frame(np.zeros((2, 2)))
    False
    """
    return not isinstance(X, np.ndarray) and (hasattr(X, "__arrow_c_stream__") or hasattr(X, "__dataframe__"))


def columns_of(estimator: BaseEstimator, X: Any, *, reset: bool) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the columns of X by name, and the kinds of those that are numbers for sure.

    Cells of a data frame are read as `danlu.fit` reads them: numbers, text, dates, yes/no, missing or not. An array
    holds numbers; one of objects may hold text in some of its columns. Names are those of the data frame learnt from,
    else x0, x1, ...

    Arguments:
        estimator: whose `n_features_in_` and `feature_names_in_` are set, or compared with X.
        X: `[N, F]`.
        reset: whether X is what is learnt from.

    Raises:
        ValueError: it is no table, or not one with the columns learnt from.
        TypeError: it is sparse, or a cell is neither number nor text.
    """
    if is_frame(X):
        validate_data(estimator, X, reset=reset, skip_check_array=True)
        return dict(zip(names_of(estimator), _of_frame(X), strict=True)), {}
    least = 2 if reset else 1
    array = validate_data(
        estimator, X, reset=reset, dtype=None, ensure_all_finite="allow-nan", ensure_min_samples=least
    )
    columns = dict(zip(names_of(estimator), (_numbers(column) for column in array.T), strict=True))
    return columns, {name: "number" for name, column in columns.items() if column.dtype.kind in "fiub"}


def names_of(estimator: Any) -> list[str]:
    """Return the names of the columns that an estimator learnt from."""
    known = getattr(estimator, "feature_names_in_", None)
    return [f"x{i}" for i in range(estimator.n_features_in_)] if known is None else [str(name) for name in known]


def own_name(wanted: str, taken: Iterable[str]) -> str:
    """Return a name for another column, that none of these has.

    >>> own_name("y", ["x0", "y"])
    'y_'
    """
    used = set(taken)
    while wanted in used:
        wanted += "_"
    return wanted


def _of_frame(X: Any) -> list[Any]:
    """Return the columns of a data frame, by their places: names may be numbers, or none."""
    if hasattr(X, "iloc"):
        return [X.iloc[:, i] for i in range(X.shape[1])]
    if hasattr(X, "column_names"):
        return [X.column(i) for i in range(X.shape[1])]
    return [X[name] for name in X.columns]


def _numbers(column: np.ndarray) -> np.ndarray:
    """Return a column of objects as numbers where all of them are, else as it is; texts may be numbers, too."""
    if column.dtype.kind not in "OSU":
        return np.ascontiguousarray(column)
    try:
        return column.astype(np.float64)
    except ValueError:
        return column
