"""All that explains a model besides its scores, taken once after judging, in bounded time, on rows not learnt from."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from danlu.core.explained import Explained, LayerState, Spread, WorstRow
from danlu.core.records import ColumnSchema
from danlu.data.columns import Column
from danlu.explanation.failures import slices, worst
from danlu.explanation.layer_states import layer_courses, layer_states
from danlu.judging.scores import decided
from danlu.networks import to_torch
from danlu.networks.export import MemberModule
from danlu.networks.modules import ModuleNetwork
from danlu.population import Trained
from danlu.population.losses import make_loss
from danlu.report.words import moment, number
from danlu.workflow.drivers import Arrays, asked_of, budget, drivers
from danlu.workflow.judge import Judged
from danlu.workflow.training import Shipped, Trial

BINS = 24
"""Bars of a number's small chart."""
LEVELS = 12
"""Bars of a category's."""
MOST_SPREADS = 500
WORST = 20
WORST_COLUMNS = 8
LAYER_ROWS, LAYER_IMAGES = 256, 64
"""Rows, or images, on which layers are looked at."""


def explain(trial: Trial, trained: Trained, shipped: Shipped, judged: Judged) -> tuple[Explained, Arrays]:
    """Look at the data, at what drives predictions, where they fail, and at the layers; of a cut-off run at less.

    Returns:
        the records, and the arrays `dependence_QGC` and `single_QIG` where there is dependence.
    """
    asked = asked_of(trial, trained, shipped, judged)
    clock, cost = time.perf_counter(), {}
    found: dict[str, Any] = {"spreads": _spreads(trial), "target": _target_spreads(trial)}
    arrays: Arrays = {}
    table = trial.examined.schema.image is None
    thorough = trial.plan.explain
    if thorough and table and asked is not None and not trained.interrupted:
        decision = judged.settled.decision
        weights = None if decision is None else np.array(decision.weights)
        with torch.no_grad():
            found["importance"], found["dependence"], arrays = drivers(asked, budget(trial, trained), weights)
        cost["drivers"] = time.perf_counter() - clock
    if thorough and table and len(judged.rows_N):
        found |= _failures(trial, judged, found.get("importance"))
    if thorough and not trained.interrupted:
        begun = time.perf_counter()
        found |= _layers(trial, trained)
        cost["layers"] = time.perf_counter() - begun
    found["memory"] = peak_memory(trial.matrices.x_NF.device)
    cost["total"] = time.perf_counter() - clock
    return Explained(**found, cost=cost), arrays


def peak_memory(device: torch.device) -> int | None:
    """Return the most bytes in use at once: of the accelerator, else of the whole process; None if unknown."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    try:
        import resource  # noqa: PLC0415  Windows has none
    except ImportError:
        return None
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


# What data it saw


def _spreads(trial: Trial) -> tuple[Spread, ...]:
    examined = trial.examined
    pairs = zip(examined.table.columns[:MOST_SPREADS], examined.schema.columns, strict=False)
    return tuple(spread(column, schema) for column, schema in pairs)


def spread(column: Column, schema: ColumnSchema) -> Spread:
    """Return how the cells of a column are spread.

    >>> ages = Column("age", "number", np.array([1.0, 2.0, 2.0, np.nan]))
    >>> found = spread(ages, ColumnSchema(name="age", kind="number"))
    >>> found.counts[0], found.counts[-1], found.middle, found.missing, found.different
    (1, 2, 2.0, 1, 2)
    """
    if column.kind in ("category", "yes/no"):
        return _of_levels(column.name, column.values, schema.levels)
    return _of_numbers(column.name, column.values)


def _of_levels(name: str, codes_N: np.ndarray, levels: tuple[str, ...]) -> Spread:
    counts = np.bincount(codes_N[codes_N >= 0], minlength=len(levels))
    order = np.argsort(-counts, kind="stable")[:LEVELS]
    return Spread(
        name=name,
        counts=tuple(counts[order].tolist()),
        levels=tuple(levels[int(code)] for code in order),
        beyond=int(counts.sum() - counts[order].sum()),
        missing=int((codes_N < 0).sum()),
        different=int((counts > 0).sum()),
    )


def _of_numbers(name: str, values_N: np.ndarray) -> Spread:
    known = values_N[np.isfinite(values_N)]
    missing = len(values_N) - len(known)
    if not len(known):
        return Spread(name=name, counts=(), missing=missing)
    low, middle, high = np.quantile(known, [0.005, 0.5, 0.995]).tolist()
    low, high = (float(known.min()), float(known.max())) if high <= low or len(known) < 400 else (low, high)
    with np.errstate(over="ignore"):
        wide = np.isfinite(high - low)
    counts = np.histogram(known, BINS, (low, high))[0] if wide and high > low else np.array([len(known)])
    return Spread(
        name=name,
        counts=tuple(counts.tolist()),
        low=low,
        high=high,
        middle=middle,
        beyond=int(len(known) - counts.sum()),
        missing=missing,
        different=len(np.unique(known)),
    )


def _target_spreads(trial: Trial) -> tuple[Spread, ...]:
    target = trial.examined.target
    if target.schema.classes:
        return (_of_levels(target.schema.names[0], np.asarray(target.values), target.schema.classes),)
    values_NC = np.asarray(target.values, np.float64).reshape(len(target.values), -1)
    return tuple(_of_numbers(name, values_NC[:, c]) for c, name in enumerate(target.schema.names[:LEVELS]))


# Where it fails


def _failures(trial: Trial, judged: Judged, importance: Any) -> dict[str, Any]:
    examined, target = trial.examined, trial.examined.target
    rows = judged.rows_N
    columns = [
        (Column(column.name, column.kind, column.values[rows]), schema)
        for column, schema in zip(examined.table.columns, examined.schema.columns, strict=True)
    ]
    truth, said_NC = target.values[rows], judged.said_NC
    if target.schema.classes:
        decision = judged.settled.reading.decision
        guess_N = decided(said_NC, decision)
        guess_N = said_NC.argmax(axis=1) if guess_N is None else guess_N
        wrong_N = (guess_N != truth).astype(np.float64)
        found = slices(columns, wrong_N, "share wrong", _between, share=True)
        sure_N = said_NC[np.arange(len(guess_N)), guess_N]
        places = worst(wrong_N * sure_N, WORST)
        names = target.schema.classes
        said = [(names[int(truth[i])], names[int(guess_N[i])], float(sure_N[i])) for i in places]
    else:
        error_NC = said_NC - truth.reshape(said_NC.shape)
        several = error_NC.shape[1] > 1
        spread_C = truth.reshape(said_NC.shape).std(axis=0) if several else np.ones(1)
        size_N = np.abs(error_NC / np.where(spread_C > 0, spread_C, 1.0)).mean(axis=1)
        of = "mean absolute error" + (", in standard deviations" if several else "")
        found = slices(columns, size_N, of, _between, share=False)
        places = worst(size_N, WORST)
        said = [
            (_list(truth.reshape(said_NC.shape)[i]), _list(said_NC[i]), float(size_N[i] if several else error_NC[i, 0]))
            for i in places
        ]
    first = [each.column for each in importance.columns] if importance is not None else []
    order = sorted(columns, key=lambda pair: first.index(pair[0].name) if pair[0].name in first else len(first))
    shown = order[:WORST_COLUMNS]
    records = tuple(
        WorstRow(
            row=int(examined.kept[rows[place]]) + 1,
            truth=true,
            predicted=guess,
            error=error,
            cells=tuple(_cell(column.values[place], schema) for column, schema in shown),
        )
        for place, (true, guess, error) in zip(places.tolist(), said, strict=True)
    )
    return {"slices": found, "worst": records, "worst_columns": tuple(column.name for column, _ in shown)}


def _list(values_C: np.ndarray) -> str:
    return ", ".join(number(float(value)) for value in values_C[:4]) + (", …" if len(values_C) > 4 else "")


def _writer(kind: str) -> Callable[[float], str]:
    return moment if kind == "date" else number


def _between(low: float, high: float, kind: str) -> str:
    """Return an interval of values in words."""
    write = _writer(kind)
    return write(low) if low == high else f"{write(low)} to {write(high)}"


def _cell(value: Any, schema: ColumnSchema) -> str:
    """Return a cell as text, "" where it is missing."""
    if schema.kind in ("category", "yes/no"):
        return schema.levels[int(value)] if value >= 0 else ""
    return "" if not np.isfinite(value) else _writer(schema.kind)(float(value))


# What is inside


def _layers(trial: Trial, trained: Trained) -> dict[str, Any]:
    """Look at the first network that can be used, on some of the rows that it learnt from, at its end and over time."""
    member = next((m for m in trained.members if m.usable), None)
    if member is None:
        return {}
    learnt = trial.fitted()[0][member.fold]
    most = LAYER_ROWS if trial.examined.schema.image is None else LAYER_IMAGES
    rows = torch.from_numpy(learnt[np.linspace(0, len(learnt) - 1, min(most, len(learnt))).round().astype(int)])
    preparation, matrices, loss = trial.preparation.to("cpu"), trial.matrices, trial.plan.loss or "mse"
    x_NF, codes_NQ, y = (each[rows.to(each.device)].cpu() for each in (matrices.x_NF, matrices.codes_NQ, matrices.y))
    if make_loss(loss).scaled:
        y = preparation.pick([member.fold]).scaled(y.reshape(1, len(rows), -1))[0]

    def look(weights_P: torch.Tensor, state_S: torch.Tensor) -> tuple[LayerState, ...]:
        whole = to_torch(trial.network, preparation, weights_P[None], state_S[None], [member.fold])
        only = whole.members[0]
        assert isinstance(only, MemberModule)
        return layer_states(only, x_NF, codes_NQ, y, loss)

    try:
        end = look(trained.weights_MP[member.index].cpu(), trained.state_MS[member.index].cpu())
        kept = [each for each in trained.snapshots if each.epoch < member.epochs] if member.index == 0 else []
        looks = [look(each.weights_P, each.state_S) for each in kept]
    except Exception:
        if not isinstance(trial.network, ModuleNetwork):
            raise
        return {}  # a class of the user's that cannot run alone, or a loss on it
    epochs = [each.epoch for each in kept]
    if member.best_epoch == member.epochs:  # else these are the weights of an earlier epoch
        epochs, looks = [*epochs, member.epochs], [*looks, end]
    courses = layer_courses(looks) if len(looks) > 2 else ()
    whole = {"layers": end, "layer_rows": len(rows)}
    return whole | {"layer_epochs": tuple(epochs) if courses else (), "layer_courses": courses}
