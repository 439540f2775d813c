from __future__ import annotations

import datetime as dt
import re
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from danlu.core.errors import DataError
from danlu.core.plan import make_plan
from danlu.core.records import Note
from danlu.data.cells import Origin
from danlu.data.columns import Target
from danlu.data.targets import TargetCells, examine_target


def examined(*columns: object, **settings: Any) -> tuple[Target, tuple[Note, ...]]:
    cells = [
        TargetCells(pa.chunked_array([c if isinstance(c, pa.Array) else pa.array(c)]), Origin(f"y{i + 1}"))
        for i, c in enumerate(columns)
    ]
    return examine_target(cells, make_plan(target="y1", **settings))


@pytest.mark.parametrize(
    ("cells", "settings", "classes", "codes"),
    [
        (["b", "a", "b"], {}, ("a", "b"), [1, 0, 1]),
        (["ja", "nein", "ja"], {}, ("nein", "ja"), [1, 0, 1]),
        ([True, False], {}, ("false", "true"), [1, 0]),
        ([1.0, 0.0, 1.0], {}, ("0", "1"), [1, 0, 1]),
        ([2, 7, 2], {}, ("2", "7"), [0, 1, 0]),
        ([10, 9, 3, 9], {"task": "classification"}, ("3", "9", "10"), [2, 1, 0, 1]),
        ([10.0, 9.5, 10.0], {"kinds": {"y1": "category"}}, ("9.5", "10"), [1, 0, 1]),
        ([10, 9, 3, 9], {"loss": "cross-entropy"}, ("3", "9", "10"), [2, 1, 0, 1]),
        (["10", "9", "10"], {}, ("9", "10"), [1, 0, 1]),
        ([dt.date(2020, 1, 2), dt.date(2020, 1, 1)], {"task": "classification"}, ("2020-01-01", "2020-01-02"), [1, 0]),
        ([0, 1, 1], {"loss": "binary-cross-entropy"}, ("0", "1"), [0, 1, 1]),
    ],
)
def test_classes_and_their_order(
    cells: list[object], settings: dict[str, Any], classes: tuple[str, ...], codes: list[int]
) -> None:
    target, _ = examined(cells, **settings)
    assert (target.schema.task, target.schema.classes, target.schema.outputs) == (
        "classification",
        classes,
        len(classes),
    )
    assert target.values.dtype == np.int64
    assert target.values.tolist() == codes


@pytest.mark.parametrize(
    ("cells", "settings"),
    [
        ([1.5, 2.5, 3.5], {}),
        ([0, 1, 1], {"task": "regression"}),
        ([0, 1, 1], {"loss": "mse"}),
        ([0, 1, 1], {"kinds": {"y1": "number"}}),
        ([0.1, 0.5, 1.0], {"loss": "binary-cross-entropy"}),
        ([0, 3, 17], {"loss": "poisson"}),
        (["1", "2", "4"], {"task": "regression"}),
    ],
)
def test_regressions(cells: list[object], settings: dict[str, Any]) -> None:
    target, _ = examined(cells, **settings)
    assert (target.schema.task, target.schema.classes, target.schema.outputs) == ("regression", (), 1)
    np.testing.assert_array_equal(target.values, np.array(cells, dtype=np.float64)[:, None])


def test_several_targets_are_one_regression() -> None:
    target, notes = examined([0, 1, 0], [2.5, 3, 4])
    assert (target.schema.names, target.schema.outputs, notes) == (("y1", "y2"), 2, ())
    assert target.values.tolist() == [[0, 2.5], [1, 3], [0, 4]]


def test_what_was_inferred_of_numbers_is_said() -> None:
    (note,) = examined([0, 1, 1])[1]
    assert note == Note(
        topic="y1", text="two different numbers, taken for two classes; --task regression predicts a number"
    )
    (note,) = examined(list(range(7)))[1]
    assert "7 different whole numbers" in note.text
    assert "--task classification" in note.text
    assert examined(list(range(21)))[1] == ()
    assert examined([0.5, 1, 2])[1] == ()


def test_kl_takes_probabilities() -> None:
    assert examined([0.25, 1, 0], [0.75, 0, 1], [0, 0, 0], loss="kl")[0].schema.outputs == 3


@pytest.mark.parametrize(
    ("columns", "settings", "message"),
    [
        ([[3, 3, 3]], {}, "target `y1` must vary, every row has 3."),
        ([["a", "a"]], {}, "at least two classes, every row of target `y1` is 'a'."),
        ([[1, 1]], {"task": "classification"}, "at least two classes"),
        ([[1, 2, 3], [5, 5, 5]], {}, "target `y2` must vary"),
        (
            [["1", "b"]],
            {"task": "regression"},
            "must hold numbers for a regression, row 2 has 'b'. Use --task class",
        ),
        ([[1, 2], ["a", "b"]], {}, "target `y2` must hold numbers for a regression"),
        ([[dt.date(2020, 1, 1), dt.date(2021, 1, 1)]], {"task": "regression"}, "it holds dates"),
        ([["a", "b"], ["c", "d"]], {}, "row 1 has 'a'. Give one target: each column of classes needs a model"),
        ([["a", "b"], ["c", "d"]], {"task": "classification"}, "got 2: y1, y2. Give one target: each column of"),
        ([[1, 2], [1, 2]], {"task": "classification"}, "got 2: y1, y2. Give one target, or --task regression."),
        ([["a", "b"]], {"loss": "mse"}, "must hold numbers for a regression"),
        ([[1, 2]], {"loss": "mse", "task": "classification"}, "`loss` mse belongs to a regression, the task is"),
        ([["a", "b", "c"] * 3], {"loss": "binary-cross-entropy"}, "needs two classes, target `y1` has 3."),
        ([[0.5, 2, 1]], {"loss": "binary-cross-entropy"}, "row 2 of column `y1` has 2.0"),
        ([[1, -2, 1]], {"loss": "poisson"}, "row 2 of column `y1` has -2.0"),
        ([[0.5, 0.25]], {"loss": "kl"}, "needs several targets"),
        ([[0.5, 0.5], [0.5, 0.6]], {"loss": "kl"}, "must sum to 1 in each row, row 2 sums to 1.1."),
        ([[1.5, -0.5], [-0.5, 1.5]], {"loss": "kl"}, "row 1 of column `y1` has 1.5"),
        ([[1.0, float("inf")]], {}, "numbers must be finite, row 2 of column `y1` has inf."),
        ([[f"name {i}" for i in range(30)]], {}, "target `y1` has 30 classes in 30 rows"),
    ],
)
def test_what_cannot_be_learnt_is_refused(columns: list[list[object]], settings: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=re.escape(message)):
        examined(*columns, **settings)
