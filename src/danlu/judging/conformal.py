"""Intervals, quantiles and a density of what networks say: from their errors on rows that they did not learn from.

Each error is divided by the size that is expected there (`local_scale`), so that errors of all rows are alike; the
errors so scaled, in their order, are a predictive distribution for any row: prediction + scale x error. (Split and
cross-conformal prediction: Vovk et al. 2005, "Algorithmic learning in a random world"; Lei et al. 2018,
"Distribution-free predictive inference for regression"; Barber et al. 2021, "Predictive inference with the
jackknife+".)

The networks that ship predict together, and so better than the one that judged a row; CV+ of Barber et al. adds the
networks' disagreement to the errors instead, and covers too much (94.5% for 90% on Ames, a width of 0.78 standard
deviations where 0.69 was enough). Here the ambiguity decomposition (Krogh and Vedelsby 1995) says how much better:
the mean squared error of single networks less their variance is that of their mean, at every row.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from math import ceil, floor

import numpy as np

from danlu.core.errors import PlanError
from danlu.core.seeds import stream
from danlu.judging.crossfit import parts_of
from danlu.judging.effective import effective_rows
from danlu.judging.local_scale import FEWEST_ROWS, LocalScale, constant_scale, fit_scale
from danlu.judging.student import Student, fit_student

PARTS = 3
MOST_ROWS = 6000
"""Rows that the scale of one target is learnt from, of several targets the fewer: 0.2 s."""
MOST_KEPT = 3999
"""Scaled errors that are kept of each target, evenly by rank."""
MOST_SCALED = 8
"""With more targets than these each scale is the same everywhere: fitting them would take long."""
MOST_SAVED = 0.2
"""Of the squared error, what predicting together saves at most: where networks disagree more, they know less."""
FEWEST = 3
"""Rows without which there is no distribution."""


@dataclass(frozen=True)
class Errors:
    """What errors are to be expected of a model, C targets; all it takes to give intervals, as arrays.

    error_CQ: scaled errors, ascending.
    rows: how many independent rows they stand for.
    square_C: mean square of scaled errors.
    student_C3: degrees, place and scale of the t distribution of scaled errors; NaN where they do not vary.
    limits: least and greatest value that a prediction can have; ends of intervals stay between them.
    base_C, column_CTD, threshold_CTD, value_CTL: of the local scales.
    """

    error_CQ: np.ndarray
    rows: np.ndarray
    square_C: np.ndarray
    student_C3: np.ndarray
    limits: np.ndarray
    base_C: np.ndarray
    column_CTD: np.ndarray
    threshold_CTD: np.ndarray
    value_CTL: np.ndarray

    def arrays(self) -> dict[str, np.ndarray]:
        """Return all of it, by name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray], columns: int) -> Errors:
        """Return what `arrays` gave.

        Arguments:
            arrays: by name.
            columns: of the table that scales are predicted from, without what was predicted.

        Raises:
            KeyError: one is missing.
            ValueError: they do not fit each other or the table.
        """
        own = cls(**{field.name: np.asarray(arrays[field.name]) for field in fields(cls)})
        targets, trees, depth = own.column_CTD.shape
        fits = own.threshold_CTD.shape == own.column_CTD.shape and own.value_CTL.shape == (targets, trees, 1 << depth)
        fits &= own.student_C3.shape == (targets, 3) and own.square_C.shape == own.base_C.shape == (targets,)
        fits &= (
            own.error_CQ.ndim == 2
            and len(own.error_CQ) == targets
            and own.rows.shape == ()
            and own.limits.shape == (2,)
        )
        if not fits or own.column_CTD.min(initial=0) < 0 or own.column_CTD.max(initial=0) > columns:
            raise ValueError("arrays of expected errors that do not fit")
        return own

    def scale(self, columns_NF: np.ndarray, predicted_NC: np.ndarray, variance_NC: np.ndarray | None) -> np.ndarray:
        """Return the expected size of the error of each prediction, `[N, C]`.

        Arguments:
            columns_NF: numbers and codes, as in `learn_errors`.
            predicted_NC: what is predicted, in the user's units.
            variance_NC: by how much less the squared error of this prediction is expected to be than that of what was
                judged: the variance of the networks; None where as many judged a row as predict.
        """
        scale_NC = np.empty(np.shape(predicted_NC))
        for c, base in enumerate(self.base_C.tolist()):
            own = LocalScale(base, self.column_CTD[c], self.threshold_CTD[c], self.value_CTL[c])
            scale_NC[:, c] = own(columns_NF, predicted_NC[:, c])
        if variance_NC is None:
            return scale_NC
        square_NC = np.maximum(self.square_C * np.square(scale_NC), np.finfo(float).tiny)
        share_NC = variance_NC / square_NC
        # Networks that disagree by more than the error to be expected are on strange ground: never less than that.
        return scale_NC * np.sqrt(np.maximum(1 - np.minimum(share_NC, MOST_SAVED), share_NC))

    def interval(self, predicted_NC: np.ndarray, scale_NC: np.ndarray, level: float) -> tuple[np.ndarray, np.ndarray]:
        """Return the lower and upper ends `[N, C]` of intervals that hold the share `level` of truths.

        As much is expected below them as above.

        Raises:
            PlanError: the level is none, or too near 1 for the rows that were judged.
        """
        if not 0 < level < 1:
            raise PlanError("`interval` must be between 0 and 1", f"got {level:g}", "Use 0.9.")
        kept, rows = self.error_CQ.shape[1], float(self.rows)
        rank = round((1 - level) / 2 * (1 + 1 / rows) * kept, 9) if kept else 0.0
        # With n rows the n + 1 places between and around their errors are equally likely for a new one.
        low, high = floor(rank), ceil(round((1 + level) / 2 * (1 + 1 / rows) * kept, 9))
        low = min(low, kept + 1 - high)
        if low < 1:
            most = floor(1e3 * max(0.0, 1 - 2 / ((1 + 1 / rows) * kept))) / 1e3
            raise PlanError(
                f"an interval of {level:.6g} needs {ceil(2 / (1 - level) - 1 - 1e-9):,} judged rows or more",
                f"those of the fit count as {rows:,.0f}" if rows <= kept else f"{kept:,} errors are kept",
                f"Ask for {most:g} or less." if most > 0 else "Fit with more rows.",
            )
        ends = self.error_CQ[:, low - 1], self.error_CQ[:, kept - low]
        low_NC, high_NC = (np.clip(predicted_NC + scale_NC * end_C, *self.limits) for end_C in ends)
        return low_NC, high_NC

    def quantiles(self, predicted_NC: np.ndarray, scale_NC: np.ndarray, shares: tuple[float, ...]) -> np.ndarray:
        """Return the value below which each share of truths is expected, `[N, C, Q]`.

        Between the errors that were seen it is linear, beyond the least and the greatest it stays with them.

        Raises:
            PlanError: a share is not between 0 and 1, or no error was judged.
        """
        for share in shares:
            if not 0 < share < 1:
                raise PlanError("`quantiles` must be between 0 and 1", f"got {share:g}", "Use 0.1,0.5,0.9.")
        kept = self.error_CQ.shape[1]
        place_Q = np.asarray(shares, np.float64) * (kept + 1) - 1
        error_CQ = np.stack([np.interp(place_Q, np.arange(kept), error_K) for error_K in self.error_CQ])
        return np.clip(predicted_NC[:, :, None] + scale_NC[:, :, None] * error_CQ, *self.limits)

    def surprise(self, truth_NC: np.ndarray, predicted_NC: np.ndarray, scale_NC: np.ndarray) -> np.ndarray:
        """Return minus the logarithm of the density at each truth, `[N, C]`; NaN of targets without errors."""
        value_NC = np.full(np.shape(truth_NC), np.nan)
        for c, (degrees, place, size) in enumerate(self.student_C3.tolist()):
            if size > 0:
                scaled_N = (truth_NC[:, c] - predicted_NC[:, c]) / scale_NC[:, c]
                density_N = Student(degrees, place, size).log_density(scaled_N)
                value_NC[:, c] = np.log(scale_NC[:, c]) - density_N
        return value_NC


def scale_columns(x_NF: np.ndarray, codes_NQ: np.ndarray, *, image: bool) -> np.ndarray:
    """Return the columns that the size of errors may depend on: numbers and codes of a table; of images none.

    >>> scale_columns(np.zeros((2, 3), np.float32), np.zeros((2, 1), np.int32), image=False).shape
    (2, 4)
    """
    if image:
        return np.zeros((len(x_NF), 0), np.float32)
    return np.concatenate([x_NF, codes_NQ.astype(x_NF.dtype)], axis=1)


def repeats_of(repeats: Sequence[int], *, refitted: bool, in_time: bool) -> np.ndarray | None:
    """Return the repeat of each network that predicts, `[M]`, as `saved_by_many` takes it.

    None where as many predict as judged a row: one of each repeat. And in order of time, where networks differ for
    other reasons as well.
    """
    if refitted or in_time or len(set(repeats)) == len(repeats):
        return None
    return np.array(repeats)


def saved_by_many(predicted_MNC: np.ndarray, repeat_M: np.ndarray) -> np.ndarray:
    """Return by how much less the squared error of all networks together is than that of one of each repeat, `[N, C]`.

    Which one of a repeat it is leaves a variance, and the mean over R repeats 1/R² of their sum.

    >>> saved_by_many(np.array([1.0, 3.0])[:, None, None], np.array([0, 0]))
    array([[1.]])
    """
    repeats = np.unique(repeat_M)
    variance = sum(predicted_MNC[repeat_M == repeat].var(axis=0) for repeat in repeats)
    return np.asarray(variance) / len(repeats) ** 2


@dataclass(frozen=True)
class Judgement:
    """What judged rows say of intervals and density, each row by what the other rows gave. N rows, C targets."""

    low_NC: np.ndarray
    high_NC: np.ndarray
    surprise_NC: np.ndarray


def learn_errors(  # noqa: PLR0913  what was judged, and how rows belong together
    columns_NF: np.ndarray,
    truth_NC: np.ndarray,
    predicted_NC: np.ndarray,
    weight_N: np.ndarray | None = None,
    groups_N: np.ndarray | None = None,
    times_N: np.ndarray | None = None,
    *,
    level: float = 0.9,
    limits: tuple[float, float] = (-np.inf, np.inf),
    seed: int = 0,
) -> tuple[Errors, Judgement] | None:
    """Learn what errors are to be expected, and judge it; None of fewer than 3 rows that count.

    Three parts of the rows take turns, groups whole, stretches of time: errors are scaled by what the other two
    parts gave, and for the judgement of a part neither its scales nor its errors are used.

    Arguments:
        columns_NF: numbers and codes that the size of errors may depend on; NaN where missing.
        truth_NC: in the user's units.
        predicted_NC: what networks said that had not learnt from the row.
        weight_N: weights of rows.
        groups_N: codes of groups.
        times_N: times.
        level: of the intervals that are judged.
        limits: least and greatest value that a prediction can have.
        seed: of the run.

    >>> random = np.random.default_rng(0)
    >>> x = random.uniform(0, 2, 4000)
    >>> found = learn_errors(x[:, None], (x * random.normal(size=4000))[:, None], np.zeros((4000, 1)))
    >>> errors, judged = found
    >>> low, high = errors.scale(np.array([[0.5], [1.5]]), np.zeros((2, 1)), None).ravel()
    >>> bool(0.3 < low < 0.5 and 1.0 < high < 1.4)
    True
    """
    weight_N = np.ones(len(truth_NC)) if weight_N is None else np.asarray(weight_N, np.float64)
    if int((weight_N > 0).sum()) < FEWEST:
        return None
    part_N = parts_of(np.zeros(len(truth_NC)), seed=seed, groups_N=groups_N, times_N=times_N, parts=PARTS)
    rows = _Rows(columns_NF, truth_NC, predicted_NC, weight_N, part_N, groups_N, limits, seed)
    targets = [_one_target(rows, c, level) for c in range(truth_NC.shape[1])]
    errors, low, high, surprise = zip(*targets, strict=True)
    judged = Judgement(*(np.stack(values, axis=1) for values in (low, high, surprise)))
    return _together(errors), judged


@dataclass(frozen=True)
class _Rows:
    """Judged rows of all targets."""

    columns_NF: np.ndarray
    truth_NC: np.ndarray
    predicted_NC: np.ndarray
    weight_N: np.ndarray
    part_N: np.ndarray
    groups_N: np.ndarray | None
    limits: tuple[float, float]
    seed: int

    def scale(self, c: int, parts: tuple[int, ...]) -> LocalScale:
        """Learn the size of the errors of a target from the rows of some parts."""
        targets = self.truth_NC.shape[1]
        chosen = np.flatnonzero(np.isin(self.part_N, parts) & (self.weight_N > 0))
        if not len(chosen):
            return constant_scale(1.0)
        if len(chosen) > MOST_ROWS // targets:
            random = np.random.default_rng(stream(self.seed, "rows of the local scale"))
            chosen = np.sort(random.permutation(chosen)[: max(FEWEST_ROWS, MOST_ROWS // targets)])
        said_N, weight_N = self.predicted_NC[chosen, c], self.weight_N[chosen]
        size_N = np.abs(self.truth_NC[chosen, c] - said_N)
        if targets > MOST_SCALED:
            return constant_scale(float(np.average(size_N, weights=weight_N)) or 1.0)
        return fit_scale(self.columns_NF[chosen], said_N, size_N, weight_N, self.seed)

    def scaled(self, c: int, scale: LocalScale, part: int) -> tuple[np.ndarray, np.ndarray]:
        """Return rows of a part and the scale of each."""
        rows = np.flatnonzero(self.part_N == part)
        return rows, scale(self.columns_NF[rows], self.predicted_NC[rows, c])


def _one_target(rows: _Rows, c: int, level: float) -> tuple[Errors, np.ndarray, np.ndarray, np.ndarray]:
    """Return what errors of a target are to be expected, and of judged rows the interval's ends and the surprise."""
    error_N = rows.truth_NC[:, c] - rows.predicted_NC[:, c]
    parts = np.unique(rows.part_N).tolist()
    low_N, high_N, surprise_N, scale_N = (np.full(len(error_N), np.nan) for _ in range(4))
    alone = {part: rows.scale(c, (part,)) for part in parts} if len(parts) == PARTS else {}
    for part in parts:
        others = tuple(other for other in parts if other != part)
        scale = rows.scale(c, others or (part,))
        own, size = rows.scaled(c, scale, part)
        scale_N[own] = size
        if len(parts) < PARTS:
            continue
        # The errors of either other part are scaled by what the remaining one gave.
        one, two = others
        seen = [rows.scaled(c, alone[two], one), rows.scaled(c, alone[one], two)]
        where = np.concatenate([each for each, _ in seen])
        judge = _table(rows, where, error_N[where] / np.concatenate([s for _, s in seen]), scale)
        said, size_NC = rows.predicted_NC[own, c, None], size[:, None]
        surprise_N[own] = judge.surprise(rows.truth_NC[own, c, None], said, size_NC)[:, 0]
        try:
            ends = judge.interval(said, size_NC, level)
        except PlanError:
            continue  # too few rows for the level: undefined
        low_N[own], high_N[own] = ends[0][:, 0], ends[1][:, 0]
    every = np.arange(len(error_N))
    whole = rows.scale(c, tuple(parts))
    return _table(rows, every, error_N / scale_N, whole), low_N, high_N, surprise_N


def _table(rows: _Rows, where: np.ndarray, scaled_N: np.ndarray, scale: LocalScale) -> Errors:
    """Return the distribution of the scaled errors of some rows, of one target."""
    weight_N = rows.weight_N[where]
    student = fit_student(scaled_N, weight_N)
    counted = effective_rows(weight_N, None if rows.groups_N is None else rows.groups_N[where], scaled_N)
    return Errors(
        error_CQ=_thinned(scaled_N, weight_N)[None],
        rows=np.array(counted),
        square_C=np.array([np.average(np.square(scaled_N), weights=weight_N)]),
        student_C3=np.array([(np.nan, np.nan, np.nan) if student is None else student]),
        limits=np.array(rows.limits),
        base_C=np.array([scale.base]),
        column_CTD=scale.column_TD[None],
        threshold_CTD=scale.threshold_TD[None],
        value_CTL=scale.value_TL[None],
    )


def _thinned(scaled_N: np.ndarray, weight_N: np.ndarray) -> np.ndarray:
    """Return errors in their order, at most so many as are kept; weighted ones as equally likely ones.

    >>> _thinned(np.array([3.0, 1.0, 2.0]), np.ones(3))
    array([1., 2., 3.])
    """
    counted = weight_N > 0
    scaled_N, weight_N = scaled_N[counted], weight_N[counted]
    order = np.argsort(scaled_N, kind="stable")
    scaled_N, weight_N = scaled_N[order], weight_N[order]
    equal = bool((weight_N == weight_N[0]).all())
    if equal and len(scaled_N) <= MOST_KEPT:
        return scaled_N
    kept = MOST_KEPT if equal else min(MOST_KEPT, max(1, floor(effective_rows(weight_N, None, scaled_N))))
    # The place of each error, and of those kept, on a scale from 0 to 1, as rank / (n + 1).
    upto_N = (np.cumsum(weight_N) - weight_N / 2) / weight_N.sum()
    at_N = (upto_N * len(upto_N) + 0.5) / (len(upto_N) + 1) if equal else upto_N
    return np.interp(np.arange(1, kept + 1) / (kept + 1), at_N, scaled_N)


def _together(errors: tuple[Errors, ...]) -> Errors:
    """Put targets together."""
    of_all = {"rows": np.array(min(float(each.rows) for each in errors)), "limits": errors[0].limits}
    names = [name for name in errors[0].arrays() if name not in of_all]
    return Errors(**of_all, **{name: np.concatenate([getattr(each, name) for each in errors]) for name in names})
