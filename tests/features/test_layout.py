from __future__ import annotations

import numpy as np
import pytest

from danlu.core.records import CodeColumn, ColumnSchema, Schema, TargetSchema
from danlu.features import embedding_width, layout

TARGET = TargetSchema(names=("y",), task="regression", outputs=1)
COLUMNS = (
    ColumnSchema(name="area", kind="number", missing=3),
    ColumnSchema(name="town", kind="category", levels=tuple("abcdefghijklm"), missing=2),
    ColumnSchema(name="garden", kind="yes/no", levels=("no", "yes")),
    ColumnSchema(name="sold", kind="date", parts=("month", "hour"), missing=1),
    ColumnSchema(name="roof", kind="category", levels=("flat", "steep")),
    ColumnSchema(name="open", kind="yes/no", levels=("no", "yes"), missing=1),
)
SCHEMA = Schema(columns=COLUMNS, target=TARGET)


def test_columns_of_both_matrices() -> None:
    found = layout(SCHEMA, onehot_most=12)
    assert found.numbers == (
        "area",
        "garden",
        "sold (elapsed)",
        "sold (month, sin)",
        "sold (month, cos)",
        "sold (hour, sin)",
        "sold (hour, cos)",
        "open",
    )
    assert found.indicators == (0, 2, 7)
    assert found.codes == (CodeColumn(name="town", slots=15, width=7), CodeColumn(name="roof", slots=4))


def test_all_categories_are_one_hot_without_a_bound() -> None:
    assert [code.width for code in layout(SCHEMA, onehot_most=None).codes] == [0, 0]
    assert [code.width for code in layout(SCHEMA, onehot_most=13).codes] == [0, 0]


@pytest.mark.parametrize("levels", [1, 2, 13, 100, 681, 100_000])
def test_widths_follow_the_rule_and_its_bound(levels: int) -> None:
    assert embedding_width(levels) == min(16, int(np.ceil(1.6 * levels**0.56)))
