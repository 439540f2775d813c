"""Which settings to train: the default recipe, which fills what a plan leaves open, and what competes with it."""

from danlu.search.defaults import Facts, recipe
from danlu.search.neighbours import Alike, alike, may_have_neighbours
from danlu.search.rivals import Ladder, ladder, may_be_simpler, rivals, shorter, skewed

__all__ = [
    "Alike",
    "Facts",
    "Ladder",
    "alike",
    "ladder",
    "may_be_simpler",
    "may_have_neighbours",
    "recipe",
    "rivals",
    "shorter",
    "skewed",
]
