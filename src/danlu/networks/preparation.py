"""Preparation: scaling, filling, codes to slots, and target scaling, learnt from each fold's training rows only."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from danlu.core.records import FeatureLayout
from danlu.networks.inputs import bin_places
from danlu.networks.neighbours import Learnt
from danlu.networks.statistics import (
    LEAST_LOG,
    MOST_LOG,
    bin_edges,
    number_statistics,
    pixel_statistics,
    scale_numbers,
    slot_map,
    target_statistics,
)
from danlu.networks.told import Told, averaged


class Prepared(NamedTuple):
    """What a network takes in: numbers `[K, B, D]`, and slots of embedded columns, int64 `[K, B, E]`."""

    x_KBD: Tensor
    slots_KBE: Tensor


def encoded_width(layout: FeatureLayout) -> int:
    """Return F, the width of the encoded matrix: number columns, or pixels."""
    return layout.given if layout.image is None else math.prod(layout.image)


def prepared_width(layout: FeatureLayout) -> int:
    """Return D, the width of prepared numbers: columns, indicators of missing cells, one-hot slots, and where columns
    are spread over bins the bin of each and its place therein; or pixels.

    >>> prepared_width(FeatureLayout(numbers=("a", "b"), indicators=(1,)))
    3
    """
    if layout.image is not None:
        return math.prod(layout.image)
    places = 2 * len(layout.numbers) if layout.bins else 0
    return len(layout.numbers) + len(layout.indicators) + sum(c.slots for c in layout.codes if not c.width) + places


def as_tensor(values: np.ndarray | Tensor | Sequence[int], device: torch.device | str | None = None) -> Tensor:
    """Return a tensor over the same memory where that may be written to (torch warns otherwise), else a copy."""
    if isinstance(values, np.ndarray) and not values.flags.writeable:
        values = values.copy()
    return torch.as_tensor(values, device=device)


@dataclass(frozen=True)
class Preparation:
    """Statistics of K folds as buffers that lead with the fold (or, after `pick`, with the member).

    Missing numbers become the fold's centre. `scale` is "none" (missing: the median), "unit" (least 0, greatest 1;
    missing: the median), "standard" (mean 0, standard deviation 1), or "robust": centred at the median, divided by the
    interquartile range, then smoothly clipped to (-3, 3) by x / sqrt(1 + (x/3)^2), as RealMLP does (Holzmüller,
    Grinsztajn & Steinwart 2024, "Better by default"). Where the interquartile range is 0, it divides by the median
    distance of the cells that differ from the median; RealMLP's half range leaves a column of mostly zeros such as
    adult's capital gain too small to learn from (log-loss 0.323 against 0.310). A column constant in the fold is
    divided by 1. `scale_target` is "none", "standard", "log" (standard after the logarithm), or
    "mixed": the logarithm in some folds.

    Pixels have one statistic a channel: "unit" divides whole numbers by 255 (of floats the least becomes 0 and the
    greatest 1), "standard" takes mean and deviation of the fold's pixels.
    """

    layout: FeatureLayout
    scale: str
    scale_target: str
    fill_KF: Tensor
    centre_KF: Tensor
    scale_KF: Tensor
    slot_KT: Tensor
    """Slot of each code, the codes of all columns one behind the other; -1: none of the one-hot slots."""
    target_centre_KC: Tensor
    target_scale_KC: Tensor
    edge_KFE: Tensor
    """Edges of bins of scaled numbers in rising order, infinite ones behind the last; E is 0 where there are none."""
    log_K: Tensor
    """Whether it is the logarithm of targets that is scaled."""
    told: Told | None = None
    """What is told of other rows' targets."""

    @classmethod
    def fit(  # noqa: PLR0913  one call with all that is known of the rows
        cls,
        x_NF: np.ndarray | Tensor,
        codes_NQ: np.ndarray | Tensor,
        y_NC: np.ndarray | Tensor | None,
        rows_per_fold: Sequence[np.ndarray | Tensor],
        layout: FeatureLayout,
        scale: str = "robust",
        scale_target: str = "standard",
        dtype: torch.dtype = torch.float32,
        weight_N: np.ndarray | Tensor | None = None,
        logged: Sequence[bool] | None = None,
    ) -> Preparation:
        """Learn the statistics of each fold from its training rows; rows of weight 0 are left out.

        Weights enter means and standard deviations; quantiles and counts of levels take each row once.

        Arguments:
            x_NF: encoded numbers, NaN where missing.
            codes_NQ: encoded codes: 0 unseen, 1 missing, 2 and up levels.
            y_NC: numeric targets in user units; whole numbers of classes, or None, are not scaled.
            rows_per_fold: training rows of each of the K folds.
            layout: what the columns are.
            scale: none, unit, standard or robust.
            scale_target: none, standard, log or mixed.
            dtype: type of prepared numbers.
            weight_N: weights of rows.
            logged: of "mixed", whether each fold learns the logarithm.
        """
        x, codes = as_tensor(x_NF), as_tensor(codes_NQ)
        given = None if y_NC is None else as_tensor(y_NC)
        y = given.to(torch.float64) if given is not None and given.is_floating_point() else None
        y = y.unsqueeze(1) if y is not None and y.ndim == 1 else y
        weight = None if weight_N is None else as_tensor(weight_N).to(torch.float64)
        folds: list[Preparation] = []
        logs = [scale_target == "log"] * len(rows_per_fold) if logged is None else logged
        for rows, log in zip(rows_per_fold, logs, strict=True):
            index = as_tensor(rows).long()
            if weight is not None:
                index = index[weight[index] > 0]
            w = None if weight is None else weight[index]
            numbers = (
                number_statistics(x[index], scale, w)
                if layout.image is None
                else pixel_statistics(x, index, scale, layout.image)
            )
            target = target_statistics(None if y is None else y[index], scale_target, w, log=log)
            fold = cls._plain(
                layout.plain(), (scale, scale_target), numbers, slot_map(codes[index], layout), target, log
            )
            fold, known_NG = fold._typed(dtype), x[:, :0]
            if layout.means or layout.spaces:
                double = fold._typed(torch.float64)
                told = Told.fit(
                    layout,
                    fold.prepare(x[None], codes[None]).x_KBD[0],
                    codes,
                    Learnt(index, averaged(given, layout, double.scaled)[index], w),
                )
                assert told.known_KNG is not None
                known_NG = told.known_KNG[0].to(dtype)
                more = number_statistics(known_NG[index], scale, w)
                fill, centre, spread = (torch.cat(pair) for pair in zip(numbers, more, strict=True))
                numbers = (fill, centre, spread)
                fold = cls._plain(layout, (scale, scale_target), numbers, fold.slot_KT[0], target, log)._typed(dtype)
                fold = replace(fold, told=told.map(lambda tensor: tensor.to(dtype)))
            whole = torch.cat([x[index], known_NG[index]], 1) if layout.bins else x[:0]
            edge = bin_edges(whole, numbers, scale, layout.bins)[None].to(dtype)
            folds.append(replace(fold, layout=layout, edge_KFE=edge))
        return cls._stack(folds)

    @classmethod
    def _plain(
        cls,
        layout: FeatureLayout,
        scales: tuple[str, str],
        numbers: tuple[Tensor, Tensor, Tensor],
        slot_T: Tensor,
        target: tuple[Tensor, Tensor],
        log: bool,
    ) -> Preparation:
        """Return the preparation of one fold, with neither bins nor neighbours."""
        fill, centre, spread = (part[None] for part in numbers)
        edges = fill.new_zeros(*fill.shape, 0)
        return cls(
            layout,
            *scales,
            fill,
            centre,
            spread,
            slot_T[None],
            target[0][None],
            target[1][None],
            edges,
            torch.tensor([log]),
        )

    def _typed(self, dtype: torch.dtype) -> Preparation:
        """Return the same with statistics of numbers in the type of prepared ones."""
        fill, centre, spread = (part.to(dtype) for part in (self.fill_KF, self.centre_KF, self.scale_KF))
        return replace(self, fill_KF=fill, centre_KF=centre, scale_KF=spread, edge_KFE=self.edge_KFE.to(dtype))

    @classmethod
    def _stack(cls, folds: list[Preparation]) -> Preparation:
        """Return preparations of single folds as one."""
        first = folds[0]
        told = [fold.told for fold in folds if fold.told is not None]
        buffers: dict[str, Any] = {name: torch.cat([getattr(f, name) for f in folds]) for name in _BUFFERS}
        return replace(first, **buffers, told=Told.stack(told) if told else None)

    @classmethod
    def from_tensors(
        cls, layout: FeatureLayout, scale: str, scale_target: str, tensors: dict[str, Tensor]
    ) -> Preparation:
        """Build a preparation from what `tensors` gave."""
        edges = tensors.get("edge_KFE", tensors["fill_KF"].new_zeros(*tensors["fill_KF"].shape, 0))
        logs = torch.full((len(edges),), scale_target == "log", device=edges.device)
        plain = {name: tensors.get(name, edges if name == "edge_KFE" else logs) for name in _BUFFERS}
        told = Told.from_tensors(layout, tensors) if layout.means or layout.spaces else None
        return cls(layout, scale, scale_target, **plain, told=told)

    def tensors(self) -> dict[str, Tensor]:
        """Return the buffers by name, to be saved."""
        told = {"edge_KFE": bool(self.layout.bins), "log_K": self.scale_target == "mixed"}
        plain = {name: getattr(self, name) for name in _BUFFERS if told.get(name, True)}
        return plain | ({} if self.told is None else self.told.tensors())

    def to(self, device: torch.device | str) -> Preparation:
        """Return the same preparation on a device."""
        return self._map(lambda tensor: tensor.to(device))

    def pick(self, fold_M: Tensor | Sequence[int]) -> Preparation:
        """Return the preparation with one entry a member: that of its fold."""
        index = torch.as_tensor(fold_M, dtype=torch.int64, device=self.fill_KF.device)
        return self._map(lambda tensor: tensor[index])

    def _map(self, change: Callable[[Tensor], Tensor]) -> Preparation:
        buffers: dict[str, Any] = {name: change(getattr(self, name)) for name in _BUFFERS}
        return replace(self, **buffers, told=None if self.told is None else self.told.map(change))

    @property
    def input_width(self) -> int:
        """Return D, the width of prepared numbers (embeddings not counted)."""
        return prepared_width(self.layout)

    def prepare(self, x_KBF: Tensor, codes_KBQ: Tensor, rows_KB: Tensor | None = None) -> Prepared:
        """Scale, fill and clip numbers, ask what other rows' targets say, and map codes to slots.

        Arguments:
            x_KBF: encoded numbers, led by as many entries as this preparation has, or by 1 (the same rows for all).
            codes_KBQ: their codes, any integer type.
            rows_KB: numbers of the rows, where they are of the table that the preparation was learnt from: what they
                are told of others is known then, and none is told of itself.

        Returns:
            finite numbers `[K, B, D]` and slots `[K, B, E]`.
        """
        given = self.layout.given if self.layout.image is None else x_KBF.shape[2]
        missing = torch.isnan(x_KBF)
        fill, centre, scale = (part[:, None, :given] for part in (self.fill_KF, self.centre_KF, self.scale_KF))
        x = scale_numbers(torch.where(missing, fill, x_KBF.to(fill.dtype)), centre, scale, self.scale)
        behind = []
        if self.layout.indicators:
            behind.append(missing[..., list(self.layout.indicators)].to(x.dtype).expand(len(x), -1, -1))
        folds, rows = x.shape[:2]
        slots_KBQ = self._slots(codes_KBQ, folds)
        column_O, slot_O = self._one_hot
        if len(column_O):
            behind.append((slots_KBQ[..., column_O] == slot_O).to(x.dtype))
        if self.told is not None:
            said = self.told(torch.cat([x, *behind], 2), codes_KBQ, rows_KB)
            centre, scale = (part[:, None, self.layout.given :] for part in (self.centre_KF, self.scale_KF))
            x = torch.cat([x, scale_numbers(said, centre, scale, self.scale)], 2)
        parts = [x, *behind]
        if self.layout.bins and self.layout.numbers:
            parts.append(bin_places(x, self.edge_KFE))
        embedded = [q for q, c in enumerate(self.layout.codes) if c.width]
        slots_KBE = slots_KBQ[..., embedded] if embedded else slots_KBQ.new_zeros(folds, rows, 0)
        return Prepared(torch.cat(parts, 2) if len(parts) > 1 else x, slots_KBE)

    @cached_property
    def _one_hot(self) -> tuple[Tensor, Tensor]:
        """Column of codes and slot of each one-hot input, kept so that a step copies nothing to the device."""
        pairs = [(q, s) for q, c in enumerate(self.layout.codes) if not c.width for s in range(c.slots)]
        column_O, slot_O = torch.tensor(pairs, dtype=torch.int64, device=self.slot_KT.device).reshape(-1, 2).unbind(1)
        return column_O, slot_O

    @cached_property
    def _places(self) -> tuple[Tensor, Tensor]:
        """Greatest code of each column, and where its codes begin in `slot_KT`."""
        slots_Q = torch.tensor([c.slots for c in self.layout.codes], dtype=torch.int64, device=self.slot_KT.device)
        return slots_Q - 1, slots_Q.cumsum(0) - slots_Q

    def _slots(self, codes_KBQ: Tensor, folds: int) -> Tensor:
        """Return the slot of each code, int64 `[K, B, Q]`; a code outside its column's range counts as unseen."""
        if not self.layout.codes:
            return codes_KBQ.new_zeros(folds, codes_KBQ.shape[1], 0, dtype=torch.int64)
        greatest_Q, begin_Q = self._places
        codes = codes_KBQ.long()
        codes = torch.where((codes >= 0) & (codes <= greatest_Q), codes, 0) + begin_Q
        flat = codes.expand(folds, -1, -1).reshape(folds, -1)
        return self.slot_KT.gather(1, flat).view(folds, *codes.shape[1:])

    def scaled(self, y_KBC: Tensor) -> Tensor:
        """Return targets centred and scaled by their fold, in the type of prepared numbers."""
        y = y_KBC.to(self.target_centre_KC.dtype)
        if self.scale_target in ("log", "mixed"):
            y = torch.where(self.log_K[:, None, None], y.clamp(min=LEAST_LOG).log(), y)
        return ((y - self.target_centre_KC.unsqueeze(1)) / self.target_scale_KC.unsqueeze(1)).to(self.fill_KF.dtype)

    def unscaled(self, outputs_KBC: Tensor) -> Tensor:
        """Return outputs in user units, in float64: float32 would turn 1600000037 into 1600000000."""
        outputs = outputs_KBC.to(self.target_centre_KC.dtype)
        plain = outputs * self.target_scale_KC.unsqueeze(1) + self.target_centre_KC.unsqueeze(1)
        if self.scale_target not in ("log", "mixed"):
            return plain
        return torch.where(self.log_K[:, None, None], plain.clamp(max=MOST_LOG).exp(), plain)


_BUFFERS = ("fill_KF", "centre_KF", "scale_KF", "slot_KT", "target_centre_KC", "target_scale_KC", "edge_KFE", "log_K")
