"""What is looked at after training, for diagnosis: from members and rows to plain records."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch

from danlu.core.checks import Checks, Ending, EqualUnits
from danlu.core.records import Finding, MemberRecord, Score
from danlu.core.seeds import stream
from danlu.diagnosis import diagnose
from danlu.diagnosis.fitting import is_close
from danlu.judging import metrics_for
from danlu.judging.leftover import left_over
from danlu.judging.metrics import curve_metric, measures
from danlu.networks import predict
from danlu.networks.build import both_classes
from danlu.networks.endings import ending
from danlu.networks.modules import ModuleNetwork
from danlu.networks.symmetry import equal_units
from danlu.population import Members, Trained
from danlu.workflow.judge import Judged
from danlu.workflow.training import Trial

MOST_TRAIN, AT_ALL = 5000, 25_000
"""Rows learnt from that training errors are taken on: of each network, and of all (but 500 of each) at most."""
KINDS = ("rmse", "mae", "r2", "rmsle", "accuracy", "log-loss")
"""Metrics that are taken on rows learnt from: those that cost next to nothing."""
ENDING_ROWS = 512
"""Rows that a user's module is run on to see what its outputs look like."""


def check(trial: Trial, trained: Trained, judged: Judged, tested: Mapping[str, Score]) -> Checks:
    """Look at all that diagnosis needs besides the history.

    Arguments:
        trial: of the run.
        trained: its members.
        judged: what they said of the rows that they did not learn from.
        tested: scores on the test table.
    """
    alive = [member for member in trained.members if member.usable]
    main = curve_metric(trial.examined.target.schema, trial.plan.metric)
    train, rows = on_training_rows(trial, trained, alive)
    unseen = _unseen(trained, alive, tested.get(main))
    close = is_close(train.get(main), unseen, main)
    return Checks(
        images=trial.network.spec.layout.image is not None,
        metric=main,
        train=train,
        judged=unseen,
        train_rows=rows,
        left_over=_left_over(trial, judged) if close else None,
        equal_units=_equal_units(trial, trained, alive),
        ending=_ending(trial, trained, alive),
    )


def found(
    trial: Trial,
    trained: Trained,
    checks: Checks,
    scores: Mapping[str, Score],
    baselines: Mapping[str, Mapping[str, float | None]],
) -> tuple[Finding, ...]:
    """Return what diagnosis says of a run."""
    target, name = trial.examined.target.schema, trial.plan.metric
    history = (trained.members, trained.curves, scores, baselines, metrics_for(target, name)[0], trained.interrupted)
    return (*trial.examined.traps, *diagnose(*history, checks, trial.plan))


def on_training_rows(trial: Trial, trained: Trained, alive: list[MemberRecord]) -> tuple[dict[str, float | None], int]:
    """Return the metrics of single networks on rows that they learnt from, their mean, and how many rows that were."""
    target, spec = trial.examined.target, trial.network.spec
    weight_N = trial.examined.special.get("weight")
    learnt = trial.fitted()[0]
    most = max(500, min(MOST_TRAIN, AT_ALL // max(1, len(alive))))
    rows = [_some(learnt[member.fold], most, trial.plan.seed, member.fold) for member in alive]
    index = [member.index for member in alive]
    outputs = predict(
        trial.network,
        trial.preparation,
        trained.weights_MP[index],
        trained.state_MS[index],
        torch.tensor([member.fold for member in alive]),
        trial.matrices.x_NF,
        trial.matrices.codes_NQ,
        rows_per_member=rows,
    )
    names = [name for name in metrics_for(target.schema, trial.plan.metric) if name in KINDS]
    own: dict[str, list[float]] = {name: [] for name in names}
    for chosen, output in zip(rows, outputs, strict=True):
        predicted = both_classes(output.cpu().double().numpy(), spec, target.schema)
        if not np.isfinite(predicted).all():
            continue
        weight = np.ones(len(chosen)) if weight_N is None else weight_N[chosen]
        measured = measures(target.values[chosen], predicted, tuple(names), weight)(weight[None])
        for name in names:
            own[name].append(float(measured[name].value_R[0]))
    return {name: _mean(values) for name, values in own.items()}, max(map(len, rows), default=0)


def _some(rows: np.ndarray, most: int, seed: int, fold: int) -> np.ndarray:
    """Return at most so many of the rows, in their order."""
    if len(rows) <= most:
        return rows
    random = np.random.default_rng(stream(seed, "training error", fold))
    return np.sort(random.choice(rows, most, replace=False))


def _mean(values: list[float]) -> float | None:
    finite = [value for value in values if np.isfinite(value)]
    return float(np.mean(finite)) if finite else None


def _unseen(trained: Trained, alive: list[MemberRecord], tested: Score | None) -> float | None:
    """Return the main metric of single networks on rows that they did not see: at the epoch whose numbers were kept."""
    judged_JM, epochs_J = trained.curves.get("judged_JM"), trained.curves.get("judged_epochs_J")
    values = []
    if judged_JM is not None and epochs_J is not None and len(judged_JM):
        for member in alive:
            places = np.flatnonzero((epochs_J <= member.best_epoch) & np.isfinite(judged_JM[:, member.index]))
            values += [float(judged_JM[places[-1], member.index])] if len(places) else []
    return _mean(values) if values else (None if tested is None else tested.value)


def _left_over(trial: Trial, judged: Judged) -> float | None:
    """Return what is left to learn, by the errors on judged rows.

    In time order it is not asked: trees that learn from later errors know what the networks could not.
    """
    special, rows = trial.examined.special, judged.rows_N
    if not len(rows) or "time" in special:
        return None
    fold_N = np.zeros(len(trial.examined.kept), np.int64)
    first = trial.folds.repeat[0]
    for k, repeat in enumerate(trial.folds.repeat):
        if repeat == first:
            fold_N[trial.folds.judged[k]] = k

    def columns(chosen: np.ndarray) -> np.ndarray:
        parts = (trial.matrices.x_NF, trial.matrices.codes_NQ)
        return np.concatenate([np.asarray(part[rows[chosen]].cpu().numpy(), np.float64) for part in parts], axis=1)

    return left_over(
        columns,
        trial.examined.target.values[rows],
        judged.said_NC,
        special["group"][rows] if "group" in special else fold_N[rows],
        special["weight"][rows] if "weight" in special else None,
        trial.plan.seed,
    )


def _equal_units(trial: Trial, trained: Trained, alive: list[MemberRecord]) -> tuple[EqualUnits, ...]:
    """Return layers whose units began and stayed equal; other members are looked at only where one has such a layer."""
    keys = Members.make(trial.plan, len(trial.folds.train), trial.folds.repeat).keys
    index = [member.index for member in alive]
    for chosen in (index[:1], index):
        first_MP, _ = trial.network.initial([keys[i] for i in chosen], trial.dtype)
        found = equal_units(trial.network, first_MP, trained.weights_MP[chosen].cpu(), chosen)
        if not found:
            break
    return found if index else ()


def _ending(trial: Trial, trained: Trained, alive: list[MemberRecord]) -> Ending | None:
    """Return what the first network of a user's own class does last, and how many targets it thereby cannot reach."""
    network, matrices = trial.network, trial.matrices
    if not isinstance(network, ModuleNetwork) or network.tables or not alive:
        return None
    member = alive[0]
    rows = torch.from_numpy(trial.folds.train[member.fold][:ENDING_ROWS]).to(matrices.x_NF.device)
    preparation = trial.preparation.pick([member.fold])
    x_BF = preparation.prepare(matrices.x_NF[rows][None], matrices.codes_NQ[rows][None], rows[None]).x_KBD[0].cpu()
    own = network.member(trained.weights_MP[member.index].cpu(), trained.state_MS[member.index].cpu())
    found = ending(own, x_BF)
    if found is None or network.spec.link != "identity":
        return found
    aim = matrices.y[torch.from_numpy(trial.folds.train[member.fold]).to(matrices.y.device)]
    aim = preparation.scaled(aim[None])[0].double()
    low, high = (-np.inf if found.low is None else found.low), (np.inf if found.high is None else found.high)
    missed = float(((aim < low) | (aim > high)).double().mean()) if aim.numel() else 0.0
    return found.model_copy(update={"missed": missed})
