"""Preparation: scaling, filling, codes to slots, and target scaling, learnt from each fold's training rows only."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from danlu.core.records import FeatureLayout
from danlu.networks.inputs import bin_places

LIMIT = 1e12
"""Scaled inputs are kept within this, so that their squares, and sums of those, stay finite in float32."""
QUANTILE_ROWS = 200_000
"""Quantiles of a fold come from at most so many of its rows, drawn with a fixed seed: they are then exact to about
0.1% of the ranks."""
RARE_SHARE = 0.0001
"""A level seen in fewer training rows than this share, or in fewer than two, counts as unseen."""


class Prepared(NamedTuple):
    """What a network takes in: numbers `[K, B, D]`, and slots of embedded columns, int64 `[K, B, E]`."""

    x_KBD: Tensor
    slots_KBE: Tensor


def encoded_width(layout: FeatureLayout) -> int:
    """Return F, the width of the encoded matrix: number columns, or pixels."""
    return len(layout.numbers) if layout.image is None else math.prod(layout.image)


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
    divided by 1.

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
    ) -> Preparation:
        """Learn the statistics of each fold from its training rows; rows of weight 0 are left out.

        Weights enter means and standard deviations; quantiles and counts of levels take each row once.

        Arguments:
            x_NF: encoded numbers, NaN where missing.
            codes_NQ: encoded codes: 0 unseen, 1 missing, 2 and up levels.
            y_NC: numeric targets in user units, or None for classes.
            rows_per_fold: training rows of each of the K folds.
            layout: what the columns are.
            scale: none, unit, standard or robust.
            scale_target: none or standard.
            dtype: type of prepared numbers.
            weight_N: weights of rows.
        """
        x, codes = as_tensor(x_NF), as_tensor(codes_NQ)
        y = None if y_NC is None else as_tensor(y_NC).to(torch.float64)
        y = y.unsqueeze(1) if y is not None and y.ndim == 1 else y
        weight = None if weight_N is None else as_tensor(weight_N).to(torch.float64)
        numbers, slots, targets, edges = [], [], [], []
        for rows in rows_per_fold:
            index = as_tensor(rows).long()
            if weight is not None:
                index = index[weight[index] > 0]
            w = None if weight is None else weight[index]
            numbers.append(
                _number_statistics(x[index], scale, w)
                if layout.image is None
                else _pixel_statistics(x, index, scale, layout.image)
            )
            edges.append(_edges(x[index] if layout.bins else x[:0], numbers[-1], scale, layout.bins))
            slots.append(_slot_map(codes[index], layout))
            targets.append(_target_statistics(None if y is None else y[index], scale_target, w))
        fill, centre, spread = (torch.stack(part).to(dtype) for part in zip(*numbers, strict=True))
        target_centre, target_scale = (torch.stack(part) for part in zip(*targets, strict=True))
        moments = (torch.stack(slots), target_centre, target_scale, torch.stack(edges).to(dtype))
        return cls(layout, scale, scale_target, fill, centre, spread, *moments)

    @classmethod
    def from_tensors(
        cls, layout: FeatureLayout, scale: str, scale_target: str, tensors: dict[str, Tensor]
    ) -> Preparation:
        """Build a preparation from what `tensors` gave."""
        edges = tensors.get("edge_KFE", tensors["fill_KF"].new_zeros(*tensors["fill_KF"].shape, 0))
        return cls(layout, scale, scale_target, **{name: tensors.get(name, edges) for name in _BUFFERS})

    def tensors(self) -> dict[str, Tensor]:
        """Return the buffers by name, to be saved."""
        return {name: getattr(self, name) for name in _BUFFERS if self.layout.bins or name != "edge_KFE"}

    def to(self, device: torch.device | str) -> Preparation:
        """Return the same preparation on a device."""
        return replace(self, **{name: getattr(self, name).to(device) for name in _BUFFERS})

    def pick(self, fold_M: Tensor | Sequence[int]) -> Preparation:
        """Return the preparation with one entry a member: that of its fold."""
        index = torch.as_tensor(fold_M, dtype=torch.int64, device=self.fill_KF.device)
        return replace(self, **{name: getattr(self, name)[index] for name in _BUFFERS})

    @property
    def input_width(self) -> int:
        """Return D, the width of prepared numbers (embeddings not counted)."""
        return prepared_width(self.layout)

    def prepare(self, x_KBF: Tensor, codes_KBQ: Tensor) -> Prepared:
        """Scale, fill and clip numbers, and map codes to slots.

        Arguments:
            x_KBF: encoded numbers, led by as many entries as this preparation has, or by 1 (the same rows for all).
            codes_KBQ: their codes, any integer type.

        Returns:
            finite numbers `[K, B, D]` and slots `[K, B, E]`.
        """
        missing = torch.isnan(x_KBF)
        x = torch.where(missing, self.fill_KF.unsqueeze(1), x_KBF.to(self.fill_KF.dtype))
        x = _scaled(x, self.centre_KF.unsqueeze(1), self.scale_KF.unsqueeze(1), self.scale)
        parts = [x]
        if self.layout.indicators:
            parts.append(missing[..., list(self.layout.indicators)].to(x.dtype).expand(len(x), -1, -1))
        folds, rows = x.shape[:2]
        slots_KBQ = self._slots(codes_KBQ, folds)
        column_O, slot_O = self._one_hot
        if len(column_O):
            parts.append((slots_KBQ[..., column_O] == slot_O).to(x.dtype))
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
        return ((y - self.target_centre_KC.unsqueeze(1)) / self.target_scale_KC.unsqueeze(1)).to(self.fill_KF.dtype)

    def unscaled(self, outputs_KBC: Tensor) -> Tensor:
        """Return outputs in user units, in float64: float32 would turn 1600000037 into 1600000000."""
        outputs = outputs_KBC.to(self.target_centre_KC.dtype)
        return outputs * self.target_scale_KC.unsqueeze(1) + self.target_centre_KC.unsqueeze(1)


_BUFFERS = ("fill_KF", "centre_KF", "scale_KF", "slot_KT", "target_centre_KC", "target_scale_KC", "edge_KFE")


def _scaled(x: Tensor, centre: Tensor, scale: Tensor, how: str) -> Tensor:
    """Return numbers centred and scaled, and smoothly clipped where that is asked for."""
    x = ((x - centre) / scale).clamp_(-LIMIT, LIMIT)
    return x / torch.sqrt(1 + (x / 3).square()) if how == "robust" else x


def _edges(x_NF: Tensor, statistics: tuple[Tensor, Tensor, Tensor], how: str, bins: int) -> Tensor:
    """Return the edges of bins of scaled numbers, `[F, bins + 2]` in float64; columns of few values have fewer bins."""
    _, centre_F, scale_F = statistics
    if not bins:
        return torch.zeros(len(centre_F), 0, dtype=torch.float64)
    edges = torch.full((len(centre_F), bins + 2), torch.inf, dtype=torch.float64)
    for column, x_N in enumerate(_some_rows(x_NF).unbind(1)):
        quantiles_E = _edges_of(x_N[~x_N.isnan()].double(), bins + 1)
        # Rounded first: what float32 cannot tell apart is one edge.
        values = _scaled(quantiles_E, centre_F[column], scale_F[column], how).float().double().unique()
        edges[column, : len(values)] = values
    return edges


def _edges_of(x_N: Tensor, most: int) -> Tensor:
    """Return at most so many edges of bins, in rising order: all values where they are few, else quantiles.

    A value of more rows than a bin holds is an edge by itself, and the others share the rest: of a column of mostly
    zeros, such as adult's capital gain, quantiles of all rows would be zeros.
    """
    values_V, counts_V = x_N.unique(return_counts=True)
    if len(values_V) <= most:
        return values_V
    heavy_V = counts_V > len(x_N) / most
    rest_N = x_N[~torch.isin(x_N, values_V[heavy_V])].sort().values
    places = torch.linspace(0, len(rest_N) - 1, most - int(heavy_V.sum()), dtype=torch.float64).round().long()
    return torch.cat([values_V[heavy_V], rest_N[places]]).unique()


def _number_statistics(x_NF: Tensor, scale: str, weight_N: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
    """Return what fills missing numbers, the centre and the scale of each column, in float64."""
    low, quarter, median, three_quarters, high = _quantiles(x_NF)
    if scale == "none":
        return median, torch.zeros_like(median), torch.ones_like(median)
    if scale == "unit":
        return median, low, _not_zero(high - low)
    if scale == "standard":
        mean, deviation = _mean_and_deviation(x_NF.to(torch.float64), weight_N)
        return mean, mean, deviation
    spread = three_quarters - quarter
    flat = torch.nonzero((spread == 0) & (high > low)).squeeze(1)
    if len(flat):
        distance = (x_NF[:, flat].double() - median[flat]).abs()
        spread[flat] = torch.where(distance > 0, distance, torch.nan).nanmedian(0).values
    return median, median, _not_zero(spread)


def _pixel_statistics(
    x_NF: Tensor, index: Tensor, scale: str, image: tuple[int, int, int]
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the same of pixels: what would fill missing ones, the centre and the scale of each, alike in a channel."""
    channels, pixels = image[0], image[1] * image[2]
    centre, spread = torch.zeros(channels, dtype=torch.float64), torch.ones(channels, dtype=torch.float64)
    whole = not x_NF.is_floating_point()
    if scale == "unit" and whole:
        spread += 254
    elif scale in ("unit", "standard") and len(index):
        chunks = index.split(4096)

        def each(of: Callable[[Tensor], Tensor]) -> Tensor:
            return torch.stack([of(x_NF[rows].view(len(rows), channels, pixels).double()) for rows in chunks])

        if scale == "unit":
            centre = each(lambda x: x.amin()).amin().expand(channels)
            spread = _not_zero(each(lambda x: x.amax()).amax() - centre)
        else:
            count = len(index) * pixels
            centre = each(lambda x: x.sum((0, 2))).sum(0) / count
            squared = each(lambda x: (x - centre[:, None]).square().sum((0, 2))).sum(0)
            spread = _not_zero((squared / count).sqrt())
    centre, spread = (values.repeat_interleave(pixels) for values in (centre, spread))
    return centre, centre, spread


def _not_zero(spread: Tensor) -> Tensor:
    """Return the spread, or 1 where it is 0 or not finite."""
    return torch.where((spread > 0) & spread.isfinite(), spread, 1.0)


def _some_rows(x_NF: Tensor) -> Tensor:
    """Return the rows that quantiles come from."""
    if len(x_NF) <= QUANTILE_ROWS:
        return x_NF
    return x_NF[torch.randperm(len(x_NF), generator=torch.Generator().manual_seed(0))[:QUANTILE_ROWS]]


def _quantiles(x_NF: Tensor) -> tuple[Tensor, ...]:
    """Return least, quartiles and greatest of each column's present cells, in float64; 0 where there is none."""
    x_NF = _some_rows(x_NF)
    if not len(x_NF):
        return tuple(torch.zeros(5, x_NF.shape[1], dtype=torch.float64))
    sorted_FN = x_NF.T.contiguous().sort(1).values
    last_F = (~sorted_FN.isnan()).sum(1) - 1
    result = []
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        place = (last_F * share).double().clamp(min=0)
        below = place.floor().long()
        above = (below + 1).minimum(last_F.clamp(min=0))
        a, b = (sorted_FN.gather(1, i.unsqueeze(1)).squeeze(1).double() for i in (below, above))
        result.append(torch.where(last_F >= 0, torch.where(a == b, a, a + (b - a) * (place - below)), 0.0))
    return tuple(result)


def _mean_and_deviation(x_NF: Tensor, weight_N: Tensor | None) -> tuple[Tensor, Tensor]:
    """Return weighted mean and standard deviation of each column's present cells: 0 and 1 where they have none."""
    weight = (~x_NF.isnan()).double() * (1.0 if weight_N is None else weight_N.unsqueeze(1))
    total = weight.sum(0).clamp(min=torch.finfo(torch.float64).tiny)
    present = x_NF.nan_to_num(nan=0.0)
    mean = (present * weight).sum(0) / total
    variance = ((present - mean).square() * weight).sum(0) / total
    deviation = variance.sqrt()
    # The rounding of a constant's mean leaves a deviation of some 1e-16 of its size: that is none.
    return mean, torch.where(deviation > 1e-12 * mean.abs(), _not_zero(deviation), 1.0)


def _target_statistics(y_NC: Tensor | None, scale_target: str, weight_N: Tensor | None) -> tuple[Tensor, Tensor]:
    """Return centre and scale of each target, in float64."""
    if y_NC is None:
        return torch.zeros(1, dtype=torch.float64), torch.ones(1, dtype=torch.float64)
    if scale_target == "none":
        return torch.zeros_like(y_NC[0]), torch.ones_like(y_NC[0])
    return _mean_and_deviation(y_NC, weight_N)


def _slot_map(codes_NQ: Tensor, layout: FeatureLayout) -> Tensor:
    """Return the slot of each code: its own, or 0 when rare; -1 for a one-hot slot 0 that no training row fills."""
    maps = []
    least = max(2, RARE_SHARE * len(codes_NQ))
    for q, column in enumerate(layout.codes):
        counts = torch.bincount(codes_NQ[:, q].long(), minlength=column.slots)[: column.slots]
        slots = torch.where(counts >= least, torch.arange(column.slots), 0)
        # A slot without training rows has weights that were never trained: all zeros say "unseen" better.
        slots[0] = 0
        if not column.width and not counts[slots == 0].sum():
            slots[slots == 0] = -1
        maps.append(slots)
    return torch.cat(maps) if maps else torch.zeros(0, dtype=torch.int64)
