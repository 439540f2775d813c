"""What scikit-learn calls y, as target columns of a table, and predictions as y again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.utils import assert_all_finite
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import check_array, column_or_1d

from danlu.core.errors import DataError, nearest
from danlu.core.records import TargetSchema
from danlu.estimators.scikit import check_weights


@dataclass(frozen=True)
class Numbers:
    """Numeric targets, or labels of which a row may have several (numbers 0 and 1).

    A column that never varies cannot be learnt; it is predicted as it is.

    Arguments:
        names: of all columns.
        constant: values of the columns that never vary, by their places.
        flat: whether y had one axis.
    """

    names: tuple[str, ...]
    constant: dict[int, float]
    flat: bool

    @classmethod
    def learn(cls, y: np.ndarray, names: tuple[str, ...]) -> Numbers:
        """Look at y, `[N]` or `[N, C]`."""
        y_NC = y.reshape(len(y), -1)
        still = np.flatnonzero((y_NC == y_NC[:1]).all(axis=0))
        # Where nothing varies the walk itself says so.
        constant = {int(c): float(y_NC[0, c]) for c in still} if len(still) < y_NC.shape[1] else {}
        return cls(names, constant, y.ndim == 1)

    @property
    def learnt(self) -> tuple[str, ...]:
        """Names of the columns that are learnt."""
        return tuple(name for c, name in enumerate(self.names) if c not in self.constant)

    def columns(self, y: np.ndarray) -> dict[str, np.ndarray]:
        """Return the columns to learn, by name.

        Raises:
            DataError: y has more or fewer columns.
        """
        y_NC = y.reshape(len(y), -1)
        if y_NC.shape[1] != len(self.names):
            raise DataError(
                "`y` must keep its columns", f"it had {len(self.names)}, and now {y_NC.shape[1]}", "Give the same ones."
            )
        return {name: np.ascontiguousarray(y_NC[:, c]) for c, name in enumerate(self.names) if c not in self.constant}

    def whole(self, values: np.ndarray) -> np.ndarray:
        """Return what was predicted `[N, learnt, ...]` as y, with the constant columns, `[N]` or `[N, C]`."""
        rows, *more = values.shape[0], *values.shape[2:]
        full = np.empty((rows, len(self.names), *more))
        for c, value in self.constant.items():
            full[:, c] = value
        full[:, [c for c in range(len(self.names)) if c not in self.constant]] = values
        return full[:, 0] if self.flat else full


@dataclass(frozen=True)
class Classes:
    """One target of classes.

    Arguments:
        name: of the column.
        labels: in scikit-learn's order.
        texts: what each of them is called in the table.
    """

    name: str
    labels: np.ndarray
    texts: tuple[str, ...]

    @classmethod
    def learn(cls, labels: np.ndarray, name: str) -> Classes:
        """Call each class by its text, or by its number where two texts were the same, or blank."""
        texts = tuple(str(label) for label in labels.tolist())
        if len({text.strip().casefold() for text in texts} - {""}) < len(texts):
            texts = tuple(f"class {place}" for place in range(len(labels)))
        return cls(name, labels, texts)

    @property
    def learnt(self) -> tuple[str, ...]:
        """Name of the column."""
        return (self.name,)

    def codes(self, y: np.ndarray) -> np.ndarray:
        """Return the places of labels.

        Raises:
            DataError: one is not among those learnt.
        """
        place = np.searchsorted(self.labels, y).clip(0, len(self.labels) - 1)
        strange = np.flatnonzero(self.labels[place] != y)
        if len(strange):
            known = [str(label) for label in self.labels]
            fact = f"there is {y[strange[0]]!r}"
            raise DataError("`y` must hold classes that were learnt", fact, nearest(str(y[strange[0]]), known))
        return place

    def columns(self, y: np.ndarray) -> dict[str, np.ndarray]:
        """Return the column of texts."""
        return {self.name: np.array(self.texts, dtype=object)[self.codes(y)]}

    def whole(self, values_NC: np.ndarray, target: TargetSchema) -> np.ndarray:
        """Return probabilities in the order of the labels; 0 of a class that had no row to learn from."""
        full_NC = np.zeros((len(values_NC), len(self.labels)))
        full_NC[:, [self.texts.index(text) for text in target.classes]] = values_NC
        return full_NC

    def weights(self, asked: Any) -> Any:
        """Return class weights by the classes' texts.

        Raises:
            DataError: a class is not among those learnt.
        """
        if not isinstance(asked, dict):
            return asked
        keys = np.array(list(asked), dtype=self.labels.dtype if self.labels.dtype.kind != "O" else object)
        return {self.texts[c]: weight for c, weight in zip(self.codes(keys), asked.values(), strict=True)}


Answer = Numbers | Classes


def numbers_of(y: Any) -> np.ndarray:
    """Return a numeric y as float64 `[N]` or `[N, C]`.

    Raises:
        ValueError: it holds NaN, infinity, text, or nothing.
    """
    return check_array(y, ensure_2d=False, dtype=np.float64, input_name="y")


def labels_of(y: Any) -> np.ndarray:
    """Return labels `[N]`, or an indicator of labels `[N, C]` of 0 and 1.

    Raises:
        ValueError: it holds NaN, numbers that are no classes, or several columns of classes.
    """
    y = check_array(y, ensure_2d=False, dtype=None, input_name="y") if hasattr(y, "__arrow_c_stream__") else y
    if getattr(getattr(y, "dtype", None), "kind", "") == "f":
        assert_all_finite(y, input_name="y")
    check_classification_targets(y)
    kind = type_of_target(y, input_name="y")
    if kind == "multiclass-multioutput":
        raise DataError(
            "several targets of a classifier must be labels, 0 or 1",
            "there are columns of more classes",
            "Use sklearn.multioutput.MultiOutputClassifier.",
        )
    if kind == "multilabel-indicator":
        return check_array(y, dtype=None, input_name="y").astype(np.int64)
    return column_or_1d(np.asarray(y), warn=True)


def name_of(y: Any) -> str:
    """Return the name that y has of itself, as a pandas series, or "y"."""
    name = getattr(y, "name", None)
    return name if isinstance(name, str) and name.strip() else "y"


def weights_of(sample_weight: Any, truth: np.ndarray) -> np.ndarray | None:
    """Return the weights of rows, or None where all rows count alike.

    Raises:
        DataError: all of them are 0.
        ValueError: they are not one number a row.
    """
    if sample_weight is None:
        return None
    weight = check_weights(sample_weight, truth, dtype=np.float64)
    if not weight.any():
        raise DataError("sample weights must be above zero in some row", "all are zero", "Leave `sample_weight` out.")
    return weight


def check_classes(classes: Any, y: Any, *, begun: bool) -> None:
    """Refuse first rows that lack some of the classes.

    Raises:
        DataError: they do.
    """
    if classes is not None and not begun and not np.isin(classes, y).all():
        raise DataError("the first rows must have all classes", "some are missing", "Give more rows.")
