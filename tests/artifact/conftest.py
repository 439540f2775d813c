"""A run written by hand, with everything a record can hold."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from danlu.core.plan import make_plan
from danlu.core.records import (
    Breakdown,
    ColumnSchema,
    Finding,
    LeftOut,
    MemberRecord,
    NetworkSpec,
    Note,
    Rows,
    Run,
    Schema,
    Score,
    TargetSchema,
)


@pytest.fixture
def run() -> Run:
    member = MemberRecord(
        index=0, fold=0, repeat=0, train_rows=8, judged_rows=2, epochs=3, best_epoch=3, ended="finished"
    )
    broken = Breakdown(member=1, epoch=2, step=5, layer="hidden1", value="inf", gradient_norm=None, lr=0.1)
    asked = make_plan(target="price", folds=2, hidden="8x2", kinds="zip=category", init="normal:0.01", seed=7)
    target = TargetSchema(names=("price",), task="regression", outputs=1)
    column = ColumnSchema(name="Fläche 面积", kind="number", shift=1600000037.0, unit=0.1, low=-0.0, high=1e300)
    return Run(
        name="houses",
        version="0.1",
        created="2026-11-21T00:00:00+00:00",
        source="houses.csv",
        plan=asked,
        resolved=asked.model_copy(update={"epochs": 3, "lr": 0.001}),
        table=Schema(columns=(column,), target=target, left_out=(LeftOut(name="id", reason="counts rows"),)),
        network=NetworkSpec.model_validate({"layout": {"numbers": ["Fläche 面积"]}, "outputs": 1, "hidden": [8, 8]}),
        parameters=96,
        rows=Rows(read=10, used=10),
        folds="2 folds",
        main_metric="rmse",
        members=(
            member,
            member.model_copy(update={"index": 1, "ended": "non-finite", "breakdown": broken}),
        ),
        shipped=(0,),
        scores={"rmse": Score(value=0.1 + 0.2, low=1e-308, high=None, rows=10, kind="out-of-fold")},
        baselines={"mean": {"rmse": 1.0, "r2": None}},
        findings=(Finding(name="a", fault="b", evidence="c", cure="d", members=(1,)),),
        inferred=(Note(topic="reading", text="encoding UTF-8"),),
        seconds={"total": 1.5},
        machine={"device": "cpu"},
    )


@pytest.fixture
def tensors() -> dict[str, torch.Tensor]:
    return {
        "weights": torch.arange(192, dtype=torch.float32).reshape(2, 96),
        "state": torch.zeros(2, 0),
        "fold": torch.tensor([0, 1]),
        "preparation.target_centre_KC": torch.tensor([[1600000037.0], [0.1]], dtype=torch.float64),
    }


@pytest.fixture
def arrays() -> dict[str, np.ndarray]:
    return {
        "loss_EM": np.array([[1.0, np.nan], [0.5, np.inf]], np.float32),
        "rows_N": np.arange(10)[::-1],
        "truth_NC": np.linspace(0, 1, 20).reshape(10, 2)[:, :1],
        "nothing": np.zeros((0, 3)),
    }
