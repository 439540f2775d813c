"""Descends a function from all starts with all settings at once: one population, a fixed list of operations a step.

The engine's own optimizers take the steps. To them a setting is a member, and the starts' coordinates are its flat
weights `[C, N * S]`; so learning rates and bias corrections are one number for each setting, whatever S is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import groupby

import numpy as np
import torch
from torch import Tensor

from danlu.core.plan import Plan
from danlu.explanation.descent_function import Function, at
from danlu.explanation.descent_records import Broken
from danlu.networks import Program
from danlu.population.members import Members
from danlu.population.optimizers import make_optimizer, start
from danlu.population.schedules import Timetable

STRETCH = 256
"""Steps after which numbers are looked at, and the user may stop; fewer where members are many."""
LOOKED_AT = 2**22
"""Numbers that are kept of the steps of a stretch."""
LATE = 0.9
"""A member still descends where its lowest f comes in the last tenth of the steps."""

OnStep = Callable[[int, int, float], None]
"""(steps taken, steps in all, lowest f now)"""


def _nothing() -> np.ndarray:
    return np.empty(0)


@dataclass
class Walk:
    """What all members did.

    Shape: x_KCNS and f_KCS at the steps step_K; trail_LDN and trail_f_LD of the members that are drawn, at the steps
        trail_L; the last x_CNS, f_CS and gradient_CNS.
    """

    step_K: np.ndarray
    x_KCNS: np.ndarray
    f_KCS: np.ndarray
    trail_L: np.ndarray
    trail_LDN: np.ndarray
    trail_f_LD: np.ndarray
    taken: int = 0
    early_CS: np.ndarray = field(default_factory=_nothing)
    """The lowest f before the last tenth of the steps, and in it."""
    late_CS: np.ndarray = field(default_factory=_nothing)
    moved_CS: np.ndarray = field(default_factory=_nothing)
    """Whether the last step changed x."""
    x_CNS: np.ndarray = field(default_factory=_nothing)
    f_CS: np.ndarray = field(default_factory=_nothing)
    gradient_CNS: np.ndarray = field(default_factory=_nothing)
    broken: dict[tuple[int, int], Broken] = field(default_factory=dict)
    """By setting and start."""

    def norm_M(self) -> np.ndarray:
        """Return the norm of each member's last gradient, settings first."""
        with np.errstate(over="ignore", invalid="ignore"):
            return np.linalg.norm(self.gradient_CNS, axis=1).reshape(-1)


class _Group:
    """Settings of one optimizer."""

    def __init__(self, plans: Sequence[Plan], x_CNS: Tensor, gradient_CNS: Tensor) -> None:
        one = [Members.make(plan, 1, dtype=x_CNS.dtype) for plan in plans]
        self.members = one[0].join(*one[1:])
        self.optimizer = make_optimizer(plans[0], self.members)
        self.timetable = Timetable(self.members)
        self.weights_CP, self.gradient_CP = x_CNS.flatten(1), gradient_CNS.flatten(1)
        self.state = start(self.optimizer, self.weights_CP) | {"spare": torch.empty_like(self.weights_CP)}
        self.count = len(plans)
        self.numbers = len(self.optimizer.names) * self.count

    def table(self, first: int, steps: int) -> np.ndarray:
        """Return the optimizer's coefficients for some steps, `[T, Q * C]`."""
        taken_TC = np.repeat(np.arange(first, first + steps)[:, None], self.count, 1)
        lr_TC = self.timetable.rates(range(self.count), taken_TC, np.ones(self.count, dtype=np.int64))
        numbers = self.optimizer.coefficients(lr_TC, taken_TC + 1.0, self.members)
        return np.stack([numbers[name] for name in self.optimizer.names], 1).reshape(steps, -1)

    def step(self, coefficients: Tensor, do: Program) -> None:
        """Take and record one step; the coefficients are read anew in each."""
        each = coefficients.view(len(self.optimizer.names), self.count, 1).unbind(0)
        named = dict(zip(self.optimizer.names, each, strict=True))
        self.optimizer.step(self.weights_CP, self.gradient_CP, self.state, named, do)


class Descending:
    """All state of a descent.

    Arguments:
        function: what is minimised.
        start_SN: where from.
        plans: one for each setting, those of one optimizer together: optimizer, lr, momentum, schedule, epochs (steps).
        every: steps between two entries of the paths.
        drawn: members whose way is kept more finely.
    """

    def __init__(
        self,
        function: Function,
        start_SN: np.ndarray,
        plans: Sequence[Plan],
        *,
        steps: int,
        every: int,
        dtype: torch.dtype,
        drawn: Sequence[int],
    ) -> None:
        self.function, self.steps = function, steps
        self.starts = len(start_SN)
        lanes = -(-self.starts // function.lanes) * function.lanes
        padded = np.concatenate([start_SN, np.repeat(start_SN[-1:], lanes - self.starts, 0)])
        self.x_CNS = torch.from_numpy(padded.T.copy()).to(dtype).repeat(len(plans), 1, 1)
        self.f_CS = torch.zeros(len(plans), lanes, dtype=dtype)
        self.gradient_CNS = torch.zeros_like(self.x_CNS)
        self.groups: list[_Group] = []
        for _, own in groupby(enumerate(plans), key=lambda each: each[1].optimizer):
            places, group = zip(*own, strict=True)
            of = slice(places[0], places[-1] + 1)
            self.groups.append(_Group(group, self.x_CNS[of], self.gradient_CNS[of]))
        self.coefficients = torch.zeros(sum(group.numbers for group in self.groups), dtype=dtype)
        stretch = max(1, min(STRETCH, steps, LOOKED_AT // (self.x_CNS.numel() + self.f_CS.numel())))
        self.seen_x = torch.zeros(stretch, *self.x_CNS.shape, dtype=dtype)
        self.seen_f = torch.zeros(stretch, *self.f_CS.shape, dtype=dtype)
        self.drawn = np.array(drawn, dtype=np.int64)
        self.walk = self._empty(every)
        self.programs: tuple[Program, Program] | None = None

    def _empty(self, every: int) -> Walk:
        settings, size, _ = self.x_CNS.shape
        shape = (settings, self.starts)
        step_K = np.union1d(np.arange(0, self.steps + 1, every), [self.steps])
        along = np.concatenate([np.linspace(0, self.steps, 121), np.geomspace(1, max(2, self.steps), 121)])
        trail_L = np.unique(along.round().clip(max=self.steps).astype(np.int64))
        return Walk(
            step_K,
            np.full((len(step_K), settings, size, self.starts), np.nan),
            np.full((len(step_K), *shape), np.nan),
            trail_L,
            np.full((len(trail_L), len(self.drawn), size), np.nan),
            np.full((len(trail_L), len(self.drawn)), np.nan),
            early_CS=np.full(shape, np.inf),
            late_CS=np.full(shape, np.inf),
            moved_CS=np.zeros(shape, dtype=bool),
        )

    def run(self, on_step: OnStep, stop: Callable[[], bool]) -> Walk:
        """Take all steps, or those until the user stops or every member has ended."""
        taken, stretch = 0, len(self.seen_x)
        while taken < self.steps and not stop() and len(self.walk.broken) < self.f_CS.shape[0] * self.starts:
            steps = min(stretch, self.steps - taken)
            self._stretch(taken, steps)
            self._look(taken, steps)
            taken += steps
            on_step(taken, self.steps, self._lowest())
        return self._close(taken)

    def _stretch(self, first: int, steps: int) -> None:
        """Take some steps, and keep x and f from before each."""
        table = np.concatenate([group.table(first, steps) for group in self.groups], 1)
        rows = torch.from_numpy(table).to(self.coefficients.dtype).unbind(0)
        for row, x, f in zip(rows, self.seen_x.unbind(0), self.seen_f.unbind(0), strict=False):
            self.coefficients.copy_(row)
            if self.programs is None:
                self.programs = self._record(x, f)
                continue
            compute, update = self.programs
            compute.run()
            x.copy_(self.x_CNS)
            f.copy_(self.f_CS)
            update.run()

    def _record(self, x: Tensor, f: Tensor) -> tuple[Program, Program]:
        """Take the first step, and return what takes the next ones."""
        compute, update = Program(), Program()
        self.function.bind(self.x_CNS, self.f_CS, self.gradient_CNS, compute)
        x.copy_(self.x_CNS)
        f.copy_(self.f_CS)
        begin = 0
        for group in self.groups:
            group.step(self.coefficients[begin : begin + group.numbers], update)
            begin += group.numbers
        return compute, update

    # The end of a stretch

    def _look(self, first: int, steps: int) -> None:
        """Write down what was asked for, and end members whose numbers are no longer finite."""
        x_TCNS = self.seen_x[:steps, ..., : self.starts].numpy()
        f_TCS = self.seen_f[:steps, ..., : self.starts].numpy()
        self._end(first, x_TCNS, f_TCS)
        self._write(first, x_TCNS, f_TCS)
        late = min(max(int(LATE * self.steps) - first, 0), steps)
        walk = self.walk
        walk.early_CS = np.fmin(walk.early_CS, np.fmin.reduce(f_TCS[:late], 0, initial=np.inf))
        walk.late_CS = np.fmin(walk.late_CS, np.fmin.reduce(f_TCS[late:], 0, initial=np.inf))
        walk.moved_CS = (x_TCNS[-1] != self.x_CNS[..., : self.starts].numpy()).any(1)

    def _write(self, first: int, x_TCNS: np.ndarray, f_TCS: np.ndarray) -> None:
        """Write down x and f of the steps that were asked for."""
        walk, stop = self.walk, first + len(f_TCS)
        k, j = np.searchsorted(walk.step_K, [first, stop])
        at_K = walk.step_K[k:j] - first
        walk.x_KCNS[k:j], walk.f_KCS[k:j] = x_TCNS[at_K], f_TCS[at_K]
        k, j = np.searchsorted(walk.trail_L, [first, stop])
        at_L, (c, s) = walk.trail_L[k:j] - first, np.divmod(self.drawn, self.starts)
        walk.trail_LDN[k:j] = x_TCNS.transpose(0, 1, 3, 2)[at_L][:, c, s]
        walk.trail_f_LD[k:j] = f_TCS[at_L][:, c, s]

    def _end(self, first: int, x_TCNS: np.ndarray, f_TCS: np.ndarray) -> None:
        """Find where members first were no longer finite: in f, or in the x that a step led to."""
        after_CNS = self.x_CNS[..., : self.starts].numpy()
        fine_TCS: np.ndarray = np.isfinite(f_TCS)
        if fine_TCS.all() and np.isfinite(after_CNS).all():
            return
        lost_TCS = ~np.isfinite(np.concatenate([x_TCNS[1:], after_CNS[None]])).all(2)
        bad_TCS = ~fine_TCS | lost_TCS
        for c, s in zip(*np.nonzero(bad_TCS.any(0)), strict=True):
            t = int(bad_TCS[:, c, s].argmax())
            self._break(int(c), int(s), first + t, x_TCNS[t, c, :, s], float(f_TCS[t, c, s]))

    def _break(self, c: int, s: int, step: int, x_N: np.ndarray, f: float) -> None:
        """Note that a member ended, and why, unless it is known."""
        if (c, s) not in self.walk.broken:
            what = self._lost(x_N) if np.isfinite(f) else f"f is {_named(f)}"
            place = tuple(x_N.astype(np.float64).tolist())
            self.walk.broken[c, s] = Broken(c * self.starts + s, step, place, what)

    def _lost(self, x_N: np.ndarray) -> str:
        """Say why a step from x led out of the numbers."""
        x_1N1 = torch.from_numpy(x_N.copy()).to(self.x_CNS.dtype)[None, :, None]
        slope_N = at(self.function, x_1N1)[1][0, :, 0]
        for name, slope in zip(self.function.variables, slope_N.tolist(), strict=True):
            if not np.isfinite(slope):
                return f"the gradient by {name} is {_named(slope)}"
        return "the step leads out of the numbers: x becomes infinite"

    def _lowest(self) -> float:
        f_CS = self.f_CS[:, : self.starts]
        f_CS = f_CS[f_CS.isfinite()]
        return float(f_CS.min()) if f_CS.numel() else float("nan")

    def _close(self, taken: int) -> Walk:
        """Compute f and the gradient where members are now, and cut off what was not reached."""
        walk, own = self.walk, slice(0, self.starts)
        f_CS, gradient_CNS = at(self.function, self.x_CNS)
        walk.taken = taken
        walk.x_CNS = self.x_CNS[..., own].double().numpy().copy()
        walk.f_CS, walk.gradient_CNS = f_CS[:, own].double().numpy(), gradient_CNS[..., own].double().numpy()
        bad_CS: np.ndarray = ~(np.isfinite(walk.f_CS) & np.asarray(np.isfinite(walk.gradient_CNS)).all(1))
        for c, s in zip(*np.nonzero(bad_CS), strict=True):
            self._break(int(c), int(s), taken, walk.x_CNS[c, :, s], float(walk.f_CS[c, s]))
        kept_K, kept_L = walk.step_K < taken, walk.trail_L < taken
        c, s = np.divmod(self.drawn, self.starts)
        walk.step_K = np.append(walk.step_K[kept_K], taken)
        walk.x_KCNS = np.concatenate([walk.x_KCNS[kept_K], walk.x_CNS[None]])
        walk.f_KCS = np.concatenate([walk.f_KCS[kept_K], walk.f_CS[None]])
        walk.trail_L = np.append(walk.trail_L[kept_L], taken)
        walk.trail_LDN = np.concatenate([walk.trail_LDN[kept_L], walk.x_CNS.transpose(0, 2, 1)[c, s][None]])
        walk.trail_f_LD = np.concatenate([walk.trail_f_LD[kept_L], walk.f_CS[c, s][None]])
        self._blank()
        return walk

    def _blank(self) -> None:
        """Take out what members did after they ended; their last x is the one in which they did."""
        walk = self.walk
        for (c, s), broken in walk.broken.items():
            after_K = walk.step_K > broken.step
            walk.x_KCNS[after_K, c, :, s], walk.f_KCS[after_K, c, s] = np.nan, np.nan
            drawn, after_L = self.drawn == broken.member, walk.trail_L > broken.step
            walk.trail_LDN[np.ix_(after_L, drawn)], walk.trail_f_LD[np.ix_(after_L, drawn)] = np.nan, np.nan
            place = torch.tensor(broken.x, dtype=self.x_CNS.dtype)[None, :, None]
            f_CS, gradient_CNS = at(self.function, place)
            walk.x_CNS[c, :, s] = broken.x
            walk.f_CS[c, s], walk.gradient_CNS[c, :, s] = float(f_CS), gradient_CNS[0, :, 0].double().numpy()


def _named(value: float) -> str:
    return "NaN" if np.isnan(value) else "infinite" if value > 0 else "minus infinity"
