"""When training ends for a member: early stopping on its own watched rows, with the best weights kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

PATIENCE = 16
"""Judgings without gain before a member stops, where the plan names none."""


@dataclass(frozen=True)
class StopOn:
    """A metric that early stopping watches in the place of the loss.

    Arguments:
        name: of the metric.
        greater: whether more is better.
        of: takes truth (`[N, C]` numbers in the user's units, or class codes `[N]`), what one member predicts (`[N, C]`
            numbers or probabilities) and weights `[N]` of the watched rows, and gives the metric, NaN where it is
            undefined. None: rmse, mae, rmsle, accuracy or log-loss, which are taken for all members at once.
    """

    name: str
    greater: bool
    of: Callable[[np.ndarray, np.ndarray, np.ndarray], float] | None = None


@dataclass
class EarlyStopping:
    """Watches a number on watched rows that is to fall: by default the *loss*, which is smooth, and what training
    lowers, where a metric moves in jumps; or a metric, those of which more is better with the sign turned.

    A judging counts as gain where the number is lower than ever before. A member stops after `patience`
    judgings in a row without gain, of which undefined ones (NaN) are none; its best weights and running moments are
    kept.

    Shape: best_M, best_epoch_M and waited_M on the host; weights_MP, state_MS on the device.
    """

    weights_MP: Tensor
    state_MS: Tensor
    patience: int = PATIENCE
    best_M: np.ndarray = field(init=False)
    best_epoch_M: np.ndarray = field(init=False)
    """Epoch of the best judging, 0 before the first."""
    waited_M: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        members = len(self.weights_MP)
        self.best_M = np.full(members, np.inf)
        self.best_epoch_M = np.zeros(members, dtype=np.int64)
        self.waited_M = np.zeros(members, dtype=np.int64)

    def judge(self, loss_M: np.ndarray, epoch: int, weights_MP: Tensor, state_MS: Tensor) -> np.ndarray:
        """Take what one judging's watched rows gave; return which members stop now, bool `[M]`."""
        gained = loss_M < self.best_M
        self.best_M = np.where(gained, loss_M, self.best_M)
        self.best_epoch_M = np.where(gained, epoch, self.best_epoch_M)
        self.waited_M = np.where(gained, 0, self.waited_M + ~np.isnan(loss_M))
        if gained.any():
            gained_M1 = torch.from_numpy(gained)[:, None].to(weights_MP.device)
            self.weights_MP = torch.where(gained_M1, weights_MP, self.weights_MP)
            self.state_MS = torch.where(gained_M1, state_MS, self.state_MS)
        return self.waited_M >= self.patience

    def select(self, index: Sequence[int]) -> None:
        """Keep only some members."""
        kept = list(index)
        on_device = torch.tensor(kept, device=self.weights_MP.device)
        self.weights_MP, self.state_MS = self.weights_MP[on_device], self.state_MS[on_device]
        self.best_M, self.best_epoch_M = self.best_M[kept], self.best_epoch_M[kept]
        self.waited_M = self.waited_M[kept]
