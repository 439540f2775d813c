"""The estimators inside scikit-learn's own tools."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.ensemble import StackingClassifier, VotingRegressor
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV, cross_val_predict, cross_val_score
from sklearn.multioutput import MultiOutputClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import danlu
from danlu import TableClassifier, TableRegressor

ONE: dict[str, Any] = {
    "hidden": (8,),
    "epochs": 30,
    "lr": 0.02,
    "batch_size": 32,
    "cv": 0,
    "random_state": 0,
    "plan": {"repeats": 1},
}


def numbers(rows: int = 120) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    X = random.normal(size=(rows, 4))
    y = X[:, 0] - 2 * X[:, 1]
    return X, y, np.where(y > 0, "up", "down")


def test_pipelines_and_searches() -> None:
    X, y, _ = numbers()
    pipe = Pipeline([("scale", StandardScaler()), ("net", TableRegressor(**ONE))])
    grid = {"net__hidden": [(1,), (16,)], "net__plan__activation": ["relu", "tanh"]}
    found = GridSearchCV(pipe, grid, cv=2).fit(X, y)
    assert found.best_score_ > 0.8
    assert found.best_params_["net__hidden"] == (16,)
    drawn = RandomizedSearchCV(
        TableRegressor(**ONE), {"lr": np.geomspace(1e-3, 3e-2, 5)}, n_iter=2, random_state=0, cv=2
    )
    assert drawn.fit(X, y).best_score_ > 0


def test_columns_are_transformed_before_it_and_keep_their_names() -> None:
    X, y, _ = numbers()
    frame = pd.DataFrame({"a": X[:, 0], "b": X[:, 1], "city": np.where(X[:, 2] > 0, "Oslo", "Rome")})
    onehot = OneHotEncoder(sparse_output=False)
    columns = ColumnTransformer([("n", StandardScaler(), ["a", "b"]), ("c", onehot, ["city"])]).set_output(
        transform="pandas"
    )
    pipe = make_pipeline(columns, TableRegressor(**ONE)).fit(frame, y)
    assert pipe[-1].feature_names_in_.tolist() == ["n__a", "n__b", "c__city_Oslo", "c__city_Rome"]
    assert pipe.score(frame, y) > 0.9
    raw = TableRegressor(**ONE).fit(frame, y)  # needs none of it
    assert raw.score(frame, y) > 0.9


def test_cross_validation() -> None:
    X, y, kinds = numbers()
    assert cross_val_score(TableRegressor(**ONE), X, y, cv=3).min() > 0.8
    told = cross_val_predict(TableClassifier(**ONE), X, kinds, cv=3, method="predict_proba")
    assert told.shape == (120, 2)


def test_voting_stacking_calibration() -> None:
    X, y, kinds = numbers()
    voted = VotingRegressor([("net", TableRegressor(**ONE)), ("line", LinearRegression())]).fit(X, y)
    assert voted.score(X, y) > 0.95
    parts = [("net", TableClassifier(**ONE)), ("line", LogisticRegression())]
    assert StackingClassifier(parts, cv=2).fit(X, kinds).score(X, kinds) > 0.9
    calibrated = CalibratedClassifierCV(TableClassifier(**ONE), cv=2).fit(X, kinds)
    assert calibrated.predict_proba(X).shape == (120, 2)
    assert (
        TransformedTargetRegressor(TableRegressor(**ONE), func=np.exp, inverse_func=np.log)
        .fit(X, y / 4)
        .score(X, y / 4)
        > 0.5
    )
    both = np.column_stack([kinds, np.where(X[:, 2] > 0, "a", "b")])
    assert MultiOutputClassifier(TableClassifier(**ONE)).fit(X, both).predict(X).shape == (120, 2)


def test_importance_and_displays() -> None:
    plt = pytest.importorskip("matplotlib.pyplot")
    plt.switch_backend("agg")
    from sklearn.inspection import PartialDependenceDisplay
    from sklearn.metrics import ConfusionMatrixDisplay, RocCurveDisplay
    from sklearn.model_selection import LearningCurveDisplay

    X, y, kinds = numbers()
    model = TableClassifier(**ONE).fit(X, kinds)
    assert RocCurveDisplay.from_estimator(model, X, kinds).roc_auc > 0.95
    assert ConfusionMatrixDisplay.from_estimator(model, X, kinds).confusion_matrix.sum() == 120
    shown = LearningCurveDisplay.from_estimator(TableRegressor(**ONE), X, y, train_sizes=[0.5, 1.0], cv=2)
    assert shown.test_scores.shape == (2, 2)
    PartialDependenceDisplay.from_estimator(TableRegressor(**ONE).fit(X, y), X, [0], grid_resolution=5)
    plt.close("all")


def test_importance() -> None:
    X, y, _ = numbers()
    found = permutation_importance(TableRegressor(**ONE).fit(X, y), X, y, n_repeats=2, random_state=0)
    assert found.importances_mean.argmax() == 1


def test_metadata_reaches_the_estimator_through_a_pipeline() -> None:
    X, y, _ = numbers()
    weight = np.where(np.arange(120) < 60, 1.0, 0.0)
    with sklearn.config_context(enable_metadata_routing=True):
        net = TableRegressor(**(ONE | {"epochs": 300, "plan": {"repeats": 1, "early_stopping": True, "patience": 2}}))
        scale = StandardScaler().set_fit_request(sample_weight=False)
        net.set_fit_request(sample_weight=True, X_val=True, y_val=True)
        pipe = Pipeline([("scale", scale), ("net", net)], transform_input=["X_val"])
        noise = np.random.default_rng(1).normal(size=120)
        pipe.fit(X * 100, y, sample_weight=weight, X_val=X * 100, y_val=noise)
        fitted = pipe[-1]
        assert fitted.model_.run.rows.used == 60
        assert fitted.n_iter_ < 300
        # X_val went through the scaler: its rows lie where those learnt from lie.
        assert not [note for note in fitted.model_.run.inferred if "far outside" in note.text]
        scores = cross_val_score(
            TableRegressor(**ONE).set_fit_request(sample_weight=True).set_score_request(sample_weight=True),
            X,
            y,
            cv=2,
            params={"sample_weight": weight + 1},
        )
        assert scores.shape == (2,)


def test_there_are_few_arguments() -> None:
    for name in ("Table", "Image", "Module"):
        for kind in ("Regressor", "Classifier"):
            params = getattr(danlu, name + kind)().get_params(deep=False)
            assert 10 <= len(params) <= 12, (name, kind)
            assert {"cv", "device", "random_state", "plan"} <= set(params)


def test_columns_of_several_classes_are_learnt_a_column_each() -> None:
    X, _, _ = numbers()
    y = np.column_stack([np.digitize(X[:, 0], [-0.5, 0.5]), np.where(X[:, 1] > 0, 7, 3)])
    settings = {name: value for name, value in ONE.items() if name != "epochs"}
    whole = MultiOutputClassifier(TableClassifier(**settings, epochs=20)).fit(X, y)
    assert whole.score(X, y) > 0.8  # both columns right
    assert [chances.shape[1] for chances in whole.predict_proba(X)] == [3, 2]
    parts = MultiOutputClassifier(TableClassifier(**settings))
    for _ in range(20):
        parts.partial_fit(X, y, classes=[[0, 1, 2], [3, 7]])
    assert np.array_equal(parts.predict(X), whole.predict(X))
