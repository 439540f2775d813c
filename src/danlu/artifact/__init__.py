"""What is kept of a run: a folder of data only, written whole or not at all, and the predictor made from it."""

from danlu.artifact.files import check_output
from danlu.artifact.predictor import Predictions, Predictor
from danlu.artifact.store import Loaded, load, save

__all__ = ["Loaded", "Predictions", "Predictor", "check_output", "load", "save"]
