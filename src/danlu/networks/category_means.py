"""Target encoding: the mean target of a category's other rows as an input.

An embedding learns a category from the few steps in which it is seen; its mean target is known at once, and says most
where categories are many and rows of each are few (Micci-Barreca, 2001). A row's own target must not be in the mean
that its network learns from, so the rows that a fold learns from are divided once more: each is told the mean of the
other parts. What is predicted later is told the mean of all (as scikit-learn's `TargetEncoder` does it).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from danlu.networks.neighbours import Learnt

PARTS = 5
"""Parts of a fold's rows: each is told what the other four give."""
PRIOR = 5.0
"""Rows of the mean of all targets that are added to each category: the fewer rows it has, the less it says."""


@dataclass(frozen=True)
class CategoryMeans:
    """The mean target of each code of some columns, for K folds.

    Shape: mean_KTG, the codes of all columns one behind the other, as `slots` says how many each has.
    """

    slots: tuple[int, ...]
    mean_KTG: Tensor

    @classmethod
    def fit(cls, codes_NE: Tensor, learnt: Learnt, slots: Sequence[int]) -> tuple[CategoryMeans, Tensor]:
        """Learn one fold, and return it with what its own rows are told, and all other rows of the table, `[N, E G]`.

        Arguments:
            codes_NE: codes of every row of the table, a column each.
            learnt: the rows that the fold learns from.
            slots: codes that each column has.

        >>> codes = torch.tensor([[2], [2], [2], [3], [0]])
        >>> target = torch.tensor([[1.0], [1.0], [1.0], [0.0]]).double()
        >>> means, known = CategoryMeans.fit(codes, Learnt(torch.arange(4), target), [4])
        >>> means.mean_KTG.round(decimals=3).flatten().tolist()  # 5 rows of 0.75 are added
        [0.75, 0.75, 0.844, 0.625]
        >>> known[4].item()
        0.75
        """
        mass_R = learnt.target_RG.new_ones(len(learnt.index_R)) if learnt.weight_R is None else learnt.weight_R
        mass_R = mass_R / mass_R.mean()
        flat_NE = flat(codes_NE, slots)
        sums_PTG, mass_PT = _sums(flat_NE[learnt.index_R], learnt.target_RG, mass_R, part := _parts(len(mass_R)), slots)
        every_TG = _shrunk(sums_PTG.sum(0), mass_PT.sum(0), learnt.target_RG, mass_R)
        known_NEG = every_TG[flat_NE]
        for p in range(PARTS):
            others, own = part != p, part == p
            if others.any() and own.any():
                # Summed anew: what is taken off a sum would leave its rounding there.
                kept = torch.arange(PARTS) != p
                left = _shrunk(sums_PTG[kept].sum(0), mass_PT[kept].sum(0), learnt.target_RG[others], mass_R[others])
                known_NEG[learnt.index_R[own]] = left[flat_NE[learnt.index_R[own]]]
        return cls(tuple(slots), every_TG[None]), known_NEG.flatten(1)

    @classmethod
    def stack(cls, folds: Sequence[CategoryMeans]) -> CategoryMeans:
        """Return the folds as one."""
        return cls(folds[0].slots, torch.cat([fold.mean_KTG for fold in folds]))

    def __call__(self, codes_KBE: Tensor) -> Tensor:
        """Return what the categories of rows had in the mean, `[K, B, E G]`; codes may lead with 1 for all folds."""
        index_KBE = flat(codes_KBE, self.slots).expand(len(self.mean_KTG), -1, -1)
        fold_K11 = torch.arange(len(self.mean_KTG), device=index_KBE.device)[:, None, None]
        return self.mean_KTG[fold_K11, index_KBE].flatten(2)


def flat(codes: Tensor, slots: Sequence[int]) -> Tensor:
    """Return codes `[..., E]` as places among the codes of all columns; a code out of its column's range is unseen."""
    most_E = torch.tensor(slots, dtype=torch.int64, device=codes.device)
    whole = codes.long()
    return torch.where((whole >= 0) & (whole < most_E), whole, 0) + most_E.cumsum(0) - most_E


def _parts(rows: int) -> Tensor:
    """Return the part of each row, the same for as many rows."""
    return torch.randperm(rows, generator=torch.Generator().manual_seed(0)) % PARTS


def _sums(
    flat_RE: Tensor, target_RG: Tensor, mass_R: Tensor, part_R: Tensor, slots: Sequence[int]
) -> tuple[Tensor, Tensor]:
    """Return the sum of targets `[P, T, G]`, and the mass `[P, T]`, of each code in each part."""
    total = sum(slots)
    place_RE = flat_RE + (part_R * total)[:, None]
    weighted_RG = target_RG * mass_R[:, None]
    sums = target_RG.new_zeros(PARTS * total, target_RG.shape[1])
    mass = target_RG.new_zeros(PARTS * total)
    for place_R in place_RE.unbind(1):
        sums.index_add_(0, place_R, weighted_RG)
        mass.index_add_(0, place_R, mass_R)
    return sums.view(PARTS, total, -1), mass.view(PARTS, total)


def _shrunk(sums_TG: Tensor, mass_T: Tensor, target_RG: Tensor, mass_R: Tensor) -> Tensor:
    """Return each code's mean, with `PRIOR` rows of the mean of these rows among its own."""
    mean_G = (target_RG * mass_R[:, None]).sum(0) / mass_R.sum()
    return (sums_TG + PRIOR * mean_G) / (mass_T + PRIOR)[:, None]
