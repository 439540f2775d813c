"""Where errors of neighbours are alike: found where they are, and nowhere else."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import danlu
from danlu.core.plan import Plan
from danlu.core.records import ColumnSchema, Schema, TargetSchema
from danlu.features import layout
from danlu.search import Facts, alike, may_have_neighbours


def schema() -> Schema:
    columns = tuple(ColumnSchema(name=name, kind="number") for name in ("a", "b", "c"))
    return Schema(columns=columns, target=TargetSchema(task="regression", names=("y",), outputs=1))


def rows(noise: float) -> tuple[torch.Tensor, torch.Tensor]:
    rng = np.random.default_rng(0)
    plain = rng.normal(size=(3000, 3))
    smooth = np.sin(5 * plain[:, 0]) * np.cos(5 * plain[:, 2])
    return torch.from_numpy(plain), torch.from_numpy(smooth + noise * rng.normal(size=3000))[:, None]


def test_the_columns_in_which_errors_are_alike_are_found() -> None:
    plain, error = rows(0.5)
    first, *_ = alike(plain, error, schema(), layout(schema(), onehot_most=None))
    assert first.columns == ("a", "c")
    assert first.sure > 10
    assert 0.3 < first.share < 0.8, "of 0.25 + 0.25 the first half is told by neighbours"


def test_noise_has_no_neighbours() -> None:
    rng = np.random.default_rng(1)
    plain, error = torch.from_numpy(rng.normal(size=(3000, 3))), torch.from_numpy(rng.normal(size=(3000, 1)))
    assert alike(plain, error, schema(), layout(schema(), onehot_most=None)) == ()


@pytest.mark.parametrize("given", [{"neighbours": ()}, {"net": "mlp"}, {"holdout": 0.0}, {"group": "g"}, {"time": "t"}])
def test_what_the_user_settles_is_not_looked_for(given: dict[str, object]) -> None:
    facts = Facts(rows=900, task="regression", numbers=2)
    assert may_have_neighbours(Plan(), facts)
    assert not may_have_neighbours(Plan.model_validate(given), facts)


def test_a_fit_looks_for_them_and_says_what_it_found() -> None:
    rng = np.random.default_rng(3)
    x, y, z = rng.random((3, 1500))
    level = rng.normal(size=(14, 14))
    worth = 3 * level[(x * 14).astype(int), (y * 14).astype(int)] + z
    model = danlu.fit({"x": x, "y": y, "z": z, "worth": worth}, "worth", folds=3, repeats=1)
    (note,) = [note.text for note in model.run.inferred if "neighbours" in note.text]
    assert note.startswith("with neighbours in x, y, rather than without: rmse out of fold")
    assert model.run.resolved.neighbours == (("x", "y"),)
