"""The program in this process, and a small table to give it."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from danlu.cli import main
from danlu.core.plan import make_plan
from danlu.core.records import (
    ColumnSchema,
    FeatureLayout,
    Finding,
    LeftOut,
    NetworkSpec,
    Note,
    Rows,
    Run,
    Schema,
    Score,
    TargetSchema,
)


@dataclass(frozen=True)
class Ended:
    """How a run of the program ended."""

    code: int
    out: str
    err: str


Danlu = Callable[..., Ended]


@pytest.fixture
def danlu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Danlu:
    """Return a function that runs `danlu WORDS` in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def run(*words: str, stdin: str | None = None) -> Ended:
        if stdin is not None:
            monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin.encode()), encoding="utf-8"))
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main(list(words))
        printed = capsys.readouterr()
        code = ended.value.code
        return Ended(code if isinstance(code, int) else 0, printed.out, printed.err)

    return run


@pytest.fixture(scope="session")
def houses_text() -> str:
    """Return a CSV of 120 houses whose price is 3 x area, 20 more by the sea, and a little noise."""
    random = np.random.default_rng(0)
    area = random.uniform(20, 200, 120).round(1)
    sea = random.choice(["inland", "coast"], 120)
    price = (3 * area + 20 * (sea == "coast") + random.normal(0, 5, 120)).round(2)
    lines = [f"{a},{s},{p}" for a, s, p in zip(area, sea, price, strict=True)]
    return "area,sea,price\n" + "\n".join(lines) + "\n"


@pytest.fixture
def houses(tmp_path: Path, houses_text: str) -> Path:
    """Return houses.csv in the folder that the program runs in."""
    path = tmp_path / "houses.csv"
    path.write_text(houses_text, encoding="utf-8")
    return path


@pytest.fixture
def run_of() -> Callable[..., Run]:
    """Return a function that makes the record of a run."""
    return made_up_run


def made_up_run(**changes: Any) -> Run:
    """Return the record of a run that never was: a regression of 20,640 rows."""
    plan = make_plan(target="price", data="houses.csv")
    target = TargetSchema(names=("price",), task="regression", outputs=1)
    columns = (
        ColumnSchema(name="area", kind="number", low=20.0, high=200.0, missing=207),
        ColumnSchema(name="sea", kind="category", levels=("coast", "inland")),
        ColumnSchema(name="sold", kind="date", low=0.0, high=1_600_000_037.0, parts=("weekday",)),
    )
    layout = FeatureLayout(numbers=("area",))
    fields: dict[str, Any] = {
        "name": "houses",
        "version": "0.1.0",
        "created": "2026-11-21T00:00:00+00:00",
        "source": "houses.csv",
        "plan": plan,
        "resolved": make_plan(target="price", data="houses.csv", repeats=2, lr=0.003, folds=5),
        "table": Schema(
            columns=columns, target=target, left_out=(LeftOut(name="id", reason="a number of its own for every row"),)
        ),
        "network": NetworkSpec(layout=layout, outputs=1, hidden=(256, 256), activation="silu"),
        "parameters": 70_401,
        "rows": Rows(read=20_650, used=20_640, without_target=10),
        "folds": "5 folds, 2 repeats",
        "main_metric": "rmse",
        "members": (),
        "shipped": tuple(range(10)),
        "scores": {
            "rmse": Score(
                value=46_512.3, low=45_700.0, high=47_360.0, rows=20_640, kind="out-of-fold", one_member=47_900.0
            ),
            "r2": Score(value=0.8381, low=0.8301, high=0.8460, rows=20_640, kind="out-of-fold"),
        },
        "baselines": {"mean": {"rmse": 115_400.0, "r2": 0.0}, "linear": {"rmse": 68_620.0, "r2": 0.647}},
        "inferred": (Note(topic="delimiter", text="comma"), Note(topic="encoding", text="UTF-8")),
        "findings": (Finding(name="slow", fault="Training is slow", evidence="9 s an epoch", cure="Use a GPU."),),
        "seconds": {"read": 0.2, "prepare": 0.3, "train": 29.0, "total": 31.0},
        "machine": {"device": "cpu", "threads": "2"},
    }
    return Run(**(fields | changes))
