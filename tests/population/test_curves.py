"""When members are judged."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from danlu.population import judged_epochs


@given(epochs=st.integers(1, 2_000_000))
def test_at_most_500_judgings_spread_by_logarithm(epochs: int) -> None:
    judged = judged_epochs(epochs)
    assert len(judged) <= 500
    assert judged[0] == 1
    assert judged[-1] == epochs
    assert (np.diff(judged) > 0).all()
    if epochs <= 500:
        assert len(judged) == epochs


def test_a_step_asked_for_is_kept_and_the_last_epoch_is_judged() -> None:
    assert judged_epochs(25, 10).tolist() == [10, 20, 25]
    assert judged_epochs(3, 10).tolist() == [3]
