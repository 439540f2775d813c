"""Functions as metrics, given what `predict` and `predict_proba` give."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from danlu.core.records import TargetSchema
from danlu.estimators.targets import Answer, Classes
from danlu.judging.functions import OwnMetric, own_metric


def shown_as(answer: Answer, given: Any, setting: str, *, classifier: bool) -> OwnMetric:
    """Return the metric that a function or scorer stands for, of y as the user has it.

    Arguments:
        answer: how y became a table.
        given: the function.
        setting: what it was given for, for messages.
        classifier: whether numbers are labels, of which a row may have several.

    Raises:
        PlanError: nothing says whether more is better.
    """
    metric = own_metric(given, setting)

    def numbers(
        _: TargetSchema, truth: np.ndarray, predicted_NC: np.ndarray, __: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray]:
        assert not isinstance(answer, Classes)
        y_true, y_pred = answer.whole(np.asarray(truth).reshape(predicted_NC.shape)), answer.whole(predicted_NC)
        if not classifier:
            return y_true, y_pred
        return y_true.astype(np.int64), y_pred if metric.proba else (y_pred > 0.5).astype(np.int64)

    def classes(
        target: TargetSchema, truth: np.ndarray, predicted_NC: np.ndarray, guess_N: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray]:
        assert isinstance(answer, Classes)
        labels = answer.labels[[answer.texts.index(text) for text in target.classes]]
        if guess_N is not None:
            return labels[truth], labels[guess_N]
        chances_NC = answer.whole(predicted_NC, target)
        return labels[truth], chances_NC[:, 1] if chances_NC.shape[1] == 2 else chances_NC

    return replace(metric, shown=classes if isinstance(answer, Classes) else numbers)
