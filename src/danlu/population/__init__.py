"""The engine: members, batches, losses, optimizers, schedules, stopping, and the loop that trains them all at once."""

from danlu.population.batches import Matrices, Rows, Shelf
from danlu.population.curves import judged_epochs
from danlu.population.members import Members
from danlu.population.precision import choose_precision
from danlu.population.train import Trained, train

__all__ = ["Matrices", "Members", "Rows", "Shelf", "Trained", "choose_precision", "judged_epochs", "train"]
