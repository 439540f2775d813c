"""Member-first networks: layers over stacked weights, their preparation, prediction and export to plain PyTorch."""

from danlu.networks.activations import ACTIVATIONS
from danlu.networks.dropout import Drop
from danlu.networks.export import to_torch
from danlu.networks.layer import Program, Step
from danlu.networks.linear import split_numbers
from danlu.networks.network import Network, Pass, Slot, Watch
from danlu.networks.predict import link, predict
from danlu.networks.preparation import Preparation, Prepared

__all__ = [
    "ACTIVATIONS",
    "Drop",
    "Network",
    "Pass",
    "Preparation",
    "Prepared",
    "Program",
    "Slot",
    "Step",
    "link",
    "predict",
    "split_numbers",
    "to_torch",
    "Watch",
]
