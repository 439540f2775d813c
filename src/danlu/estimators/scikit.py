"""Names of scikit-learn 1.6 and later that type checkers do not know yet, and some that begin with an underscore."""

from __future__ import annotations

from typing import Any

from sklearn.utils import validation

_later: Any = validation
validate_data: Any = _later.validate_data
check_is_fitted: Any = _later.check_is_fitted
check_weights: Any = _later._check_sample_weight
