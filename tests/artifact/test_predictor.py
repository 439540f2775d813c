"""From a saved folder to predictions: the whole way, with small networks that were never trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch

from danlu.artifact import Loaded, Predictor, load, save
from danlu.core.errors import ArtifactError, DataError, PlanError, SchemaError
from danlu.core.plan import Plan, make_plan
from danlu.core.records import Run
from danlu.data import RawTable, examine
from danlu.features import encode, layout
from danlu.judging import metric
from danlu.networks import Network, Preparation, predict
from danlu.networks.build import describe

ROWS = 60
FOLDS = (np.arange(0, 40), np.arange(20, 60), np.arange(0, 60, 2))


def raw(table: dict[str, Any]) -> RawTable:
    return RawTable(pa.table(table), "memory")


def houses() -> dict[str, Any]:
    """Return numbers (one with gaps, one far from zero), a category, a yes/no, a date and three targets."""
    rng = np.random.default_rng(0)
    area = rng.uniform(40, 200, ROWS)
    price = 2000 * area + rng.normal(0, 1e4, ROWS)
    return {
        "area": [None if i % 9 == 0 else float(a) for i, a in enumerate(area)],
        "code": (1_600_000_000 + rng.normal(0, 50, ROWS).round()).tolist(),
        "district": rng.choice(["north", "south", "old town"], ROWS).tolist(),
        "garden": rng.choice(["yes", "no"], ROWS).tolist(),
        "sold": (np.datetime64("2020-01-01") + rng.integers(0, 900, ROWS)).tolist(),
        "price": price.tolist(),
        "tax": (price / 1000 + rng.normal(0, 5, ROWS)).tolist(),
        "size": np.where(area > 130, "large", np.where(area > 80, "middle", "small")).tolist(),
    }


def made(table: dict[str, Any], run: Run, members: int = 3, **settings: Any) -> Loaded:
    """Return an untrained model of a table, as a run would leave it."""
    plan: Plan = make_plan(**({"hidden": "16,8", "batch_norm": "hidden"} | settings))
    if plan.loss is None:
        plan = plan.model_copy(update={"loss": "cross-entropy" if plan.target == ("size",) else "mse"})
    examined = examine(raw(table), plan)
    schema = examined.schema
    spec = describe(plan, layout(schema, onehot_most=2), schema.target)
    network = Network(spec)
    encoded = encode(examined.table, schema, plan.dtype)
    dtype = torch.float64 if plan.dtype == "float64" else torch.float32
    y = examined.target.values if schema.target.task == "regression" else None
    preparation = Preparation.fit(encoded.x, encoded.codes, y, FOLDS, spec.layout, spec.scale, spec.scale_target, dtype)
    weights, state = network.initial(range(members), dtype, torch.device("cpu"))
    own = {f"preparation.{name}": tensor for name, tensor in preparation.tensors().items()}
    tensors = {"weights": weights, "state": state, "fold": torch.arange(members) % len(FOLDS)} | own
    facts = {"plan": plan, "resolved": plan, "table": schema, "network": spec, "shipped": tuple(range(members))}
    return Loaded(run.model_copy(update=facts), tensors, {})


def without(table: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: cells for name, cells in table.items() if name not in names}


@pytest.mark.parametrize(
    ("settings", "width"),
    [
        ({"target": "price", "drop": "tax,size"}, 1),
        ({"target": "price,tax", "drop": "size"}, 2),
        ({"target": "size", "drop": "price,tax"}, 3),
        ({"target": "garden", "drop": "price,tax,size", "task": "classification", "loss": "cross-entropy"}, 2),
        ({"target": "garden", "drop": "price,tax,size", "loss": "binary-cross-entropy"}, 2),
        ({"target": "price", "drop": "tax,size", "loss": "poisson", "scale_target": "none"}, 1),
        ({"target": "price", "drop": "tax,size", "dtype": "float64", "scale": "none"}, 1),
    ],
    ids=["one", "two", "classes", "two-classes", "one-output", "counts", "float64"],
)
def test_a_saved_model_predicts_the_mean_of_its_members(
    tmp_path: Path, run: Run, settings: dict[str, Any], width: int
) -> None:
    loaded = made(houses(), run, **settings)
    before = Predictor(loaded).predict(raw(houses()))
    save(tmp_path / "m.danlu", loaded.run, loaded.tensors, {})
    predictor = Predictor(load(tmp_path / "m.danlu"))
    after = predictor.predict(raw(houses()))
    np.testing.assert_array_equal(after.values, before.values)
    assert after.values.shape == (ROWS, width)
    assert after.values.dtype == np.float64

    encoded, _ = predictor.encode(raw(houses()))
    each = predict(
        predictor.network,
        predictor.preparation,
        predictor.weights_MP,
        predictor.state_MS,
        predictor.fold_M,
        encoded.x,
        encoded.codes,
    )
    mean = np.mean([np.asarray(one, np.float64) for one in each], axis=0)
    if mean.shape[1] < width:
        mean = np.concatenate([1 - mean, mean], axis=1)
    np.testing.assert_allclose(after.values, mean, rtol=1e-5)
    if after.target.task == "classification":
        np.testing.assert_allclose(after.values.sum(axis=1), 1, atol=1e-15)

    with torch.no_grad():
        module = predictor.to_torch()(torch.from_numpy(encoded.x), torch.from_numpy(encoded.codes))
    np.testing.assert_allclose(np.asarray(module)[:, -1], after.values[:, -1], rtol=1e-4)


def test_rows_are_predicted_alone_in_the_order_given(run: Run) -> None:
    predictor = Predictor(made(houses(), run, target="price", drop="tax,size"))
    whole = predictor.predict(raw(houses())).values
    turned = {name: cells[::-1] for name, cells in houses().items()}
    np.testing.assert_allclose(predictor.predict(raw(turned)).values, whole[::-1], rtol=1e-6)
    none = {name: cells[:0] for name, cells in houses().items()}
    assert predictor.predict(raw(without(none, "price"))).values.shape == (0, 1)


def test_many_rows_in_parts_equal_few(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("danlu.artifact.predictor.AT_ONCE", 1)
    predictor = Predictor(made(houses(), run, target="price", drop="tax,size"))
    once = predictor.predict(raw(houses())).values
    many = predictor.predict(raw({name: cells * 10 for name, cells in houses().items()})).values
    np.testing.assert_allclose(many, np.tile(once, (10, 1)), rtol=1e-6)


def test_numbers_far_from_zero_keep_their_differences(run: Run) -> None:
    predictor = Predictor(made(houses(), run, target="price", drop="tax,size"))
    table = {name: cells[:1] * 2 for name, cells in houses().items()}
    table["code"] = [1_600_000_001.0, 1_600_000_037.0]
    first, second = predictor.predict(raw(table)).values[:, 0]
    assert first != second


def test_unseen_missing_and_absurd_cells_are_warned_of_and_predicted(run: Run) -> None:
    predictor = Predictor(made(houses(), run, target="size", drop="price,tax"))
    table = without({name: cells[:3] for name, cells in houses().items()}, "size", "price", "tax")
    table |= {"district": ["atlantis", None, "north"], "area": [1e300, -1e300, None], "extra": [1, 2, 3]}
    said = predictor.predict(raw(table))
    assert np.isfinite(said.values).all()
    assert {"district", "area", "columns"} <= {note.topic for note in said.warnings}


def test_a_missing_column_is_refused(run: Run) -> None:
    predictor = Predictor(made(houses(), run, target="price", drop="tax,size"))
    with pytest.raises(SchemaError, match="there is no `area`"):
        predictor.predict(raw(without(houses(), "area")))


def test_columns_are_named_as_the_command_line_writes_them(run: Run) -> None:
    one = Predictor(made(houses(), run, target="price", drop="tax,size")).predict(raw(houses()))
    assert list(one.columns()) == ["prediction"]
    np.testing.assert_array_equal(one.columns()["prediction"], one.values[:, 0])
    two = Predictor(made(houses(), run, target="price,tax", drop="size")).predict(raw(houses()))
    assert list(two.columns()) == ["prediction_price", "prediction_tax"]
    kind = Predictor(made(houses(), run, target="size", drop="price,tax")).predict(raw(houses()))
    classes = kind.target.classes
    assert list(kind.columns()) == ["prediction"]
    assert list(kind.columns(proba=True)) == ["prediction", *(f"p_{name}" for name in classes)]
    assert kind.labels().tolist() == [classes[i] for i in kind.values.argmax(axis=1)]
    for ask in (lambda: one.columns(proba=True), one.labels):
        with pytest.raises(PlanError, match="needs a target of classes"):
            ask()


def test_score_leaves_out_rows_without_a_target_and_says_test(run: Run) -> None:
    predictor = Predictor(made(houses(), run, target="price", drop="tax,size"))
    table = houses()
    truth = np.array(table["price"])
    table["price"] = [None if i < 10 else p for i, p in enumerate(table["price"])]
    scores, _ = predictor.score(raw(table))
    expected = metric("rmse", truth[10:], predictor.predict(raw(table)).values[10:, 0])
    assert scores["rmse"].value == pytest.approx(expected)
    assert (scores["rmse"].rows, scores["rmse"].kind) == (50, "test")
    with pytest.raises(SchemaError):
        predictor.score(raw(without(table, "price")))
    with pytest.raises(DataError, match="no row has price"):
        predictor.score(raw(table | {"price": pa.nulls(ROWS, pa.float64())}))


def test_predictions_that_are_not_finite_are_refused(run: Run) -> None:
    loaded = made(houses(), run, target="price", drop="tax,size")
    loaded.tensors["weights"][:] = torch.nan
    with pytest.raises(DataError, match="row 1 gives none"):
        Predictor(loaded).predict(raw(houses()))


@pytest.mark.parametrize("name", ["weights", "state", "fold", "preparation.fill_KF"])
def test_tensors_that_do_not_fit_are_refused(run: Run, name: str) -> None:
    loaded = made(houses(), run, target="price", drop="tax,size")
    lacking = {other: tensor for other, tensor in loaded.tensors.items() if other != name}
    with pytest.raises(ArtifactError, match=name.rpartition(".")[2]):
        Predictor(Loaded(loaded.run, lacking, {}))
    part = loaded.tensors[name]
    for cut in (part[:, :-1] if part.ndim > 1 else part[:-1], part[:0], part[None]):
        with pytest.raises(ArtifactError, match="must fit the network"):
            Predictor(Loaded(loaded.run, loaded.tensors | {name: cut}, {}))


def test_a_fold_that_is_not_there_is_refused(run: Run) -> None:
    loaded = made(houses(), run, target="price", drop="tax,size")
    with pytest.raises(ArtifactError, match="must fit the network"):
        Predictor(Loaded(loaded.run, loaded.tensors | {"fold": torch.tensor([0, 1, 7])}, {}))


def test_a_network_of_another_width_is_refused(run: Run) -> None:
    loaded = made(houses(), run, target="price,tax", drop="size")
    one = made(houses(), run, target="price", drop="tax,size")
    with pytest.raises(ArtifactError, match="gives 1 outputs, the target has 2"):
        Predictor(Loaded(one.run.model_copy(update={"table": loaded.run.table}), one.tensors, {}))
