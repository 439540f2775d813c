"""Learning rates over time: a factor for every step, computed in float64 for a stretch of steps at once.

A member's position is the number of its own steps; members with fewer rows have fewer steps an epoch.
Each schedule equals torch.optim.lr_scheduler's of the same name.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from danlu.core.errors import PlanError
from danlu.core.parsing import split_setting
from danlu.population.members import Members


@dataclass(frozen=True)
class Position:
    """Where members are: steps taken `[S, M]`, steps in all `[M]`, steps an epoch `[M]`."""

    step: np.ndarray
    total: np.ndarray
    each: np.ndarray


Factor = Callable[[Position], np.ndarray]
"""Position -> factor of the learning rate, `[S, M]`."""


@dataclass(frozen=True)
class Schedule:
    """The learning rate's factor at any step, with a linear warm-up in front.

    Warm-up takes `warmup` epochs: step i of W has the factor (i + 1) / W; the schedule begins after it.

    >>> Schedule.make("step:1:0.5", epochs=3).factors(np.arange(6)[:, None], np.array([2]))[:, 0]
    array([1.  , 1.  , 0.5 , 0.5 , 0.25, 0.25])
    """

    name: str
    factor: Factor
    epochs: int
    warmup: float = 0.0
    plateau: tuple[float, float] = (np.inf, 1.0)
    """Patience and factor that `Plateau` follows; infinite where another schedule is meant."""

    @classmethod
    def make(cls, text: str, epochs: int, warmup: float = 0.0) -> Schedule:
        """Return the schedule for a text such as "constant", "step:30:0.1" or "one-cycle:0.3".

        Defaults: step:30:0.1 (epochs, factor), exponential:0.99 (factor an epoch), cosine:0 (share left at the
        end), one-cycle:0.3 (where the peak is), plateau:10:0.1 (judgings, factor).

        Raises:
            PlanError: a number after the name is out of range.
        """
        name, numbers = split_setting(text)
        defaults = _DEFAULTS[name]
        values = (*numbers, *defaults[len(numbers) :])
        _check(name, values, len(numbers) > len(defaults))
        plateau = (values[0], values[1]) if name == "plateau" else (np.inf, 1.0)
        return cls(name, _FACTORS[name](*values), epochs, warmup, plateau)

    def factors(self, step_SM: np.ndarray, steps_M: np.ndarray) -> np.ndarray:
        """Return the factor of each step.

        Arguments:
            step_SM: steps that a member has taken before this one, from 0.
            steps_M: steps that a member takes an epoch.
        Shape: [S, M], [M] -> [S, M], float64.
        """
        warm_M = np.round(self.warmup * steps_M)
        total_M = np.maximum(self.epochs * steps_M - warm_M, 1)
        after = self.factor(Position(np.maximum(step_SM - warm_M, 0), total_M, steps_M))
        return np.where(step_SM < warm_M, (step_SM + 1) / np.maximum(warm_M, 1), after)


@dataclass
class Plateau:
    """Cuts the learning rate of a member whose loss no longer falls, as torch's ReduceLROnPlateau (mode min).

    A judging counts as gain where the loss is below the best by a share of 1e-4; after more than `patience`
    judgings without gain the rate is multiplied by `factor`, unless that would change it by 1e-8 or less.
    """

    patience_M: np.ndarray
    factor_M: np.ndarray
    lr_M: np.ndarray
    """Rates now, without warm-up."""
    best_M: np.ndarray = field(init=False)
    waited_M: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        self.best_M = np.full(len(self.lr_M), np.inf)
        self.waited_M = np.zeros(len(self.lr_M), dtype=np.int64)

    def judge(self, loss_M: np.ndarray, index: np.ndarray) -> None:
        """Take the losses of the members `index` at one judging."""
        gained = loss_M < self.best_M[index] * (1 - 1e-4)
        self.best_M[index] = np.where(gained, loss_M, self.best_M[index])
        waited = np.where(gained, 0, self.waited_M[index] + 1)
        patient = waited > self.patience_M[index]
        lower = np.where(patient, self.lr_M[index] * self.factor_M[index], self.lr_M[index])
        self.lr_M[index] = np.where(self.lr_M[index] - lower > 1e-8, lower, self.lr_M[index])
        self.waited_M[index] = np.where(patient, 0, waited)


class Timetable:
    """The learning rate of every member at any of its steps: its own rate, schedule, warm-up and epochs.

    >>> from danlu.core.plan import make_plan
    >>> table = Timetable(Members.make(make_plan(lr=0.5, epochs=2, schedule="step:1:0.5"), 2))
    >>> table.rates([0, 1], np.array([[0, 0], [1, 1]]), np.array([1, 1])).tolist()
    [[0.5, 0.5], [0.25, 0.25]]
    """

    def __init__(self, members: Members) -> None:
        kinds = list(zip(members.schedules, members.epochs, members.warmups, strict=True))
        made = {kind: Schedule.make(*kind) for kind in dict.fromkeys(kinds)}
        self.schedules = [made[kind] for kind in kinds]
        patience_M, factor_M = np.array([schedule.plateau for schedule in self.schedules]).T
        lr_M = members.lr.cpu().double().numpy().copy()
        self.plateau = Plateau(patience_M, factor_M, lr_M)

    def rates(self, index: Sequence[int], step_SA: np.ndarray, steps_A: np.ndarray) -> np.ndarray:
        """Return the rates of the members `index` at some of their steps, float64 `[S, A]`.

        Arguments:
            step_SA: steps that each has taken before.
            steps_A: steps that each takes an epoch.
        """
        rate_SA = np.empty(step_SA.shape)
        chosen = [self.schedules[i] for i in index]
        for schedule in set(chosen):
            own = [place for place, other in enumerate(chosen) if other is schedule]
            rate_SA[:, own] = schedule.factors(step_SA[:, own], steps_A[own])
        return self.plateau.lr_M[list(index)] * rate_SA

    def judge(self, loss_A: np.ndarray, index: Sequence[int]) -> None:
        """Take the losses of one judging: the plateau schedule follows them."""
        if np.isfinite(self.plateau.patience_M).any():
            self.plateau.judge(loss_A, np.array(index))


def _constant() -> Factor:
    return lambda at: np.ones(at.step.shape)


def _step(epochs: float, share: float) -> Factor:
    return lambda at: share ** (at.step // at.each // epochs)


def _exponential(share: float) -> Factor:
    return lambda at: share ** (at.step // at.each)


def _cosine(last: float) -> Factor:
    return lambda at: last + (1 - last) * (1 + np.cos(np.pi * at.step / at.total)) / 2


def _one_cycle(peak: float) -> Factor:
    """Smith & Topin 2019 as in torch: from 1/25 to 1 at `peak`, then down to 1/250,000, along cosines."""

    def factor(at: Position) -> np.ndarray:
        top = peak * at.total - 1
        rising = _between(1 / 25, 1.0, at.step / np.where(top > 0, top, 1))
        falling = _between(1.0, 1 / 250_000, (at.step - top) / np.maximum(at.total - 1 - top, 1e-12))
        return np.where((at.step <= top) & (top > 0), rising, falling)

    return factor


def _between(first: float, last: float, share: np.ndarray) -> np.ndarray:
    return last + (first - last) / 2 * (1 + np.cos(np.pi * np.clip(share, 0, 1)))


_DEFAULTS: dict[str, tuple[float, ...]] = {
    "constant": (),
    "step": (30, 0.1),
    "exponential": (0.99,),
    "cosine": (0.0,),
    "one-cycle": (0.3,),
    "plateau": (10, 0.1),
}
_FACTORS: dict[str, Callable[..., Factor]] = {
    "constant": _constant,
    "step": _step,
    "exponential": _exponential,
    "cosine": _cosine,
    "one-cycle": _one_cycle,
    "plateau": lambda *_: _constant(),
}


def _check(name: str, values: tuple[float, ...], too_many: bool) -> None:
    """Refuse numbers that no schedule can follow."""
    example = ":".join([name, *(f"{v:g}" for v in _DEFAULTS[name])])
    if too_many:
        raise PlanError(f"`schedule` {name} takes {len(_DEFAULTS[name])} numbers", "got more", f"Use {example}.")
    counted = name in ("step", "plateau")
    if counted and (values[0] < 1 or values[0] != int(values[0])):
        raise PlanError(
            f"`schedule` {name} needs a whole number of at least 1 first", f"got {values[0]:g}", f"Use {example}."
        )
    shares = values[1:] if counted else values
    lowest_allowed = name == "cosine"
    if any(not (0 <= v <= 1) or (v == 0 and not lowest_allowed) for v in shares):
        raise PlanError(f"`schedule` {name} needs a share between 0 and 1", f"got {shares[0]:g}", f"Use {example}.")
