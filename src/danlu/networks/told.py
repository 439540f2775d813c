"""What a network is told of the targets of other rows: those of the same category, and those of the nearest ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from danlu.core.records import FeatureLayout
from danlu.networks.category_means import CategoryMeans
from danlu.networks.neighbours import PLACES, Learnt, Neighbours


@dataclass(frozen=True)
class Told:
    """Mean targets by category and by place, learnt from the training rows of K folds.

    Arguments:
        layout: which categories, and which places.
        means: of categories.
        spaces: of places, one a space of the layout.
        known_KNG: what the table's own rows are told, none by itself; not saved.
    """

    layout: FeatureLayout
    means: CategoryMeans | None = None
    spaces: tuple[Neighbours, ...] = ()
    known_KNG: Tensor | None = None

    @classmethod
    def fit(cls, layout: FeatureLayout, plain_ND: Tensor, codes_NQ: Tensor, learnt: Learnt) -> Told:
        """Learn one fold.

        Arguments:
            layout: which categories, and which places.
            plain_ND: prepared inputs of all rows of the table, bins left out.
            codes_NQ: their codes.
            learnt: the rows that the fold learns from.
        """
        means, parts = None, []
        if layout.means:
            means, known_NG = CategoryMeans.fit(codes_NQ[:, _places(layout)], learnt, _slots(layout))
            parts.append(known_NG)
        near = [Neighbours.fit(plain_ND[:, list(space.places)], learnt, space.nearest) for space in layout.spaces]
        known_KNG = torch.cat([*parts, *(known.double() for _, known in near)], 1)[None]
        return cls(layout, means, tuple(space for space, _ in near), known_KNG)

    @classmethod
    def stack(cls, folds: Sequence[Told]) -> Told:
        """Return the folds as one."""
        first = folds[0]
        means = [fold.means for fold in folds if fold.means is not None]
        spaces = tuple(Neighbours.stack([fold.spaces[i] for fold in folds]) for i in range(len(first.spaces)))
        known = [fold.known_KNG for fold in folds if fold.known_KNG is not None]
        return cls(
            first.layout, CategoryMeans.stack(means) if means else None, spaces, torch.cat(known) if known else None
        )

    @classmethod
    def from_tensors(cls, layout: FeatureLayout, tensors: dict[str, Tensor]) -> Told:
        """Build it from what `tensors` gave."""
        means = CategoryMeans(_slots(layout), tensors["category_means"]) if layout.means else None
        spaces = tuple(
            Neighbours.from_tensors(space.nearest, {name: tensors[f"near{i}_{name}"] for name in PLACES})
            for i, space in enumerate(layout.spaces)
        )
        return cls(layout, means, spaces)

    def tensors(self) -> dict[str, Tensor]:
        """Return what is learnt by name, to be saved."""
        own = {} if self.means is None else {"category_means": self.means.mean_KTG}
        near = {f"near{i}_{name}": tensor for i, s in enumerate(self.spaces) for name, tensor in s.tensors().items()}
        return own | near

    def map(self, change: Callable[[Tensor], Tensor]) -> Told:
        """Return the same with every tensor changed by a function."""
        means = None if self.means is None else replace(self.means, mean_KTG=change(self.means.mean_KTG))
        known = None if self.known_KNG is None else change(self.known_KNG)
        return replace(self, means=means, spaces=tuple(s.map(change) for s in self.spaces), known_KNG=known)

    def __call__(self, plain_KBD: Tensor, codes_KBQ: Tensor, rows_KB: Tensor | None) -> Tensor:
        """Return what rows are told, `[K, B, G]`, in the units of targets as they are averaged.

        Arguments:
            plain_KBD: their prepared inputs, bins left out.
            codes_KBQ: their codes.
            rows_KB: their numbers, where they are of the table that this was learnt from: none is told its own target.
        """
        if rows_KB is not None and self.known_KNG is not None:
            fold_K1 = torch.arange(len(self.known_KNG), device=rows_KB.device)[:, None]
            return self.known_KNG[fold_K1, rows_KB].to(plain_KBD.dtype)
        said = [] if self.means is None else [self.means(codes_KBQ[..., _places(self.layout)]).to(plain_KBD.dtype)]
        places = [plain_KBD[..., list(space.places)] for space in self.layout.spaces]
        return torch.cat([*said, *(near(place) for near, place in zip(self.spaces, places, strict=True))], 2)


def averaged(y: Tensor | None, layout: FeatureLayout, scaled: Callable[[Tensor], Tensor]) -> Tensor:
    """Return what is averaged over other rows, float64 `[N, G]`: scaled targets, or ones and zeros of the classes.

    Arguments:
        y: targets `[N, C]` in user units, or whole numbers of classes.
        layout: what is told.
        scaled: scales targets `[1, N, C]` in float64.
    """
    assert y is not None, "what other rows had needs targets"
    if y.is_floating_point():
        return scaled((y if y.ndim == 2 else y[:, None]).double()[None])[0]
    outputs = (*layout.means, *layout.spaces)[0].outputs
    if outputs == 1:
        return (y[:, None] == 1).double()
    return torch.nn.functional.one_hot(y.long(), outputs).double()


def _places(layout: FeatureLayout) -> list[int]:
    return [each.place for each in layout.means]


def _slots(layout: FeatureLayout) -> tuple[int, ...]:
    return tuple(layout.codes[each.place].slots for each in layout.means)
