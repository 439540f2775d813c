"""Rows, and networks that had not learnt from them: what importance and dependence ask again and again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from danlu.core.records import ColumnSchema
from danlu.features.layout import number_names

AT_ONCE = 16_384
"""Rows predicted in one call, at most, where there are several changes of the same rows."""

Predict = Callable[[Tensor, Tensor, np.ndarray], np.ndarray]
"""(x_BF, codes_BQ, place_B) -> predicted_BC: each row, changed or not, by the networks of its place among the rows."""


@dataclass(frozen=True)
class Places:
    """Where one column of the table stands in both matrices: a date in several numbers, a category in one code."""

    column: ColumnSchema
    numbers: tuple[int, ...]
    codes: tuple[int, ...]


def places(columns: Sequence[ColumnSchema]) -> list[Places]:
    """Return where each column stands in the matrices that `features.encode` gives.

    >>> sold = ColumnSchema(name="sold", kind="date", parts=("weekday",))
    >>> [(p.numbers, p.codes) for p in places([sold, ColumnSchema(name="town", kind="category")])]
    [((0, 1, 2), ()), ((), (0,))]
    """
    found, number, code = [], 0, 0
    for column in columns:
        width = len(number_names(column))
        category = int(column.kind == "category")
        found.append(Places(column, tuple(range(number, number + width)), tuple(range(code, code + category))))
        number, code = number + width, code + category
    return found


@dataclass(frozen=True)
class Unseen:
    """Rows as matrices, and what their unseen networks say of them, or of them changed.

    Attributes:
        x_NF: encoded numbers.
        codes_NQ: encoded codes.
        predict: as `Predict` says.
    """

    x_NF: Tensor
    codes_NQ: Tensor
    predict: Predict

    def __len__(self) -> int:
        return len(self.x_NF)

    def take(self, chosen: np.ndarray) -> Unseen:
        """Return some of the rows, by place."""
        at = torch.as_tensor(chosen, device=self.x_NF.device)

        def predict(x_BF: Tensor, codes_BQ: Tensor, place_B: np.ndarray) -> np.ndarray:
            return self.predict(x_BF, codes_BQ, chosen[place_B])

        return Unseen(self.x_NF[at], self.codes_NQ[at], predict)

    def as_they_are(self) -> np.ndarray:
        """Return the predictions of the rows, `[N, C]`."""
        return self.predict(self.x_NF, self.codes_NQ, np.arange(len(self)))

    def changed(self, changes: Sequence[Callable[[Tensor, Tensor], None]]) -> np.ndarray:
        """Return the predictions of the rows after each change alone, `[changes, N, C]`.

        Arguments:
            changes: each gets copies of both matrices, and writes into them.
        """
        rows, step = len(self), max(1, AT_ONCE // max(1, len(self)))
        found = []
        for start in range(0, len(changes), step):
            few = changes[start : start + step]
            x_BF, codes_BQ = self.x_NF.repeat(len(few), 1), self.codes_NQ.repeat(len(few), 1)
            for i, change in enumerate(few):
                part = slice(i * rows, (i + 1) * rows)
                change(x_BF[part], codes_BQ[part])
            said = self.predict(x_BF, codes_BQ, np.tile(np.arange(rows), len(few)))
            found.append(said.reshape(len(few), rows, -1))
        return np.concatenate(found)
