"""Where descents ended: stationary points, told apart by the Hessian's eigenvalues, and what became of each member.

From each member's last x Newton's method goes on in float64. Where it stays within a thousandth of the box and comes to
a point without slope, the member has reached that point. Where a member does not settle, a search without derivatives
(compass search: Kolda, Lewis & Torczon 2003) looks for a kink nearby.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from danlu.explanation.descent_function import Function, at, hessian, kink_at
from danlu.explanation.descent_records import Point, PointKind, Status
from danlu.explanation.descent_walk import Walk

NEAR, NEAR_KINK, SAME = 1e-3, 5e-2, 1e-5
"""Shares of the box: how far Newton's method may go; how far from a kink members may circle; what is one point."""
NEWTON, COMPASS = 40, 160
"""Iterations at most."""
ZERO = 1e-8
"""Eigenvalues below this share of the largest count as 0."""
MOST_SECOND = 50_000_000
"""Second derivatives of all members together; beyond that the ends are not classified."""
SOUGHT, MOST_SOUGHT = 256, 10
"""Points that Newton's method begins at to find what no member reached, and variables of a function at most."""
MOST_CIRCLING, MOST_POLLED = 64, 20
"""Circling members that are looked at, and variables of a function whose kinks are looked for."""


@dataclass(frozen=True)
class Ends:
    """What became of the members: their points, and a status for each."""

    points: tuple[Point, ...]
    status_M: tuple[Status, ...]
    classified: bool


@dataclass(frozen=True)
class _Reached:
    """A point that one member reached."""

    member: int
    x_N: np.ndarray
    f: float
    kind: PointKind
    eigenvalues: tuple[float, ...]


def find_ends(function: Function, walk: Walk, start_SN: np.ndarray, span_N: np.ndarray) -> Ends:
    """Return the points that members reached and what became of each member.

    Arguments:
        start_SN: where they began.
        span_N: widths of the box, the scale of each variable.
    """
    settings, size, starts = walk.x_CNS.shape
    x_MN = walk.x_CNS.transpose(0, 2, 1).reshape(-1, size)
    broken = {c * starts + s for c, s in walk.broken}
    alive = np.array([m for m in range(settings * starts) if m not in broken], dtype=np.int64)
    classified = len(alive) * size**2 <= MOST_SECOND
    begin_CS, slope_CNS = at(function, torch.from_numpy(start_SN.T.copy())[None])
    slope_S = slope_CNS[0].norm(dim=0).numpy()
    reached = _stationary(function, x_MN, alive, span_N, _largest(slope_S)) if classified and len(alive) else []
    norm_M = walk.norm_M()
    # Who circles a point at a distance has not come to it.
    level_M = norm_M <= 1e-3 * _largest(slope_S)
    kinds = {each.member: each.kind for each in reached if level_M[each.member]}
    status = _statuses(walk, begin_CS[0].numpy(), kinds, broken)
    near = {each.member for each in reached}
    unsettled = ("oscillating", "still descending")
    circling = [m for m, word in enumerate(status) if word in unsettled and m not in near][:MOST_CIRCLING]
    if circling and size <= MOST_POLLED:
        for each in _kinks(function, x_MN, circling, span_N):
            reached.append(each)
            if np.all(np.abs(x_MN[each.member] - each.x_N) <= NEAR * span_N):
                status[each.member] = "converged"
    points = _gather(reached, x_MN, walk.f_CS, norm_M, span_N)
    return Ends(points, tuple(status), classified)


def other_points(function: Function, box_N2: np.ndarray, reached: Sequence[Point], seed: int) -> tuple[Point, ...]:
    """Return further stationary points in the box, found by Newton's method alone from points spread over it.

    Only isolated ones; of functions of more than ten variables, or computed one point after another, none.
    """
    size = len(box_N2)
    if size > MOST_SOUGHT or function.lanes == 1:
        return ()
    low_N, span_N = torch.from_numpy(box_N2[:, 0].copy()), torch.from_numpy(box_N2[:, 1] - box_N2[:, 0])
    sobol = torch.quasirandom.SobolEngine(size, scramble=True, seed=seed)
    begin_AN = low_N + sobol.draw(SOUGHT, dtype=torch.float64) * span_N
    _, slope_AN = _values(function, begin_AN)
    x_AN, moved_A = _newton(function, begin_AN, span_N, within=2.0)
    inside_A = ((x_AN >= low_N) & (x_AN <= low_N + span_N)).all(1)
    found = _flat(function, x_AN, inside_A & (moved_A <= 1e-9), span_N, _largest(slope_AN.norm(dim=1).numpy()))
    isolated = [each for each in found if each.kind != "flat" and min(map(abs, each.eigenvalues)) > 0]
    new: list[Point] = []
    for each in sorted(isolated, key=lambda each: each.f):
        known = [np.array(point.x) for point in (*reached, *new)]
        if not any((np.abs(place - each.x_N) <= SAME * span_N.numpy()).all() for place in known):
            x = tuple(_tidy(each.x_N))
            new.append(Point(x, each.f, each.kind, each.eigenvalues, (), 0, x, each.f, 0.0))
    return tuple(new)


def _largest(slope_S: np.ndarray) -> float:
    """Return the largest finite slope at the starts: what a slope of 0 is compared with."""
    finite = slope_S[np.isfinite(slope_S)]
    return float(finite.max()) if len(finite) and finite.max() > 0 else 1.0


def _stationary(
    function: Function, x_MN: np.ndarray, alive: np.ndarray, span_N: np.ndarray, steepest: float
) -> list[_Reached]:
    """Return the points without slope that Newton's method finds close to the members."""
    begin_AN, span = torch.from_numpy(x_MN[alive]), torch.from_numpy(span_N)
    x_AN, moved_A = _newton(function, begin_AN, span)
    near_A = ((x_AN - begin_AN).abs() <= NEAR * span).all(1)
    found = _flat(function, x_AN, near_A & (moved_A <= 1e-6), span, steepest)
    return [replace(each, member=int(alive[each.member])) for each in found]


def _flat(function: Function, x_AN: Tensor, asked_A: Tensor, span_N: Tensor, steepest: float) -> list[_Reached]:
    """Return those of the points asked for that are without slope, classified; their numbers are those of the rows."""
    f_A, slope_AN = _values(function, x_AN)
    flat_A = slope_AN.norm(dim=1) <= 1e-6 * steepest
    found = torch.nonzero(asked_A & flat_A & f_A.isfinite()).flatten().tolist()
    if not found:
        return []
    curvature = hessian(function, x_AN[found])
    return [
        _Reached(a, x_AN[a].numpy(), float(f_A[a]), *_classify(function, x_AN[a], h_NN, span_N))
        for a, h_NN in zip(found, curvature, strict=True)
    ]


def _values(function: Function, x_AN: Tensor) -> tuple[Tensor, Tensor]:
    f_CS, gradient_CNS = at(function, x_AN.T[None].contiguous())
    return f_CS[0], gradient_CNS[0].T


def _newton(function: Function, x_AN: Tensor, span_N: Tensor, within: float = 4 * NEAR) -> tuple[Tensor, Tensor]:
    """Go to where the gradient is 0, each point by itself; return the points and their last steps in spans.

    Directions without curvature are left alone. A point that would leave its neighbourhood, so many spans around where
    it began, stays where it is; its last step counts as infinite.
    """
    begin_AN, x_AN = x_AN, x_AN.clone()
    moved_A = torch.zeros(len(x_AN), dtype=x_AN.dtype)
    active = torch.arange(len(x_AN))
    for _ in range(NEWTON):
        _, slope_AN = _values(function, x_AN[active])
        curvature = hessian(function, x_AN[active])
        fine = slope_AN.isfinite().all(1) & curvature.isfinite().all(2).all(1)
        moved_A[active[~fine]] = torch.inf
        active, slope_AN, curvature = active[fine], slope_AN[fine], curvature[fine]
        if not len(active):
            break
        values_AN, vectors = torch.linalg.eigh(curvature)
        small = values_AN.abs() <= 1e-13 * values_AN.abs().amax(1, keepdim=True)
        inverse = torch.where(small, 0.0, 1 / torch.where(small, 1.0, values_AN))
        step_AN = (vectors @ (inverse * (vectors.transpose(1, 2) @ slope_AN[..., None])[..., 0])[..., None])[..., 0]
        next_AN = x_AN[active] - step_AN
        near = ((next_AN - begin_AN[active]).abs() <= within * span_N).all(1)
        moved_A[active] = torch.where(near, (step_AN.abs() / span_N).amax(1), torch.inf)
        x_AN[active[near]] = next_AN[near]
        active = active[near & (moved_A[active] > 1e-15)]
        if not len(active):
            break
    return x_AN, moved_A


def _classify(
    function: Function, x_N: Tensor, curvature_NN: Tensor, span_N: Tensor
) -> tuple[PointKind, tuple[float, ...]]:
    """Name a point by the signs of its eigenvalues; where some are 0, by f to both sides along their vectors."""
    values_N, vectors_NN = torch.linalg.eigh(curvature_NN)
    listed = tuple(values_N.tolist())
    with torch.no_grad():
        f = function.value(x_N[None, :, None])[0, 0]
    largest = float(values_N.abs().max())
    span = float(span_N.max())
    zero_N = values_N.abs() <= max(ZERO * largest, 1e-9 * max(1.0, abs(float(f))) / span**2)
    rises, falls = bool((values_N[~zero_N] > 0).any()), bool((values_N[~zero_N] < 0).any())
    if rises and falls:
        return "saddle", listed
    if not bool(zero_N.any()):
        return ("maximum" if falls else "minimum"), listed
    if falls:
        return "flat", listed
    sides = torch.stack([vectors_NN[:, zero_N].T, -vectors_NN[:, zero_N].T]).flatten(0, 1)
    points = torch.cat([x_N + share * span * sides for share in (1e-2, 1e-3)])
    with torch.no_grad():
        around = function.value(points.T[None].contiguous())[0]
    return ("minimum" if bool((around > f).all()) else "flat"), listed


def _statuses(walk: Walk, begin_S: np.ndarray, kinds: dict[int, PointKind], broken: set[int]) -> list[Status]:
    """Say of each member how it ended."""
    f_M, early_M, late_M = (values.reshape(-1) for values in (walk.f_CS, walk.early_CS, walk.late_CS))
    moved_M = walk.moved_CS.reshape(-1) if walk.moved_CS.size else np.zeros(len(f_M), dtype=bool)
    begin_M = np.tile(begin_S, len(f_M) // len(begin_S))
    with np.errstate(invalid="ignore"):
        falling_M = np.fmin(late_M, f_M) < early_M - 1e-12 * np.abs(early_M)
    found: list[Status] = []
    for m in range(len(f_M)):
        if m in broken:
            found.append("diverged")
        elif m in kinds:
            words: dict[PointKind, Status] = {"saddle": "stalled at a saddle", "maximum": "stalled"}
            found.append(words.get(kinds[m], "converged"))
        elif falling_M[m]:
            found.append("still descending")
        elif f_M[m] > begin_M[m]:
            found.append("diverged")
        else:
            found.append("oscillating" if moved_M[m] else "stalled")
    return found


def _kinks(function: Function, x_MN: np.ndarray, circling: Sequence[int], span_N: np.ndarray) -> list[_Reached]:
    """Return the minima without a derivative that lie close to members that circle."""
    begin_AN, span = torch.from_numpy(x_MN[list(circling)]), torch.from_numpy(span_N)
    x_AN = _compass(function, begin_AN, span)
    near_A = ((x_AN - begin_AN).abs() <= NEAR_KINK * span).all(1)
    found = []
    for a in torch.nonzero(near_A).flatten().tolist():
        kink = kink_at(function, x_AN[a])
        if kink is not None and kink.left < 0 < kink.right:
            with torch.no_grad():
                f = float(function.value(x_AN[a][None, :, None])[0, 0])
            found.append(_Reached(int(circling[a]), x_AN[a].numpy(), f, "kink", ()))
    return found


def _compass(function: Function, x_AN: Tensor, span_N: Tensor) -> Tensor:
    """Go to a minimum without derivatives: the best of steps along each axis, halved where none is better."""
    x_AN = x_AN.clone()
    size = x_AN.shape[1]
    way_PN = torch.cat([torch.eye(size, dtype=x_AN.dtype), -torch.eye(size, dtype=x_AN.dtype)]) * span_N
    step_A = torch.full((len(x_AN),), 1e-2, dtype=x_AN.dtype)
    with torch.no_grad():
        f_A = function.value(x_AN.T[None].contiguous())[0]
        for _ in range(COMPASS):
            polled = x_AN[:, None] + step_A[:, None, None] * way_PN
            values_AP = function.value(polled.flatten(0, 1).T[None].contiguous())[0].view(len(x_AN), -1)
            best_A, place_A = values_AP.nan_to_num(nan=torch.inf).min(1)
            better = best_A < f_A
            x_AN = torch.where(better[:, None], polled[torch.arange(len(x_AN)), place_A], x_AN)
            f_A = torch.where(better, best_A, f_A)
            step_A = torch.where(better, step_A, step_A / 2)
    return x_AN


def _gather(
    reached: list[_Reached], x_MN: np.ndarray, f_CS: np.ndarray, norm_M: np.ndarray, span_N: np.ndarray
) -> tuple[Point, ...]:
    """Join what is one point, the lowest first."""
    f_M, starts = f_CS.reshape(-1), f_CS.shape[1]
    waiting = sorted(reached, key=lambda each: each.f)
    points: list[Point] = []
    while waiting:
        first = waiting[0]
        places = np.stack([each.x_N for each in waiting])
        same = np.all(np.abs(places - first.x_N) <= SAME * span_N, axis=1)
        members = sorted(each.member for each, here in zip(waiting, np.atleast_1d(same).tolist(), strict=True) if here)
        waiting = [each for each, here in zip(waiting, np.atleast_1d(same).tolist(), strict=True) if not here]
        best = min(members, key=lambda m: f_M[m])
        points.append(
            Point(
                x=tuple(_tidy(first.x_N)),
                f=first.f,
                kind=first.kind,
                eigenvalues=first.eigenvalues,
                members=tuple(members),
                starts=len({m % starts for m in members}),
                found_x=tuple(x_MN[best].tolist()),
                found_f=float(f_M[best]),
                gradient_norm=float(norm_M[best]),
            )
        )
    return tuple(points)


def _tidy(x_N: np.ndarray) -> list[float]:
    """Return numbers without a minus before 0."""
    return (x_N + 0.0).tolist()
