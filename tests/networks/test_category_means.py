"""Target encoding: by hand, beside scikit-learn, without a row's own target, saved, exported, alone as in a population."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.preprocessing import TargetEncoder

import danlu
from danlu.core.errors import PlanError
from danlu.networks.category_means import PARTS, PRIOR, CategoryMeans
from danlu.networks.neighbours import Learnt


def streets(rows: int = 240, seed: int = 0) -> dict[str, list]:
    """A table whose target is mostly the level of its street, of 40 streets."""
    rng = np.random.default_rng(seed)
    street, size = rng.integers(0, 40, rows), rng.normal(size=rows)
    worth = rng.normal(size=40)[street] * 3 + size + 0.1 * rng.normal(size=rows)
    names = np.array([f"street {i}" for i in range(40)])
    return {"street": names[street].tolist(), "size": size.tolist(), "worth": worth.tolist()}


def drawn(rows: int, levels: int, outputs: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    rng = np.random.default_rng(seed)
    codes = torch.from_numpy(rng.integers(2, levels + 2, (rows, 2)))
    return codes, torch.from_numpy(rng.normal(size=(rows, outputs)))


def test_all_rows_together_are_scikit_learns_shrunk_means() -> None:
    codes, target = drawn(300, 20, 1)
    means, _ = CategoryMeans.fit(codes, Learnt(torch.arange(300), target), [22, 22])
    oracle = TargetEncoder(smooth=PRIOR, target_type="continuous").fit(codes.numpy(), target[:, 0].numpy())
    said = means(codes[None])[0]
    np.testing.assert_allclose(said.numpy(), oracle.transform(codes.numpy()), rtol=1e-12)


def test_a_row_is_told_nothing_of_its_own_target() -> None:
    codes, target = drawn(100, 8, 2)
    index = torch.arange(80)
    _, known = CategoryMeans.fit(codes, Learnt(index, target[:80]), [10, 10])
    for row in (0, 17, 79):
        changed = target[:80].clone()
        changed[row] += 1000.0
        _, again = CategoryMeans.fit(codes, Learnt(index, changed), [10, 10])
        assert torch.equal(again[row], known[row])
        assert not torch.equal(again[80:], known[80:]), "rows that are not learnt from are told of it"


def test_each_part_is_told_what_the_others_give() -> None:
    codes, target = torch.full((50, 1), 2), drawn(50, 1, 1)[1]
    _, known = CategoryMeans.fit(codes, Learnt(torch.arange(50), target), [3])
    assert len(known.unique()) == PARTS
    for value in known.unique():
        own = (known == value).flatten()
        assert value.item() == pytest.approx(target[~own].mean().item()), "one category: the mean of the other parts"


def test_weights_count_as_so_many_rows() -> None:
    codes, target = drawn(60, 5, 1)
    twice = torch.cat([torch.arange(60), torch.arange(60)])
    weighted, _ = CategoryMeans.fit(codes, Learnt(torch.arange(60), target, torch.full((60,), 3.0).double()), [7, 7])
    plain, _ = CategoryMeans.fit(codes, Learnt(torch.arange(60), target), [7, 7])
    torch.testing.assert_close(weighted.mean_KTG, plain.mean_KTG)
    doubled, _ = CategoryMeans.fit(codes, Learnt(twice, torch.cat([target, target])), [7, 7])
    assert (doubled.mean_KTG - target.mean()).abs().sum() > (plain.mean_KTG - target.mean()).abs().sum()


@pytest.mark.parametrize("given", [-5, 0, 10**6])
def test_a_code_that_no_row_had_is_told_the_mean_of_all(given: int) -> None:
    codes, target = drawn(60, 5, 1)
    means, _ = CategoryMeans.fit(codes[:, :1], Learnt(torch.arange(60), target), [7])
    assert means(torch.tensor([[[given]]])).item() == pytest.approx(target.mean().item())


def test_the_recipe_tells_categories_of_few_rows_a_level(tmp_path) -> None:
    table = streets()
    model = danlu.fit(table, "worth", epochs=8, repeats=1)
    assert model.run.resolved.target_encoding == ("street",)
    assert model.run.network.layout.numbers == ("size", "mean target of street")
    without = danlu.fit(table, "worth", epochs=8, repeats=1, target_encoding="off")
    assert model.run.scores["rmse"].value < 0.9 * without.run.scores["rmse"].value
    said = model.predict(table)
    loaded = danlu.load(model.save(tmp_path / "m.danlu"))
    assert np.array_equal(loaded.predict(table), said)
    exported = model.to_torch()(*model.encode(table)).detach().numpy()[:, 0]
    np.testing.assert_allclose(exported, said, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("given", [{"net": "mlp"}, {"hidden": (8,)}, {"target_encoding": ()}])
def test_a_named_network_is_told_nothing_unless_asked(given: dict) -> None:
    model = danlu.fit(streets(80), "worth", epochs=1, folds=2, repeats=1, **given)
    assert model.run.network.layout.means == ()


def test_classes_are_told_one_number_each_and_two_classes_one() -> None:
    table = streets()
    order = np.argsort(np.argsort(table["worth"])) // 80
    kinds = danlu.fit(table | {"worth": [f"k{i}" for i in order]}, "worth", epochs=2, folds=2, repeats=1)
    assert kinds.run.network.layout.numbers[1:] == tuple(f"mean target of street (k{i})" for i in range(3))
    two = danlu.fit(table | {"worth": ["yes" if i else "no" for i in order]}, "worth", epochs=2, folds=2, repeats=1)
    assert two.run.network.layout.numbers[1:] == ("mean target of street",)


def test_no_fold_learns_from_its_judged_rows() -> None:
    table = streets(120)
    fold = [i % 2 for i in range(120)]
    first = danlu.fit(table | {"fold": fold}, "worth", fold_column="fold", epochs=2)
    changed = [w + 100.0 * f for w, f in zip(table["worth"], fold, strict=True)]
    again = danlu.fit(table | {"fold": fold, "worth": changed}, "worth", fold_column="fold", epochs=2)
    judged = np.array([f == 1 for f in fold])[first.arrays["rows_N"]]
    assert np.array_equal(first.arrays["predicted_NC"][judged], again.arrays["predicted_NC"][judged])


def test_what_is_no_category_is_refused() -> None:
    with pytest.raises(PlanError, match="`target_encoding` must be categories"):
        danlu.fit(streets(60), "worth", target_encoding="size", epochs=1)
    with pytest.raises(PlanError, match="street"):
        danlu.fit(streets(60), "worth", target_encoding="stret", epochs=1)
