"""Metrics as functions, and early stopping on any metric."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.metrics import (
    average_precision_score,
    balanced_accuracy_score,
    cohen_kappa_score,
    f1_score,
    make_scorer,
    mean_absolute_percentage_error,
    mean_pinball_loss,
    roc_auc_score,
)
from sklearn.model_selection import GridSearchCV

import danlu
from danlu import ImageClassifier, ModuleRegressor, TableClassifier, TableRegressor
from danlu.core.errors import PlanError

FAST: dict[str, Any] = {"hidden": (8,), "epochs": 12, "lr": 0.02, "batch_size": 64, "cv": 3, "random_state": 0}


def numbers(rows: int = 150) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    X = random.normal(size=(rows, 3))
    return X, 5 + X[:, 0] - 2 * X[:, 1] + 0.3 * random.normal(size=rows)


def rare(rows: int = 300) -> tuple[np.ndarray, np.ndarray]:
    """Return rows of which about one in six is "yes"."""
    random = np.random.default_rng(1)
    X = random.normal(size=(rows, 3))
    return X, np.where(X[:, 0] + 0.7 * random.normal(size=rows) > 1.2, "yes", "no")


def out_of_fold(model: Any) -> tuple[np.ndarray, np.ndarray]:
    arrays = model.model_.arrays
    return np.asarray(arrays["truth_NC"]).reshape(len(arrays["rows_N"]), -1), np.asarray(arrays["predicted_NC"])


def test_a_function_is_scored_beside_the_metrics_by_name() -> None:
    X, y = numbers()
    model = TableRegressor(**FAST, metric=mean_absolute_percentage_error).fit(X, y)
    scores = model.model_.run.scores
    truth, said = out_of_fold(model)
    found = scores["mean_absolute_percentage_error"]
    assert found.value == pytest.approx(mean_absolute_percentage_error(truth, said), rel=1e-5)
    assert found.low < found.value < found.high
    assert next(iter(scores)) == "rmse"
    assert "mean_absolute_percentage_error" in model.report().html


def test_functions_are_given_labels_and_weights() -> None:
    X, y = rare()
    seen: list[Any] = []

    def kappa_score(y_true: np.ndarray, y_pred: np.ndarray, sample_weight: np.ndarray | None = None) -> float:
        seen.append((y_true, y_pred, sample_weight))
        return cohen_kappa_score(y_true, y_pred, sample_weight=sample_weight)

    weight = np.where(y == "yes", 3.0, 1.0)
    model = TableClassifier(**FAST, metric=kappa_score).fit(X, y, sample_weight=weight)
    assert {*np.unique(seen[-1][0]), *np.unique(seen[-1][1])} <= {"no", "yes"}
    arrays, labels = model.model_.arrays, model.classes_
    own = weight[arrays["rows_N"]]
    truth, said = labels[arrays["truth_NC"]], labels[arrays["predicted_NC"].argmax(1)]
    expected = cohen_kappa_score(truth, said, sample_weight=own)
    assert model.model_.run.scores["kappa_score"].value == pytest.approx(expected)


def test_scorers_say_what_they_are_given_and_which_way_is_better() -> None:
    X, y = rare()
    chances = make_scorer(average_precision_score, response_method="predict_proba", pos_label="yes")
    model = TableClassifier(**FAST, metric=chances).fit(X, y, X_val=X[:90], y_val=y[:90])
    truth, said = out_of_fold(model)
    expected = average_precision_score(truth[:, 0], said[:, 1])
    assert model.model_.run.scores["average_precision_score"].value == pytest.approx(expected)
    own = average_precision_score(y[:90] == "yes", model.predict_proba(X[:90])[:, 1])
    assert model.model_.run.test["average_precision_score"].value == pytest.approx(own, abs=0.01)
    X, y = numbers()
    low = make_scorer(mean_pinball_loss, alpha=0.9, greater_is_better=False)
    regressor = TableRegressor(**FAST, metric=low).fit(X, y)
    truth, said = out_of_fold(regressor)
    expected = mean_pinball_loss(truth, said, alpha=0.9)
    assert regressor.model_.run.scores["mean_pinball_loss"].value == pytest.approx(expected, rel=1e-5)


def test_several_labels_a_row() -> None:
    X, y = numbers()
    labels = np.column_stack([y > 5, np.ones(len(y)), y > 6]).astype(int)
    seen: list[Any] = []

    def exact_score(y_true: np.ndarray, y_pred: np.ndarray) -> float:
        seen.append((y_true, y_pred))
        return float((y_true == y_pred).all(axis=1).mean())

    model = TableClassifier(**FAST, metric=exact_score).fit(X, labels)
    assert model.model_.run.scores["exact_score"].value > 0.3
    assert all(y_true.shape[1] == 3 and set(np.unique(y_pred)) <= {0, 1} for y_true, y_pred in seen)


def test_images_too() -> None:
    random = np.random.default_rng(0)
    images = random.integers(0, 255, (60, 6, 6)).astype(np.uint8)
    y = np.where(images[:, :, :3].mean((1, 2)) > images.mean((1, 2)), "left", "right")
    settings: dict[str, Any] = {"conv": (4,), "epochs": 2, "cv": 2, "random_state": 0}
    model = ImageClassifier(**settings, metric=balanced_accuracy_score).fit(images, y)
    found = model.model_.run.scores
    assert found["balanced_accuracy_score"].value == pytest.approx(found["balanced-accuracy"].value)


def test_early_stopping_watches_any_metric() -> None:
    X, y = rare()
    plan = {"early_stopping": True, "patience": 100, "judge_every": 1, "repeats": 1}
    settings = FAST | {"cv": 0, "epochs": 25}

    def watched(stop_on: Any) -> np.ndarray:
        """The epochs' values of a metric on rows of one's own, and the best epoch of the network."""
        model = TableClassifier(**settings, plan=plan | {"stop_on": stop_on})
        model.fit(X[:200], y[:200], X_val=X[200:], y_val=y[200:])
        (member,) = model.model_.run.members
        name = stop_on if isinstance(stop_on, str) else stop_on.__name__
        curve = model.history_[f"watched_{name}"]
        best = curve.argmin() if name in ("loss", "log-loss", "brier") else curve.argmax()
        assert member.best_epoch == best + 1
        probability = model.predict_proba(X[200:])[:, 1]
        truth = y[200:] == "yes"
        expected = {
            "roc-auc": lambda: roc_auc_score(truth, probability),
            "f1": lambda: f1_score(truth, probability > 0.5),
            "balanced-accuracy": lambda: balanced_accuracy_score(truth, probability > 0.5),
            "f1_score": lambda: f1_score(truth, probability > 0.5),
            "brier": lambda: np.square(truth - probability).mean(),
            "accuracy": lambda: ((probability > 0.5) == truth).mean(),
        }
        if name in expected:
            assert curve[best] == pytest.approx(expected[name](), abs=1e-6)
        return curve

    loss = watched("loss")
    auc, by_function = watched("roc-auc"), watched(binary_f1_score())
    assert loss.argmin() != auc.argmax()  # they disagree on when to stop
    assert np.allclose(watched("f1"), by_function)
    for name in ("balanced-accuracy", "brier", "accuracy", "log-loss"):
        watched(name)


def binary_f1_score() -> Any:
    def f1_score_(y_true: np.ndarray, y_pred: np.ndarray) -> float:
        return f1_score(y_true, y_pred, pos_label="yes")

    f1_score_.__name__ = "f1_score"
    return f1_score_


def test_a_metric_that_disagrees_with_the_loss_decides() -> None:
    X, y = numbers()

    def low_score(_: np.ndarray, y_pred: np.ndarray) -> float:
        return -float(y_pred.mean())  # whatever is true

    plan = {"early_stopping": True, "patience": 3, "stop_on": low_score, "repeats": 1, "scale_target": "none"}
    model = TableRegressor(**(FAST | {"cv": 0, "epochs": 60}), plan=plan).fit(X, y)
    curve = model.history_["watched_low_score"]
    (member,) = model.model_.run.members
    # Predictions begin near 0 and rise towards 5: the best epoch is the first one.
    assert member.best_epoch == curve.argmax() + 1 == 1
    assert member.epochs == 4
    assert model.model_.run.watched_by == "low_score"
    parts = {row[0] for row in zip(model.model_.history()["metric"], model.model_.history()["part"], strict=True)}
    assert "low_score" in parts


def test_estimators_with_functions_are_cloned_pickled_and_searched() -> None:
    X, y = numbers()
    model = TableRegressor(**FAST, metric=mean_absolute_percentage_error)
    again = pickle.loads(pickle.dumps(clone(model).fit(X, y)))
    assert np.array_equal(again.predict(X), model.fit(X, y).predict(X))
    search = GridSearchCV(
        TableRegressor(**(FAST | {"cv": 0, "epochs": 4}), plan={"early_stopping": True, "repeats": 1}),
        {"plan__stop_on": ["loss", "mae", "neg_root_mean_squared_error"]},
        cv=2,
    ).fit(X, y)
    assert search.best_estimator_.model_.run.resolved.stop_on in ("loss", "mae", "rmse")


def test_of_danlu_fit_names_of_classes() -> None:
    X, y = rare()
    seen: list[np.ndarray] = []

    def share_score(y_true: np.ndarray, y_pred: np.ndarray) -> float:
        seen.append(y_pred)
        return float(np.mean(y_true == y_pred))

    table = {"a": X[:, 0], "b": X[:, 1], "kind": y}
    model = danlu.fit(table, "kind", hidden=(8,), epochs=5, metric=share_score, folds=3, repeats=1)
    assert model.run.scores["share_score"].value == pytest.approx(model.run.scores["accuracy"].value)
    assert set(seen[-1]) <= {"no", "yes"}


def flat(y_true: np.ndarray, y_pred: np.ndarray) -> float:
    return float(np.mean(y_true == y_pred))


def wrong_score(y_true: np.ndarray, y_pred: np.ndarray) -> np.ndarray:
    return y_true == y_pred


def broken_error(y_true: np.ndarray) -> float:
    return float(y_true.mean())


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"metric": flat}, "must say whether more is better, flat does not. Call it flat_score or flat_error"),
        ({"metric": wrong_score}, "metric wrong_score must give one number, it gave ndarray"),
        ({"metric": broken_error}, "metric broken_error must take y_true.*it raised TypeError"),
        ({"metric": "f1"}, "`metric` f1 needs classes"),
        ({"plan": {"stop_on": "rmse"}}, "`stop_on` belongs to early stopping"),
        ({"plan": {"stop_on": mean_absolute_percentage_error}}, "`stop_on` belongs to early stopping"),
        ({"plan": {"stop_on": "auc", "early_stopping": True}}, "`stop_on` roc-auc needs classes"),
        ({"plan": {"stop_on": "speed", "early_stopping": True}}, "`stop_on` must be one of"),
    ],
)
def test_what_is_no_metric_is_refused(settings: dict[str, Any], words: str) -> None:
    X, y = numbers()
    with pytest.raises(ValueError, match=words) as refused:
        TableRegressor(**FAST, **settings).fit(X, y)
    assert isinstance(refused.value, PlanError)


def test_of_modules_in_the_plan_and_it_is_said() -> None:
    X, y = numbers()
    settings: dict[str, Any] = {"epochs": 5, "cv": 2, "random_state": 0}
    plan = {"metric": mean_absolute_percentage_error, "early_stopping": True, "stop_on": mean_absolute_percentage_error}
    model = ModuleRegressor(**settings, plan=plan).fit(X, y)
    assert model.model_.run.scores["mean_absolute_percentage_error"].value > 0
    notes = {note.topic: note.text for note in model.model_.run.inferred}
    for topic in ("metric", "stop_on"):
        assert notes[topic].startswith("mean_absolute_percentage_error, a function of your own")
