"""Networks of several settings that predict together, each setting as one repeat of the same folds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from danlu.population import Trained
from danlu.workflow.training import Trial

MOST = 4
"""Settings whose networks are kept at most."""
WORTH = 0.999
"""Times the error must several be at most, of that of the best one, out of the folds that they were not chosen on."""

Error = Callable[[np.ndarray, np.ndarray], float]
"""From predictions of some rows, and these rows, to an error."""


@dataclass(frozen=True)
class Several:
    """A trial and its members: those of several settings are as many repeats of its folds."""

    trial: Trial
    trained: Trained
    settings: int = 1

    @classmethod
    def of(cls, parts: Sequence[tuple[Trial, Trained]]) -> Several:
        """Return settings of one architecture and the same folds as one trial, with the first one's plan."""
        (trial, trained), *others = parts
        count, folds = len(parts), trial.folds
        if count == 1:
            return cls(trial, trained)
        one = max(folds.repeat) + 1
        for place, (_, other) in enumerate(others, 1):
            moved = tuple(m.model_copy(update={"repeat": m.repeat + one * place}) for m in other.members)
            trained = trained.joined(replace(other, members=moved))
        together = replace(
            folds,
            train=folds.train * count,
            judged=folds.judged * count,
            repeat=tuple(repeat + one * i for i in range(count) for repeat in folds.repeat),
            words=f"{folds.words}, the same for networks of {count} settings",
        )
        own = list(range(len(folds.train))) * count
        plan = trial.plan.model_copy(update={"repeats": count})
        return cls(replace(trial, plan=plan, folds=together, preparation=trial.preparation.pick(own)), trained, count)

    def with_repeats(self, every: Trial, rest: Trained) -> Several:
        """Return these and behind them further repeats of the best setting.

        Arguments:
            every: the best setting's trial of the first repeat and the further ones.
            rest: what the further ones trained.
        """
        own, folds = self.trial, every.folds
        first = sum(repeat == 0 for repeat in folds.repeat)
        shift = max(own.folds.repeat)
        together = replace(
            own.folds,
            train=own.folds.train + folds.train[first:],
            judged=own.folds.judged + folds.judged[first:],
            repeat=own.folds.repeat + tuple(repeat + shift for repeat in folds.repeat[first:]),
            words=f"{folds.words}, the first the same for networks of {self.settings} settings",
        )
        pick = list(range(first)) * self.settings + list(range(first, len(folds.train)))
        moved = tuple(m.model_copy(update={"repeat": m.repeat + shift}) for m in rest.members)
        plan = every.plan.model_copy(update={"repeats": self.settings + len(set(every.folds.repeat)) - 1})
        trial = replace(every, plan=plan, folds=together, preparation=every.preparation.pick(pick))
        return Several(trial, self.trained.joined(replace(rest, members=moved)), self.settings)


def blend(predicted_SNC: Sequence[np.ndarray], error: Error, fold_N: np.ndarray) -> list[int]:
    """Return which candidates predict best together, the best one first: greedy selection (Caruana et al., 2004).

    Several are taken only where they are better than the best one on folds that neither was chosen on.

    Arguments:
        predicted_SNC: predictions out of fold of each candidate, the best one first.
        error: of the mean of some, on some rows.
        fold_N: fold of each row.
    """
    every = np.arange(len(fold_N))
    if len(predicted_SNC) < 2:
        return [0]
    folds = np.unique(fold_N)
    if len(folds) > 1:
        several_NC, single_NC = np.zeros_like(predicted_SNC[0]), np.zeros_like(predicted_SNC[0])
        for fold in folds:
            own, rest = fold_N == fold, np.flatnonzero(fold_N != fold)
            alone = min(range(len(predicted_SNC)), key=lambda i: error(predicted_SNC[i][rest], rest))
            single_NC[own] = predicted_SNC[alone][own]
            several_NC[own] = np.mean([predicted_SNC[i][own] for i in _greedy(predicted_SNC, error, rest)], axis=0)
        if not error(several_NC, every) < WORTH * error(single_NC, every):
            return [0]
    return _greedy(predicted_SNC, error, every)


def _greedy(predicted_SNC: Sequence[np.ndarray], error: Error, rows: np.ndarray) -> list[int]:
    """Return candidates, each the one that the mean of those before gains most by; as long as it gains."""
    own = [predicted_NC[rows] for predicted_NC in predicted_SNC]
    left = list(range(len(own)))
    best = min(left, key=lambda i: error(own[i], rows))
    chosen, least = [best], error(own[best], rows)
    left.remove(best)
    while left and len(chosen) < MOST:
        together = sum(own[i] for i in chosen)
        errors = {i: error((together + own[i]) / (len(chosen) + 1), rows) for i in left}
        best = min(errors, key=errors.__getitem__)
        if not errors[best] < least:
            break
        chosen.append(best)
        left.remove(best)
        least = errors[best]
    return chosen
