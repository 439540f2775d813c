"""Everything that scikit-learn checks of an estimator holds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from danlu import ModuleClassifier, ModuleRegressor, TableClassifier, TableRegressor

# Whole passes in float64, scaled by weighted means: a weight of 2 is then the same as the row twice.
EXACT: dict[str, Any] = {
    "epochs": 60,
    "lr": 0.02,
    "batch_size": "all",
    "cv": 0,
    "plan": {"dtype": "float64", "scale": "standard", "threads": 1},
}
# Several networks on batches, judged: which rows share a step is drawn, so that a row twice is not one of weight 2.
BATCHES: dict[str, Any] = {"epochs": 40, "lr": 0.02, "batch_size": 32, "cv": 2, "plan": {"repeats": 1, "threads": 1}}
DRAWN = {
    "check_sample_weight_equivalence_on_dense_data": "rows are dealt into batches at random",
    "check_sample_weight_equivalence_on_sparse_data": "rows are dealt into batches at random",
}


def drawn(estimator: Any) -> dict[str, str]:
    return DRAWN


@parametrize_with_checks(
    [
        TableRegressor(hidden=(16,), **EXACT),
        TableClassifier(hidden=(16,), **EXACT),
        ModuleRegressor(**EXACT),
        ModuleClassifier(**EXACT),
    ]
)
def test_all_checks_hold_in_whole_passes(estimator: Any, check: Callable[[Any], None]) -> None:
    check(estimator)


@parametrize_with_checks(
    [TableRegressor(hidden=(16,), **BATCHES), TableClassifier(hidden=(16,), **BATCHES)],
    expected_failed_checks=drawn,
)
def test_all_checks_but_equal_weights_hold_in_batches(estimator: Any, check: Callable[[Any], None]) -> None:
    check(estimator)


@pytest.mark.slow
@parametrize_with_checks(
    [TableRegressor(), TableClassifier(), ModuleRegressor(**BATCHES), ModuleClassifier(**BATCHES)],
    expected_failed_checks=drawn,
)
def test_they_hold_of_the_recipe_too(estimator: Any, check: Callable[[Any], None]) -> None:
    check(estimator)
