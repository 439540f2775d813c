"""What `danlu search show --json` prints: one object, whose schema is docs/schema/search.schema.json."""

from __future__ import annotations

import json
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from danlu.core.searched import Searched


class Training(BaseModel):
    """A setting that was trained on the first so many folds."""

    model_config = ConfigDict(extra="forbid")

    setting: dict[str, Any] = Field(description="What varied, and its values.")
    folds: int = Field(description="On so many folds, the first ones.")
    share: float = Field(
        description="Of the training rows: below 1 in the first rung of a holdout. Only values of one share compare."
    )
    how: Literal["start", "earlier", "spread", "model"] = Field(
        description="Where it came from: the setting before the search, an earlier search, an even spread over the "
        "space, or a model of those before."
    )
    epochs: int = Field(description="Of each network.")
    seconds: float = Field(description="Its share of the time that its rung took.")
    at: str = Field(description="When it was written, UTC.")
    value: float | None = Field(description="The metric, out of fold; null where a network broke.")


class SearchOfStudy(BaseModel):
    """One search of a study."""

    model_config = ConfigDict(extra="forbid")

    created: str = Field(description="When it began, UTC.")
    finished: bool = Field(description="Whether it ended; the same command goes on with one that did not.")
    metric: str = Field(description="That settings are compared by.")
    greater: bool = Field(description="Whether more of it is better.")
    space: list[str] = Field(description="What varied: a line for each setting.")
    trainings: list[Training] = Field(description="What was trained, in that order.")
    found: Searched | None = Field(description="What was tried, kept and learnt; null where it is not finished.")


class SearchAnswer(BaseModel):
    """The object that `danlu search show --json` prints."""

    model_config = ConfigDict(extra="forbid", title="danlu search show --json")

    study: str = Field(description="The study's file.")
    searches: list[SearchOfStudy] = Field(description="The newest first.")


def search_of_study(search: dict[str, Any]) -> SearchOfStudy:
    """Return a search of a study as it is answered: values in the metric's own direction.

    Arguments:
        search: its row of the study, with its trainings.
    """
    greater = bool(search["greater"])
    found = None if search["found"] is None else Searched.model_validate(json.loads(search["found"]))
    return SearchOfStudy(
        created=search["created"],
        finished=found is not None,
        metric=search["metric"],
        greater=greater,
        space=search["space"].splitlines(),
        trainings=[_training(training, greater=greater) for training in search["trainings"]],
        found=found,
    )


def _training(training: dict[str, Any], *, greater: bool) -> Training:
    error = training["error"]
    own = {name: training[name] for name in ("setting", "folds", "share", "how", "epochs", "seconds", "at")}
    return Training(**own, value=None if error is None else 1 - error if greater else error)
