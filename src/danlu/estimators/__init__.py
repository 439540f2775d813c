"""The scikit-learn face: estimators whose `fit` is Danlu's walk, and nothing beside it."""

from danlu.estimators.images import ImageClassifier, ImageRegressor
from danlu.estimators.modules import ModuleClassifier, ModuleRegressor
from danlu.estimators.tables import TableClassifier, TableRegressor

__all__ = [
    "ImageClassifier",
    "ImageRegressor",
    "ModuleClassifier",
    "ModuleRegressor",
    "TableClassifier",
    "TableRegressor",
]
