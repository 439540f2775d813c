"""What the columns of the float matrix and of the code matrix are, from the schema alone."""

from __future__ import annotations

import math

from danlu.core.records import CodeColumn, ColumnSchema, FeatureLayout, Schema

RESERVED = 2
"""Codes before the first level: 0 unseen, 1 missing."""

WIDTH_MOST = 16


def embedding_width(levels: int) -> int:
    """Return how many numbers a category of so many levels is embedded in: 1.6 levels^0.56, at most 16.

    The rule is fastai's (`emb_sz_rule`, Howard and Gugger, 2020), found by trying; its cap of 600 is meant
    for millions of rows.

    >>> embedding_width(13), embedding_width(50), embedding_width(100_000)
    (7, 15, 16)
    """
    return min(WIDTH_MOST, math.ceil(1.6 * levels**0.56))


def number_names(column: ColumnSchema) -> list[str]:
    """Return the names of the float columns that one column becomes; none for a category.

    >>> number_names(ColumnSchema(name="sold", kind="date", parts=("weekday",)))
    ['sold (elapsed)', 'sold (weekday, sin)', 'sold (weekday, cos)']
    """
    if column.kind == "category":
        return []
    if column.kind != "date":
        return [column.name]
    waves = [f"{column.name} ({part}, {wave})" for part in column.parts for wave in ("sin", "cos")]
    return [f"{column.name} (elapsed)", *waves]


def layout(schema: Schema, *, onehot_most: int | None, bins: int = 0) -> FeatureLayout:
    """Return the columns of both matrices, in the order of `encode`; of images the size alone.

    A number, yes/no or date gets an indicator where cells of it were missing in the table learnt from.

    Arguments:
        schema: the columns.
        onehot_most: categories with more levels than this are embedded; None keeps all one-hot.
        bins: that each number is spread over besides.
    """
    if schema.image is not None:
        return FeatureLayout(numbers=(), image=schema.image.shape)
    numbers: list[str] = []
    indicators: list[int] = []
    codes: list[CodeColumn] = []
    for column in schema.columns:
        if column.kind == "category":
            levels = len(column.levels)
            embedded = onehot_most is not None and levels > onehot_most
            width = embedding_width(levels) if embedded else 0
            codes.append(CodeColumn(name=column.name, slots=levels + RESERVED, width=width))
            continue
        if column.missing:
            indicators.append(len(numbers))
        numbers += number_names(column)
    bins = bins if numbers else 0
    return FeatureLayout(numbers=tuple(numbers), indicators=tuple(indicators), codes=tuple(codes), bins=bins)
