"""Learning curves: at which epochs members are judged, and on what; the arrays that are kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from danlu.core.plan import Plan
from danlu.networks import Network, Pass, link
from danlu.population.batches import Deck, Order, RowNumbers, Rows, Shelf, Source
from danlu.population.losses import Loss, hits, make_loss, row_sum
from danlu.population.step import Flat
from danlu.population.stopping import StopOn

MOST_JUDGINGS = 500
CHUNK = 4096
"""Rows judged at once."""

RowMetric = Callable[[Tensor, Tensor], Tensor]
"""(predicted_MBC, truth) -> value_MB."""


def judged_epochs(epochs: int, every: int | None = None) -> np.ndarray:
    """Return the epochs, from 1, after which members are judged; the last one always is.

    Every `every` epochs; by default each of up to 500, and of more at most 500 spread by logarithm: a curve is
    steep at first and flat later.

    >>> judged_epochs(10, 4)
    array([ 4,  8, 10])
    >>> len(judged_epochs(500)), len(judged_epochs(1_000_000)) <= 500
    (500, True)
    """
    if every is not None:
        return np.unique(np.append(np.arange(every, epochs + 1, every), epochs))
    if epochs <= MOST_JUDGINGS:
        return np.arange(1, epochs + 1)
    return np.unique(np.round(np.geomspace(1, epochs, MOST_JUDGINGS)).astype(np.int64))


class Judge:
    """Measures members on rows by forward passes in evaluation mode: the loss, or a metric in the user's units.

    Arguments:
        rows_K: rows of each fold.
        metric: rmse, mae, rmsle, accuracy or log-loss; None for the loss without smoothing, class weights in it.
        stop_on: the metric in its place, which may be any.
    """

    def __init__(
        self,
        network: Network,
        loss: Loss,
        shelf: Shelf,
        rows_K: Sequence[RowNumbers],
        metric: str | None,
        stop_on: StopOn | None = None,
    ) -> None:
        self.whole = stop_on is not None and stop_on.of is not None
        self.stop_on, metric = stop_on, metric if stop_on is None else stop_on.name
        assert self.whole or metric in (None, "rmse", "mae", "rmsle", "accuracy", "log-loss"), metric
        self.network, self.loss, self.shelf, self.metric = network, loss, shelf, metric
        matrices = shelf.matrices
        weight_N = matrices.loss_weight_N if metric is None else matrices.weight_N
        self.deck = Deck(rows_K, weight_N, CHUNK, like=shelf.preparation.fill_KF)
        self.dealt: tuple[list[int], Order] | None = None
        self.run: Pass | None = None
        self.unit_KC = _units(matrices.y, self.deck) if metric in ("rmse", "mae") else None

    def __call__(self, flat: Flat, source: Source, folds: Sequence[int]) -> np.ndarray:
        """Return one number a member, float64 `[M]`; NaN where its fold has no rows."""
        members = len(flat.weights_MP)
        if not any(self.deck.steps_K[k] for k in folds):
            return np.full(members, np.nan)
        if self.dealt is None or self.dealt[0] != list(folds):
            self.dealt = (list(folds), self.deck.deal(folds))
        order = self.dealt[1]
        if self.run is None or self.run.weights_MP is not flat.weights_MP:
            self.run = self.network.bind(flat.weights_MP, flat.state_MS)
        if self.whole:
            return self._each(source, order, folds)
        total = torch.zeros(members, dtype=self._exact, device=flat.weights_MP.device)
        for step in range(len(order.rows_SKB)):
            batch = source.batch(order, step)
            outputs = self.run.forward(batch.prepared)
            if self.metric is None:
                value_MB = self.loss.rows(outputs, batch.target)
            else:
                value_MB = self._measured(outputs, source, order.rows_SKB[step], folds)
            # A row of weight 0 is padding: whatever its value is, it does not count.
            weight_MB = source.spread(order.weight_SKB[step])
            value_MB = torch.where(weight_MB > 0, value_MB * weight_MB, 0.0)
            total += row_sum(value_MB.to(self._exact))
        weight_K = order.total_SK.sum(0)
        weight_M = weight_K if source.place_M is None else weight_K[source.place_M.cpu().numpy()]
        with np.errstate(invalid="ignore", divide="ignore"):
            mean_M = total.cpu().double().numpy() / np.where(weight_M > 0, weight_M, np.nan)
            return np.sqrt(mean_M) if self.metric in ("rmse", "rmsle") else mean_M

    def _each(self, source: Source, order: Order, folds: Sequence[int]) -> np.ndarray:
        """Return the metric of each member's predictions of all its rows, a call a member."""
        assert self.run is not None
        assert self.stop_on is not None
        assert self.stop_on.of is not None
        preparation, matrices = self.shelf.preparation.pick(source.fold_M), self.shelf.matrices
        said = []
        for step in range(len(order.rows_SKB)):
            outputs = self.run.forward(source.batch(order, step).prepared)
            linked = link(outputs, self.network.spec.link, preparation)
            said.append(linked[:, : self.deck.batch].cpu().double().numpy())
        said_MNC, truth, weight_N = np.concatenate(said, 1), matrices.y.cpu().numpy(), self.deck.weight_N
        values = []
        for said_NC, place in zip(said_MNC, self._places(source, folds), strict=True):
            rows = self.deck.rows_K[folds[place]].numpy()
            weight = np.ones(len(rows)) if weight_N is None else weight_N[rows].double().numpy()
            known = len(rows) and np.isfinite(said_NC[: len(rows)]).all()
            values.append(self.stop_on.of(truth[rows], said_NC[: len(rows)], weight) if known else np.nan)
        return np.array(values, dtype=np.float64)

    def _places(self, source: Source, folds: Sequence[int]) -> list[int]:
        """Return the place of each member's fold."""
        return list(range(len(folds))) if source.place_M is None else source.place_M.tolist()

    @property
    def _exact(self) -> torch.dtype:
        """Sums are taken in float64 where the device has it."""
        return torch.float32 if self.shelf.matrices.x_NF.device.type == "mps" else torch.float64

    def _measured(self, outputs: Tensor, source: Source, rows_KB: Tensor, folds: Sequence[int]) -> Tensor:
        """Return the metric of each row, before the root of rmse."""
        truth = source.spread(self.shelf.matrices.y[rows_KB])
        spec = self.network.spec
        if self.metric == "accuracy":
            return hits(outputs, truth).to(outputs.dtype)
        if self.metric == "log-loss":
            return self._surprise(outputs, truth)
        predicted = link(outputs, spec.link, self.shelf.preparation.pick(source.fold_M))
        if self.metric == "rmsle":
            return (predicted.to(self._exact).clamp(min=0).log1p() - truth.log1p()).square().mean(2)
        error = predicted.to(self._exact) - truth
        if self.unit_KC is not None:
            error = error / source.spread(self.unit_KC[list(folds)]).unsqueeze(1)
        return (error.square() if self.metric == "rmse" else error.abs()).mean(2)

    def _surprise(self, outputs: Tensor, truth_MB: Tensor) -> Tensor:
        """Return the negative logarithm of the true class's probability."""
        if outputs.shape[2] > 1:
            return -torch.log_softmax(outputs, 2).gather(2, truth_MB.unsqueeze(2)).squeeze(2)
        return torch.nn.functional.softplus(torch.where(truth_MB > 0, -outputs[..., 0], outputs[..., 0]))


def judges(network: Network, shelf: Shelf, rows: Rows, metric: str, plan: Plan) -> dict[str, Judge | None]:
    """Return what judges each curve; None where there are no such rows."""
    loss = shelf.matrices.loss or make_loss(plan.loss or "mse")
    assert not plan.early_stopping or rows.watched is not None, "early stopping needs rows to watch"
    found: dict[str, Judge | None] = {"judged_JM": None, "watched_JM": None, "test_JM": None}
    if any(len(judged) for judged in rows.judged):
        found["judged_JM"] = Judge(network, loss, shelf, rows.judged, metric)
    if plan.early_stopping and rows.watched is not None:
        found["watched_JM"] = Judge(network, loss, shelf, rows.watched, None, rows.stop_on)
    if rows.test is not None and len(rows.test):
        found["test_JM"] = Judge(network, loss, shelf, [rows.test] * len(rows.fit), metric)
    return found


def _units(y: Tensor, deck: Deck) -> Tensor | None:
    """Return what errors of several targets are divided by, `[K, C]`: the truth's standard deviation on a fold's rows.

    Targets in different units cannot be added. One target keeps its own unit: None.
    """
    if y.shape[1] == 1:
        return None
    units = []
    for rows in deck.rows_K:
        truth = y[rows.to(y.device)]
        unit = truth.std(0, correction=0) if len(truth) else torch.ones_like(y[0])
        units.append(torch.where(unit > 0, unit, 1.0))
    return torch.stack(units)


def epoch_means(
    value_TA: np.ndarray, total_TA: np.ndarray, begins: Sequence[int], *, counts: bool = False
) -> np.ndarray:
    """Return the means over each epoch's rows `[E, A]`, of means over steps; NaN where they are not finite.

    Arguments:
        value_TA: of each step and member.
        total_TA: what the step's rows weigh together, 0 where a member had none.
        begins: the first step of each epoch.
        counts: whether a step's sum is a number of rows: from shares in float32 it is only nearly one, and is rounded.

    >>> epoch_means(np.array([[1.0], [4.0]]), np.array([[2.0], [1.0]]), [0])
    array([[2.]])
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        summed_TA = np.where(total_TA > 0, value_TA * total_TA, 0.0)
        summed_EA = np.add.reduceat(np.rint(summed_TA) if counts else summed_TA, begins)
        mean_EA = summed_EA / np.add.reduceat(total_TA, begins)
    return np.where(np.isfinite(mean_EA), mean_EA, np.nan)


def _mean(value_EM: np.ndarray) -> np.ndarray:
    """Return the mean over the members that there were: of equal values, that value to the last bit, for any number."""
    least_E = np.fmin.reduce(value_EM, 1)
    return least_E + np.nansum(value_EM - least_E[:, None], 1) / np.maximum(np.isfinite(value_EM).sum(1), 1)


class Curves:
    """The arrays of a run: losses and accuracies of every epoch, judgings, rates; NaN where a member had ended."""

    def __init__(self, members: int) -> None:
        self.members = members
        self.loss: list[np.ndarray] = []
        self.accuracy: list[np.ndarray] = []
        self.lr: list[np.ndarray] = []
        self.epochs: list[int] = []
        self.judged: dict[str, list[np.ndarray]] = {"judged_JM": [], "watched_JM": [], "test_JM": []}

    def skip(self, epochs: int, *, classes: bool) -> None:
        """Leave the first epochs empty: members that go on took them in another run."""
        for rows in (self.loss, self.lr, *([self.accuracy] if classes else [])):
            rows.append(np.full((epochs, self.members), np.nan))

    def spread(self, value_A: np.ndarray, active: Sequence[int]) -> np.ndarray:
        """Return values of the active members among all, NaN elsewhere; the last axis is the members'."""
        whole = np.full((*value_A.shape[:-1], self.members), np.nan)
        whole[..., list(active)] = value_A
        return whole

    def arrays(self) -> dict[str, np.ndarray]:
        """Return loss_EM, lr_E, judged_epochs_J, judged_JM, watched_JM and test_JM; what was not judged is all NaN.

        Of classes accuracy_EM as well.
        """
        empty = np.empty((0, self.members))
        return {
            "loss_EM": np.concatenate([empty, *self.loss]),
            **({"accuracy_EM": np.concatenate(self.accuracy)} if self.accuracy else {}),
            "lr_E": _mean(np.concatenate([empty, *self.lr])),
            "judged_epochs_J": np.array(self.epochs, dtype=np.int64),
            **{name: np.stack(rows) if rows else empty for name, rows in self.judged.items()},
        }
