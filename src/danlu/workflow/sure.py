"""How sure a model of numbers may be: learnt from judged rows, scored on them crosswise, and on the test table."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch

from danlu.artifact.predictor import ERRORS
from danlu.core.records import Note, Score
from danlu.judging.conformal import Errors, learn_errors, repeats_of, saved_by_many, scale_columns
from danlu.judging.sureness import LEVEL, judged_by, sureness
from danlu.workflow.judge import Judged, Tested
from danlu.workflow.training import Shipped, Trial

LIMITS = {"exp": (0.0, np.inf), "sigmoid": (0.0, 1.0), "softmax": (0.0, 1.0)}
"""Values that a link can give."""
_TIME = "what comes later may be harder to predict than the rows judged: their coverage in order of time is no promise"


@dataclass(frozen=True)
class Sure:
    """What errors are to be expected, as it is kept in the model, and how well that holds."""

    errors: Errors | None = None
    scores: dict[str, Score] = field(default_factory=dict)
    test: dict[str, Score] = field(default_factory=dict)
    notes: tuple[Note, ...] = ()

    def tensors(self) -> dict[str, torch.Tensor]:
        """Return what the model's file holds of it, by name."""
        arrays = {} if self.errors is None else self.errors.arrays()
        return {f"{ERRORS}{name}": torch.tensor(np.asarray(array)) for name, array in arrays.items()}


def how_sure(trial: Trial, shipped: Shipped, judged: Judged, tested: Tested) -> Sure:
    """Learn what errors are to be expected of a regression; nothing of classes, or where no row was judged."""
    examined, plan = trial.examined, trial.plan
    rows, target = judged.rows_N, examined.target
    if target.schema.task != "regression" or not len(rows):
        return Sure()
    special = {name: values[rows] for name, values in examined.special.items()}
    belong = {"groups_N": special.get("group"), "times_N": special.get("time")}
    truth_NC = np.asarray(target.values[rows], np.float64)
    columns_NF = _columns(trial, rows)
    limits = LIMITS.get(trial.network.spec.link, (-np.inf, np.inf))
    weight_N = special.get("weight")
    found = learn_errors(
        columns_NF, truth_NC, judged.mean_NC, weight_N, **belong, level=LEVEL, limits=limits, seed=plan.seed
    )
    if found is None:
        return Sure()
    errors, own = found
    scored = {"weight_N": weight_N, **belong, "seed": plan.seed}
    scores = sureness(own, truth_NC, target.schema, kind=trial.folds.kind, **scored)
    notes = (Note(topic="intervals", text=_TIME),) if "time" in special else ()
    return Sure(errors, scores, _of_test(trial, shipped, tested, errors), notes)


def _columns(trial: Trial, rows: np.ndarray) -> np.ndarray:
    """Return the columns of some rows of the matrices."""
    x_NF, codes_NQ = (each[torch.from_numpy(rows)] for each in (trial.matrices.x_NF, trial.matrices.codes_NQ))
    return scale_columns(x_NF.cpu().numpy(), codes_NQ.cpu().numpy(), image=trial.network.spec.layout.image is not None)


def _of_test(trial: Trial, shipped: Shipped, tested: Tested, errors: Errors) -> dict[str, Score]:
    """Score the test table, as the model will predict it."""
    target, rows, said_MNC = trial.test_target, trial.test_rows, tested.predicted_MNC
    if target is None or rows is None or said_MNC is None:
        return {}
    repeat = [trial.folds.repeat[fold] for fold in shipped.fold_M.tolist()]
    repeat_M = repeats_of(repeat, refitted=shipped.refitted, in_time=trial.plan.time is not None)
    variance_NC = None if repeat_M is None else saved_by_many(said_MNC, repeat_M)
    said_NC, truth_NC = said_MNC.mean(axis=0), np.asarray(target.values, np.float64)
    own = judged_by(errors, truth_NC, said_NC, errors.scale(_columns(trial, rows), said_NC, variance_NC))
    kind = next(iter(tested.scores.values())).kind
    return sureness(own, truth_NC, target.schema, kind=kind, seed=trial.plan.seed)
