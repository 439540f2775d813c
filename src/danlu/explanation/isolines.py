"""Lines along which a function on a grid has one value: marching squares (Lorensen & Cline 1987, in the plane)."""

from __future__ import annotations

from collections import defaultdict

import numpy as np


def isolines(value_YX: np.ndarray, x_X: np.ndarray, y_Y: np.ndarray, level: float = 0.0) -> np.ndarray:
    """Return the lines as short straight pieces, one or two in each cell that they cross.

    Corners of a cell are joined linearly. Where a saddle leaves two ways open, the mean of the corners decides.

    Arguments:
        value_YX: the function on the grid.
        x_X: the grid's columns, rising.
        y_Y: the grid's rows, rising.
        level: the value.

    Returns:
        pieces `[S, 4]`: x and y of one end, x and y of the other.

    >>> isolines(np.array([[-1.0, 1.0], [-1.0, 1.0]]), np.array([0.0, 2.0]), np.array([0.0, 1.0]))
    array([[1., 0., 1., 1.]])
    """
    value = np.asarray(value_YX, np.float64) - level
    corner = (value[:-1, :-1], value[:-1, 1:], value[1:, 1:], value[1:, :-1])  # round the cell, from its lowest one
    above = [part > 0 for part in corner]
    x = (x_X[:-1], x_X[1:], x_X[1:], x_X[:-1])
    y = (y_Y[:-1], y_Y[:-1], y_Y[1:], y_Y[1:])
    crossing = []
    sides = ((0, 1), (1, 2), (3, 2), (0, 3))  # each as its neighbour sees it, so that ends meet to the last bit
    for a, b in sides:
        gap = corner[a] - corner[b]
        share = np.divide(corner[a], gap, out=np.full(gap.shape, 0.5), where=gap != 0)
        crossing.append((x[a] + share * (x[b] - x[a]), y[a][:, None] + share * (y[b] - y[a])[:, None]))
    crossed = [above[a] != above[b] for a, b in sides]
    saddle = crossed[0] & crossed[1] & crossed[2] & crossed[3]
    # In a saddle two lines pass: about the first corner and the one opposite, where the middle is not theirs, else
    # about the other two.
    cut_off = saddle & ((sum(corner) > 0) != above[0])
    pieces = []
    for a, b in ((0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)):
        here = crossed[a] & crossed[b] & ~saddle
        if (a, b) in ((0, 3), (1, 2)):
            here |= cut_off
        elif (a, b) in ((0, 1), (2, 3)):
            here |= saddle & ~cut_off
        pieces.append(np.stack([part[here] for side in (a, b) for part in crossing[side]], axis=1))
    return np.concatenate(pieces)


def chained(pieces_S4: np.ndarray) -> list[np.ndarray]:
    """Join pieces that share an end to lines, each `[P, 2]`; of a closed line the first point is the last as well.

    >>> chained(np.array([[1.0, 0, 2, 0], [0, 0, 1, 0], [5, 5, 6, 6]]))[0].tolist()
    [[2.0, 0.0], [1.0, 0.0], [0.0, 0.0]]
    """
    ends = [(tuple(piece[:2]), tuple(piece[2:])) for piece in np.asarray(pieces_S4, np.float64).tolist()]
    ends = [pair for pair in ends if pair[0] != pair[1]]
    at: defaultdict[tuple[float, ...], list[int]] = defaultdict(list)
    for number, pair in enumerate(ends):
        for end in pair:
            at[end].append(number)
    left = set(range(len(ends)))

    def walk(end: tuple[float, ...]) -> list[tuple[float, ...]]:
        passed = [end]
        while (number := next((each for each in at[end] if each in left), None)) is not None:
            left.remove(number)
            end = ends[number][1] if ends[number][0] == end else ends[number][0]
            passed.append(end)
        return passed

    # First from the open ends; what is left then is closed.
    starts = [end for end, numbers in at.items() if len(numbers) == 1] + [pair[0] for pair in ends]
    lines = [walk(start) for start in starts if any(number in left for number in at[start])]
    return [np.array(line) for line in lines]
