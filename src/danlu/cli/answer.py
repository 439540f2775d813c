"""What `--json` prints: one object, in full precision, whose schema is docs/schema/fit.schema.json."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from danlu.core.explained import Importances
from danlu.core.plan import Task
from danlu.core.records import Calibration, Decision, Finding, LearningCurve, LeftOut, Note, Rows, Run, Score


class SearchOfFit(BaseModel):
    """What a fit's search came to, in short; the study has all of it."""

    model_config = ConfigDict(extra="forbid")

    metric: str = Field(description="That settings are compared by, out of fold.")
    settings: int = Field(description="How many were tried, the one before the search among them.")
    chosen: list[int] = Field(
        description="Numbers of the settings whose networks were kept, the best first; 0 is the one before the search."
    )
    setting: dict[str, Any] = Field(description="The best of them: what varied, and its values.")
    start: float | None = Field(description="The metric of the setting before the search.")
    best: float | None = Field(description="The metric of the best one: the value that it was chosen by.")
    optimism: dict[str, float] = Field(
        description="By metric, how much choosing flatters; it is taken off the values and intervals of `score`."
    )
    importance: dict[str, float] = Field(
        description="Share of the differences that each setting explains; empty of fewer than 12 settings."
    )
    seconds: float = Field(description="That the search took.")
    known: int = Field(description="Trainings that were taken from the study.")
    study: str | None = Field(description="The study's file.")


class FitAnswer(BaseModel):
    """The object that `danlu fit --json` and `danlu demo --json` print."""

    model_config = ConfigDict(extra="forbid", title="danlu fit --json")

    model: str = Field(description="Folder of the model.")
    page: str | None = Field(description="The page, or null with --no-page.")
    task: Task = Field(description="regression or classification.")
    target: list[str] = Field(description="Target columns.")
    classes: list[str] = Field(description="Names of the classes, in the order of the outputs; empty for a regression.")
    rows: int = Field(description="Rows learnt from and judged on.")
    members: int = Field(description="Networks that were trained: folds x repeats.")
    parameters: int = Field(description="Numbers learnt by one network.")
    seconds: dict[str, float] = Field(description="read, prepare, train, ... and total.")
    main_metric: str = Field(description="The first metric of `score`.")
    score: dict[str, Score] = Field(
        description="By metric, the main one first; from rows that no choice was made on. Empty with --holdout 0."
    )
    test: dict[str, float | None] = Field(description="By metric, on the table of --test; empty without one.")
    test_score: dict[str, Score] = Field(description="The same with intervals and rows.")
    train: dict[str, float | None] = Field(
        description="By metric, on rows that a network learnt from: the mean over networks."
    )
    calibration: Calibration | None = Field(
        description="What was made of the probabilities of a classification; null of a regression."
    )
    decision: Decision | None = Field(
        description="How a class is chosen, with --metric accuracy, balanced-accuracy or f1, or class weights; null: "
        "the likeliest."
    )
    baselines: dict[str, dict[str, float | None]] = Field(
        description="mean or majority, and linear: by metric, on the rows of `score`."
    )
    learning_curve: LearningCurve | None = Field(
        description="With --learning-curve: the main metric for each number of rows learnt from; else null."
    )
    importance: Importances | None = Field(
        description="Permutation importance of the columns, the most important first; null of images, of a run that "
        "was stopped, and where no row was judged."
    )
    search: SearchOfFit | None = Field(description="With --search: what came of it; else null.")
    findings: list[Finding] = Field(description="What diagnosis says: fault, evidence, cure.")
    inferred: dict[str, str] = Field(description="What was decided about the table, by topic; each can be overridden.")
    left_out: list[LeftOut] = Field(description="Columns that the network does not see, and why.")
    row_counts: Rows = Field(description="Rows read, left out and used.")
    folds: str = Field(description="How rows were divided, in words.")
    plan: dict[str, Any] = Field(description="Every setting as it was run.")
    interrupted: bool = Field(description="Whether the user ended training early.")
    version: str = Field(description="Version of Danlu.")


def fit_answer(run: Run, model: Path, page: Path | None) -> FitAnswer:
    """Return the answer for a finished run."""
    metrics = sorted(run.scores, key=lambda name: name != run.main_metric)
    return FitAnswer(
        model=str(model),
        page=None if page is None else str(page),
        task=run.table.target.task,
        target=list(run.table.target.names),
        classes=list(run.table.target.classes),
        rows=run.rows.used,
        members=len(run.members),
        parameters=run.parameters,
        seconds=run.seconds,
        main_metric=run.main_metric,
        score={name: run.scores[name] for name in metrics},
        test={name: score.value for name, score in run.test.items()},
        test_score=run.test,
        train=run.checks.train,
        calibration=run.calibration,
        decision=run.decision,
        baselines=run.baselines,
        learning_curve=run.learning_curve,
        importance=run.explained.importance,
        search=_search(run),
        findings=list(run.findings),
        inferred=by_topic(run.inferred),
        left_out=list(run.table.left_out),
        row_counts=run.rows,
        folds=run.folds,
        plan=run.resolved.model_dump(mode="json"),
        interrupted=run.interrupted,
        version=run.version,
    )


def _search(run: Run) -> SearchOfFit | None:
    """Return what a run's search came to."""
    found = run.searched
    if found is None:
        return None
    best = next((each.setting for each in found.attempts if each.number == found.chosen[0]), {})
    same = ("metric", "start", "best", "optimism", "importance", "seconds", "known")
    return SearchOfFit(
        settings=len(found.attempts),
        chosen=list(found.chosen),
        setting=best,
        study=run.plan.study,
        **{name: getattr(found, name) for name in same},
    )


def by_topic(notes: tuple[Note, ...] | list[Note]) -> dict[str, str]:
    """Return the notes by topic; several of one topic are joined.

    >>> by_topic([Note(topic="header", text="yes"), Note(topic="kind", text="a"), Note(topic="kind", text="b")])
    {'header': 'yes', 'kind': 'a; b'}
    """
    said: dict[str, str] = {}
    for note in notes:
        said[note.topic] = f"{said[note.topic]}; {note.text}" if note.topic in said else note.text
    return said


def print_json(answer: dict[str, Any] | BaseModel) -> None:
    """Print one JSON object on standard output; numbers that are not finite become null."""
    content = answer.model_dump() if isinstance(answer, BaseModel) else answer
    write_json(plain(content))


def write_json(content: Any) -> None:
    """Write one line of JSON; what the stream's encoding does not have is escaped."""
    escape = (sys.stdout.encoding or "").lower().replace("-", "") != "utf8"
    sys.stdout.write(json.dumps(content, ensure_ascii=escape, allow_nan=False) + "\n")
    sys.stdout.flush()


def plain(value: Any) -> Any:
    """Return records, arrays and tuples as what JSON knows.

    >>> plain({"a": (1.0, float("nan"))})
    {'a': [1.0, None]}
    """
    if isinstance(value, BaseModel):
        return plain(value.model_dump())
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
