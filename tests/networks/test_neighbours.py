"""What neighbours say: beside a loop in float64, for each fold, saved, exported, and alone as in a population."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import danlu
from danlu.core.errors import PlanError
from danlu.features import layout
from danlu.networks.neighbours import CROWD, SOFT, Learnt, Neighbours


def by_hand(
    place_ND: np.ndarray, index_R: np.ndarray, target_R: np.ndarray, nearest: int, row: int, *, among: bool
) -> float:
    """Return the weighted mean for one row of the table, in a loop; `among`: it is one of those learnt from."""
    points, own = np.unique(place_ND[index_R], axis=0, return_inverse=True)
    own = own.ravel()
    distances = np.sqrt(((points[:, None] - points[None]) ** 2).sum(2))
    last = np.sort(distances, axis=1)[:, min(nearest + 1, len(points)) - 1].mean()
    mass, mean = np.bincount(own).astype(float), np.bincount(own, target_R) / np.bincount(own)
    if among:
        at = own[list(index_R).index(row)]
        if mass[at] <= CROWD * nearest:
            total = mean[at] * mass[at] - target_R[list(index_R).index(row)]
            mass[at] -= 1
            mean[at] = total / mass[at] if mass[at] else 0.0
    distance = np.sqrt(((points - place_ND[row]) ** 2).sum(1))
    near = [p for p in np.argsort(distance, kind="stable") if mass[p] > 0][:nearest]
    weight = np.minimum(mass[near], nearest) / (distance[near] + SOFT * last)
    return float((weight * mean[near]).sum() / weight.sum())


@pytest.mark.parametrize("values", [1000, 6])
def test_every_row_has_the_mean_of_the_others_near_it(values: int) -> None:
    rng = np.random.default_rng(1)
    place = rng.integers(0, values, (120, 2)) / values
    index = np.sort(rng.permutation(120)[:90])
    target = rng.normal(size=90)
    learnt = Learnt(torch.from_numpy(index), torch.from_numpy(target)[:, None])
    near, known = Neighbours.fit(torch.from_numpy(place), learnt, 5)
    expected = [by_hand(place, index, target, 5, row, among=row in index) for row in range(120)]
    if values == 1000:  # else several places are equally far, and which counts is not said
        np.testing.assert_allclose(known[:, 0].numpy(), expected, rtol=1e-9)
        others = [row for row in range(120) if row not in index]
        said = near(torch.from_numpy(place[others])[None])[0, :, 0]
        assert said.numpy().tolist() == known[others, 0].numpy().tolist(), (
            "rows of the table and new ones: the same bits"
        )
    else:
        assert float(known.abs().max()) <= np.abs(target).max() + 1e-9


def test_in_a_crowd_no_row_can_read_off_its_own_class() -> None:
    target = torch.tensor([0.0, 1.0] * 200).double()[:, None]
    _, known = Neighbours.fit(torch.zeros(400, 1), Learnt(torch.arange(400), target), 10)
    assert known.unique().tolist() == [0.5]


def test_weights_count_as_so_many_rows() -> None:
    rng = np.random.default_rng(2)
    place, target = torch.from_numpy(rng.random((40, 2))), torch.from_numpy(rng.normal(size=(40, 1)))
    twice = torch.cat([torch.arange(40), torch.arange(20)]).sort().values
    doubled, _ = Neighbours.fit(place, Learnt(twice, target[twice]), 4)
    weight = torch.where(torch.arange(40) < 20, 2.0, 1.0).double()
    weighted, _ = Neighbours.fit(place, Learnt(torch.arange(40), target, weight), 4)
    torch.testing.assert_close(doubled.mean_KPG, weighted.mean_KPG)
    torch.testing.assert_close(doubled.mass_KP / doubled.mass_KP.sum(), weighted.mass_KP / weighted.mass_KP.sum())


def places(rows: int = 600) -> dict[str, np.ndarray]:
    """Return a table whose target depends on the square that a row lies in, and on one number."""
    rng = np.random.default_rng(3)
    x, y, z = rng.random((3, rows))
    level = np.random.default_rng(4).normal(size=(12, 12))
    worth = 3 * level[(x * 12).astype(int), (y * 12).astype(int)] + z
    return {"x": x, "y": y, "z": z, "colour": rng.choice(["red", "blue"], rows), "worth": worth}


def test_a_model_with_neighbours_is_saved_exported_and_predicts_the_same(tmp_path) -> None:
    table = places()
    model = danlu.fit(table, "worth", neighbours="x,y", epochs=4)
    assert model.run.network.layout.numbers == ("x", "y", "z", "neighbours in x, y")
    said = model.predict(table)
    model.save(tmp_path / "m")
    again = danlu.load(tmp_path / "m")
    assert again.predict(table).tolist() == said.tolist()
    one = again.predict({name: column[5:6] for name, column in table.items()})
    np.testing.assert_allclose(one, said[5:6], rtol=1e-6)


def test_each_fold_asks_its_own_training_rows_alone() -> None:
    table = places(200)
    fold = np.arange(200) % 2
    first = danlu.fit(table | {"fold": fold}, "worth", fold_column="fold", neighbours="x,y", epochs=2)
    changed = np.where(fold == 0, table["worth"], -table["worth"])
    second = danlu.fit(
        table | {"fold": fold, "worth": changed}, "worth", fold_column="fold", neighbours="x,y", epochs=2
    )
    judged = first.arrays["rows_N"]
    ones = fold[judged] == 1  # judged by the network that learnt from fold 0, whose targets are the same
    assert first.arrays["predicted_NC"][ones].tolist() == second.arrays["predicted_NC"][ones].tolist()


def test_classes_and_all_columns() -> None:
    table = places()
    table["worth"] = np.where(table["worth"] > 1, "high", np.where(table["worth"] < -1, "low", "fair"))
    model = danlu.fit(table, "worth", neighbours="all", epochs=2)
    assert model.run.network.layout.numbers[3:] == ("neighbours (fair)", "neighbours (high)", "neighbours (low)")
    assert len(model.run.network.layout.spaces[0].places) == 3 + 4, "three numbers; unseen, missing and two colours"
    assert model.predict(table, proba=True).sum(1) == pytest.approx(1)


def test_columns_that_are_none_are_refused() -> None:
    with pytest.raises(PlanError, match="`neighbours` must be columns"):
        danlu.fit(places(60), "worth", neighbours="x,q", epochs=1)


def test_the_layout_names_where_each_number_comes_from() -> None:
    model = danlu.fit(places(100), "worth", neighbours="x,colour", epochs=1)
    (space,) = model.run.network.layout.spaces
    assert (space.columns, space.places, space.nearest) == (("x", "colour"), (0, 3, 4, 5, 6), 10)
    assert layout(model.run.table, onehot_most=None).given == 3
