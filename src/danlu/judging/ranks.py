"""The area under the ROC curve, for many weightings of the same rows at once.

The area is the chance that a row of the class gets a higher score than a row of another, ties counting half.
Rows are sorted once; each weighting then costs a gather and a running sum (`areas`), or, for many rows, a
matrix product with the rows' placements (`areas_near`).
"""

from __future__ import annotations

import numpy as np


class Ranks:
    """One score sorted once, against one yes/no truth.

    Arguments:
        score_N: the higher, the likelier the class.
        positive_N: whether the row is of the class.

    >>> Ranks(np.array([0.1, 0.4, 0.35, 0.8]), np.array([False, False, True, True])).areas(np.ones((1, 4)))
    array([0.75])
    """

    def __init__(self, score_N: np.ndarray, positive_N: np.ndarray) -> None:
        self.order_N = np.argsort(score_N)
        ordered_N = score_N[self.order_N]
        new_N = np.concatenate(([True], ordered_N[1:] != ordered_N[:-1]))
        self.starts_T = np.flatnonzero(new_N)
        self.tie_N = np.cumsum(new_N) - 1
        self.positive_N = positive_N[self.order_N]

    def areas(self, weight_RN: np.ndarray) -> np.ndarray:
        """Return the exact area for each weighting, [R]; NaN where one side has no weight."""
        ordered_RN = weight_RN[:, self.order_N]
        positive_RT = self._by_tie(ordered_RN * self.positive_N)
        negative_RT = self._by_tie(ordered_RN * ~self.positive_N)
        below_RT = np.cumsum(negative_RT, axis=1)
        pairs_R = below_RT[:, -1] * positive_RT.sum(axis=1)
        below_RT -= negative_RT / 2
        won_R = np.einsum("rt,rt->r", positive_RT, below_RT)
        return np.divide(won_R, pairs_R, out=np.full(len(won_R), np.nan), where=pairs_R > 0)

    def placements(self, weight_N: np.ndarray) -> np.ndarray:
        """Return each row's share of won comparisons against the other side, [N], in the original order.

        The weighted mean of the placements of either side alone is the area (DeLong, DeLong and
        Clarke-Pearson 1988).
        """
        ordered_N = weight_N[self.order_N]
        share_N = np.empty(len(ordered_N))
        for side_N, sign in ((self.positive_N, 1.0), (~self.positive_N, -1.0)):
            other_T = self._by_tie((ordered_N * ~side_N)[None])[0]
            below_T = (np.cumsum(other_T) - other_T / 2) / max(other_T.sum(), np.finfo(float).tiny)
            share_N[side_N] = (below_T if sign > 0 else 1 - below_T)[self.tie_N[side_N]]
        original_N = np.empty_like(share_N)
        original_N[self.order_N] = share_N
        return original_N

    def _by_tie(self, value_RN: np.ndarray) -> np.ndarray:
        """Sum the columns of equal score."""
        if len(self.starts_T) == value_RN.shape[1]:
            return value_RN
        return np.add.reduceat(value_RN, self.starts_T, axis=1)


class ClassRanks:
    """The area of each class against the rest, for many weightings: [R, A] with A the classes that can be ranked.

    Two classes need one area, that of the second class. Classes that are absent from the truth, or the
    only ones in it, are left out.

    Arguments:
        truth_N: class codes.
        predicted_NC: probabilities.
        weight_N: weights that the placements are taken with.
        weightings: how many weightings of the rows will be asked for. Where sorting each of them would take
            longer than a fraction of a second, areas come from placements: exact for `weight_N` itself, and else
            right up to a term that falls as one over the number of rows.
    """

    most_exact = 1e7
    """Rows x classes x weightings that are still ranked exactly: about 0.3 s (measured, 1 core)."""

    def __init__(self, truth_N: np.ndarray, predicted_NC: np.ndarray, weight_N: np.ndarray, weightings: int) -> None:
        width = predicted_NC.shape[1]
        present_C = np.bincount(truth_N, weights=weight_N, minlength=width) > 0
        ranked = [1] if width == 2 else list(range(width))
        self.classes_A = [c for c in ranked if present_C[c] and present_C.sum() > 1]
        self.exact = len(truth_N) * len(self.classes_A) * weightings <= self.most_exact
        self.truth_N = truth_N
        self.ranks_A: list[Ranks] = []
        self.area_A = np.empty(len(self.classes_A))
        placed_NA = np.empty((0 if self.exact else len(truth_N), len(self.classes_A)), np.float32)
        for a, c in enumerate(self.classes_A):
            ranks = Ranks(predicted_NC[:, c], truth_N == c)
            if self.exact:
                self.ranks_A.append(ranks)
            else:
                placed_NA[:, a] = ranks.placements(weight_N)
                self.area_A[a] = ranks.areas(weight_N[None])[0]
        if not self.exact:
            self._place(placed_NA, weight_N, width)

    def _place(self, placed_NA: np.ndarray, weight_N: np.ndarray, width: int) -> None:
        """Split placements into each row's own class (`own_N`) and the classes it is not of (`other_NA`)."""
        position_C = np.full(width, -1)
        position_C[self.classes_A] = np.arange(len(self.classes_A))
        self.own_N = np.zeros(len(self.truth_N))
        has_N = position_C[self.truth_N] >= 0
        rows = np.flatnonzero(has_N)
        columns = position_C[self.truth_N[rows]]
        self.own_N[rows] = placed_NA[rows, columns]
        placed_NA[rows, columns] = 0
        self.other_NA = placed_NA
        self.width = width
        self.both_A = self._both_sides(weight_N[None])[0]

    def areas(self, weight_RN: np.ndarray) -> np.ndarray:
        """Return the area of each ranked class for each weighting, [R, A]; NaN where undefined."""
        if not self.classes_A:
            return np.empty((len(weight_RN), 0))
        if self.exact:
            return np.stack([ranks.areas(weight_RN) for ranks in self.ranks_A], axis=1)
        return self.area_A + (self._both_sides(weight_RN) - self.both_A)

    def _both_sides(self, weight_RN: np.ndarray) -> np.ndarray:
        """Return the mean placement of the class plus that of the rest, [R, A]; each alone would be the area."""
        total_RC = np.stack([np.bincount(self.truth_N, w, self.width) for w in weight_RN])
        own_RC = np.stack([np.bincount(self.truth_N, w * self.own_N, self.width) for w in weight_RN])
        positive_RA = total_RC[:, self.classes_A]
        negative_RA = total_RC.sum(axis=1, keepdims=True) - positive_RA
        other_RA = (weight_RN.astype(np.float32) @ self.other_NA).astype(np.float64)
        with np.errstate(divide="ignore", invalid="ignore"):
            mean_RA = own_RC[:, self.classes_A] / positive_RA + other_RA / negative_RA
        return np.where((positive_RA > 0) & (negative_RA > 0), mean_RA, np.nan)
