"""Which settings to train: the default recipe, which fills what a plan leaves open, and what competes with it."""

from danlu.search.defaults import Facts, recipe
from danlu.search.rivals import rivals

__all__ = ["Facts", "recipe", "rivals"]
