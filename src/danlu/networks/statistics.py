"""What a preparation learns from the training rows of a fold: centres, scales, edges of bins, slots of codes."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from danlu.core.records import FeatureLayout

LIMIT = 1e12
"""Scaled inputs are kept within this, so that their squares, and sums of those, stay finite in float32."""
QUANTILE_ROWS = 200_000
"""Quantiles of a fold come from at most so many of its rows, drawn with a fixed seed: they are then exact to about
0.1% of the ranks."""
RARE_SHARE = 0.0001
"""A level seen in fewer training rows than this share, or in fewer than two, counts as unseen."""

LEAST_LOG, MOST_LOG = 1e-300, 700.0
"""Targets whose logarithm is learnt are at least this, a prediction's logarithm at most that: all stays finite."""


def scale_numbers(x: Tensor, centre: Tensor, scale: Tensor, how: str) -> Tensor:
    """Return numbers centred and scaled, and smoothly clipped where that is asked for."""
    x = ((x - centre) / scale).clamp_(-LIMIT, LIMIT)
    return x / torch.sqrt(1 + (x / 3).square()) if how == "robust" else x


def bin_edges(x_NF: Tensor, statistics: tuple[Tensor, Tensor, Tensor], how: str, bins: int) -> Tensor:
    """Return the edges of bins of scaled numbers, `[F, bins + 2]` in float64; columns of few values have fewer bins."""
    _, centre_F, scale_F = statistics
    if not bins:
        return torch.zeros(len(centre_F), 0, dtype=torch.float64)
    edges = torch.full((len(centre_F), bins + 2), torch.inf, dtype=torch.float64)
    for column, x_N in enumerate(_some_rows(x_NF).unbind(1)):
        quantiles_E = _edges_of(x_N[~x_N.isnan()].double(), bins + 1)
        # Rounded first: what float32 cannot tell apart is one edge.
        values = scale_numbers(quantiles_E, centre_F[column], scale_F[column], how).float().double().unique()
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


def number_statistics(x_NF: Tensor, scale: str, weight_N: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
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


def pixel_statistics(
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


def target_statistics(
    y_NC: Tensor | None, scale_target: str, weight_N: Tensor | None, *, log: bool
) -> tuple[Tensor, Tensor]:
    """Return centre and scale of each target, or of its logarithm, in float64."""
    if y_NC is None:
        return torch.zeros(1, dtype=torch.float64), torch.ones(1, dtype=torch.float64)
    if scale_target == "none":
        return torch.zeros_like(y_NC[0]), torch.ones_like(y_NC[0])
    return _mean_and_deviation(y_NC.clamp(min=LEAST_LOG).log() if log else y_NC, weight_N)


def slot_map(codes_NQ: Tensor, layout: FeatureLayout) -> Tensor:
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
