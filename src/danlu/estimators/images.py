"""`ImageRegressor` and `ImageClassifier`: Danlu's networks on arrays of images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Self

import numpy as np
from sklearn.utils.validation import check_consistent_length

from danlu.artifact import Predictions
from danlu.core.errors import DataError
from danlu.core.plan import Plan
from danlu.estimators.answers import Classifying, Regressing
from danlu.estimators.base import Callback, Estimator
from danlu.estimators.division import among, division, is_none
from danlu.estimators.refusals import as_value_errors
from danlu.estimators.targets import check_classes, name_of, numbers_of, weights_of
from danlu.workflow.given import Given


class OnImages(Estimator):
    """An estimator whose X are images of one size."""

    cv: Any

    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        *,
        X_val: Any = None,
        y_val: Any = None,
        callbacks: Sequence[Callback] | None = None,
    ) -> Self:
        """Train and judge networks.

        Arguments:
            X: `[N, H, W]`, `[N, K, H, W]` or `[N, H, W, K]`, whole numbers from 0 to 255 or floats.
            y: numbers or classes `[N]`, or several `[N, C]`.
            sample_weight: what each image counts `[N]`; one of weight 0 counts as if it were not there.
            X_val, y_val: images of one's own that are scored after each epoch; with `early_stopping` training stops by
                them.
            callbacks: called with `Progress` records; training ends once one returns True.

        Raises:
            ValueError: an argument is out of range, or the images cannot be learnt from.
            TrainingError: no network survived.
        """
        with as_value_errors():
            given = Given(keep=is_none(self.cv), weight_N=sample_weight)
            self._learn(X, y, self.cv, given, {}, (X_val, y_val), callbacks)
        return self

    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> Self:
        """Take one more epoch, on these images, from where training ended: in the last call, or a `fit` with `cv=0`.

        All images are learnt from, and none is judged, whatever `cv` is; after a `fit` that judged some it begins anew.
        As many calls with the same images are the same as one `fit` with `cv=0` and so many epochs, where the learning
        rate is constant.

        Arguments:
            X, y, sample_weight: as of `fit`.
            classes: all classes, in the first call; the images of the first call must have all of them.

        Raises:
            ValueError: as of `fit`; images have another form or other classes than the first ones.
        """
        start = getattr(self, "ended_", None)
        with as_value_errors():
            check_classes(classes, y, begun=start is not None)
            anew = {} if start is not None else {"schedule": "constant"}
            given = Given(keep=True, start=start, weight_N=sample_weight)
            self._learn(X, y, 0, given, anew, (None, None), None, epochs=1)
        return self

    def _learn(
        self,
        X: Any,
        y: Any,
        cv: Any,
        given: Given,
        unless: dict[str, Any],
        own: tuple[Any, Any],
        callbacks: Sequence[Callback] | None,
        **now: Any,
    ) -> None:
        """Go the walk with images, from the beginning or from where training ended.

        Arguments:
            unless: settings that count where the user has none.
            own: images of the user's own to score, and their truth.
            now: settings of this call alone.
        """
        images = _images(X)
        truth = self._answered(y, name_of(y), anew=given.start is None)
        check_consistent_length(images, truth)
        ways, pairs = division(cv, np.zeros((len(images), 1)), y, None, classifier=self._is_classifier())
        settings = self._target_settings(self.answer_, unless | self._settings(ways) | now)
        weight = weights_of(given.weight_N, truth)
        if weight is not None and not weight.all():
            kept = np.flatnonzero(weight)
            images, truth, weight, pairs = images[kept], truth[kept], weight[kept], among(pairs, kept)
        test = None
        if own[0] is not None:
            if own[1] is None:
                raise DataError("`X_val` needs the truth of its images", "there is no `y_val`", "Give both.")
            known = np.asarray(own[1]) if self._is_classifier() else numbers_of(own[1])
            test = (_images(own[0]), self._labels(known))
        given = replace(given, pairs=pairs, stop_on_test=test is not None, weight_N=weight)
        self._walk((images, self._labels(truth)), self.answer_.learnt, settings, given, test, callbacks)
        self.ended_ = self.model_.ended

    def __sklearn_tags__(self) -> Any:
        """Return what scikit-learn may know of the estimator: X is no table."""
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.three_d_array = True
        tags.input_tags.categorical = False
        tags.input_tags.allow_nan = False
        return tags

    def _labels(self, truth: np.ndarray) -> np.ndarray:
        """Return y as labels of images: names, or numbers `[N, C]`."""
        columns = list(self.answer_.columns(truth).values())
        return columns[0] if columns[0].dtype == object else np.stack(columns, axis=1)

    def _predictions(self, X: Any, *, sure: bool = False) -> Predictions:
        with as_value_errors():
            return self.model_.predictions(_images(X), sure=sure)


def _images(X: Any) -> np.ndarray:
    """Return images as one array.

    Raises:
        DataError: it has not three or four axes.
    """
    images = np.asarray(X)
    if images.ndim not in (3, 4):
        raise DataError(
            "images must have the axes [N, H, W], [N, K, H, W] or [N, H, W, K]",
            f"the shape of X is {list(images.shape)}",
            "Reshape it, or use TableClassifier for a table.",
        )
    return images


class ImageRegressor(Regressing, OnImages):
    """Networks that predict numbers from images, trained many at once and judged on images that they never saw.

    Arguments:
        conv: channels of the convolutions, (16, 32); None: Danlu's small residual network.
        augment: how images are changed at random: "flip,shift:2"; "none".
        epochs, lr, batch_size, dropout, cv, metric, device, random_state, plan: as of `TableRegressor`.

    Attributes:
        model_, history_: as of `TableRegressor`.
    """

    def __init__(  # noqa: PLR0913  few enough
        self,
        *,
        conv: Any = None,
        augment: Any = None,
        epochs: int | None = None,
        lr: float | None = None,
        batch_size: int | str | None = None,
        dropout: float | None = None,
        cv: Any = None,
        metric: str | None = None,
        device: str | None = None,
        random_state: Any = None,
        plan: Plan | Mapping[str, Any] | None = None,
    ) -> None:
        self.conv = conv
        self.augment = augment
        self.epochs = epochs
        self.lr = lr
        self.batch_size = batch_size
        self.dropout = dropout
        self.cv = cv
        self.metric = metric
        self.device = device
        self.random_state = random_state
        self.plan = plan


class ImageClassifier(Classifying, OnImages):
    """Networks that predict classes from images, trained many at once and judged on images that they never saw.

    Arguments:
        conv, augment: as of `ImageRegressor`.
        epochs, lr, batch_size, dropout, cv, device, random_state, plan: as of `TableRegressor`.
        metric, class_weight: as of `TableClassifier`.

    Attributes:
        classes_, model_, history_: as of `TableClassifier`.
    """

    def __init__(  # noqa: PLR0913  few enough
        self,
        *,
        conv: Any = None,
        augment: Any = None,
        epochs: int | None = None,
        lr: float | None = None,
        batch_size: int | str | None = None,
        dropout: float | None = None,
        cv: Any = None,
        metric: str | None = None,
        class_weight: Any = None,
        device: str | None = None,
        random_state: Any = None,
        plan: Plan | Mapping[str, Any] | None = None,
    ) -> None:
        self.conv = conv
        self.augment = augment
        self.epochs = epochs
        self.lr = lr
        self.batch_size = batch_size
        self.dropout = dropout
        self.cv = cv
        self.metric = metric
        self.class_weight = class_weight
        self.device = device
        self.random_state = random_state
        self.plan = plan
