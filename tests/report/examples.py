"""Runs made up for tests, shaped as real ones: records and arrays that fit each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from danlu.core.explained import (
    Dependence,
    Explained,
    Importance,
    Importances,
    LayerCourse,
    LayerState,
    Slice,
    Slices,
    Spread,
    WorstRow,
)
from danlu.core.plan import make_plan
from danlu.core.records import (
    Breakdown,
    CodeColumn,
    ColumnSchema,
    FeatureLayout,
    Finding,
    LeftOut,
    MemberRecord,
    NetworkSpec,
    Note,
    Rows,
    Run,
    Schema,
    TargetSchema,
)
from danlu.judging import constant_baseline, metric, metrics_for, score

Example = tuple[Run, dict[str, np.ndarray]]
HOSTILE = (
    "<script>alert(1)</script>",
    "</script><img src=x onerror=alert(2)>",
    "a.b[0]['c']",
    "\"quoted\" & 'single' `tick`",
    "datum.x + {{y}} ${z}",
    "\u202eright-to-left\u0000",
    "很长的中文列名",
    "<!--",
)


def curves(members: int, epochs: int, seed: int, *, start: float, end: float, noise: float = 0.02) -> np.ndarray:
    """Return falling curves [E, M] in float64."""
    rng = np.random.default_rng(seed)
    time = np.arange(1, epochs + 1)[:, None]
    level = end * (1 + 0.04 * rng.standard_normal(members))
    return level + (start - level) * time**-0.7 * (1 + noise * rng.standard_normal((epochs, members)))


def member_records(members: int, epochs: int, folds: int, rows: int) -> tuple[MemberRecord, ...]:
    return tuple(
        MemberRecord(
            index=m,
            fold=m % folds,
            repeat=m // folds,
            train_rows=rows - rows // folds,
            judged_rows=rows // folds,
            epochs=epochs,
            best_epoch=epochs,
            ended="finished",
        )
        for m in range(members)
    )


def columns(names: Sequence[str]) -> tuple[ColumnSchema, ...]:
    """Return number columns, the last of them a category with as many levels as there are names."""
    numbers = [
        ColumnSchema(name=n, kind="number", low=-12.5 * i, high=1000.0 * i + 3, missing=7 * (i == 1), example="3.5")
        for i, n in enumerate(names[:-1])
    ]
    category = ColumnSchema(name=names[-1], kind="category", levels=tuple(names), example=names[0])
    date = ColumnSchema(name="sold", kind="date", low=1.5e9, high=1.6e9, parts=("month",), example="2018-03-01")
    return (*numbers, date, category)


def run(
    target: TargetSchema,
    arrays: dict[str, np.ndarray],
    *,
    members: int = 10,
    epochs: int = 60,
    folds: int = 5,
    kind: str = "out-of-fold",
    names: Sequence[str] = ("area", "rooms", "age", "district"),
    name: str = "house",
    source: str = "/data/house.csv",
    noise: float = 1.15,
    asked: dict[str, Any] | None = None,
    **changed: Any,
) -> Example:
    """Build a run whose scores are those of its own arrays."""
    truth, predicted = arrays["truth_NC"], arrays["predicted_NC"]
    rows = len(truth)
    spread = np.stack([predicted, predicted])
    if target.task == "regression":
        rng = np.random.default_rng(5)
        spread = spread + 0.3 * (predicted - truth).std(axis=0) * rng.standard_normal(predicted.shape) * np.array(
            [[[1]], [[-1]]]
        )
    scores = score(truth, spread, target, kind=kind)
    constant = constant_baseline(truth, rows, target).predicted_NC
    main = metrics_for(target)[0]
    linear = truth + noise * (predicted - truth) if target.task == "regression" else _blurred(predicted)
    baselines = {
        "mean" if target.task == "regression" else "majority": {
            n: _finite(metric(n, truth, constant)) for n in metrics_for(target)
        },
        "linear": {n: _finite(metric(n, truth, linear)) for n in metrics_for(target)},
    }
    inputs = columns(names)
    asked = {"target": target.names, **(asked or {})}
    record = Run(
        name=name,
        version="0.1.0",
        created="2026-11-21T09:30:00+00:00",
        source=source,
        plan=make_plan(**asked),
        resolved=make_plan(
            **{
                "folds": None if "holdout" in asked else folds,
                "repeats": max(1, members // folds),
                "hidden": (128, 128),
                "activation": "relu",
                "dropout": 0.1,
                "optimizer": "adamw",
                "lr": 0.002,
                "weight_decay": 0.01,
                "schedule": "one-cycle",
                "epochs": epochs,
                "batch_size": 256,
                "scale": "robust",
                "threads": 2,
                **asked,
            }
        ),
        table=Schema(
            columns=inputs,
            target=target,
            left_out=(LeftOut(name="id", reason="every cell differs: a row identifier"),),
        ),
        network=NetworkSpec(
            layout=FeatureLayout(numbers=tuple(names[:-1]), codes=(CodeColumn(name=names[-1], slots=6),)),
            outputs=target.outputs,
            hidden=(128, 128),
        ),
        parameters=19_201,
        rows=Rows(read=rows + 3, used=rows, without_target=3),
        folds=f"{folds} folds" + (f", {members // folds} repeats" if members > folds else ""),
        main_metric=main,
        members=member_records(members, epochs, folds, rows),
        shipped=tuple(range(members)),
        scores=scores,
        baselines=baselines,
        inferred=(
            Note(topic="format", text="comma-separated, UTF-8, the first row names the columns"),
            Note(topic=names[0], text="taken for a number: 12,034 different values"),
        ),
        seconds={"read": 0.11, "prepare": 0.32, "train": 31.4, "total": 33.1},
        machine={"device": "cpu", "threads": "2", "processor": "AMD EPYC", "torch": "2.13.0"},
    )
    return explained(record.model_copy(update=changed), arrays)


def explained(record: Run, arrays: dict[str, np.ndarray]) -> Example:
    """Add what explains a model: of every column something, in numbers that fit its kind."""
    rng = np.random.default_rng(11)
    inputs, target, truth = record.table.columns, record.table.target, arrays.get("truth_NC")
    spreads, along = [], []
    for column in inputs:
        if column.levels:
            counts = tuple(range(90, 90 - len(column.levels), -1))
            spreads.append(Spread(name=column.name, counts=counts, levels=column.levels, different=len(counts)))
            along.append(Dependence(column=column.name, kind=column.kind, levels=column.levels))
        else:
            low, high = column.low or 0.0, (column.high or 0.0) + 1
            counts = tuple(rng.integers(0, 50, 24).tolist())
            spread = {"low": low, "high": high, "middle": (low + high) / 2, "missing": column.missing}
            spreads.append(Spread(name=column.name, counts=counts, different=900, beyond=9, **spread))
            along.append(Dependence(column=column.name, kind=column.kind, values=tuple(np.linspace(low, high, 12))))
    importance = Importances(
        metric="rmse" if target.task == "regression" else "log-loss",
        second_metric="" if target.task == "regression" else "accuracy",
        base=0.5,
        kind="out-of-fold",
        rows=500,
        of_rows=2000,
        shuffles=3,
        columns=tuple(
            Importance(column=c.name, value=1 / (i + 1) - 0.2, low=1 / (i + 1) - 0.3, high=1 / (i + 1), second=0.01)
            for i, c in enumerate(inputs)
        ),
    )
    what = "share wrong" if target.classes else "mean absolute error"
    found = tuple(
        Slice(column=c.name, what=c.name, rows=40 + i, error=0.6 - 0.01 * i, low=0.5 - 0.02 * i, high=0.7)
        for i, c in enumerate(inputs)
    )
    worst = tuple(
        WorstRow(
            row=i + 1, truth=inputs[0].name, predicted=inputs[-1].name, error=0.9, cells=tuple(c.name for c in inputs)
        )
        for i in range(20)
    )
    layers = tuple(
        LayerState(name=str(i), kind=kind, shape=(128,), parameters=640, mean=0.1, spread=0.9, dead=dead, gradient=0.01)
        for i, (kind, dead) in enumerate((("Linear", None), ("ReLU", 0.25), ("Linear", None)))
    )
    ends = np.linspace(0, 1, 4).round(2).tolist()
    courses = (
        LayerCourse(
            name="0", kind="Linear", output=(1.0, 1.1, 1.2, 1.3), weight=(0.5,) * 4, gradient=(0.1, 0.01, 1e-3, 1e-4)
        ),
        LayerCourse(name="1", kind="ReLU", output=(0.5, 0.6, 0.7, 0.7), dead=tuple(ends)),
        LayerCourse(
            name="2", kind="Linear", output=(0.2, 0.9, 1.0, 1.0), weight=(0.3, 0.4, 0.5, 0.6), gradient=(0.1,) * 4
        ),
    )
    names = target.classes or target.names
    of_target = Spread(
        name=target.names[0], counts=tuple(range(9, 9 + len(names))), levels=target.classes, different=24
    )
    if not target.classes and truth is not None:
        of_target = of_target.model_copy(update={"counts": (3, 9, 4), "low": 1.0, "high": 4.0, "middle": 2.0})
    most = max([12, *(len(each.levels) for each in along)])
    single = rng.standard_normal((len(along), 40, 1)) + np.linspace(0, 2, most)
    more = {"single_QIG": single, "dependence_QGC": np.repeat(single.mean(1)[..., None], target.outputs, 2)}
    whole = Explained(
        spreads=tuple(spreads),
        target=(of_target,),
        importance=importance,
        dependence=tuple(along),
        slices=Slices(of=what, error=0.4, rows=2000, looks=60, worst=found),
        worst=worst,
        worst_columns=tuple(c.name for c in inputs),
        layers=layers,
        layer_rows=256,
        layer_epochs=(0, 20, 40, 60),
        layer_courses=courses,
    )
    return record.model_copy(update={"explained": whole}), arrays | more


def _blurred(predicted: np.ndarray) -> np.ndarray:
    """Return worse probabilities."""
    logits = np.log(predicted) + 0.8 * np.random.default_rng(8).standard_normal(predicted.shape)
    return np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)


def _finite(value: float | None) -> float | None:
    return value if value is not None and np.isfinite(value) else None


def regression(rows: int = 2_000, members: int = 10, epochs: int = 60, **changed: Any) -> Example:
    """California housing in shape: one target, of which a tenth of the networks stopped early."""
    rng = np.random.default_rng(1)
    truth = np.minimum(14_999 + rng.gamma(2.2, 88_000, rows), 500_001.0)[:, None]
    predicted = truth + 47_000 * rng.standard_t(5, (rows, 1))
    target = TargetSchema(names=("median_house_value",), task="regression", outputs=1)
    judged = curves(members, epochs, 3, start=140_000, end=49_000)
    arrays = {
        "loss_EM": curves(members, epochs, 2, start=0.9, end=0.12),
        "judged_epochs_J": np.arange(1, epochs + 1),
        "judged_JM": judged,
        "lr_E": 0.002 * np.linspace(1, 0, epochs),
        "rows_N": rng.permutation(rows),
        "truth_NC": truth,
        "predicted_NC": predicted,
    }
    return run(target, arrays, members=members, epochs=epochs, noise=1.38, **changed)


def stopped(members: int = 10, epochs: int = 60) -> Example:
    """A regression with early stopping, a test table and curves that end where networks ended."""
    record, arrays = regression(members=members, epochs=epochs)
    ends = np.random.default_rng(4).integers(25, epochs, members)
    found = []
    for m, end in zip(record.members, ends.tolist(), strict=True):
        arrays["loss_EM"][end:, m.index] = np.nan
        arrays["judged_JM"][end:, m.index] = np.nan
        found.append(m.model_copy(update={"ended": "stopped early", "epochs": end, "best_epoch": end - 8}))
    tested = {
        n: s.model_copy(update={"kind": "test", "rows": 500, "value": s.value and s.value * 1.01})
        for n, s in record.scores.items()
    }
    rows = record.rows.model_copy(update={"test": 500})
    return record.model_copy(update={"members": tuple(found), "test": tested, "rows": rows}), arrays


def several_targets(rows: int = 800) -> Example:
    rng = np.random.default_rng(7)
    names = ("heating_load", "cooling_load", "很贵的价格")
    truth = rng.standard_normal((rows, 3)) * [10, 9, 40_000] + [22, 24, 180_000]
    predicted = truth + rng.standard_normal((rows, 3)) * [0.5, 1.3, 11_000]
    target = TargetSchema(names=names, task="regression", outputs=3)
    arrays = {
        "loss_EM": curves(5, 200, 2, start=1.0, end=0.002),
        "judged_epochs_J": np.arange(1, 201),
        "judged_JM": curves(5, 200, 3, start=1.0, end=0.05),
        "rows_N": np.arange(rows),
        "truth_NC": truth,
        "predicted_NC": predicted,
    }
    return run(target, arrays, members=5, epochs=200, noise=2.1)


def classification(classes: int = 2, rows: int = 3_000, names: Sequence[str] = (), **changed: Any) -> Example:
    """Classes of very different size."""
    rng = np.random.default_rng(classes)
    weight = np.array([1 / (1 + c) ** (2.2 if classes > 5 else 1.2) for c in range(classes)])
    truth = np.concatenate([np.arange(classes), rng.choice(classes, rows - classes, p=weight / weight.sum())])
    logits = rng.standard_normal((rows, classes)) * 1.1 + 0.4 * np.log(weight)
    logits[np.arange(rows), truth] += 1.9
    predicted = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    labels = tuple(names) or (("no", "yes") if classes == 2 else tuple(f"class {c:02d}." for c in range(classes)))
    target = TargetSchema(names=("outcome",), task="classification", classes=labels, outputs=classes)
    arrays = {
        "loss_EM": curves(5, 30, 2, start=1.2, end=0.4),
        "accuracy_EM": 1 - curves(5, 30, 4, start=0.45, end=0.1),
        "judged_epochs_J": np.arange(1, 31),
        "judged_JM": 1 - curves(5, 30, 3, start=0.4, end=0.15),
        "rows_N": np.arange(rows),
        "truth_NC": truth.astype(np.int64),
        "predicted_NC": predicted,
    }
    return run(target, arrays, members=5, epochs=30, noise=1.05, **changed)


def unjudged() -> Example:
    """Trained on all rows, with nothing to judge on."""
    record, arrays = regression(members=5)
    kept = {name: arrays[name] for name in ("loss_EM", "lr_E")}
    record = record.model_copy(update={"explained": Explained()})
    asked = {"target": ("median_house_value",), "holdout": 0.0}
    plan = make_plan(**asked)
    return record.model_copy(
        update={"scores": {}, "baselines": {}, "plan": plan, "resolved": plan, "folds": "all rows"}
    ), kept


def broken() -> Example:
    """Two of ten networks ended in NaN; findings are those of diagnosis."""
    from danlu.diagnosis import diagnose

    record, arrays = regression()
    members = list(record.members)
    for index, epoch in ((3, 4), (7, 6)):
        arrays["loss_EM"][epoch:, index] = np.nan
        arrays["judged_JM"][epoch:, index] = np.nan
        breakdown = Breakdown(
            member=index, epoch=epoch, step=31, layer="hidden 2", value="inf", gradient_norm=2.4e7, lr=0.5
        )
        members[index] = members[index].model_copy(
            update={"ended": "non-finite", "epochs": epoch, "best_epoch": epoch - 1, "breakdown": breakdown}
        )
    record = record.model_copy(update={"members": tuple(members)})
    found = diagnose(record.members, arrays, record.scores, record.baselines, record.main_metric)
    extra = Finding(name="note", fault="A note.", evidence="None.", cure="Nothing to do.", severity="note")
    return record.model_copy(update={"findings": (*found, extra)}), arrays


def hostile() -> Example:
    """Every name a user can give is an attack."""
    script = HOSTILE[0]
    record, arrays = classification(len(HOSTILE), 600, HOSTILE, name=HOSTILE[1])
    finding = Finding(name="x", fault=f"In {script}", evidence=script, cure=HOSTILE[1])
    table = record.table.model_copy(
        update={
            "columns": columns(HOSTILE),
            "left_out": tuple(LeftOut(name=n, reason=n) for n in HOSTILE),
            "target": record.table.target.model_copy(update={"names": (script,)}),
        }
    )
    update = {
        "table": table,
        "source": f"/tmp/{script}.csv",
        "folds": script,
        "created": script,
        "findings": (finding,),
        "inferred": tuple(Note(topic=n, text=n) for n in HOSTILE),
        "machine": {script: script},
        "seconds": {script: 1.0, "total": 1.0},
        "plan": make_plan(target=script, drop=list(HOSTILE)),
    }
    return explained(record.model_copy(update=update), arrays)


def hostile_target() -> Example:
    """A regression on targets with hostile names."""
    record, arrays = several_targets(200)
    target = record.table.target.model_copy(update={"names": HOSTILE[:3]})
    return explained(record.model_copy(update={"table": record.table.model_copy(update={"target": target})}), arrays)


ALL = {
    "regression": regression,
    "stopped": stopped,
    "several": several_targets,
    "two": classification,
    "many": lambda: classification(23),
    "unjudged": unjudged,
    "broken": broken,
    "hostile": hostile,
    "hostile-target": hostile_target,
}
