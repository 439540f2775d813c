"""Columns that give the target away: one that predicts it alone, or several that make it by arithmetic."""

from __future__ import annotations

import itertools

import numpy as np

from danlu.core.records import Finding
from danlu.data.columns import Column, Examined

_SAMPLE = 20_000
"""Rows that are looked at."""

_BINS = 128
_SURE = 0.98
"""Share of the constant's error that one column has to save on rows it was not fitted to."""

_FAR = 5.0
"""How many times as much error the next column has to leave: physics has several good columns."""

_MOST_NUMBERS = 60
"""Columns of numbers whose pairs are tried."""

_FEW = 40
"""Rows that are tried first: nearly all pairs fail there."""


def alone(examined: Examined) -> list[Finding]:
    """Say which column predicts the target by itself, far better than all others, on rows it was not fitted to."""
    target, columns = examined.target.values, examined.table.columns
    if len(columns) < 2 or (target.ndim > 1 and target.shape[1] > 1):
        return []
    rows_S = _sample(len(examined.kept))
    truth_S = target[rows_S] if target.ndim == 1 else target[rows_S, 0]
    classes = len(examined.schema.target.classes)
    skills = np.array([_skill(column, rows_S, truth_S, classes) for column in columns])
    order = np.argsort(-skills)
    first, second = skills[order[0]], skills[order[1]]
    if first < _SURE or 1 - second < _FAR * (1 - first) or second > _SURE:
        return []
    column = columns[order[0]]
    what = "wrong answers" if classes else "squared error"
    return [
        Finding(
            name="target-leak",
            fault=f"`{column.name}` alone predicts `{examined.schema.target.names[0]}`.",
            evidence=f"on rows it was not fitted to, it saves {_percent(first)} of the {what} of a constant, "
            f"the next best column (`{columns[order[1]].name}`) {_percent(max(second, 0.0))}",
            cure=f"If it is not known before the target is, use --drop '{column.name}'.",
        )
    ]


def formula(examined: Examined) -> list[Finding]:
    """Say which columns make a numeric target by arithmetic: sums of up to five, or two of them by + - x /."""
    target = examined.target.values
    numbers = [column for column in examined.table.columns if column.kind == "number"][:_MOST_NUMBERS]
    if examined.schema.target.task != "regression" or target.shape[1] != 1 or len(numbers) < 2:
        return []
    rows_S = _sample(len(examined.kept))
    x_SF = np.stack([column.values[rows_S] for column in numbers], axis=1)
    y_S = target[rows_S, 0]
    known = ~np.isnan(x_SF).any(axis=1)
    if known.sum() < _FEW or np.ptp(y_S[known]) == 0:
        return []
    found = _pair(x_SF[known], y_S[known]) or _sum(x_SF[known], y_S[known])
    if found is None:
        return []
    name = examined.schema.target.names[0]
    places, signs = found
    words = f" {signs} ".join(f"`{numbers[place].name}`" for place in places)
    drop = ",".join(numbers[place].name for place in places)
    return [
        Finding(
            name="target-formula",
            fault=f"`{name}` is {words}.",
            evidence=f"exactly so in all of {int(known.sum()):,} rows looked at",
            cure=f"If these are not known before the target is, use --drop '{drop}'.",
        )
    ]


def _percent(share: float) -> str:
    """Return a share in per cent, with as many digits as tell it from all.

    >>> _percent(0.5), _percent(0.99987), _percent(1.0)
    ('50%', '99.99%', '100%')
    """
    return f"{100 * share:.0f}%" if share < 0.99 or share == 1 else f"{100 * share:.2f}%"


def _sample(rows: int) -> np.ndarray:
    """Return row numbers, ascending; the same every time."""
    if rows <= _SAMPLE:
        return np.arange(rows)
    return np.sort(np.random.default_rng(0).choice(rows, _SAMPLE, replace=False))


def _skill(column: Column, rows_S: np.ndarray, truth_S: np.ndarray, classes: int) -> float:
    """Return the share of a constant's error that the means (or commonest classes) of a column's bins save.

    Fitted to one half of the rows and measured on the other, and the other way round.
    """
    bin_S = _binned(column, rows_S)
    half_S = np.random.default_rng(1).permutation(len(rows_S)) % 2 == 0
    error = base = 0.0
    for fitted_S in (half_S, ~half_S):
        bins = int(bin_S.max()) + 1
        if classes:
            table = np.bincount(bin_S[fitted_S] * classes + truth_S[fitted_S], minlength=bins * classes)
            table = table.reshape(bins, classes).astype(float)
            commonest = int(table.sum(axis=0).argmax())
            table[:, commonest] += 1e-9
            error += float((table.argmax(axis=1)[bin_S[~fitted_S]] != truth_S[~fitted_S]).sum())
            base += float((truth_S[~fitted_S] != commonest).sum())
        else:
            mean = float(truth_S[fitted_S].mean())
            total = np.bincount(bin_S[fitted_S], truth_S[fitted_S] - mean, minlength=bins)
            count = np.bincount(bin_S[fitted_S], minlength=bins)
            means = mean + total / np.maximum(count, 1)
            error += float(((truth_S[~fitted_S] - means[bin_S[~fitted_S]]) ** 2).sum())
            base += float(((truth_S[~fitted_S] - mean) ** 2).sum())
    return 1 - error / base if base > 0 else 0.0


def _binned(column: Column, rows_S: np.ndarray) -> np.ndarray:
    """Return the bin of each row from 0: a level, or one of equally full ranges of numbers; missing cells have one."""
    values_S = column.values[rows_S]
    if column.kind in ("category", "yes/no"):
        return (values_S + 2).astype(np.int64)
    missing_S = np.isnan(values_S)
    distinct = np.unique(values_S[~missing_S])
    if len(distinct) > _BINS:
        distinct = np.unique(np.quantile(values_S[~missing_S], np.linspace(0, 1, _BINS + 1)[1:-1]))
    bin_S = np.searchsorted(distinct, values_S, side="right")
    return np.where(missing_S, len(distinct) + 1, bin_S).astype(np.int64)


def _pair(x_SF: np.ndarray, y_S: np.ndarray) -> tuple[tuple[int, ...], str] | None:
    """Return two columns whose sum, difference, product or ratio is the target, and the sign between them."""
    head = slice(0, _FEW)
    with np.errstate(all="ignore"):
        for sign, made, ordered in _OPERATIONS:
            made_SFF = made(x_SF[head, :, None], x_SF[head, None, :])
            fits_FF = _close(made_SFF, y_S[head, None, None]).all(axis=0)
            for first, second in np.argwhere(fits_FF):
                if first == second or (not ordered and first > second):
                    continue
                single = [_close(x_SF[:, place], y_S).all() for place in (first, second)]
                if not any(single) and _close(made(x_SF[:, first], x_SF[:, second]), y_S).all():
                    return (int(first), int(second)), sign
    return None


def _sum(x_SF: np.ndarray, y_S: np.ndarray) -> tuple[tuple[int, ...], str] | None:
    """Return three to five columns that sum to the target: those to which least squares gives a weight of one."""
    if len(y_S) <= x_SF.shape[1] + 1:
        return None
    scale_F = np.maximum(np.abs(x_SF).max(axis=0), 1e-300)
    weights_F = np.linalg.lstsq(x_SF[:4000] / scale_F, y_S[:4000], rcond=1e-10)[0] / scale_F
    chosen = np.flatnonzero(np.abs(weights_F - 1) < 1e-4)
    for count in range(3, 6):
        for places in itertools.islice(itertools.combinations(chosen.tolist(), count), 200):
            if _close(x_SF[:, list(places)].sum(axis=1), y_S).all():
                return tuple(places), "+"
    return None


def _close(made: np.ndarray, truth: np.ndarray) -> np.ndarray:
    return np.abs(made - truth) <= 1e-6 * np.maximum(np.abs(truth), 1e-6)


_OPERATIONS = (
    ("+", np.add, False),
    ("-", np.subtract, True),
    ("×", np.multiply, False),
    ("/", np.divide, True),
)
