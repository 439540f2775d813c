"""Minimises any differentiable function of n variables from many starts, with many optimizers, as one population."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from danlu.core.devices import arithmetic
from danlu.core.errors import PlanError, nearest
from danlu.core.parsing import split_names
from danlu.core.plan import Plan, make_plan
from danlu.core.seeds import stream
from danlu.explanation.descent_asked import (
    Asked,
    Problem,
    check_starts,
    check_whole,
    expression_problem,
    python_problem,
)
from danlu.explanation.descent_points import Ends, find_ends, other_points
from danlu.explanation.descent_records import DescentRecord, Grid, Setting, Trail
from danlu.explanation.descent_walk import Descending, OnStep, Walk

STEPS = 5_000
RATES = {"sgd": 0.001, "adam": 0.02, "adamw": 0.02, "rmsprop": 0.01, "adagrad": 0.2}
"""Learning rates where none is named: sgd's as it is, the others' (which are steps of x) in widths of the box."""
SETTINGS = ("momentum", "nesterov", "schedule")
MOST_NUMBERS, MOST_KEPT = 20_000_000, 50_000_000
"""Coordinates of all members, and numbers of all paths."""
DRAWN, GRID, FEW = 60, 121, 41
"""Members drawn in pictures; points of their grid along each side, and where points are computed one by one."""
DTYPES = {"float32": torch.float32, "float64": torch.float64}


def minimize(  # noqa: PLR0913  a function, where from, and how: one option each
    f: str | Callable[..., Any],
    start: Any = None,
    *,
    starts: int | None = None,
    box: Any = None,
    variables: int | None = None,
    optimizer: str | Sequence[str] = "adam",
    lr: float | str | Sequence[float] | None = None,
    steps: int = STEPS,
    every: int | None = None,
    dtype: str = "float64",
    seed: int = 0,
    on_step: OnStep = lambda *_: None,
    stop: Callable[[], bool] = lambda: False,
    **settings: Any,
) -> DescentRecord:
    """Return the descents of `f` as plain records; `danlu.minimize` says what the arguments are."""
    begun = time.perf_counter()
    asked = Asked(start, starts, box, variables, seed)
    check_whole("steps", steps, 100_000_000)
    every = max(1, steps // 10) if every is None else check_whole("every", every, steps)
    if dtype not in DTYPES:
        raise PlanError("`dtype` must be float32 or float64", f"got {dtype!r}", "Use dtype=float64.")
    problem = expression_problem(f, asked) if isinstance(f, str) else python_problem(f, asked)
    span_N = problem.box_N2[:, 1] - problem.box_N2[:, 0]
    plans, notes = make_settings(optimizer, lr, float(span_N.mean()), steps, settings)
    _check_size(problem, len(plans), steps, every)
    members = len(plans) * len(problem.start_SN)
    drawn = np.unique(np.linspace(0, members - 1, min(members, DRAWN)).round().astype(np.int64))
    with arithmetic(1 if members * len(span_N) < MOST_NUMBERS // 1000 else None):
        check_starts(problem, DTYPES[dtype])
        descending = Descending(
            problem.function,
            problem.start_SN,
            plans,
            steps=steps,
            every=every,
            dtype=DTYPES[dtype],
            drawn=drawn.tolist(),
        )
        walk = descending.run(on_step, stop)
        ends = find_ends(problem.function, walk, problem.start_SN, span_N)
        others = other_points(problem.function, problem.box_N2, ends.points, stream(seed, "points"))
        grid = _grid(problem, walk) if len(span_N) <= 2 else None
    if not ends.classified:
        notes += (f"{members:,} ends of {len(span_N):,} variables have too many second derivatives to be classified",)
    options = {"steps": walk.taken, "every": every, "dtype": dtype, "seed": seed, "interrupted": walk.taken < steps}
    trail = Trail(tuple(drawn.tolist()), walk.trail_L, walk.trail_LDN, walk.trail_f_LD)
    made: dict[str, Any] = {"others": others, "grid": grid, "trail": trail, "seconds": time.perf_counter() - begun}
    return _record(problem, plans, walk, ends, options | made | {"notes": problem.notes + notes})


def _record(problem: Problem, plans: Sequence[Plan], walk: Walk, ends: Ends, more: dict[str, Any]) -> DescentRecord:
    settings, size, starts = walk.x_CNS.shape
    steps, members = len(walk.step_K), settings * starts
    if len(walk.broken) == members:
        more["interrupted"] = False  # every member had ended
    return DescentRecord(
        name=problem.name,
        formula=problem.formula,
        variables=problem.function.variables,
        box=problem.box_N2,
        settings=tuple(Setting(plan.optimizer or "", plan.lr or 0.0) for plan in plans),
        start_SN=problem.start_SN,
        path_step_K=walk.step_K,
        path_x_KMN=walk.x_KCNS.transpose(0, 1, 3, 2).reshape(steps, members, size),
        path_f_KM=walk.f_KCS.reshape(steps, members),
        x_MN=walk.x_CNS.transpose(0, 2, 1).reshape(members, size),
        f_M=walk.f_CS.reshape(members),
        gradient_norm_M=walk.norm_M(),
        status_M=ends.status_M,
        points=ends.points,
        broken=tuple(sorted(walk.broken.values(), key=lambda each: (each.step, each.member))),
        known=problem.minima,
        **more,
    )


def make_settings(
    optimizer: str | Sequence[str], lr: Any, span: float, steps: int, settings: dict[str, Any]
) -> tuple[list[Plan], tuple[str, ...]]:
    """Return a plan for every optimizer with every learning rate, and what was decided.

    Raises:
        PlanError: an unknown optimizer or setting, or a value out of range.

    >>> plans, _ = make_settings("adam,sgd", "0.1,0.01", 10.0, 100, {})
    >>> [(plan.optimizer, plan.lr) for plan in plans]
    [('adam', 0.1), ('adam', 0.01), ('sgd', 0.1), ('sgd', 0.01)]
    """
    names, rates = _asked_settings(optimizer, lr, settings)
    takers = [name for name in names if name in ("sgd", "rmsprop")]
    given = {key: value for key, value in settings.items() if value is not None}
    plans: list[Plan] = []
    chosen: list[str] = []
    for name in names:
        own = dict(given)
        if takers and name not in takers:
            own.pop("momentum", None)
        if name != "sgd" and "sgd" in names:
            own.pop("nesterov", None)
        for rate in rates:
            if rate is None and name in RATES:
                own |= _usual(name, span, "schedule" in own)
                chosen.append(f"{name} {own['lr']:g}" + (", falling to 0 along a cosine" if name != "sgd" else ""))
            plans.append(make_plan(optimizer=name, epochs=steps, **({"lr": rate} | own)))
    notes = (f"learning rate chosen: {'; '.join(chosen)}",) if chosen else ()
    if takers and len(takers) < len(names) and given.get("momentum"):
        notes += (f"momentum counts for {' and '.join(takers)} only",)
    return plans, notes


def _asked_settings(optimizer: str | Sequence[str], lr: Any, settings: dict[str, Any]) -> tuple[list[str], list[Any]]:
    """Return the optimizers and the learning rates; refuse settings that a descent does not have."""
    for name in settings:
        if name not in SETTINGS:
            fact = "there is none of that name"
            raise PlanError(f"`{name}` must be a setting of a descent", fact, nearest(name, SETTINGS))
    names = list(dict.fromkeys(split_names(optimizer)))
    rates = list(dict.fromkeys(split_names(lr) if isinstance(lr, str | Sequence) else [lr]))
    if not names or not rates:
        raise PlanError("`optimizer` and `lr` must have a value", "got none", "Use optimizer=adam, lr=0.01.")
    if str(settings.get("schedule")).startswith("plateau"):
        raise PlanError("`schedule` plateau follows judgings", "a descent has none", "Use schedule=cosine.")
    return names, rates


def _usual(optimizer: str, span: float, scheduled: bool) -> dict[str, Any]:
    """Return the learning rate and schedule of an optimizer where none is named."""
    if optimizer == "sgd":
        return {"lr": RATES["sgd"]}
    return {"lr": float(f"{RATES[optimizer] * span:.2g}")} | ({} if scheduled else {"schedule": "cosine"})


def _check_size(problem: Problem, settings: int, steps: int, every: int) -> None:
    """Refuse what would not fit into memory."""
    starts, size = problem.start_SN.shape
    numbers, kept = settings * starts * size, settings * starts * (size + 1) * (steps // every + 2)
    if numbers > MOST_NUMBERS:
        rule = f"settings x starts x variables must be at most {MOST_NUMBERS:,}"
        raise PlanError(rule, f"got {numbers:,}", "Use fewer starts.")
    if kept > MOST_KEPT:
        rule = f"paths must have at most {MOST_KEPT:,} numbers"
        raise PlanError(rule, f"got {kept:,}", f"Use every={max(1, steps // 10)}, or fewer starts.")


def _grid(problem: Problem, walk: Walk) -> Grid:
    """Return the function over the box and what the paths reached of its neighbourhood."""
    low_N, high_N = problem.box_N2.T
    span_N = high_N - low_N
    reached = walk.trail_LDN.reshape(-1, len(span_N))
    reached = reached[np.isfinite(reached).all(1)]
    near = reached[((reached >= low_N - span_N / 2) & (reached <= high_N + span_N / 2)).all(1)]
    if len(near):
        low_N, high_N = np.minimum(low_N, near.min(0)), np.maximum(high_N, near.max(0))
    many = 4 * GRID if len(span_N) == 1 else GRID
    count = FEW if problem.function.lanes == 1 else many
    axes = [np.linspace(low, high, count) for low, high in zip(low_N, high_N, strict=True)]
    y_H = axes[1] if len(axes) == 2 else np.zeros(1)
    mesh = np.stack([each.ravel() for each in np.meshgrid(*axes)])
    with torch.no_grad():
        f = problem.function.value(torch.from_numpy(mesh)[None])[0].numpy()
    return Grid(axes[0], y_H, f.reshape(len(y_H), count))
