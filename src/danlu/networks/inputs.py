"""What stands before the first layer: numbers spread over their bins, and categories looked up in their tables."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor

from danlu.core.records import FeatureLayout
from danlu.networks.layer import Own, Shape


class Inputs:
    """Lays the inputs of the first layer side by side, `[M, B, plain + F * T + W]`.

    First the prepared numbers as they are; then each number's place among its T bins: 1 for each bin below it, the part
    of its own bin that lies below it, and 0 for the bins above (piecewise-linear encoding: Gorishniy, Rubachev &
    Babenko 2022, "On embeddings for numerical features in tabular deep learning"); then the embeddings of categories,
    W wide. Behind them what was split off for products in bfloat16 (`split_numbers`).

    Arguments:
        layout: of the columns.
        tables: slots and width of each embedded column.
    """

    def __init__(self, layout: FeatureLayout, tables: tuple[Shape, ...], prepared: int) -> None:
        self.tables, self.bins = tables, layout.bins
        self.numbers = len(layout.numbers) if layout.bins else 0
        self.prepared = prepared
        self.plain = prepared - 2 * self.numbers
        self.spread = self.plain + self.numbers * self.bins
        ends = [self.spread]
        for table in tables:
            ends.append(ends[-1] + table.shape[1])
        self.places, self.width = tuple(pairwise(ends)), ends[-1]

    @property
    def idle(self) -> bool:
        """Whether the prepared numbers are the inputs."""
        return not self.tables and not self.numbers

    def forward(self, x_MBD: Tensor, slots_MBE: Tensor, own: Own) -> Tensor:
        """Return the inputs of the first layer."""
        if self.idle:
            return x_MBD
        members, rows, given = x_MBD.shape
        out = own.space("inputs", (members, rows, self.width + given - self.prepared), x_MBD.dtype)
        own.do(out[..., : self.plain].copy_, x_MBD[..., : self.plain])
        if given > self.prepared:
            own.do(out[..., self.width :].copy_, x_MBD[..., self.prepared :])
        for i, ((begin, end), table) in enumerate(zip(self.places, own.views, strict=True)):
            own.do(_look_up_into, out[..., begin:end], table, slots_MBE[..., i])
        if self.numbers:
            self._spread(x_MBD[..., self.plain : self.prepared], out[..., self.plain : self.spread], own)
        own.space.kept["slots"] = slots_MBE
        return out

    def _spread(self, place_MBG: Tensor, into_MBH: Tensor, own: Own) -> None:
        """Write the bins of every number: a row of ones and zeros for its bin, then the part in that bin.

        A third of the time of subtracting, adding and clamping bfloat16 (5 x 256 x 8 numbers, 64 bins: 158 us, 376).
        """
        whole, part = place_MBG.split(self.numbers, 2)
        count, kept, make = whole.numel(), own.space.kept, own.space
        if "below" not in kept:
            # Made on the CPU: on "meta" torch would load its decompositions for it, 1.2 s.
            kept["below"] = torch.ones(self.bins, self.bins, dtype=place_MBG.dtype).tril(-1).to(place_MBG.device)
        bin_MBF, bins_NT = make("bin", whole.shape, torch.int64), make("bins", (count, self.bins), place_MBG.dtype)
        part_MBF = make("part", part.shape, part.dtype)
        own.do(bin_MBF.copy_, whole)
        own.do(part_MBF.copy_, part)
        own.do(torch.index_select, kept["below"], 0, bin_MBF.view(-1), out=bins_NT)
        own.do(bins_NT.scatter_, 1, bin_MBF.view(-1, 1), part_MBF.view(-1, 1))
        own.do(into_MBH.copy_, bins_NT.view(into_MBH.shape))

    def backward(self, grad_MBF: Tensor, own: Own) -> None:
        """Add the rows of each embedding's slots up, in their order."""
        slots_MBE = own.space.kept.get("slots")
        for i, ((begin, end), into) in enumerate(zip(self.places, own.gradients, strict=True)):
            assert slots_MBE is not None
            own.do(_add_up, into, slots_MBE[..., i], grad_MBF[..., begin:end])


def bin_places(x_KBF: Tensor, edge_KFE: Tensor) -> Tensor:
    """Return the bin that each number lies in, and behind them how far in it lies, 0 to 1: `[K, B, 2 F]`.

    Numbers below the first edge lie at its beginning, those above the last at its end.

    Arguments:
        x_KBF: scaled numbers.
        edge_KFE: edges of bins in rising order, infinite ones behind the last: one more than bins, and one besides.

    >>> edges = torch.tensor([[[0.0, 1.0, 3.0, torch.inf]]])
    >>> bin_places(torch.tensor([[[-1.0], [0.5], [2.0], [9.0]]]), edges)[0].T.tolist()
    [[0.0, 0.0, 1.0, 1.0], [0.0, 0.5, 0.5, 1.0]]
    """
    bins = edge_KFE.shape[2] - 2
    x_KFB = x_KBF.transpose(1, 2).contiguous()
    bin_KFB = (torch.searchsorted(edge_KFE.contiguous(), x_KFB, right=True) - 1).clamp(0, bins - 1)
    low, high = edge_KFE.gather(2, bin_KFB), edge_KFE.gather(2, bin_KFB + 1)
    part = ((x_KFB - low) / (high - low)).clamp(0, 1)
    # Where a column has fewer bins, its last edge begins one that never ends.
    return torch.cat([bin_KFB.to(x_KBF.dtype), part.nan_to_num(nan=0.0)], 1).transpose(1, 2)


def spread_over_bins(place_NG: Tensor, bins: int) -> Tensor:
    """Return the bins of numbers whose places are given, `[N, 2 F] -> [N, F * bins]`.

    >>> spread_over_bins(torch.tensor([[1.0, 0.5]]), 3).tolist()
    [[1.0, 0.5, 0.0]]
    """
    whole, part = place_NG.unsqueeze(-1).chunk(2, 1)
    below = torch.arange(bins, dtype=place_NG.dtype, device=place_NG.device)
    return (whole - below + part).clamp(0, 1).flatten(1)


def _look_up_into(out_MBW: Tensor, table_MSW: Tensor, slots_MB: Tensor) -> None:
    out_MBW.copy_(look_up(table_MSW, slots_MB))


def _add_up(into_MSW: Tensor, slots_MB: Tensor, grad_MBW: Tensor) -> None:
    grad = grad_MBW.to(into_MSW.dtype)
    if into_MSW.device.type == "cpu":
        into_MSW.zero_().scatter_add_(1, slots_MB.unsqueeze(2).expand_as(grad), grad)
    else:
        into_MSW.copy_(torch.bmm(_one_hot(slots_MB, into_MSW.shape[1], grad.dtype).transpose(1, 2), grad))


def look_up(table_MSW: Tensor, slots_MB: Tensor) -> Tensor:
    """Return each row's embedding, `[M, B, W]`, from a table of S slots a member.

    On a CPU by gathering (the way back adds rows in their order); elsewhere, where that would be an atomic scatter of
    unknown order, as the product of one-hot rows and the table.
    """
    if table_MSW.device.type == "cpu":
        return table_MSW.gather(1, slots_MB.unsqueeze(2).expand(-1, -1, table_MSW.shape[2]))
    return torch.bmm(_one_hot(slots_MB, table_MSW.shape[1], table_MSW.dtype), table_MSW)


def _one_hot(slots_MB: Tensor, count: int, dtype: torch.dtype) -> Tensor:
    return (slots_MB.unsqueeze(2) == torch.arange(count, device=slots_MB.device)).to(dtype)
