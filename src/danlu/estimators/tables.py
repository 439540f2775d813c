"""`TableRegressor` and `TableClassifier`: Danlu's networks on tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from sklearn.utils.validation import check_consistent_length

from danlu.artifact import Predictions
from danlu.core.errors import DataError, PlanError
from danlu.core.parsing import parse_kinds
from danlu.core.plan import Plan
from danlu.data import RawTable, read
from danlu.estimators.answers import Classifying, Regressing
from danlu.estimators.base import Callback, Estimator
from danlu.estimators.division import among, division, going_on, is_none
from danlu.estimators.inputs import columns_of, names_of, own_name
from danlu.estimators.refusals import as_value_errors
from danlu.estimators.scikit import check_is_fitted
from danlu.estimators.targets import check_classes, name_of, numbers_of, weights_of
from danlu.workflow.given import Given


@dataclass(frozen=True)
class Rows:
    """What `fit` is called with."""

    X: Any
    y: Any
    weight: Any = None
    groups: Any = None
    X_val: Any = None
    y_val: Any = None


class OnTables(Estimator):
    """An estimator whose X is a table."""

    cv: Any
    warm_start: bool

    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        *,
        groups: Any = None,
        X_val: Any = None,
        y_val: Any = None,
        callbacks: Sequence[Callback] | None = None,
    ) -> Self:
        """Train and judge networks.

        Arguments:
            X: `[N, F]`, an array of numbers or a data frame; cells may be missing, and text needs no encoding.
            y: numbers or classes `[N]`, or several `[N, C]`.
            sample_weight: what each row counts `[N]`; a row of weight 0 counts as if it were not there.
            groups: rows with the same one stay in one fold `[N]`.
            X_val, y_val: rows of one's own that are scored after each epoch; with `early_stopping` training stops by
                them.
            callbacks: called with `Progress` records; training ends once one returns True.

        Raises:
            ValueError: an argument is out of range, or the rows cannot be learnt from.
            TrainingError: no network survived.
        """
        start = getattr(self, "ended_", None) if self.warm_start else None
        rows = Rows(X, y, sample_weight, groups, X_val, y_val)
        with as_value_errors():
            cv = going_on(self.cv) if self.warm_start else self.cv
            anew: dict[str, Any] = {"schedule": "constant"} if self.warm_start else {}
            self._learn(rows, cv, Given(keep=bool(self.warm_start) or is_none(cv), start=start), anew, callbacks)
        return self

    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> Self:
        """Take one more epoch, on these rows, from where training ended: in the last call, or a `fit` with `cv=0`.

        All rows are learnt from, and none is judged, whatever `cv` is; after a `fit` that judged rows it begins anew.

        As many calls with the same rows are the same as one `fit` with `cv=0` and so many epochs, where the learning
        rate is constant. What the first rows became, their scaling and their categories, stays.

        Arguments:
            X, y, sample_weight: as of `fit`.
            classes: all classes, in the first call; the rows of the first call must have all of them.

        Raises:
            ValueError: as of `fit`; rows have other columns or classes than the first ones.
        """
        start = getattr(self, "ended_", None)
        with as_value_errors():
            check_classes(classes, y, begun=start is not None)
            anew = {} if start is not None else {"schedule": "constant"}
            self._learn(Rows(X, y, sample_weight), 0, Given(keep=True, start=start), anew, None, epochs=1)
        return self

    @property
    def feature_importances_(self) -> np.ndarray:
        """By how much the loss of a metric rises when a column of X is shuffled, `[F]`, on rows not learnt from.

        Numbers of `model_.importance()`: rmse (or mae, rmsle where that is the metric) in the units of y, of classes
        the log-loss. They do not sum to 1; about 0, or below, is a column that does not matter, and one that was left
        out (constant, say) has 0. Columns that say the same share what they are worth.

        Raises:
            AttributeError: no row was judged.
        """
        return self._importances()[:, 0]

    @property
    def feature_importances_interval_(self) -> np.ndarray:
        """The 95% interval of each of `feature_importances_` over rows, `[F, 2]`; NaN where there are too few."""
        return self._importances()[:, 1:]

    def _importances(self) -> np.ndarray:
        """Return importance, low and high of each column of X, `[F, 3]`."""
        check_is_fitted(self)
        try:
            found = self.model_.importance()
        except PlanError as error:
            raise AttributeError(str(error)) from None
        of = {name: i for i, name in enumerate(found["column"])}
        values = np.array([found[part] for part in ("importance", "low", "high")], dtype=np.float64).T
        return np.stack([values[of[name]] if name in of else np.zeros(3) for name in names_of(self)])

    def _learn(
        self,
        rows: Rows,
        cv: Any,
        given: Given,
        unless: dict[str, Any],
        callbacks: Sequence[Callback] | None,
        **now: Any,
    ) -> None:
        """Go the walk with rows, from the beginning or from where training ended.

        Arguments:
            unless: settings that count where the user has none.
            now: settings of this call alone.
        """
        columns, kinds = columns_of(self, rows.X, reset=given.start is None)
        truth = self._answered(rows.y, own_name(name_of(rows.y), columns), anew=given.start is None)
        check_consistent_length(rows.X, truth)
        ways, pairs = division(cv, rows.X, rows.y, rows.groups, classifier=self._is_classifier())
        settings = unless | self._settings(ways) | now
        if "kinds" in settings:
            kinds |= parse_kinds(settings["kinds"])
        settings = self._target_settings(self.answer_, settings | {"kinds": kinds})
        table = columns | self.answer_.columns(truth)
        weight = weights_of(rows.weight, truth)
        if weight is not None:
            name = settings["weight"] = own_name("sample weight", table)
            table[name] = weight
        if rows.groups is not None and not pairs:
            check_consistent_length(rows.X, rows.groups)
            name = settings["group"] = own_name("groups", table)
            table[name] = np.asarray(rows.groups)
        raw = read(table)
        if weight is not None and not weight.all():
            kept = np.flatnonzero(weight)
            raw, pairs = raw.take(kept), among(pairs, kept)
        test = None if rows.X_val is None else self._table(rows.X_val, rows.y_val)
        given = replace(given, pairs=pairs, stop_on_test=test is not None)
        self._walk(raw, self.answer_.learnt, settings, given, test, callbacks)
        self.ended_ = self.model_.ended

    def _table(self, X: Any, y: Any) -> RawTable:
        """Return rows with their truth as a table."""
        columns, _ = columns_of(self, X, reset=False)
        if y is None:
            raise DataError("`X_val` needs the truth of its rows", "there is no `y_val`", "Give both.")
        truth = np.asarray(y) if self._is_classifier() else numbers_of(y)
        check_consistent_length(X, truth)
        return read(columns | self.answer_.columns(truth))

    def _predictions(self, X: Any, *, sure: bool = False) -> Predictions:
        with as_value_errors():
            columns, _ = columns_of(self, X, reset=False)
            return self.model_.predictions(read(columns), sure=sure)


class TableRegressor(Regressing, OnTables):
    """Networks that predict numbers from a table, trained many at once and judged on rows that they never saw.

    Arguments:
        hidden: widths of hidden layers, (256, 128) or "130x3"; None: Danlu's tuned recipe.
        epochs: passes over the rows.
        lr: learning rate.
        batch_size: rows a step, or "all".
        dropout: share of units left out at random after each activation.
        cv: how rows are divided into those learnt from and those judged; a network is trained for each division, and
            all predict together. A number of folds, a share to hold out, 0 (all rows are learnt from, none judged), a
            splitter of scikit-learn, or pairs of row numbers; None: 5 folds, repeated for small tables.
        metric: the main metric of the report: rmse, mae, rmsle or r2.
        warm_start: whether a second `fit` goes on from where the first one ended; the learning rate is then constant
            unless the plan has a schedule, and no row is judged (cv=0).
        device: auto, cpu, cuda, cuda:N or mps.
        random_state: decides all random numbers; a whole number is the seed.
        plan: all other settings, a `danlu.Plan` or a dict of its fields; `plan__NAME` sets one of them.

    Attributes:
        model_: the `danlu.Model`: its `run` is the record of the fit, with scores and findings; `save` keeps it.
        history_: curves of the training.
        feature_importances_, feature_importances_interval_: what each column is worth, by rows not learnt from.
        n_features_in_, feature_names_in_: as everywhere in scikit-learn.

    >>> X = np.linspace(0, 1, 60)[:, None]
    >>> TableRegressor(hidden=(8,), epochs=200, lr=0.01, cv=3, random_state=0).fit(X, 2 * X[:, 0]).score(X, 2 * X) > 0.9
    True
    """

    def __init__(  # noqa: PLR0913  few enough
        self,
        *,
        hidden: Any = None,
        epochs: int | None = None,
        lr: float | None = None,
        batch_size: int | str | None = None,
        dropout: float | None = None,
        cv: Any = None,
        metric: str | None = None,
        warm_start: bool = False,
        device: str | None = None,
        random_state: Any = None,
        plan: Plan | Mapping[str, Any] | None = None,
    ) -> None:
        self.hidden = hidden
        self.epochs = epochs
        self.lr = lr
        self.batch_size = batch_size
        self.dropout = dropout
        self.cv = cv
        self.metric = metric
        self.warm_start = warm_start
        self.device = device
        self.random_state = random_state
        self.plan = plan


class TableClassifier(Classifying, OnTables):
    """Networks that predict classes from a table, trained many at once and judged on rows that they never saw.

    Arguments:
        hidden, epochs, lr, batch_size, dropout, cv, warm_start, device, random_state, plan: as of `TableRegressor`.
        metric: the main metric of the report, which also decides the threshold: accuracy, balanced-accuracy, log-loss,
            roc-auc, f1 or brier.
        class_weight: what mistakes on a class cost: "balanced", or a dict of classes.

    Attributes:
        classes_: the classes, in the order of `predict_proba`; of several labels a row, their numbers.
        model_, history_, feature_importances_, n_features_in_, feature_names_in_: as of `TableRegressor`.

    >>> X = np.repeat([[0.0], [1.0]], 30, axis=0)
    >>> y = np.repeat(["no", "yes"], 30)
    >>> model = TableClassifier(hidden=(4,), epochs=60, lr=0.02, batch_size=20, cv=3, random_state=0).fit(X, y)
    >>> model.predict([[0.1], [0.9]]).tolist()
    ['no', 'yes']
    """

    def __init__(  # noqa: PLR0913  few enough
        self,
        *,
        hidden: Any = None,
        epochs: int | None = None,
        lr: float | None = None,
        batch_size: int | str | None = None,
        dropout: float | None = None,
        cv: Any = None,
        metric: str | None = None,
        class_weight: Any = None,
        warm_start: bool = False,
        device: str | None = None,
        random_state: Any = None,
        plan: Plan | Mapping[str, Any] | None = None,
    ) -> None:
        self.hidden = hidden
        self.epochs = epochs
        self.lr = lr
        self.batch_size = batch_size
        self.dropout = dropout
        self.cv = cv
        self.metric = metric
        self.class_weight = class_weight
        self.warm_start = warm_start
        self.device = device
        self.random_state = random_state
        self.plan = plan
