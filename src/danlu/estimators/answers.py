"""Predictions as scikit-learn expects them: of numbers, and of classes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from sklearn.base import ClassifierMixin, RegressorMixin

from danlu.artifact import Predictions
from danlu.estimators.refusals import as_value_errors
from danlu.estimators.scikit import check_is_fitted
from danlu.estimators.targets import Answer, Classes, Numbers


class Regressing(RegressorMixin):
    """An estimator of numbers."""

    answer_: Answer
    _predictions: Callable[..., Predictions]

    def predict(self, X: Any) -> np.ndarray:
        """Predict numbers: `[N]`, or `[N, C]` where y had columns."""
        check_is_fitted(self)
        assert isinstance(self.answer_, Numbers)
        return self.answer_.whole(self._predictions(X).values)

    def predict_interval(self, X: Any, level: float = 0.9) -> np.ndarray:
        """Predict intervals that hold a share `level` of truths: `[N, 2]`, or `[N, C, 2]`.

        They come from errors on rows that the networks had not learnt from, so `cv` must judge some.

        Raises:
            ValueError: no row was judged, or too few for this level.
        """
        check_is_fitted(self)
        assert isinstance(self.answer_, Numbers)
        with as_value_errors():
            return self.answer_.whole(np.stack(self._predictions(X, sure=True).interval(level), axis=2))

    def predict_quantiles(self, X: Any, shares: Sequence[float] = (0.1, 0.5, 0.9)) -> np.ndarray:
        """Predict the values below which these shares of truths are expected: `[N, Q]`, or `[N, C, Q]`.

        Raises:
            ValueError: no row was judged, or a share is not between 0 and 1.
        """
        check_is_fitted(self)
        assert isinstance(self.answer_, Numbers)
        with as_value_errors():
            return self.answer_.whole(self._predictions(X, sure=True).quantiles(shares))


class Classifying(ClassifierMixin):
    """An estimator of classes, or of several labels a row."""

    answer_: Answer
    classes_: np.ndarray
    _predictions: Callable[..., Predictions]

    def predict(self, X: Any) -> np.ndarray:
        """Predict the likeliest class `[N]` (by the threshold where class weights or the metric gave one), or labels of
        0 and 1 `[N, C]`."""
        check_is_fitted(self)
        said = self._predictions(X)
        if isinstance(self.answer_, Numbers):
            return (self.answer_.whole(said.values) > 0.5).astype(np.int64)
        place = {text: c for c, text in enumerate(self.answer_.texts)}
        return self.classes_[[place[text] for text in said.labels()]]

    def predict_proba(self, X: Any) -> np.ndarray:
        """Predict the probability of each class, in the order of `classes_`, or of each label: `[N, C]`."""
        check_is_fitted(self)
        said = self._predictions(X)
        if isinstance(self.answer_, Numbers):
            return self.answer_.whole(said.values)
        assert isinstance(self.answer_, Classes)
        return self.answer_.whole(said.values, said.target)
