"""The study of a search in several processes: the first one reads and writes the file, the others get what it read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from danlu.core.launch import launched
from danlu.population.dealt import first_says, first_sends
from danlu.population.processes import agreed
from danlu.search.study import Known, Study


def opened(
    file: Path | None, base: str, key: str, data: str, about: Mapping[str, str], metric: str, *, greater: bool
) -> Study:
    """Return the study of a search, as `Study.open` does; in every process but the first it writes nothing."""
    own = file if launched().first else None
    with agreed():
        study = Study.open(own, base, key, data, about, metric, greater=greater)
    return told(study)


def of_part(study: Study, share: float, rows: str) -> Study:
    """Return the study of trainings on a part of the rows, as `Study.of_part` does, in every process."""
    with agreed():
        part = study.of_part(share, rows)
    return told(part)


def told(study: Study) -> Study:
    """Return a study with the trainings that the first process knows: all must take the same ones for done."""
    if launched().alone:
        return study
    sent = {}
    names = first_says(
        [[*name, each.error if np.isfinite(each.error) else None, each.seconds] for name, each in study.known.items()]
    )
    for setting, folds, error, seconds in names:
        own = study.known.get((setting, folds))
        numbers = None if own is None or own.predicted_NC is None else torch.from_numpy(own.predicted_NC)
        said = first_sends(numbers)
        predicted_NC = None if said is None else said.numpy()
        sent[setting, folds] = Known(np.inf if error is None else error, seconds, predicted_NC)
    return replace(study, known=sent)
