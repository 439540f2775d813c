"""Which settings to train: for now the default recipe, which fills what a plan leaves open."""

from danlu.search.defaults import Facts, recipe

__all__ = ["Facts", "recipe"]
