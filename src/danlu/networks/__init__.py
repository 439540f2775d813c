"""Member-first networks: layers over stacked weights, their preparation, prediction and export to plain PyTorch."""

from danlu.networks.activations import ACTIVATIONS
from danlu.networks.dropout import Drop
from danlu.networks.export import to_torch
from danlu.networks.network import Network, Slot
from danlu.networks.predict import link, predict
from danlu.networks.preparation import Preparation, Prepared

__all__ = ["ACTIVATIONS", "Drop", "Network", "Preparation", "Prepared", "Slot", "link", "predict", "to_torch"]
