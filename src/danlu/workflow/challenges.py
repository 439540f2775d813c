"""What may be better than the recipe's first setting, and has to show it on the folds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from danlu.core.nets import is_own
from danlu.core.plan import Plan
from danlu.core.records import Schema, TargetSchema
from danlu.data import Folds, divide
from danlu.data.words import counted
from danlu.features import add_neighbours
from danlu.networks.build import make_network
from danlu.population import Trained
from danlu.search import Alike, Facts, alike, ladder, may_be_simpler, may_have_neighbours, rivals, shorter, skewed
from danlu.workflow.contest import Challenge, Contest, Rival, work_of
from danlu.workflow.judge import unseen_predictions
from danlu.workflow.searching import search_of
from danlu.workflow.training import Trial

WORTH = 1.3
"""Times as many epochs are worth a training."""
FEWER = 0.6
"""Part of the epochs that numbers take with neighbours: california held 42,295 with 24 epochs, 42,346 with 48."""


def contest_of(plan: Plan, trial: Trial, facts: Facts, schema: Schema, *, goes_on: bool = False) -> Contest:
    """Return what a fit trains, by the effort that is asked for.

    Arguments:
        plan: what the user asked for.
        trial: the first setting, on the folds of its repeats.
        facts: of the table.
        schema: of the table.
        goes_on: whether a training goes on, whose setting is what it was.
    """
    resolved, steps = trial.plan, ladder(plan, facts)
    own = resolved.repeats or 1

    def divided(repeats: int) -> Folds:
        wanted = resolved.model_copy(update={"repeats": repeats})
        return trial.folds if repeats == own else divide(trial.examined, wanted, trial.given.pairs)

    search = search_of(plan, trial, facts, schema)
    if goes_on:
        return Contest((), divided, own)
    wanted = max(own, *steps.repeats)
    if not steps.contested or is_own(plan.net):
        return Contest((), divided, wanted, search=search)
    if steps.twice and wanted == 1 and logged(trial, every=False) is not None:
        wanted = 2
    found = [with_neighbours(plan, schema)] if may_have_neighbours(plan, facts) else []
    short = shorter(plan, steps.normal, facts)
    found += [] if short is None else [longer(short)]
    found += [linear(steps.normal)] if may_be_simpler(plan, facts) else []
    found += [longer(steps.normal, expected=True)] if resolved.epochs != steps.normal.epochs else []
    # A search that was asked for tries longer trainings itself; those of classes are longer than in its space.
    itself = search is not None and search.most is None and facts.task == "regression"
    tried = () if itself else rivals(plan, steps.normal, facts)
    found += [longer(rival) for rival in tried]
    return Contest(found, divided, wanted, logged if steps.mixed else None, search, steps.repeats[0])


def longer(plan: Plan, *, expected: bool = False) -> Challenge:
    """Return the challenge by the epochs and the dropout of another plan; by fewer epochs where that is all there is
    time for, but not by few more. It is `expected` to be better where it is the recipe's own, and time decided for
    fewer."""

    def challenge(trial: Trial, _trained: Trained, most: float) -> Rival | None:
        if not trial.network.spec.hidden and trial.network.spec.conv is None:
            return None
        epochs, own = int(min(plan.epochs or 1, most / (work_of(trial) / (trial.plan.epochs or 1)))), trial.plan
        resolved = own.model_copy(update={"epochs": epochs, "dropout": plan.dropout})
        if own == resolved or (epochs < (plan.epochs or 1) and epochs < WORTH * (own.epochs or 1)):
            return None
        spec = trial.network.spec.model_copy(update={"dropout": plan.dropout})
        other = replace(trial, network=make_network(spec, None, resolved.dtype), plan=resolved)
        name, known = (f"{counted(p.epochs or 1, 'epoch')}, dropout {p.dropout:g}" for p in (resolved, own))
        return Rival(lambda: other, name, known, work_of(other), expected)

    return challenge


def linear(plan: Plan) -> Challenge:
    """Return the challenge by networks without hidden layers, bins and neighbours, trained as long as a plan says: of
    few rows a straight line may be the best."""

    def challenge(trial: Trial, _trained: Trained, _most: float) -> Rival | None:
        # The robust scale bends what is far out: no straight line would be left.
        change = {"hidden": (), "layer_norm": False, "dropout": 0.0, "scale": "standard"}
        spec = trial.network.spec.model_copy(update=change | {"layout": trial.network.spec.layout.plain()})
        plain = {"bins": 0, "neighbours": (), "target_encoding": ()}
        resolved = trial.plan.model_copy(update=change | plain | {"epochs": plan.epochs})

        def make() -> Trial:
            return replace(trial, network=make_network(spec, None, resolved.dtype), plan=resolved).relearnt()

        work = work_of(trial) * (plan.epochs or 1) / (trial.plan.epochs or 1)
        return Rival(make, "networks without hidden layers", "with them", work)

    return challenge


def logged(trial: Trial, every: bool) -> Trial | None:
    """Return the trial whose every other repeat, or all, learns the logarithm of the target, where that is positive and
    skewed to the right."""
    values = trial.examined.target.values
    if trial.network.spec.scale_target != "standard" or not skewed(values.reshape(len(values), -1)):
        return None
    change = {"scale_target": "log" if every else "mixed"}
    spec, resolved = trial.network.spec.model_copy(update=change), trial.plan.model_copy(update=change)
    return replace(trial, network=make_network(spec, None, resolved.dtype), plan=resolved).relearnt()


def with_neighbours(plan: Plan, schema: Schema) -> Challenge:
    """Return the challenge by networks that are told what near rows had as target, where errors of such are alike."""

    def challenge(trial: Trial, trained: Trained, _most: float) -> Rival | None:
        found = _alike(trial, trained, schema)
        if not found:
            return None
        spec = trial.network.spec
        spaces = tuple(each.columns for each in found)
        change: dict[str, object] = {"neighbours": spaces}
        if trial.examined.target.schema.task == "regression" and plan.epochs is None:
            change["epochs"] = max(1, round(FEWER * (trial.plan.epochs or 1)))
        resolved = trial.plan.model_copy(update=change)

        def make() -> Trial:
            told = spec.model_copy(update={"layout": add_neighbours(spec.layout, schema, spaces)})
            return replace(trial, network=make_network(told, None, resolved.dtype), plan=resolved).relearnt()

        where = " and ".join(", ".join(each.columns) or "all columns" for each in found)
        return Rival(make, f"with neighbours in {where}", "without", 1.2 * work_of(trial))

    return challenge


def _alike(trial: Trial, trained: Trained, schema: Schema) -> tuple[Alike, ...]:
    """Return where the errors of rows that networks did not learn from are like those of their neighbours."""
    target, spec, matrices = trial.examined.target, trial.network.spec, trial.matrices
    rows, predicted_RNC = unseen_predictions(trial, trained)
    error_NC = errors(target.values[rows], np.nanmean(predicted_RNC, axis=0), target.schema)
    index = torch.from_numpy(rows).to(matrices.x_NF.device)
    plain = replace(trial.preparation.pick([0]), layout=spec.layout.plain(), told=None)
    plain_ND = plain.prepare(matrices.x_NF[index][None], matrices.codes_NQ[index][None]).x_KBD[0]
    return alike(plain_ND.cpu(), torch.from_numpy(error_NC), schema, spec.layout)


def errors(truth_N: np.ndarray, said_NC: np.ndarray, target: TargetSchema) -> np.ndarray:
    """Return truth minus prediction, `[N, C]`: numbers over their spread; of two classes the second, else each.

    >>> two = TargetSchema(task="classification", names=("y",), outputs=2, classes=("no", "yes"))
    >>> errors(np.array([0, 1]), np.array([[0.75, 0.25], [0.5, 0.5]]), two).tolist()
    [[-0.25], [0.5]]
    """
    if target.task == "regression":
        truth_NC = truth_N.reshape(len(said_NC), -1)
        return (truth_NC - said_NC) / np.maximum(truth_NC.std(axis=0), 1e-12)
    error_NC = np.eye(said_NC.shape[1])[truth_N.astype(np.int64).ravel()] - said_NC
    return error_NC[:, 1:] if error_NC.shape[1] == 2 else error_NC
