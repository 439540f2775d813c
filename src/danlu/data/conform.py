"""Another table brought into the shape that a model expects: for prediction, and for scoring."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.types as pat

from danlu.core.errors import SchemaError, nearest
from danlu.core.records import ColumnSchema, Note, Schema, TargetSchema
from danlu.data import dates
from danlu.data.answers import side_of
from danlu.data.cells import Origin, as_text, is_known, missing_cells, numbers, pc, plain, text_codes
from danlu.data.columns import MISSING, UNSEEN, Column, Conformed, Table, Target
from danlu.data.table import RawTable
from danlu.data.text_words import has_word
from danlu.data.words import counted


def conform(raw: RawTable, schema: Schema, *, with_target: bool) -> Conformed:
    """Bring a table into the shape that a schema expects, or refuse it.

    Columns are matched by name, or by position for a model of a table without a header. Cells of another
    type are taken where nothing is lost (the text "3" as the number 3). Unseen categories, numbers far
    outside those learnt from, missing cells where none were missing, and extra columns become warnings.

    Arguments:
        raw: the table.
        schema: what the model expects.
        with_target: whether the target is wanted too; then rows without it are left out and counted.

    Raises:
        SchemaError: a column is not there (with the nearest name), a cell cannot be read as its kind or
            is infinite (with its row), or a class is not among those learnt from.
    """
    place = _places(raw, schema, with_target=with_target)
    kept = _kept(raw, [place[name] for name in schema.target.names] if with_target else [])
    arrow = raw.arrow if len(kept) == raw.rows else raw.arrow.take(pa.array(kept))
    columns, warnings = [], [*raw.losses, *_extra(raw, schema)]
    for expected in schema.columns:
        origin = Origin(expected.name, kept, SchemaError, expected.decimal or raw.decimal, expected.sign)
        column, said = _column(plain(arrow.column(place[expected.given])), expected, origin)
        columns.append(column)
        warnings += [Note(topic=expected.name, text=text) for text in said]
    target = None
    if with_target:
        cells = [plain(arrow.column(place[name])) for name in schema.target.names]
        target = _target(cells, schema.target, kept, raw.decimal)
    return Conformed(Table(tuple(columns), len(kept)), target, kept, tuple(warnings), raw.rows - len(kept))


def _kept(raw: RawTable, targets: Sequence[int]) -> np.ndarray:
    """Return the numbers of the rows in which every target is known; all of them for a prediction."""
    without = np.zeros(raw.rows, dtype=bool)
    for position in targets:
        without |= missing_cells(raw.arrow.column(position))
    return np.flatnonzero(~without)


def _places(raw: RawTable, schema: Schema, *, with_target: bool) -> dict[str, int]:
    """Return the position of each column that is needed, by its name in the schema."""
    given = dict.fromkeys(column.given for column in schema.columns)
    needed = [*given, *(schema.target.names if with_target else ())]
    there = {name: position for position, name in reversed(list(enumerate(raw.names)))}
    if not schema.header and not (raw.header and all(name in there for name in needed)):
        return _by_position(raw, schema, with_target=with_target)
    lacking = [name for name in needed if name not in there]
    if lacking:
        if not raw.header:
            remedy = "The table seems to have no header: add one, or use --header."
        else:
            remedy = nearest(lacking[0], raw.names)
        raise SchemaError(
            f"the table must have the {counted(len(needed), 'column')} that the model learnt from",
            f"there is no `{'`, `'.join(lacking[:5])}`" + (f" and {len(lacking) - 5} more" if lacking[5:] else ""),
            remedy,
        )
    return {name: there[name] for name in needed}


def _by_position(raw: RawTable, schema: Schema, *, with_target: bool) -> dict[str, int]:
    """Return positions in a table without names; one without target columns is taken as having lost only those."""
    names = [f"c{number + 1}" for number in range(_width(schema))]
    without = [name for name in names if name not in schema.target.names]
    if len(raw.names) == len(names):
        return {name: position for position, name in enumerate(names)}
    if len(raw.names) == len(without) and not with_target:
        return {name: position for position, name in enumerate(without)}
    also = "" if with_target else f", or {len(without):,} without the target"
    raise SchemaError(
        f"the table must have {counted(len(names), 'column')}{also}, as the one learnt from, which had no header",
        f"got {len(raw.names):,}",
        "Give the same columns in the same order.",
    )


def _width(schema: Schema) -> int:
    """Return how many columns the table learnt from had."""
    given = {column.given for column in schema.columns}
    return len(given) + len(schema.target.names) + len(schema.left_out)


def _extra(raw: RawTable, schema: Schema) -> tuple[Note, ...]:
    """Say which columns the model does not know."""
    if not schema.header or not raw.header:
        return ()
    known = {c.given for c in schema.columns} | {c.name for c in schema.left_out} | set(schema.target.names)
    extra = [name for name in raw.names if name not in known]
    if not extra:
        return ()
    shown = ", ".join(extra[:5]) + (f" and {len(extra) - 5} more" if extra[5:] else "")
    return (Note(topic="columns", text=f"{counted(len(extra), 'column')} not learnt from, ignored: {shown}"),)


def _column(cells: pa.ChunkedArray, expected: ColumnSchema, origin: Origin) -> tuple[Column, list[str]]:
    """Return one column as its kind, and what is unusual about it."""
    if not is_known(cells.type):
        raise SchemaError(
            f"column `{expected.name}` must hold a {expected.kind}", f"it holds {cells.type}", "Give plain cells."
        )
    said: list[str] = []
    if expected.word:
        return Column(expected.name, expected.kind, has_word(as_text(cells), expected.word).astype(np.int32)), said
    if expected.kind in ("category", "yes/no"):
        values, unseen = _codes(cells, expected)
        missing = int((values == MISSING).sum())
        if unseen:
            said.append(_unseen(values, unseen))
    else:
        if pat.is_null(cells.type):
            values = np.full(len(cells), np.nan)
        elif expected.kind == "number":
            values = numbers(cells, origin)
        else:
            values = dates.seconds(cells, origin, expected.date_order)
        missing = int(np.isnan(values).sum())
        said += _outside(values, expected)
    if missing and not expected.missing:
        said.append(f"{counted(missing, 'missing cell')}, where none were missing in the table learnt from")
    return Column(expected.name, expected.kind, values), said


def _codes(cells: pa.ChunkedArray, expected: ColumnSchema) -> tuple[np.ndarray, list[str]]:
    """Return positions in the levels, and the texts that are not among them."""
    levels = expected.levels
    if pat.is_boolean(cells.type) and expected.kind == "yes/no":
        levels = ("false", "true")
    values, unseen = level_codes(cells, levels)
    if unseen and expected.kind == "yes/no":
        return _other_spellings(cells, levels, values, unseen)
    return values, unseen


def _other_spellings(
    cells: pa.ChunkedArray, levels: Sequence[str], values: np.ndarray, unseen: list[str]
) -> tuple[np.ndarray, list[str]]:
    """Take other spellings of yes and no for what they mean."""
    sides = {text: side for text in unseen if (side := side_of(text, levels)) is not None}
    if not sides:
        return values, unseen
    codes, texts = text_codes(as_text(cells))
    place = np.full(len(texts) + 1, UNSEEN, dtype=np.int32)
    for code, text in enumerate(texts.to_pylist()):
        place[code] = sides.get(text, UNSEEN)
    values = np.where(values == UNSEEN, place[codes], values).astype(np.int32)
    return values, [text for text in unseen if text not in sides]


def level_codes(cells: pa.ChunkedArray, levels: Sequence[str]) -> tuple[np.ndarray, list[str]]:
    """Return positions of cells in levels, int32 `[N]` (-1 missing, -2 not among them), and up to all unseen texts.

    True and False are found however they are spelt: a reader may have taken them for booleans.
    """
    codes, texts = text_codes(as_text(cells))
    known = pc.index_in(texts, value_set=pa.array(levels, pa.string())).fill_null(UNSEEN)
    place = np.append(known.to_numpy(zero_copy_only=False).astype(np.int32), np.int32(MISSING))
    lowered = [level.casefold() for level in levels]
    if pat.is_boolean(cells.type) or {"true", "false"} <= set(lowered):
        for code, text in enumerate(texts.to_pylist()):
            if place[code] == UNSEEN and text is not None and text.casefold() in lowered:
                place[code] = lowered.index(text.casefold())
    values = place[codes]
    present = np.unique(codes[values == UNSEEN])
    return values, texts.take(pa.array(present)).to_pylist()


def _unseen(values: np.ndarray, unseen: list[str]) -> str:
    """Say how many cells hold a category that was not learnt, and name some."""
    names = ", ".join(repr(text[:40]) for text in unseen[:3])
    more = f" and {len(unseen) - 3:,} more" if len(unseen) > 3 else ""
    return f"{counted(int((values == UNSEEN).sum()), 'cell')} with a category that was not learnt: {names}{more}"


def _outside(values: np.ndarray, expected: ColumnSchema) -> list[str]:
    """Say how many numbers lie beyond those learnt from by more than their whole range."""
    if expected.low is None or expected.high is None:
        return []
    with np.errstate(over="ignore"):
        width = expected.high - expected.low
        count = int(((values < expected.low - width) | (values > expected.high + width)).sum())
    if not count:
        return []
    show = dates.shown if expected.kind == "date" else "{:g}".format
    return [f"{counted(count, 'cell')} far outside those learnt from ({show(expected.low)} to {show(expected.high)})"]


def _target(cells: Sequence[pa.ChunkedArray], expected: TargetSchema, kept: np.ndarray, decimal: str) -> Target:
    """Return the target of the rows that have one, or refuse a class that was not learnt."""
    origins = [Origin(name, kept, SchemaError, decimal) for name in expected.names]
    if expected.task == "regression":
        columns = [numbers(cell, origin) for cell, origin in zip(cells, origins, strict=True)]
        return Target(expected, np.stack(columns, axis=1))
    codes, unseen = level_codes(cells[0], expected.classes)
    if unseen:
        row = int((codes == UNSEEN).argmax())
        raise origins[0].refusal(
            "a row can be scored only if its class was learnt",
            row,
            as_text(cells[0])[row].as_py(),
            "Leave such rows out, or fit again with that class.",
        )
    return Target(expected, codes.astype(np.int64))
