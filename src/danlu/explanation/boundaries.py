"""Decision boundaries in the plane: what networks of several depths, with and without weight decay, make of points.

Depths are populations and the rest their members: every seed with and without weight decay is trained at once, by
the engine that trains all networks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from danlu.core.errors import DanluError, PlanError
from danlu.core.plan import Plan, make_plan
from danlu.core.records import FeatureLayout, NetworkSpec
from danlu.explanation.isolines import chained, isolines
from danlu.networks import Network, Preparation, predict
from danlu.population import Job, Matrices, Members, Rows, Shelves, Trained, train_together

GRID = 72
"""Columns and rows of the field of probabilities."""
MARGIN = 0.12
"""Of the extent of the points learnt from, around them."""
DECAY = 0.01
"""Weight decay (L2) of the regularised networks, where none is named."""


@dataclass(frozen=True)
class Plane:
    """Points to learn from and points held out. N points, T held out, classes numbered from 0."""

    name: str
    axes: tuple[str, str]
    classes: tuple[str, ...]
    x_N2: np.ndarray
    class_N: np.ndarray
    held_T2: np.ndarray
    held_class_T: np.ndarray


@dataclass(frozen=True)
class Boundary:
    """What the networks of one depth, with one weight decay, make of the plane. G grid lines, C classes, M members.

    Shape: probability_CGG is the mean over members, its last axis along x; lines `[P, 2]` are where the likeliest class
        changes.
    """

    hidden: tuple[int, ...]
    weight_decay: float
    probability_CGG: np.ndarray
    lines: tuple[np.ndarray, ...]
    member_lines: tuple[tuple[np.ndarray, ...], ...]
    train_accuracy: float
    accuracy: float
    """Of the mean of the members, on the held-out points."""
    accuracy_M: np.ndarray


@dataclass(frozen=True)
class Boundaries:
    """The boundaries of all depths, on one grid."""

    plane: Plane
    plan: Plan
    x_G: np.ndarray
    y_G: np.ndarray
    found: tuple[Boundary, ...]


def boundaries(
    plane: Plane,
    depths: Sequence[tuple[int, ...]] = ((), (32,), (32, 32)),
    weight_decays: Sequence[float] = (0.0, DECAY),
    *,
    members: int = 6,
    **settings: object,
) -> Boundaries:
    """Train networks of every depth with every weight decay, several seeds of each, and find their boundaries.

    Arguments:
        plane: the points.
        depths: widths of the hidden layers of each.
        weight_decays: of each depth; L2, as in torch's Adam.
        members: seeds.
        settings: of the plan, over full batches, relu, Adam with lr=0.01 and 1,000 epochs.

    Raises:
        PlanError: a setting is out of range.
        TrainingError: every network became NaN or infinite.
    """
    if not 1 <= members <= 100:
        raise PlanError("`members` must be from 1 to 100", f"got {members}", "Use members=6.")
    plan = _plan(settings)
    kept = np.arange(len(plane.x_N2))
    matrices = Matrices(
        x_NF=torch.tensor(np.concatenate([plane.x_N2, plane.held_T2]), dtype=torch.float32),
        codes_NQ=torch.empty(len(kept) + len(plane.held_T2), 0, dtype=torch.int32),
        y=torch.tensor(np.concatenate([plane.class_N, plane.held_class_T])),
    )
    layout = FeatureLayout(numbers=plane.axes)
    preparation = Preparation.fit(
        matrices.x_NF, matrices.codes_NQ, None, [kept] * members, layout, plan.scale or "standard", "none"
    )
    held = len(kept) + np.arange(len(plane.held_T2))
    rows = Rows(fit=(kept,) * members, judged=(held,) * members)
    wanted = [(hidden, decay) for hidden in depths for decay in weight_decays]
    jobs = [_job(plan, plane, layout, hidden, decay, members) for hidden, decay in wanted]
    trained = train_together(jobs, Shelves(matrices, preparation), rows, metric="accuracy")
    x_G, y_G = (_axis(plane.x_N2[:, axis]) for axis in (0, 1))
    found = []
    for (hidden, decay), job, result in zip(wanted, jobs, trained, strict=True):
        if isinstance(result, DanluError):
            raise result
        found.append(_boundary(plane, job, preparation, result, (x_G, y_G), (hidden, decay)))
    return Boundaries(plane, plan, x_G, y_G, tuple(found))


def _plan(settings: dict[str, object]) -> Plan:
    usual: dict[str, object] = {
        "activation": "relu",
        "optimizer": "adam",
        "lr": 0.01,
        "epochs": 1000,
        "batch_size": "all",
        "schedule": "cosine",
        "scale": "standard",
    }
    given = {name: value for name, value in settings.items() if value is not None}
    return make_plan(**(usual | given | {"loss": "cross-entropy", "judge_every": 100_000_000}))


def _job(plan: Plan, plane: Plane, layout: FeatureLayout, hidden: tuple[int, ...], decay: float, members: int) -> Job:
    """Return the networks of one depth with one weight decay: the same first weights for every decay."""
    own = make_plan(**plan.model_dump(exclude_none=True) | {"hidden": hidden, "weight_decay": decay})
    spec = NetworkSpec(
        layout=layout,
        outputs=len(plane.classes),
        hidden=hidden,
        activation=own.activation or "relu",
        init=own.init or "default",
        dropout=own.dropout or 0.0,
        scale=own.scale or "standard",
        scale_target="none",
        link="softmax",
    )
    return Job(Network(spec), Members.make(own, members, range(members)), own)


def _axis(values: np.ndarray) -> np.ndarray:
    """Return the grid's lines along one axis."""
    low, high = float(values.min()), float(values.max())
    margin = MARGIN * (high - low) or abs(high) or 1.0
    return np.linspace(low - margin, high + margin, GRID)


def _boundary(
    plane: Plane,
    job: Job,
    preparation: Preparation,
    trained: Trained,
    grid: tuple[np.ndarray, np.ndarray],
    setting: tuple[tuple[int, ...], float],
) -> Boundary:
    """Ask the members of one setting about the grid and the points."""
    alive = [record.index for record in trained.members if record.usable]
    x_G, y_G = grid
    across = np.stack(np.meshgrid(x_G, y_G), axis=-1).reshape(-1, 2)
    asked = np.concatenate([across, plane.x_N2, plane.held_T2])
    said_MAC = predict(
        job.network,
        preparation,
        trained.weights_MP[alive],
        trained.state_MS[alive],
        [trained.members[i].fold for i in alive],
        torch.tensor(asked, dtype=preparation.fill_KF.dtype),
        torch.empty(len(asked), 0, dtype=torch.int32),
    )
    assert isinstance(said_MAC, torch.Tensor)
    probability_MAC = said_MAC.double().numpy()
    field, points, held = np.split(probability_MAC, [len(across), len(across) + len(plane.x_N2)], axis=1)
    field_MCGG = field.transpose(0, 2, 1).reshape(len(alive), -1, len(y_G), len(x_G))
    mean_CGG = field_MCGG.mean(0)
    hidden, decay = setting
    return Boundary(
        hidden=hidden,
        weight_decay=decay,
        probability_CGG=mean_CGG,
        lines=between_classes(mean_CGG, x_G, y_G),
        member_lines=tuple(between_classes(field_CGG, x_G, y_G) for field_CGG in field_MCGG),
        train_accuracy=float((points.mean(0).argmax(1) == plane.class_N).mean()),
        accuracy=float((held.mean(0).argmax(1) == plane.held_class_T).mean()),
        accuracy_M=(held.argmax(2) == plane.held_class_T).mean(1),
    )


def between_classes(probability_CGG: np.ndarray, x_G: np.ndarray, y_G: np.ndarray) -> tuple[np.ndarray, ...]:
    """Return the lines along which the likeliest class changes: of two classes, along which both have 0.5.

    >>> slope = np.array([[0.2, 0.8], [0.2, 0.8]])
    >>> between_classes(np.stack([1 - slope, slope]), np.array([0.0, 1.0]), np.array([0.0, 1.0]))
    (array([[0.5, 0. ],
           [0.5, 1. ]]),)
    """
    lines: list[np.ndarray] = []
    for c in range(1 if len(probability_CGG) == 2 else 0, len(probability_CGG)):
        others = np.delete(probability_CGG, c, axis=0).max(0)
        lines += chained(isolines(probability_CGG[c] - others, x_G, y_G))
    return tuple(lines)
