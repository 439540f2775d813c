"""One trial: a network, its preparation per fold, the members that are trained, and those that are shipped."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np
import torch

from danlu.core import devices
from danlu.core.errors import Interrupted
from danlu.core.plan import Plan
from danlu.core.records import Note, Progress
from danlu.data import Examined, Folds, Target, watched
from danlu.judging.metrics import curve_metric
from danlu.networks import Network, Preparation
from danlu.networks.preparation import as_tensor
from danlu.population import Begun, Matrices, Members, Rows, Shelf, Trained, choose_precision, train_spread
from danlu.population.losses import make_loss
from danlu.population.stopping import StopOn
from danlu.workflow.given import NOTHING, Given, Start
from danlu.workflow.material import Material, stack
from danlu.workflow.metrics import check_metrics, watch
from danlu.workflow.own import loss_of
from danlu.workflow.weighting import class_weights

Listener = Callable[[Progress], None] | None
Stop = Callable[[], bool] | None


@dataclass(frozen=True)
class Shipped:
    """The members that predict, with the preparation of their folds."""

    indices: tuple[int, ...]
    preparation: Preparation
    weights_MP: torch.Tensor
    state_MS: torch.Tensor
    fold_M: torch.Tensor
    refitted: bool = False
    """Whether they were trained anew on all rows."""
    notes: tuple[Note, ...] = ()
    """What is to be said of how they were trained."""

    def tensors(self) -> dict[str, torch.Tensor]:
        """Return what the model's file holds, by name."""
        own = {f"preparation.{name}": tensor for name, tensor in self.preparation.tensors().items()}
        named = {"weights": self.weights_MP, "state": self.state_MS, "fold": self.fold_M, **own}
        return {name: tensor.detach().cpu().contiguous() for name, tensor in named.items()}


@dataclass(frozen=True)
class Trial:
    """All that training needs, on the device. Rows of the test table follow those learnt from."""

    plan: Plan
    network: Network
    preparation: Preparation
    matrices: Matrices
    examined: Examined
    folds: Folds
    test_target: Target | None
    machine: dict[str, str]
    given: Given = NOTHING
    before: int = 0
    """Folds of the same run that come before these."""

    @classmethod
    def prepare(cls, network: Network, material: Material, folds: Folds, plan: Plan, given: Given = NOTHING) -> Trial:
        """Put the data on the device once, and learn each fold's preparation from its training rows."""
        device, start = devices.resolve(plan.device), given.start
        if plan.precision is None and plan.dtype == "float32":
            plan = plan.model_copy(update={"precision": choose_precision(network.spec, device)})
        test, examined = material.test, material.examined
        check_metrics(given, plan, examined)
        truth = examined.target.values
        weight = examined.special.get("weight")
        dtype = torch.float64 if plan.dtype == "float64" else torch.float32
        of_class = class_weights(examined, plan)
        if material.test_target is not None:
            truth = stack(truth, material.test_target.values)
            weight = None if weight is None else stack(weight, np.ones(len(material.test_target.values)))
        matrices = Matrices(
            x_NF=_on_device(stack(material.encoded.x, None if test is None else test.x), device, dtype),
            codes_NQ=torch.from_numpy(stack(material.encoded.codes, None if test is None else test.codes)).to(device),
            y=torch.tensor(truth, device=device),  # copied: columns of the reader cannot be written to
            weight_N=None if weight is None else torch.tensor(weight, device=device, dtype=dtype),
            class_weight_N=None if of_class is None else torch.tensor(of_class[truth], device=device, dtype=dtype),
            loss=loss_of(given, network, torch.tensor(truth)),
        )
        return cls(
            plan=plan,
            network=network,
            preparation=_learn(network, matrices, folds, dtype) if start is None else start.preparation.to(device),
            matrices=matrices,
            examined=examined,
            folds=folds,
            test_target=material.test_target,
            machine=devices.facts(device, torch.get_num_threads()),
            given=given,
        )

    @property
    def dtype(self) -> torch.dtype:
        """Type of weights and of prepared numbers."""
        return self.preparation.fill_KF.dtype

    @property
    def test_rows(self) -> np.ndarray | None:
        """Places of the test table's rows in the matrices."""
        learnt = len(self.examined.kept)
        return None if self.test_target is None else np.arange(learnt, len(self.matrices.x_NF))

    def on_all_rows(self) -> Trial:
        """Return the trial whose members all train on all rows, one a repeat."""
        repeats = sorted(set(self.folds.repeat))
        every = np.arange(len(self.examined.kept))
        none = np.arange(0)
        folds = replace(
            self.folds,
            train=tuple(every for _ in repeats),
            judged=tuple(none for _ in repeats),
            repeat=tuple(repeats),
            kind="none",
        )
        return replace(self, folds=folds, preparation=_learn(self.network, self.matrices, folds, self.dtype))

    def relearnt(self) -> Trial:
        """Return the trial with a preparation for its network, where that has other inputs than before."""
        return replace(self, preparation=_learn(self.network, self.matrices, self.folds, self.dtype))

    def repeats(self, first: int, last: int | None = None) -> Trial:
        """Return the trial of the folds of some repeats alone, counted from 0, with what they have in the whole."""
        known = sorted(set(self.folds.repeat))[first:last]
        return self._pick([k for k, repeat in enumerate(self.folds.repeat) if repeat in known])

    def part(self, first: int, last: int | None = None) -> Trial:
        """Return the trial of some folds alone, counted from 0, with what they have in the whole."""
        return self._pick(list(range(len(self.folds.train)))[first:last])

    def _pick(self, own: list[int]) -> Trial:
        folds = self.folds
        train, judged = (tuple(parts[k] for k in own) for parts in (folds.train, folds.judged))
        few = replace(folds, train=train, judged=judged, repeat=tuple(folds.repeat[k] for k in own))
        return replace(self, folds=few, preparation=self.preparation.pick(own), before=self.before + own[0])

    def on_rows(self, train: tuple[np.ndarray, ...], plan: Plan) -> Trial:
        """Return the trial whose folds learn from other rows, preparation and all, and are judged on the same."""
        folds = replace(self.folds, train=train)
        learnt = _learn(self.network, self.matrices, folds, self.dtype)
        return replace(self, plan=plan, folds=folds, preparation=learnt)

    def fitted(self) -> tuple[tuple[np.ndarray, ...], tuple[np.ndarray, ...] | None]:
        """Return the rows that each fold's members learn from, and those that early stopping watches, if it does."""
        if not self.plan.early_stopping:
            return self.folds.train, None
        if self.given.stop_on_test and self.test_rows is not None:
            return self.folds.train, (self.test_rows,) * len(self.folds.train)
        special = self.examined.special
        parts = [
            watched(rows, seed=self.plan.seed, groups=special.get("group"), times=special.get("time"))
            for rows in self.folds.train
        ]
        return tuple(fit for fit, _ in parts), tuple(watch for _, watch in parts)

    @property
    def stop_on(self) -> StopOn | None:
        """The metric that early stopping watches; None: the loss."""
        return watch(self.plan, self.given, self.examined, self.network.spec)

    def train(self, on_progress: Listener, stop: Stop) -> Trained:
        """Train one member a fold.

        Raises:
            TrainingError: no member survived.
            Interrupted: the user stopped before the first step.
        """
        fit_rows, watch_rows = self.fitted()
        rows = Rows(
            fit=fit_rows,
            judged=self.folds.judged,
            watched=watch_rows,
            test=self.test_rows if self.plan.watch_test else None,
            before=self.before,
            stop_on=self.stop_on,
        )
        device, dtype = self.matrices.x_NF.device, self.dtype
        repeat, before = self.folds.repeat, self.before
        members = Members.make(self.plan, len(fit_rows), repeat, device=device, dtype=dtype, before=before)
        if self.given.keep:
            members = members.after(Begun() if self.given.start is None else self.given.start.begun)
        metric = curve_metric(self.examined.target.schema, self.plan.metric)
        shelf = Shelf(self.matrices, self.preparation, scaled=make_loss(self.plan.loss or "mse").scaled)
        return train_spread(
            self.network,
            shelf,
            rows,
            members,
            self.plan,
            metric=metric,
            on_progress=on_progress,
            stop=stop,
        )

    def ended(self, trained: Trained) -> Start | None:
        """Return where training ended, where that is to be kept."""
        if not self.given.keep:
            return None
        epochs = max(member.epochs for member in trained.members)
        begun = Begun(epochs, trained.weights_MP, trained.state_MS, trained.slots)
        return Start(self.examined.schema, self.network.spec, self.plan, self.preparation, begun)

    def ship(self, trained: Trained, on_progress: Listener, stop: Stop) -> Shipped:
        """Return the members that predict: those trained, or with `refit` new ones on all rows.

        Where the user stops, the members of the folds are shipped: they are further than a refit cut short.
        """
        if self.plan.refit and not trained.interrupted:
            refit = self.on_all_rows()
            with suppress(Interrupted):
                again = refit.train(on_progress, stop)
                if not again.interrupted:
                    notes = tuple(dict.fromkeys((*trained.notes, *again.notes)))
                    return replace(refit._shipped(again), refitted=True, notes=notes)
        return self._shipped(trained)

    def _shipped(self, trained: Trained) -> Shipped:
        indices = tuple(member.index for member in trained.members if member.usable)
        return Shipped(
            indices=indices,
            preparation=self.preparation,
            weights_MP=trained.weights_MP[list(indices)],
            state_MS=trained.state_MS[list(indices)],
            fold_M=torch.tensor([trained.members[i].fold for i in indices]),
            notes=trained.notes,
        )


def _on_device(x_NF: np.ndarray, device: torch.device, dtype: torch.dtype) -> torch.Tensor:
    """Return a matrix on the device: pixels that are whole numbers stay so, a quarter of the memory."""
    return as_tensor(x_NF).to(device, torch.uint8 if x_NF.dtype == np.uint8 else dtype)


def _learn(network: Network, matrices: Matrices, folds: Folds, dtype: torch.dtype) -> Preparation:
    """Learn the preparation of each fold from its training rows alone, on the CPU: quantiles need sorting, once."""
    spec, device = network.spec, matrices.x_NF.device
    weight = matrices.weight_N
    learnt = Preparation.fit(
        matrices.x_NF.cpu(),
        matrices.codes_NQ.cpu(),
        matrices.y.cpu(),
        folds.train,
        spec.layout,
        spec.scale,
        spec.scale_target,
        dtype,
        None if weight is None else weight.cpu(),
        [repeat % 2 == 1 for repeat in folds.repeat] if spec.scale_target == "mixed" else None,
    )
    return learnt.to(device)
