"""Where the errors of neighbouring rows are alike: there a network's errors could have been known from its neighbours.

A network whose errors out of fold are predicted by those of other rows nearby has missed something that changes from
place to place. What near training rows had as target is then a further input (`danlu.networks.neighbours`).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import torch
from torch import Tensor

from danlu.core.plan import Plan
from danlu.core.records import FeatureLayout, Schema, SpaceLayout
from danlu.features.layout import space
from danlu.networks.neighbours import Learnt, Neighbours
from danlu.search.defaults import Facts, is_plain

MOST_ROWS, MOST_CLASSES = 60_000, 12
"""Beyond these neighbours are not looked for unless asked."""
MOST_COLUMNS, LEAST_VALUES = 12, 10
"""Columns that are tried in pairs, and how many different values a number must have to be one of them."""
SCREENED, TESTED, KEPT = 2000, 8000, 6
"""All spaces are compared on so many rows, the best `KEPT` of them then on more."""
SURE, SHARE, SLOPE = 3.5, 0.004, 0.2
"""What is gained must be so many of its standard errors, this share of the squared errors, and neighbours' errors count
for so much. Of 18 tables california (6.0 standard errors), white wine (7.4), adult (6.9), ocean proximity (14.7) and
diabetes130 (7.2) pass; the next is at 2.0. All but the last, which the contest keeps out, gain on held-out rows."""
SPACES = 2


@dataclass(frozen=True)
class Alike:
    """Columns in which errors of neighbours are alike: the share of squared errors that others tell, how sure, and the
    factor that their mean error takes for it."""

    columns: tuple[str, ...]
    share: float
    sure: float
    slope: float

    @property
    def holds(self) -> bool:
        """Whether it is more than chance, and worth anything."""
        return self.sure > SURE and self.share > SHARE and self.slope > SLOPE


def may_have_neighbours(plan: Plan, facts: Facts) -> bool:
    """Return whether the recipe may look for neighbours: the user has named no
    network and settled nothing of it, and no rows belong together (a row's neighbours would be its own group)."""
    related = plan.group is not None or plan.time is not None
    plain = plan.neighbours is not None or plan.holdout == 0 or is_plain(plan) or facts.image is not None or related
    return not plain and facts.rows <= MOST_ROWS and facts.classes <= MOST_CLASSES


def alike(plain_ND: Tensor, error_NC: Tensor, schema: Schema, own: FeatureLayout) -> tuple[Alike, ...]:
    """Return the spaces in which errors of neighbouring rows are alike, the surest first; none if in none they are.

    Arguments:
        plain_ND: prepared inputs of judged rows, bins and neighbours left out.
        error_NC: truth minus what a network that had not learnt from the row predicted, for classes of each class.
        schema: of the table.
        own: layout of the network's columns.
    """
    drawn = torch.randperm(len(plain_ND), generator=torch.Generator().manual_seed(0))
    plain, error = plain_ND[drawn[:TESTED]], error_NC[drawn[:TESTED]].double()
    few = slice(min(SCREENED, len(plain)))
    spaces = _spaces(plain, error, schema, own)
    if not spaces or len(plain) < 2 * spaces[0].nearest:
        return ()
    best = sorted(spaces, key=lambda space: -_test(plain[few], error[few], space)[0].sure)[:KEPT]
    found: list[Alike] = []
    for _ in range(SPACES):
        tested = [_test(plain, error, space) for space in best]
        surest, told = max(tested, key=lambda pair: pair[0].sure)
        if not surest.holds or surest.columns in [each.columns for each in found]:
            break
        found.append(surest)
        error = error - told
    return tuple(found)


def _spaces(plain_ND: Tensor, error_NC: Tensor, schema: Schema, own: FeatureLayout) -> list[SpaceLayout]:
    """Return what is tried: all columns together, each number, and pairs of the numbers that tell most alone."""
    place = {name: i for i, name in enumerate(own.numbers[: own.given])}
    names = [c.name for c in schema.columns if c.name in place]
    names = [name for name in names if len(plain_ND[:, place[name]].unique()) >= LEAST_VALUES]
    if len(names) > MOST_COLUMNS:
        few = slice(min(SCREENED, len(plain_ND)))
        sure = [-_test(plain_ND[few], error_NC[few], space((name,), own, schema))[0].sure for name in names]
        kept = sorted(range(len(names)), key=sure.__getitem__)[:MOST_COLUMNS]
        names = [names[i] for i in sorted(kept)]
    sets = [*((name,) for name in names), *combinations(names, 2), *([()] if len(own.numbers) > 2 else [])]
    return [space(columns, own, schema) for columns in sets]


def _test(plain_ND: Tensor, error_NC: Tensor, space: SpaceLayout) -> tuple[Alike, Tensor]:
    """Return how much of each row's errors those of its neighbours tell, and what they tell."""
    every = torch.arange(len(plain_ND))
    _, said_NC = Neighbours.fit(plain_ND[:, list(space.places)], Learnt(every, error_NC), space.nearest)
    said_NC = said_NC.double()
    slope = float((said_NC * error_NC).sum() / said_NC.square().sum().clamp(min=1e-30))
    before_N, after_N = error_NC.square().sum(1), (error_NC - slope * said_NC).square().sum(1)
    gain_N = before_N - after_N
    spread = float(gain_N.std() / len(gain_N) ** 0.5) or float("inf")
    sure = float(gain_N.mean()) / spread if slope > 0 else 0.0
    return Alike(space.columns, float(gain_N.sum() / before_N.sum().clamp(min=1e-30)), sure, slope), slope * said_NC
