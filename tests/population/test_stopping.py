"""Early stopping, by hand."""

from __future__ import annotations

import numpy as np
import torch

from danlu.population.stopping import EarlyStopping


def test_the_best_is_kept_and_patience_counts_judgings_without_gain() -> None:
    losses = np.array([[3.0, 1.0], [2.0, 1.0], [2.5, np.nan], [2.0, 0.5], [4.0, 2.0]])
    stopping = EarlyStopping(torch.zeros(2, 1), torch.zeros(2, 0), patience=3)
    stops = []
    for epoch, loss in enumerate(losses, start=1):
        stops.append(stopping.judge(loss, epoch, torch.full((2, 1), float(epoch)), torch.zeros(2, 0)).tolist())
    # The first member's best is epoch 2 (an equal loss is no gain), the second's epoch 4.
    assert stopping.best_epoch_M.tolist() == [2, 4]
    assert stopping.weights_MP.tolist() == [[2.0], [4.0]]
    assert stops == [[False, False]] * 4 + [[True, False]]


def test_members_leave() -> None:
    stopping = EarlyStopping(torch.arange(3.0)[:, None], torch.zeros(3, 0), patience=1)
    stopping.judge(np.array([1.0, 2.0, 3.0]), 1, torch.arange(3.0)[:, None] + 10, torch.zeros(3, 0))
    stopping.select([2, 0])
    assert stopping.best_M.tolist() == [3.0, 1.0]
    assert stopping.weights_MP.tolist() == [[12.0], [10.0]]
