"""What drives predictions: importance and dependence of columns, on rows that the networks had not learnt from."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from danlu.core.explained import Dependence, Importance, Importances
from danlu.core.seeds import stream
from danlu.explanation.dependence import STEPS, Grid, dependence, grid
from danlu.explanation.importance import Rise, alike, rises, shuffled_losses
from danlu.explanation.unseen import Places, Unseen, places
from danlu.judging.intervals import units
from danlu.judging.metrics import curve_metric
from danlu.judging.scores import decided
from danlu.networks import predict
from danlu.networks.build import both_classes
from danlu.population import Trained
from danlu.workflow.judge import Judged
from danlu.workflow.training import Shipped, Trial

MOST_ROWS, FEWEST_ROWS = 2000, 300
"""Rows that importance is measured on."""
MOST_SHUFFLES = 5
MOST_COLUMNS = 100
"""Columns that are shuffled: those that move predictions most when they are shuffled on `SCREENED` rows."""
SCREENED = 100
DRAWN = 8
"""Columns whose dependence is kept."""
DEPENDENCE_ROWS, SINGLE = 300, 40
"""Rows whose mean is taken, and of which single ones are kept."""
OUTPUTS = 12
"""Outputs whose dependence is kept."""
WORK_LEAST, WORK_MOST, SHARE = 3e10, 8e10, 0.05
"""Multiplications and additions that all of it may take: this share of those of training, but within these limits.
3e10 are somewhat less than a second on one core."""
ROWS_MOST = 200_000
"""Rows predicted in all, at most: of small networks the rows cost, not the arithmetic."""

Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class Asked:
    """Rows that may be asked about, as places in the matrices, and the networks of each: `member_RN`, -1 none."""

    trial: Trial
    trained: Trained | Shipped
    rows_N: np.ndarray
    member_RN: np.ndarray
    kind: str

    @property
    def truth(self) -> np.ndarray:
        """Numbers `[N, C]` or class codes `[N]`."""
        return self.trial.matrices.y[torch.from_numpy(self.rows_N)].cpu().numpy()

    def special(self, name: str) -> np.ndarray | None:
        """Return weight, group or time of the rows; None where there is none, and of the test part."""
        values = self.trial.examined.special.get(name)
        return None if values is None or self.kind.startswith("test") else values[self.rows_N]

    @cached_property
    def unseen(self) -> Unseen:
        """The rows with what predicts them."""
        at = torch.as_tensor(self.rows_N, device=self.trial.matrices.x_NF.device)
        matrices = self.trial.matrices
        return Unseen(matrices.x_NF[at], matrices.codes_NQ[at], self.predict)

    def take(self, chosen: np.ndarray) -> Asked:
        """Return some of the rows, by place."""
        return replace(self, rows_N=self.rows_N[chosen], member_RN=self.member_RN[:, chosen])

    def predict(self, x_BF: Tensor, codes_BQ: Tensor, place_B: np.ndarray) -> np.ndarray:
        """Return the mean of what the networks of each row's place say, `[B, C]` float64."""
        member_RB = self.member_RN[:, place_B]
        used = np.unique(member_RB[member_RB >= 0])
        repeat_of, rows_of = zip(*(np.nonzero(member_RB == member) for member in used), strict=True)
        del repeat_of
        trial, trained = self.trial, self.trained
        if isinstance(trained, Shipped):
            fold, preparation = trained.fold_M[used], trained.preparation
        else:
            fold, preparation = torch.tensor([trained.members[m].fold for m in used]), trial.preparation
        said = predict(
            trial.network,
            preparation,
            trained.weights_MP[used],
            trained.state_MS[used],
            fold,
            x_BF,
            codes_BQ,
            rows_per_member=list(rows_of),
        )
        target = trial.examined.target.schema
        total_BC = np.zeros((len(place_B), target.outputs))
        for rows, output in zip(rows_of, said, strict=True):
            total_BC[rows] += both_classes(output.cpu().double().numpy(), trial.network.spec, target)
        return total_BC / (member_RB >= 0).sum(axis=0)[:, None]


def asked_of(trial: Trial, trained: Trained, shipped: Shipped, judged: Judged) -> Asked | None:
    """Return rows that networks had not learnt from: those judged, else those of the test part, else None."""
    folds = trial.folds
    if len(judged.rows_N):
        repeats = sorted(set(folds.repeat))
        member_RN = np.full((len(repeats), len(trial.examined.kept)), -1)
        for member in trained.members:
            if member.usable:
                member_RN[repeats.index(folds.repeat[member.fold]), folds.judged[member.fold]] = member.index
        return Asked(trial, trained, judged.rows_N, member_RN[:, judged.rows_N], folds.kind)
    if trial.test_rows is None:
        return None
    every_MN = np.arange(len(shipped.indices))[:, None].repeat(len(trial.test_rows), 1)
    return Asked(trial, shipped, trial.test_rows, every_MN, "test (watched)" if trial.plan.watch_test else "test")


def budget(trial: Trial, trained: Trained) -> float:
    """Return how many rows may be predicted in all: a share of what training took, within limits."""
    spec = trial.network.spec
    row = 2.0 * max(1, trial.network.count) * spec.copies
    learnt = sum(3.0 * member.epochs * member.train_rows for member in trained.members)
    return min(ROWS_MOST, max(WORK_LEAST, min(WORK_MOST, SHARE * row * learnt)) / row)


def drivers(
    asked: Asked, rows_in_all: float, decision: np.ndarray | None
) -> tuple[Importances, tuple[Dependence, ...], Arrays]:
    """Return importance of every column, dependence on the most important, and the arrays of the latter.

    Arguments:
        asked: rows, and who predicts them.
        rows_in_all: as `budget` gives it: two thirds are for importance, one for dependence.
        decision: weights of the classes, as `judging.scores.Reading` has them; None for the likeliest.
    """
    seed, schema = asked.trial.plan.seed, asked.trial.examined.schema
    every = places(schema.columns)
    some = _some(asked, max(SCREENED, MOST_ROWS), seed, "rows")
    chosen = every if len(every) <= MOST_COLUMNS else _screened(some, every)
    each = len(asked.member_RN) * len(chosen)
    affordable = rows_in_all * 2 / 3 / each
    rows = int(min(len(asked.rows_N), MOST_ROWS, max(FEWEST_ROWS, affordable)))
    some = _some(asked, rows, seed, "rows")
    shuffles = int(min(MOST_SHUFFLES, max(1, affordable // rows)))
    importance = _importances(asked, some, chosen, shuffles, decision)
    importance = importance.model_copy(update={"unmeasured": len(every) - len(chosen)})
    by_name = {place.column.name: place for place in chosen}
    wanted = [by_name[found.column] for found in importance.columns[:DRAWN]]
    kept = int(np.clip(rows_in_all / 3 / (len(asked.member_RN) * DRAWN * STEPS), SINGLE, DEPENDENCE_ROWS))
    drawn, arrays = _dependences(_some(asked, kept, seed, "dependence"), wanted)
    return importance, drawn, arrays


def _some(asked: Asked, most: int, seed: int, what: str) -> Asked:
    """Return at most so many rows, drawn, in order."""
    if len(asked.rows_N) <= most:
        return asked
    random = np.random.Generator(np.random.PCG64(stream(seed, "importance", what)))
    return asked.take(np.sort(random.choice(len(asked.rows_N), most, replace=False)))


def _screened(asked: Asked, every: list[Places]) -> list[Places]:
    """Return the columns that move predictions most, in their order."""
    few = asked.take(np.arange(min(SCREENED, len(asked.rows_N))))
    plain_NC = few.unseen.as_they_are()

    def moved(predicted_NC: np.ndarray) -> dict[str, np.ndarray]:
        return {"moved": np.abs(predicted_NC - plain_NC).mean(axis=1)}

    found = shuffled_losses(few.unseen, every, moved, 1, asked.trial.plan.seed)
    order = np.argsort(-found.loss_QPN["moved"].mean(axis=(1, 2)), kind="stable")
    return [every[i] for i in sorted(order[:MOST_COLUMNS].tolist())]


def _importances(
    asked: Asked, some: Asked, columns: list[Places], shuffles: int, decision: np.ndarray | None
) -> Importances:
    target, plan = asked.trial.examined.target.schema, asked.trial.plan
    # Of classes the log-loss: a shuffled column may make probabilities much worse, and turn few of them over.
    metric, second = (curve_metric(target, plan.metric), "") if not target.classes else ("log-loss", "accuracy")
    names = tuple(name for name in (metric, second) if name)
    losses = RowLosses(names, some.truth, asked.truth, decision)
    shuffled = shuffled_losses(some.unseen, columns, losses, shuffles, plan.seed)
    weight_N = some.special("weight")
    weight_N = np.ones(len(some.rows_N)) if weight_N is None else weight_N
    unit_N = units(len(some.rows_N), some.special("group"), some.special("time"))
    base, found = rises(metric, shuffled, weight_N, unit_N, plan.seed)
    others: list[Rise] = rises(second, shuffled, weight_N, None, plan.seed)[1] if second else []
    like = _alike(some, columns)
    records = [
        Importance(
            column=place.column.name,
            value=rise.value,
            low=rise.low,
            high=rise.high,
            second=others[i].value if others else None,
            like="" if (twin := like[i]) is None else columns[twin].column.name,
        )
        for i, (place, rise) in enumerate(zip(columns, found, strict=True))
    ]
    records.sort(key=lambda each: (-each.value, -(each.second or 0.0)))
    return Importances(
        metric=metric,
        second_metric=second,
        base=base,
        kind=asked.kind,
        rows=len(some.rows_N),
        of_rows=len(asked.rows_N),
        shuffles=shuffles,
        columns=tuple(records),
    )


def _alike(some: Asked, columns: list[Places]) -> list[int | None]:
    """Return for each column the one that says nearly the same; of categories of three levels and more none."""
    x_NF, codes_NQ = some.unseen.x_NF.cpu().double().numpy(), some.unseen.codes_NQ.cpu().numpy()
    at = [i for i, place in enumerate(columns) if place.numbers or len(place.column.levels) == 2]
    values = [
        x_NF[:, columns[i].numbers[0]] if columns[i].numbers else codes_NQ[:, columns[i].codes[0]].astype(float)
        for i in at
    ]
    found: list[int | None] = [None] * len(columns)
    for i, like in zip(at, alike(values) if len(values) > 1 else [], strict=False):
        found[i] = None if like is None else at[like]
    return found


class RowLosses:
    """Losses of single rows, whose mean (or its root) is the metric; of accuracy 1 where the class is wrong."""

    def __init__(
        self, names: tuple[str, ...], truth: np.ndarray, whole: np.ndarray, decision: np.ndarray | None = None
    ) -> None:
        """Take the truth of the rows, that of all rows (for units of several targets), and weights of a decision."""
        self.names, self.truth = names, truth
        # Weights of each row's own are those of the fold; here all rows are judged alike.
        self.decision = decision if decision is None or decision.ndim == 1 else decision.mean(axis=0)
        self.unit_C = np.ones(1)
        if truth.ndim == 2 and truth.shape[1] > 1:
            spread_C = whole.std(axis=0)
            self.unit_C = np.where(spread_C > 0, spread_C, np.inf)  # of a constant target nothing is counted

    def __call__(self, predicted_NC: np.ndarray) -> dict[str, np.ndarray]:
        """Return the loss of each row, by metric."""
        return {name: getattr(self, f"_{name.replace('-', '_')}")(predicted_NC) for name in self.names}

    def _mean(self, error_NC: np.ndarray) -> np.ndarray:
        return error_NC.sum(axis=1) / max(1, int(np.isfinite(self.unit_C).sum()))

    def _rmse(self, predicted_NC: np.ndarray) -> np.ndarray:
        return self._mean(((predicted_NC - self.truth) / self.unit_C) ** 2)

    def _mae(self, predicted_NC: np.ndarray) -> np.ndarray:
        return self._mean(np.abs(predicted_NC - self.truth) / self.unit_C)

    def _rmsle(self, predicted_NC: np.ndarray) -> np.ndarray:
        return ((np.log1p(np.maximum(predicted_NC, 0)) - np.log1p(self.truth)) ** 2).mean(axis=1)

    def _accuracy(self, predicted_NC: np.ndarray) -> np.ndarray:
        guess_N = decided(predicted_NC, self.decision)
        return ((predicted_NC.argmax(axis=1) if guess_N is None else guess_N) != self.truth).astype(np.float64)

    def _log_loss(self, predicted_NC: np.ndarray) -> np.ndarray:
        eps = np.finfo(np.float64).eps
        own_N = predicted_NC[np.arange(len(self.truth)), self.truth] / predicted_NC.sum(axis=1)
        return -np.log(np.clip(own_N, eps, 1 - eps))


def _dependences(some: Asked, wanted: list[Places]) -> tuple[tuple[Dependence, ...], Arrays]:
    examined, dtype = some.trial.examined, some.trial.plan.dtype
    cells = {column.name: column for column in examined.table.columns}
    target = examined.target.schema
    outputs = min(OUTPUTS, target.outputs)
    single = np.linspace(0, len(some.rows_N) - 1, min(SINGLE, len(some.rows_N))).round().astype(int)
    found: list[Dependence] = []
    means: list[np.ndarray] = []
    lines: list[np.ndarray] = []
    for place in wanted:
        values = grid(cells[place.column.name], place.column)
        if values is None:
            continue
        said_GNC = dependence(some.unseen, place, values, dtype)
        mean_GC = said_GNC.mean(axis=1)
        output = target.positive if target.outputs == 2 and target.classes else int(np.ptp(mean_GC, axis=0).argmax())
        if target.task == "regression":
            output = 0
        found.append(_record(place, values, output))
        means.append(mean_GC[:, :outputs])
        lines.append(said_GNC[:, single, output].T)
    if not found:
        return (), {}
    arrays = {
        "dependence_QGC": _padded(means),
        "single_QIG": _padded([line.T for line in lines]).transpose(0, 2, 1),
    }
    return tuple(found), arrays


def _record(place: Places, values: Grid, output: int) -> Dependence:
    numbers = () if values.levels else tuple(float(cell) for cell in values.cells_G)
    return Dependence(
        column=place.column.name, kind=place.column.kind, values=numbers, levels=values.levels, output=output
    )


def _padded(parts: list[np.ndarray]) -> np.ndarray:
    """Stack matrices of different lengths, NaN behind the shorter ones."""
    most = max(len(part) for part in parts)
    return np.stack([np.pad(p, ((0, most - len(p)), (0, 0)), constant_values=np.nan) for p in parts]).astype(np.float32)
