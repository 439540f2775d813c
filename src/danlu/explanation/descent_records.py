"""What came out of minimising a function: plain records of numbers, no tensors.

A member is one start with one setting of the optimizer: C settings times S starts are M members, all starts of the
first setting first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

Status = Literal["converged", "stalled at a saddle", "stalled", "still descending", "oscillating", "diverged"]
STATUSES: tuple[Status, ...] = (
    "converged",
    "stalled at a saddle",
    "stalled",
    "still descending",
    "oscillating",
    "diverged",
)
PointKind = Literal["minimum", "saddle", "maximum", "flat", "kink"]


@dataclass(frozen=True)
class Setting:
    """One setting of the optimizer: the learning rate is that of the first step."""

    optimizer: str
    lr: float

    @property
    def name(self) -> str:
        """Return both in words.

        >>> Setting("adam", 0.001).name
        'adam 0.001'
        """
        return f"{self.optimizer} {self.lr:g}"


@dataclass(frozen=True)
class Broken:
    """Where a member's numbers first became NaN or infinite: before which step, in which x, and what."""

    member: int
    step: int
    x: tuple[float, ...]
    what: str


@dataclass(frozen=True)
class Point:
    """A point where members ended.

    Attributes:
        x: after Newton's method in float64, from where the members were; of a kink after a search without derivatives.
        f: there.
        kind: minimum, saddle or maximum by the signs of the eigenvalues; flat where one of them is 0; kink: a minimum
            without a derivative.
        eigenvalues: of the Hessian, in float64, rising; empty at a kink, or where it was not computed.
        members: those that ended here.
        starts: how many different starts they are.
        found_x: what the optimizer itself reached: the lowest of its ends.
        found_f: there.
        gradient_norm: there.
    """

    x: tuple[float, ...]
    f: float
    kind: PointKind
    eigenvalues: tuple[float, ...]
    members: tuple[int, ...]
    starts: int
    found_x: tuple[float, ...]
    found_f: float
    gradient_norm: float

    @property
    def is_minimum(self) -> bool:
        """Whether f is lowest here among what lies around."""
        return self.kind in ("minimum", "kink")


@dataclass(frozen=True)
class Grid:
    """The function of two variables on a grid, for pictures. Shape: x_W, y_H, f_HW."""

    x_W: np.ndarray
    y_H: np.ndarray
    f_HW: np.ndarray


@dataclass(frozen=True)
class Trail:
    """Some members' ways at more steps than the path has, for pictures. Shape: step_L, x_LDN, f_LD."""

    members: tuple[int, ...]
    step_L: np.ndarray
    x_LDN: np.ndarray
    f_LD: np.ndarray


@dataclass(frozen=True, repr=False)
class DescentRecord:
    """Descents of one function from S starts with C settings.

    Attributes:
        name: the function's, or "expression", or that of a Python function.
        formula: the expression; empty for a Python function.
        variables: names of the N variables.
        box: lowest and highest value of each variable, `[N, 2]`: where starts were spread, and what pictures show.
        start_SN: the starts.
        steps: how many were taken.
        path_step_K: the steps before which x and f were written down; the last one is behind all steps.
        path_x_KMN: x then; NaN after a member has ended.
        path_f_KM: f of the same x.
        x_MN: the last x, and f and the gradient's norm there.
        status_M: how each member ended.
        points: the stationary points they reached, the lowest first.
        others: further stationary points in the box, which Newton's method alone found; no member ended there.
        known: minima that are known of this function.
        notes: what was decided or noticed, in words.
    """

    name: str
    formula: str
    variables: tuple[str, ...]
    box: np.ndarray
    settings: tuple[Setting, ...]
    start_SN: np.ndarray
    steps: int
    every: int
    dtype: str
    seed: int
    path_step_K: np.ndarray
    path_x_KMN: np.ndarray
    path_f_KM: np.ndarray
    x_MN: np.ndarray
    f_M: np.ndarray
    gradient_norm_M: np.ndarray
    status_M: tuple[Status, ...]
    points: tuple[Point, ...]
    others: tuple[Point, ...] = ()
    broken: tuple[Broken, ...] = ()
    known: tuple[tuple[float, ...], ...] = ()
    notes: tuple[str, ...] = ()
    seconds: float = 0.0
    interrupted: bool = False
    grid: Grid | None = field(default=None, repr=False)
    trail: Trail | None = field(default=None, repr=False)

    @property
    def members(self) -> int:
        """Number of members M."""
        return len(self.status_M)

    @property
    def minima(self) -> tuple[Point, ...]:
        """The distinct minima that were reached, the lowest first."""
        return tuple(point for point in self.points if point.is_minimum)

    def setting_of(self, member: int) -> Setting:
        """Return the setting of a member."""
        return self.settings[member // len(self.start_SN)]

    def start_of(self, member: int) -> np.ndarray:
        """Return the start of a member."""
        return self.start_SN[member % len(self.start_SN)]

    def point_of(self, member: int) -> int | None:
        """Return the number of the point that a member reached, else None."""
        return next((i for i, point in enumerate(self.points) if member in point.members), None)

    def count(self, status: Status) -> int:
        """Return how many members ended so."""
        return self.status_M.count(status)

    def known_reached(self) -> int:
        """Return how many of the known minima were reached."""
        span_N = self.box[:, 1] - self.box[:, 0]
        return sum(
            any(bool((np.abs(np.array(p.x) - place) <= 1e-4 * span_N).all()) for p in self.minima)
            for place in map(np.array, self.known)
        )

    def record(self) -> dict[str, Any]:
        """Return all of it as plain values: what `danlu minimize --json` prints."""
        whole: dict[str, Any] = {
            "function": self.name,
            "formula": self.formula or None,
            "variables": list(self.variables),
            "box": self.box.tolist(),
            "steps": self.steps,
            "every": self.every,
            "dtype": self.dtype,
            "seed": self.seed,
            "starts": len(self.start_SN),
            "members": self.members,
            "path": self.path(0),
        }
        if self.members > 1:
            whole["paths"] = [self.member(m) for m in range(self.members)]
        whole["minima"] = [_plain(point) for point in self.minima]
        whole["points"] = [_plain(point) for point in self.points]
        whole["other_points"] = [_plain(point) for point in self.others]
        whole["settings"] = self.compare()
        whole["ended"] = {status: self.count(status) for status in STATUSES if self.count(status)}
        whole["broken"] = [{"member": b.member, "step": b.step, "x": list(b.x), "what": b.what} for b in self.broken]
        if self.known:
            whole["known_minima"] = {"x": [list(place) for place in self.known], "reached": self.known_reached()}
        return whole | {"notes": list(self.notes), "seconds": self.seconds, "interrupted": self.interrupted}

    def path(self, member: int = 0) -> list[dict[str, Any]]:
        """Return one member's way: step, x before that step, and f of that x."""
        rows = zip(
            self.path_step_K.tolist(),
            self.path_x_KMN[:, member].tolist(),
            self.path_f_KM[:, member].tolist(),
            strict=True,
        )
        return [{"step": step, "x": x, "f": f} for step, x, f in rows if not np.isnan(x).all()]

    def member(self, member: int) -> dict[str, Any]:
        """Return one member: its setting and start, its way and how it ended."""
        setting = self.setting_of(member)
        return {
            "optimizer": setting.optimizer,
            "lr": setting.lr,
            "start": self.start_of(member).tolist(),
            "x": self.x_MN[member].tolist(),
            "f": float(self.f_M[member]),
            "gradient_norm": float(self.gradient_norm_M[member]),
            "status": self.status_M[member],
            "point": self.point_of(member),
            "path": self.path(member),
        }

    def compare(self) -> list[dict[str, Any]]:
        """Return one row for each setting: how its members ended, and their f."""
        rows = []
        each = len(self.start_SN)
        for c, setting in enumerate(self.settings):
            own = slice(c * each, (c + 1) * each)
            f_S = self.f_M[own][np.isfinite(self.f_M[own])]
            status: Sequence[Status] = self.status_M[own]
            row = {"optimizer": setting.optimizer, "lr": setting.lr, "starts": each}
            row |= {"converged": status.count("converged"), "diverged": status.count("diverged")}
            row |= {"lowest": float(f_S.min()) if len(f_S) else None}
            row |= {"median": float(np.median(f_S)) if len(f_S) else None}
            rows.append(row)
        return rows

    def __repr__(self) -> str:
        sizes = {"start": len(self.start_SN), "setting": len(self.settings), "step": self.steps}
        what = ", ".join(f"{size:,} {noun}" + "s" * (size != 1) for noun, size in sizes.items())
        return (
            f"<Danlu descent of {self.name}: {what}, {len(self.minima)} minim{'um' if len(self.minima) == 1 else 'a'}>"
        )


def _plain(point: Point) -> dict[str, Any]:
    """Return a point as plain values."""
    return {
        "x": list(point.x),
        "f": point.f,
        "starts": point.starts,
        "members": len(point.members),
        "kind": point.kind,
        "eigenvalues": list(point.eigenvalues),
    } | (
        {"found": {"x": list(point.found_x), "f": point.found_f, "gradient_norm": point.gradient_norm}}
        if point.members
        else {}
    )
