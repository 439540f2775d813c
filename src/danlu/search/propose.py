"""Which settings to try next: spread evenly at first, and then where a model of what was seen expects the best."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from danlu.search.space import Space
from danlu.search.study import written

CANDIDATES = 2048
"""Places of which the best is taken; a part of them lies near the best that were seen."""
APART = 0.1
"""Least distance of a proposal from all that were seen: nearer ones teach nothing."""
LEAST_SEEN = 8
"""Settings that must have been seen before a model says anything."""


def spread(count: int, dimensions: int, seed: int) -> np.ndarray:
    """Return places spread evenly in the unit cube, `[count, D]`: a scrambled Sobol sequence.

    >>> spread(4, 2, seed=0).shape
    (4, 2)
    """
    import torch  # noqa: PLC0415  proposals alone need it here

    engine = torch.quasirandom.SobolEngine(dimensions, scramble=True, seed=seed % 2**31)
    return engine.draw(count, dtype=torch.float64).numpy()


def expected(
    seen_ND: np.ndarray,
    error_N: np.ndarray,
    count: int,
    seed: int,
    name: Callable[[np.ndarray], str] | None = None,
) -> np.ndarray:
    """Return the places where most gain is expected, `[count, D]`, one after the other.

    A Gaussian process over the errors' ranks (which no outlier bends); expected improvement (Jones, Schonlau and
    Welch, 1998); each place taken counts as seen with the error that is expected there, so that the next lies
    elsewhere (Ginsbourger, Le Riche and Carraro, 2010: "kriging believer").

    Arguments:
        seen_ND: places that were tried.
        error_N: of each; the lower the better, infinite where a setting broke.
        count: of places to return.
        seed: of the candidates.
        name: tells the setting at a place from others: places of choices and whole numbers may lie apart and be the
            same one. None: each place is another.
    """
    from scipy.spatial.distance import cdist  # noqa: PLC0415  comes with scikit-learn
    from scipy.stats import norm  # noqa: PLC0415
    from sklearn.exceptions import ConvergenceWarning  # noqa: PLC0415  a second to import
    from sklearn.gaussian_process import GaussianProcessRegressor  # noqa: PLC0415
    from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel  # noqa: PLC0415

    rng = np.random.default_rng(seed)
    order = np.argsort(np.argsort(error_N, kind="stable"), kind="stable")
    value_N = norm.ppf((order + 0.5) / len(error_N))
    dimensions = seen_ND.shape[1]
    kernel = ConstantKernel(1.0, (0.1, 10.0)) * Matern(np.full(dimensions, 0.5), (0.1, 10.0), nu=2.5)
    process: Any = GaussianProcessRegressor(kernel + WhiteKernel(0.1, (1e-3, 1.0)), random_state=seed % 2**31)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        process.fit(seen_ND, value_N)
        process.optimizer = None
        process.kernel = process.kernel_
        taken: list[np.ndarray] = []
        known = set() if name is None else {name(place) for place in seen_ND}
        for _ in range(count):
            near = seen_ND[np.argsort(value_N)[: max(3, len(value_N) // 8)]]
            close = near[rng.integers(len(near), size=CANDIDATES // 2)]
            close = np.clip(close + rng.normal(scale=0.15, size=close.shape), 0, 1)
            places = np.concatenate([rng.random((CANDIDATES // 2, dimensions)), close])
            mean, deviation = process.predict(places, return_std=True)
            gain = value_N.min() - mean
            z = gain / np.maximum(deviation, 1e-9)
            worth = gain * norm.cdf(z) + deviation * norm.pdf(z)
            apart = cdist(places, seen_ND).min(axis=1) >= APART
            ranked = np.argsort(-np.where(apart, worth, -np.inf), kind="stable")
            best = int(ranked[0]) if name is None else _new(ranked, places, known, name)
            if name is not None:
                known.add(name(places[best]))
            taken.append(places[best])
            seen_ND, value_N = np.vstack([seen_ND, places[best]]), np.append(value_N, mean[best])
            process.fit(seen_ND, value_N)
    return np.array(taken).reshape(count, dimensions)


def _new(order: np.ndarray, places_ND: np.ndarray, known: set[str], name: Callable[[np.ndarray], str]) -> int:
    """Return the first place, in some order, whose setting is not known yet; the very first where there is none."""
    return next((int(i) for i in order if name(places_ND[i]) not in known), int(order[0]))


def propose(space: Space, seen: Sequence[tuple[np.ndarray, float]], count: int, seed: int) -> list[np.ndarray]:
    """Return places of the space to try: spread evenly, and once enough was seen mostly where gain is expected.

    Arguments:
        space: what varies.
        seen: places and their errors, all trained alike.
        count: how many.
        seed: decides what is drawn.
    """
    dimensions = len(space.names)
    if len(seen) < max(LEAST_SEEN, dimensions):
        return list(spread(count, dimensions, seed))
    places_ND, error_N = np.array([place for place, _ in seen]), np.array([error for _, error in seen])

    def name(place_D: np.ndarray) -> str:
        return written(space.at(place_D.tolist()))

    return list(expected(places_ND, error_N, count, seed + len(seen), name))
