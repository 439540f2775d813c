"""The estimators on tables: what they take, what they answer, and that it is the walk's own answer."""

from __future__ import annotations

import io
import pickle
from typing import Any

import joblib
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from sklearn.base import clone
from sklearn.model_selection import GroupKFold, KFold, RepeatedKFold, ShuffleSplit

import danlu
from danlu import TableClassifier, TableRegressor
from danlu.core.errors import DataError, PlanError, SchemaError
from danlu.core.records import Progress

SMALL: dict[str, Any] = {"hidden": (16,), "epochs": 30, "lr": 0.02, "batch_size": 32, "cv": 3, "random_state": 0}


def numbers(rows: int = 120, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    X = random.normal(size=(rows, 4))
    return X, X[:, 0] - 2 * X[:, 1] + 0.1 * random.normal(size=rows)


def mixed(rows: int = 120) -> tuple[pd.DataFrame, np.ndarray]:
    random = np.random.default_rng(1)
    frame = pd.DataFrame({"size": random.normal(size=rows), "city": random.choice(["Oslo", "Rome"], rows)})
    frame.loc[::7, "size"] = np.nan
    frame.loc[::11, "city"] = None
    return frame, np.where(frame["city"] == "Rome", 3.0, -3.0) + random.normal(size=rows) * 0.1


# The same walk


def test_the_estimator_is_the_walk() -> None:
    X, y = numbers()
    ours = TableRegressor(**SMALL).fit(X, y)
    table = {f"x{i}": X[:, i] for i in range(4)} | {"y": y}
    walk = danlu.fit(table, "y", hidden=(16,), epochs=30, lr=0.02, batch_size=32, folds=3, seed=0)
    assert np.array_equal(ours.predict(X), walk.predict(table))
    assert ours.model_.run.scores == walk.run.scores


def test_the_arguments_are_settings_of_the_plan() -> None:
    X, y = numbers()
    plan = danlu.Plan(activation="gelu", repeats=2, epochs=99)
    run = TableRegressor(**(SMALL | {"dropout": 0.25, "plan": plan})).fit(X, y).model_.run
    assert (run.resolved.activation, run.resolved.epochs, run.resolved.dropout) == ("gelu", 30, 0.25)
    assert len(run.members) == 6


def test_a_number_of_the_plan_is_a_parameter() -> None:
    model = TableRegressor(plan=danlu.Plan(activation="gelu")).set_params(plan__layer_norm=True, lr=0.1)
    params = model.get_params()
    assert (params["plan__activation"], params["plan__layer_norm"], params["lr"]) == ("gelu", True, 0.1)
    assert params["plan__weight_decay"] is None
    with pytest.raises(ValueError, match="layer_norm"):
        model.set_params(plan__layer_nrom=True)


def test_nothing_is_written(tmp_path: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    X, y = numbers()
    TableRegressor(**SMALL).fit(X, y).predict(X)
    assert not list(tmp_path.iterdir())
    said = capsys.readouterr()
    assert said.out == said.err == ""


# What X may be


def test_frames_of_all_libraries_are_the_same_table() -> None:
    frame, y = mixed()
    told = [
        TableRegressor(**SMALL).fit(X, y).predict(X)
        for X in (frame, pl.from_pandas(frame), pa.Table.from_pandas(frame, preserve_index=False))
    ]
    assert np.array_equal(told[0], told[1])
    assert np.array_equal(told[0], told[2])
    assert np.abs(told[0] - y).mean() < 1  # the text alone tells y but for its noise


def test_objects_may_be_text() -> None:
    frame, y = mixed()
    array = frame.astype(object).where(frame.notna(), None).to_numpy()
    model = TableRegressor(**SMALL).fit(array, y)
    kinds = {column.name: column.kind for column in model.model_.run.table.columns}
    assert kinds == {"x0": "number", "x1": "category"}


@pytest.mark.parametrize("kind", ["int8", "uint16", "int64", "float16", "float32", "bool"])
def test_any_type_of_number_is_taken(kind: str) -> None:
    X = np.tile(np.arange(6), 20).reshape(-1, 2).astype(kind)
    y = X.astype(float).sum(axis=1)
    assert np.isfinite(TableRegressor(**SMALL).fit(X, y).predict(X)).all()


def test_an_array_that_counts_the_rows_is_learnt_from() -> None:
    X = np.column_stack([np.arange(60), np.tile([0, 1], 30)])
    model = TableRegressor(**SMALL).fit(X, X[:, 0] * 1.0)
    assert [column.name for column in model.model_.run.table.columns] == ["x0", "x1"]


def test_missing_cells_are_predicted_for() -> None:
    X, y = numbers()
    X[::5, 1] = np.nan
    assert np.isfinite(TableRegressor(**SMALL).fit(X, y).predict(X)).all()


def test_names_are_kept_and_compared() -> None:
    frame, y = mixed()
    model = TableRegressor(**SMALL).fit(frame, y)
    assert model.feature_names_in_.tolist() == ["size", "city"]
    assert model.n_features_in_ == 2
    with pytest.raises(ValueError, match="feature names"):
        model.predict(frame[["city", "size"]])


def test_a_category_that_was_not_learnt_is_predicted_for() -> None:
    frame, y = mixed()
    model = TableRegressor(**SMALL).fit(frame, y)
    assert np.isfinite(model.predict(pd.DataFrame({"size": [0.5], "city": ["Turin"]}))).all()


# What y may be


def test_several_targets() -> None:
    X, y = numbers()
    both = np.column_stack([y, -y, np.full(len(y), 7.0)])
    model = TableRegressor(**SMALL).fit(X, both)
    told = model.predict(X)
    assert told.shape == both.shape
    assert (told[:, 2] == 7).all()  # what never varies cannot be learnt
    assert model.score(X[:, :], both) > 0.8
    assert model.predict_interval(X).shape == (120, 3, 2)


def test_several_labels_a_row() -> None:
    X, y = numbers()
    labels = np.column_stack([y > 0, X[:, 2] > 0, np.zeros(len(y))]).astype(int)
    model = TableClassifier(**SMALL).fit(X, labels)
    proba, told = model.predict_proba(X), model.predict(X)
    assert proba.shape == told.shape == labels.shape
    assert ((proba >= 0) & (proba <= 1)).all()
    assert (told[:, :2] == labels[:, :2]).mean() > 0.9
    assert not told[:, 2].any()


@pytest.mark.parametrize("labels", [["no", "yes"], [10, 9], [2.0, 0.0], [True, False], ["b", "a", "B "], ["", "full"]])
def test_classes_are_in_the_order_of_scikit_learn(labels: list[Any]) -> None:
    X = np.repeat(np.eye(len(labels)), 30, axis=0)
    y = np.repeat(np.array(labels), 30)
    model = TableClassifier(**SMALL).fit(X, y)
    assert model.classes_.tolist() == sorted(labels)
    assert (model.predict(X) == y).mean() > 0.9
    assert (model.classes_[model.predict_proba(X).argmax(axis=1)] == model.predict(X)).all()


def test_class_weights_name_the_labels() -> None:
    X, y = numbers()
    y = np.where(y + np.random.default_rng(0).normal(size=len(y)) * 3 > 2, 10, 9)
    plain = TableClassifier(**SMALL).fit(X, y)
    heavy = TableClassifier(**SMALL, class_weight={10: 50.0}).fit(X, y)
    assert (heavy.predict(X) == 10).sum() > (plain.predict(X) == 10).sum()
    with pytest.raises(ValueError, match="class"):
        TableClassifier(**SMALL, class_weight={11: 50.0}).fit(X, y)


# Weights, folds, and a validation set of one's own


def test_a_row_of_weight_0_is_as_if_it_was_not_there() -> None:
    X, y = numbers()
    weight = np.ones(len(y))
    weight[60:] = 0
    half = TableRegressor(**SMALL).fit(X, np.where(weight, y, 1e9), sample_weight=weight)
    assert np.array_equal(half.predict(X), TableRegressor(**SMALL).fit(X[:60], y[:60]).predict(X))


def test_folds_are_those_of_the_splitter() -> None:
    X, y = numbers()
    splits = list(KFold(4, shuffle=True, random_state=1).split(X))
    model = TableRegressor(**(SMALL | {"cv": splits})).fit(X, y)
    assert [member.judged_rows for member in model.model_.run.members] == [30] * 4
    alone = TableRegressor(**(SMALL | {"cv": splits[:1]})).fit(X, y)
    train, judged = splits[0]
    told = np.asarray(alone.model_.arrays["predicted_NC"])[:, 0]
    assert alone.model_.arrays["rows_N"].tolist() == judged.tolist()
    # What is judged was not learnt from: predictions of the only network are those that were judged.
    assert np.allclose(alone.predict(X[judged]), told, atol=1e-5)
    assert alone.model_.run.members[0].train_rows == len(train)


@pytest.mark.parametrize(
    ("cv", "members", "rows"),
    [(2, 2, 120), (0.25, 1, 30), (0, 1, 0), (RepeatedKFold(n_splits=3, n_repeats=2, random_state=0), 6, 120)],
)
def test_ways_to_divide_the_rows(cv: Any, members: int, rows: int) -> None:
    X, y = numbers()
    run = TableRegressor(**(SMALL | {"cv": cv})).fit(X, y).model_.run
    assert len(run.members) == members
    assert (run.scores["rmse"].rows if run.scores else 0) == rows


def test_rows_judged_twice_are_judged_by_both() -> None:
    X, y = numbers()
    run = TableRegressor(**(SMALL | {"cv": ShuffleSplit(4, test_size=0.5, random_state=0)})).fit(X, y).model_.run
    assert [member.repeat for member in run.members] == [0, 1, 2, 3]


def test_groups_stay_whole() -> None:
    X, y = numbers()
    groups = np.repeat(np.arange(12), 10)
    for cv in (3, GroupKFold(3)):
        run = TableRegressor(**(SMALL | {"cv": cv})).fit(X, y, groups=groups).model_.run
        assert [member.judged_rows for member in run.members] == [40, 40, 40]
    assert run.table.target.names == ("y",)


def test_early_stopping_watches_the_rows_that_are_given() -> None:
    X, y = numbers()
    plan = danlu.Plan(early_stopping=True, patience=2)
    noise = np.random.default_rng(5).normal(size=120)  # nothing that is learnt lowers the loss for long
    model = TableRegressor(**(SMALL | {"epochs": 200, "cv": 0, "plan": plan}))
    model.fit(X, y, X_val=X, y_val=noise)
    assert model.n_iter_ < 60
    assert model.model_.run.test["rmse"].kind == "test (watched)"
    assert model.model_.run.members[0].train_rows == 120
    assert len(model.history_["val_rmse"]) == len(model.history_["judged_epoch"])
    with pytest.raises(DataError, match="y_val"):
        model.fit(X, y, X_val=X)


# What a fit leaves behind


def test_the_history_tells_of_each_epoch() -> None:
    X, y = numbers()
    history = TableRegressor(**SMALL).fit(X, y).history_
    assert history["loss"].shape == history["lr"].shape == (30,)
    assert history["loss"][-1] < history["loss"][0]
    assert history["judged_rmse"].shape == history["judged_epoch"].shape


def test_intervals_and_quantiles() -> None:
    X, y = numbers(300)
    model = TableRegressor(**SMALL).fit(X, y)
    low, high = model.predict_interval(X, 0.8).T
    assert ((low <= y) & (y <= high)).mean() > 0.7  # rows learnt from are nearer to their predictions
    assert (np.diff(model.predict_quantiles(X, (0.1, 0.5, 0.9)), axis=1) >= 0).all()
    with pytest.raises(ValueError, match="judged"):
        TableRegressor(**(SMALL | {"cv": 0})).fit(X, y).predict_interval(X)


def test_random_state_decides() -> None:
    X, y = numbers()

    def told(state: Any) -> np.ndarray:
        return TableRegressor(**(SMALL | {"random_state": state})).fit(X, y).predict(X)

    assert np.array_equal(told(3), told(3))
    assert not np.array_equal(told(3), told(4))
    assert not np.array_equal(told(None), told(None))
    assert np.array_equal(told(np.random.RandomState(0)), told(np.random.RandomState(0)))
    seeded = clone(TableRegressor(**(SMALL | {"random_state": None}), plan={"seed": 3}))
    assert np.array_equal(seeded.fit(X, y).predict(X), told(3))


def test_what_is_fitted_can_be_kept_by_pickle_and_joblib() -> None:
    X, y = numbers()
    model = TableRegressor(**SMALL).fit(X, y)
    file = io.BytesIO()
    joblib.dump(model, file)
    for kept in (pickle.loads(pickle.dumps(model)), joblib.load(io.BytesIO(file.getvalue()))):
        assert np.array_equal(kept.predict(X), model.predict(X))
        assert np.array_equal(kept.predict_interval(X), model.predict_interval(X))


def test_the_model_can_be_kept_as_danlu_keeps_it(tmp_path: Any) -> None:
    frame, y = mixed()
    model = TableRegressor(**SMALL).fit(frame, pd.Series(y, name="price"))
    kept = danlu.load(model.model_.save(tmp_path / "houses.danlu"))
    assert np.array_equal(kept.predict(frame), model.predict(frame))
    assert kept.run.table.target.names == ("price",)


def test_the_page_is_shown_or_written(tmp_path: Any) -> None:
    X, y = numbers()
    model = TableRegressor(**SMALL).fit(X, y)
    page = model.report(tmp_path / "page.html")
    assert (tmp_path / "page.html").read_text(encoding="utf-8") == page.html
    assert page._repr_html_().startswith("<iframe srcdoc=")
    assert "TableRegressor" in model._repr_html_()


def test_callbacks_see_what_happens_and_may_stop_it() -> None:
    X, y = numbers()
    seen: list[Progress] = []
    TableRegressor(**SMALL).fit(X, y, callbacks=[seen.append])
    assert {"reading", "train", "judging"} <= {progress.stage for progress in seen}
    stopped = TableRegressor(**(SMALL | {"epochs": 100_000}))
    stopped.fit(X, y, callbacks=[lambda progress: progress.epoch >= 1])
    assert stopped.n_iter_ < 100_000
    assert stopped.model_.run.interrupted


# What is refused


@pytest.mark.parametrize(
    ("settings", "error", "words"),
    [
        ({"lr": -1.0}, PlanError, "`lr` must be above 0.0, got -1.0"),
        ({"cv": 1}, PlanError, "`folds` must be at least 2, got 1"),
        ({"cv": "five"}, PlanError, "`cv` must be folds"),
        ({"metric": "accuracy"}, PlanError, "accuracy"),
        ({"plan": 3}, PlanError, "`plan` must be a danlu.Plan"),
        ({"plan": {"weight": "w"}}, PlanError, "Give sample_weight to `fit`"),
        ({"plan": {"activaton": "relu"}}, PlanError, "`activation`"),
    ],
)
def test_settings_are_refused_when_fitting(settings: dict[str, Any], error: type[Exception], words: str) -> None:
    X, y = numbers()
    with pytest.raises(error, match=words) as raised:
        TableRegressor(**(SMALL | settings)).fit(X, y)
    assert isinstance(raised.value, ValueError)


def test_a_table_of_another_kind_is_refused() -> None:
    frame, y = mixed()
    model = TableRegressor(**SMALL).fit(frame, y)
    with pytest.raises(SchemaError, match="size") as raised:
        model.predict(pd.DataFrame({"size": ["large"], "city": ["Oslo"]}))
    assert isinstance(raised.value, ValueError)


def test_columns_of_classes_are_left_to_scikit_learn() -> None:
    X, _ = numbers()
    y = np.random.default_rng(0).integers(0, 3, size=(120, 2))
    with pytest.raises(ValueError, match="MultiOutputClassifier"):
        TableClassifier(**SMALL).fit(X, y)
