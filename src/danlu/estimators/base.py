"""What all estimators share: parameters that are settings of the plan, one way to fit, and what a fit leaves behind."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state

from danlu.core.errors import PlanError, nearest
from danlu.core.parsing import split_setting
from danlu.core.plan import Plan
from danlu.core.records import Progress
from danlu.estimators.division import WAYS
from danlu.estimators.following import following
from danlu.estimators.metrics import shown_as
from danlu.estimators.pages import Page
from danlu.estimators.scikit import check_is_fitted
from danlu.estimators.targets import Answer, Classes, Numbers, labels_of, numbers_of
from danlu.workflow.fit import fit
from danlu.workflow.given import Given
from danlu.workflow.model import Model

Callback = Callable[[Progress], Any]
"""Called while it trains; training ends once it returns True."""

NOT_HERE = {
    "data": "Give X and y to `fit`.",
    "target": "Give y to `fit`.",
    "test": "Give X_val and y_val to `fit`.",
    "weight": "Give sample_weight to `fit`.",
    "images": "Use danlu.fit.",
}
"""Settings of the plan that are arguments of `fit` here."""


class Estimator(BaseEstimator):
    """The walk as an estimator. Whatever argument of a constructor is named as a field of `danlu.Plan` is that setting.

    `plan` holds all other settings: a `danlu.Plan`, or a dict of its fields. Each of them is a parameter `plan__NAME`
    too, so that a search may vary it. An argument of the constructor comes before the same setting in the plan.
    """

    plan: Plan | Mapping[str, Any] | None
    random_state: Any
    model_: Model
    answer_: Answer

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return all parameters; with `deep` also the settings of the plan, as `plan__NAME`."""
        params = super().get_params(deep=deep)
        if deep:
            planned = self._planned()
            fields = Plan.model_fields.items()
            params |= {f"plan__{name}": planned.get(name, field.default) for name, field in fields}
        return params

    def set_params(self, **params: Any) -> Estimator:
        """Set parameters; `plan__NAME` sets one setting of the plan and leaves the others.

        Raises:
            ValueError: there is no parameter of that name.
        """
        nested = {name.removeprefix("plan__"): params.pop(name) for name in list(params) if name.startswith("plan__")}
        unknown = next((name for name in nested if name not in Plan.model_fields), None)
        if unknown is not None:
            raise ValueError(f"`plan__{unknown}` must be a setting of the plan. {nearest(unknown, Plan.model_fields)}")
        super().set_params(**params)
        if nested:
            self.plan = self._planned() | nested
        return self

    @property
    def history_(self) -> dict[str, np.ndarray]:
        """What happened while training, each value a mean over the networks.

        `loss` and `lr` have an entry an epoch, of classes `accuracy` too. `judged_epoch` are the epochs after which
        the networks were judged; `judged_METRIC` is of the rows that they did not learn from, `val_METRIC` of X_val.
        `model_.arrays` holds the same for each network.
        """
        check_is_fitted(self)
        arrays, metric = self.model_.arrays, self.model_.run.judged_by
        names = {"loss_EM": "loss", "accuracy_EM": "accuracy", "lr_E": "lr", "judged_epochs_J": "judged_epoch"}
        names |= {"judged_JM": f"judged_{metric}", "test_JM": f"val_{metric}"}
        names |= {"watched_JM": f"watched_{self.model_.run.watched_by or 'loss'}"}
        found = {said: np.asarray(arrays[name]) for name, said in names.items() if name in arrays}
        found = {name: values for name, values in found.items() if not np.isnan(values).all()}
        means = {name: values if values.ndim == 1 else _means(values) for name, values in found.items()}
        # Epochs before those of the last `fit`, where that went on, are another history.
        return {name: values[np.isfinite(values).argmax() :] for name, values in means.items()}

    @property
    def n_iter_(self) -> int:
        """Epochs that the longest of the networks took."""
        check_is_fitted(self)
        return max(member.epochs for member in self.model_.run.members)

    def report(self, path: str | Path | None = None) -> Page:
        """Return the page that shows why the model is as good as it is, for a notebook to show.

        Arguments:
            path: where to write it as well.

        Raises:
            OutputError: it cannot be written.
        """
        check_is_fitted(self)
        page = Page.of(self.model_)
        if path is not None:
            page.write(path)
        return page

    def __sklearn_tags__(self) -> Any:
        """Return what scikit-learn may know of the estimator; text is for data frames."""
        tags: Any = super().__sklearn_tags__()  # pyrefly: ignore[missing-attribute]
        tags.input_tags.allow_nan = True
        tags.input_tags.categorical = True
        tags.target_tags.required = True
        tags.target_tags.multi_output = True
        if tags.classifier_tags is not None:
            tags.classifier_tags.multi_label = True
        return tags

    def _planned(self) -> dict[str, Any]:
        """Return the settings of the plan that were given."""
        if isinstance(self.plan, Plan):
            return self.plan.model_dump(exclude_unset=True)
        return dict(self.plan) if isinstance(self.plan, Mapping) else {}

    def _settings(self, ways: Mapping[str, Any]) -> dict[str, Any]:
        """Return all settings: those of the plan, overruled by the arguments, and by how rows are divided.

        Raises:
            PlanError: the plan has a setting that is an argument of `fit` here.
        """
        planned = self._planned()
        if self.plan is not None and not isinstance(self.plan, Plan | Mapping):
            raise PlanError("`plan` must be a danlu.Plan, or a dict", f"got {self.plan!r}", "Use plan=danlu.Plan(...).")
        for name, remedy in NOT_HERE.items():
            if planned.get(name):
                raise PlanError(f"`{name}` is no setting of an estimator's plan", f"got {planned[name]!r}", remedy)
        if ways:
            planned = {name: value for name, value in planned.items() if name not in WAYS}
        own = {name: _plain(value) for name, value in self.get_params(deep=False).items() if name in Plan.model_fields}
        settings = planned | {name: value for name, value in own.items() if value is not None} | dict(ways)
        if "seed" not in settings or self.random_state is not None:
            settings["seed"] = _seed(self.random_state)
        return settings

    def _targets(self, y: Any, name: str) -> tuple[np.ndarray, Answer]:
        """Return y as an array, and how it is put into a table; sets `classes_` of a classifier.

        Raises:
            ValueError: y cannot be learnt.
        """
        if y is None:
            kind = type(self).__name__
            raise ValueError(f"This {kind} estimator requires y to be passed, but the target y is None.")
        if not self._is_classifier():
            y = numbers_of(y)
            return y, Numbers.learn(y, _several(name, y))
        y = labels_of(y)
        if y.ndim == 2:
            self.classes_ = np.arange(y.shape[1])
            return y, Numbers.learn(y.astype(np.float64), _several(name, y))
        self.classes_ = np.unique(y)
        return y, Classes.learn(self.classes_, name)

    def _answered(self, y: Any, name: str, *, anew: bool) -> np.ndarray:
        """Return y as an array; where training goes on, its columns and classes are those learnt."""
        if anew:
            truth, self.answer_ = self._targets(y, name)
            return truth
        return labels_of(y) if self._is_classifier() else numbers_of(y)

    def _target_settings(self, answer: Answer, settings: dict[str, Any]) -> dict[str, Any]:
        """Return what settings become by the kind of the target."""
        settings = dict(settings)
        for name in ("metric", "stop_on"):
            if callable(settings.get(name)):
                settings[name] = shown_as(answer, settings[name], name, classifier=self._is_classifier())
        if isinstance(answer, Classes):
            weights = answer.weights(settings.get("class_weight"))
            return settings | {"task": "classification"} | ({} if weights is None else {"class_weight": weights})
        if not self._is_classifier():
            return settings | {"task": "regression"}
        if settings.get("class_weight") not in (None, "none"):
            raise PlanError(
                "`class_weight` needs one target of classes", "y holds several labels a row", "Use sample_weight."
            )
        own = callable(settings.get("loss"))
        if not own and split_setting(settings.get("loss") or "binary-cross-entropy")[0] != "binary-cross-entropy":
            raise PlanError(
                "several labels a row need loss binary-cross-entropy", f"got {settings['loss']}", "Leave it out."
            )
        settings = settings | {"task": "regression"}
        return settings if own else settings | {"loss": "binary-cross-entropy"}

    def _walk(
        self,
        data: Any,
        target: Sequence[str] | None,
        settings: dict[str, Any],
        given: Given,
        test: Any,
        callbacks: Sequence[Callback] | None,
    ) -> None:
        """Go the walk, and keep what it gives."""
        if test is not None:
            settings = settings | {"watch_test": True}
        with following(callbacks or ()) as (on_progress, stop, done):
            self.model_ = fit(
                data,
                None if target is None else list(target),
                name=type(self).__name__,
                test=test,
                on_progress=on_progress,
                stop=stop,
                given=given,
                **settings,
            )
            done(self.model_)

    def _is_classifier(self) -> bool:
        return getattr(self, "_estimator_type", None) == "classifier" or hasattr(self, "predict_proba")


def _means(values_EM: np.ndarray) -> np.ndarray:
    """Return the mean of each row over what is known; NaN where nothing is."""
    there = ~np.isnan(values_EM)
    return np.where(there, values_EM, 0).sum(axis=1) / np.where(there.any(axis=1), there.sum(axis=1), np.nan)


def _several(name: str, y: np.ndarray) -> tuple[str, ...]:
    """Return a name for each column of y."""
    return (name,) if y.ndim == 1 or y.shape[1] == 1 else tuple(f"{name}{c + 1}" for c in range(y.shape[1]))


def _plain(value: Any) -> Any:
    """Return a number of NumPy, as searches give them, as Python's."""
    return value.item() if isinstance(value, np.generic) else value


def _seed(random_state: Any) -> int:
    """Return the seed that a `random_state` stands for: a whole number is the seed itself.

    Raises:
        ValueError: it is none.
    """
    if isinstance(random_state, int | np.integer) and not isinstance(random_state, bool):
        return int(random_state)
    return int(check_random_state(random_state).randint(2**31 - 1))
