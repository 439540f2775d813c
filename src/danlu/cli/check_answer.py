"""What `danlu check --json` prints: one object, whose schema is docs/schema/check.schema.json."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from danlu.cli.answer import by_topic
from danlu.core.checked import Checked, CheckedColumn, Refusal, SkippedRow
from danlu.core.plan import Task
from danlu.core.records import Finding, LeftOut, Rows


class CheckAnswer(BaseModel):
    """The object that `danlu check --json` prints."""

    model_config = ConfigDict(extra="forbid", title="danlu check --json")

    data: str = Field(description="The table.")
    page: str | None = Field(description="The page, or null without -o.")
    rows: Rows | None = Field(description="Rows read, left out and used; null where nothing can be learnt.")
    target: list[str] = Field(description="Target columns; none where none was named.")
    task: Task | None = Field(
        description="regression or classification; null without a target, or where nothing can be learnt."
    )
    classes: list[str] = Field(description="Names of the classes, as they stand in the table; empty for a regression.")
    class_rows: list[int] = Field(description="Rows of each class.")
    columns: list[CheckedColumn] = Field(description="Columns to learn from: name, kind, why, missing, ...")
    left_out: list[LeftOut] = Field(description="Columns that are not learnt from, and why.")
    inferred: dict[str, str] = Field(description="What was decided about the table, by topic; each can be overridden.")
    findings: list[Finding] = Field(description="What may make a score look better than it is.")
    bad_rows: list[SkippedRow] = Field(description="Rows that cannot be read: line and why.")
    refused: Refusal | None = Field(
        description="Why a fit would refuse the table; null where it would begin. The exit code is this one's."
    )


def check_answer(found: Checked, page: str | None) -> CheckAnswer:
    """Return the answer for a finished check."""
    return CheckAnswer(
        data=found.data,
        page=page,
        rows=found.rows,
        target=list(found.target),
        task=found.task,
        classes=list(found.classes),
        class_rows=list(found.class_rows),
        columns=list(found.columns),
        left_out=list(found.left_out),
        inferred=by_topic(found.inferred),
        findings=list(found.findings),
        bad_rows=list(found.bad_rows),
        refused=found.refused,
    )
