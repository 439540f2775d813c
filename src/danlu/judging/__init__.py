"""Metrics, intervals and baselines: what a score is, how sure it is, and what it must beat."""

from danlu.judging.baselines import Baseline, constant_baseline, linear_baseline
from danlu.judging.metrics import CLASSIFICATION, GREATER_IS_BETTER, REGRESSION, metric, metrics_for
from danlu.judging.pixels import pixel_baseline
from danlu.judging.scores import Reading, score

__all__ = [
    "Baseline",
    "CLASSIFICATION",
    "GREATER_IS_BETTER",
    "REGRESSION",
    "Reading",
    "constant_baseline",
    "linear_baseline",
    "metric",
    "metrics_for",
    "pixel_baseline",
    "score",
]
