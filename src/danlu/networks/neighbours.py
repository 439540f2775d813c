"""Neighbours as inputs: the mean target of those rows of a fold's training part that are nearest in some columns.

A network learns smooth functions of its inputs well, and what changes from place to place badly; its nearest
neighbours know that. The mean of their targets is one more number for the network, which decides what it is worth (a
simple form of retrieval: Gorishniy et al. 2024, "TabR"; of target encoding, where the columns are categories in all
but name). A row never counts among its own neighbours while the network learns.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor

MOST_ROWS = 20_000
"""Rows of a fold that can be neighbours; of more, so many are drawn with a fixed seed."""
SOFT = 0.01
"""A neighbour counts 1 / (its distance + this part of the mean distance of the last neighbour)."""
AWAY = 1e6
"""Coordinates of places that stand for no row: folds have different numbers of them."""
CROWD = 3
"""Where more rows than so many times the neighbours lie in one place, a row is left among them: their mean without it
would differ by 1 / n between the classes, from which its own class could be read off (adult's capital gain is 0 for
nine rows in ten: accuracy out of fold 0.830 instead of 0.870)."""
CHUNK = 1 << 23
"""Distances computed at once."""


class Learnt(NamedTuple):
    """Rows that a fold learns from: their numbers in the table, what is averaged, float64 `[R, G]`, their weights."""

    index_R: Tensor
    target_RG: Tensor
    weight_R: Tensor | None = None


@dataclass(frozen=True)
class Neighbours:
    """The places that a fold's training rows have in one space, for K folds.

    Shape: point_KPD places, each once; mean_KPG mean target of the rows there; mass_KP their weight, 1 for a row of
        mean weight; soft_K what is added to every distance. nearest: how many places count.
    """

    nearest: int
    point_KPD: Tensor
    mean_KPG: Tensor
    mass_KP: Tensor
    soft_K: Tensor

    @classmethod
    def fit(cls, place_ND: Tensor, learnt: Learnt, nearest: int) -> tuple[Neighbours, Tensor]:
        """Learn one fold, and return it with the neighbours' mean for all rows of the table, `[N, G]`.

        A row that the fold learns from is not its own neighbour, but in a place with a crowd.

        Arguments:
            place_ND: place of every row of the table, finite numbers of like scale.
            learnt: the rows that can be neighbours.
            nearest: places that count, at least 1.

        >>> place, target = torch.tensor([[0.0], [1.0], [5.0]]), torch.tensor([[10.0], [20.0], [60.0]]).double()
        >>> near, known = Neighbours.fit(place, Learnt(torch.arange(3), target), 1)
        >>> known.round().tolist(), near(torch.tensor([[[0.9]]])).round().tolist()
        ([[20.0], [10.0], [20.0]], [[[20.0]]])
        """
        index_R, target_RG, weight_R = _some(learnt, len(place_ND))
        point_PD, own_R = place_ND[index_R].unique(dim=0, return_inverse=True)
        mass_R = torch.ones(len(index_R), dtype=torch.float64) if weight_R is None else weight_R / weight_R.mean()
        mass_P = mass_R.new_zeros(len(point_PD)).index_add_(0, own_R, mass_R)
        sum_PG = target_RG.new_zeros(len(point_PD), target_RG.shape[1]).index_add_(
            0, own_R, target_RG * mass_R[:, None]
        )
        mean_PG = sum_PG / mass_P[:, None]
        soft = _soft(point_PD, nearest)
        near = cls(
            nearest,
            point_PD[None],
            mean_PG[None].to(place_ND.dtype),
            mass_P[None].to(place_ND.dtype),
            soft[None].to(place_ND.dtype),
        )
        known_NG = near(place_ND[None])[0]
        known_NG[index_R] = near._of_others(place_ND[index_R], own_R, target_RG, mass_R)
        return near, known_NG

    @classmethod
    def stack(cls, folds: list[Neighbours]) -> Neighbours:
        """Return the folds as one, padded to the greatest number of places."""
        most = max(fold.point_KPD.shape[1] for fold in folds)

        def pad(tensor: Tensor, value: float) -> Tensor:
            whole = tensor.new_full((1, most, *tensor.shape[2:]), value)
            whole[:, : tensor.shape[1]] = tensor
            return whole

        return cls(
            folds[0].nearest,
            torch.cat([pad(fold.point_KPD, AWAY) for fold in folds]),
            torch.cat([pad(fold.mean_KPG, 0.0) for fold in folds]),
            torch.cat([pad(fold.mass_KP, 0.0) for fold in folds]),
            torch.cat([fold.soft_K for fold in folds]),
        )

    def tensors(self) -> dict[str, Tensor]:
        """Return what is learnt, by name."""
        return {"point": self.point_KPD, "mean": self.mean_KPG, "mass": self.mass_KP, "soft": self.soft_K}

    @classmethod
    def from_tensors(cls, nearest: int, tensors: dict[str, Tensor]) -> Neighbours:
        """Build it from what `tensors` gave."""
        return cls(nearest, tensors["point"], tensors["mean"], tensors["mass"], tensors["soft"])

    def map(self, change) -> Neighbours:  # type: ignore[no-untyped-def]
        """Return the same with every tensor changed by a function."""
        return replace(self, **{name: change(getattr(self, name)) for name in _TENSORS})

    def __call__(self, place_KBD: Tensor) -> Tensor:
        """Return what the neighbours of rows had in the mean, `[K, B, G]`; places may lead with 1 for all folds."""
        folds = len(self.point_KPD)
        places = place_KBD.expand(folds, -1, -1)
        return torch.stack([self._mean(fold, places[fold]) for fold in range(folds)])

    def _mean(self, fold: int, place_BD: Tensor) -> Tensor:
        """Return the mean of one fold for rows it did not learn from, in chunks of bounded memory."""
        parts = [self._weighted(fold, *self._nearest(fold, part, 0)) for part in place_BD.split(self._rows_at_once)]
        return torch.cat(parts) if parts else self.mean_KPG.new_zeros(0, self.mean_KPG.shape[2])

    def _of_others(self, place_RD: Tensor, own_R: Tensor, target_RG: Tensor, mass_R: Tensor) -> Tensor:
        """Return the mean of the one fold for the rows it learnt from, each left out of its own."""
        parts = []
        for rows in torch.arange(len(place_RD)).split(self._rows_at_once):
            distance, place, mass, mean = self._nearest(0, place_RD[rows], 1)
            hit = (place == own_R[rows, None]) & (mass <= CROWD * self.nearest)
            own_mass, own_target = mass_R[rows, None], target_RG[rows]
            left = (mass.double() - own_mass).where(hit, mass.double())
            gone = hit & (left < 1e-6 * mass)
            without = (mean.double() * mass.double()[..., None] - (own_mass * own_target)[:, None]) / left[..., None]
            mean = torch.where((hit & ~gone)[..., None], without.to(mean), mean)
            mass = torch.where(gone, 0.0, left).to(mass)
            # A row whose place is its own alone has all others; else the farthest is one too many.
            mass[:, -1] = torch.where(gone.any(1), mass[:, -1], 0.0) if mass.shape[1] > self.nearest else mass[:, -1]
            parts.append(self._weighted(0, distance, place, mass, mean))
        return torch.cat(parts)

    @property
    def _rows_at_once(self) -> int:
        return max(1, CHUNK // self.point_KPD.shape[1])

    def _nearest(self, fold: int, place_BD: Tensor, more: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return distance, number, mass and mean of the nearest places `[B, n]`, in rising distance."""
        # Differences, not products: rows must not depend on what stands beside them, nor a place be away from itself.
        exact = "donot_use_mm_for_euclid_dist"
        distance_BP = torch.cdist(place_BD[None], self.point_KPD[fold][None], compute_mode=exact)[0]
        found = distance_BP.topk(min(self.nearest + more, distance_BP.shape[1]), largest=False)
        place = found.indices
        return found.values, place, self.mass_KP[fold][place], self.mean_KPG[fold][place]

    def _weighted(self, fold: int, distance: Tensor, _place: Tensor, mass: Tensor, mean: Tensor) -> Tensor:
        """Return the weighted mean: the nearer the more, and a place of many rows as at most `nearest` of them."""
        weight = mass.clamp(max=float(self.nearest)) / (distance + self.soft_K[fold])
        total = weight.sum(1, keepdim=True)
        return (weight[..., None] * mean).sum(1) / total.clamp(min=torch.finfo(total.dtype).tiny)


_TENSORS = ("point_KPD", "mean_KPG", "mass_KP", "soft_K")
PLACES = ("point", "mean", "mass", "soft")
"""What is saved of each space."""


def _some(learnt: Learnt, rows: int) -> Learnt:
    """Return the rows that can be neighbours: all, or so many as `MOST_ROWS` drawn, the same whatever the order."""
    if len(learnt.index_R) <= MOST_ROWS:
        return learnt
    rank_N = torch.randperm(rows, generator=torch.Generator().manual_seed(0))
    kept = rank_N[learnt.index_R].argsort()[:MOST_ROWS].sort().values
    weight = None if learnt.weight_R is None else learnt.weight_R[kept]
    return Learnt(learnt.index_R[kept], learnt.target_RG[kept], weight)


def _soft(point_PD: Tensor, nearest: int) -> Tensor:
    """Return `SOFT` of the mean distance of the last neighbour, of at most a thousand places."""
    some = point_PD[:: max(1, len(point_PD) // 1000)]
    distance = torch.cdist(some[None], point_PD[None], compute_mode="donot_use_mm_for_euclid_dist")[0]
    count = min(nearest + 1, len(point_PD))
    last = distance.topk(count, largest=False).values[:, -1].double().mean()
    return (SOFT * last).clamp(min=1e-6)
