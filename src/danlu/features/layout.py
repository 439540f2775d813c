"""What the columns of the float matrix and of the code matrix are, from the schema alone."""

from __future__ import annotations

import math
from collections.abc import Sequence

from danlu.core.errors import PlanError, nearest
from danlu.core.records import CodeColumn, ColumnSchema, FeatureLayout, MeanLayout, Schema, SpaceLayout, TargetSchema

FEW = 3
NEAREST_FEW, NEAREST_MANY = 10, 20
"""Neighbours that count in a space of at most `FEW` columns, and in one of more."""
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


def layout(
    schema: Schema,
    *,
    onehot_most: int | None,
    bins: int = 0,
    neighbours: Sequence[Sequence[str]] = (),
    target_encoding: Sequence[str] = (),
) -> FeatureLayout:
    """Return the columns of both matrices, in the order of `encode`; of images the size alone.

    A number, yes/no or date gets an indicator where cells of it were missing in the table learnt from.

    Arguments:
        schema: the columns.
        onehot_most: categories with more levels than this are embedded; None keeps all one-hot.
        bins: that each number is spread over besides.
        neighbours: sets of columns in which the nearest training rows are looked for; an empty one means all columns.
        target_encoding: categories whose mean target is told.

    Raises:
        PlanError: there is no such column to measure distances in, or no such category.
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
    plain = FeatureLayout(numbers=tuple(numbers), indicators=tuple(indicators), codes=tuple(codes), bins=bins)
    return add_neighbours(_add_means(plain, schema, target_encoding), schema, neighbours)


def _add_means(plain: FeatureLayout, schema: Schema, names: Sequence[str]) -> FeatureLayout:
    """Return a layout with categories whose mean target is told, as further numbers."""
    place = {code.name: q for q, code in enumerate(plain.codes)}
    for name in names:
        if name not in place:
            raise PlanError("`target_encoding` must be categories", f"{name} is none", nearest(name, place))
    target = schema.target
    means = tuple(MeanLayout(column=name, place=place[name], outputs=_outputs(target)) for name in names)
    said = [name for each in means for name in _said(f"mean target of {each.column}", each.outputs, target)]
    return plain.model_copy(update={"numbers": (*plain.numbers, *said), "means": means})


def add_neighbours(plain: FeatureLayout, schema: Schema, neighbours: Sequence[Sequence[str]]) -> FeatureLayout:
    """Return a layout with spaces in which neighbours are looked for, and what they say as further numbers."""
    spaces = tuple(space(tuple(names), plain, schema) for names in neighbours)
    where = ["neighbours" if not s.columns else f"neighbours in {', '.join(s.columns)}" for s in spaces]
    said = [name for what, each in zip(where, spaces, strict=True) for name in _said(what, each.outputs, schema.target)]
    return plain.model_copy(update={"numbers": (*plain.numbers, *said), "spaces": spaces})


def space(names: tuple[str, ...], plain: FeatureLayout, schema: Schema) -> SpaceLayout:
    """Return where the inputs of these columns stand among the prepared ones; of no columns those of all."""
    inputs: dict[str, list[int]] = {column.name: [] for column in schema.columns}
    owner = [column.name for column in schema.columns for _ in number_names(column)]
    owner += [owner[i] for i in plain.indicators]
    owner += [code.name for code in plain.codes if not code.width for _ in range(code.slots)]
    for place, name in enumerate(owner):
        inputs[name].append(place)
    for name in names:
        if not inputs.get(name):
            known = nearest(name, [n for n, places in inputs.items() if places])
            raise PlanError("`neighbours` must be columns with numbers or few categories", f"{name} is none", known)
    return SpaceLayout(
        columns=names,
        places=tuple(sorted(place for name in names or inputs for place in inputs[name])),
        nearest=NEAREST_FEW if 0 < len(names) <= FEW else NEAREST_MANY,
        outputs=_outputs(schema.target),
    )


def _outputs(target: TargetSchema) -> int:
    """Return how many numbers a row's target is: targets, or classes (of two the second)."""
    if target.task == "regression":
        return len(target.names)
    return 1 if len(target.classes) == 2 else len(target.classes)


def _said(what: str, outputs: int, target: TargetSchema) -> list[str]:
    """Return the names of the numbers that other rows' targets add."""
    return [what] if outputs == 1 else [f"{what} ({each})" for each in target.classes or target.names]
