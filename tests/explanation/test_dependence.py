from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.inspection import partial_dependence
from sklearn.tree import DecisionTreeRegressor

from danlu.core.records import ColumnSchema
from danlu.data.columns import Column
from danlu.explanation.dependence import Grid, dependence, grid
from danlu.explanation.unseen import Unseen, places


def test_agrees_with_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    x_NF = rng.standard_normal((200, 2)).astype(np.float32)
    tree = DecisionTreeRegressor(max_depth=4, random_state=0).fit(x_NF, x_NF[:, 0] * x_NF[:, 1])
    values = np.linspace(-1, 1, 7)
    oracle = partial_dependence(tree, x_NF, [1], kind="both", custom_values={1: values}, method="brute")

    def predict(x_BF: torch.Tensor, codes_BQ: torch.Tensor, place_B: np.ndarray) -> np.ndarray:
        return tree.predict(x_BF.numpy())[:, None]

    unseen = Unseen(torch.from_numpy(x_NF), torch.zeros(200, 0, dtype=torch.int32), predict)
    schema = [ColumnSchema(name=name, kind="number") for name in ("a", "b")]
    said_GNC = dependence(unseen, places(schema)[1], Grid(values))
    np.testing.assert_allclose(said_GNC[:, :, 0].mean(axis=1), oracle["average"][0])
    np.testing.assert_allclose(said_GNC[:, :, 0].T, oracle["individual"][0])


def test_cells_are_encoded_as_the_table_was() -> None:
    schema = [
        ColumnSchema(name="year", kind="number", shift=2000.0, unit=10.0),
        ColumnSchema(name="town", kind="category", levels=("a", "b", "c")),
        ColumnSchema(name="sold", kind="date", shift=86400.0, unit=86400.0, parts=("weekday",)),
    ]
    seen: list[tuple[torch.Tensor, torch.Tensor]] = []

    def predict(x_BF: torch.Tensor, codes_BQ: torch.Tensor, place_B: np.ndarray) -> np.ndarray:
        seen.append((x_BF.clone(), codes_BQ.clone()))
        return np.zeros((len(x_BF), 1))

    unseen = Unseen(torch.zeros(1, 4), torch.zeros(1, 1, dtype=torch.int32), predict)
    year, town, sold = places(schema)
    dependence(unseen, year, Grid(np.array([2010.0, 2020.0])))
    dependence(unseen, town, Grid(np.array([0, 2], np.int32), ("a", "c")))
    dependence(unseen, sold, Grid(np.array([86400.0 * 5])))  # 1970-01-06, a Tuesday, four days after the first one
    assert seen[0][0][:, 0].tolist() == [1.0, 2.0]
    assert seen[1][1][:, 0].tolist() == [2, 4]
    angle = 2 * np.pi / 7
    assert seen[2][0][0, 1:].tolist() == pytest.approx([4.0, np.sin(angle), np.cos(angle)], abs=1e-6)


def test_a_grid_holds_cells_that_are_there() -> None:
    rng = np.random.default_rng(0)
    values = rng.exponential(1, 5000)
    found = grid(Column("a", "number", values), ColumnSchema(name="a", kind="number"))
    assert found is not None
    assert len(found.cells_G) == 20
    assert set(found.cells_G) <= set(values)
    assert (np.diff(found.cells_G) > 0).all()
    assert found.cells_G[0] == pytest.approx(np.quantile(values, 0.01), rel=0.05)


def test_a_grid_of_a_category_holds_its_commonest_levels_in_their_order() -> None:
    levels = tuple("abcdefghijklmnop")
    codes = np.repeat(np.arange(16), np.arange(1, 17))
    found = grid(Column("a", "category", codes), ColumnSchema(name="a", kind="category", levels=levels))
    assert found is not None
    assert found.levels == levels[4:]


@pytest.mark.parametrize("values", [[np.nan, np.nan], [2.0, 2.0]])
def test_a_column_without_two_values_has_no_grid(values: list[float]) -> None:
    assert grid(Column("a", "number", np.array(values)), ColumnSchema(name="a", kind="number")) is None
