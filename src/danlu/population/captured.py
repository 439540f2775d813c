"""Whole steps as CUDA graphs, and the sizes of populations that a GPU computes alike. Not yet run on a GPU."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from danlu.networks import Program

WARM_UP = 3
"""Runs before a capture, as torch's guide asks for: libraries choose kernels and make their workspaces in them."""


def bucket(members: int, device: torch.device) -> int:
    """Return how many members are computed for so many that train.

    On a GPU cuBLAS picks its kernels by the number of members, and with other kernels come other bits and a new graph:
    numbers are rounded up to 8, 16, 32, and multiples of 64. On a CPU every number gives the same bits.

    >>> [bucket(members, torch.device("cuda")) for members in (1, 9, 40, 65)]
    [8, 16, 64, 128]
    """
    if device.type != "cuda":
        return members
    return next((size for size in (8, 16, 32) if members <= size), -(-members // 64) * 64)


def capture(program: Program, counters: Sequence[Tensor], changed: Sequence[Tensor]) -> Callable[[], None]:
    """Return what runs a recorded step: the program itself, or on a GPU its captured graph.

    Arguments:
        program: it has run once, so all its tensors are there.
        counters: which row of the tables is next; begun anew for the warm-up, which must not run past the tables.
        changed: all else that a step changes, to be put back after the warm-up.
    """
    if counters[0].device.type != "cuda" or not program.capturable:
        return program.run
    saved = [tensor.clone() for tensor in (*counters, *changed)]
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(WARM_UP):
            for counter in counters:
                counter.zero_()
            program.run()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        program.run()
    for tensor, before in zip((*counters, *changed), saved, strict=True):
        tensor.copy_(before)
    return graph.replay
